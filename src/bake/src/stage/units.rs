//! Which units start: what `systemctl enable` and `systemctl mask` would link, from the `[Install]` sections.
//!
//! systemd.unit(5), section \[INSTALL\] SECTION OPTIONS: `WantedBy`, `RequiredBy`, `UpheldBy`, `Alias`, `Also`,
//! `DefaultInstance`. Links are absolute, as systemctl makes them. Where nobody says what the default target is, it is
//! `multi-user.target`.
//!
//! A unit that is not in the tree, that is masked, or that has nothing to install is an error: a recipe that enables
//! it expects an effect. Not supported, on purpose: presets, and specifiers of the running machine.

mod install;
pub(super) mod start;

use super::{Generated, bytes_of, image_path, refuse};
use crate::plan::Plan;
use install::Install;
use std::collections::{BTreeMap, BTreeSet};
use tree::name::ImagePath;
use tree::refusal::{Class, Refusal, Result};
use tree::{Content, Entry, Node, Origin, Stored, Tree, merged};

/// Where units are, the strongest first.
const DIRECTORIES: [&str; 3] =
    ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];

/// Reads a range of a blob.
type Read<'a> = &'a dyn Fn(&Stored) -> Result<Vec<u8>>;

/// The links that enable and mask what the plan says.
pub(super) fn links(plan: &Plan, tree: &Tree, read: Read<'_>) -> Result<Vec<Generated>> {
    let mut links: BTreeMap<ImagePath, String> = BTreeMap::new();
    for (unit, kind) in &plan.mask {
        if plan.enable.contains_key(unit) {
            return Err(wrong(kind.as_str(), format!("unit `{unit}` is both enabled and masked")));
        }
        if find(tree, unit).is_none() {
            return Err(missing(kind.as_str(), unit));
        }
        links.insert(image_path(&format!("/etc/systemd/system/{unit}"))?, "/dev/null".to_owned());
    }
    let mut done = BTreeSet::new();
    for (unit, kind) in &plan.enable {
        enable(tree, read, unit, kind.as_str(), &mut links, &mut done)?;
    }
    let default = image_path("/etc/systemd/system/default.target")?;
    let usual = image_path("/usr/lib/systemd/system/multi-user.target")?;
    if tree.get(&default).is_none() && tree.get(&usual).is_some() {
        links.entry(default).or_insert_with(|| usual.to_string());
    }
    // a link that a recipe already has in its rootfs, or that a maintainer script has made, is no second owner
    let known = |path: &ImagePath, target: &String| {
        tree.get(path).is_some_and(|entry| match &entry.node {
            // deb-systemd-helper(1p) says `/lib` for `/usr/lib`
            Node::Symlink(known) => {
                known == target || known.parse().is_ok_and(|known| merged(&known).as_str() == target)
            }
            _ => false,
        })
    };
    Ok(links
        .into_iter()
        .filter(|(path, target)| !known(path, target))
        .map(|(path, to)| Generated::link(path, to))
        .collect())
}

/// Takes away the links by which maintainer scripts have enabled what the plan disables.
pub(super) fn disable(plan: &Plan, tree: &mut Tree) -> Result<()> {
    /// Where links that enable are, and where the units are that they lead to.
    const PLACES: [(&str, [&str; 2]); 2] = [
        ("/etc/systemd/system/", ["/usr/lib/systemd/system/", "/usr/local/lib/systemd/system/"]),
        ("/etc/systemd/user/", ["/usr/lib/systemd/user/", "/usr/local/lib/systemd/user/"]),
    ];
    for (unit, kind) in &plan.disable {
        let name = install::template_of(unit).unwrap_or_else(|| unit.clone());
        let mut units = PLACES.iter().flat_map(|(_, places)| places).map(|place| format!("{place}{name}"));
        if !units.any(|path| path.parse().is_ok_and(|path| tree.get(&path).is_some())) {
            return Err(missing(kind.as_str(), unit));
        }
        let enables = |path: &ImagePath, target: &str| {
            let below = PLACES.iter().find_map(|(links, _)| path.as_str().strip_prefix(links));
            let is_named = path.file_name() == unit && below.is_some_and(|below| below.contains('/'));
            let is_alias =
                below.is_some_and(|below| !below.contains('/')) && target.ends_with(&format!("/{unit}"));
            is_named || is_alias
        };
        let links: Vec<ImagePath> = tree
            .iter()
            .filter(|(_, entry)| entry.origins.iter().any(|origin| matches!(origin, Origin::Script { .. })))
            .filter_map(|(path, entry)| match &entry.node {
                Node::Symlink(target) if enables(path, target) => Some(path.clone()),
                _ => None,
            })
            .collect();
        for path in links {
            tree.remove(&path);
            // and its directory, where it was the only one
            let Some(above) = path.parent() else { continue };
            let is_made =
                |entry: &Entry| entry.origins.iter().all(|origin| matches!(origin, Origin::Script { .. }));
            let is_empty = tree.within(&above).nth(1).is_none();
            if is_empty && tree.get(&above).is_some_and(is_made) {
                tree.remove(&above);
            }
        }
    }
    Ok(())
}

