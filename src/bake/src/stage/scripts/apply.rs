//! What the interpreter has changed, as entries of the tree.

use super::later::DeferredAccounts;
use super::{Derived, Put, Read, capabilities};
use crate::plan::Plan;
use crate::stage::accounts::PRIVILEGED;
use crate::stage::{exclude, privileges, refuse};
use debian::files::{Change, Kind, What};
use debian::run::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use tree::name::{ImagePath, Name};
use tree::privilege::{Grant, Privilege, Sort};
use tree::refusal::{Class, Result};
use tree::scripts::Done;
use tree::{Content, Entry, Meta, Node, Origin, Tree, merged};

/// Where another file system is when the machine runs: what is there in an image is never seen.
const VOLATILE: [&str; 5] = ["/dev/", "/proc/", "/run/", "/sys/", "/tmp/"];

/// What the programs that change accounts and dpkg's database leave beside them: locks, and copies of what was there before.
const BACKUPS: [&str; 9] = [
    "/etc/.pwd.lock",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/var/lib/dpkg/diversions-old",
    "/var/lib/dpkg/statoverride-old",
];

/// Whose packages Debian does not vouch for, and who brings each.
type UntrustedOwners = BTreeMap<Name, Origin>;

/// The result of an outcome, over the tree that it started from.
pub(super) fn derived(
    plan: &Plan,
    tree: &Tree,
    later: &DeferredAccounts,
    outcome: &Outcome<'_>,
) -> Result<Derived> {
    let changes = outcome.files.changes();
    let strangers = privileges::bringers(plan);
    let origins = origins(&strangers, changes);
    let (mut puts, mut names) = (Vec::new(), BTreeMap::new());
    for (at, node) in outcome.files.overlay() {
        let origin = origin_of(&origins, at);
        let path = path(at, origin.as_ref())?;
        // of several names of a file the lowest is the file, whether it is another or not
        let first =
            outcome.files.identity(at).map(|id| names.entry(id).or_insert_with(|| path.clone()).clone());
        if is_left_alone(tree, &path) {
            continue;
        }
        let Some(origin) = origin else { continue };
        let Some(node) = node else {
            if tree.get(&path).is_some() {
                puts.push(Put { path, origin, node: None });
            }
            continue;
        };
        let (meta, new) = converted(tree, &path, node, &origin)?;
        let text = own(node).map(|text| later.merged(path.as_str(), &text)).transpose()?.flatten();
        let new = text.map_or(new, |text| Node::File(Content::Inline(text.as_bytes().into())));
        let new = match first {
            Some(first) if first != path && node.meta.kind == Kind::File => Node::Hardlink(first),
            _ => new,
        };
        if tree.get(&path).is_none_or(|entry| entry.meta != meta || entry.node != new) {
            puts.push(Put { path, origin, node: Some((meta, new)) });
        }
    }
    let touched = touched(&strangers, changes, &puts);
    let visible: BTreeSet<&str> = puts.iter().map(|put| put.path.as_str()).collect();
    let questions = outcome.system.debconf.questions.keys().cloned().collect();
    Ok(Derived { done: done(changes, &visible), joins: joins(changes), touched, questions, puts })
}

/// The last script that changed each path; one of a stranger, who has to answer for what it changes, before any other.
fn origins<'c>(strangers: &UntrustedOwners, changes: &'c [Change]) -> BTreeMap<&'c [u8], Origin> {
    let mut origins = BTreeMap::new();
    for change in changes {
        let debian::failure::Origin { package, script, line } = &change.origin;
        // what is nobody's is the database of debconf
        let Ok(name) = package.parse::<Name>() else { continue };
        let stranger = strangers.get(&name);
        let component = stranger.is_some_and(|bringer| matches!(bringer, Origin::Component { .. }));
        let origin = Origin::Script { package: name, component, script: script.clone(), line: *line };
        for at in paths(change) {
            let of_stranger = |known: &Origin| matches!(known, Origin::Script { package, .. } if strangers.contains_key(package));
            let known = origins.get(at);
            // who says a mode or an owner has not made what is there
            let only_access = matches!(change.what, What::Mode(_) | What::Owner(..) | What::Capabilities(_));
            let stays = known.is_some_and(|known| only_access || (stranger.is_none() && of_stranger(known)));
            if !stays {
                origins.insert(at, origin.clone());
            }
        }
    }
    origins
}

