//! What a package would do when dpkg configures it: its scripts, triggers and diversions, as far as they can be read.
//!
//! Nothing is run. The digests of scripts are what a lock remembers, so that a changed script is seen; diversions are
//! found by reading, which can miss one that a script computes.

use crate::unpack::ControlFile;
use std::collections::{BTreeMap, BTreeSet};
use tree::digest::Sha256;
use tree::refusal::{hides, shown};

/// The maintainer scripts: policy 6.1, and debconf's `config`.
const NAMES: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];

/// What `scripts_of` finds; the fields of a `LockedPackage`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scripts {
    /// The scripts with their digests.
    pub scripts: BTreeMap<String, Sha256>,
    /// The lines of `triggers`, without comments: deb-triggers(5).
    pub triggers: Vec<String>,
    /// The paths that scripts divert, sorted: dpkg-divert(1).
    pub diverts: Vec<String>,
}

/// Reads the members of a control archive.
#[must_use]
pub fn scripts_of(control: &[ControlFile]) -> Scripts {
    let mut found = Scripts::default();
    let mut diverts = BTreeSet::new();
    for file in control {
        let text = String::from_utf8_lossy(&file.bytes);
        if NAMES.contains(&file.name.as_str()) {
            found.scripts.insert(file.name.clone(), Sha256::of(&file.bytes));
            diverts.extend(commands(&text).filter_map(|command| diverted(&command)));
        } else if file.name == "triggers" {
            let words = |line: &str| line.split_whitespace().map(shown).collect::<Vec<_>>().join(" ");
            let lines = text.lines().map(|line| words(line.split('#').next().unwrap_or_default()));
            found.triggers.extend(lines.filter(|line| !line.is_empty()));
        }
    }
    found.diverts = diverts.into_iter().collect();
    found
}

/// The lines of a script, joined where one ends with a backslash, without comment lines.
fn commands(text: &str) -> impl Iterator<Item = String> {
    let joined = text.replace("\\\n", " ");
    let lines: Vec<String> = joined.lines().map(str::to_owned).collect();
    lines.into_iter().filter(|line| !line.trim_start().starts_with('#'))
}

/// The path that a command diverts, where it says so in plain words.
fn diverted(command: &str) -> Option<String> {
    let (_, arguments) = command.split_once("dpkg-divert ")?;
    let end = arguments.find([';', '|', '&', '>', '<', ')', '`']).unwrap_or(arguments.len());
    let mut words = arguments[..end].split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let mut path = None;
    while let Some(word) = words.next() {
        match word {
            "--remove" | "--list" | "--listpackage" | "--truename" | "--help" | "--version" => return None,
            "--divert" | "--package" | "--admindir" | "--instdir" | "--root" => {
                words.next();
            }
            option if option.starts_with("--") => {}
            other => path = path.or(Some(other)),
        }
    }
    path.filter(|path| path.starts_with('/') && !path.contains(['$', '*', '?']) && !path.contains(hides))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> ControlFile {
        ControlFile { name: name.to_owned(), mode: 0o755, bytes: text.as_bytes().into() }
    }

    #[test]
    fn scripts_triggers_and_diversions_are_reported() {
        let preinst = "#!/bin/sh\n# dpkg-divert --add /comment\ndpkg-divert --package dash --no-rename \\\n  --divert /bin/sh.distrib --add /bin/sh\n\
            if x; then dpkg-divert --quiet --rename '/usr/bin/a b' >/dev/null; fi\ndpkg-divert --add --divert=/y \"/usr/bin/y\"; true\n";
        let postrm = "dpkg-divert --package dash --remove /bin/sh\ndpkg-divert --add \"$file\"\ndpkg-divert --list /z\n";
        let control = [
            file("control", "Package: dash\n"),
            file("preinst", preinst),
            file("postrm", postrm),
            file(
                "triggers",
                "# a comment\ninterest-noawait /usr/share/x # why\n\nactivate-noawait ldconfig\n",
            ),
            file("md5sums", "dpkg-divert --add /no\n"),
        ];
        let found = scripts_of(&control);
        assert_eq!(found.scripts.keys().collect::<Vec<_>>(), ["postrm", "preinst"]);
        assert_eq!(found.scripts["preinst"], Sha256::of(preinst.as_bytes()));
        assert_eq!(found.triggers, ["interest-noawait /usr/share/x", "activate-noawait ldconfig"]);
        assert_eq!(found.diverts, ["/bin/sh", "/usr/bin/a", "/usr/bin/y"]);
    }

    #[test]
    fn a_package_without_scripts_has_none() {
        assert_eq!(scripts_of(&[file("control", "Package: x\n")]), Scripts::default());
    }
}
