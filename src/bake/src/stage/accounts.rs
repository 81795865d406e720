//! Users and groups: `/etc/passwd`, `group`, `shadow` and `gshadow`, and the ids of all owners by name.
//!
//! In this order, which is also that of the files: base-passwd's masters, as its postinst and `shadowconfig on`
//! leave them; the sysusers.d(5) files of all owners by file name, as systemd-sysusers leaves them; the recipe's groups
//! and users by id. Ids that sysusers.d leaves open are fixed by the recipe, or follow from the name. No account has a password: `*` for the
//! masters, `!*` for the others, and root stays locked. The day of the last change is that of the plan's epoch.
//!
//! Also `/etc/subuid` and `/etc/subgid`, empty, as base-passwd's postinst makes them. Not supported, on purpose: the
//! backups `passwd-` and so on, which only a change leaves.

mod database;
mod sysusers;

use super::claim::{Claim, loses};
use super::{Generated, bytes_of, image_path, refuse};
use crate::plan::{Plan, PlannedFile};
use crate::recipe::Body;
pub(super) use database::Accounts;
use database::{Group, Password, User};
use std::collections::{BTreeMap, BTreeSet};
use sysusers::{Id, Line};
use tree::name::ImagePath;
use tree::privilege::{Grant, Privilege, Sort};
use tree::refusal::{Class, Result};
use tree::{Content, Node, Origin, Stored, merged};

/// Where sysusers.d files are, the strongest first: a file of one name replaces those of the later directories.
const DIRECTORIES: [&str; 3] = ["/etc/sysusers.d", "/usr/local/lib/sysusers.d", "/usr/lib/sysusers.d"];

/// Users and groups that are given rights by their name, where someone has brought them: administrators that cloud-init and
/// Podplane's nodes make at the first boot, and groups that programs let do what root may.
pub(super) const PRIVILEGED: [&str; 8] =
    ["admin", "debian", "docker", "incus-admin", "libvirt", "lxd", "netdev", "wheel"];

/// All users and groups of the image, from what packages and the recipe bring.
pub(super) fn read(
    plan: &Plan,
    claims: &[Claim],
    read: &dyn Fn(&Stored) -> Result<Vec<u8>>,
) -> Result<Accounts> {
    let mut accounts = Accounts::default();
    for (file, path) in
        [("passwd", "/usr/share/base-passwd/passwd.master"), ("group", "/usr/share/base-passwd/group.master")]
    {
        let content = claims_of(plan, claims, path).find_map(|claim| match &claim.entry.node {
            Node::File(content) => Some(content),
            _ => None,
        });
        let content = content.ok_or_else(|| {
            refuse(Class::Archive, plan.kind.as_str(), format!("nothing provides `{path}`"))
                .hint("package `base-passwd` is Essential, but is not in the lock")
        })?;
        accounts.master(file, &text(path, content, read)?)?;
    }
    // whose a group is, and none of those that several bring
    let (mut members, mut own, mut users) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    let bring = |own: &mut BTreeMap<String, Option<Origin>>, name: &str, origin: &Origin, known: bool| {
        let whose = (!known).then(|| origin.clone());
        own.entry(name.to_owned())
            .and_modify(|of| *of = of.take().filter(|of| of == origin))
            .or_insert(whose);
    };
    let privileged = |name: &str, origin: &Origin| {
        let is_so = is_stranger(plan, origin) && PRIVILEGED.contains(&name);
        let grant = Grant { sort: Sort::Account, what: name.to_owned() };
        is_so.then(|| Privilege { owner: origin.clone(), grant })
    };
    let mut lines = Vec::new();
    for (path, (content, origin)) in files(plan, claims) {
        let parsed = sysusers::parse(&text(path.as_str(), &content, read)?);
        let parsed = parsed.map_err(|error| refuse(Class::Archive, path.as_str(), error))?;
        lines.push((path, origin, parsed));
    }
    let open = Open::of(plan, &lines);
    for (path, origin, lines) in lines {
        let path = path.as_str();
        for line in lines {
            match line {
                Line::User(user) if !plan.users.contains_key(&user.name) => {
                    let (name, group) = (user.name.clone(), user.group.clone());
                    let known = accounts.find_gid(&name).is_some();
                    let is_new = !accounts.has_user(&name);
                    add_user(&mut accounts, &open, plan, claims, path, user)?;
                    if is_new {
                        accounts.makers.users.insert(name.clone(), origin.clone());
                    }
                    if !known && accounts.find_gid(&name).is_some() {
                        accounts.makers.groups.insert(name.clone(), origin.clone());
                    }
                    accounts.grants.extend(privileged(&name, &origin));
                    // whoever is first says shell and home of a user that another brings as well
                    let first = users.entry(name.clone()).or_insert_with(|| origin.clone());
                    if is_stranger(plan, first) && *first != origin {
                        let grant = Grant { sort: Sort::Account, what: name.clone() };
                        accounts.grants.push(Privilege { owner: first.clone(), grant });
                    }
                    bring(&mut own, &name, &origin, known);
                    if let (Some(group), true) = (group, is_new) {
                        let group =
                            group.parse().ok().and_then(|gid| accounts.group_of(gid)).unwrap_or(group);
                        members.push((name, group, path.to_owned(), origin.clone(), false));
                    } else if is_new && known {
                        members.push((name.clone(), name, path.to_owned(), origin.clone(), false));
                    }
                }
                Line::Group { name, id } if !is_of_recipe(plan, &name) => {
                    let known = accounts.find_gid(&name).is_some();
                    bring(&mut own, &name, &origin, known);
                    if !known {
                        accounts.makers.groups.insert(name.clone(), origin.clone());
                    }
                    add_group(&mut accounts, &open, plan, claims, path, &name, &id)?;
                    accounts.grants.extend(privileged(&name, &origin));
                }
                Line::Member { user, group } => {
                    members.push((user, group, path.to_owned(), origin.clone(), true));
                }
                Line::User(_) | Line::Group { .. } => {}
            }
        }
    }
    recipe(&mut accounts, plan)?;
    for (user, group, path, owner, joins) in members {
        if joins {
            accounts.join(&user, &group, &path)?;
        }
        // whoever brings a group says who is in it
        if own.get(&group) != Some(&Some(owner.clone())) {
            accounts.grants.push(member(owner, &user, &group));
        }
    }
    Ok(accounts)
}

