//! The door to the file system: every path is below one directory, which is `/` on a node and a folder in a test.
//!
//! Reading follows links as if that directory were `/` (`RESOLVE_IN_ROOT`, openat2(2)): `/etc/hosts` may be a link.
//! Directories that something is written in are opened without following any link at all, since service users own
//! some of them and may plant one.

use crate::refusal::{Fault, Refusal, Result};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::SystemTime;

/// An open root directory.
pub struct Root {
    fd: OwnedFd,
}

impl Root {
    /// The directory `path` as root.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Refusal::io(path.display().to_string(), "open it", &error.into()))?;
        Ok(Self { fd })
    }

    /// The content of the plain file `path`, when there is one; at most `limit` bytes.
    pub fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        // non-blocking: a FIFO in the place of a file must not hang the boot
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match rustix::fs::openat2(
            &self.fd,
            relative(path),
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        ) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(Refusal::io(path, "open it", &error.into())),
        };
        read_open(file, path, limit).map(Some)
    }

    /// The same as text.
    pub fn read_text(&self, path: &str, limit: usize) -> Result<Option<String>> {
        let Some(bytes) = self.read(path, limit)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| Fault::new(path, "wanted UTF-8"))?;
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
        match rustix::fs::openat2(&self.fd, relative(path), flags, Mode::empty(), resolve) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                Err(Fault::new(path, "wanted a directory, got something else")
                    .hint("look at who made it; remove it, and run configure again")
                    .into())
            }
            Err(error) => Err(Refusal::io(path, "open it", &error.into())),
        }
    }

    /// The directory above `path`, which must be there, and the last part of `path`.
    pub fn parent<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a str)> {
        let (above, name) = split(path);
        let fd = self.directory(above)?.ok_or_else(|| Fault::new(above, "wanted a directory, got none"))?;
        Ok((fd, name))
    }

    /// The names in the directory `path`, sorted; none when it is not there.
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        let Some(fd) = self.directory(path)? else { return Ok(Vec::new()) };
        let wrong = |error: Errno| Refusal::io(path, "list it", &error.into());
        let mut out = Vec::new();
        for entry in rustix::fs::Dir::read_from(&fd).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => out.push(name.to_owned()),
            }
        }
        out.sort_unstable();
        Ok(out)
    }

    /// The size of the plain file `path` and when its content was written; none when there is none.
    pub fn size_and_time(&self, path: &str) -> Result<Option<(u64, SystemTime)>> {
        let wrong = |error: Errno| Refusal::io(path, "look at it", &error.into());
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat2(
            &self.fd,
            relative(path),
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        ) {
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
        match rustix::fs::openat2(&self.fd, relative(path), flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
            Err(error) => Err(Refusal::io(path, "look at it", &error.into())),
        }
    }
}

/// All of the plain file `fd`, at most `limit` bytes; `path` is for the fault.
pub fn read_open(fd: OwnedFd, path: &str, limit: usize) -> Result<Vec<u8>> {
    let wrong = |error: std::io::Error| Refusal::io(path, "read it", &error);
    let stat = rustix::fs::fstat(&fd).map_err(|error| wrong(error.into()))?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(Fault::new(path, "wanted a plain file").into());
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::from(fd).take(most).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() > limit {
        return Err(Fault::new(path, format!("wanted at most {limit} bytes")).into());
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
