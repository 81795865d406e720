//! Enabling units: deb-systemd-helper, and the part of systemctl that works on files.

use super::options::parse;
use crate::files::{Bytes, Kind, base_name, join, parent};
use crate::sh::{Call, Stop, pattern};

/// A link that enabling a unit makes.
struct Link {
    at: Bytes,
    to: Bytes,
}

/// Who reads a unit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// deb-systemd-helper.
    Helper,
    /// systemctl.
    Systemctl,
}

fn instance_dir(user: bool) -> Bytes {
    if user { b"/etc/systemd/user".to_vec() } else { b"/etc/systemd/system".to_vec() }
}

/// The file of a unit: `/usr/lib/…`, or the name itself when there is none.
fn find_unit(call: &Call<'_, '_>, name: &[u8], user: bool) -> Bytes {
    let instance: &[u8] = if user { b"user" } else { b"system" };
    let places: [&[u8]; 3] = [b"/etc/systemd/", b"/lib/systemd/", b"/usr/lib/systemd/"];
    let paths = places.map(|place| [place, instance, b"/", name].concat());
    let found = paths.into_iter().find(|path| call.sh.files.stat(path).is_some_and(|m| m.kind == Kind::File));
    found.unwrap_or_else(|| name.to_vec())
}

/// The values of a key in `[Install]`, split at blanks.
fn values(line: &[u8], key: &str) -> Option<Vec<Bytes>> {
    let line = line.trim_ascii_start();
    let at = line.iter().position(|b| *b == b'=')?;
    if !line.get(..at)?.eq_ignore_ascii_case(key.as_bytes()) {
        return None;
    }
    let words = line.get(at + 1..)?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let bare = |word: &[u8]| match word {
        [a @ (b'"' | b'\''), inner @ .., b] if a == b => inner.to_vec(),
        word => word.to_vec(),
    };
    Some(words.map(bare).collect())
}

/// The file of a unit, or for an instance that of its template.
fn find_file(call: &Call<'_, '_>, name: &[u8], user: bool) -> Option<Bytes> {
    let path = find_unit(call, name, user);
    if path != name {
        return Some(path);
    }
    let at = name.iter().position(|b| *b == b'@')?;
    let dot = name.iter().rposition(|b| *b == b'.').filter(|dot| *dot > at)?;
    let template = [name.get(..=at)?, name.get(dot..)?].concat();
    let path = find_unit(call, &template, user);
    (path != template).then_some(path)
}

/// What a unit's file says, and for systemctl, unlike deb-systemd-helper, its drop-ins too.
fn text_of(call: &Call<'_, '_>, path: &[u8], user: bool, by: By) -> Bytes {
    let mut text = call.sh.files.read(path).unwrap_or_default().to_vec();
    if by == By::Helper {
        return text;
    }
    let instance: &[u8] = if user { b"user" } else { b"system" };
    let mut files = std::collections::BTreeMap::new();
    // of two of one name the last place wins
    for place in [&b"/usr/lib/systemd/"[..], b"/etc/systemd/"] {
        let dir = [place, instance, b"/", base_name(path), b".d"].concat();
        for name in call.sh.files.list(&dir).unwrap_or_default() {
            if name.ends_with(b".conf") {
                files.insert(name.clone(), join(&dir, &name));
            }
        }
    }
    for file in files.values() {
        text.push(b'\n');
        text.extend_from_slice(&call.sh.files.read(file).unwrap_or_default());
    }
    text
}

/// The links of an instance: those of its template, under its own name.
fn of_instance(call: &Call<'_, '_>, name: &[u8], path: &[u8], user: bool) -> Vec<Link> {
    let mut links = closure(call, path, user, By::Systemctl, &mut Vec::new());
    if base_name(path) != name {
        for link in &mut links {
            link.at = join(parent(&link.at), name);
        }
    }
    links
}

