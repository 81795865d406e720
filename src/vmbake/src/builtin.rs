//! What comes with the program: the built-in kinds, what is pinned for them, where Debian publishes, and how it is trusted.
//!
//! These are the files of the repository's `image-recipes/` and `manifests/`. A project is laid over them: a file that it has
//! counts, any other is the one here. The program that people install has them inside, and installs them here before
//! anything else; a program of a checkout reads the checkout's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::OnceLock;

/// A file that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Its path from the repository's root.
    pub path: &'static str,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// What is in it.
    pub bytes: &'static [u8],
}

/// What comes with a program.
#[derive(Debug)]
pub struct BuiltIn {
    /// The files of `image-recipes/` and `manifests/`.
    pub files: &'static [File],
    /// The programs that run inside an image, of a release alone: architecture, name, bytes.
    pub programs: &'static [(&'static str, &'static str, &'static [u8])],
}

/// The folders of the repository that come with the program.
const FOLDERS: [&str; 2] = ["image-recipes", "manifests"];

static BUILT_IN: OnceLock<&'static BuiltIn> = OnceLock::new();

/// Says what comes with this program; the first to say so is believed.
pub fn install(built_in: &'static BuiltIn) {
    BUILT_IN.get_or_init(|| built_in);
}

fn built_in() -> &'static BuiltIn {
    // once in the life of a process
    BUILT_IN.get_or_init(|| Box::leak(Box::new(of_checkout())))
}

/// What the checkout that this program was built from has: none of the programs, as cargo builds those when they are needed.
#[must_use]
pub fn of_checkout() -> BuiltIn {
    let mut files = Vec::new();
    for folder in FOLDERS {
        read(crate::programs::checkout(), folder, &mut files);
    }
    BuiltIn { files: files.leak(), programs: &[] }
}

/// The regular files below a folder of the checkout, sorted. What cannot be read does not come with the program: whoever
/// needs it says that it is missing.
fn read(root: &Path, folder: &str, files: &mut Vec<File>) {
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    for name in names {
        let path = format!("{folder}/{name}");
        let Ok(meta) = fs::symlink_metadata(root.join(&path)) else { continue };
        if meta.is_dir() {
            read(root, &path, files);
        } else if let (true, Ok(bytes)) = (meta.is_file(), fs::read(root.join(&path))) {
            let executable = meta.permissions().mode() & 0o100 != 0;
            files.push(File { path: path.leak(), executable, bytes: bytes.leak() });
        }
    }
}

/// The file at `path`.
#[must_use]
pub fn file(path: &str) -> Option<&'static File> {
    built_in().files.iter().find(|file| file.path == path)
}

/// The text at `path`; none where there is none, or it is not text.
#[must_use]
pub fn text(path: &str) -> Option<&'static str> {
    std::str::from_utf8(file(path)?.bytes).ok()
}

/// The files below `prefix`, a folder with a slash at its end, each with the rest of its path.
pub fn below(prefix: &str) -> impl Iterator<Item = (&'static str, &'static File)> {
    built_in().files.iter().filter_map(move |file| Some((file.path.strip_prefix(prefix)?, file)))
}

/// The names of the built-in kinds, sorted.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    let files = built_in().files.iter();
    files.filter_map(|file| file.path.strip_prefix("image-recipes/")?.strip_suffix("/recipe.toml"))
}

/// A program that runs inside an image, where this one is a release.
#[must_use]
pub fn program(arch: &str, name: &str) -> Option<&'static [u8]> {
    let programs = built_in().programs;
    programs.iter().find(|(of, is, _)| *of == arch && *is == name).map(|(_, _, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_checkout_are_found_by_their_names() {
        assert_eq!(kinds().collect::<Vec<_>>(), ["base", "knc", "knd"]);
        assert!(text("manifests/sources.toml").unwrap().contains("[[suite]]"));
        assert!(
            below("image-recipes/base/rootfs/")
                .all(|(path, _)| path.starts_with("etc/") || path.starts_with("usr/"))
        );
        assert_eq!(below("image-recipes/none/").count(), 0);
    }
}
