//! The file of the store's key: 64 hexadecimal digits in a file that only its owner can read, outside of the store.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use store::Key;
use tree::refusal::{Class, Refusal, Result, Stage};

/// The key in a file that was named, which must be there.
pub(crate) fn named(path: &Path, store: &Path) -> Result<Key> {
    outside(path, store)?;
    read(path)?.ok_or_else(|| {
        refuse(path, "no such file").hint(
            "`(umask 077; openssl rand -hex 32 >FILE)` creates a key; with a new one, everything is derived again",
        )
    })
}

/// The key in the user's own file; where there is none it is made, or, if that must not or cannot be, there is no key.
pub(crate) fn kept(path: &Path, store: &Path, make: bool) -> Result<Option<Key>> {
    outside(path, store)?;
    // another user's home
    if open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        return Ok(None);
    }
    match read(path)? {
        None if make => {}
        found => return Ok(found),
    }
    match write(path) {
        // made by another process at the same time
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        // a home that is another user's, or cannot be written to
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            return Ok(None);
        }
        done => done.map_err(|error| io(path, "make", &error))?,
    }
    read(path)
}

/// Who can write to the store must not find the key in it.
fn outside(path: &Path, store: &Path) -> Result<()> {
    if real(path).starts_with(real(store)) {
        return Err(refuse(path, "the key of the store must not be in the store").hint("choose another path"));
    }
    Ok(())
}

/// Where a path leads, as far as there is something.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    there.map_or_else(
        || path.clone(),
        |(above, real)| real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
    )
}

/// The key in a file; none where there is no file.
fn read(path: &Path) -> Result<Option<Key>> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(path, "open", &error)),
    };
    let metadata = file.metadata().map_err(|error| io(path, "look at", &error))?;
    if !metadata.is_file() {
        return Err(refuse(path, "expected a regular file with the store's key"));
    }
    let (mode, owner, me) = (metadata.mode() & 0o7777, metadata.uid(), rustix::process::geteuid().as_raw());
    if mode & 0o077 != 0 {
        let cause = format!("others can read or write the store's key: expected mode 0600, found {mode:04o}");
        return Err(
            refuse(path, cause).hint("create a new one with mode 0600, as others may have read this one")
        );
    }
    if owner != me {
        let cause = format!("expected the store's key to belong to uid {me}, found {owner}");
        return Err(refuse(path, cause).hint("pass your own with `--store-key`"));
    }
    let mut text = Vec::new();
    file.take(256).read_to_end(&mut text).map_err(|error| io(path, "read", &error))?;
    Key::parse(&text)
        .map(Some)
        .map_err(|error| refuse(path, error).hint("remove it; with a new key, everything is derived again"))
}

fn open(path: &Path) -> std::io::Result<File> {
    // a FIFO must not stop us
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Makes a key at a path where there is none, whole or not at all.
fn write(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let placed: Result<File, _> = file.persist_noclobber(path);
    placed.map(drop).map_err(|error| error.error)
}

fn refuse(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Refusal {
    Refusal::new(Class::Io, path.display().to_string(), Stage::Store, cause)
}

fn io(path: &Path, doing: &str, error: &std::io::Error) -> Refusal {
    Refusal::io(path.display().to_string(), Stage::Store, doing, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn place() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let (key, store) = (place.path().join("state/vmbake/key"), place.path().join("cache/vmbake"));
        (place, key, store)
    }

    #[test]
    fn a_key_is_made_at_first_use_for_its_owner_alone_and_stays() {
        let (_place, path, store) = place();
        assert!(kept(&path, &store, false).unwrap().is_none() && !path.exists());
        let first = kept(&path, &store, true).unwrap().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read(&path).unwrap().len(), 65);
        assert_eq!(kept(&path, &store, true).unwrap().unwrap().id(), first.id());
        assert_eq!(named(&path, &store).unwrap().id(), first.id());
        fs::remove_file(&path).unwrap();
        assert_ne!(kept(&path, &store, true).unwrap().unwrap().id(), first.id(), "it is random");
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn many_who_make_it_at_once_have_the_same() {
        let (_place, path, store) = place();
        let ids: BTreeSet<String> = std::thread::scope(|scope| {
            let one = || kept(&path, &store, true).unwrap().unwrap().id().to_owned();
            let all: Vec<_> = (0..16).map(|_| scope.spawn(one)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_in_the_store_or_is_no_key_is_refused() {
        let (_place, path, store) = place();
        kept(&path, &store, true).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refusal = kept(&path, &store, true).unwrap_err();
            assert!(refusal.to_string().contains(&format!("found {mode:04o}")), "{refusal}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "secret", &"0".repeat(63), &"0".repeat(300)] {
            fs::write(&path, text).unwrap();
            let refusal = kept(&path, &store, true).unwrap_err();
            assert!(refusal.to_string().contains("64 hexadecimal digits"), "{refusal}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(kept(&path, &store, true).unwrap_err().to_string().contains("expected a regular file"));
        let inside = store.join("key");
        fs::create_dir_all(&store).unwrap();
        assert!(kept(&inside, &store, true).unwrap_err().to_string().contains("must not be in the store"));
        std::os::unix::fs::symlink(&store, path.with_extension("link")).unwrap();
        let through = path.with_extension("link").join("key");
        fs::write(&inside, "0".repeat(64)).unwrap();
        assert!(named(&through, &store).unwrap_err().to_string().contains("must not be in the store"));
        assert!(named(Path::new("/no/such/key"), &store).unwrap_err().to_string().contains("no such file"));
    }
}
