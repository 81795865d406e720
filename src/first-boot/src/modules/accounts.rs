//! `users`, `groups` and `user`, read: who is to be there.

use super::{text, truth, words};
use crate::report::Fault;
use crate::root::Root;
use crate::yaml;
use serde_json::{Map, Value, json};

/// The image's default user, as its recipe has it for cloud-init.
#[must_use]
pub fn default_user() -> Map<String, Value> {
    let user = json!({
        "name": "debian",
        "gecos": "Debian",
        "groups": ["adm", "sudo", "systemd-journal"],
        "lock_passwd": true,
        "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
        "shell": "/bin/bash",
    });
    user.as_object().cloned().unwrap_or_default()
}

/// A user that is to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Whether it is the default user, who gets the instance's keys.
    pub is_default: bool,
    /// Options of useradd with their values.
    pub options: Vec<(&'static str, String)>,
    /// The group that it is in first.
    pub primary_group: Option<String>,
    /// Further groups.
    pub groups: Vec<String>,
    /// Whether it has no home made.
    pub no_home: bool,
    /// Whether it has no group of its own.
    pub no_group: bool,
    /// Whether it is a system's.
    pub system: bool,
    /// Whether nobody logs in by its password.
    pub locked: bool,
    /// Its password, hashed.
    pub hash: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// Rules of sudo.
    pub sudo: Vec<String>,
    /// Its keys.
    pub keys: Value,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its members.
    pub members: Vec<String>,
}

/// Removes what useradd and its like locked before a power cut. They take a lock for held while a process has the number that is
/// in it, and at the next boot another one has it soon.
pub fn unlock(root: &Root) {
    for file in ["group", "gshadow", "passwd", "shadow", "subgid", "subuid"] {
        root.remove(&format!("/etc/{file}.lock"));
    }
}

/// Whether useradd takes a name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let inner = name.strip_suffix('$').unwrap_or(name);
    let first = |one: char| one.is_ascii_alphabetic() || one == '_';
    let rest = |one: char| one.is_ascii_alphanumeric() || matches!(one, '_' | '-' | '.');
    inner.starts_with(first) && inner.chars().all(rest) && name.len() <= 32
}

/// The users of a configuration, in the order in which cloud-init makes them; what is wrong is pushed to `faults`.
#[must_use]
pub fn users(config: &Map<String, Value>, faults: &mut Vec<Fault>) -> Vec<User> {
    let mut default = default_user();
    if let Some(Value::Object(map)) = config.get("system_info").and_then(|info| info.get("default_user")) {
        default.extend(map.clone());
    }
    let is_renamed = match config.get("user") {
        Some(Value::String(name)) if !name.is_empty() => {
            default.insert("name".to_owned(), json!(name)).is_some()
        }
        Some(Value::Object(map)) => {
            default.extend(map.clone());
            !map.is_empty()
        }
        _ => false,
    };
    let mut named = by_name(config.get("users"), faults);
    if is_renamed {
        insert(&mut named, DEFAULT, Map::new());
    }
    if let Some(at) = named.iter().position(|(name, _)| name == DEFAULT) {
        // last, with what is said of it under its own name
        let (_, said) = named.remove(at);
        let name = text(&default, "name").unwrap_or_default();
        let own = named.iter().position(|(known, _)| *known == name).map(|at| named.remove(at).1);
        let own = own.unwrap_or_default();
        let of_own = words(own.get("groups").unwrap_or(&Value::Null));
        let mut groups = words(default.get("groups").unwrap_or(&Value::Null));
        groups.extend(of_own.into_iter().filter(|group| !group.is_empty()));
        groups.sort_unstable();
        groups.dedup();
        let mut merged = own;
        merged.extend(said);
        merged.extend(default);
        merged.insert("groups".to_owned(), json!(groups));
        named.push((DEFAULT.to_owned(), merged));
    }
    let mut users = Vec::new();
    for (name, mut map) in named {
        let is_default = name == DEFAULT;
        map.entry("name").or_insert_with(|| json!(name));
        match user(&map, is_default, faults) {
            Ok(user) => users.push(user),
            Err(what) => faults.push(Fault::error(format!("users: `{}`: {what}", name.escape_debug()))),
        }
    }
    users
}

/// The name of the default user, where there is one. What is wrong with users is said when they are made.
#[must_use]
pub fn default_name(config: &Map<String, Value>) -> Option<String> {
    users(config, &mut Vec::new()).into_iter().find(|user| user.is_default).map(|user| user.name)
}

/// What stands for the image's default user, also in a mapping without a name.
const DEFAULT: &str = "default";

/// `users` in any of its forms, what is said of one user in several places merged: the first counts.
fn by_name(value: Option<&Value>, faults: &mut Vec<Fault>) -> Vec<(String, Map<String, Value>)> {
    let mut named = Vec::new();
    match value {
        None | Some(Value::Null) => insert(&mut named, DEFAULT, Map::new()),
        Some(Value::String(text)) => {
            words(&json!(text)).iter().for_each(|name| insert(&mut named, name, Map::new()));
        }
        Some(Value::Object(map)) => {
            for (name, value) in map.iter().filter(|(_, value)| truth(value) != Some(false)) {
                insert(&mut named, name, value.as_object().cloned().unwrap_or_default());
            }
        }
        Some(Value::Array(list)) => {
            for (at, one) in list.iter().enumerate() {
                match one {
                    Value::String(_) | Value::Array(_) => {
                        words(one).iter().for_each(|name| insert(&mut named, name, Map::new()));
                    }
                    Value::Object(map) => {
                        let mut map = map.clone();
                        let name = map.remove("name").unwrap_or(json!(DEFAULT));
                        match yaml::text(&name) {
                            Some(name) => insert(&mut named, &name, map),
                            None => faults.push(Fault::error(format!("users[{at}]: `name`: expected text"))),
                        }
                    }
                    _ => faults.push(Fault::error(format!("users[{at}]: expected a name or a mapping"))),
                }
            }
        }
        Some(_) => faults.push(Fault::error("users: expected a list")),
    }
    named
}

