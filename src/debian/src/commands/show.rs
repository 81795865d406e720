//! Programs that look: cat is a filter; here readlink, realpath, ls, stat, which, id and their like.

use super::accounts;
use super::mode;
use super::options::parse;
use crate::failure::Reason;
use crate::files::{Bytes, Errno, Kind, Meta, absolute, join};
use crate::sh::{Call, Stop};

fn line(call: &mut Call<'_, '_>, bytes: &[u8]) {
    call.out.extend_from_slice(bytes);
    call.out.push(b'\n');
}

pub(super) fn readlink(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("canonicalize", b'f'),
        ("canonicalize-existing", b'e'),
        ("canonicalize-missing", b'm'),
        ("no-newline", b'n'),
        ("quiet", b'q'),
        ("silent", b'q'),
        ("verbose", b'v'),
    ];
    let options = parse(call, "femnqsvz", &long)?;
    let how = options.last_of(b"fem");
    let mut status = 0;
    for path in &options.operands {
        let whole = call.path(path);
        let found = match how {
            None => match call.sh.files.lstat(&whole).map(|meta| meta.kind) {
                Some(Kind::Link(target)) => Some(target),
                _ => None,
            },
            Some(how) => canonical(call, &whole, how),
        };
        match found {
            Some(found) => {
                call.out.extend_from_slice(&found);
                if !options.has(b'n') {
                    call.out.push(b'\n');
                }
            }
            None => status = 1,
        }
    }
    Ok(status)
}

fn canonical(call: &Call<'_, '_>, path: &[u8], how: u8) -> Option<Bytes> {
    match call.sh.files.resolve(path, true) {
        Ok(at) if how == b'e' => call.sh.files.meta(&at).map(|_| at),
        Ok(at) => Some(at),
        Err(Errno::NoEntry) if how == b'm' => {
            let mut at: Bytes = b"/".to_vec();
            for part in path.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
                match part {
                    b"." => {}
                    b".." => at = crate::files::parent(&at).to_vec(),
                    part => {
                        let next = join(&at, part);
                        at = call.sh.files.resolve(&next, true).unwrap_or(next);
                    }
                }
            }
            Some(at)
        }
        Err(_) => None,
    }
}

pub(super) fn realpath(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("canonicalize-existing", b'e'),
        ("canonicalize-missing", b'm'),
        ("quiet", b'q'),
        ("no-symlinks", b's'),
        ("strip", b's'),
    ];
    let options = parse(call, "emqsPL", &long)?;
    if options.has(b'L') {
        return Err(call.unsupported("`-L`"));
    }
    let mut status = 0;
    for path in &options.operands {
        let whole = call.path(path);
        let mode = options.last_of(b"em").unwrap_or(b'f');
        let found = if options.has(b's') { plain(call, &whole, mode) } else { canonical(call, &whole, mode) };
        match found {
            Some(at) => line(call, &at),
            None => {
                status = 1;
                if !options.has(b'q') {
                    call.complain(&format!("{}: {}", String::from_utf8_lossy(path), Errno::NoEntry));
                }
            }
        }
    }
    Ok(status)
}

/// A path without `.`, `..` and double slashes, links not followed: it must be there, or its directory, as the mode says.
fn plain(call: &Call<'_, '_>, path: &[u8], mode: u8) -> Option<Bytes> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let whole = [b"/", &parts.join(&b'/')[..]].concat();
    let files = &call.sh.files;
    let is_there = match mode {
        b'm' => true,
        b'e' => files.stat(&whole).is_some(),
        _ => files.stat(crate::files::parent(&whole)).is_some_and(|meta| meta.kind == Kind::Directory),
    };
    is_there.then_some(whole)
}

pub(super) fn which(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "as", &[])?;
    let mut status = u8::from(options.operands.is_empty());
    for name in &options.operands {
        let found = if name.contains(&b'/') {
            let meta = call.sh.files.stat(&call.path(name));
            meta.filter(|m| m.kind == Kind::File && m.mode & 0o111 != 0).map(|_| name.clone())
        } else {
            call.sh.search(name, true)
        };
        match found {
            Some(_) if options.has(b's') => {}
            Some(found) => line(call, &found),
            None => status = 1,
        }
    }
    Ok(status)
}

