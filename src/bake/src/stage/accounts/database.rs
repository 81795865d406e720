//! The database itself: passwd(5), group(5), shadow(5), gshadow(5).

use super::super::refuse;
use std::collections::{BTreeMap, BTreeSet};
use tree::Origin;
use tree::privilege::Privilege;
use tree::refusal::{Class, Result, hides};

/// All users and groups, in the order of their files. No two have one name, and no two users or groups one id.
#[derive(Debug, Default)]
pub(in super::super) struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
    uids: BTreeMap<String, u32>,
    gids: BTreeMap<String, u32>,
    /// Who is in groups of someone else.
    pub(in super::super) grants: Vec<Privilege>,
    /// Whose sysusers.d files made which of them.
    pub(in super::super) makers: Makers,
}

/// Accounts that a sysusers.d file made, with its owner.
#[derive(Debug, Default)]
pub(in super::super) struct Makers {
    pub(in super::super) users: BTreeMap<String, Origin>,
    pub(in super::super) groups: BTreeMap<String, Origin>,
}

/// A user.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) gecos: String,
    pub(super) home: String,
    pub(super) shell: String,
    pub(super) password: Password,
}

/// A group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    name: String,
    gid: u32,
    members: BTreeSet<String>,
    password: Password,
}

/// How an account is without a password: none of them lets anybody in with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Password {
    /// `*`, with the ages that pwconv gives: the accounts of base-passwd.
    Master,
    /// `!*`.
    Locked,
    /// `!*`, and expired: no way in at all, not even with a key.
    Expired,
}

impl Group {
    pub(super) fn new(name: &str, gid: u32, password: Password) -> Self {
        Self { name: name.to_owned(), gid, members: BTreeSet::new(), password }
    }
}

impl Accounts {
    /// The id of a user that `what` needs.
    pub(in super::super) fn uid(&self, name: &str, what: &str) -> Result<u32> {
        self.uids.get(name).copied().ok_or_else(|| unknown("user", name, what))
    }

    /// The id of a group that `what` needs.
    pub(in super::super) fn gid(&self, name: &str, what: &str) -> Result<u32> {
        self.gids.get(name).copied().ok_or_else(|| unknown("group", name, what))
    }

    pub(in super::super) fn find_uid(&self, name: &str) -> Option<u32> {
        self.uids.get(name).copied()
    }

    pub(in super::super) fn find_gid(&self, name: &str) -> Option<u32> {
        self.gids.get(name).copied()
    }

    /// The name of the group with this id.
    pub(super) fn group_of(&self, gid: u32) -> Option<String> {
        self.groups.iter().find(|group| group.gid == gid).map(|group| group.name.clone())
    }

    pub(in super::super) fn has_user(&self, name: &str) -> bool {
        self.uids.contains_key(name)
    }

    pub(super) fn has_id(&self, id: u32) -> bool {
        self.users.iter().any(|user| user.uid == id) || self.groups.iter().any(|group| group.gid == id)
    }

