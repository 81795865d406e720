//! The file system as the store uses it: exact modes, no link followed, nothing that blocks.

use super::{Sharing, io};
use crate::refusal::{Class, Refusal, Result, Stage};
use rustix::fs::{Mode, OFlags};
use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Opens a plain file with one name for reading; `None` where there is nothing.
///
/// # Errors
/// `Io`, "not a plain file", for a link, a second hard link, a directory, a FIFO, a socket or a device. A FIFO
/// without a writer does not block.
pub(super) fn open_plain(path: &Path) -> Result<Option<File>> {
    let file = match open(path, OFlags::RDONLY, 0) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(why_not_opened(path, &error)),
    };
    let metadata = file.metadata().map_err(|error| io(path, "look at", &error))?;
    must_be_plain(path, &metadata)?;
    Ok(Some(file))
}

/// The size of a plain file with one name; `None` where there is nothing.
pub(super) fn plain_size(path: &Path) -> Result<Option<u64>> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => must_be_plain(path, &metadata).map(|()| Some(metadata.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path, "look at", &error)),
    }
}

/// Opens without following a last link, without blocking and without inheritance by other programs.
pub(super) fn open(path: &Path, flags: OFlags, mode: u32) -> std::io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(mode))?))
}

/// Makes a new file with exactly this mode, for reading and writing.
pub(super) fn create(path: &Path, mode: u32) -> std::io::Result<File> {
    let file = open(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)?;
    set_mode(&file, mode)?;
    Ok(file)
}

/// Gives an open file exactly this mode: what `open` gave it has lost the bits of the umask.
pub(super) fn set_mode(file: &File, mode: u32) -> std::io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

/// Makes `path`, and what is missing above it, as directories with exactly this mode.
pub(super) fn make_directory(path: &Path, mode: u32) -> std::io::Result<()> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode & 0o777)) {
        Ok(()) => {
            let inherited = std::fs::symlink_metadata(path)?.mode() & 0o2000;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode | inherited))
        }
        Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(rustix::io::Errno::NOENT) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            make_directory(parent.ok_or_else(|| Error::from(ErrorKind::NotFound))?, mode)?;
            make_directory(path, mode)
        }
        Err(error) => Err(error.into()),
    }
}

/// Renames, and makes the directory of the new name when it is not there.
pub(super) fn rename_making(from: &Path, to: &Path, directory_mode: u32) -> std::io::Result<()> {
    making(to, directory_mode, || std::fs::rename(from, to))
}

/// Does what gives something the name `to`; once more, with its directory made, where that was missing.
pub(super) fn making(
    to: &Path,
    directory_mode: u32,
    mut name: impl FnMut() -> std::io::Result<()>,
) -> std::io::Result<()> {
    match name() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_directory(to.parent().unwrap_or(to), directory_mode)?;
            name()
        }
        done => done,
    }
}

/// Records a use. Where that is not possible the store is read-only, and nothing will be cleaned up in it.
pub(super) fn touch(file: &File) {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let _ = rustix::fs::futimens(file, &rustix::fs::Timestamps { last_access: now, last_modification: now });
}

/// Refuses a link in the place of a directory of the store: a clean-up would go where it leads.
pub(super) fn must_be_no_link(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            let cause = "expected a directory, found a symbolic link";
            Err(Refusal::new(Class::Io, path.display().to_string(), Stage::Store, cause)
                .hint(format!("look at who put it there, then remove `{}`", path.display())))
        }
        _ => Ok(()),
    }
}

/// Refuses a directory that others may write to.
pub(super) fn must_be_ours(path: &Path, sharing: Sharing) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| io(path, "look at", &error))?;
    let refuse = |cause: String, hint: String| {
        Err(Refusal::new(Class::Io, path.display().to_string(), Stage::Store, cause).hint(hint))
    };
    if !metadata.is_dir() {
        return refuse(
            format!("expected a directory, found {}", sort_of(&metadata)),
            "choose another place for the store with --store".to_owned(),
        );
    }
    let (mode, owner, me) = (metadata.mode() & 0o7777, metadata.uid(), rustix::process::geteuid().as_raw());
    if sharing == Sharing::Private && owner != me {
        return refuse(
            format!("the directory belongs to another user, expected uid {me}, found {owner}"),
            "choose another place for the store with --store, or say that it is shared with --shared-store"
                .to_owned(),
        );
    }
    if sharing == Sharing::Private && mode & 0o022 != 0 {
        return refuse(
            format!("others may write to the directory, expected mode 0700, found {mode:04o}"),
            format!("`chmod 0700 {}`, or say that the store is shared with --shared-store", path.display()),
        );
    }
    if mode & 0o002 != 0 {
        return refuse(
            format!("everybody may write to the directory, expected mode 0770, found {mode:04o}"),
            format!("`chmod o-w {}`", path.display()),
        );
    }
    Ok(())
}

fn must_be_plain(path: &Path, metadata: &Metadata) -> Result<()> {
    let got = match metadata.nlink() {
        _ if !metadata.is_file() => sort_of(metadata).to_owned(),
        // none: another process has put the same blob, or a newer note, in its place since it was opened
        0 | 1 => return Ok(()),
        n => format!("a file with {n} names"),
    };
    Err(Refusal::new(
        Class::Io,
        path.display().to_string(),
        Stage::Store,
        format!("not a plain file but {got}"),
    )
    .hint(format!("look at who put it there, then remove `{}`", path.display())))
}

/// A link and a socket cannot even be opened: says so as `must_be_plain` does.
fn why_not_opened(path: &Path, error: &Error) -> Refusal {
    let plain = std::fs::symlink_metadata(path).map_or(Ok(()), |metadata| must_be_plain(path, &metadata));
    plain.err().unwrap_or_else(|| io(path, "open", error))
}

fn sort_of(metadata: &Metadata) -> &'static str {
    let sort = metadata.file_type();
    match () {
        () if sort.is_symlink() => "a symbolic link",
        () if sort.is_dir() => "a directory",
        () if sort.is_fifo() => "a FIFO",
        () if sort.is_socket() => "a socket",
        () if sort.is_file() => "a file",
        () => "a device",
    }
}
