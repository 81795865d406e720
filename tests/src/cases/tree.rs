//! The tree of a case: files put into it, and what is in it.

use super::case::{Case, Edit, File};
use anyhow::{Context as _, Result, bail};
use rustix::fs::{AtFlags, Gid, Uid};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A path's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `file`, `dir`, `symlink`, `socket`, `other`.
    pub(super) kind: &'static str,
    /// Four octal digits.
    pub(super) mode: String,
    /// `user:group` by name.
    pub(super) owner: String,
    /// A file's bytes, a link's target.
    pub(super) content: Vec<u8>,
    /// Which file it is, and when it was written: other values with equal content are a rewrite.
    pub(super) identity: (u64, i64, i64),
}

/// All that is compared.
pub(super) struct Tree {
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) accounts: configure::accounts::Accounts,
}

/// Directories that are compared.
const ROOTS: [&str; 4] = ["/opt", "/etc", "/home", "/var"];
/// Left out by the records.
const LEFT_OUT: [&str; 16] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/.pwd.lock",
    "/etc/subuid-",
    "/etc/subgid-",
    "/var/lib/dpkg",
    "/var/lib/apt",
    "/var/cache",
    "/var/lib/systemd",
    "/opt/podplane/bin",
];

impl Tree {
    pub(super) fn read(root: &Path, case: &Case) -> Result<Self> {
        let names = Names::read(root)?;
        let mut entries = BTreeMap::new();
        for top in ROOTS.into_iter().chain(case.setup.extra_roots.iter().map(String::as_str)) {
            walk(root, top, &names, &mut entries)?;
        }
        let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let accounts = configure::accounts::Accounts {
            passwd: text("etc/passwd"),
            group: text("etc/group"),
            shadow: text("etc/shadow"),
            gshadow: text("etc/gshadow"),
        };
        Ok(Self { entries, accounts })
    }
}

fn walk(root: &Path, path: &str, names: &Names, out: &mut BTreeMap<String, Entry>) -> Result<()> {
    if LEFT_OUT.contains(&path) {
        return Ok(());
    }
    let full = below(root, path);
    let Ok(metadata) = full.symlink_metadata() else { return Ok(()) };
    let kind = metadata.file_type();
    let (kind, content) = if kind.is_dir() {
        ("dir", Vec::new())
    } else if kind.is_symlink() {
        ("symlink", full.read_link()?.as_os_str().as_encoded_bytes().to_vec())
    } else if kind.is_file() {
        ("file", std::fs::read(&full)?)
    } else {
        (if std::os::unix::fs::FileTypeExt::is_socket(&kind) { "socket" } else { "other" }, Vec::new())
    };
    out.insert(
        path.to_owned(),
        Entry {
            kind,
            mode: format!("{:04o}", metadata.mode() & 0o7777),
            owner: format!("{}:{}", names.user(metadata.uid()), names.group(metadata.gid())),
            content,
            identity: (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()),
        },
    );
    if kind == "dir" {
        for entry in std::fs::read_dir(&full)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            walk(root, &format!("{}/{name}", path.trim_end_matches('/')), names, out)?;
        }
    }
    Ok(())
}