pub(super) fn ls(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(
        call,
        "1aAdLHUrtCvK::ln",
        &[("all", b'a'), ("almost-all", b'A'), ("directory", b'd'), ("color", b'K'), ("reverse", b'r')],
    )?;
    if options.has(b't') || options.has(b'C') {
        return Err(call.unsupported("`-t` or `-C`"));
    }
    let operands = if options.operands.is_empty() { vec![b".".to_vec()] } else { options.operands.clone() };
    let (mut plain, mut directories, mut status) = (Vec::new(), Vec::new(), 0);
    for path in operands {
        let whole = call.path(&path);
        match call.sh.files.stat(&whole).or_else(|| call.sh.files.lstat(&whole)) {
            None => {
                status = 2;
                call.errno("cannot access", &path, Errno::NoEntry)?;
            }
            Some(meta) if meta.kind == Kind::Directory && !options.has(b'd') => directories.push(path),
            Some(_) => plain.push(path),
        }
    }
    plain.sort();
    directories.sort();
    if options.has(b'r') {
        plain.reverse();
    }
    let titles = plain.len() + directories.len() > 1;
    let long = options.has(b'l') || options.has(b'n');
    if long && !directories.is_empty() {
        return Err(call.unsupported("`-l` of a directory"));
    }
    for path in &plain {
        if long {
            let text = described(call, path, options.has(b'n'))?;
            line(call, &text);
        } else {
            line(call, path);
        }
    }
    for (i, path) in directories.iter().enumerate() {
        if titles {
            if i > 0 || !plain.is_empty() {
                line(call, b"");
            }
            line(call, &[&path[..], b":"].concat());
        }
        let at = call.sh.files.resolve(&call.path(path), true);
        let mut names =
            at.and_then(|at| call.sh.files.list(&at)).map_err(|errno| call.sh.limit_or(errno, "ls"))?;
        if options.has(b'v') {
            names.sort_by(|a, b| crate::filters::version::compare(a, b).then_with(|| a.cmp(b)));
        }
        if options.has(b'a') {
            names.splice(0..0, [b".".to_vec(), b"..".to_vec()]);
        } else if !options.has(b'A') {
            names.retain(|name| !name.starts_with(b"."));
        }
        if options.has(b'r') {
            names.reverse();
        }
        names.iter().for_each(|name| line(call, name));
    }
    Ok(status)
}

/// A line of `ls -l`.
fn described(call: &mut Call<'_, '_>, path: &[u8], numbers: bool) -> Result<Bytes, Stop> {
    let Some(meta) = call.sh.files.lstat(&call.path(path)) else { return Ok(Vec::new()) };
    if meta.kind == Kind::Directory || matches!(meta.kind, Kind::Char(..) | Kind::Block(..)) {
        return Err(call.unsupported("`-l` of what is not a file"));
    }
    let named = |name: Option<Bytes>, number: u32| match name {
        Some(name) if !numbers => name,
        _ => number.to_string().into_bytes(),
    };
    let user = named(user_name(call, meta.uid), meta.uid);
    let group = named(group_name(call, meta.gid), meta.gid);
    // half a year, as ls has it
    let recent = (0..15_778_476).contains(&(call.sh.files.now - meta.mtime));
    let format: &[u8] = if recent { b"%b %e %H:%M" } else { b"%b %e  %Y" };
    let time = super::clock::format(meta.mtime, format).unwrap_or_default();
    let size = meta.size.to_string();
    let mut text = [
        letters(&meta).as_bytes(),
        b" 1 ",
        &user,
        b" ",
        &group,
        b" ",
        size.as_bytes(),
        b" ",
        &time,
        b" ",
        path,
    ]
    .concat();
    if let Kind::Link(target) = &meta.kind {
        text.extend_from_slice(&[b" -> ", &target[..]].concat());
    }
    Ok(text)
}

fn user_name(call: &Call<'_, '_>, uid: u32) -> Option<Bytes> {
    accounts::users(&call.sh.files).into_iter().find(|user| user.uid == uid).map(|user| user.name)
}

fn group_name(call: &Call<'_, '_>, gid: u32) -> Option<Bytes> {
    accounts::groups(&call.sh.files).into_iter().find(|group| group.gid == gid).map(|group| group.name)
}

