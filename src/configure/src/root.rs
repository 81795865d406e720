//! The door to the file system: every path is below one directory, which is `/` on a node and a folder in a test.
//!
//! Reading follows links as if that directory were `/` (`RESOLVE_IN_ROOT`, openat2(2)): `/etc/hosts` may be a link.
//! Directories that something is written in are opened without following any link at all, since service users own
//! some of them and may plant one.
//!
//! Where systemd keeps a unit from making set-user-id files it forbids openat2, as a filter cannot see the mode that is
//! asked for (systemd.exec(5), `RestrictSUIDSGID=`). The older call does the same then: part by part where no link may be
//! followed, and as it is where the root is `/` itself. Any other root is not read without openat2.

use crate::refusal::{Fault, Refusal, Result};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::SystemTime;

/// An open root directory.
pub struct Root {
    fd: OwnedFd,
    /// Whether it is `/` itself.
    whole: bool,
}

impl Root {
    /// The directory `path` as root.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = crate::calls::open(path, flags, Mode::empty())
            .map_err(|error| Refusal::io(path.display().to_string(), "open it", &error.into()))?;
        Ok(Self { fd, whole: path == Path::new("/") })
    }

    /// The content of the plain file `path`, when there is one; at most `limit` bytes.
    pub fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        // non-blocking: a FIFO in the place of a file must not hang the boot
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match self.found(path, flags) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(Refusal::io(path, "open it", &error.into())),
        };
        read_open(file, path, limit).map(Some)
    }

    /// The same as text.
    pub fn read_text(&self, path: &str, limit: usize) -> Result<Option<String>> {
        let Some(bytes) = self.read(path, limit)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| Fault::new(path, "expected UTF-8"))?;
        Ok(Some(text))
    }

    /// When `path` was last written to, links not followed; none when it is not there.
    #[must_use]
    pub fn modified(&self, path: &str) -> Option<std::time::SystemTime> {
        let (directory, name) = self.parent(path).ok()?;
        let stat = rustix::fs::statat(&directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).ok()?;
        let since = std::time::Duration::new(u64::try_from(stat.st_mtime).ok()?, nanoseconds);
        std::time::SystemTime::UNIX_EPOCH.checked_add(since)
    }

    /// The directory `path` for writing in it; none when it is not there. No link is followed on the way.
    pub fn directory(&self, path: &str) -> Result<Option<OwnedFd>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let opened = match crate::calls::openat2(&self.fd, relative(path), flags, Mode::empty(), resolve) {
            Err(Errno::NOSYS) => walked(&self.fd, relative(path), flags),
            opened => opened,
        };
        match opened {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                Err(Fault::new(path, "expected a directory, found something else")
                    .hint("look at who made it; remove it, and run configure again")
                    .into())
            }
            Err(error) => Err(Refusal::io(path, "open it", &error.into())),
        }
    }

    /// The directory above `path`, which must be there, and the last part of `path`.
    pub fn parent<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a str)> {
        let (above, name) = split(path);
        let fd =
            self.directory(above)?.ok_or_else(|| Fault::new(above, "expected a directory, found none"))?;
        Ok((fd, name))
    }

    /// The names in the directory `path`, sorted; none when it is not there.
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        self.list_at_most(path, usize::MAX)
    }

    fn list_at_most(&self, path: &str, most: usize) -> Result<Vec<String>> {
        let Some(fd) = self.directory(path)? else { return Ok(Vec::new()) };
        let wrong = |error: Errno| Refusal::io(path, "list it", &error.into());
        let mut out = Vec::new();
        for entry in crate::calls::names(&fd).map_err(wrong)?.take(most) {
            let entry = entry.map_err(wrong)?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => out.push(name.to_owned()),
            }
        }
        out.sort_unstable();
        Ok(out)
    }

    /// Some names in the directory `path` that a service's user may have filled or replaced: at most `most`, sorted; none
    /// where it is not a directory.
    pub fn list_some(&self, path: &str, most: usize) -> Result<Vec<String>> {
        match self.list_at_most(path, most) {
            Err(refusal) if refusal.class == crate::refusal::Class::Input => Ok(Vec::new()),
            names => names,
        }
    }

    /// The content of the plain file `path`, no link followed anywhere: a service's user may have put one there, and what root
    /// reads by it would be written where all may read. None where there is anything but such a file of at most `limit` bytes.
    pub fn read_plain(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let (above, name) = split(path);
        let read = || {
            let Some(directory) = self.directory(above)? else { return Ok(None) };
            match crate::calls::openat(&directory, name, crate::calls::FOUND, Mode::empty()) {
                Ok(file) => read_open(file, path, limit).map(Some),
                Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
                Err(error) => Err(Refusal::io(path, "open it", &error.into())),
            }
        };
        match read() {
            Err(refusal) if refusal.class == crate::refusal::Class::Input => Ok(None),
            content => content,
        }
    }

    /// The size of the plain file `path` and when its content was written; none when there is none.
    pub fn size_and_time(&self, path: &str) -> Result<Option<(u64, SystemTime)>> {
        let wrong = |error: Errno| Refusal::io(path, "look at it", &error.into());
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let fd = match self.found(path, flags) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(wrong(error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(wrong)?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Ok(None);
        }
        // a clock before 1970 wrote it: then it is as old as times get
        let since = std::time::Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
        let time = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Some((u64::try_from(stat.st_size).unwrap_or_default(), time)))
    }

    /// Whether there is anything at `path`, links not followed.
    pub fn exists(&self, path: &str) -> Result<bool> {
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match self.found(path, flags) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
            Err(error) => Err(Refusal::io(path, "look at it", &error.into())),
        }
    }

    /// Whether there is anything at `path`; nothing is where a part of it is a link or no directory.
    pub fn exists_plainly(&self, path: &str) -> Result<bool> {
        let (above, name) = split(path);
        let directory = match self.directory(above) {
            Err(refusal) if refusal.class == crate::refusal::Class::Input => return Ok(false),
            Ok(None) => return Ok(false),
            directory => directory?,
        };
        let Some(directory) = directory else { return Ok(false) };
        match rustix::fs::statat(&directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(Refusal::io(path, "look at it", &error.into())),
        }
    }

    /// What is at `path`, links followed within the root.
    fn found(&self, path: &str, flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
        let path = relative(path);
        match crate::calls::openat2(&self.fd, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            Err(Errno::NOSYS) if self.whole => crate::calls::openat(&self.fd, path, flags, Mode::empty()),
            opened => opened,
        }
    }
}

