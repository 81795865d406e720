//! Maintainer scripts that nobody has reviewed, where a recipe asks for that: what is new in them, and what to do about it.
//!
//! No text of a script is kept. What is new in one is told by the digests of the lines of those that were reviewed, or by the
//! script of the package that the last lock names, where the store has that.

use crate::console;
use crate::project::{Project, label};
use bake::effects::{Unreviewed, key, line, unified};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use store::beneath;
use tree::digest::Sha256;
use tree::name::Name;
use tree::refusal::{Class, Refusal, Result, Stage};

/// How many digits of a digest are in the name of a text.
const DIGITS: usize = 12;

/// The scripts of the last lock's packages, by package and name, in their normal form.
pub(crate) type Old = BTreeMap<(Name, String), String>;

/// Shows what is new in each script, and refuses. With a folder, the texts and what to write are put there.
pub(crate) fn check(
    project: &Project,
    scripts: &[Unreviewed],
    old: &Old,
    stage: Stage,
    folder: Option<&Path>,
) -> Result<()> {
    let Some(first) = scripts.first() else { return Ok(()) };
    for script in scripts {
        let named = format!("{} of {} {}", script.script, script.package, script.text.digest);
        match old.get(&(script.package.clone(), script.script.clone())) {
            Some(old) => {
                console::note(format!("--- {} of {} of the last lock", script.script, script.package));
                console::note(format!("+++ {named}"));
                for line in unified(old, &String::from_utf8_lossy(&script.text.bytes)).lines() {
                    console::note(line);
                }
            }
            None => {
                let which = if script.lines.is_empty() { "all" } else { "new" };
                console::note(format!("+++ {named}, {which} lines"));
                for (at, line) in script.new_lines() {
                    console::note(format!("{at:>5} {line}"));
                }
            }
        }
        if let Some(folder) = folder {
            save(project, folder, script)?;
        }
    }
    let more = match scripts.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let hint = format!(
        "read each; then write its digest and what it does in an image into [effects.{}] of the recipe, or into \
         manifests/effects.toml for all kinds; `vmbake lock --kind KIND --arch ARCH --unreviewed DIR` writes the texts and \
         the digests; or leave out `scripts = \"reviewed\"`, and they are interpreted",
        key(&first.package)
    );
    Err(Refusal::new(Class::Archive, first.package.as_str(), stage, format!("{first}{more}")).hint(hint))
}

/// Where the text of a script is put.
fn text_path(folder: &Path, script: &Unreviewed, digest: &Sha256) -> PathBuf {
    let name = format!("{}-{}", script.script, &digest.hex()[..DIGITS]);
    folder.join(key(&script.package).as_str()).join(name)
}

/// The lines of an entry that say that a script was reviewed.
fn entry(script: &Unreviewed) -> String {
    let digests: BTreeSet<String> = script.text.bytes.split(|byte| *byte == b'\n').map(line).collect();
    let digests = digests.into_iter().collect::<Vec<_>>().join(" ");
    format!("reviewed.{0} = [\"{1}\"]\nlines.{0} = \"{digests}\"\n", script.script, script.text.digest)
}

/// Puts the text of a script, and the lines that say it was reviewed, into a folder. Whoever sent the change that has the script must not choose where
/// that is by a link: one in place of the package's folder or of the text is not followed.
fn save(project: &Project, folder: &Path, script: &Unreviewed) -> Result<()> {
    let path = text_path(folder, script, &script.text.digest);
    let below = path.strip_prefix(folder).unwrap_or(&path);
    let saved = opened(project, folder).and_then(|folder| {
        let mut at = folder;
        for part in below.parent().into_iter().flatten() {
            make(&at, part)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            at = rustix::fs::openat(&at, part, flags, Mode::empty())?;
        }
        let name = below.file_name().unwrap_or_default();
        let mut entry_name = name.to_owned();
        entry_name.push(".toml");
        replace(&at, &entry_name, entry(script).as_bytes())?;
        replace(&at, name, &script.text.bytes)
    });
    saved.map_err(|error| Refusal::io(label(&path), Stage::Resolve, "write", &error))
}

/// The folder for texts, made where it is not there: one of the project without leaving it, any other as it was named.
fn opened(project: &Project, folder: &Path) -> std::io::Result<OwnedFd> {
    if let Some(below) = project.inside(folder) {
        if let (Some(above), Some(name)) = (below.parent(), below.file_name()) {
            make(&beneath::directory(&project.root, above)?, name)?;
        }
        return beneath::directory(&project.root, &below);
    }
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::File::open(folder)?.into())
}

/// Makes the directory `name` of a directory where it is not there.
fn make(directory: &OwnedFd, name: &OsStr) -> std::io::Result<()> {
    match rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives the file `name` of a directory these bytes, whole or not at all: what has the name is replaced, and not written to.
fn replace(directory: &OwnedFd, name: &OsStr, bytes: &[u8]) -> std::io::Result<()> {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}", std::process::id()));
    match rustix::fs::unlinkat(directory, &temporary, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, &temporary, flags, Mode::from_raw_mode(0o644))?;
    std::fs::File::from(file).write_all(bytes)?;
    Ok(rustix::fs::renameat(directory, &temporary, directory, name)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bake::effects::normal;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_text_of_a_script_is_saved_in_the_folder_and_nowhere_that_a_link_leads() {
        let place = tempfile::tempdir().unwrap();
        let (root, home) = (place.path().join("project"), place.path().join("home"));
        for folder in ["image-recipes", "manifests/effects/tool"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join(".bashrc"), "kept").unwrap();
        let project = Project::find(Some(&root)).unwrap();
        let package: Name = "tool".parse().unwrap();
        let text = normal(&package, b"#!/bin/sh\nrm -rf /\n");
        let script = Unreviewed {
            package,
            script: "postinst".to_owned(),
            text,
            known: Vec::new(),
            lines: BTreeSet::new(),
        };
        let folder = root.join("manifests/effects");
        let path = text_path(&folder, &script, &script.text.digest);
        // in place of the text
        symlink(home.join(".bashrc"), &path).unwrap();
        save(&project, &folder, &script).unwrap();
        assert_eq!(fs::read(&path).unwrap(), script.text.bytes);
        assert!(!path.is_symlink());
        assert_eq!(fs::read(home.join(".bashrc")).unwrap(), b"kept");
        // of the package's folder, and of the folder for all
        for at in ["manifests/effects/tool", "manifests/effects"] {
            fs::remove_dir_all(root.join(at)).unwrap();
            symlink(&home, root.join(at)).unwrap();
            assert!(save(&project, &folder, &script).is_err(), "{at}");
            assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "{at}");
            fs::remove_file(root.join(at)).unwrap();
        }
        // and made where there is none, in the project or elsewhere
        for folder in [folder, place.path().join("a/b")] {
            save(&project, &folder, &script).unwrap();
            let saved = fs::read(text_path(&folder, &script, &script.text.digest)).unwrap();
            assert_eq!(saved, script.text.bytes);
        }
    }
}
