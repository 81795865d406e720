//! The root of the file system: where files are written, durably, and looked up.

use rustix::fs::{Gid, Mode, OFlags, Uid};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

/// The most that is read of any file.
const MOST_BYTES: u64 = 64 << 20;

/// How many links a path may lead through to where nothing is yet.
const MOST_LINKS: usize = 40;

/// A root directory: `/`, or a folder of a test.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

/// Who a file is of; what is not said stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
}

impl Root {
    /// The root at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Whether it is the running system's.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Where an absolute path is.
    #[must_use]
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The bytes of a file; none where it is absent.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is too large.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        read(&self.at(path))
    }

    /// The text of a file without white space around it; none where it is absent, empty or cannot be read.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let bytes = self.read(path).ok().flatten()?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// Whether something is at `path`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    /// Makes a directory and those above it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn directory(&self, path: &str, mode: u32) -> Result<(), String> {
        let place = self.at(path);
        let made = fs::DirBuilder::new().recursive(true).mode(mode).create(&place);
        made.map_err(|error| format!("cannot make the directory `{path}`: {error}"))
    }

    /// Writes a file: what is there is the old one or the new one, never a part, also after a power cut.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, path: &str, bytes: &[u8], mode: u32, owner: Option<Owner>) -> Result<(), String> {
        self.put(path, bytes, mode, owner).map_err(|error| format!("cannot write `{path}`: {error}"))
    }

    fn put(&self, path: &str, bytes: &[u8], mode: u32, owner: Option<Owner>) -> std::io::Result<()> {
        // a link stays one: what it leads to is written
        let place = followed(self.at(path))?;
        let parent = place.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
        let made: Vec<&Path> = parent.ancestors().take_while(|folder| !folder.exists()).collect();
        fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        for folder in made {
            let opened = File::open(folder)?;
            own(&opened, owner)?;
            opened.sync_all()?;
        }
        let mut owner = owner;
        if let Ok(old) = place.metadata() {
            if old.file_type().is_char_device() {
                // a console or the like: it stays what it is
                return OpenOptions::new().write(true).open(&place)?.write_all(bytes);
            }
            if !old.is_file() {
                return Err(std::io::Error::other("not a regular file"));
            }
            owner = owner.map(|Owner { uid, gid }| Owner {
                uid: uid.or(Some(old.uid())),
                gid: gid.or(Some(old.gid())),
            });
        }
        let temporary = parent.join(format!(".first-boot.{}.new", std::process::id()));
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = file.write_all(bytes).and_then(|()| {
            own(&file, owner)?;
            // after the owner, which clears set-uid bits
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.sync_all()?;
            fs::rename(&temporary, &place)
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        File::open(parent)?.sync_all()
    }

    /// Appends to a file, which is made where it is absent.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn append(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), String> {
        let append = || -> std::io::Result<()> {
            let place = self.at(path);
            if let Some(parent) = place.parent() {
                fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
            }
            let mut file = OpenOptions::new().append(true).create(true).mode(mode).open(place)?;
            file.write_all(bytes)
        };
        append().map_err(|error| format!("cannot append to `{path}`: {error}"))
    }

    /// Appends to a log, which `adm` may read: agents that send it away are in that group.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn log(&self, path: &str, bytes: &[u8]) -> Result<(), String> {
        let is_new = !self.has(path);
        self.append(path, bytes, 0o640)?;
        if is_new && let Ok(owner) = self.owner("root:adm") {
            self.own(path, 0o640, owner)?;
        }
        Ok(())
    }

    /// Makes a symbolic link, instead of what is there.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn link(&self, path: &str, target: &str) -> Result<(), String> {
        let link = || -> std::io::Result<()> {
            let place = self.at(path);
            let parent = place.parent().unwrap_or(Path::new("/"));
            fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
            let temporary = parent.join(".first-boot.link");
            let _ = fs::remove_file(&temporary);
            std::os::unix::fs::symlink(target, &temporary)?;
            if let Err(error) = fs::rename(&temporary, &place) {
                let _ = fs::remove_file(&temporary);
                return Err(error);
            }
            File::open(parent)?.sync_all()
        };
        link().map_err(|error| format!("cannot make the link `{path}`: {error}"))
    }

    /// Removes a file, where it is there.
    pub fn remove(&self, path: &str) {
        let _ = fs::remove_file(self.at(path));
    }

    /// Sets the owner and the mode of a path.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn own(&self, path: &str, mode: u32, owner: Owner) -> Result<(), String> {
        let give = || -> std::io::Result<()> {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = File::from(rustix::fs::open(self.at(path), flags, Mode::empty())?);
            own(&opened, Some(owner))?;
            Ok(rustix::fs::fchmod(&opened, Mode::from_raw_mode(mode))?)
        };
        give().map_err(|error| format!("cannot change the owner of `{path}`: {error}"))
    }

    /// The names of what is in a directory, sorted.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.at(path)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// The users of `/etc/passwd`: fields by name.
    #[must_use]
    pub fn users(&self) -> BTreeMap<String, Vec<String>> {
        self.table("/etc/passwd")
    }

    /// The groups of `/etc/group`: fields by name.
    #[must_use]
    pub fn groups(&self) -> BTreeMap<String, Vec<String>> {
        self.table("/etc/group")
    }

    fn table(&self, path: &str) -> BTreeMap<String, Vec<String>> {
        let text = self.text(path).unwrap_or_default();
        let line = |line: &str| {
            let fields: Vec<String> = line.split(':').map(str::to_owned).collect();
            fields.first().cloned().map(|name| (name, fields))
        };
        text.lines().filter_map(line).collect()
    }

    /// `user:group`, `user` or numbers, as numbers; nothing, `-1` and `none` leave it as it is.
    ///
    /// # Errors
    ///
    /// A user or a group that is not there.
    pub fn owner(&self, text: &str) -> Result<Owner, String> {
        let number = |table: BTreeMap<String, Vec<String>>, what: &str, name: &str| {
            let name = name.trim();
            if name.is_empty() || name == "-1" || name.eq_ignore_ascii_case("none") {
                return Ok(None);
            }
            let found = table.get(name).and_then(|fields| fields.get(2)).map_or(name, String::as_str);
            found.parse::<u32>().map(Some).map_err(|_| format!("unknown {what} `{}`", name.escape_debug()))
        };
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        Ok(Owner { uid: number(self.users(), "user", user)?, gid: number(self.groups(), "group", group)? })
    }
}

