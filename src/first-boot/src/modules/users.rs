//! Users and groups are made by Debian's own programs; passwords go to `chpasswd` on its standard input.

use super::accounts::{self, User};
use super::{Context, keys, text, truth};
use crate::report::Fault;
use crate::root::{Owner, Root};
use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;

/// Rules of sudo, by cloud-init's name for the file.
const SUDOERS: &str = "/etc/sudoers.d/90-cloud-init-users";

/// Makes what `users` and `groups` ask for.
pub fn make(context: &mut Context<'_, '_>) {
    let mut faults = Vec::new();
    let groups = accounts::groups(context.config, &mut faults);
    let users = accounts::users(context.config, &mut faults);
    context.report.faults(faults);
    for group in &groups {
        add_group(context, &group.name);
        for member in &group.members {
            if context.root.users().contains_key(member) {
                let words = ["usermod", "--append", "--groups", &group.name, member];
                context.report.check(context.programs.run(&words, ""));
            } else if !users.iter().any(|user| user.name == *member) {
                context.report.error(format!("groups: `{}`: unknown user `{member}`", group.name));
            }
        }
    }
    for user in &users {
        if let Err(what) = make_one(context, user) {
            context.report.error(format!("user `{}`: {what}", user.name));
        }
    }
    // members that are made only now
    for group in &groups {
        for member in group.members.iter().filter(|member| users.iter().any(|user| user.name == **member)) {
            let words = ["usermod", "--append", "--groups", &group.name, member];
            context.report.check(context.programs.run(&words, ""));
        }
    }
    sudo(context, &users);
}

fn add_group(context: &mut Context<'_, '_>, name: &str) {
    if !context.root.groups().contains_key(name) {
        context.report.check(context.programs.run(&["groupadd", name], ""));
    }
}

fn make_one(context: &mut Context<'_, '_>, user: &User) -> Result<(), String> {
    let is_new = !context.root.users().contains_key(&user.name);
    if is_new {
        for group in user.groups.iter().chain(&user.primary_group) {
            add_group(context, group);
        }
        let mut words = vec!["useradd", &user.name, "--no-log-init"];
        for (option, value) in &user.options {
            words.extend([*option, value.as_str()]);
        }
        if let Some(group) = &user.primary_group {
            words.extend(["--gid", group]);
        }
        let groups = user.groups.join(",");
        if !groups.is_empty() {
            words.extend(["--groups", &groups]);
        }
        if user.no_group {
            words.push("--no-user-group");
        }
        if user.system {
            words.push("--system");
        }
        words.push(if user.no_home || user.system { "--no-create-home" } else { "--create-home" });
        context.programs.run(&words, "")?;
        context.report.info(format!("made user `{}`", user.name));
    } else if !user.no_home && !user.system {
        complete_home(context, &user.name)?;
    }
    if !is_new && context.again {
        complete(context, user)?;
    }
    if let Some(hash) = &user.hash {
        context.programs.run(&["chpasswd", "--encrypted"], &format!("{}:{hash}\n", user.name))?;
    }
    if let Some(password) = &user.password {
        context.programs.run(&["chpasswd"], &format!("{}:{password}\n", user.name))?;
    }
    if user.locked {
        context.programs.run(&["passwd", "--lock", &user.name], "")?;
    }
    let lines = keys::lines(&user.keys, &format!("user `{}`", user.name), context);
    // without keys the file is there too, as cloud-init leaves it
    let home = context.root.users().get(&user.name).and_then(|fields| fields.get(5).cloned());
    let has_home = home.is_some_and(|home| !home.is_empty() && context.root.has(&home));
    if has_home || !lines.is_empty() {
        keys::authorize(context.root, &user.name, &lines, "")?;
    }
    Ok(())
}

/// Completes what a power cut left of an account: useradd renames its files one after the other, that of users first.
fn complete(context: &mut Context<'_, '_>, user: &User) -> Result<(), String> {
    let gid =
        context.root.users().get(&user.name).and_then(|fields| fields.get(3).cloned()).unwrap_or_default();
    if !context.root.groups().values().any(|fields| fields.get(2) == Some(&gid)) {
        context.programs.run(&["groupadd", "--gid", &gid, &user.name], "")?;
    }
    context.programs.run(&["pwconv"], "")?;
    context.programs.run(&["grpconv"], "")?;
    for group in &user.groups {
        add_group(context, group);
    }
    let groups = user.groups.join(",");
    if !groups.is_empty() {
        context.programs.run(&["usermod", "--append", "--groups", &groups, &user.name], "")?;
    }
    for (path, option) in [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")] {
        let text = context.root.text(path).unwrap_or_default();
        let is_there = text.lines().any(|line| line.split(':').next() == Some(&user.name));
        if !user.system && !is_there && context.root.has(path) {
            // the next range that is free, of the size that login.defs(5) has
            let end = |line: &str| {
                let mut fields = line.split(':').skip(1).map(str::parse::<u64>);
                Some(fields.next()?.ok()? + fields.next()?.ok()?)
            };
            let from = text.lines().filter_map(end).max().unwrap_or(0).max(100_000);
            let range = format!("{from}-{}", from + 65_535);
            context.programs.run(&["usermod", option, &range, &user.name], "")?;
        }
    }
    Ok(())
}

