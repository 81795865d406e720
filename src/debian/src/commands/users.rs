//! adduser, addgroup, useradd, groupadd, usermod and their like, and getent.

use super::accounts;
use super::database::{self, NewUser, Of, downwards, upwards};
use super::mode::number;
use super::options::{Options, parse};
use crate::files::{Bytes, Kind};
use crate::sh::{Call, Stop};

const ADDUSER: [(&str, u8); 31] = [
    ("system", b'S'),
    ("group", b'G'),
    ("ingroup", b'I'),
    ("gid", b'g'),
    ("uid", b'u'),
    ("home", b'h'),
    ("no-create-home", b'n'),
    ("shell", b's'),
    ("disabled-password", b'd'),
    ("disabled-login", b'D'),
    ("gecos", b'c'),
    ("comment", b'c'),
    ("quiet", b'q'),
    ("force-badname", b'b'),
    ("allow-badname", b'b'),
    ("allow-bad-names", b'b'),
    ("firstuid", b'1'),
    ("lastuid", b'2'),
    ("firstgid", b'3'),
    ("lastgid", b'4'),
    ("conf", b'f'),
    ("debug", b'q'),
    ("verbose", b'q'),
    ("add-extra-groups", b'x'),
    ("disabled", b'd'),
    ("allow-all-names", b'b'),
    ("remove-home", b'r'),
    ("only-if-empty", b'e'),
    ("stdoutmsglevel", b'm'),
    ("stderrmsglevel", b'm'),
    ("logmsglevel", b'm'),
];
const ADDUSER_SHORT: &str = "SGI:g:u:h:ns:dDc:qb1:2:3:4:f:xrem:";

fn value(options: &Options, letter: u8) -> Option<u32> {
    options.value(letter).and_then(|text| number(text))
}

pub(super) fn adduser(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, ADDUSER_SHORT, &ADDUSER)?;
    let system = options.has(b'S');
    match &options.operands[..] {
        [user, group] if call.name == "adduser" => {
            let (user, group) = (user.clone(), group.clone());
            if accounts::user(&call.sh.files, &user).is_none() {
                return Ok(
                    call.complain(&format!("The user `{}' does not exist.", String::from_utf8_lossy(&user)))
                );
            }
            if accounts::group(&call.sh.files, &group).is_none() {
                return Ok(call
                    .complain(&format!("The group `{}' does not exist.", String::from_utf8_lossy(&group))));
            }
            database::add_member(call, &user, &group)?;
            Ok(0)
        }
        [name] => {
            let name = name.clone();
            if call.name == "addgroup" || (options.has(b'G') && !system) {
                return addgroup(call, &name, &options, system);
            }
            if !system {
                return Err(call.unsupported("a user that is not `--system`"));
            }
            add_system_user(call, &name, &options)
        }
        _ => Err(call.unsupported("these arguments")),
    }
}

fn addgroup(call: &mut Call<'_, '_>, name: &[u8], options: &Options, system: bool) -> Result<u8, Stop> {
    if let Some(group) = accounts::group(&call.sh.files, name) {
        let same = value(options, b'g').is_none_or(|gid| gid == group.gid);
        if system && same && group.gid < 1000 {
            return Ok(0);
        }
        let status = if system { 13 } else { 11 };
        call.complain(&format!("The group `{}' already exists.", String::from_utf8_lossy(name)));
        return Ok(status);
    }
    let (low, high) = if system { (100, 999) } else { (1000, 59_999) };
    let gid = value(options, b'g').or_else(|| database::fixed(call, name, true));
    let gid = gid.or_else(|| {
        let range = (value(options, b'3').unwrap_or(low), value(options, b'4').unwrap_or(high));
        database::free(call, name, Of::Groups, range, upwards)
    });
    let Some(gid) = gid else { return Ok(call.complain("no GID is available")) };
    database::add_group(call, name, gid, b"!")?;
    Ok(0)
}