/// The links of a unit and of those that it names by `Also=`.
fn closure(call: &Call<'_, '_>, path: &[u8], user: bool, by: By, visited: &mut Vec<Bytes>) -> Vec<Link> {
    let text = text_of(call, path, user, by);
    let (dir, unit) = (instance_dir(user), base_name(path).to_vec());
    let (mut links, mut wants, mut wanted) = (Vec::new(), Vec::new(), unit.clone());
    for line in text.split(|b| *b == b'\n') {
        for (key, suffix) in
            [("WantedBy", &b".wants"[..]), ("RequiredBy", b".requires"), ("UpheldBy", b".upholds")]
        {
            for value in values(line, key).unwrap_or_default() {
                wants.push([&dir, &b"/"[..], &value, suffix].concat());
            }
        }
        for value in values(line, "Also").unwrap_or_default() {
            if value != unit && !visited.contains(&value) {
                visited.push(value.clone());
                let also = find_unit(call, &value, user);
                links.extend(closure(call, &also, user, by, visited));
            }
        }
        for value in values(line, "Alias").unwrap_or_default() {
            if value != unit {
                links.push(Link { at: join(&dir, &value), to: path.to_vec() });
            }
        }
        for value in values(line, "DefaultInstance").unwrap_or_default() {
            if let Some(at) =
                unit.iter().position(|b| *b == b'@').filter(|at| unit.get(at + 1) == Some(&b'.'))
            {
                let (head, tail) = unit.split_at_checked(at + 1).unwrap_or((&unit, b""));
                wanted = [head, &value, tail].concat();
            }
        }
    }
    links.extend(wants.into_iter().map(|want| Link { at: join(&want, &wanted), to: path.to_vec() }));
    links
}

fn limit(call: &Call<'_, '_>, errno: crate::files::Errno) -> Stop {
    call.sh.limit_or(errno, "enabling a unit")
}

fn is_link(call: &Call<'_, '_>, path: &[u8]) -> bool {
    call.sh.files.lstat(path).is_some_and(|meta| matches!(meta.kind, Kind::Link(_)))
}

fn link(call: &mut Call<'_, '_>, link: &Link) -> Result<(), Stop> {
    super::remove::make_parents(call, parent(&link.at), 0o755)?;
    if call.sh.files.lstat(&link.at).is_some() {
        return Ok(());
    }
    call.sh.files.make(&link.at, Kind::Link(link.to.clone()), 0o777).map_err(|errno| limit(call, errno))
}

/// A link as systemctl makes it: it finds units in `/usr/lib`, where deb-systemd-helper alone says `/lib`.
fn by_systemctl(link: &Link) -> Link {
    let to = match link.to.strip_prefix(b"/lib/") {
        Some(rest) => [b"/usr/lib/", rest].concat(),
        None => link.to.clone(),
    };
    Link { at: link.at.clone(), to }
}

/// Whether presets enable a unit: the first line that matches, of the files by name; enabled when none does.
fn preset(call: &Call<'_, '_>, unit: &[u8], user: bool) -> bool {
    let kind = if user { "user-preset" } else { "system-preset" };
    let mut files = std::collections::BTreeMap::new();
    for place in ["/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"] {
        let dir = format!("{place}/{kind}").into_bytes();
        let Ok(at) = call.sh.files.resolve(&dir, true) else { continue };
        for name in call.sh.files.list(&at).unwrap_or_default() {
            if name.ends_with(b".preset") {
                files.insert(name.clone(), join(&at, &name));
            }
        }
    }
    for path in files.values() {
        let text = call.sh.files.read(path).unwrap_or_default();
        for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let (Some(verb), Some(glob)) = (words.next(), words.next()) else { continue };
            let glob: Vec<(u8, bool)> = glob.iter().map(|b| (*b, false)).collect();
            if matches!(verb, b"enable" | b"disable" | b"ignore")
                && pattern::matches(&glob, unit, &mut 100_000)
            {
                return verb == b"enable";
            }
        }
    }
    true
}

struct State {
    enabled: Bytes,
    masked: Bytes,
}

fn also_path(state: &State, name: &[u8]) -> Bytes {
    [&state.enabled, &b"/"[..], base_name(name), b".dsh-also"].concat()
}

fn in_state(dir: &[u8], user: bool, link: &[u8]) -> Bytes {
    let rest = link.strip_prefix(&instance_dir(user)[..]).unwrap_or(link);
    [dir, rest].concat()
}