/// Whether Debian does not vouch for it, and it is no recipe's.
fn is_stranger(plan: &Plan, origin: &Origin) -> bool {
    match origin.bringer() {
        Origin::Component { .. } => true,
        Origin::Package { name } => super::is_third_party(plan, &name),
        _ => false,
    }
}

/// The claims to `path` that the recipe has not decided against, the last first.
fn claims_of<'c>(plan: &'c Plan, claims: &'c [Claim], path: &'c str) -> impl Iterator<Item = &'c Claim> {
    let wanted = path.parse::<ImagePath>().ok().map(|path| merged(&path));
    claims.iter().rev().filter(move |claim| {
        let at = merged(&claim.path);
        Some(&at) == wanted.as_ref() && !loses(plan, &at, &claim.origin)
    })
}

/// The privilege of `user` to be in `group`.
fn member(owner: Origin, user: &str, group: &str) -> Privilege {
    Privilege { owner, grant: Grant { sort: Sort::Member, what: format!("{user} {group}") } }
}

impl Accounts {
    /// The files of the database.
    pub(super) fn files(&self, plan: &Plan) -> Result<Vec<Generated>> {
        let day = plan.epoch.div_euclid(86_400).max(0);
        let shadow = self.gid("shadow", "`/etc/shadow`")?;
        let mut files = vec![
            Generated::file("/etc/group", 0o644, self.group())?,
            Generated { gid: shadow, ..Generated::file("/etc/gshadow", 0o640, self.gshadow())? },
            Generated::file("/etc/passwd", 0o644, self.passwd())?,
            Generated { gid: shadow, ..Generated::file("/etc/shadow", 0o640, self.shadow(day))? },
        ];
        for path in ["/etc/subgid", "/etc/subuid"] {
            let known = image_path(path)?;
            if !plan.files.iter().any(|file| file.path == known) {
                files.push(Generated::file(path, 0o644, "")?);
            }
        }
        Ok(files)
    }
}

/// A file that lays out accounts, and whose it is.
type Source = (Content, Origin);