/// The paths that a change is about.
fn paths(change: &Change) -> impl Iterator<Item = &[u8]> {
    let (path, to) = match &change.what {
        What::Note(_) => (None, None),
        What::Rename(to) => (Some(change.path.as_slice()), Some(to.as_slice())),
        _ => (Some(change.path.as_slice()), None),
    };
    path.into_iter().chain(to)
}

/// Each stranger with the paths that its script has changed, among those that are another at the end.
fn touched(strangers: &UntrustedOwners, changes: &[Change], puts: &[Put]) -> Vec<(Name, ImagePath)> {
    let mut touched = BTreeSet::new();
    for change in changes {
        let Ok(name) = change.origin.package.parse::<Name>() else { continue };
        if !strangers.contains_key(&name) {
            continue;
        }
        for at in paths(change).filter_map(|at| std::str::from_utf8(at).ok()) {
            // what was moved is there with all below it
            let below = format!("{at}/");
            let is_it = |put: &&Put| put.path.as_str() == at || put.path.as_str().starts_with(&below);
            touched.extend(puts.iter().filter(is_it).map(|put| (name.clone(), put.path.clone())));
        }
    }
    touched.into_iter().collect()
}

/// The text that a script has written.
fn own(node: &debian::files::Node) -> Option<std::borrow::Cow<'_, str>> {
    match &node.content {
        debian::files::Content::Own(bytes) => Some(String::from_utf8_lossy(bytes)),
        debian::files::Content::Base(_) => None,
    }
}

/// Who changed a path: itself, or what it was moved with.
fn origin_of(origins: &BTreeMap<&[u8], Origin>, at: &[u8]) -> Option<Origin> {
    let mut at = at;
    loop {
        if let Some(origin) = origins.get(at) {
            return Some(origin.clone());
        }
        at = match at.iter().rposition(|byte| *byte == b'/') {
            None | Some(0) => return None,
            Some(end) => at.get(..end)?,
        };
    }
}

fn path(at: &[u8], origin: Option<&Origin>) -> Result<ImagePath> {
    let who = origin.map_or_else(|| "maintainer scripts".to_owned(), ToString::to_string);
    let text = std::str::from_utf8(at).map_err(|_| {
        refuse(Class::Archive, who.as_str(), format!("path `{}` is not UTF-8", String::from_utf8_lossy(at)))
    })?;
    text.parse().map(|path| merged(&path)).map_err(|error| refuse(Class::Archive, who, error))
}

/// What scripts do not change: what a recipe brings, what is under a mount point, what is left beside databases.
fn is_left_alone(tree: &Tree, path: &ImagePath) -> bool {
    let text = path.as_str();
    let of_recipe =
        |entry: &Entry| entry.origins.iter().any(|origin| matches!(origin, Origin::Recipe { .. }));
    VOLATILE.iter().any(|place| text.starts_with(place))
        || BACKUPS.contains(&text)
        || tree.get(path).is_some_and(of_recipe)
}

/// A node as an entry of the tree has it.
fn converted(
    tree: &Tree,
    path: &ImagePath,
    node: &debian::files::Node,
    origin: &Origin,
) -> Result<(Meta, Node)> {
    use debian::files::Content as Bytes;
    let wrong = |what: String| refuse(Class::Archive, path.as_str(), what);
    let mode = u16::try_from(node.meta.mode & 0o7777).unwrap_or_default();
    let debian::files::Meta { uid, gid, mtime, .. } = node.meta;
    let mut xattrs = BTreeMap::new();
    let new = match &node.meta.kind {
        Kind::Directory => Node::Directory,
        Kind::Link(target) => Node::Symlink(
            String::from_utf8(target.clone()).map_err(|_| wrong("its target is not UTF-8".to_owned()))?,
        ),
        Kind::Fifo => Node::Fifo,
        Kind::Char(major, minor) => Node::Character { major: *major, minor: *minor },
        Kind::Block(major, minor) => Node::Block { major: *major, minor: *minor },
        Kind::File => match &node.content {
            Bytes::Own(bytes) => Node::File(Content::Inline(bytes.as_slice().into())),
            Bytes::Base(from) => {
                let from = self::path(from, Some(origin))?;
                let entry = tree.get(&from).ok_or_else(|| wrong(format!("`{from}` is not there")))?;
                xattrs.clone_from(&entry.meta.xattrs);
                match &entry.node {
                    // a file with several names is one file: a change of one is a change of all
                    Node::Hardlink(target) if from == *path => {
                        return Err(wrong(format!(
                            "a script changes it, but it is a hard link to `{target}`"
                        )));
                    }
                    Node::Hardlink(target) => Node::Hardlink(target.clone()),
                    other => other.clone(),
                }
            }
        },
    };
    if let Some(text) = &node.capabilities {
        let attribute = capabilities::attribute(text)
            .ok_or_else(|| wrong(format!("unsupported capabilities `{text}`")))?;
        xattrs.insert("security.capability".to_owned(), attribute);
    }
    Ok((Meta { mode, uid, gid, mtime, xattrs }, new))
}

