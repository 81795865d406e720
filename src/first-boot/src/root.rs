//! The root of the file system: where files are written, durably, and looked up.

use rustix::fs::{Gid, Mode, OFlags, Uid};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The most that is read of any file.
const MOST_BYTES: u64 = 64 << 20;

/// A root directory: `/`, or a folder of a test.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

/// Who a file is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
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
        let place = self.at(path);
        // a link stays one: what it leads to is written
        let place = fs::canonicalize(&place).unwrap_or(place);
        let (parent, name) = match (place.parent(), place.file_name()) {
            (Some(parent), Some(name)) => (parent, name),
            _ => return Err(std::io::ErrorKind::InvalidInput.into()),
        };
        fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(".new");
        let temporary = parent.join(temporary);
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = file.write_all(bytes).and_then(|()| {
            if let Some(Owner { uid, gid }) = owner {
                rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            }
            // after the owner, which takes away set-uid bits
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

    /// Makes a symbolic link, in the place of what is there.
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
            fs::rename(&temporary, &place)?;
            File::open(parent)?.sync_all()
        };
        link().map_err(|error| format!("cannot make the link `{path}`: {error}"))
    }

    /// Removes a file, where it is there.
    pub fn remove(&self, path: &str) {
        let _ = fs::remove_file(self.at(path));
    }

    /// Gives a path to somebody.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn own(&self, path: &str, mode: u32, Owner { uid, gid }: Owner) -> Result<(), String> {
        let own = || -> std::io::Result<()> {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::open(self.at(path), flags, Mode::empty())?;
            rustix::fs::fchown(&opened, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            Ok(rustix::fs::fchmod(&opened, Mode::from_raw_mode(mode))?)
        };
        own().map_err(|error| format!("cannot change the owner of `{path}`: {error}"))
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

    /// `user:group`, `user` or numbers, as numbers.
    ///
    /// # Errors
    ///
    /// A user or a group that is not there.
    pub fn owner(&self, text: &str) -> Result<Owner, String> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let number =
            |fields: &[String], at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
        let users = self.users();
        let fields = users.get(user);
        let uid = fields.and_then(|fields| number(fields, 2)).or_else(|| user.parse().ok());
        let uid = uid.ok_or_else(|| format!("unknown user `{user}`"))?;
        let gid = match group {
            "" => fields.and_then(|fields| number(fields, 3)).unwrap_or(uid),
            _ => {
                let gid = self.groups().get(group).and_then(|fields| number(fields, 2));
                gid.or_else(|| group.parse().ok()).ok_or_else(|| format!("unknown group `{group}`"))?
            }
        };
        Ok(Owner { uid, gid })
    }
}

/// The bytes of a file; none where it is absent.
///
/// # Errors
///
/// A file that cannot be read, or is too large.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read `{}`: {error}", path.display())),
    };
    let mut bytes = Vec::new();
    let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        return Err(format!("`{}`: expected at most {MOST_BYTES} bytes", path.display()));
    }
    Ok(Some(bytes))
}