/// The sysusers.d files of all owners by file name, without those that a stronger directory replaces or masks.
fn files(plan: &Plan, claims: &[Claim]) -> Vec<(ImagePath, Source)> {
    let of_packages =
        claims.iter().filter(|claim| !loses(plan, &merged(&claim.path), &claim.origin)).map(|claim| {
            let content = match &claim.entry.node {
                Node::File(content) => Some((content.clone(), claim.origin.clone())),
                _ => None,
            };
            (merged(&claim.path), content)
        });
    let origin = |file: &PlannedFile| Origin::Recipe { kind: file.kind.clone(), file: file.source.clone() };
    let of_recipes = plan.files.iter().map(|file| match &file.body {
        Body::Bytes(bytes) => (file.path.clone(), Some((Content::Inline(bytes.clone()), origin(file)))),
        Body::Link(_) => (file.path.clone(), None),
    });
    let of_recipes = of_recipes
        .filter(|(path, content)| content.as_ref().is_none_or(|(_, origin)| !loses(plan, path, origin)));
    let mut files: BTreeMap<String, (usize, ImagePath, Option<Source>)> = BTreeMap::new();
    for (path, content) in of_packages.chain(of_recipes) {
        let parent = path.parent();
        let directory = parent.as_ref().map_or("", ImagePath::as_str);
        let Some(rank) = DIRECTORIES.iter().position(|known| *known == directory) else { continue };
        let name = path.file_name().to_owned();
        if name.ends_with(".conf") && files.get(&name).is_none_or(|(known, ..)| rank <= *known) {
            files.insert(name, (rank, path, content));
        }
    }
    files.into_values().filter_map(|(_, path, content)| Some((path, content?))).collect()
}

fn is_of_recipe(plan: &Plan, group: &str) -> bool {
    plan.groups.contains_key(group) || plan.users.contains_key(group)
}

/// A `u` line: the user, and the group of its name unless the line names another.
fn add_user(
    accounts: &mut Accounts,
    open: &Open,
    plan: &Plan,
    claims: &[Claim],
    path: &str,
    line: sysusers::User,
) -> Result<()> {
    if accounts.has_user(&line.name) {
        return Ok(());
    }
    let own = accounts.find_gid(&line.name);
    let uid = match (id(plan, claims, &line.name, &line.id, false), own) {
        (Some(uid), _) => uid,
        // systemd-sysusers takes the number of a group of the same name, where there is one
        (None, Some(gid)) if line.group.is_none() => gid,
        (None, _) => open.number(accounts, path, &line.name)?,
    };
    let gid = match &line.group {
        None if own.is_some() => own.unwrap_or(uid),
        None => {
            accounts.add_group(Group::new(&line.name, uid, Password::Locked), path)?;
            uid
        }
        Some(group) => match group.parse() {
            Ok(gid) => gid,
            Err(_) => accounts.gid(group, &format!("`{path}`"))?,
        },
    };
    let shell =
        line.shell.unwrap_or_else(|| if uid == 0 { "/bin/sh" } else { "/usr/sbin/nologin" }.to_owned());
    let password = if line.locked { Password::Expired } else { Password::Locked };
    let home = line.home.unwrap_or_else(|| "/".to_owned());
    accounts.add_user(User { name: line.name, uid, gid, gecos: line.gecos, home, shell, password }, path)
}

/// A `g` line.
fn add_group(
    accounts: &mut Accounts,
    open: &Open,
    plan: &Plan,
    claims: &[Claim],
    path: &str,
    name: &str,
    number: &Id,
) -> Result<()> {
    if accounts.find_gid(name).is_some() {
        return Ok(());
    }
    let gid = match id(plan, claims, name, number, true) {
        Some(gid) => gid,
        None => open.number(accounts, path, name)?,
    };
    accounts.add_group(Group::new(name, gid, Password::Locked), path)
}

/// The number of a line, as far as the line, the recipe or the owner of a file says it.
fn id(plan: &Plan, claims: &[Claim], name: &str, id: &Id, group: bool) -> Option<u32> {
    let fixed = plan.ids.get(name).copied();
    match id {
        Id::Fixed(number) => Some(*number),
        Id::Open => fixed,
        Id::OwnerOf(path) => {
            let meta = claims_of(plan, claims, path).next().map(|claim| &claim.entry.meta);
            meta.map(|meta| if group { meta.gid } else { meta.uid }).or(fixed)
        }
    }
}