/// What each package did to what is seen in the image, each thing once.
fn done(changes: &[Change], visible: &BTreeSet<&str>) -> BTreeMap<Name, Vec<Done>> {
    let mut done: BTreeMap<Name, Vec<Done>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for change in changes {
        let is_seen = match &change.what {
            What::Note(_) | What::Join(..) => true,
            What::Rename(to) => [&change.path, to]
                .iter()
                .any(|path| std::str::from_utf8(path).is_ok_and(|path| visible.contains(path))),
            _ => std::str::from_utf8(&change.path).is_ok_and(|path| visible.contains(path)),
        };
        let Ok(package) = change.origin.package.parse::<Name>() else { continue };
        let debian::failure::Origin { script, line, .. } = &change.origin;
        let at = if *line > 0 { format!("{script}:{line}") } else { script.clone() };
        let one = Done { at: Some(at), does: change.does() };
        if is_seen && seen.insert((package.clone(), one.clone())) {
            done.entry(package).or_default().push(one);
        }
    }
    done
}

fn joins(changes: &[Change]) -> Vec<(Name, String, String)> {
    let mut joins: BTreeSet<(Name, String, String)> = BTreeSet::new();
    for change in changes {
        if let (What::Join(user, group), Ok(package)) = (&change.what, change.origin.package.parse()) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            joins.insert((package, text(user), text(group)));
        }
    }
    joins.into_iter().collect()
}

/// Does it to the tree; what the recipe leaves out is not made.
pub(super) fn apply(plan: &Plan, tree: &mut Tree, derived: &Derived) -> Result<()> {
    let (exclude, keep) = exclude::sets(plan)?;
    for Put { path, origin, node } in &derived.puts {
        let known = tree.get(path).cloned();
        let Some((meta, node)) = node else {
            tree.remove(path);
            continue;
        };
        let is_left_out = exclude.is_match(path.as_str()) && !keep.is_match(path.as_str());
        if known.is_none() && is_left_out {
            continue;
        }
        let is_database = DATABASES.iter().any(|(database, _)| *database == path.as_str());
        // whoever brings a file keeps it while only mode and owner change; accounts are everybody's
        let origins = match &known {
            Some(known) if known.node == *node || is_database => known.origins.clone(),
            _ => [origin.clone()].into(),
        };
        if known.is_some() {
            tree.remove(path);
        }
        tree.make_parents(path, origin, plan.epoch);
        let entry = Entry { meta: meta.clone(), node: node.clone(), origins };
        tree.insert(path, entry).map_err(|error| refuse(Class::Archive, origin.to_string(), error))?;
    }
    Ok(())
}

/// The databases of accounts, and which field of a line a number is in that must not be 0, or a password.
const DATABASES: [(&str, Option<usize>); 6] = [
    ("/etc/group", Some(2)),
    ("/etc/gshadow", None),
    ("/etc/passwd", Some(2)),
    ("/etc/shadow", None),
    ("/etc/subgid", None),
    ("/etc/subuid", None),
];

/// What was there before scripts ran: which paths and whose, and the accounts.
pub(super) struct Before {
    entries: BTreeMap<ImagePath, BTreeSet<Origin>>,
    databases: BTreeMap<&'static str, String>,
}

impl Before {
    /// That of what strangers' scripts have changed.
    pub(super) fn of(tree: &Tree, derived: &Derived, read: Read<'_>) -> Result<Self> {
        let known = |(_, path): &(Name, ImagePath)| Some((path.clone(), tree.get(path)?.origins.clone()));
        let entries = derived.touched.iter().filter_map(known).collect();
        let mut databases = BTreeMap::new();
        for (path, _) in DATABASES {
            databases.insert(path, text(tree, path, read)?);
        }
        Ok(Self { entries, databases })
    }
}

