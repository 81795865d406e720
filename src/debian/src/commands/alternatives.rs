//! update-alternatives.

use std::collections::BTreeMap;

use super::divert::is_plain;
use crate::files::{Bytes, Kind, join, parent};
use crate::sh::{Call, Stop};

/// A group of alternatives as its file in /var/lib/dpkg/alternatives has it.
#[derive(Default)]
struct Group {
    manual: bool,
    link: Bytes,
    /// Links that follow the first one, by name.
    followers: BTreeMap<Bytes, Bytes>,
    /// By path: priority, and the paths of the followers by name.
    choices: BTreeMap<Bytes, (i64, BTreeMap<Bytes, Bytes>)>,
}

fn file(name: &[u8]) -> Bytes {
    join(b"/var/lib/dpkg/alternatives", name)
}

fn place(name: &[u8]) -> Bytes {
    join(b"/etc/alternatives", name)
}

impl Group {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::to_vec);
        let mut group = Self { manual: lines.next()? == b"manual", link: lines.next()?, ..Self::default() };
        loop {
            let name = lines.next()?;
            if name.is_empty() {
                break;
            }
            group.followers.insert(name, lines.next()?);
        }
        loop {
            let path = lines.next()?;
            if path.is_empty() {
                return Some(group);
            }
            let priority = std::str::from_utf8(&lines.next()?).ok()?.parse().ok()?;
            let mut of = BTreeMap::new();
            for name in group.followers.keys() {
                let follower = lines.next()?;
                if !follower.is_empty() {
                    of.insert(name.clone(), follower);
                }
            }
            group.choices.insert(path, (priority, of));
        }
    }

    fn text(&self) -> Bytes {
        let mut out: Bytes = if self.manual { b"manual\n".to_vec() } else { b"auto\n".to_vec() };
        let mut line = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            out.push(b'\n');
        };
        line(&self.link);
        for (name, link) in &self.followers {
            line(name);
            line(link);
        }
        line(b"");
        for (path, (priority, of)) in &self.choices {
            line(path);
            line(priority.to_string().as_bytes());
            for name in self.followers.keys() {
                line(of.get(name).map_or(&b""[..], |path| path));
            }
        }
        line(b"");
        out
    }

    fn best(&self) -> Option<Bytes> {
        let mut best: Option<(&Bytes, i64)> = None;
        for (path, (priority, _)) in &self.choices {
            if best.is_none_or(|(_, known)| *priority > known) {
                best = Some((path, *priority));
            }
        }
        best.map(|(path, _)| path.clone())
    }
}

fn target(call: &Call<'_, '_>, path: &[u8]) -> Option<Bytes> {
    match call.sh.files.lstat(path)?.kind {
        Kind::Link(target) => Some(target),
        _ => None,
    }
}

fn set_link(call: &mut Call<'_, '_>, at: &[u8], to: &[u8]) -> Result<(), Stop> {
    if target(call, at).as_deref() == Some(to) {
        return Ok(());
    }
    if is_plain(call, at) {
        call.complain(&format!("warning: not replacing {} with a link", String::from_utf8_lossy(at)));
        return Ok(());
    }
    let limit = |call: &Call<'_, '_>, errno| call.sh.limit_or(errno, "an alternative");
    if call.sh.files.lstat(at).is_some() {
        call.sh.files.unlink(at).map_err(|errno| limit(call, errno))?;
    }
    if call.sh.files.stat(parent(at)).is_none() {
        // a follower whose directory is missing is left out
        return Ok(());
    }
    call.sh.files.make(at, Kind::Link(to.to_vec()), 0o777).map_err(|errno| limit(call, errno))
}

fn drop_link(call: &mut Call<'_, '_>, at: &[u8]) -> Result<(), Stop> {
    if target(call, at).is_some() {
        call.sh.files.unlink(at).map_err(|errno| call.sh.limit_or(errno, "an alternative"))?;
    }
    Ok(())
}

/// Makes the links of a choice.
fn choose(call: &mut Call<'_, '_>, name: &[u8], group: &Group, path: &[u8]) -> Result<(), Stop> {
    let Some((_, of)) = group.choices.get(path) else { return Ok(()) };
    set_link(call, &place(name), path)?;
    set_link(call, &group.link, &place(name))?;
    for (follower, link) in &group.followers {
        match of.get(follower).filter(|path| call.sh.files.stat(path).is_some()) {
            Some(path) => {
                set_link(call, &place(follower), path)?;
                set_link(call, link, &place(follower))?;
            }
            None => {
                if target(call, link) == Some(place(follower)) {
                    drop_link(call, link)?;
                }
                drop_link(call, &place(follower))?;
            }
        }
    }
    Ok(())
}

fn read(call: &Call<'_, '_>, name: &[u8]) -> Option<Group> {
    call.sh.files.read(&file(name)).ok().and_then(|text| Group::parse(&text))
}

fn write(call: &mut Call<'_, '_>, name: &[u8], group: &Group) -> Result<(), Stop> {
    super::remove::make_parents(call, b"/var/lib/dpkg/alternatives", 0o755)?;
    call.sh
        .files
        .write(&file(name), group.text(), 0o644)
        .map_err(|errno| call.sh.limit_or(errno, "an alternative"))
}

