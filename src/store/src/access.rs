//! The file system as the store uses it: exact modes, no link followed, nothing that blocks.

use super::folder::Folder;
use super::{Sharing, io};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};

/// Opens a plain file with one name for reading; `None` where there is nothing.
///
/// # Errors
/// `Io`, "not a plain file", for a link, a second hard link, a directory, a FIFO, a socket or a device. A FIFO
/// without a writer does not block.
pub(super) fn open_plain(folder: &Folder, path: &Path) -> Result<Option<File>> {
    open_plain_for(folder, path, OFlags::RDONLY)
}

/// The same, for reading and writing.
pub(super) fn open_plain_for(folder: &Folder, path: &Path, flags: OFlags) -> Result<Option<File>> {
    let file = match folder.file(path, flags, 0) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(why_not_opened(folder, path, &error)),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| io(path, "look at", &error.into()))?;
    must_be_plain(path, &stat)?;
    Ok(Some(file))
}

/// The size of a plain file with one name; `None` where there is nothing.
pub(super) fn plain_size(folder: &Folder, path: &Path) -> Result<Option<u64>> {
    match folder.look(path) {
        Ok(stat) => must_be_plain(path, &stat).map(|()| u64::try_from(stat.st_size).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path, "look at", &error)),
    }
}

/// Makes a new file with exactly this mode, for reading and writing.
pub(super) fn create(folder: &Folder, path: &Path, mode: u32) -> std::io::Result<File> {
    let file = folder.file(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)?;
    set_mode(&file, mode)?;
    Ok(file)
}

/// Gives an open file exactly this mode: what `open` gave it has lost the bits of the umask.
pub(super) fn set_mode(file: &File, mode: u32) -> std::io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

/// Makes the directory of a store, and what is missing above it, with exactly this mode.
pub(super) fn make_root(path: &Path, mode: u32) -> std::io::Result<()> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode & 0o777)) {
        Ok(()) => {
            let inherited = std::fs::symlink_metadata(path)?.mode() & 0o2000;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode | inherited))
        }
        Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(rustix::io::Errno::NOENT) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            make_root(parent.ok_or_else(|| Error::from(ErrorKind::NotFound))?, mode)?;
            make_root(path, mode)
        }
        Err(error) => Err(error.into()),
    }
}

/// Renames, and makes the directory of the new name when it is not there.
pub(super) fn rename_making(
    folder: &Folder,
    from: &Path,
    to: &Path,
    directory_mode: u32,
) -> std::io::Result<()> {
    making(folder, to, directory_mode, || folder.rename(from, to))
}

/// Does what gives something the name `to`; once more, with its directory made, where that was missing.
pub(super) fn making(
    folder: &Folder,
    to: &Path,
    directory_mode: u32,
    mut name: impl FnMut() -> std::io::Result<()>,
) -> std::io::Result<()> {
    match name() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            folder.make(to.parent().unwrap_or(to), directory_mode)?;
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

/// Refuses a directory that others may write to, and what is none.
pub(super) fn must_be_ours(path: &Path, stat: &Stat, sharing: Sharing) -> Result<()> {
    let refusal = |cause: String| Refusal::new(Class::Io, path.display().to_string(), Stage::Store, cause);
    let refuse = |cause: String, hint: String| Err(refusal(cause).hint(hint));
    let with = |cause: String, remedy: Remedy| Err(refusal(cause).remedy(remedy));
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {}
        FileType::Symlink => {
            let hint = format!("look at who put it there, then remove `{}`", path.display());
            return refuse("expected a directory, found a symbolic link".to_owned(), hint);
        }
        _ => {
            return with(format!("expected a directory, found {}", sort_of(stat)), Remedy::PlaceOfStore);
        }
    }
    let (mode, owner, me) = (stat.st_mode & 0o7777, stat.st_uid, rustix::process::geteuid().as_raw());
    if sharing == Sharing::Private && owner != me {
        return with(
            format!("the directory belongs to another user, expected uid {me}, found {owner}"),
            Remedy::OwnStore,
        );
    }
    if sharing == Sharing::Private && mode & 0o022 != 0 {
        return with(
            format!("others may write to the directory, expected mode 0700, found {mode:04o}"),
            Remedy::PrivateStore(path.to_owned()),
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

fn must_be_plain(path: &Path, stat: &Stat) -> Result<()> {
    let got = match stat.st_nlink {
        _ if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => sort_of(stat).to_owned(),
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
fn why_not_opened(folder: &Folder, path: &Path, error: &Error) -> Refusal {
    let plain = folder.look(path).map_or(Ok(()), |stat| must_be_plain(path, &stat));
    plain.err().unwrap_or_else(|| io(path, "open", error))
}

fn sort_of(stat: &Stat) -> &'static str {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a directory",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::RegularFile => "a file",
        _ => "a device",
    }
}
