//! Whether what is enabled can start: systemd.service(5), systemd.exec(5).
//!
//! ```text
//! /etc/systemd/system/*.{wants,requires,upholds}/NAME ─► unit and drop-ins ─► settings ─► faults
//! sockets, timers and paths among them ─► the unit that each starts ─► likewise
//! ```
//! A unit can start when its programs are there and can be executed, its users and groups exist, and each environment file
//! that it requires is provided: it is in the image, it is below `/run`, or a condition of the unit says that without it
//! the unit does not start. What systemd itself would ignore (`-`) is not looked at, nor is what has specifiers or variables
//! in it, or what runs in another root.

use super::super::accounts::Accounts;
use super::super::caches::follow::follow;
use super::{Found, Read, drop_ins, find, install, text};
use crate::plan::Plan;
use std::collections::BTreeSet;
use tree::name::ImagePath;
use tree::refusal::Result;
use tree::{Content, Node, Tree};

/// Where systemd looks for a program without a path.
const PATH: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
/// No script is longer; what is longer is not looked into.
const SCRIPT: u64 = 256 << 10;

/// Refuses a tree in which an enabled unit cannot start, with all faults at once.
pub(in super::super) fn check(plan: &Plan, tree: &Tree, accounts: &Accounts, read: Read<'_>) -> Result<()> {
    let mut open: Vec<String> = enabled(tree).into_iter().collect();
    let (mut done, mut faults) = (BTreeSet::new(), Vec::new());
    while let Some(unit) = open.pop() {
        if !done.insert(unit.clone()) {
            continue;
        }
        match settings(tree, &unit, read)? {
            Unit::Masked => {}
            Unit::Missing => faults.push(format!("unit `{unit}` is enabled, but is not in the image")),
            Unit::Says(said) => {
                open.extend(started(tree, &unit, &said, &mut faults));
                let wrong = service(tree, accounts, &said, read)?;
                faults.extend(wrong.into_iter().map(|wrong| format!("unit `{unit}` cannot start: {wrong}")));
            }
        }
    }
    faults.sort();
    let Some(first) = faults.first() else { return Ok(()) };
    let cause = if faults.len() == 1 { first.clone() } else { faults.join("; ") };
    Err(super::wrong(plan.kind.as_str(), cause)
        .hint("add what is missing, or remove the unit from [units] enable"))
}

/// The units that links below `/etc/systemd/system` enable, whoever made these.
fn enabled(tree: &Tree) -> BTreeSet<String> {
    let Ok(directory) = super::DIRECTORIES[0].parse::<ImagePath>() else { return BTreeSet::new() };
    let is_list = |path: &ImagePath| {
        let parent = path.parent();
        let name = parent.as_ref().map_or("", ImagePath::file_name);
        [".wants", ".requires", ".upholds"].iter().any(|suffix| name.ends_with(suffix))
    };
    let links = tree.within(&directory).filter(|(path, entry)| {
        is_list(path) && matches!(&entry.node, Node::Symlink(target) if target != "/dev/null")
    });
    links.map(|(path, _)| path.file_name().to_owned()).collect()
}

/// What is found of a unit.
enum Unit {
    Masked,
    Missing,
    Says(Vec<Setting>),
}

/// An assignment of a unit or of one of its drop-ins, in their order.
struct Setting {
    section: String,
    key: String,
    value: String,
}

fn settings(tree: &Tree, unit: &str, read: Read<'_>) -> Result<Unit> {
    let (path, content) = match find(tree, unit) {
        None => return Ok(Unit::Missing),
        Some((_, Found::Link("/dev/null"))) => return Ok(Unit::Masked),
        Some((path, Found::File(content))) => (path, content),
        Some((path, Found::Link(_))) => match follow(tree, path) {
            Some((path, entry)) => match &entry.node {
                Node::File(content) => (path, content),
                _ => return Ok(Unit::Missing),
            },
            None => return Ok(Unit::Missing),
        },
    };
    let mut said = Vec::new();
    parse(&text(path, content, read)?, &mut said);
    for (path, content) in drop_ins(tree, path.file_name()) {
        parse(&text(path, content, read)?, &mut said);
    }
    Ok(Unit::Says(said))
}

fn parse(text: &str, said: &mut Vec<Setting>) {
    let mut section = String::new();
    for line in install::joined(text) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            said.push(Setting { section: section.clone(), key, value });
        }
    }
}

/// All values of a key that is a list: an empty one takes back those before it.
fn list<'s>(said: &'s [Setting], section: &str, key: &str) -> Vec<&'s str> {
    let mut values = Vec::new();
    for setting in said.iter().filter(|setting| setting.section == section && setting.key == key) {
        if setting.value.is_empty() {
            values.clear();
        } else {
            values.push(setting.value.as_str());
        }
    }
    values
}

fn last<'s>(said: &'s [Setting], section: &str, key: &str) -> Option<&'s str> {
    list(said, section, key).pop()
}