fn sort_of(meta: &Meta) -> &'static str {
    match meta.kind {
        Kind::File if meta.size == 0 => "regular empty file",
        Kind::File => "regular file",
        Kind::Directory => "directory",
        Kind::Link(_) => "symbolic link",
        Kind::Fifo => "fifo",
        Kind::Char(..) => "character special file",
        Kind::Block(..) => "block special file",
    }
}

/// The mode as `ls -l` shows it.
fn letters(meta: &Meta) -> String {
    let mut text = String::from(match meta.kind {
        Kind::File => "-",
        Kind::Directory => "d",
        Kind::Link(_) => "l",
        Kind::Fifo => "p",
        Kind::Char(..) => "c",
        Kind::Block(..) => "b",
    });
    for (shift, special, set) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = meta.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, meta.mode & special != 0) {
            (true, true) => set,
            (false, true) => set.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

pub(super) fn stat(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "c:LtP:", &[("format", b'c'), ("dereference", b'L'), ("printf", b'P')])?;
    let Some(format) = options.value(b'c').or_else(|| options.value(b'P')).cloned() else {
        return Err(call.unsupported("its own format"));
    };
    let mut status = 0;
    for path in &options.operands {
        let whole = call.path(path);
        let meta = if options.has(b'L') { call.sh.files.stat(&whole) } else { call.sh.files.lstat(&whole) };
        let Some(meta) = meta else {
            status = call.errno("cannot statx", path, Errno::NoEntry)?;
            continue;
        };
        let mut rest = &format[..];
        while let Some((byte, tail)) = rest.split_first() {
            rest = tail;
            if *byte != b'%' {
                call.out.push(*byte);
                continue;
            }
            let Some((letter, tail)) = rest.split_first() else { break };
            rest = tail;
            let text: Bytes = match letter {
                b'a' => format!("{:o}", meta.mode).into_bytes(),
                b'A' => letters(&meta).into_bytes(),
                b'u' => meta.uid.to_string().into_bytes(),
                b'g' => meta.gid.to_string().into_bytes(),
                b'U' => user_name(call, meta.uid).unwrap_or_else(|| b"UNKNOWN".to_vec()),
                b'G' => group_name(call, meta.gid).unwrap_or_else(|| b"UNKNOWN".to_vec()),
                b's' => meta.size.to_string().into_bytes(),
                b'n' => path.clone(),
                b'F' => sort_of(&meta).as_bytes().to_vec(),
                b'Y' => meta.mtime.to_string().into_bytes(),
                b'%' => b"%".to_vec(),
                other => return Err(call.unsupported(format!("`%{}`", char::from(*other)))),
            };
            call.out.extend_from_slice(&text);
        }
        if options.value(b'P').is_none() {
            call.out.push(b'\n');
        }
    }
    Ok(status)
}

pub(super) fn id(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [("user", b'u'), ("group", b'g'), ("groups", b'G'), ("name", b'n'), ("real", b'r')];
    let options = parse(call, "ugGnr", &long)?;
    let name = options.operands.first().cloned().unwrap_or_else(|| own_name(call));
    let by_number = |call: &Call<'_, '_>| {
        mode::number(&name).and_then(|uid| accounts::users(&call.sh.files).into_iter().find(|u| u.uid == uid))
    };
    let Some(user) = accounts::user(&call.sh.files, &name).or_else(|| by_number(call)) else {
        if options.operands.is_empty() && options.has(b'u') {
            line(call, b"0");
            return Ok(0);
        }
        return Ok(call.complain(&format!("'{}': no such user", String::from_utf8_lossy(&name))));
    };
    let groups = accounts::groups(&call.sh.files);
    let mut member: Vec<(u32, Bytes)> = Vec::new();
    member.push((user.gid, group_name(call, user.gid).unwrap_or_else(|| user.gid.to_string().into_bytes())));
    for group in groups.into_iter().filter(|g| g.members.contains(&user.name) && g.gid != user.gid) {
        member.push((group.gid, group.name));
    }
    let shown = |(gid, name): &(u32, Bytes)| {
        if options.has(b'n') { name.clone() } else { gid.to_string().into_bytes() }
    };
    let text = match options.last_of(b"ugG") {
        Some(b'u') if options.has(b'n') => user.name.clone(),
        Some(b'u') => user.uid.to_string().into_bytes(),
        Some(b'g') => member.first().map(shown).unwrap_or_default(),
        Some(_) => member.iter().map(shown).collect::<Vec<_>>().join(&b' '),
        None => {
            let all: Vec<Bytes> = member
                .iter()
                .map(|(gid, name)| [gid.to_string().as_bytes(), b"(", name, b")"].concat())
                .collect();
            let first = all.first().cloned().unwrap_or_default();
            [
                format!("uid={}(", user.uid).as_bytes(),
                &user.name,
                b") gid=",
                &first,
                b" groups=",
                &all.join(&b','),
            ]
            .concat()
        }
    };
    line(call, &text);
    Ok(0)
}

