//! What comes with the program: the built-in kinds, what is pinned for them, where Debian publishes, and how it is trusted.
//!
//! These are the files of the repository's `image-recipes/` and `manifests/`, taken in when the program is built. A project
//! is laid over them: a file that it has counts, any other is the one here.

/// A file that comes with the program.
#[derive(Debug)]
pub struct File {
    /// Its path from the repository's root.
    pub path: &'static str,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// What is in it.
    pub bytes: &'static [u8],
}

/// All of them, a folder after the other.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The programs that run inside an image: architecture, name, bytes. Of a release alone.
static PROGRAMS: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/programs.rs"));

/// The file at `path`.
#[must_use]
pub fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

/// The text at `path`; none where there is none, or it is no text.
#[must_use]
pub fn text(path: &str) -> Option<&'static str> {
    std::str::from_utf8(file(path)?.bytes).ok()
}

/// The files below `prefix`, a folder with a slash at its end, each with the rest of its path.
pub fn below(prefix: &str) -> impl Iterator<Item = (&'static str, &'static File)> {
    FILES.iter().filter_map(move |file| Some((file.path.strip_prefix(prefix)?, file)))
}

/// The names of the built-in kinds, sorted.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|file| file.path.strip_prefix("image-recipes/")?.strip_suffix("/recipe.toml"))
}

/// A program that runs inside an image, where this one is a release.
#[must_use]
pub fn program(arch: &str, name: &str) -> Option<&'static [u8]> {
    PROGRAMS.iter().find(|(of, is, _)| *of == arch && *is == name).map(|(_, _, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_program_is_what_the_repository_has() {
        let root = crate::programs::checkout();
        for file in FILES {
            assert_eq!(std::fs::read(root.join(file.path)).unwrap(), file.bytes, "{}", file.path);
        }
        let mut found = kinds().collect::<Vec<_>>();
        found.sort_unstable();
        assert_eq!(found, ["base", "knc", "knd"]);
        assert!(text("manifests/sources.toml").unwrap().contains("[[suite]]"));
        assert!(
            below("image-recipes/base/rootfs/")
                .all(|(path, _)| path.starts_with("etc/") || path.starts_with("usr/"))
        );
        assert_eq!(below("image-recipes/none/").count(), 0);
    }
}