/// What enabling `unit` links, and what it wants enabled with it.
fn enable(
    tree: &Tree,
    read: Read<'_>,
    unit: &str,
    kind: &str,
    links: &mut BTreeMap<ImagePath, String>,
    done: &mut BTreeSet<String>,
) -> Result<()> {
    if !done.insert(unit.to_owned()) {
        return Ok(());
    }
    let (path, content) = find(tree, unit).ok_or_else(|| missing(kind, unit))?;
    let content = match content {
        Found::File(content) => content,
        Found::Link("/dev/null") => return Err(wrong(kind, format!("unit `{unit}` is masked by `{path}`"))),
        Found::Link(target) => {
            let real = target.rsplit('/').next().unwrap_or_default();
            return Err(wrong(kind, format!("unit `{unit}` is an alias")).hint(format!("enable `{real}`")));
        }
    };
    let mut install = Install::default();
    install.read(&text(path, content, read)?);
    for (path, content) in drop_ins(tree, path.file_name()) {
        install.read(&text(path, content, read)?);
    }
    if install.is_empty() {
        return Err(wrong(
            kind,
            format!("unit `{unit}` has no [Install] section, so enabling it has no effect"),
        )
        .hint("other units start it; remove it from [units] enable"));
    }
    let name = install.instance_of(unit).map_err(|error| wrong(kind, error))?;
    for place in install.links(&name).map_err(|error| wrong(kind, error))? {
        let place = image_path(&format!("/etc/systemd/system/{place}"))?;
        match links.insert(place.clone(), path.to_string()) {
            Some(other) if other != path.as_str() => {
                let cause = format!("`{place}` would be a link to `{other}` and to `{path}`");
                return Err(wrong(kind, cause));
            }
            _ => {}
        }
    }
    install.also.iter().try_for_each(|also| enable(tree, read, also, kind, links, done))
}

/// What is at the path of a unit.
enum Found<'a> {
    File(&'a Content),
    Link(&'a str),
}

/// The file of `unit`: its own, or that of its template.
fn find<'a>(tree: &'a Tree, unit: &str) -> Option<(&'a ImagePath, Found<'a>)> {
    let template = install::template_of(unit);
    let names = std::iter::once(unit.to_owned()).chain(template);
    names.flat_map(|name| DIRECTORIES.map(|directory| format!("{directory}/{name}"))).find_map(|path| {
        let (path, entry) = tree.get_key_value(&path.parse().ok()?)?;
        match &entry.node {
            Node::File(content) => Some((path, Found::File(content))),
            Node::Symlink(target) => Some((path, Found::Link(target))),
            _ => None,
        }
    })
}

/// The drop-ins of a unit by file name, the strongest directory's of each name.
fn drop_ins<'a>(tree: &'a Tree, unit: &str) -> Vec<(&'a ImagePath, &'a Content)> {
    let mut files = BTreeMap::new();
    for directory in DIRECTORIES {
        let Ok(directory) = format!("{directory}/{unit}.d").parse::<ImagePath>() else { continue };
        for (path, entry) in tree.within(&directory) {
            if let (Node::File(content), true) = (&entry.node, path.as_str().ends_with(".conf")) {
                files.entry(path.file_name()).or_insert((path, content));
            }
        }
    }
    files.into_values().collect()
}

fn text(path: &ImagePath, content: &Content, read: Read<'_>) -> Result<String> {
    /// systemd itself reads no longer lines than this, and no unit of Debian has 64 KiB.
    const MAX: u64 = 1 << 20;
    if content.len() > MAX {
        let cause = format!("expected at most {MAX} bytes, found {}", content.len());
        return Err(refuse(Class::Archive, path.as_str(), cause));
    }
    String::from_utf8(bytes_of(content, read)?)
        .map_err(|_| refuse(Class::Archive, path.as_str(), "it is not UTF-8"))
}

fn missing(kind: &str, unit: &str) -> Refusal {
    wrong(kind, format!("unit `{unit}` is not in the image")).hint(
        "check that [packages] install has its package, and that [files] exclude does not match it \
             A kind without that package takes the unit back by [units] without",
    )
}

fn wrong(kind: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Refusal {
    refuse(Class::Usage, format!("image-recipes/{kind}/recipe.toml"), cause)
}

#[cfg(test)]
mod tests;