pub(super) fn text(tree: &Tree, path: &str, read: Read<'_>) -> Result<String> {
    let bytes = match tree.get(&crate::stage::image_path(path)?).map(|entry| &entry.node) {
        Some(Node::File(content)) => crate::stage::bytes_of(content, read)?,
        _ => Vec::new(),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What scripts of strangers have changed that is not theirs. Accounts of their own are, and whoever joins a group is told as a
/// member of it.
pub(super) fn changed(
    plan: &Plan,
    tree: &Tree,
    before: &Before,
    derived: &Derived,
    read: Read<'_>,
) -> Result<Vec<Privilege>> {
    let strangers = privileges::bringers(plan);
    let mut grants = Vec::new();
    for (package, path) in &derived.touched {
        let Some(owner) = strangers.get(package) else { continue };
        let mut grant = |sort: Sort, what: String| {
            grants.push(Privilege { owner: owner.clone(), grant: Grant { sort, what } });
        };
        let database = DATABASES.iter().find(|(database, _)| *database == path.as_str());
        if let Some((database, number)) = database {
            let old = |path: &str| before.databases.get(path).map_or("", String::as_str);
            let new = text(tree, database, read)?;
            for (sort, what) in of_database(path.as_str(), old(database), &new, *number, old("/etc/group")) {
                grant(sort, what);
            }
            continue;
        }
        let others = before
            .entries
            .get(path)
            .is_some_and(|known| known.iter().all(|origin| origin.bringer() != *owner));
        // of two that change one new path, one has it
        let shared = tree.get(path).is_some_and(|entry| !entry.is_of(owner));
        if others || shared {
            grant(Sort::Changes, path.to_string());
        }
    }
    Ok(grants)
}

/// What is new in the database at `path` beyond accounts without rights. `groups` is what `/etc/group` was.
fn of_database(
    path: &str,
    old: &str,
    new: &str,
    number: Option<usize>,
    groups: &str,
) -> BTreeSet<(Sort, String)> {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<String>>();
    let field = |fields: &[String], at: usize| fields.get(at).cloned().unwrap_or_default();
    let name = |line: &str| field(&fields(line), 0);
    let now: BTreeMap<String, Vec<String>> = new.lines().map(|line| (name(line), fields(line))).collect();
    let mut found = BTreeSet::new();
    let mut changes = || found.insert((Sort::Changes, path.to_owned()));
    // a name twice is another account, of which the first counts
    if now.len() != new.lines().count() {
        changes();
    }
    let mut joined = Vec::new();
    for line in old.lines() {
        let old = fields(line);
        let Some(now) = now.get(&name(line)) else {
            changes();
            continue;
        };
        let members = |fields: &[String]| -> BTreeSet<String> {
            field(fields, 3).split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect()
        };
        let has_members = path.ends_with("group") || path.ends_with("gshadow");
        let (old_head, now_head) =
            if has_members { (old.get(..3), now.get(..3)) } else { (old.get(..), now.get(..)) };
        if old_head != now_head || old.len() != now.len() {
            changes();
        } else if has_members {
            let (before, now) = (members(&old), members(now));
            joined.extend(now.difference(&before).map(|user| format!("{user} {}", name(line))));
        }
    }
    let known: BTreeSet<String> = old.lines().map(name).collect();
    for (name, now) in now.iter().filter(|(name, _)| !known.contains(*name)) {
        let is_root = number.is_some_and(|at| now.get(at).is_none_or(|number| number.parse() == Ok(0_u32)));
        let lets_in = number.is_none() && now.len() > 3 && !field(now, 1).starts_with(['!', '*']);
        if is_root || lets_in || PRIVILEGED.contains(&name.as_str()) {
            found.insert((Sort::Account, name.clone()));
        }
        // the group that a new user begins in, where it is one that was there
        if path == "/etc/passwd"
            && let Some(group) = groups.lines().map(fields).find(|group| field(group, 2) == field(now, 3))
            && field(&group, 0) != "nogroup"
        {
            joined.push(format!("{name} {}", field(&group, 0)));
        }
    }
    found.extend(joined.into_iter().map(|what| (Sort::Member, what)));
    found
}
