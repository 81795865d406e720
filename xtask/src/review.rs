//! Maintainer scripts that nobody has reviewed: what is new in them, and what to do about it.
//!
//! The texts of reviewed scripts are in `manifests/effects/PACKAGE/SCRIPT-DIGEST`, by the first twelve digits of the digest of
//! their normal form. They are read only here, for the difference; what counts is the digest in `manifests/effects.toml`.

use crate::console;
use crate::project::{Project, label};
use bake::beneath;
use bake::digest::Sha256;
use bake::effects::{Unreviewed, key, unified};
use bake::{Class, Refusal, Result, Stage};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// How many digits of a digest are in the name of a text.
const DIGITS: usize = 12;

/// Shows the difference of each script to the reviewed one that is nearest, and refuses. With a folder, the texts are
/// put there as they would be committed.
pub(crate) fn check(
    project: &Project,
    scripts: &[Unreviewed],
    stage: Stage,
    folder: Option<&Path>,
) -> Result<()> {
    let Some(first) = scripts.first() else { return Ok(()) };
    for script in scripts {
        let new = String::from_utf8_lossy(&script.text.bytes);
        let (was, old) = nearest(project, script, &new);
        console::note(format!("--- {was}"));
        console::note(format!("+++ {} of {} {}", script.script, script.package, script.text.digest));
        for line in unified(&old, &new).lines() {
            console::note(line);
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
        "read each; then add its digest and what it does in an image to manifests/effects.toml, or to [effects.{}] of the \
         recipe, and its text to manifests/effects/, which `cargo xtask lock --kind KIND --arch ARCH --unreviewed DIR` writes",
        key(&first.package)
    );
    Err(Refusal::new(Class::Archive, first.package.as_str(), stage, format!("{first}{more}")).hint(hint))
}

/// The reviewed text that differs least, with its name; nothing and an empty text when there is none.
fn nearest(project: &Project, script: &Unreviewed, new: &str) -> (String, String) {
    let texts = script.known.iter().filter_map(|digest| {
        let path = text_path(&project.root.join("manifests/effects"), script, digest);
        let bytes = project.read(&path, beneath::MAX_TEXT).ok()?;
        Some((label(&path), String::from_utf8_lossy(&bytes).into_owned()))
    });
    let changes = |old: &str| unified(old, new).lines().filter(|line| !line.starts_with([' ', '@'])).count();
    let least = texts.min_by_key(|(_, old)| changes(old));
    least.unwrap_or_else(|| ("no reviewed text".to_owned(), String::new()))
}

/// Where the text of a script is.
fn text_path(folder: &Path, script: &Unreviewed, digest: &Sha256) -> PathBuf {
    let name = format!("{}-{}", script.script, &digest.hex()[..DIGITS]);
    folder.join(key(&script.package).as_str()).join(name)
}

/// Puts the text of a script where it would be committed. Whoever sent the change that has the script must not choose where
/// that is by a link: one in the place of the package's folder or of the text is not followed.
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
        replace(&at, below.file_name().unwrap_or_default(), &script.text.bytes)
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
    use bake::name::Name;
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
        let script = Unreviewed { package, script: "postinst".to_owned(), text, known: Vec::new() };
        let folder = root.join("manifests/effects");
        let path = text_path(&folder, &script, &script.text.digest);
        // in the place of the text
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
