//! The files of one package in `info/`: its list of paths, and its control files.

use super::super::control::Deb;
use super::super::{Generated, bytes_of, refuse};
use super::{Read, refused};
use md5::{Digest as _, Md5};
use std::collections::{BTreeMap, BTreeSet};
use tree::name::ImagePath;
use tree::refusal::{Class, Result};
use tree::{Content, Node, merged};

/// The files of `deb`; `lost` are the paths that other packages took over, merged.
pub(super) fn files(deb: &Deb<'_>, lost: &BTreeSet<ImagePath>, read: Read<'_>) -> Result<Vec<Generated>> {
    let name = deb.qualified();
    let path = |sort: &str| format!("/var/lib/dpkg/info/{name}.{sort}");
    let mut list = "/.\n".to_owned();
    for member in &deb.package.members {
        if member.path != ImagePath::root() && !lost.contains(&merged(&member.path)) {
            list.push_str(member.path.as_str());
            list.push('\n');
        }
    }
    let mut files = vec![Generated::file(&path("list"), 0o644, list)?];
    for file in deb.package.control.iter().filter(|file| file.name != "control") {
        let simple = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        // a name that dpkg would take apart in another way, or that is ours to write
        if file.name.is_empty() || !file.name.bytes().all(simple) || file.name == "list" {
            let cause = format!("`{}` is not a valid control file name", file.name);
            return Err(refuse(Class::Archive, deb.name, cause));
        }
        // it is root's there, and nobody is asked whether it may be a set-uid program
        if file.mode & 0o7002 != 0 {
            let cause = format!(
                "its control file `{}` has mode {:04o}: expected no special bits, and no write permission for others",
                file.name, file.mode
            );
            return Err(refuse(Class::Archive, deb.name, cause));
        }
        files.push(Generated::file(&path(&file.name), file.mode, &file.bytes)?);
    }
    if !deb.package.control.iter().any(|file| file.name == "md5sums") {
        files.push(Generated::file(&path("md5sums"), 0o644, md5sums(deb, lost, read)?)?);
    }
    Ok(files)
}

/// The lines of `Conffiles` in `status`: path and MD5 of each, as dpkg has them once a package is configured.
pub(super) fn conffiles(deb: &Deb<'_>, lost: &BTreeSet<ImagePath>, read: Read<'_>) -> Result<Vec<String>> {
    let Some(text) = deb.control("conffiles").map_err(|error| refused(deb, error))? else {
        return Ok(Vec::new());
    };
    let contents = contents(deb);
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        // deb-conffiles(5): the only flag is for a file that the package no longer has
        if let Some(path) = line.strip_prefix("remove-on-upgrade ") {
            lines.push(format!(" {} newconffile remove-on-upgrade", path.trim_start()));
            continue;
        }
        let path: ImagePath = line.parse().map_err(|error| refuse(Class::Archive, deb.name, error))?;
        lines.push(match contents.get(&path) {
            Some(content) => {
                let obsolete = if lost.contains(&merged(&path)) { " obsolete" } else { "" };
                format!(" {path} {}{obsolete}", md5_of(&bytes_of(content, read)?))
            }
            // dpkg leaves this where the package names a conffile that it does not have
            None => format!(" {path} newconffile"),
        });
    }
    Ok(lines)
}

/// What dpkg writes for a package that has no `md5sums` of its own.
fn md5sums(deb: &Deb<'_>, lost: &BTreeSet<ImagePath>, read: Read<'_>) -> Result<String> {
    let contents = contents(deb);
    let mut text = String::new();
    for member in deb.package.members.iter().filter(|member| !lost.contains(&merged(&member.path))) {
        if let Some(content) = contents.get(&member.path) {
            let sum = md5_of(&bytes_of(content, read)?);
            text.push_str(&format!("{sum}  {}\n", member.path.relative()));
        }
    }
    Ok(text)
}

/// The contents of all regular files of `deb` by path, hard links included.
fn contents<'a>(deb: &Deb<'a>) -> BTreeMap<&'a ImagePath, &'a Content> {
    let mut contents = BTreeMap::new();
    for member in &deb.package.members {
        let content = match &member.node {
            Node::File(content) => Some(content),
            Node::Hardlink(target) => contents.get(target).copied(),
            _ => None,
        };
        contents.extend(content.map(|content| (&member.path, content)));
    }
    contents
}

fn md5_of(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Md5::digest(bytes))
}