fn add_system_user(call: &mut Call<'_, '_>, name: &[u8], options: &Options) -> Result<u8, Stop> {
    if let Some(user) = accounts::user(&call.sh.files, name) {
        if user.uid < 1000 && value(options, b'u').is_none_or(|uid| uid == user.uid) {
            return Ok(0);
        }
        call.complain(&format!(
            "The user `{}' already exists, but is not a system user.",
            String::from_utf8_lossy(name)
        ));
        return Ok(13);
    }
    let (low, high) = (value(options, b'1').unwrap_or(100), value(options, b'2').unwrap_or(999));
    let uid = value(options, b'u').or_else(|| database::fixed(call, name, false));
    let Some(uid) = uid.or_else(|| database::free(call, name, Of::Users, (low, high), upwards)) else {
        return Ok(call.complain("no UID is available"));
    };
    let gid = if options.has(b'G') {
        match accounts::group(&call.sh.files, name) {
            Some(group) => group.gid,
            None => {
                let fixed = database::fixed(call, name, true).or_else(|| value(options, b'u'));
                let Some(gid) =
                    fixed.or_else(|| database::free(call, name, Of::Groups, (low, high), upwards))
                else {
                    return Ok(call.complain("no GID is available"));
                };
                database::add_group(call, name, gid, b"!")?;
                gid
            }
        }
    } else if let Some(group) = options.value(b'I') {
        match accounts::group(&call.sh.files, group) {
            Some(group) => group.gid,
            None => {
                return Ok(
                    call.complain(&format!("The group `{}' does not exist.", String::from_utf8_lossy(group)))
                );
            }
        }
    } else {
        value(options, b'g').unwrap_or(65_534)
    };
    let home = options.value(b'h').cloned().unwrap_or_else(|| b"/nonexistent".to_vec());
    let shell = options.value(b's').cloned().unwrap_or_else(|| b"/usr/sbin/nologin".to_vec());
    let gecos = options.value(b'c').cloned().unwrap_or_default();
    database::add_user(
        call,
        &NewUser {
            name,
            uid,
            gid,
            gecos: &gecos,
            home: &home,
            shell: &shell,
            password: b"!",
            ages: b"::::::",
        },
    )?;
    let nowhere = home == b"/nonexistent" || home.starts_with(b"/nonexistent/");
    if !nowhere && !options.has(b'n') && call.sh.files.stat(&home).is_none() {
        super::remove::make_parents(call, &home, 0o755)?;
        call.sh
            .files
            .chown(&home, Some(uid), Some(gid), true)
            .map_err(|errno| call.sh.limit_or(errno, "adduser"))?;
    }
    Ok(0)
}

pub(super) fn deluser(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, ADDUSER_SHORT, &ADDUSER)?;
    match &options.operands[..] {
        [user, group] => {
            let (user, group) = (user.clone(), group.clone());
            let change = |fields: &mut Vec<Bytes>| {
                if let Some(members) = fields.get_mut(3) {
                    let kept: Vec<&[u8]> =
                        members.split(|b| *b == b',').filter(|m| *m != &user[..]).collect();
                    *members = kept.join(&b',');
                }
            };
            let found = database::edit(call, b"/etc/group", &group, change)?;
            database::edit(call, b"/etc/gshadow", &group, change)?;
            Ok(if found { 0 } else { 3 })
        }
        [name] => {
            let name = name.clone();
            let group = matches!(call.name, "delgroup" | "groupdel");
            let paths: [&[u8]; 2] =
                if group { [b"/etc/group", b"/etc/gshadow"] } else { [b"/etc/passwd", b"/etc/shadow"] };
            let mut found = false;
            for path in paths {
                found |= database::edit(call, path, &name, Vec::clear)?;
            }
            let missing = if matches!(call.name, "userdel" | "groupdel") {
                6
            } else {
                u8::from(!options.has(b'S')) * 2
            };
            Ok(if found { 0 } else { missing })
        }
        _ => Err(call.unsupported("these arguments")),
    }
}