pub(super) fn whoami(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let name = own_name(call);
    line(call, &name);
    Ok(0)
}

/// The name of whoever acts.
fn own_name(call: &Call<'_, '_>) -> Bytes {
    match &call.sh.files.actor {
        Some(actor) => user_name(call, actor.uid).unwrap_or_else(|| actor.uid.to_string().into_bytes()),
        None => b"root".to_vec(),
    }
}

pub(super) fn uname(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options =
        parse(call, "srmaonvpi", &[("kernel-name", b's'), ("machine", b'm'), ("kernel-release", b'r')])?;
    let machine = match &call.sh.system.architecture[..] {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => return Err(call.unsupported(format!("the architecture {other}"))),
    };
    match options.all().map(|(letter, _)| letter).collect::<Vec<_>>()[..] {
        [] | [b's'] => line(call, b"Linux"),
        [b'm'] => line(call, machine.as_bytes()),
        [b'o'] => line(call, b"GNU/Linux"),
        [b'r'] if call.sh.system.kernel.is_some() => {
            let release = call.sh.system.kernel.clone().unwrap_or_default();
            line(call, release.as_bytes());
        }
        _ => return Err(call.sh.fail(Reason::Running("the release of the kernel that runs".to_owned()))),
    }
    Ok(0)
}

/// `systemd-detect-virt`: an image is of a machine, and not of a container. Which machine, only that itself knows.
pub(super) fn detect_virt(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options =
        parse(call, "cvrq", &[("container", b'c'), ("vm", b'v'), ("chroot", b'r'), ("quiet", b'q')])?;
    if options.last_of(b"cvr") != Some(b'c') {
        return Err(call.sh.fail(Reason::Running("what it runs on".to_owned())));
    }
    if !options.has(b'q') {
        line(call, b"none");
    }
    Ok(1)
}

/// `lsmod` without /proc: of an image that does not run no module is loaded.
pub(super) fn lsmod(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    call.complain("could not open /proc/modules: No such file or directory");
    Ok(1)
}

/// A running machine's own.
pub(super) fn running(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let what = match call.name {
        "domainname" | "dnsdomainname" | "hostnamectl" => "the name of the host",
        "ps" => "which processes there are",
        "blkid" | "lsblk" | "losetup" => "its disks and mounts",
        "nproc" | "lscpu" | "free" => "its processors and memory",
        "ip" | "ifconfig" | "ss" | "netstat" | "route" => "its network",
        _ => "what this command asks",
    };
    Err(call.sh.fail(Reason::Running(what.to_owned())))
}

