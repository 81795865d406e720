//! The reference: what the dpkg of Debian 13 makes of the same packages.

use crate::Listing;
use crate::dpkg::ours::Deb;
use anyhow::{Context as _, Result, ensure};
use bake::debian::relation;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tree::digest::Sha256;
use xshell::{Shell, cmd};

/// A tree on disk.
pub(crate) struct Reference {
    root: PathBuf,
}

/// Unpacks `debs` into `root` with the dpkg that is among them, by the names of packages.
pub(crate) fn unpack(debs: &[Deb], root: &Path) -> Result<Reference> {
    fs::create_dir(root)?;
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    let shell = Shell::new()?;
    for deb in base(debs)? {
        let path = &deb.path;
        let extract = r#"set -o pipefail; dpkg-deb --fsys-tarfile "$0" | tar --directory "$1" --no-overwrite-dir -xpf -"#;
        cmd!(shell, "bash -c {extract} {path} {root}").quiet().run()?;
    }
    let folder = root.join("debs");
    fs::create_dir(&folder)?;
    for deb in debs {
        fs::copy(&deb.path, folder.join(format!("{}.deb", deb.name)))?;
    }
    for empty in ["status", "available"] {
        fs::write(root.join("var/lib/dpkg").join(empty), "")?;
    }
    // dpkg goes by the order of its arguments: that of names, with C's order as ours is
    let script = "umask 022; LC_ALL=C; export LC_ALL; exec dpkg --force-depends --force-unsafe-io --unpack /debs/*.deb";
    let run = cmd!(shell, "chroot {root} /bin/sh -c {script}").env_clear().env("PATH", "/usr/sbin:/usr/bin");
    let output = run.env("DEBIAN_FRONTEND", "noninteractive").quiet().ignore_status().output()?;
    ensure!(output.status.success(), "dpkg --unpack: {}", String::from_utf8_lossy(&output.stderr));
    fs::remove_dir_all(&folder)?;
    Ok(Reference { root: root.to_owned() })
}

/// The Essential packages and what they need: enough to run dpkg and preinst scripts.
fn base(debs: &[Deb]) -> Result<Vec<&Deb>> {
    let mut provides: BTreeMap<&str, Vec<&Deb>> = BTreeMap::new();
    for deb in debs {
        provides.entry(&deb.name).or_default().push(deb);
        let names = relation::groups(deb.control.get("Provides").map_or("", String::as_str))?;
        names.iter().flatten().for_each(|relation| provides.entry(relation.name).or_default().push(deb));
    }
    let mut open: Vec<&Deb> = debs.iter().filter(|deb| deb.control.contains_key("Essential")).collect();
    let mut chosen = BTreeMap::new();
    while let Some(deb) = open.pop() {
        if chosen.insert(&deb.name, deb).is_some() {
            continue;
        }
        for field in ["Pre-Depends", "Depends"] {
            let groups = relation::groups(deb.control.get(field).map_or("", String::as_str))?;
            let expected = groups.iter().flatten().filter_map(|relation| provides.get(relation.name));
            open.extend(expected.flatten().copied());
        }
    }
    Ok(chosen.into_values().collect())
}

impl Reference {
    /// Each path with what it is. A conffile that dpkg has put beside its place counts as being there.
    pub(crate) fn listing(&self) -> Result<Listing> {
        let mut listing = Listing::new();
        let mut new = Vec::new();
        self.walk(&mut |path, meta| {
            let access = format!("{:04o} {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid());
            let file = self.root.join(&path[1..]);
            let what = if meta.is_dir() {
                format!("directory {access}")
            } else if meta.is_symlink() {
                format!("link {}:{} {}", meta.uid(), meta.gid(), fs::read_link(&file)?.display())
            } else if meta.is_file() {
                format!("file {access} {}", Sha256::of(&crate::read(&file)?).hex())
            } else {
                format!("{:?} {access}", meta.file_type())
            };
            match path.strip_suffix(".dpkg-new") {
                Some(place) => new.push((place.to_owned(), what)),
                None => _ = listing.insert(path, what),
            }
            Ok(())
        })?;
        listing.extend(new);
        Ok(listing)
    }

    /// The names of each file that has several.
    pub(crate) fn hard_links(&self) -> Result<BTreeSet<BTreeSet<String>>> {
        let mut groups: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
        self.walk(&mut |path, meta| {
            if meta.is_file() && meta.nlink() > 1 {
                groups.entry(meta.ino()).or_default().insert(path);
            }
            Ok(())
        })?;
        Ok(groups.into_values().collect())
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        Ok(String::from_utf8(crate::read(&self.root.join(path.trim_start_matches('/')))?)?)
    }

    fn walk(&self, each: &mut dyn FnMut(String, fs::Metadata) -> Result<()>) -> Result<()> {
        let mut open = vec![self.root.clone()];
        while let Some(path) = open.pop() {
            let relative = path.strip_prefix(&self.root)?.to_str().context("a name that is not UTF-8")?;
            let meta = path.symlink_metadata()?;
            if meta.is_dir() {
                for entry in fs::read_dir(&path)? {
                    open.push(entry?.path());
                }
            }
            each(format!("/{relative}"), meta)?;
        }
        Ok(())
    }
}