pub(super) fn groupadd(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [("system", b'r'), ("gid", b'g'), ("force", b'f'), ("non-unique", b'o')];
    let options = parse(call, "rg:foK:", &long)?;
    let Some(name) = options.operands.first().cloned() else { return Ok(2) };
    if accounts::group(&call.sh.files, &name).is_some() {
        if options.has(b'f') {
            return Ok(0);
        }
        call.complain(&format!("group '{}' already exists", String::from_utf8_lossy(&name)));
        return Ok(9);
    }
    let Some(gid) = value(&options, b'g').or_else(|| chosen(call, &name, options.has(b'r'), true)) else {
        return Ok(4);
    };
    database::add_group(call, &name, gid, b"!")?;
    Ok(0)
}

/// As shadow's programs choose: system numbers downwards from 999, others upwards from 1000.
fn chosen(call: &Call<'_, '_>, name: &[u8], system: bool, of_group: bool) -> Option<u32> {
    if let Some(number) = database::fixed(call, name, of_group) {
        return Some(number);
    }
    let of = if of_group { Of::Groups } else { Of::Users };
    if system {
        database::free(call, name, of, (100, 999), downwards)
    } else {
        database::free(call, name, of, (1000, 60_000), upwards)
    }
}

pub(super) fn useradd(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("system", b'r'),
        ("gid", b'g'),
        ("uid", b'u'),
        ("home-dir", b'd'),
        ("home", b'd'),
        ("shell", b's'),
        ("comment", b'c'),
        ("create-home", b'm'),
        ("no-create-home", b'M'),
        ("no-user-group", b'N'),
        ("user-group", b'U'),
        ("groups", b'G'),
        ("password", b'p'),
        ("no-log-init", b'l'),
        ("badname", b'b'),
        ("key", b'K'),
    ];
    let options = parse(call, "rg:u:d:s:c:mMNUG:p:lbK:", &long)?;
    let Some(name) = options.operands.first().cloned() else { return Ok(2) };
    if accounts::user(&call.sh.files, &name).is_some() {
        call.complain(&format!("user '{}' already exists", String::from_utf8_lossy(&name)));
        return Ok(9);
    }
    let system = options.has(b'r');
    let Some(uid) = value(&options, b'u').or_else(|| chosen(call, &name, system, false)) else {
        return Ok(4);
    };
    let gid = match options.value(b'g') {
        Some(group) => {
            match accounts::group(&call.sh.files, group).map(|g| g.gid).or_else(|| number(group)) {
                Some(gid) => gid,
                None => {
                    call.complain(&format!("group '{}' does not exist", String::from_utf8_lossy(group)));
                    return Ok(6);
                }
            }
        }
        None if options.has(b'N') => 100,
        None => {
            if accounts::group(&call.sh.files, &name).is_some() {
                call.complain("group exists - if you want to add this user to that group, use -g.");
                return Ok(9);
            }
            let taken = accounts::groups(&call.sh.files).iter().any(|g| g.gid == uid);
            let Some(gid) = (if taken { chosen(call, &name, system, true) } else { Some(uid) }) else {
                return Ok(4);
            };
            database::add_group(call, &name, gid, b"!")?;
            gid
        }
    };
    let default_home = [b"/home/", &name[..]].concat();
    let home = options.value(b'd').cloned().unwrap_or(default_home);
    let shell = options.value(b's').cloned().unwrap_or_else(|| b"/bin/sh".to_vec());
    let gecos = options.value(b'c').cloned().unwrap_or_default();
    let password = options.value(b'p').cloned().unwrap_or_else(|| b"!".to_vec());
    let ages: &[u8] = if system { b"::::::" } else { b":0:99999:7:::" };
    if !system {
        return Err(call.unsupported("a user that is not a system user"));
    }
    database::add_user(
        call,
        &NewUser {
            name: &name,
            uid,
            gid,
            gecos: &gecos,
            home: &home,
            shell: &shell,
            password: &password,
            ages,
        },
    )?;
    for group in
        options.value(b'G').cloned().unwrap_or_default().split(|b| *b == b',').filter(|g| !g.is_empty())
    {
        database::add_member(call, &name, group)?;
    }
    if options.has(b'm') && call.sh.files.stat(&home).is_none() {
        return Err(call.option(b"-m"));
    }
    Ok(0)
}