pub(super) fn date(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options =
        parse(call, "uRI::d:", &[("utc", b'u'), ("date", b'd'), ("rfc-email", b'R'), ("iso-8601", b'I')])?;
    let now = match options.value(b'd') {
        None => call.sh.files.now,
        Some(text) => match super::clock::parse(&String::from_utf8_lossy(text)) {
            Some(time) => time,
            None => return Err(call.option(b"-d")),
        },
    };
    if !options.has(b'u') && call.env("TZ").is_some_and(|zone| !zone.is_empty() && !zone.starts_with("UTC")) {
        return Err(call.unsupported("a time zone"));
    }
    match options.operands.first().map(|o| &o[..]) {
        Some(b"+%s") => line(call, now.to_string().as_bytes()),
        Some(format) if format.starts_with(b"+") => {
            let text = super::clock::format(now, format.get(1..).unwrap_or_default());
            match text {
                Some(text) => line(call, &text),
                None => return Err(call.unsupported("this format")),
            }
        }
        None if options.has(b'R') && !options.has(b'I') => {
            let text = super::clock::format(now, b"%a, %d %b %Y %H:%M:%S %z").unwrap_or_default();
            line(call, &text);
        }
        None if options.value(b'I').is_some_and(|unit| unit.is_empty() || unit == b"date") => {
            let text = super::clock::format(now, b"%F").unwrap_or_default();
            line(call, &text);
        }
        None if !options.has(b'R') && !options.has(b'I') => {
            let text = super::clock::format(now, b"%a %b %e %H:%M:%S %Z %Y").unwrap_or_default();
            line(call, &text);
        }
        _ => return Err(call.unsupported("these arguments")),
    }
    Ok(0)
}

pub(super) fn tee(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "ai", &[("append", b'a')])?;
    let input = call.sh.read_all(0);
    let mut status = 0;
    for path in &options.operands {
        let whole = absolute(&call.sh.s.cwd, path);
        if whole == b"/dev/null" {
            continue;
        }
        if whole == b"/dev/stderr" {
            call.err.extend_from_slice(&input);
            continue;
        }
        let mut bytes = Vec::new();
        if options.has(b'a') {
            bytes = call.sh.files.read(&whole).map(|b| b.to_vec()).unwrap_or_default();
        }
        bytes.extend_from_slice(&input);
        let mode = 0o666 & !call.sh.s.umask;
        if let Err(errno) = call.sh.files.write(&whole, bytes, mode) {
            status = call.errno("cannot open", path, errno)?;
        }
    }
    call.out.extend_from_slice(&input);
    Ok(status)
}

/// debconf-escape: newlines and backslashes of its input.
pub(super) fn debconf_escape(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "eu", &[("escape", b'e'), ("unescape", b'u')])?;
    let input = call.sh.read_all(0);
    let mut bytes = input.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if options.has(b'u') => match bytes.next() {
                Some(b'n') => call.out.push(b'\n'),
                Some(other) => call.out.push(other),
                None => call.out.push(b'\\'),
            },
            b'\\' if options.has(b'e') => call.out.extend_from_slice(b"\\\\"),
            b'\n' if options.has(b'e') => call.out.extend_from_slice(b"\\n"),
            byte => call.out.push(byte),
        }
    }
    Ok(0)
}

/// dpkg-realpath: a path with its links resolved, within the root.
pub(super) fn dpkg_realpath(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "zr:", &[("root", b'r'), ("zero", b'z')])?;
    if options.value(b'r').is_some_and(|root| !root.is_empty() && root != b"/") {
        return Err(call.option(b"--root"));
    }
    let Some(path) = options.operands.first() else { return Ok(2) };
    match canonical(call, &call.path(path), b'm') {
        Some(at) => {
            call.out.extend_from_slice(&at);
            call.out.push(if options.has(b'z') { 0 } else { b'\n' });
            Ok(0)
        }
        None => call.errno("cannot resolve", path, Errno::Loop),
    }
}

/// getcap: the capabilities that setcap gave; packages bring none.
pub(super) fn getcap(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "", &[])?;
    for path in &options.operands {
        let at = call.sh.files.resolve(&call.path(path), true).ok();
        let text = at.and_then(|at| call.sh.files.capabilities(&at));
        if let Some(text) = text {
            line(call, &[&path[..], b" ", text.as_bytes()].concat());
        }
    }
    Ok(0)
}

/// findmnt: in an image that is being made nothing is mounted.
pub(super) fn findmnt(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    call.nothing("nothing is mounted")?;
    Ok(1)
}

/// df: what is free, which an image that is being made has no bound of: its disk is made as large as it must be.
pub(super) fn df(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    match call.args {
        [what, path] if what == b"--output=avail" && call.sh.files.stat(&call.path(path)).is_some() => {
            call.nothing("the disk of an image is made as large as it must be")?;
            line(call, b"     Avail");
            line(call, b"1073741824");
            Ok(0)
        }
        _ => Err(call.sh.fail(Reason::Running("its disks and mounts".to_owned()))),
    }
}