fn insert(named: &mut Vec<(String, Map<String, Value>)>, name: &str, map: Map<String, Value>) {
    match named.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => {
            for (key, value) in map {
                known.entry(key).or_insert(value);
            }
        }
        None => named.push((name.to_owned(), map)),
    }
}

/// Keys of a user that useradd has an option for.
const OPTIONS: &[(&str, &str)] = &[
    ("gecos", "--comment"),
    ("homedir", "--home-dir"),
    ("uid", "--uid"),
    ("shell", "--shell"),
    ("expiredate", "--expiredate"),
    ("inactive", "--inactive"),
];

fn user(map: &Map<String, Value>, is_default: bool, faults: &mut Vec<Fault>) -> Result<User, String> {
    const KEYS: &[&str] = &[
        "name",
        "gecos",
        "homedir",
        "uid",
        "shell",
        "expiredate",
        "inactive",
        "primary_group",
        "groups",
        "no_create_home",
        "no_user_group",
        "system",
        "lock_passwd",
        "passwd",
        "hashed_passwd",
        "plain_text_passwd",
        "sudo",
        "ssh_authorized_keys",
        "no_log_init",
        "create_groups",
    ];
    // older spellings
    let map: Map<String, Value> =
        map.iter().map(|(key, value)| (key.replace('-', "_"), value.clone())).collect();
    let name = text(&map, "name").filter(|name| is_name(name));
    let name = name.ok_or("`name`: expected a name that useradd takes, of at most 32 bytes")?;
    for key in map.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        faults.push(Fault::warning(format!("users: `{name}`: `{}` is not supported", key.escape_debug())));
    }
    let flag = |key: &str| map.get(key).and_then(truth);
    let mut options = Vec::new();
    for (key, option) in OPTIONS {
        let Some(value) = text(&map, key) else { continue };
        if value.contains([':', '\n', '\0']) {
            return Err(format!("`{key}`: expected no `:` and no line break"));
        }
        options.push((*option, value));
    }
    let line = |key: &str| match text(&map, key) {
        Some(value) if value.contains(['\n', '\0']) => Err(format!("`{key}`: expected one line")),
        value => Ok(value),
    };
    let hash = match (line("hashed_passwd")?, line("passwd")?) {
        (Some(hash), _) | (None, Some(hash)) => Some(hash),
        (None, None) => None,
    };
    if hash.as_ref().is_some_and(|hash| hash.contains(':')) {
        return Err("`hashed_passwd`: expected no `:`".to_owned());
    }
    let groups = words(map.get("groups").unwrap_or(&Value::Null));
    let primary_group = text(&map, "primary_group");
    if let Some(bad) = groups.iter().chain(&primary_group).find(|group| !is_name(group)) {
        return Err(format!("`groups`: expected names, found {bad:?}"));
    }
    let sudo = match map.get("sudo") {
        None | Some(Value::Null | Value::Bool(false)) => Vec::new(),
        Some(Value::String(rule)) => vec![rule.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(|rule| rule.as_str().map(str::to_owned)).collect(),
        Some(_) => return Err("`sudo`: expected a rule or a list of rules".to_owned()),
    };
    if sudo.iter().any(|rule| rule.contains(char::is_control)) {
        return Err("`sudo`: expected rules of one line".to_owned());
    }
    Ok(User {
        name,
        is_default,
        options,
        primary_group,
        groups,
        no_home: flag("no_create_home") == Some(true),
        no_group: flag("no_user_group") == Some(true),
        system: flag("system") == Some(true),
        locked: flag("lock_passwd") != Some(false),
        hash,
        password: line("plain_text_passwd")?,
        sudo,
        keys: map.get("ssh_authorized_keys").cloned().unwrap_or_default(),
    })
}

/// The groups of a configuration: names, or names with members.
#[must_use]
pub fn groups(config: &Map<String, Value>, faults: &mut Vec<Fault>) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut add = |name: &str, members: Vec<String>, faults: &mut Vec<Fault>| {
        if is_name(name) && members.iter().all(|member| is_name(member)) {
            groups.push(Group { name: name.to_owned(), members });
        } else {
            faults.push(Fault::error(format!("groups: expected names, found {name:?}")));
        }
    };
    let with_members = |map: &Map<String, Value>| -> Vec<(String, Vec<String>)> {
        map.iter().map(|(name, members)| (name.clone(), words(members))).collect()
    };
    match config.get("groups") {
        None | Some(Value::Null) => {}
        Some(Value::Object(map)) => {
            with_members(map).into_iter().for_each(|(name, members)| add(&name, members, faults));
        }
        Some(Value::String(text)) => {
            words(&json!(text)).iter().for_each(|name| add(name, Vec::new(), faults));
        }
        Some(Value::Array(list)) => {
            for one in list {
                match one {
                    Value::String(name) => add(name, Vec::new(), faults),
                    Value::Object(map) => {
                        with_members(map).into_iter().for_each(|(name, members)| add(&name, members, faults));
                    }
                    _ => faults.push(Fault::error("groups: expected names or mappings")),
                }
            }
        }
        Some(_) => faults.push(Fault::error("groups: expected a list")),
    }
    groups
}