pub(super) fn usermod(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("append", b'a'),
        ("groups", b'G'),
        ("home", b'd'),
        ("shell", b's'),
        ("comment", b'c'),
        ("gid", b'g'),
        ("lock", b'L'),
        ("unlock", b'U'),
        ("expiredate", b'e'),
        ("password", b'p'),
        ("move-home", b'm'),
        ("add-subuids", b'v'),
        ("add-subgids", b'w'),
    ];
    let options = parse(call, "aG:d:s:c:g:LUe:p:mv:w:", &long)?;
    let Some(name) = options.operands.first().cloned() else { return Ok(2) };
    if accounts::user(&call.sh.files, &name).is_none() {
        call.complain(&format!("user '{}' does not exist", String::from_utf8_lossy(&name)));
        return Ok(6);
    }
    if options.has(b'm') {
        return Err(call.unsupported("these options"));
    }
    if options.has(b'G') && !options.has(b'a') {
        let wanted = options.value(b'G').cloned().unwrap_or_default();
        let leaves = |group: &accounts::Group| {
            group.members.contains(&name) && !wanted.split(|b| *b == b',').any(|kept| kept == group.name)
        };
        let left: Vec<Bytes> =
            accounts::groups(&call.sh.files).into_iter().filter(leaves).map(|group| group.name).collect();
        for group in left {
            for path in [&b"/etc/group"[..], b"/etc/gshadow"] {
                database::edit(call, path, &group, |fields| {
                    if let Some(members) = fields.get_mut(3) {
                        let kept: Vec<&[u8]> =
                            members.split(|b| *b == b',').filter(|member| *member != &name[..]).collect();
                        *members = kept.join(&b',');
                    }
                })?;
            }
        }
    }
    for group in
        options.value(b'G').cloned().unwrap_or_default().split(|b| *b == b',').filter(|g| !g.is_empty())
    {
        if accounts::group(&call.sh.files, group).is_none() {
            call.complain(&format!("group '{}' does not exist", String::from_utf8_lossy(group)));
            return Ok(6);
        }
        database::add_member(call, &name, group)?;
    }
    for (letter, path) in [(b'v', &b"/etc/subuid"[..]), (b'w', b"/etc/subgid")] {
        let ranges: Vec<Bytes> =
            options.all().filter(|(own, _)| *own == letter).map(|(_, range)| range.clone()).collect();
        for range in ranges {
            let ends = range.iter().position(|b| *b == b'-').and_then(|at| range.split_at_checked(at));
            let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
            let ends = ends.and_then(|(low, high)| Some((number(low)?, number(high.get(1..)?)?)));
            let Some((low, high)) = ends.filter(|(low, high)| low <= high && *high <= u64::from(u32::MAX))
            else {
                return Err(call.option(&range));
            };
            let line = [&name[..], format!(":{low}:{}", high - low + 1).as_bytes()].concat();
            if call
                .sh
                .files
                .read(path)
                .is_ok_and(|text| text.split(|b| *b == b'\n').any(|known| known == line))
            {
                continue;
            }
            database::append(call, path, &line)?;
        }
    }
    for (letter, at) in [(b'c', 4), (b'd', 5), (b's', 6)] {
        if let Some(new) = options.value(letter).cloned() {
            database::edit(call, b"/etc/passwd", &name, |fields| set(fields, at, &new))?;
        }
    }
    if let Some(group) = options.value(b'g').cloned() {
        let gid = accounts::group(&call.sh.files, &group).map(|g| g.gid).or_else(|| number(&group));
        let Some(gid) = gid else { return Ok(6) };
        database::edit(call, b"/etc/passwd", &name, |fields| set(fields, 3, gid.to_string().as_bytes()))?;
    }
    if let Some(password) = options.value(b'p').cloned() {
        database::edit(call, b"/etc/shadow", &name, |fields| set(fields, 1, &password))?;
    }
    if options.has(b'L') {
        lock(call, &name)?;
    }
    if options.has(b'U') {
        // a password that is only a mark stays locked
        let locked = |fields: &mut Vec<Bytes>| {
            if let Some(password) = fields.get_mut(1).filter(|p| p.starts_with(b"!") && p.len() > 1) {
                password.remove(0);
            }
        };
        database::edit(call, b"/etc/shadow", &name, locked)?;
    }
    if let Some(date) = options.value(b'e').cloned() {
        if !date.is_empty() && date != b"1" {
            return Err(call.option(b"-e"));
        }
        database::edit(call, b"/etc/shadow", &name, |fields| set(fields, 7, &date))?;
    }
    Ok(0)
}