/// Completes what a power cut left of a home: useradd writes the line of the account first, then makes the folder, and then
/// copies files to it. What somebody has made there since stays.
fn complete_home(context: &Context<'_, '_>, user: &str) -> Result<(), String> {
    const SKELETON: &str = "/etc/skel";
    let root = context.root;
    let users = root.users();
    let fields = users.get(user).map(Vec::as_slice).unwrap_or_default();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
    let (Some(uid), Some(gid), Some(home)) = (number(2), number(3), fields.get(5)) else { return Ok(()) };
    let is_there = root.has(home);
    if home.is_empty() || is_there && !context.again {
        return Ok(());
    }
    let owner = Owner { uid: Some(uid), gid: Some(gid) };
    let found = root.at(home).symlink_metadata();
    let is_whole =
        found.is_ok_and(|found| !found.is_dir() || found.uid() == uid && found.mode() & 0o700 != 0);
    if !is_whole {
        root.directory(home, 0o700)?;
        root.own(home, home_mode(root), owner)?;
    }
    for name in root.names(SKELETON) {
        let (from, to) = (format!("{SKELETON}/{name}"), format!("{}/{name}", home.trim_end_matches('/')));
        let (Ok(model), copy) = (root.at(&from).symlink_metadata(), root.at(&to).symlink_metadata()) else {
            continue;
        };
        // a copy that was begun is empty after a power cut
        let is_missing = copy.map_or(true, |copy| copy.is_file() && copy.len() == 0 && model.len() > 0);
        if model.is_file() && is_missing {
            let bytes = root.read(&from)?.unwrap_or_default();
            root.write(&to, &bytes, model.mode() & 0o777, Some(owner))?;
        }
    }
    Ok(())
}

/// The mode of new homes, as useradd has it: login.defs(5).
fn home_mode(root: &Root) -> u32 {
    let text = root.text("/etc/login.defs").unwrap_or_default();
    let mode = text.lines().find_map(|line| line.strip_prefix("HOME_MODE"));
    mode.and_then(|mode| u32::from_str_radix(mode.trim(), 8).ok()).map_or(0o700, |mode| mode & 0o777)
}

/// The file of rules is a function of the configuration.
fn sudo(context: &mut Context<'_, '_>, users: &[User]) {
    let with_rules: Vec<&User> = users.iter().filter(|user| !user.sudo.is_empty()).collect();
    if with_rules.is_empty() {
        return;
    }
    let mut text = "# Made by first-boot from user-data\n".to_owned();
    for user in with_rules {
        text.push_str(&format!("\n# User rules for {}\n", user.name));
        for rule in &user.sudo {
            text.push_str(&format!("{} {rule}\n", user.name));
        }
    }
    let folder = "/etc/sudoers.d";
    let made = context
        .root
        .directory(folder, 0o750)
        .and_then(|()| context.root.own(folder, 0o750, context.root.owner("root:root")?));
    context.report.check(made);
    context.report.check(context.root.write(SUDOERS, text.as_bytes(), 0o440, None));
}

/// `password` and `chpasswd`.
pub fn passwords(context: &mut Context<'_, '_>) {
    let mut faults = Vec::new();
    let chpasswd = context.config.get("chpasswd").and_then(Value::as_object).cloned().unwrap_or_default();
    // name, password, whether it is hashed
    let mut given: Vec<(String, String, bool)> = Vec::new();
    let lines = match chpasswd.get("list") {
        Some(Value::String(text)) => text.lines().map(str::to_owned).collect(),
        Some(Value::Array(list)) => list.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        match line.split_once(':') {
            Some((name, password)) => given.push((name.to_owned(), password.to_owned(), is_hash(password))),
            None => faults.push(Fault::error("chpasswd.list: expected `NAME:PASSWORD`")),
        }
    }
    for entry in chpasswd.get("users").and_then(Value::as_array).into_iter().flatten() {
        let Value::Object(entry) = entry else {
            faults.push(Fault::error("chpasswd.users: expected mappings"));
            continue;
        };
        let kind = text(entry, "type").unwrap_or_else(|| "hash".to_owned());
        match (text(entry, "name"), text(entry, "password"), kind.as_str()) {
            (Some(name), Some(password), "hash") => given.push((name, password, true)),
            (Some(name), Some(password), "text") => given.push((name, password, false)),
            (Some(name), _, "RANDOM") => given.push((name, "RANDOM".to_owned(), false)),
            _ => faults.push(Fault::error("chpasswd.users: expected `name`, `password` and `type`")),
        }
    }
    // as with cloud-init: a list is instead of it
    if given.is_empty()
        && let (Some(password), Some(name)) =
            (context.text("password"), accounts::default_name(context.config))
    {
        given.push((name, password, false));
    }
    let mut set = Vec::new();
    for (name, password, is_hash) in given {
        if !accounts::is_name(&name) || password.contains(['\n', '\0']) {
            faults.push(Fault::error("chpasswd: expected a name and a password of one line"));
        } else if matches!(password.as_str(), "R" | "RANDOM") && !is_hash {
            let what =
                format!("chpasswd: `{name}`: random passwords are not supported; give a hash, or a key");
            faults.push(Fault::error(what));
        } else {
            let words: &[&str] = if is_hash { &["chpasswd", "--encrypted"] } else { &["chpasswd"] };
            if context.report.check(context.programs.run(words, &format!("{name}:{password}\n"))).is_some() {
                set.push(name);
            }
        }
    }
    context.report.faults(faults);
    if chpasswd.get("expire").and_then(truth) != Some(false) {
        for name in &set {
            context.report.check(context.programs.run(&["passwd", "--expire", name], ""));
        }
    }
    keys::password_authentication(context);
}

/// Whether a password of `chpasswd.list` is a hash: `$6$salt$hash` and the like.
fn is_hash(password: &str) -> bool {
    let mut parts = password.split('$');
    let known = ["1", "2a", "2y", "5", "6", "y"];
    parts.next() == Some("")
        && parts.next().is_some_and(|kind| known.contains(&kind))
        && parts.filter(|part| !part.is_empty()).count() >= 2
}
