//! Opening a store: whose it is, which layout it has, that it is in use now, and what killed runs have left in it.

use super::access::{self, create, make_root, must_be_ours};
use super::folder::Folder;
use super::incoming::Temporary;
use super::lock::{self, How};
use super::{Options, Store, io};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};

const LAYOUT: &str = "vmbake store 1\n";
const LOCK: &str = "in-use.lock";
const DIRECTORIES: [&str; 4] = ["aside", "blobs", "incoming", "notes"];

pub(super) fn open(root: &Path, options: &Options) -> Result<Store> {
    make_root(root, options.sharing.directory_mode())
        .map_err(|error| io(root, "make", &error).remedy(Remedy::WritableStore))?;
    let folder = Folder::open(root).map_err(|error| io(root, "open", &error))?;
    let stat = folder.stat().map_err(|error| io(root, "look at", &error))?;
    must_be_ours(root, &stat, options.sharing)?;
    let known = check_layout(&folder)?;
    let (in_use, writable) = open_lock(&folder, options)?;
    let store = Store {
        folder,
        options: options.clone(),
        in_use,
        writable,
        dirty: Mutex::default(),
        rejected: Mutex::default(),
    };
    if let Some(file) = &store.in_use {
        hold(&store, file)?;
    }
    if !known {
        store.must_be_writable("its layout")?;
        lay_out(&store)?;
    }
    for name in DIRECTORIES {
        let path = store.root().join(name);
        match store.folder.look(&path) {
            Ok(stat) => must_be_ours(&path, &stat, options.sharing)?,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(&path, "look at", &error)),
            Err(_) if writable => {
                let made = store.folder.make(&path, store.directory_mode());
                made.map_err(|error| io(&path, "make", &error))?;
            }
            Err(_) => {}
        }
    }
    if writable {
        sweep(&store.folder, &store.root().join("incoming"))?;
    }
    Ok(store)
}

/// Waits until no clean-up runs.
pub(super) fn hold(store: &Store, file: &File) -> Result<()> {
    let path = store.root().join(LOCK);
    match lock::take(file, How::NonBlockingLockShared, store.options.lock_timeout) {
        Ok(true) => Ok(()),
        Ok(false) => Err(held(&path, file, "is cleaning the store up")),
        Err(error) => Err(io(&path, "lock", &error)),
    }
}

/// A lock that was not to be had in time.
pub(super) fn held(path: &Path, file: &File, doing: &str) -> Refusal {
    let who = lock::described(&lock::holders(file));
    Refusal::new(Class::Lock, path.display().to_string(), Stage::Store, format!("{who} {doing}"))
        .hint("wait for it, or end it, and try again")
}

/// Whether there is a layout that this version knows. A directory with anything but a half-made store in it is
/// nobody's to take over.
fn check_layout(folder: &Folder) -> Result<bool> {
    let root = folder.path();
    let path = root.join("layout");
    if let Some(file) = access::open_plain(folder, &path)? {
        let mut text = String::new();
        let _ = std::io::Read::read_to_string(&mut std::io::Read::take(file, 64), &mut text);
        if text == LAYOUT {
            return Ok(true);
        }
        let cause =
            format!("the layout is another, expected `{}`, found `{}`", LAYOUT.trim_end(), text.trim_end());
        return Err(Refusal::new(Class::Io, root.display().to_string(), Stage::Store, cause)
            .remedy(Remedy::OtherStore));
    }
    for (name, _) in folder.list(root).map_err(|error| io(root, "list", &error))? {
        let name = name.to_string_lossy();
        if name != LOCK && name != "layout" && !DIRECTORIES.contains(&&*name) {
            let cause = format!("the directory is no store: it has no `layout`, but `{name}`");
            return Err(Refusal::new(Class::Io, root.display().to_string(), Stage::Store, cause)
                .remedy(Remedy::EmptyStore));
        }
    }
    Ok(false)
}

/// Opens the lock file; a store where that is not possible for writing is read-only.
fn open_lock(folder: &Folder, options: &Options) -> Result<(Option<File>, bool)> {
    let root = folder.path();
    let path = root.join(LOCK);
    let mode = if options.sharing == super::Sharing::Group { 0o660 } else { 0o600 };
    let opened = match create(folder, &path, mode) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => folder.file(&path, OFlags::RDWR, 0),
        other => other,
    };
    match opened {
        Ok(file) if rustix::fs::access(root, rustix::fs::Access::WRITE_OK).is_ok() => Ok((Some(file), true)),
        Ok(file) => Ok((Some(file), false)),
        Err(error) if matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => {
            Ok((folder.file(&path, OFlags::RDONLY, 0).ok(), false))
        }
        Err(error) => Err(io(&path, "open", &error)),
    }
}

/// Makes what a store consists of; the layout last, and whole or not at all. Two that do it at once do the same.
fn lay_out(store: &Store) -> Result<()> {
    for name in DIRECTORIES {
        let path = store.root().join(name);
        let made = store.folder.make(&path, store.directory_mode());
        made.map_err(|error| io(&path, "make", &error))?;
    }
    let path = store.root().join("layout");
    let mut temporary = Temporary::new(store, store.private_mode())?;
    temporary
        .write(LAYOUT.as_bytes())
        .and_then(|()| temporary.sync())
        .map_err(|error| io(&path, "write", &error))?;
    temporary.place(&path)?;
    store.folder.sync(store.root()).map_err(|error| io(store.root(), "sync", &error))
}

/// Removes locks and temporaries whose makers are gone: nobody holds their lock. What another user has left in a
/// shared store is that user's to sweep.
fn sweep(folder: &Folder, incoming: &Path) -> Result<()> {
    let me = rustix::process::geteuid().as_raw();
    for (name, _) in folder.list(incoming).map_err(|error| io(incoming, "list", &error))? {
        let path = incoming.join(&name);
        let name = name.to_string_lossy();
        if !(name.ends_with(".lock") || name.starts_with("tmp-")) {
            continue;
        }
        let Ok(file) = folder.file(&path, OFlags::RDONLY, 0) else { continue };
        let ours = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.uid() == me);
        if ours
            && lock::try_take(&file, How::NonBlockingLockExclusive).unwrap_or(false)
            && is_at(folder, &file, &path)
        {
            let _ = folder.remove(&path);
        }
    }
    Ok(())
}

/// Whether the open file is still the one at `path`: who takes a lock on a file that has been removed holds nothing.
pub(super) fn is_at(folder: &Folder, file: &File, path: &Path) -> bool {
    match (file.metadata(), folder.look(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.st_dev, named.st_ino),
        _ => false,
    }
}
