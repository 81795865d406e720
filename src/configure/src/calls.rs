//! System calls that a signal may interrupt before they have done anything: each is made again, as std does with its own
//! (`EINTR`, signal(7)). On a disk that a network or a program of users serves any of them may wait.
#![expect(
    clippy::disallowed_methods,
    reason = "`clippy.toml` keeps all others from the calls that are wrapped here"
)]

use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::{Result, retry_on_intr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// How a file is opened that somebody else may have put there: a link is not followed, a pipe not waited for, a terminal not
/// taken, and no program that is started inherits it.
pub const FOUND: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// How a file is made that was not there.
pub const NEW: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How a directory is opened, no link in its place followed.
pub const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// For root's eyes, until it gets the mode that it is to have.
pub const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// open(2).
pub fn open(path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    retry_on_intr(|| rustix::fs::open(path, flags, mode))
}

/// openat(2).
pub fn openat(directory: impl AsFd, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    retry_on_intr(|| rustix::fs::openat(&directory, path, flags, mode))
}

/// openat2(2).
pub fn openat2(
    directory: impl AsFd,
    path: &str,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> Result<OwnedFd> {
    retry_on_intr(|| rustix::fs::openat2(&directory, path, flags, mode, resolve))
}

/// The names in a directory, which is opened anew.
pub fn names(directory: impl AsFd) -> Result<Dir> {
    retry_on_intr(|| Dir::read_from(&directory))
}

/// fsync(2).
pub fn fsync(fd: impl AsFd) -> Result<()> {
    retry_on_intr(|| rustix::fs::fsync(&fd))
}

/// renameat(2).
pub fn renameat(old: impl AsFd, from: &str, new: impl AsFd, to: &str) -> Result<()> {
    retry_on_intr(|| rustix::fs::renameat(&old, from, &new, to))
}

/// mkdirat(2).
pub fn mkdirat(directory: impl AsFd, path: &str, mode: Mode) -> Result<()> {
    retry_on_intr(|| rustix::fs::mkdirat(&directory, path, mode))
}

/// unlinkat(2).
pub fn unlinkat(directory: impl AsFd, path: &str, flags: AtFlags) -> Result<()> {
    retry_on_intr(|| rustix::fs::unlinkat(&directory, path, flags))
}

/// fchmod(2).
pub fn fchmod(fd: impl AsFd, mode: Mode) -> Result<()> {
    retry_on_intr(|| rustix::fs::fchmod(&fd, mode))
}

/// fchown(2).
pub fn fchown(fd: impl AsFd, owner: Option<Uid>, group: Option<Gid>) -> Result<()> {
    retry_on_intr(|| rustix::fs::fchown(&fd, owner, group))
}

/// fchownat(2).
pub fn chownat(
    directory: impl AsFd,
    path: &str,
    owner: Option<Uid>,
    group: Option<Gid>,
    flags: AtFlags,
) -> Result<()> {
    retry_on_intr(|| rustix::fs::chownat(&directory, path, owner, group, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_is_followed_waited_for_and_inherited_by_nobody() {
        for flag in [OFlags::NOFOLLOW, OFlags::NONBLOCK, OFlags::NOCTTY, OFlags::CLOEXEC] {
            assert!(FOUND.contains(flag), "{flag:?}");
        }
        for flag in [OFlags::CREATE, OFlags::EXCL, OFlags::NOFOLLOW, OFlags::CLOEXEC, OFlags::WRONLY] {
            assert!(NEW.contains(flag), "{flag:?}");
        }
        for flag in [OFlags::DIRECTORY, OFlags::NOFOLLOW, OFlags::CLOEXEC] {
            assert!(DIRECTORY.contains(flag), "{flag:?}");
        }
        assert_eq!(PRIVATE.as_raw_mode(), 0o600);
    }
}
