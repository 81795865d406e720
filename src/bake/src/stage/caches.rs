//! Databases that Debian's tools compile from what packages bring, made here from the tree instead.
//!
//! | file | what Debian runs | from | when |
//! |---|---|---|---|
//! | `/etc/ld.so.cache` and links of libraries | `ldconfig` | `/etc/ld.so.conf`, libraries | libc-bin |
//! | `/usr/lib/udev/hwdb.bin` | `systemd-hwdb --usr update` | `hwdb.d` | udev |
//! | `/var/lib/systemd/catalog/database` | `journalctl --update-catalog` | `catalog` | systemd |
//! | `/etc/.updated`, `/var/.updated` | `systemd-update-done`, at boot | the plan's epoch | systemd |
//!
//! Each has the bytes that the tool of the package in the lock would write; `tests/tests/dpkg/caches.rs` runs those tools.
//! A recipe that leaves the sources out (`[files] exclude`) gets no database, as with Debian's tools. They are
//! made last of what a recipe can influence: links and files that others make must be in them.
//!
//! Not supported, on purpose: iconv's `gconv-modules.cache`, which libc-bin brings in the package.

mod catalog;
mod dropins;
pub(super) mod follow;
mod hardware;
mod library;
mod strings;
mod update_done;

use super::{Generated, Read, put, refuse};
use crate::plan::Plan;
use tree::Tree;
use tree::refusal::{Class, Result};

/// Makes all of them in `tree`.
pub(super) fn make(plan: &Plan, tree: &mut Tree, read: Read<'_>) -> Result<()> {
    if let Some(version) = version(plan, "libc-bin") {
        let made = library::cache(tree, plan.arch, version, read)?;
        let mut all = vec![Generated::file("/etc/ld.so.cache", 0o644, made.cache)?];
        for (path, target) in made.links {
            tree.remove(&path);
            all.extend(target.map(|target| Generated::link(path, target)));
        }
        put(tree, plan, "library cache", all)?;
    }
    let hardware = hardware(plan, tree, read)?;
    put(tree, plan, "hardware database", hardware)?;
    let messages = messages(plan, tree, read)?;
    put(tree, plan, "message catalog", messages)?;
    if version(plan, "systemd").is_some() {
        let stamps = update_done::stamps(plan, tree)?;
        put(tree, plan, "update done", stamps)?;
    }
    Ok(())
}

fn hardware(plan: &Plan, tree: &Tree, read: Read<'_>) -> Result<Vec<Generated>> {
    let Some(version) = version(plan, "udev") else { return Ok(Vec::new()) };
    let digits = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let number = digits.parse().map_err(|_| {
        let cause = format!("expected a version that begins with a number, found `{version}`");
        refuse(Class::Archive, "udev", cause)
    })?;
    let files = dropins::files(tree, &["/etc/udev/hwdb.d", "/usr/lib/udev/hwdb.d"], ".hwdb");
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let files = files.into_iter().map(|file| file.bytes(read).map(|bytes| (file, bytes)));
    let database = hardware::database(number, &files.collect::<Result<Vec<_>>>()?);
    Ok(vec![Generated::file("/usr/lib/udev/hwdb.bin", 0o444, database)?])
}

fn messages(plan: &Plan, tree: &Tree, read: Read<'_>) -> Result<Vec<Generated>> {
    let directories = ["/usr/local/lib/systemd/catalog", "/usr/lib/systemd/catalog"];
    if version(plan, "systemd").is_none() {
        return Ok(Vec::new());
    }
    let mut catalog = catalog::Catalog::default();
    for file in dropins::files(tree, &directories, ".catalog") {
        catalog.import(&file, &file.bytes(read)?).map_err(|error| {
            let hint = "report it to its owner, or exclude it with [files] exclude";
            refuse(Class::Archive, file.path.as_str(), error).hint(hint)
        })?;
    }
    if catalog.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Generated::file("/var/lib/systemd/catalog/database", 0o644, catalog.bytes())?])
}

/// The version of a package of the image.
fn version<'p>(plan: &'p Plan, name: &str) -> Option<&'p str> {
    let package = plan.packages.iter().find(|package| package.name.as_str() == name)?;
    Some(package.version.split_once(':').map_or(package.version.as_str(), |(_, version)| version))
}

#[cfg(test)]
mod tests;
