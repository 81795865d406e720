//! The project's own files, read without leaving the project.
//!
//! Whoever sends a change to a recipe must not choose a file of the machine that bakes: a symbolic link that leads out of
//! the root is not followed, in any part of a path and at any time, as the kernel itself resolves it (`openat2` with
//! `RESOLVE_BENEATH`). Links within the root are, but for those to hidden files, such as `.git/config`, which may hold what
//! a machine logs in with; and where the kernel lacks that call no link is. Only regular files are read, up to a limit: a
//! FIFO would wait for ever, `/dev/zero` does not end.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

/// The largest manifest, lock, recipe or certificate in bytes.
pub const MAX_TEXT: u64 = 16 << 20;
/// The largest file of a rootfs in bytes.
pub const MAX_FILE: u64 = 256 << 20;
/// The most bytes that all files of a rootfs have together.
pub const MAX_FILES: u64 = 1 << 30;

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What an entry of a directory is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file, and whether its owner may execute it.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link with its target, as written.
    Link(String),
    /// A FIFO, a socket or a device.
    Other,
}

/// Reads the regular file `file`, a path from `root`, of at most `limit` bytes.
pub fn read(root: &Path, file: &Path, limit: u64) -> Result<Vec<u8>> {
    all(self::file(root, file)?, limit)
}

/// Opens `file`, a path from `root`, for reading. It may be anything that is there: whoever reads it looks first.
pub fn file(root: &Path, file: &Path) -> Result<File> {
    Ok(open(root, file, OFlags::NONBLOCK)?.into())
}

/// Opens `directory`, a path from `root`, to make or to look up what is in it.
pub fn directory(root: &Path, directory: &Path) -> Result<OwnedFd> {
    open(root, directory, OFlags::DIRECTORY)
}

/// Reads the regular file at `path`, which somebody at the command line has named: links are followed.
pub fn read_named(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    all(rustix::fs::open(path, flags, Mode::empty())?.into(), limit)
}

/// The entries of `directory`, a path from `root`, sorted by name; nothing where there is none.
pub fn list(root: &Path, directory: &Path) -> Result<Option<Vec<Found>>> {
    let handle = match open(root, directory, OFlags::DIRECTORY) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let text = |bytes: Vec<u8>, what: &str| {
        String::from_utf8(bytes)
            .map_err(|_| Error::new(ErrorKind::InvalidData, format!("{what} is not UTF-8")))
    };
    let mut all = Vec::new();
    for entry in rustix::fs::Dir::read_from(&handle)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = rustix::fs::statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => Kind::File { executable: stat.st_mode & 0o100 != 0 },
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&handle, name, Vec::new())?;
                Kind::Link(text(target.into_bytes(), "the target of a link")?)
            }
            _ => Kind::Other,
        };
        all.push(Found { name: text(name.to_bytes().to_vec(), "a name")?, kind });
    }
    all.sort_unstable();
    Ok(Some(all))
}

fn open(root: &Path, path: &Path, more: OFlags) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    let root = if root == Path::new("") { Path::new(".") } else { root };
    let root = rustix::fs::open(root, flags | OFlags::DIRECTORY, Mode::empty())?;
    let path = if path == Path::new("") { Path::new(".") } else { path };
    let opened = match without_links(root.as_fd(), path, flags | more) {
        Err(Errno::LOOP) => match resolved(root.as_fd(), path, flags | more, ResolveFlags::NO_MAGICLINKS) {
            Ok(opened) if is_hidden(&root, &opened)? => {
                return Err(Error::new(ErrorKind::PermissionDenied, IS_HIDDEN));
            }
            // found part by part, on a kernel without the call
            Err(Errno::NOSYS | Errno::PERM) => return Err(is_link()),
            opened => opened,
        },
        opened => opened,
    };
    opened.map_err(|error| if error == Errno::XDEV { leads_out() } else { error.into() })
}

/// Opens `path`, from an open directory and below it, where no part of it is a link; `Errno::LOOP` where one is.
pub(crate) fn without_links(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    match resolved(root, path, flags, ResolveFlags::NO_SYMLINKS) {
        // Linux before 5.6, and sandboxes that do not know the call
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(root, path, flags),
        opened => opened,
    }
}

/// Opens `path` below `root`, as the kernel resolves it.
fn resolved(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    how: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    loop {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::BENEATH | how) {
            // something was renamed while the kernel looked
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
}

/// Whether what a link has led to is below a name of `root` that begins with a dot.
fn is_hidden(root: &OwnedFd, opened: &OwnedFd) -> Result<bool> {
    let path = |of: &OwnedFd| {
        let link = rustix::fs::readlink(format!("/proc/self/fd/{}", of.as_raw_fd()), Vec::new())?;
        Ok::<_, Error>(PathBuf::from(OsString::from_vec(link.into_bytes())))
    };
    let (root, opened) = (path(root)?, path(opened)?);
    let below = opened.strip_prefix(root).map_err(|_| leads_out())?;
    Ok(below.iter().any(|part| part.as_encoded_bytes().starts_with(b".")))
}

const LEADS_OUT: &str = "a symbolic link leads out of the project";
const IS_HIDDEN: &str = "a symbolic link leads to a hidden file of the project";

/// Opens `path` part by part, and follows no link at all: `Errno::LOOP` for one, `Errno::XDEV` for what leads above `root`.
pub(crate) fn step_by_step(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let mut at = rustix::io::fcntl_dupfd_cloexec(root, 0)?;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let name = match part {
            Component::Normal(name) => name,
            Component::CurDir => OsStr::new("."),
            _ => return Err(Errno::XDEV),
        };
        // to go through a directory needs no right to list it
        let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let flags = if parts.peek().is_some() { through } else { flags };
        at = match rustix::fs::openat(&at, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::NOTDIR) if is_symlink(&at, name) => return Err(Errno::LOOP),
            opened => opened?,
        };
    }
    Ok(at)
}