/// The unit that a socket, timer or path starts.
fn started(tree: &Tree, unit: &str, said: &[Setting], faults: &mut Vec<String>) -> Option<String> {
    let (stem, suffix) = unit.rsplit_once('.')?;
    let (section, key) = match suffix {
        "socket" => ("Socket", "Service"),
        "timer" => ("Timer", "Unit"),
        "path" => ("Path", "Unit"),
        _ => return None,
    };
    let accepts = last(said, "Socket", "Accept").is_some_and(is_true);
    let usual = || if accepts { format!("{stem}@.service") } else { format!("{stem}.service") };
    let other = last(said, section, key).map_or_else(usual, str::to_owned);
    if other.contains('%') {
        return None;
    }
    if find(tree, &other).is_none() {
        faults.push(format!("unit `{unit}` starts `{other}`, which is not in the image"));
        return None;
    }
    Some(other)
}

fn is_true(value: &str) -> bool {
    ["1", "yes", "true", "on"].contains(&value.to_ascii_lowercase().as_str())
}

/// What keeps a service from starting.
fn service(tree: &Tree, accounts: &Accounts, said: &[Setting], read: Read<'_>) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    if last(said, "Service", "RootDirectory").or_else(|| last(said, "Service", "RootImage")).is_some() {
        return Ok(faults);
    }
    for key in ["ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost"] {
        for line in list(said, "Service", key) {
            let Some(program) = program(line) else { continue };
            if let Some(wrong) = cannot_execute(tree, program, read)? {
                faults.push(format!("{key}= `{program}` {wrong}"));
            }
        }
    }
    if !last(said, "Service", "DynamicUser").is_some_and(is_true) {
        let named = |name: &&str| !name.contains(['%', '$']) && name.parse::<u32>().is_err();
        let user = last(said, "Service", "User").filter(named).filter(|name| !accounts.has_user(name));
        faults.extend(user.map(|name| format!("User= `{name}` is not a user in the image")));
        let groups = list(said, "Service", "SupplementaryGroups");
        let groups = groups.into_iter().flat_map(str::split_ascii_whitespace);
        let groups = last(said, "Service", "Group").into_iter().chain(groups).filter(named);
        let unknown = groups.filter(|name| accounts.find_gid(name).is_none());
        faults.extend(unknown.map(|name| format!("Group= `{name}` is not a group in the image")));
    }
    for file in list(said, "Service", "EnvironmentFile") {
        let is_open = file.starts_with('-') || file.contains(['%', '*', '?', '[']);
        if !is_open && !is_provided(tree, said, file) {
            faults.push(format!(
                "EnvironmentFile= `{file}` is in no package, component or rootfs, and no condition of the unit checks for it"
            ));
        }
    }
    Ok(faults)
}

/// Whether an environment file is there when the unit starts.
fn is_provided(tree: &Tree, said: &[Setting], file: &str) -> bool {
    const CONDITIONS: [&str; 4] =
        ["ConditionPathExists", "ConditionFileNotEmpty", "AssertPathExists", "AssertFileNotEmpty"];
    let asks = CONDITIONS.iter().any(|key| list(said, "Unit", key).contains(&file));
    let is_there = || file.parse().ok().and_then(|path: ImagePath| follow(tree, &path).map(|_| ())).is_some();
    asks || file.starts_with("/run/") || is_there()
}

/// The program of a line that has to succeed, where the line says it without specifiers and variables.
fn program(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    if line.get(..line.len() - rest.len()).is_some_and(|prefix| prefix.contains('-')) {
        return None;
    }
    let quote = rest.chars().next().filter(|first| ['"', '\''].contains(first));
    let word = match quote {
        Some(quote) => rest.get(1..)?.split(quote).next()?,
        None => rest.split_ascii_whitespace().next()?,
    };
    (!word.contains(['%', '$', '\\'])).then_some(word)
}

/// Why `program` cannot be executed; nothing where it can.
fn cannot_execute(tree: &Tree, program: &str, read: Read<'_>) -> Result<Option<String>> {
    let places: Vec<String> = if program.starts_with('/') {
        vec![program.to_owned()]
    } else {
        PATH.iter().map(|directory| format!("{directory}/{program}")).collect()
    };
    let found = places.iter().find_map(|place| follow(tree, &place.parse().ok()?));
    let Some((path, entry)) = found else { return Ok(Some("is not in the image".to_owned())) };
    let Node::File(content) = &entry.node else { return Ok(Some("is not a file".to_owned())) };
    if entry.meta.mode & 0o111 == 0 {
        return Ok(Some(format!("is not executable: `{path}` has mode {:04o}", entry.meta.mode)));
    }
    interpreter(tree, content, read)
}

/// What is wrong with the interpreter of a script.
fn interpreter(tree: &Tree, content: &Content, read: Read<'_>) -> Result<Option<String>> {
    if content.len() > SCRIPT {
        return Ok(None);
    }
    let bytes = super::bytes_of(content, read)?;
    let Some(rest) = bytes.strip_prefix(b"#!") else { return Ok(None) };
    let line = String::from_utf8_lossy(rest.split(|&byte| byte == b'\n').next().unwrap_or_default());
    if line.ends_with('\r') {
        return Ok(Some("is a script whose lines end with CR LF".to_owned()));
    }
    let Some(name) = line.split_ascii_whitespace().next() else { return Ok(None) };
    let is_there = name.parse().ok().and_then(|path: ImagePath| follow(tree, &path)).is_some();
    Ok((!is_there).then(|| format!("is a script for `{name}`, which is not in the image")))
}

#[cfg(test)]
mod tests;