fn entries(call: &Call<'_, '_>, state: &State, name: &[u8]) -> Vec<Bytes> {
    let text = call.sh.files.read(&also_path(state, name)).unwrap_or_default();
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

fn store(call: &mut Call<'_, '_>, path: &[u8], lines: &[Bytes]) -> Result<(), Stop> {
    super::remove::make_parents(call, parent(path), 0o755)?;
    let text: Vec<u8> = lines.iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
    call.sh.files.write(path, text, 0o644).map_err(|errno| limit(call, errno))
}

fn enable(call: &mut Call<'_, '_>, state: &State, name: &[u8], user: bool) -> Result<(), Stop> {
    let path = find_unit(call, name, user);
    let links = closure(call, &path, user, By::Helper, &mut Vec::new());
    let installed = call.sh.files.stat(&also_path(state, name)).is_some();
    let systemctl = call.sh.files.stat(b"/usr/bin/systemctl").is_some_and(|meta| meta.mode & 0o111 != 0);
    let mut create = !systemctl;
    if systemctl {
        if installed {
            create = links.iter().any(|link| is_link(call, &link.at));
        } else if preset(call, base_name(name), user) {
            for one in closure(call, &path, user, By::Systemctl, &mut Vec::new()) {
                link(call, &by_systemctl(&one))?;
            }
        }
    }
    for one in &links {
        let mut lines = entries(call, state, name);
        if !lines.contains(&one.at) {
            lines.push(one.at.clone());
        }
        store(call, &also_path(state, name), &lines)?;
        let mark = in_state(&state.enabled, user, &one.at);
        if call.sh.files.stat(&mark).is_some() {
            continue;
        }
        if create && !is_link(call, &one.at) {
            link(call, one)?;
        }
        store(call, &mark, &[])?;
    }
    Ok(())
}

/// Removes empty directories, the deepest first, ten levels down.
fn tidy(call: &mut Call<'_, '_>, dir: &[u8], depth: usize) {
    let Ok(names) = call.sh.files.list(dir) else { return };
    for name in names {
        let path = join(dir, &name);
        if depth < 10 && call.sh.files.lstat(&path).is_some_and(|meta| meta.kind == Kind::Directory) {
            tidy(call, &path, depth + 1);
        }
    }
    let _ = call.sh.files.rmdir(dir);
}

fn disable(
    call: &mut Call<'_, '_>,
    state: &State,
    path: &[u8],
    user: bool,
    purge: bool,
    depth: usize,
) -> Result<(), Stop> {
    let links = entries(call, state, path);
    let mut gone = Vec::new();
    if purge {
        gone.push(also_path(state, path));
    }
    for link in links {
        if purge || is_link(call, &link) {
            gone.push(in_state(&state.enabled, user, &link));
        }
        if is_link(call, &link) {
            gone.push(link);
        }
    }
    for path in gone {
        if call.sh.files.lstat(&path).is_some() {
            call.sh.files.unlink(&path).map_err(|errno| limit(call, errno))?;
        }
    }
    let text = call.sh.files.read(path).unwrap_or_default();
    for line in text.split(|b| *b == b'\n') {
        for also in values(line, "Also").unwrap_or_default().iter().take(1).filter(|_| depth < 20) {
            let also = find_unit(call, also, user);
            disable(call, state, &also, user, purge, depth + 1)?;
        }
    }
    Ok(())
}

fn mask(call: &mut Call<'_, '_>, state: &State, name: &[u8], user: bool, on: bool) -> Result<(), Stop> {
    let at = join(&instance_dir(user), base_name(name));
    let mark = join(&state.masked, base_name(name));
    let to_null = call.sh.files.lstat(&at).is_some_and(|meta| meta.kind == Kind::Link(b"/dev/null".to_vec()));
    if on {
        if call.sh.files.stat(&at).is_none() && !to_null {
            if call.sh.files.lstat(&at).is_some() {
                call.sh.files.unlink(&at).map_err(|errno| limit(call, errno))?;
            }
            link(call, &Link { at, to: b"/dev/null".to_vec() })?;
            store(call, &mark, &[])?;
        }
        return Ok(());
    }
    if to_null && call.sh.files.stat(&mark).is_some() {
        for path in [at, mark] {
            call.sh.files.unlink(&path).map_err(|errno| limit(call, errno))?;
        }
    }
    Ok(())
}

pub(super) fn helper(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "qus", &[("quiet", b'q'), ("user", b'u'), ("system", b's')])?;
    let user = options.last_of(b"us") == Some(b'u');
    let kind = if user { "-user" } else { "" };
    let state = State {
        enabled: format!("/var/lib/systemd/deb-systemd{kind}-helper-enabled").into_bytes(),
        masked: format!("/var/lib/systemd/deb-systemd{kind}-helper-masked").into_bytes(),
    };
    let Some((action, units)) = options.operands.split_first() else { return Ok(0) };
    if call.env("DPKG_MAINTSCRIPT_PACKAGE").is_none_or(|package| package.is_empty()) {
        return Ok(1);
    }
    let purge = action == b"purge" || call.env("_DEB_SYSTEMD_HELPER_PURGE").is_some_and(|value| value == "1");
    let asks = matches!(&action[..], b"is-enabled" | b"was-enabled" | b"debian-installed");
    let mut status = u8::from(asks);
    for name in units {
        let path = find_unit(call, name, user);
        match &action[..] {
            b"enable" => enable(call, &state, name, user)?,
            b"disable" | b"purge" => {
                disable(call, &state, &path, user, purge, 0)?;
                for kind in ["", "-user"] {
                    tidy(call, format!("/var/lib/systemd/deb-systemd{kind}-helper-enabled").as_bytes(), 0);
                }
                for dir in [&b"/etc/systemd/system"[..], b"/etc/systemd/user"] {
                    for entry in call.sh.files.list(dir).unwrap_or_default() {
                        tidy(call, &join(dir, &entry), 0);
                    }
                }
            }
            b"reenable" => {
                disable(call, &state, &path, user, purge, 0)?;
                enable(call, &state, name, user)?;
            }
            b"update-state" => {
                let lines: Vec<Bytes> = closure(call, &path, user, By::Helper, &mut Vec::new())
                    .into_iter()
                    .map(|link| link.at)
                    .collect();
                store(call, &also_path(&state, name), &lines)?;
            }
            b"debian-installed" if call.sh.files.stat(&also_path(&state, name)).is_some() => status = 0,
            b"is-enabled"
                if closure(call, &path, user, By::Helper, &mut Vec::new())
                    .iter()
                    .all(|link| is_link(call, &link.at)) =>
            {
                status = 0;
            }
            b"was-enabled" if entries(call, &state, name).iter().all(|link| is_link(call, link)) => {
                status = 0;
            }
            b"mask" => mask(call, &state, &path, user, true)?,
            b"unmask" => {
                mask(call, &state, &path, user, false)?;
                for kind in ["", "-user"] {
                    tidy(call, format!("/var/lib/systemd/deb-systemd{kind}-helper-masked").as_bytes(), 0);
                }
            }
            _ if asks => {}
            // the program takes any word for an action, and does nothing with those that it does not know
            b"start" | b"stop" | b"restart" | b"reload" => {}
            _ => return Err(call.option(action)),
        }
    }
    Ok(status)
}