    /// Takes the lines of one of base-passwd's masters, `file` is `passwd` or `group`.
    pub(super) fn master(&mut self, file: &str, text: &str) -> Result<()> {
        let path = format!("/usr/share/base-passwd/{file}.master");
        for line in text.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let wrong =
                || refuse(Class::Archive, path.as_str(), format!("`{line}` is not a valid {file}(5) entry"));
            let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
            match (file, &fields[..]) {
                ("passwd", [name, _, uid, gid, gecos, home, shell]) => self.add_user(
                    User {
                        name: (*name).to_owned(),
                        uid: number(uid)?,
                        gid: number(gid)?,
                        gecos: (*gecos).to_owned(),
                        home: (*home).to_owned(),
                        shell: (*shell).to_owned(),
                        password: Password::Master,
                    },
                    &path,
                )?,
                ("group", [name, _, gid, members]) => {
                    let mut group = Group::new(name, number(gid)?, Password::Master);
                    group.members = members.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect();
                    self.add_group(group, &path)?;
                }
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }

    pub(super) fn add_user(&mut self, user: User, from: &str) -> Result<()> {
        let fields = [&user.name, &user.gecos, &user.home, &user.shell];
        if let Some(field) = fields.into_iter().find(|field| field.contains(|c: char| c == ':' || hides(c))) {
            let cause = format!("user `{}`: `{field}` is not a valid passwd(5) field", user.name);
            return Err(refuse(Class::Usage, from, cause));
        }
        if let Some(known) = self.users.iter().find(|known| known.uid == user.uid || known.name == user.name)
        {
            return Err(twice("user", (&known.name, known.uid), (&user.name, user.uid), from));
        }
        self.uids.insert(user.name.clone(), user.uid);
        self.users.push(user);
        Ok(())
    }

    pub(super) fn add_group(&mut self, group: Group, from: &str) -> Result<()> {
        if let Some(known) =
            self.groups.iter().find(|known| known.gid == group.gid || known.name == group.name)
        {
            return Err(twice("group", (&known.name, known.gid), (&group.name, group.gid), from));
        }
        self.gids.insert(group.name.clone(), group.gid);
        self.groups.push(group);
        Ok(())
    }

    /// Puts a user into a group.
    pub(super) fn join(&mut self, user: &str, group: &str, from: &str) -> Result<()> {
        self.uid(user, &format!("`{from}`"))?;
        self.gid(group, &format!("`{from}`"))?;
        for known in self.groups.iter_mut().filter(|known| known.name == group) {
            known.members.insert(user.to_owned());
        }
        Ok(())
    }

    /// Takes up the names and numbers of passwd(5) and group(5), which maintainer scripts may have added to.
    pub(in super::super) fn learn(&mut self, passwd: &str, group: &str) {
        let id = |line: &str| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse::<u32>().ok()?))
        };
        self.uids.extend(passwd.lines().filter_map(id));
        self.gids.extend(group.lines().filter_map(id));
    }

    pub(super) fn passwd(&self) -> String {
        let line = |user: &User| {
            let User { name, uid, gid, gecos, home, shell, .. } = user;
            format!("{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}\n")
        };
        self.users.iter().map(line).collect()
    }

    /// `day` is that of the last change, counted from 1970-01-01.
    pub(super) fn shadow(&self, day: i64) -> String {
        let line = |user: &User| match user.password {
            Password::Master => format!("{}:*:{day}:0:99999:7:::\n", user.name),
            Password::Locked => format!("{}:!*:{day}::::::\n", user.name),
            Password::Expired => format!("{}:!*:{day}:::::1:\n", user.name),
        };
        self.users.iter().map(line).collect()
    }

    pub(super) fn group(&self) -> String {
        self.groups
            .iter()
            .map(|group| format!("{}:x:{}:{}\n", group.name, group.gid, members(group)))
            .collect()
    }

    pub(super) fn gshadow(&self) -> String {
        let line = |group: &Group| {
            let password = if group.password == Password::Master { "*" } else { "!*" };
            format!("{}:{password}::{}\n", group.name, members(group))
        };
        self.groups.iter().map(line).collect()
    }
}

fn members(group: &Group) -> String {
    group.members.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

fn unknown(sort: &str, name: &str, what: &str) -> tree::refusal::Refusal {
    refuse(Class::Usage, name, format!("{what} needs {sort} `{name}`, which nothing creates"))
        .hint("add it to [users] or [groups] of the recipe")
}

fn twice(sort: &str, known: (&str, u32), wanted: (&str, u32), from: &str) -> tree::refusal::Refusal {
    let cause = if known.0 == wanted.0 {
        format!("{sort} `{}` given twice, with the ids {} and {}", known.0, known.1, wanted.1)
    } else {
        format!("{sort}s `{}` and `{}` both have the id {}", known.0, wanted.0, known.1)
    };
    refuse(Class::Usage, from, cause)
}
