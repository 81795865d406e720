//! A tree on disk as lines that can be compared: a path, and what it is.
//!
//! Owners are by the names in the tree's own `/etc/passwd` and `/etc/group`, as numbers above 99 are given in the order of
//! installation there and fixed by the recipe here. Databases of many entries come apart: `/etc/passwd:root` is a line of
//! its own, without such numbers.

use super::Listing;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use tree::digest::Sha256;

/// kmod writes its lines in the order of a hash table, ours are sorted.
const UNORDERED: &str = "/modules.symbols";

/// Each path below `root` with its type, mode, owner, extended attributes, and content or target.
pub fn of(root: &Path) -> Result<Listing> {
    let users = names(root, "etc/passwd")?;
    let groups = names(root, "etc/group")?;
    let mut listing = Listing::new();
    walk(root, "", &users, &groups, &mut listing)?;
    for (path, split) in [
        ("/etc/passwd", passwd as Split),
        ("/etc/group", group),
        ("/etc/shadow", first_field),
        ("/etc/gshadow", first_field),
        ("/var/lib/dpkg/status", stanzas),
        ("/var/lib/dpkg/triggers/File", lines),
        ("/var/lib/dpkg/diversions", lines),
        ("/var/lib/dpkg/statoverride", lines),
        ("/var/lib/ucf/hashfile", lines),
        ("/var/lib/ucf/registry", lines),
    ] {
        let Some(what) = listing.get_mut(path) else { continue };
        // without the digest, which is last
        *what = what.rsplit_once(' ').map_or_else(|| what.clone(), |(access, _)| access.to_owned());
        let text = fs::read_to_string(root.join(&path[1..]))?;
        listing
            .extend(split(&text, &groups).into_iter().map(|(key, value)| (format!("{path}:{key}"), value)));
    }
    Ok(listing)
}

type Names = BTreeMap<u32, String>;
type Split = fn(&str, &Names) -> Vec<(String, String)>;

fn walk(root: &Path, below: &str, users: &Names, groups: &Names, into: &mut Listing) -> Result<()> {
    for entry in fs::read_dir(root.join(below.trim_start_matches('/')))? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a name is not UTF-8")?;
        let path = format!("{below}/{name}");
        let meta = entry.path().symlink_metadata()?;
        let name = |names: &Names, id: u32| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let owner = format!("{}:{}", name(users, meta.uid()), name(groups, meta.gid()));
        let access = format!("{:04o} {owner}{}", meta.mode() & 0o7777, attributes(&entry.path())?);
        let kind = meta.file_type();
        let what = if kind.is_dir() {
            walk(root, &path, users, groups, into)?;
            format!("directory {access}")
        } else if kind.is_symlink() {
            format!("link {owner} {}", fs::read_link(entry.path())?.display())
        } else if kind.is_file() {
            let bytes = fs::read(entry.path())?;
            let bytes = if path.ends_with(UNORDERED) { sorted(&bytes) } else { bytes };
            format!("file {access} {}", &Sha256::of(&bytes).hex()[..16])
        } else if kind.is_char_device() || kind.is_block_device() {
            format!("device {access} {:x}", meta.rdev())
        } else {
            format!("{kind:?} {access}")
        };
        into.insert(path, what);
    }
    Ok(())
}

/// The lines of a text in the order of their bytes.
fn sorted(text: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines.concat()
}

/// The extended attributes of a path, with a blank before each.
fn attributes(path: &Path) -> Result<String> {
    let mut names = vec![0_u8; 4096];
    let length = match rustix::fs::llistxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut out = String::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = std::str::from_utf8(name)?;
        // lists for the journal are applied by each boot; here some file systems have them and some do not
        if name.starts_with("system.posix_acl_") {
            continue;
        }
        let mut value = vec![0_u8; 4096];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..])?;
        out += &format!(" {name}={}", &Sha256::of(&value[..length]).hex()[..8]);
    }
    Ok(out)
}

fn names(root: &Path, file: &str) -> Result<Names> {
    let text = fs::read_to_string(root.join(file)).with_context(|| file.to_owned())?;
    let name = |line: &str| Some((line.split(':').nth(2)?.parse().ok()?, line.split(':').next()?.to_owned()));
    Ok(text.lines().filter_map(name).collect())
}

/// A number that Debian fixes; others depend on the order of installation.
fn number(id: &str) -> &str {
    if id.parse::<u32>().is_ok_and(|id| !(100..65534).contains(&id)) { id } else { "any" }
}

fn passwd(text: &str, groups: &Names) -> Vec<(String, String)> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let (name, word, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let group = groups.get(&gid.parse().ok()?)?;
        let rest: Vec<&str> = fields.collect();
        Some((name.to_owned(), format!("{word}:{}:{group}:{}", number(uid), rest.join(":"))))
    };
    text.lines()
        .map(|line| entry(line).unwrap_or_else(|| (line.to_owned(), "no line of passwd".to_owned())))
        .collect()
}

fn group(text: &str, _: &Names) -> Vec<(String, String)> {
    let entry = |line: &str| {
        let [name, word, gid, members] = line.split(':').collect::<Vec<_>>()[..] else { return None };
        Some((name.to_owned(), format!("{word}:{}:{members}", number(gid))))
    };
    text.lines()
        .map(|line| entry(line).unwrap_or_else(|| (line.to_owned(), "no line of group".to_owned())))
        .collect()
}

fn first_field(text: &str, _: &Names) -> Vec<(String, String)> {
    let entry = |line: &str| line.split_once(':').map(|(name, rest)| (name.to_owned(), rest.to_owned()));
    text.lines().filter_map(entry).collect()
}

/// Lines whose order has no meaning.
fn lines(text: &str, _: &Names) -> Vec<(String, String)> {
    text.lines().map(|line| (line.to_owned(), "line".to_owned())).collect()
}

fn stanzas(text: &str, _: &Names) -> Vec<(String, String)> {
    let entry = |stanza: &str| {
        let name = stanza.trim_start().strip_prefix("Package: ")?.lines().next()?.to_owned();
        Some((name, stanza.trim().to_owned()))
    };
    text.split("\n\n").filter_map(entry).collect()
}