/// Where `path` of the node is on this machine.
pub(super) fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Names and numbers of the tree's own accounts.
pub(super) struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let read = |path: &str| -> Result<BTreeMap<u32, String>> {
            let text = std::fs::read_to_string(root.join(path)).with_context(|| path.to_owned())?;
            let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
            Ok(fields
                .filter_map(|fields| Some((fields.get(2)?.parse().ok()?, (*fields.first()?).to_owned())))
                .collect())
        };
        Ok(Self { users: read("etc/passwd")?, groups: read("etc/group")? })
    }

    fn user(&self, id: u32) -> String {
        self.users.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn group(&self, id: u32) -> String {
        self.groups.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// The numbers of `user:group`.
    pub(super) fn ids(&self, owner: &str) -> Result<(u32, u32)> {
        let find = |map: &BTreeMap<u32, String>, name: &str| {
            map.iter().find(|(_, own)| *own == name).map(|(id, _)| *id)
        };
        let (user, group) = owner.split_once(':').context("expected `user:group`")?;
        match (find(&self.users, user), find(&self.groups, group)) {
            (Some(uid), Some(gid)) => Ok((uid, gid)),
            _ => bail!("expected a user and a group of the tree, found `{owner}`"),
        }
    }
}

/// Puts `files` into the tree, in order.
pub(super) fn apply(root: &Path, files: &[File]) -> Result<()> {
    let names = Names::read(root)?;
    for file in files {
        put(root, file, &names).with_context(|| file.path.clone())?;
    }
    Ok(())
}

/// Replaces lines: a setting's line is found by its key, as its present value may be another one than recorded.
pub(super) fn edit(root: &Path, edits: &[Edit]) -> Result<()> {
    for one in edits {
        let path = below(root, &one.path);
        let key = one.find.split_inclusive('=').next().context("expected `KEY=value`")?;
        let text = std::fs::read_to_string(&path)?;
        let mut lines: Vec<&str> = text
            .lines()
            .map(|line| if line.starts_with(key) { one.replace.as_str() } else { line })
            .collect();
        if !lines.contains(&one.replace.as_str()) {
            lines.push(&one.replace);
        }
        std::fs::write(&path, lines.join("\n") + "\n")?;
    }
    Ok(())
}

fn put(root: &Path, file: &File, names: &Names) -> Result<()> {
    let path = below(root, &file.path);
    if file.remove {
        let result = if path.symlink_metadata()?.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        return Ok(result?);
    }
    if let Some(mode) = &file.chmod {
        // the scripts of today's nodes are links to one program here
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_symlink()) {
            chmod(&path, mode)?;
        }
        return Ok(());
    }
    if let Some(owner) = &file.chown {
        return chown(&path, names.ids(owner)?);
    }
    if let Some(above) = path.parent().filter(|above| !above.exists()) {
        std::fs::create_dir_all(above)?;
    }
    match file.kind.as_str() {
        "dir" => std::fs::create_dir_all(&path)?,
        "symlink" => {
            let _ = std::fs::remove_file(&path);
            std::os::unix::fs::symlink(file.target.as_deref().context("expected a target")?, &path)?;
            return Ok(());
        }
        "socket" => drop(std::os::unix::net::UnixListener::bind(&path)?),
        "file" => {
            let bytes = match (&file.content, &file.content_base64) {
                (Some(text), _) => expand(text).into_bytes(),
                (None, Some(text)) => configure::base64::decode(text).context("expected base64")?,
                (None, None) => Vec::new(),
            };
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, bytes)?;
        }
        other => bail!("expected a known type, found `{other}`"),
    }
    let default = if file.kind == "dir" { "0755" } else { "0644" };
    chown(&path, names.ids(file.owner.as_deref().unwrap_or("root:root"))?)?;
    chmod(&path, file.mode.as_deref().unwrap_or(default))?;
    if let Some(seconds) = file.mtime_rel_s {
        let ago = Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 { SystemTime::now() - ago } else { SystemTime::now() + ago };
        std::fs::File::open(&path)?.set_modified(time)?;
    }
    Ok(())
}

/// `{{now_ns-N}}`: the time now in nanoseconds, less N.
fn expand(text: &str) -> String {
    let Some((before, rest)) = text.split_once("{{now_ns-") else { return text.to_owned() };
    let Some((less, after)) = rest.split_once("}}") else { return text.to_owned() };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{before}{}{after}", now.saturating_sub(less.parse().unwrap_or(0)))
}

pub(super) fn chmod(path: &Path, mode: &str) -> Result<()> {
    let mode = u32::from_str_radix(mode, 8)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?)
}

pub(super) fn chown(path: &Path, (uid, gid): (u32, u32)) -> Result<()> {
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    Ok(rustix::fs::chownat(rustix::fs::CWD, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
}