/// The directory `path` below `root`, part by part, no link followed and never upwards.
fn walked(root: &OwnedFd, path: &str, flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
    let open =
        |above: &OwnedFd, part: &str, flags| crate::calls::openat(above.as_fd(), part, flags, Mode::empty());
    let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    let mut at = open(root, ".", through)?;
    for part in above.split('/').filter(|part| !part.is_empty()) {
        if part == ".." {
            return Err(Errno::XDEV);
        }
        at = open(&at, part, through)?;
    }
    if last == ".." { Err(Errno::XDEV) } else { open(&at, last, flags) }
}

/// All of the plain file `fd`, at most `limit` bytes; `path` is for the fault.
pub fn read_open(fd: OwnedFd, path: &str, limit: usize) -> Result<Vec<u8>> {
    let wrong = |error: std::io::Error| Refusal::io(path, "read it", &error);
    let stat = rustix::fs::fstat(&fd).map_err(|error| wrong(error.into()))?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(Fault::new(path, "expected a plain file").into());
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::from(fd).take(most).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() > limit {
        return Err(Fault::new(path, format!("expected at most {limit} bytes")).into());
    }
    Ok(bytes)
}

/// The directory above, and the last part, of an absolute path.
#[must_use]
pub fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((above, name)) => (above, name),
        None => ("/", path),
    }
}

fn relative(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_walk_finds_what_openat2_finds_and_follows_no_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("a/b/c")).expect("directories");
        fs::write(at("a/file"), "").expect("a file");
        symlink("b", at("a/link")).expect("a link");
        symlink("/", at("top")).expect("a link");
        let root = Root::open(folder.path()).expect("a root");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let inode = |opened: std::result::Result<OwnedFd, Errno>| match opened {
            Ok(fd) => Ok(rustix::fs::fstat(fd).expect("a directory").st_ino),
            // which of the two says that there is no directory matters to nobody
            Err(Errno::LOOP) => Err(Errno::NOTDIR),
            Err(error) => Err(error),
        };
        for path in [
            "/",
            "/a",
            "/a/b",
            "/a/b/c",
            "/a/b/",
            "/a/file",
            "/a/file/x",
            "/a/link",
            "/a/link/c",
            "/top",
            "/top/etc",
            "/none",
            "/none/x",
        ] {
            let path = relative(path);
            let one = crate::calls::openat2(&root.fd, path, flags, Mode::empty(), resolve);
            assert_eq!(inode(one), inode(walked(&root.fd, path.trim_end_matches('/'), flags)), "{path}");
        }
        for path in ["..", "a/..", "a/../.."] {
            assert!(walked(&root.fd, path, flags).is_err(), "{path}");
        }
    }
}