/// The groups and users of the recipe, by id.
fn recipe(accounts: &mut Accounts, plan: &Plan) -> Result<()> {
    let mut groups: Vec<_> =
        plan.groups.iter().map(|(name, group)| (group.gid, name, group.kind.as_str())).collect();
    for (name, user) in &plan.users {
        match plan.groups.get(name) {
            None => groups.push((user.uid, name, user.kind.as_str())),
            Some(group) if group.gid == user.uid => {}
            Some(group) => {
                let cause = format!(
                    "user `{name}` has ID {}, but its group has {}; expected the same ID",
                    user.uid, group.gid
                );
                return Err(refuse(Class::Usage, format!("image-recipes/{}/recipe.toml", user.kind), cause));
            }
        }
    }
    groups.sort();
    for (gid, name, kind) in groups {
        accounts.add_group(
            Group::new(name, gid, Password::Locked),
            &format!("image-recipes/{kind}/recipe.toml"),
        )?;
    }
    let mut users: Vec<_> = plan.users.iter().collect();
    users.sort_by_key(|(_, user)| user.uid);
    for (name, user) in users {
        let gid = user.uid;
        let (home, shell) = (user.home.to_string(), user.shell.to_string());
        let (gecos, password) = (user.gecos.clone(), Password::Locked);
        let file = format!("image-recipes/{}/recipe.toml", user.kind);
        accounts
            .add_user(User { name: name.clone(), uid: user.uid, gid, gecos, home, shell, password }, &file)?;
    }
    for (name, user) in &plan.users {
        for group in &user.groups {
            accounts.join(name, group, &format!("image-recipes/{}/recipe.toml", user.kind))?;
            if !is_of_recipe(plan, group) {
                let file = "recipe.toml".to_owned();
                let owner = Origin::Recipe { kind: user.kind.clone(), file };
                accounts.grants.push(member(owner, name, group));
            }
        }
    }
    for (name, group) in &plan.groups {
        for user in &group.members {
            accounts.join(user, name, &format!("image-recipes/{}/recipe.toml", group.kind))?;
        }
    }
    Ok(())
}

/// Numbers for accounts that sysusers.d leaves open and no recipe fixes: by their names, from those that nobody has.
struct Open {
    /// All numbers that lines, the recipe and its `[ids]` say.
    fixed: BTreeSet<u32>,
}

impl Open {
    fn of(plan: &Plan, lines: &[(ImagePath, Origin, Vec<Line>)]) -> Self {
        let of_lines = lines.iter().flat_map(|(_, _, lines)| lines).filter_map(|line| match line {
            Line::User(sysusers::User { id: Id::Fixed(number), .. })
            | Line::Group { id: Id::Fixed(number), .. } => Some(*number),
            _ => None,
        });
        let of_recipe =
            plan.groups.values().map(|group| group.gid).chain(plan.users.values().map(|user| user.uid));
        Self { fixed: of_lines.chain(of_recipe).chain(plan.ids.values().copied()).collect() }
    }

    /// A number for the user or group `name` of `path`.
    fn number(&self, accounts: &Accounts, path: &str, name: &str) -> Result<u32> {
        let taken = |id: u32| accounts.has_id(id) || self.fixed.contains(&id);
        // the range that Debian gives to system accounts
        debian::system::number_by_name(name.as_bytes(), 100, 999, &taken).ok_or_else(|| {
            refuse(Class::Usage, path, format!("no ID from 100 to 999 is free for `{name}`"))
                .hint(format!("assign one in [ids] of the recipe: {name} = 1100"))
        })
    }
}

fn text(path: &str, content: &Content, read: &dyn Fn(&Stored) -> Result<Vec<u8>>) -> Result<String> {
    /// Longer than any such file; the largest of Debian has 2 KiB.
    const MAX: u64 = 1 << 20;
    if content.len() > MAX {
        return Err(refuse(
            Class::Archive,
            path,
            format!("expected at most {MAX} bytes, found {}", content.len()),
        ));
    }
    String::from_utf8(bytes_of(content, read)?).map_err(|_| refuse(Class::Archive, path, "it is not UTF-8"))
}

#[cfg(test)]
mod tests;