pub(super) fn update(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let mut args = call.args.to_vec();
    args.retain(|arg| !matches!(&arg[..], b"--quiet" | b"--force" | b"--verbose" | b"--skip-auto"));
    let words: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
    match &words[..] {
        [.., b"--install", _, _, _, _] | [b"--install", _, _, _, _, ..] | [b"--slave", ..] => {
            install(call, &words)
        }
        [b"--remove", name, path] => remove(call, name, Some(path)),
        [b"--remove-all", name] => remove(call, name, None),
        [b"--set", name, path] => {
            let Some(mut group) = read(call, name).filter(|group| group.choices.contains_key(*path)) else {
                call.complain(&format!(
                    "error: no alternative {} for {}",
                    String::from_utf8_lossy(path),
                    String::from_utf8_lossy(name)
                ));
                return Ok(2);
            };
            group.manual = true;
            choose(call, name, &group, path)?;
            write(call, name, &group)?;
            Ok(0)
        }
        [b"--auto", name] => {
            let Some(mut group) = read(call, name) else {
                return Ok(call.complain("error: no alternatives"));
            };
            group.manual = false;
            if let Some(best) = group.best() {
                choose(call, name, &group, &best)?;
            }
            write(call, name, &group)?;
            Ok(0)
        }
        [b"--list", name] => {
            let Some(group) = read(call, name) else { return Ok(2) };
            for path in group.choices.keys() {
                call.out.extend_from_slice(&[&path[..], b"\n"].concat());
            }
            Ok(0)
        }
        [b"--query", name] => {
            let Some(group) = read(call, name) else { return Ok(2) };
            let current = target(call, &place(name)).unwrap_or_else(|| b"none".to_vec());
            let mut out = [b"Name: ", *name, b"\nLink: ", &group.link, b"\n"].concat();
            if !group.followers.is_empty() {
                out.extend_from_slice(b"Slaves:\n");
                for (name, link) in &group.followers {
                    out.extend_from_slice(&[b" ", &name[..], b" ", link, b"\n"].concat());
                }
            }
            out.extend_from_slice(if group.manual { b"Status: manual\n" } else { b"Status: auto\n" });
            if let Some(best) = group.best() {
                out.extend_from_slice(&[b"Best: ", &best[..], b"\n"].concat());
            }
            out.extend_from_slice(&[b"Value: ", &current[..], b"\n"].concat());
            for (path, (priority, of)) in &group.choices {
                out.extend_from_slice(
                    &[b"\nAlternative: ", &path[..], format!("\nPriority: {priority}\n").as_bytes()].concat(),
                );
                if !of.is_empty() {
                    out.extend_from_slice(b"Slaves:\n");
                    for (name, path) in of {
                        out.extend_from_slice(&[b" ", &name[..], b" ", path, b"\n"].concat());
                    }
                }
            }
            call.out.extend_from_slice(&out);
            Ok(0)
        }
        [b"--display", name] if read(call, name).is_none() => Ok(2),
        _ => Err(call.unsupported("these arguments")),
    }
}

fn install(call: &mut Call<'_, '_>, words: &[&[u8]]) -> Result<u8, Stop> {
    let mut first = None;
    let mut followers = Vec::new();
    let mut rest = words;
    loop {
        match rest {
            [] => break,
            [b"--install", link, name, path, priority, tail @ ..] => {
                let priority: Option<i64> =
                    std::str::from_utf8(priority).ok().and_then(|p| p.trim().parse().ok());
                let Some(priority) = priority else { return Ok(2) };
                first = Some((*link, *name, *path, priority));
                rest = tail;
            }
            [b"--slave", link, name, path, tail @ ..] => {
                followers.push((*link, *name, *path));
                rest = tail;
            }
            [other, ..] => return Err(call.option(other)),
        }
    }
    let Some((link, name, path, priority)) = first else { return Ok(2) };
    if call.sh.files.stat(path).is_none() {
        call.complain(&format!("error: alternative path {} doesn't exist", String::from_utf8_lossy(path)));
        return Ok(2);
    }
    let mut group = read(call, name).unwrap_or_default();
    if !group.link.is_empty() && group.link != link && target(call, &group.link) == Some(place(name)) {
        let old = group.link.clone();
        drop_link(call, &old)?;
    }
    group.link = link.to_vec();
    let mut of = BTreeMap::new();
    for (link, name, path) in followers {
        group.followers.insert(name.to_vec(), link.to_vec());
        of.insert(name.to_vec(), path.to_vec());
    }
    group.choices.insert(path.to_vec(), (priority, of));
    let used: std::collections::BTreeSet<Bytes> =
        group.choices.values().flat_map(|(_, of)| of.keys().cloned()).collect();
    group.followers.retain(|name, _| used.contains(name));
    super::remove::make_parents(call, b"/etc/alternatives", 0o755)?;
    let current = target(call, &place(name));
    let chosen = match current.filter(|current| group.manual && group.choices.contains_key(current)) {
        Some(current) => Some(current),
        None => group.best(),
    };
    if let Some(chosen) = chosen {
        choose(call, name, &group, &chosen)?;
    }
    write(call, name, &group)?;
    Ok(0)
}

fn remove(call: &mut Call<'_, '_>, name: &[u8], path: Option<&[u8]>) -> Result<u8, Stop> {
    let Some(mut group) = read(call, name) else { return Ok(0) };
    match path {
        Some(path) if group.choices.remove(path).is_none() => return Ok(0),
        Some(_) => {}
        None => group.choices.clear(),
    }
    if let Some(best) = group.best() {
        let current = target(call, &place(name));
        if !group.manual || current.as_deref() == path {
            group.manual = false;
            choose(call, name, &group, &best)?;
        }
        return write(call, name, &group).map(|()| 0);
    }
    let links: Vec<(Bytes, Bytes)> =
        group.followers.iter().map(|(name, link)| (name.clone(), link.clone())).collect();
    for (name, link) in links.into_iter().chain([(name.to_vec(), group.link.clone())]) {
        if target(call, &link) == Some(place(&name)) {
            drop_link(call, &link)?;
        }
        drop_link(call, &place(&name))?;
    }
    let path = file(name);
    call.sh.files.unlink(&path).map_err(|errno| call.sh.limit_or(errno, "an alternative"))?;
    Ok(0)
}
