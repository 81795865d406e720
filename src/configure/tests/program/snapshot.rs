//! A tree as a value, and what it may be between two others.

use crate::node::{MACHINE, RECORD, TOOLS};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::Path;

/// One name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) directory: bool,
    mode: u32,
    owner: (u32, u32),
    pub(crate) content: String,
}

/// Every name below a root.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Snapshot(pub(crate) BTreeMap<String, Entry>);

impl Snapshot {
    pub(crate) fn of(root: &Path) -> Self {
        let mut out = BTreeMap::new();
        walk(root, root, &mut out);
        Self(out)
    }

    /// What is not a directory.
    fn files(&self) -> BTreeMap<&str, &Entry> {
        let files = self.0.iter().filter(|(_, entry)| !entry.directory);
        files.map(|(path, entry)| (path.as_str(), entry)).collect()
    }

    /// Names that differ.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let all = self.0.keys().chain(other.0.keys());
        let mut out: Vec<&str> =
            all.filter(|path| self.0.get(*path) != other.0.get(*path)).map(String::as_str).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Whether every file is as in `old`, or every file as in `new`; files of others that are only mended count each
    /// for itself, and so do directories.
    pub(crate) fn is_one_of(&self, old: &Self, new: &Self) -> bool {
        let mut now = self.files();
        let (mut before, mut after) = (old.files(), new.files());
        let mended: Vec<&str> = before
            .iter()
            .filter(|(path, entry)| {
                after.get(*path).is_some_and(|new| new.content == entry.content && new != *entry)
                    && ["opt/cni/", "opt/nstance-agent/identity/nonce"]
                        .iter()
                        .any(|start| path.starts_with(start))
            })
            .map(|(path, _)| *path)
            .collect();
        for path in mended {
            let (old, new) = (before.remove(path), after.remove(path));
            let present = now.remove(path);
            if present != old && present != new {
                return false;
            }
        }
        (now == before || now == after) && self.directories_are_between(old, new)
    }

    /// Without the copies of files that are on their way to their names: between mounts only.
    pub(crate) fn without_copies(mut self) -> Self {
        self.0.retain(|path, entry| entry.directory || !own_way(path));
        self
    }

    /// Whether each file is as in `old` or as in `new`; whatever is in the staging directory is nobody's.
    pub(crate) fn has_only_whole_files(&self, old: &Self, new: &Self) -> bool {
        self.files()
            .iter()
            .filter(|(path, _)| !path.starts_with("opt/podplane/etc/.staging"))
            .all(|(path, entry)| [old, new].iter().any(|tree| tree.0.get(*path) == Some(entry)))
    }

    /// Each directory is as before or as after, with owner and mode each for itself; one that is new starts with 0700.
    fn directories_are_between(&self, old: &Self, new: &Self) -> bool {
        self.0.iter().filter(|(path, entry)| entry.directory && !own_way(path)).all(|(path, entry)| {
            let of = [old.0.get(path), new.0.get(path)];
            let known = || of.iter().flatten().filter(|one| one.directory);
            let modes = known().any(|one| one.mode == entry.mode) || (of[0].is_none() && entry.mode == 0o700);
            let owners =
                known().any(|one| one.owner == entry.owner) || (of[0].is_none() && entry.owner == own_ids());
            known().next().is_some() && modes && owners
        })
    }
}

/// On its way to its name: nobody's yet, and the next run uses it.
fn own_way(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with('.') && name.ends_with(".new"))
}

fn own_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

fn walk(root: &Path, directory: &Path, out: &mut BTreeMap<String, Entry>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        // not of the node
        if [TOOLS, MACHINE].contains(&name.as_str()) {
            continue;
        }
        let content = if metadata.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else if metadata.is_file() {
            let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
            without_times(&name, text)
        } else {
            String::new()
        };
        let mode = metadata.mode() & 0o7777;
        let kind = metadata.file_type();
        out.insert(
            name,
            Entry {
                directory: kind.is_dir(),
                mode: if kind.is_symlink() { 0 } else { mode },
                owner: (metadata.uid(), metadata.gid()),
                content: format!("{}{content}", if kind.is_symlink() { "-> " } else { "" }),
            },
        );
        if kind.is_dir() {
            walk(root, &path, out);
        }
    }
}

/// The times of the first run and of the last delivery are all that a clock decides.
fn without_times(name: &str, text: String) -> String {
    let is_time = |line: &str, start: &str, end: &str| line.starts_with(start) && line.ends_with(end);
    if name.ends_with("bootstrap.done") && is_time(&text, "completed_at=2", "Z\n") {
        return "completed_at=T".to_owned();
    }
    if name != RECORD {
        return text;
    }
    let lines = text.lines().map(|line| if is_time(line, "AT='2", "Z'") { "AT=T" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// Copies what is in `from` into `to`, with modes, owners, times of files, and links.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let source = entry.unwrap().path();
        let target = to.join(source.file_name().unwrap());
        let metadata = source.symlink_metadata().unwrap();
        if metadata.is_symlink() {
            symlink(fs::read_link(&source).unwrap(), &target).unwrap();
        } else if metadata.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&source, &target);
        } else {
            fs::write(&target, fs::read(&source).unwrap()).unwrap();
            // a run waits when the last delivery was just now
            let file = fs::File::options().write(true).open(&target).unwrap();
            file.set_modified(metadata.modified().unwrap()).unwrap();
        }
        lchown(&target, Some(metadata.uid()), Some(metadata.gid())).unwrap();
        if !metadata.is_symlink() {
            fs::set_permissions(&target, Permissions::from_mode(metadata.mode() & 0o7777)).unwrap();
        }
    }
}
