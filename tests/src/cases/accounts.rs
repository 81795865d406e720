//! Changes of accounts, in the form of the records: by name, with classes in place of numbers.

use configure::accounts::Accounts;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What `after` has that `before` had not.
pub(super) fn changes(before: &Accounts, after: &Accounts) -> Value {
    let mut out = Map::new();
    let (old, new) = (users(before), users(after));
    let added: Map<String, Value> = new
        .iter()
        .filter(|(name, _)| !old.contains_key(*name))
        .map(|(name, user)| (name.clone(), user.clone()))
        .collect();
    let changed: Map<String, Value> = new
        .iter()
        .filter_map(|(name, user)| {
            let earlier = old.get(name).filter(|earlier| *earlier != user)?;
            let keys: BTreeSet<&String> = user.as_object()?.keys().collect();
            let part = |of: &Value| -> Value {
                keys.iter()
                    .filter(|key| earlier.get(key) != user.get(key))
                    .map(|key| ((*key).clone(), of[*key].clone()))
                    .collect::<Map<_, _>>()
                    .into()
            };
            Some((name.clone(), json!({"before": part(earlier), "after": part(user)})))
        })
        .collect();
    let (old, new) = (groups(before), groups(after));
    let groups_added: Map<String, Value> = new
        .iter()
        .filter(|(name, _)| !old.contains_key(*name))
        .map(|(name, id)| (name.clone(), json!(if *id < 1000 { "system" } else { "regular" })))
        .collect();
    let removed: Vec<&String> = old.keys().filter(|name| !new.contains_key(*name)).collect();
    for (name, value) in [("users_added", added), ("users_changed", changed), ("groups_added", groups_added)]
    {
        if !value.is_empty() {
            out.insert(name.to_owned(), value.into());
        }
    }
    if !removed.is_empty() {
        out.insert("groups_removed".to_owned(), json!(removed));
    }
    out.into()
}

fn groups(accounts: &Accounts) -> BTreeMap<String, u32> {
    let fields = accounts.group.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.filter_map(|fields| Some(((*fields.first()?).to_owned(), fields.get(2)?.parse().ok()?))).collect()
}

fn users(accounts: &Accounts) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    let names: BTreeMap<u32, String> = groups(accounts).into_iter().map(|(name, id)| (id, name)).collect();
    for line in accounts.passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields.as_slice() else { continue };
        let (Ok(uid), Ok(gid)) = (uid.parse::<u32>(), gid.parse::<u32>()) else { continue };
        let mut member: Vec<&str> = accounts
            .group
            .lines()
            .filter_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                fields.get(3)?.split(',').any(|one| one == *name).then(|| fields.first().copied())?
            })
            .collect();
        member.sort_unstable();
        let password = accounts.shadow.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == *name).then(|| fields.next().unwrap_or_default())
        });
        let password = match password {
            Some("") => "none",
            Some(hash) if hash.starts_with(['!', '*']) => "locked",
            Some(_) => "set",
            None => "none",
        };
        let user = json!({
            "uid_class": if uid < 1000 { "system" } else { "regular" },
            "primary_group": names.get(&gid).cloned().unwrap_or_default(),
            "groups": member,
            "home": home,
            "shell": shell,
            "password": password,
        });
        out.insert((*name).to_owned(), user);
    }
    out
}