fn set(fields: &mut [Bytes], at: usize, value: &[u8]) {
    if let Some(field) = fields.get_mut(at) {
        *field = value.to_vec();
    }
}

fn lock(call: &mut Call<'_, '_>, name: &[u8]) -> Result<bool, Stop> {
    database::edit(call, b"/etc/shadow", name, |fields| {
        if let Some(password) = fields.get_mut(1).filter(|p| !p.starts_with(b"!")) {
            password.insert(0, b'!');
        }
    })
}

pub(super) fn passwd(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "ldq", &[("lock", b'l'), ("quiet", b'q')])?;
    match (options.has(b'l'), options.operands.first().cloned()) {
        (true, Some(name)) => Ok(u8::from(!lock(call, &name)?)),
        _ => Err(call.unsupported("these arguments")),
    }
}

pub(super) fn chsh(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "s:", &[("shell", b's')])?;
    match (options.value(b's').cloned(), options.operands.first().cloned()) {
        (Some(shell), Some(name)) => {
            Ok(u8::from(!database::edit(call, b"/etc/passwd", &name, |f| set(f, 6, &shell))?))
        }
        _ => Err(call.unsupported("these arguments")),
    }
}

pub(super) fn gpasswd(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "a:", &[("add", b'a')])?;
    match (options.value(b'a').cloned(), options.operands.first().cloned()) {
        (Some(user), Some(group)) => {
            database::add_member(call, &user, &group)?;
            Ok(0)
        }
        _ => Err(call.unsupported("these arguments")),
    }
}

pub(super) fn getent(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "s:", &[])?;
    let Some((database, keys)) = options.operands.split_first() else { return Ok(1) };
    let path: &[u8] = match &database[..] {
        b"passwd" => b"/etc/passwd",
        b"group" => b"/etc/group",
        b"shadow" => b"/etc/shadow",
        b"gshadow" => b"/etc/gshadow",
        b"services" | b"protocols" => return Err(call.unsupported("this database")),
        b"hosts" | b"ahosts" | b"ahostsv4" | b"ahostsv6" => {
            return Err(call
                .sh
                .fail(crate::failure::Reason::Running("what names of hosts stand for".to_owned())));
        }
        _ => return Ok(1),
    };
    let text = call.sh.files.read(path).unwrap_or_default();
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    if keys.is_empty() {
        for line in lines {
            call.out.extend_from_slice(&[line, b"\n"].concat());
        }
        return Ok(0);
    }
    let mut status = 0;
    for key in keys {
        let of_key = |line: &&&[u8]| {
            let mut fields = line.split(|b| *b == b':');
            let name = fields.next();
            name == Some(key) || (number(key).is_some() && path.len() < 12 && fields.nth(1) == Some(key))
        };
        match lines.iter().find(of_key) {
            Some(line) => call.out.extend_from_slice(&[line, &b"\n"[..]].concat()),
            None => status = 2,
        }
    }
    Ok(status)
}

