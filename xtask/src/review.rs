//! Maintainer scripts that nobody has reviewed: what is new in them, and what to do about it.
//!
//! The texts of reviewed scripts are in `manifests/effects/PACKAGE/SCRIPT-DIGEST`, by the first twelve digits of the digest of
//! their normal form. They are read only here, for the difference; what counts is the digest in `manifests/effects.toml`.

use crate::console;
use crate::project::{Project, label};
use bake::beneath;
use bake::digest::Sha256;
use bake::effects::{Unreviewed, key, unified};
use bake::refusal::shown;
use bake::{Class, Refusal, Result, Stage};
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
            // tabs are a script's indentation, and no danger to a terminal
            console::note(line.split('\t').map(shown).collect::<Vec<_>>().join("\t"));
        }
        if let Some(folder) = folder {
            save(folder, script)?;
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

fn save(folder: &Path, script: &Unreviewed) -> Result<()> {
    let path = text_path(folder, script, &script.text.digest);
    let written = std::fs::create_dir_all(path.parent().unwrap_or(folder))
        .and_then(|()| std::fs::write(&path, &script.text.bytes));
    written.map_err(|error| Refusal::io(label(&path), Stage::Resolve, "write", &error))
}