fn is_link() -> Error {
    Error::new(ErrorKind::PermissionDenied, "it is a symbolic link, which this kernel cannot follow safely")
}

fn leads_out() -> Error {
    Error::new(ErrorKind::PermissionDenied, LEADS_OUT)
}

fn is_symlink(at: &OwnedFd, name: &OsStr) -> bool {
    let stat = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

fn all(file: File, limit: u64) -> Result<Vec<u8>> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    // a file that grows meanwhile is no longer than the limit either
    if meta.len() <= limit && file.take(limit + 1).read_to_end(&mut bytes)? as u64 <= limit {
        return Ok(bytes);
    }
    Err(Error::new(ErrorKind::FileTooLarge, format!("expected at most {limit} bytes, found more")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A project with files and links, and a secret beside it.
    fn place() -> (tempfile::TempDir, std::path::PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("project");
        std::fs::create_dir_all(root.join("manifests")).unwrap();
        std::fs::create_dir_all(place.path().join("home")).unwrap();
        std::fs::write(place.path().join("home/key"), "secret").unwrap();
        std::fs::write(root.join("manifests/a"), "text").unwrap();
        (place, root)
    }

    #[test]
    fn a_link_is_followed_within_the_root_and_never_out_of_it() {
        let (place, root) = place();
        let home = place.path().join("home");
        for (at, target) in [
            ("absolute", home.join("key")),
            ("above", "../home/key".into()),
            ("twice", "absolute".into()),
            ("proc", "/proc/self/environ".into()),
            ("folder", home.clone()),
        ] {
            symlink(target, root.join(at)).unwrap();
        }
        for file in ["absolute", "above", "twice", "proc", "folder/key", "../home/key"] {
            let error = read(&root, Path::new(file), MAX_TEXT).unwrap_err();
            assert_eq!(error.to_string(), LEADS_OUT, "{file}");
        }
        assert!(list(&root, Path::new("folder")).is_err());
        symlink("manifests/a", root.join("inside")).unwrap();
        assert_eq!(read(&root, Path::new("inside"), MAX_TEXT).unwrap(), b"text");
        assert_eq!(list(&root, Path::new("none")).unwrap(), None);
        let found = list(&root, Path::new("manifests")).unwrap().unwrap();
        assert_eq!(found, [Found { name: "a".to_owned(), kind: Kind::File { executable: false } }]);
    }

    #[test]
    fn a_link_to_a_hidden_file_of_the_root_is_not_followed() {
        let (_place, root) = place();
        for directory in [".git", "rootfs/root/.ssh"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        std::fs::write(root.join(".git/config"), "token").unwrap();
        std::fs::write(root.join("rootfs/root/.ssh/authorized_keys"), "key").unwrap();
        symlink("../.git/config", root.join("manifests/lock")).unwrap();
        symlink("manifests/lock", root.join("twice")).unwrap();
        symlink(".git", root.join("folder")).unwrap();
        symlink("rootfs", root.join("other")).unwrap();
        for file in ["manifests/lock", "twice", "folder/config"] {
            assert_eq!(read(&root, Path::new(file), MAX_TEXT).unwrap_err().to_string(), IS_HIDDEN, "{file}");
        }
        assert_eq!(list(&root, Path::new("folder")).unwrap_err().to_string(), IS_HIDDEN);
        // what is hidden is found where it is, and by a link that leads to what is not
        let key = Path::new("rootfs/root/.ssh/authorized_keys");
        assert_eq!(read(&root, key, MAX_TEXT).unwrap(), b"key");
        assert_eq!(list(&root, Path::new("other")).unwrap().unwrap().len(), 1);
    }

    #[test]
    fn without_openat2_no_link_is_followed() {
        let (place, root) = place();
        let open = |path: &str| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let root = rustix::fs::open(&root, flags | OFlags::DIRECTORY, Mode::empty()).unwrap();
            step_by_step(root.as_fd(), Path::new(path), flags | OFlags::NONBLOCK).map_err(|error| match error
            {
                Errno::LOOP => is_link(),
                Errno::XDEV => leads_out(),
                other => other.into(),
            })
        };
        symlink(place.path().join("home"), root.join("folder")).unwrap();
        symlink("manifests/a", root.join("inside")).unwrap();
        for (path, expected) in [
            ("folder/key", "it is a symbolic link"),
            ("inside", "it is a symbolic link"),
            ("../home/key", LEADS_OUT),
            ("/etc/passwd", LEADS_OUT),
            ("manifests/../../home/key", LEADS_OUT),
        ] {
            let error = open(path).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{path}: {error}");
        }
        assert_eq!(open("none").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(all(open("./manifests/a").unwrap().into(), MAX_TEXT).unwrap(), b"text");
    }

    #[test]
    fn what_is_no_regular_file_or_too_long_is_refused_at_once() {
        let (_place, root) = place();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
        for file in ["fifo", "manifests"] {
            let error = read(&root, Path::new(file), MAX_TEXT).unwrap_err().to_string();
            assert_eq!(error, "it is not a regular file", "{file}");
            let error = read_named(&root.join(file), MAX_TEXT).unwrap_err().to_string();
            assert_eq!(error, "it is not a regular file", "{file}");
        }
        let error = read_named(Path::new("/dev/zero"), MAX_TEXT).unwrap_err().to_string();
        assert_eq!(error, "it is not a regular file");
        assert_eq!(read(&root, Path::new("manifests/a"), 4).unwrap(), b"text");
        let error = read(&root, Path::new("manifests/a"), 3).unwrap_err().to_string();
        assert_eq!(error, "expected at most 3 bytes, found more");
    }
}