/// Where a path leads to in the end, also where nothing is there yet.
fn followed(place: PathBuf) -> std::io::Result<PathBuf> {
    if let Ok(found) = fs::canonicalize(&place) {
        return Ok(found);
    }
    let mut place = place;
    for _ in 0..MOST_LINKS {
        match fs::read_link(&place) {
            Ok(target) => place = place.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => return Ok(place),
        }
    }
    Err(std::io::Error::other("expected fewer links"))
}

/// Sets the owner of an opened file or folder.
fn own(opened: &File, owner: Option<Owner>) -> std::io::Result<()> {
    let Some(Owner { uid, gid }) = owner else { return Ok(()) };
    Ok(rustix::fs::fchown(opened, uid.map(Uid::from_raw), gid.map(Gid::from_raw))?)
}

/// The bytes of a file; none where it is absent.
///
/// # Errors
///
/// A file that cannot be read, or is too large.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    // a FIFO would be waited for
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read `{}`: {error}", path.display())),
    };
    let is_file = file.metadata().is_ok_and(|found| found.is_file());
    if !is_file {
        return Err(format!("`{}`: expected a regular file", path.display()));
    }
    let mut bytes = Vec::new();
    let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        return Err(format!("`{}`: expected at most {MOST_BYTES} bytes", path.display()));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_and_what_they_lead_to_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let write = |path: &str, text: &str| root.write(path, text.as_bytes(), 0o640, None);
        write("/a/target", "old").unwrap();
        root.link("/a/link", "target").unwrap();
        root.link("/a/to-nothing", "b/made").unwrap();
        root.link("/a/loop", "loop").unwrap();
        write("/a/link", "new").unwrap();
        write("/a/to-nothing", "made").unwrap();
        assert_eq!(
            (root.text("/a/target"), root.text("/a/b/made")),
            (Some("new".into()), Some("made".into()))
        );
        for link in ["/a/link", "/a/to-nothing"] {
            assert!(root.at(link).symlink_metadata().unwrap().is_symlink(), "{link}");
        }
        assert!(write("/a/loop", "x").is_err());
        assert!(write("/a/b", "x").is_err(), "a folder");
        let long = "n".repeat(255);
        write(&format!("/a/{long}"), "x").unwrap();
        let rest: Vec<String> = root.names("/a").into_iter().filter(|name| name.starts_with('.')).collect();
        assert!(rest.is_empty(), "{rest:?}");
        assert_eq!(root.at("/a/link").metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    }

    #[test]
    fn what_is_no_regular_file_stays_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let _socket = std::os::unix::net::UnixListener::bind(root.at("/socket")).unwrap();
        assert!(root.write("/socket", b"x", 0o644, None).unwrap_err().ends_with("not a regular file"));
        root.link("/full", "/dev/full").unwrap();
        // it takes no byte, which is how we know that it was asked
        assert!(root.write("/full", b"x", 0o644, None).unwrap_err().contains("No space left"));
        assert_eq!(root.names("/"), ["full", "socket"]);
    }
}