/// systemctl without a running manager: what it does to files, or nothing.
pub(super) fn systemctl(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("system", b's'),
        ("user", b'u'),
        ("global", b'g'),
        ("quiet", b'q'),
        ("no-block", b'b'),
        ("no-reload", b'r'),
        ("now", b'N'),
        ("job-mode", b'j'),
        ("preset-mode", b'p'),
        ("no-pager", b'P'),
        ("force", b'f'),
        ("root", b'R'),
        ("no-ask-password", b'a'),
        ("property", b'x'),
        ("value", b'v'),
        ("type", b't'),
        ("state", b'S'),
        ("all", b'A'),
        ("full", b'l'),
        ("no-legend", b'L'),
        ("no-warn", b'w'),
        ("plain", b'y'),
        ("kill-whom", b'k'),
        ("signal", b'i'),
        ("check-inhibitors", b'c'),
    ];
    let options = parse(call, "sugqbrNj:p:PfR:ax:vt:S:AlLwyk:i:c:", &long)?;
    let user = options.has(b'u') || options.has(b'g');
    let Some((verb, units)) = options.operands.split_first() else {
        // a list of units, which only a running manager has
        call.nothing("it talks to a running system")?;
        return Ok(1);
    };
    match &verb[..] {
        b"enable" | b"preset" => {
            for unit in units {
                let unit =
                    if unit.contains(&b'.') { unit.clone() } else { [&unit[..], b".service"].concat() };
                let Some(path) = find_file(call, &unit, user) else {
                    return Ok(
                        call.complain(&format!("Unit {} does not exist.", String::from_utf8_lossy(&unit)))
                    );
                };
                if verb == b"preset" && !preset(call, &unit, user) {
                    return Err(call.unsupported("a preset that disables"));
                }
                for one in of_instance(call, &unit, &path, user) {
                    link(call, &by_systemctl(&one))?;
                }
            }
            Ok(0)
        }
        b"disable" => {
            for unit in units {
                let unit =
                    if unit.contains(&b'.') { unit.clone() } else { [&unit[..], b".service"].concat() };
                let path = find_unit(call, &unit, user);
                for one in closure(call, &path, user, By::Systemctl, &mut Vec::new()) {
                    if is_link(call, &one.at) {
                        call.sh.files.unlink(&one.at).map_err(|errno| limit(call, errno))?;
                    }
                }
            }
            Ok(0)
        }
        b"mask" | b"unmask" => {
            for unit in units {
                let at = join(&instance_dir(user), unit);
                let to_null =
                    call.sh.files.lstat(&at).is_some_and(|m| m.kind == Kind::Link(b"/dev/null".to_vec()));
                if verb == b"mask" && !to_null {
                    link(call, &Link { at, to: b"/dev/null".to_vec() })?;
                } else if verb == b"unmask" && to_null {
                    call.sh.files.unlink(&at).map_err(|errno| limit(call, errno))?;
                }
            }
            Ok(0)
        }
        b"is-enabled" => {
            let mut status = 1;
            for unit in units {
                let path = find_unit(call, unit, user);
                let links = closure(call, &path, user, By::Systemctl, &mut Vec::new());
                let enabled = links.iter().any(|link| is_link(call, &link.at));
                if enabled {
                    status = 0;
                }
                if !options.has(b'q') {
                    call.out.extend_from_slice(if enabled { b"enabled\n" } else { b"disabled\n" });
                }
            }
            Ok(status)
        }
        b"is-active" | b"is-failed" | b"is-system-running" | b"status" => {
            // in an image that is being made nothing runs
            if !options.has(b'q') {
                call.out.extend_from_slice(if verb == b"is-system-running" {
                    b"offline\n"
                } else {
                    b"inactive\n"
                });
            }
            call.nothing("it asks a running system; none runs")?;
            Ok(if verb == b"status" || verb == b"is-active" { 3 } else { 1 })
        }
        b"daemon-reload"
        | b"daemon-reexec"
        | b"start"
        | b"stop"
        | b"restart"
        | b"reload"
        | b"try-restart"
        | b"condrestart"
        | b"reload-or-restart"
        | b"try-reload-or-restart"
        | b"reset-failed"
        | b"kill"
        | b"isolate"
        | b"set-property" => call.nothing("it talks to a running system"),
        other => Err(call.option(other)),
    }
}

/// update-rc.d for a machine that starts by systemd: links of System V are not read.
pub(super) fn update_rc(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "fn", &[])?;
    let mut operands = options.operands.iter();
    let (Some(name), Some(action)) = (operands.next().cloned(), operands.next().cloned()) else {
        return Err(call.unsupported("these arguments"));
    };
    let script = join(b"/etc/init.d", &name);
    // as the program says: these fall back to the defaults
    let action = if action == b"start" || action == b"stop" { b"defaults".to_vec() } else { action };
    let sorted = super::rc::links(call, &name, &script, &action)?;
    Ok(sorted)
}
