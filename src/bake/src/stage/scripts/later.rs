//! Accounts that are not there yet when maintainer scripts run: a package's sysusers.d file is applied when the package is
//! configured, not before. Scripts that ask whether their group exists find out so whether this is a first installation.
//!
//! ```text
//! all accounts ─ without those of sysusers.d files of interpreted packages ─► scripts ─► + those that no script has made
//! ```
//! The order of the files stays that of `stage::accounts`, and so do the numbers.

use super::{Read, Trust, Trusts, apply};
use crate::plan::Plan;
use crate::stage::accounts::Accounts;
use crate::stage::{image_path, refuse};
use std::collections::{BTreeMap, HashMap};
use tree::refusal::{Class, Refusal, Result};
use tree::{Content, Entry, Node, Origin, Tree};

/// Names and numbers.
type Numbers = BTreeMap<String, u32>;

/// The accounts that scripts do not find.
#[derive(Debug, Default)]
pub(super) struct DeferredAccounts {
    users: Numbers,
    groups: Numbers,
    /// The databases with all accounts.
    whole: BTreeMap<&'static str, String>,
}

/// The databases, and whether their lines are users'.
const FILES: [(&str, bool); 4] =
    [("/etc/passwd", true), ("/etc/shadow", true), ("/etc/group", false), ("/etc/gshadow", false)];

impl DeferredAccounts {
    /// Those that only sysusers.d files of packages bring whose scripts are interpreted.
    pub(super) fn of(accounts: &Accounts, trusts: &Trusts) -> Self {
        let is_later = |maker: &Origin| match maker {
            Origin::Package { name } => trusts.get(name) == Some(&Trust::Derived),
            _ => false,
        };
        let of = |makers: &BTreeMap<String, Origin>, number: &dyn Fn(&str) -> Option<u32>| {
            let names = makers.iter().filter(|(_, maker)| is_later(maker)).map(|(name, _)| name);
            names.filter_map(|name| Some((name.clone(), number(name)?))).collect()
        };
        let makers = &accounts.makers;
        Self {
            users: of(&makers.users, &|name| accounts.find_uid(name)),
            groups: of(&makers.groups, &|name| accounts.find_gid(name)),
            whole: BTreeMap::new(),
        }
    }

    /// The numbers of users, or of groups, that accounts get when a script makes them: the plan's, and what is theirs already.
    pub(super) fn numbers(&self, plan: &Plan, of_users: bool) -> Numbers {
        plan.ids.iter().chain(self.names(of_users)).map(|(name, number)| (name.clone(), *number)).collect()
    }

    fn names(&self, is_users: bool) -> &Numbers {
        if is_users { &self.users } else { &self.groups }
    }

    /// Takes them out of the databases of `tree`.
    pub(super) fn hide(&mut self, tree: &mut Tree, read: Read<'_>) -> Result<()> {
        for (path, is_users) in FILES {
            let text = apply::text(tree, path, read)?;
            let names = self.names(is_users);
            let kept = text.split_inclusive('\n').filter(|line| !names.contains_key(name(line)));
            replace(tree, path, &kept.collect::<String>())?;
            self.whole.insert(path, text);
        }
        Ok(())
    }

    /// Puts the databases back as they were.
    pub(super) fn restore(&self, tree: &mut Tree) -> Result<()> {
        self.whole.iter().try_for_each(|(path, text)| replace(tree, path, text))
    }

    /// The database at `path` as it is after scripts that have left `text`, with the accounts that none has made. Refuses one
    /// that has another number than what was laid out for it.
    pub(super) fn merged(&self, path: &str, text: &str) -> Result<Option<String>> {
        let Some((_, is_users)) = FILES.iter().find(|(known, _)| *known == path) else { return Ok(None) };
        let (names, whole) = (self.names(*is_users), self.whole.get(path).map_or("", String::as_str));
        let mut left: HashMap<&str, &str> = text.lines().map(|line| (name(line), line)).collect();
        let mut merged = String::new();
        for line in whole.lines() {
            let name = name(line);
            match (left.remove(name), names.contains_key(name)) {
                (Some(new), true) if !is_users => merged += &with_members(new, line),
                (Some(new), _) => merged += new,
                (None, true) => merged += line,
                // a script has removed it
                (None, false) => continue,
            }
            merged.push('\n');
        }
        for line in text.lines().filter(|line| left.contains_key(name(line))) {
            merged += line;
            merged.push('\n');
        }
        if ["/etc/passwd", "/etc/group"].contains(&path) {
            text.lines().try_for_each(|line| check_number(names, line))?;
        }
        Ok(Some(merged))
    }
}

/// Demands that the account of a line of passwd(5) or group(5) has the number that was laid out for it.
fn check_number(names: &Numbers, line: &str) -> Result<()> {
    let found = line.split(':').nth(2).and_then(|number| number.parse::<u32>().ok());
    match (names.get(name(line)), found) {
        (Some(expected), Some(found)) if *expected != found => {
            Err(other_number(name(line), *expected, found))
        }
        _ => Ok(()),
    }
}

fn other_number(name: &str, expected: u32, found: u32) -> Refusal {
    let cause =
        format!("expected ID {expected}, as in its sysusers.d file, but a maintainer script assigns {found}");
    refuse(Class::Archive, name, cause).hint(format!("assign one in [ids] of the recipe: {name} = {found}"))
}

/// The name of the account that a line is of.
fn name(line: &str) -> &str {
    line.split(':').next().unwrap_or_default().trim_end()
}

/// The line `new` of group(5) or gshadow(5) with the members that `old` has besides.
fn with_members(new: &str, old: &str) -> String {
    let members = |line: &str| -> Vec<String> {
        let field = line.split(':').nth(3).unwrap_or_default();
        field.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect()
    };
    let mut all = members(new);
    for member in members(old) {
        if !all.contains(&member) {
            all.push(member);
        }
    }
    let joined = all.join(",");
    let mut fields: Vec<&str> = new.split(':').collect();
    if let Some(last) = fields.get_mut(3) {
        *last = &joined;
    }
    fields.join(":")
}

/// Gives a file of the tree another content; one that is not there stays away.
fn replace(tree: &mut Tree, path: &str, text: &str) -> Result<()> {
    let path = image_path(path)?;
    let Some(entry) = tree.get(&path).cloned() else { return Ok(()) };
    let Node::File(_) = &entry.node else { return Ok(()) };
    let node = Node::File(Content::Inline(text.as_bytes().into()));
    tree.remove(&path);
    tree.insert(&path, Entry { node, ..entry }).map_err(|error| refuse(Class::Archive, path.as_str(), error))
}
