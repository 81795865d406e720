//! The output directory: files of a bake appear whole and together, or not at all.
//!
//! ```text
//! <directory>/.<name>.<pid>-<n>.part    while it is written, locked by its writer
//! <directory>/<name>                    after a sync and a rename
//! <directory>/SHA256SUMS                last of all: what it lists is there
//! ```
//! Invariants: nothing stands at a final name before all files of the bake are written and synced; what stood there is
//! replaced by a rename, so that a link is replaced and not followed; a refusal leaves no part behind. A part whose
//! writer was killed is not locked any more and goes with the next bake that writes here. The directory is locked
//! while parts are begun, swept and renamed, so that bakes of several kinds may share it.
//!
//! Files are 0644 whatever the umask: they hold nothing that is not public, and a mode is a part of a result.

use super::part::Part;
use super::sums::{self, Sums};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tree::digest::Sha256;
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};

/// How often a directory that another bake has locked is tried, and how long after: a minute in all.
const TRIES: (u32, Duration) = (3000, Duration::from_millis(20));

/// An open output directory.
#[derive(Debug)]
pub struct Directory {
    pub(super) handle: File,
    pub(super) path: PathBuf,
}

/// A file as it was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Its name in the output directory.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

impl Directory {
    /// Opens the directory at `path`, making it when it is not there, and sweeps what killed bakes have left.
    ///
    /// # Errors
    /// `Io` where it is no directory or cannot be written to, or where its `SHA256SUMS` is no such list; `Lock`
    /// where another process has it locked for more than a minute.
    #[expect(clippy::disallowed_methods, reason = "this is the door through which `emit` writes")]
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        std::fs::create_dir_all(path).map_err(|error| {
            Refusal::io(&shown, Stage::Emit, "make the directory", &error).remedy(Remedy::WritableOutput)
        })?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Refusal::io(&shown, Stage::Emit, "open the directory", &error.into()))?;
        let directory = Self { handle: File::from(handle), path: path.to_owned() };
        let _held = directory.lock()?;
        directory.sums()?;
        directory.sweep()?;
        Ok(directory)
    }

    /// Begins the file `name`, a plain name.
    ///
    /// # Errors
    /// `Io` where a directory has its name, or where no file can be made.
    pub fn begin(&self, name: &str) -> Result<Part<'_>> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {
                return Err(Refusal::new(
                    Class::Io,
                    self.shown(name),
                    Stage::Emit,
                    "a directory has the name of an output",
                )
                .remedy(Remedy::ClearOutput));
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(Refusal::io(self.shown(name), Stage::Emit, "look at", &error.into())),
        }
        let _held = self.lock()?;
        Part::begin(self, name)
    }

    /// Gives the parts their names in their order, and lists them in `SHA256SUMS`.
    pub fn publish(&self, parts: Vec<Part<'_>>) -> Result<Vec<Written>> {
        let ready: Vec<_> = parts.into_iter().map(Part::sync).collect::<Result<_>>()?;
        let _held = self.lock()?;
        let mut all = self.sums()?;
        all.extend(ready.iter().map(|(_, written)| (written.name.clone(), written.sha256)));
        let mut list = Part::begin(self, sums::NAME)?;
        list.write_all(sums::print(&all).as_bytes()).map_err(|error| list.refusal("write", &error))?;
        let (list, _) = list.sync()?;
        let mut written = Vec::new();
        for (part, about) in ready {
            part.rename()?;
            written.push(about);
        }
        list.rename()?;
        rustix::fs::fsync(&self.handle)
            .map_err(|error| Refusal::io(self.shown(""), Stage::Emit, "sync the directory", &error.into()))?;
        Ok(written)
    }

    /// Its `SHA256SUMS`; empty where there is none. A link in its place is not followed: it will be replaced.
    fn sums(&self) -> Result<Sums> {
        let refuse = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Refusal::new(Class::Io, self.shown(sums::NAME), Stage::Emit, cause).remedy(Remedy::ClearOutput)
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, sums::NAME, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::LOOP) => return Ok(Sums::new()),
            Err(error) => return Err(refuse(format!("cannot read: {error}").into())),
        };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(refuse("it is not a plain file".into()));
        }
        let mut text = String::new();
        file.take(sums::MAX + 1)
            .read_to_string(&mut text)
            .map_err(|error| refuse(format!("cannot read: {error}").into()))?;
        if text.len() as u64 > sums::MAX {
            return Err(refuse(format!("expected at most {} bytes, found more", sums::MAX).into()));
        }
        sums::parse(&text).map_err(|error| refuse(error.into()))
    }

    /// Removes the parts that nobody writes any more.
    fn sweep(&self) -> Result<()> {
        let refuse =
            |error: Errno| Refusal::io(self.shown(""), Stage::Emit, "list the directory", &error.into());
        for found in rustix::fs::Dir::read_from(&self.handle).map_err(refuse)? {
            let found = found.map_err(refuse)?;
            let Ok(name) = found.file_name().to_str() else { continue };
            if !super::part::is_part(name) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let Ok(file) = rustix::fs::openat(&self.handle, name, flags, Mode::empty()) else { continue };
            if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                // one that cannot be removed hinders nobody: it has a name of its own
                let _ = rustix::fs::unlinkat(&self.handle, name, AtFlags::empty());
            }
        }
        Ok(())
    }

    /// Locks the directory until the handle that comes back is dropped.
    fn lock(&self) -> Result<File> {
        let refuse = |error: Errno| {
            Refusal::io(self.shown(""), Stage::Emit, "lock the directory", &error.into())
                .hint("choose an output directory on a local file system")
        };
        // a description of its own: the lock ends with it, not with the directory's handle
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&self.handle, ".", flags, Mode::empty()).map_err(refuse)?;
        for _ in 0..TRIES.0 {
            match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(File::from(handle)),
                Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(TRIES.1),
                Err(error) => return Err(refuse(error)),
            }
        }
        Err(Refusal::new(
            Class::Lock,
            self.shown(""),
            Stage::Emit,
            "another process has had it locked for a minute",
        )
        .remedy(Remedy::FreeOutput))
    }

    pub(super) fn shown(&self, name: &str) -> String {
        if name.is_empty() {
            self.path.display().to_string()
        } else {
            self.path.join(name).display().to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    /// Names in the directory, hidden ones too, sorted.
    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn part<'d>(directory: &'d Directory, name: &str, bytes: &[u8]) -> Part<'d> {
        let mut part = directory.begin(name).unwrap();
        part.write_all(bytes).unwrap();
        part
    }

    #[test]
    fn files_appear_together_under_their_names_with_their_digests_and_mode() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/dist");
        let directory = Directory::open(&path).unwrap();
        let parts = vec![part(&directory, "a", b"first"), part(&directory, "b", b"second")];
        assert!(names(&path).iter().all(|name| name.ends_with(".part")), "{:?}", names(&path));
        let written = directory.publish(parts).unwrap();
        assert_eq!(names(&path), ["SHA256SUMS", "a", "b"]);
        for (written, (name, bytes)) in written.iter().zip([("a", &b"first"[..]), ("b", b"second")]) {
            assert_eq!((written.name.as_str(), written.sha256), (name, Sha256::of(bytes)));
            assert_eq!(written.size, bytes.len() as u64);
            assert_eq!(std::fs::read(path.join(name)).unwrap(), bytes);
            let mode = std::fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o644);
        }
        // another bake's lines stay, its own are replaced
        let parts = vec![part(&directory, "b", b"third"), part(&directory, "c", b"")];
        directory.publish(parts).unwrap();
        let sums = std::fs::read_to_string(path.join(sums::NAME)).unwrap();
        let line = |bytes: &[u8], name: &str| format!("{}  {name}\n", Sha256::of(bytes).hex());
        assert_eq!(sums, line(b"first", "a") + &line(b"third", "b") + &line(b"", "c"));
    }

    #[test]
    fn a_part_that_is_dropped_leaves_nothing_and_what_was_there_stays() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::open(place.path()).unwrap();
        directory.publish(vec![part(&directory, "a", b"good")]).unwrap();
        drop(part(&directory, "a", b"half"));
        assert_eq!(names(place.path()), ["SHA256SUMS", "a"]);
        assert_eq!(std::fs::read(place.path().join("a")).unwrap(), b"good");
    }

    #[test]
    fn a_link_is_replaced_and_a_directory_is_refused_at_once() {
        let place = tempfile::tempdir().unwrap();
        let (path, victim) = (place.path().join("dist"), place.path().join("victim"));
        let directory = Directory::open(&path).unwrap();
        std::fs::write(&victim, "kept").unwrap();
        for name in ["a", sums::NAME] {
            symlink(&victim, path.join(name)).unwrap();
        }
        directory.publish(vec![part(&directory, "a", b"new")]).unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"kept");
        assert_eq!(std::fs::read(path.join("a")).unwrap(), b"new");
        std::fs::create_dir(path.join("b")).unwrap();
        let refusal = directory.begin("b").unwrap_err();
        assert!(refusal.to_string().contains("a directory has the name of an output"), "{refusal}");
    }

    #[test]
    fn parts_of_killed_bakes_are_swept_and_those_of_others_left_alone() {
        let place = tempfile::tempdir().unwrap();
        for name in [".a.77-0.part", ".a.b.77-12.part", ".a.part", ".a.x-0.part", "a.77-0.part", ".mine"] {
            std::fs::write(place.path().join(name), "").unwrap();
        }
        let directory = Directory::open(place.path()).unwrap();
        let ours = part(&directory, "x", b"on its way");
        let other = Directory::open(place.path()).unwrap();
        let left = names(place.path());
        let expected = [".a.part", ".a.x-0.part", ".mine", &format!(".x.{}-0.part", std::process::id())];
        assert_eq!(left, [&expected[..], &["a.77-0.part"]].concat());
        // and it is still ours
        drop(other);
        directory.publish(vec![ours]).unwrap();
    }

    #[test]
    fn placed_pieces_leave_holes_and_are_read_back() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::open(place.path()).unwrap();
        let mut placed = directory.begin("a").unwrap();
        placed.place(300_000, b"end").unwrap();
        placed.place(0, b"begin").unwrap();
        placed.read_back().unwrap();
        let mut expected = vec![0; 300_003];
        expected[..5].copy_from_slice(b"begin");
        expected[300_000..].copy_from_slice(b"end");
        let mut said = directory.begin("b").unwrap();
        said.place(3, b"x").unwrap();
        said.set(9, Sha256::of(b"\0\0\0x\0\0\0\0\0")).unwrap();
        let written = directory.publish(vec![placed, said]).unwrap();
        assert_eq!((written[0].sha256, written[0].size), (Sha256::of(&expected), 300_003));
        assert_eq!(std::fs::read(place.path().join("a")).unwrap(), expected);
        assert_eq!(std::fs::read(place.path().join("b")).unwrap(), b"\0\0\0x\0\0\0\0\0");
    }

    #[test]
    fn a_full_disk_is_told_with_what_the_file_needs() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::open(place.path()).unwrap();
        let mut part = part(&directory, "a", b"12345");
        part.expected = 900;
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let remedy = |part: &Part<'_>| part.refusal("write", &full).remedy.map(|remedy| *remedy);
        assert_eq!(remedy(&part), Some(Remedy::RoomForOutput { needs: 900, had: 5 }));
        part.expected = 0;
        assert_eq!(remedy(&part), Some(Remedy::RoomForOutput { needs: 5, had: 5 }));
        let other = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert!(!part.refusal("write", &other).has_way_out());
    }

    #[test]
    fn sums_that_are_none_are_refused_before_any_work() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(sums::NAME);
        for text in ["no list\n", "abc  a\n", &format!("{}  ../a\n", Sha256::of(b"").hex())] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Directory::open(place.path()).unwrap_err().class, Class::Io, "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, 0o644.into(), 0).unwrap();
        let refusal = Directory::open(place.path()).unwrap_err();
        assert!(refusal.to_string().contains("it is not a plain file"), "{refusal}");
    }
}
