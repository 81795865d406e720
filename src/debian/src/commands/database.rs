//! The files of users and groups as they are changed: /etc/passwd, shadow, group, gshadow.

use super::accounts;
use crate::files::Bytes;
use crate::sh::{Call, Stop};

/// What a new user is.
pub(super) struct NewUser<'u> {
    pub(super) name: &'u [u8],
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) gecos: &'u [u8],
    pub(super) home: &'u [u8],
    pub(super) shell: &'u [u8],
    pub(super) password: &'u [u8],
    /// Fields of shadow after the day of the last change: `:0:99999:7:::` or `::::::`.
    pub(super) ages: &'u [u8],
}

/// Writes one of the four files, and the backup that shadow's programs keep next to it.
pub(super) fn write(call: &mut Call<'_, '_>, path: &[u8], text: Vec<u8>) -> Result<(), Stop> {
    let old = call.sh.files.read(path).ok();
    let mode = call.sh.files.stat(path).map_or(0o644, |meta| meta.mode);
    let run = || {
        if call.sh.files.stat(b"/etc/.pwd.lock").is_none() {
            call.sh.files.make(b"/etc/.pwd.lock", crate::files::Kind::File, 0o600)?;
        }
        if let Some(old) = old {
            let backup = [path, b"-"].concat();
            let owner = call.sh.files.stat(path).map_or((0, 0), |meta| (meta.uid, meta.gid));
            call.sh.files.write(&backup, old.to_vec(), mode)?;
            call.sh.files.chown(&backup, Some(owner.0), Some(owner.1), true)?;
            call.sh.files.chmod(&backup, mode)?;
        }
        call.sh.files.write(path, text, mode)
    };
    run().map_err(|errno| call.sh.limit_or(errno, "writing the users"))
}

pub(super) fn append(call: &mut Call<'_, '_>, path: &[u8], line: &[u8]) -> Result<(), Stop> {
    let mut text = call.sh.files.read(path).map(|bytes| bytes.to_vec()).unwrap_or_default();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(line);
    text.push(b'\n');
    write(call, path, text)
}

/// The day of the last change of a password.
pub(super) fn today(call: &Call<'_, '_>) -> Bytes {
    call.sh.files.now.div_euclid(86_400).to_string().into_bytes()
}

pub(super) fn add_user(call: &mut Call<'_, '_>, user: &NewUser<'_>) -> Result<(), Stop> {
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    let fields: [&[u8]; 7] =
        [user.name, b"x", uid.as_bytes(), gid.as_bytes(), user.gecos, user.home, user.shell];
    append(call, b"/etc/passwd", &fields.join(&b':'))?;
    if call.sh.files.stat(b"/etc/shadow").is_some() {
        let line = [user.name, b":", user.password, b":", &today(call), user.ages].concat();
        append(call, b"/etc/shadow", &line)?;
    }
    Ok(())
}

pub(super) fn add_group(call: &mut Call<'_, '_>, name: &[u8], gid: u32, password: &[u8]) -> Result<(), Stop> {
    let line = [name, b":x:", gid.to_string().as_bytes(), b":"].concat();
    append(call, b"/etc/group", &line)?;
    if call.sh.files.stat(b"/etc/gshadow").is_some() {
        append(call, b"/etc/gshadow", &[name, b":", password, b"::"].concat())?;
    }
    Ok(())
}

/// Changes the fields of a line of one of the files.
pub(super) fn edit(
    call: &mut Call<'_, '_>,
    path: &[u8],
    name: &[u8],
    change: impl Fn(&mut Vec<Bytes>),
) -> Result<bool, Stop> {
    let text = call.sh.files.read(path).map(|bytes| bytes.to_vec()).unwrap_or_default();
    let (mut out, mut found) = (Vec::new(), false);
    for line in text.split_inclusive(|b| *b == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let mut fields: Vec<Bytes> = bare.split(|b| *b == b':').map(<[u8]>::to_vec).collect();
        if fields.first().is_some_and(|first| first == name) {
            found = true;
            change(&mut fields);
            if fields.is_empty() {
                continue;
            }
            out.extend_from_slice(&fields.join(&b':'));
            out.push(b'\n');
        } else {
            out.extend_from_slice(line);
        }
    }
    if found && out != text {
        write(call, path, out)?;
    }
    Ok(found)
}

/// Makes a user a member of a group.
pub(super) fn add_member(call: &mut Call<'_, '_>, user: &[u8], group: &[u8]) -> Result<(), Stop> {
    let change = |fields: &mut Vec<Bytes>| {
        if let Some(members) = fields.get_mut(3)
            && !members.split(|b| *b == b',').any(|member| member == user)
        {
            if !members.is_empty() {
                members.push(b',');
            }
            members.extend_from_slice(user);
        }
    };
    edit(call, b"/etc/group", group, change)?;
    edit(call, b"/etc/gshadow", group, change)?;
    call.sh.files.joined(user, group).map_err(|errno| call.sh.limit_or(errno, "writing the users"))
}

/// Whose numbers are looked at for one that is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Users,
    Groups,
    Both,
}

/// A number of a range that is not taken.
type Search = fn(std::ops::RangeInclusive<u32>, &dyn Fn(u32) -> bool) -> Option<u32>;

/// A number from `low` to `high` for the system account `name` that nobody has: the first as `search` goes, or one by the name
/// where numbers are to be the same whatever else is installed.
pub(super) fn free(
    call: &Call<'_, '_>,
    name: &[u8],
    of: Of,
    (low, high): (u32, u32),
    search: Search,
) -> Option<u32> {
    let users = accounts::users(&call.sh.files).into_iter().map(|user| user.uid);
    let groups = accounts::groups(&call.sh.files).into_iter().map(|group| group.gid);
    let used: std::collections::BTreeSet<u32> = match of {
        Of::Users => users.collect(),
        Of::Groups => groups.collect(),
        Of::Both => users.chain(groups).collect(),
    };
    // what is kept for an account that is not there yet is nobody else's
    let system = &call.sh.system;
    let kept = |number: &u32| system.users.values().chain(system.groups.values()).any(|kept| kept == number);
    let taken = |number: u32| used.contains(&number) || kept(&number);
    if call.sh.system.stable_ids && high < 1000 {
        return crate::system::number_by_name(name, low, high, &taken);
    }
    search(low..=high, &taken)
}

/// Searches upwards, as adduser does.
pub(super) fn upwards(mut range: std::ops::RangeInclusive<u32>, taken: &dyn Fn(u32) -> bool) -> Option<u32> {
    range.find(|number| !taken(*number))
}

/// Searches downwards, as useradd and systemd-sysusers do for system accounts.
pub(super) fn downwards(range: std::ops::RangeInclusive<u32>, taken: &dyn Fn(u32) -> bool) -> Option<u32> {
    range.rev().find(|number| !taken(*number))
}

/// The number that is fixed for a name, when it is free.
pub(super) fn fixed(call: &Call<'_, '_>, name: &[u8], of_group: bool) -> Option<u32> {
    let name = String::from_utf8_lossy(name);
    let table = if of_group { &call.sh.system.groups } else { &call.sh.system.users };
    table.get(&*name).copied()
}