/// base-passwd's: the users and groups of Debian's lists that are not there are added.
pub(super) fn update_passwd(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    parse(call, "vnLsH", &[("verbose", b'v'), ("dry-run", b'n'), ("sanity-check", b's')])?;
    for (master, path, shadow) in [
        (&b"/usr/share/base-passwd/passwd.master"[..], &b"/etc/passwd"[..], &b"/etc/shadow"[..]),
        (b"/usr/share/base-passwd/group.master", b"/etc/group", b"/etc/gshadow"),
    ] {
        let master = call.sh.files.read(master).unwrap_or_default();
        let mut text = call.sh.files.read(path).map(|b| b.to_vec()).unwrap_or_default();
        let known: Vec<Bytes> = text
            .split(|b| *b == b'\n')
            .filter_map(|l| l.split(|b| *b == b':').next())
            .map(<[u8]>::to_vec)
            .collect();
        for line in master.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let name = line.split(|b| *b == b':').next().unwrap_or_default();
            if !known.iter().any(|k| k == name) {
                if call.sh.files.stat(shadow).is_some() {
                    return Err(call.unsupported("names that are missing while there are shadow files"));
                }
                text.extend_from_slice(&[line, b"\n"].concat());
            }
        }
        if call.sh.files.read(path).is_ok_and(|old| *old == text) {
            continue;
        }
        call.sh.files.write(path, text, 0o644).map_err(|errno| call.sh.limit_or(errno, "update-passwd"))?;
    }
    Ok(0)
}

/// pwconv and grpconv: passwords go to shadow files.
pub(super) fn conv(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let group = call.name == "grpconv";
    let (path, shadow): (&[u8], &[u8]) =
        if group { (b"/etc/group", b"/etc/gshadow") } else { (b"/etc/passwd", b"/etc/shadow") };
    let text = call.sh.files.read(path).map(|b| b.to_vec()).unwrap_or_default();
    let old = call.sh.files.read(shadow).map(|b| b.to_vec()).unwrap_or_default();
    let known =
        |name: &[u8]| old.split(|b| *b == b'\n').any(|line| line.split(|b| *b == b':').next() == Some(name));
    let day = database::today(call);
    let (mut new, mut hidden) = (Vec::new(), old.clone());
    for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let mut fields: Vec<Bytes> = line.split(|b| *b == b':').map(<[u8]>::to_vec).collect();
        let name = fields.first().cloned().unwrap_or_default();
        let password = fields.get(1).cloned().unwrap_or_default();
        if !known(&name) {
            let password = if password == b"x" { b"*".to_vec() } else { password };
            let members = fields.get(3).cloned().unwrap_or_default();
            let rest = if group {
                [b"::", &members[..]].concat()
            } else {
                [b":", &day[..], b":0:99999:7:::"].concat()
            };
            hidden.extend_from_slice(&[&name[..], b":", &password, &rest, b"\n"].concat());
        }
        set(&mut fields, 1, b"x");
        new.extend_from_slice(&fields.join(&b':'));
        new.push(b'\n');
    }
    if new != text {
        database::write(call, path, new)?;
    }
    if call.sh.files.stat(shadow).is_none() {
        call.sh.files.make(shadow, Kind::File, 0o640).map_err(|errno| call.sh.limit_or(errno, "shadow"))?;
    }
    if hidden != old {
        call.sh.files.write(shadow, hidden, 0o640).map_err(|errno| call.sh.limit_or(errno, "shadow"))?;
    }
    Ok(0)
}
