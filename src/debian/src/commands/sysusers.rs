//! systemd-sysusers.

use super::accounts;
use super::database::{self, NewUser, Of, downwards};
use super::mode::number;
use super::options::parse;
use crate::files::{Bytes, join};
use crate::sh::{Call, Stop};

/// The fields of a line of sysusers.d or tmpfiles.d, quotes taken away. What comes after `most` of them is one more, as it
/// stands there.
pub(super) fn fields(line: &[u8], most: usize) -> Option<Vec<Bytes>> {
    let (mut all, mut field): (Vec<Bytes>, Option<Bytes>) = (Vec::new(), None);
    let mut quote = None;
    let mut bytes = line.iter().copied();
    loop {
        if all.len() == most && field.is_none() {
            let rest: Bytes = bytes.collect();
            all.extend(Some(rest.trim_ascii().to_vec()).filter(|rest| !rest.is_empty()));
            return Some(all);
        }
        let Some(byte) = bytes.next() else { break };
        match (byte, quote) {
            (b' ' | b'\t', None) => all.extend(field.take()),
            (b'"' | b'\'', None) if field.is_none() => {
                quote = Some(byte);
                field = Some(Vec::new());
            }
            (byte, Some(end)) if byte == end => quote = None,
            // escapes are of the field's own sort
            (b'\\', _) => field.get_or_insert_default().extend([b'\\', bytes.next()?]),
            (byte, _) => field.get_or_insert_default().push(byte),
        }
    }
    all.extend(field);
    quote.is_none().then_some(all)
}

/// The files that an argument names: a path, or a name in the directories, or all of them.
pub(super) fn configurations(call: &Call<'_, '_>, operands: &[Bytes], kind: &str) -> Option<Vec<Bytes>> {
    let places =
        ["/etc", "/run", "/usr/local/lib", "/usr/lib"].map(|place| format!("{place}/{kind}").into_bytes());
    let files = &call.sh.files;
    let read = |path: &[u8]| files.read(path).ok().map(|bytes| bytes.to_vec());
    if operands.is_empty() {
        let mut names = std::collections::BTreeMap::new();
        for place in places.iter().rev() {
            let Ok(at) = files.resolve(place, true) else { continue };
            for name in
                files.list(&at).unwrap_or_default().into_iter().filter(|name| name.ends_with(b".conf"))
            {
                names.insert(name.clone(), join(place, &name));
            }
        }
        return Some(names.values().filter_map(|path| read(path)).collect());
    }
    let one = |operand: &Bytes| {
        if operand.contains(&b'/') {
            return read(operand);
        }
        places.iter().find_map(|place| read(&join(place, operand)))
    };
    operands.iter().map(one).collect()
}

/// The greatest system number that no user and no group has.
fn free(call: &Call<'_, '_>, name: &[u8]) -> Option<u32> {
    database::free(call, name, Of::Both, (100, 999), downwards)
}

fn group_for(call: &mut Call<'_, '_>, name: &[u8], wish: Option<u32>) -> Result<Option<u32>, Stop> {
    if let Some(group) = accounts::group(&call.sh.files, name) {
        return Ok(Some(group.gid));
    }
    let taken = |call: &Call<'_, '_>, gid: u32| accounts::groups(&call.sh.files).iter().any(|g| g.gid == gid);
    let wish = database::fixed(call, name, true).or(wish).filter(|gid| !taken(call, *gid));
    let Some(gid) = wish.or_else(|| free(call, name)) else { return Ok(None) };
    database::add_group(call, name, gid, b"!*")?;
    Ok(Some(gid))
}

pub(super) fn sysusers(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "r:R:", &[("replace", b'r'), ("root", b'R')])?;
    if options.value(b'R').is_some_and(|root| root != b"/") {
        return Err(call.option(b"--root"));
    }
    let Some(texts) = configurations(call, &options.operands, "sysusers.d") else {
        return Ok(call.complain("failed to read a configuration file"));
    };
    let mut lines = Vec::new();
    for line in texts.iter().flat_map(|text| text.split(|b| *b == b'\n')).map(<[u8]>::trim_ascii) {
        if !line.is_empty() && !line.starts_with(b"#") {
            match fields(line, usize::MAX) {
                Some(fields) => lines.push(fields),
                None => return Err(call.unsupported(format!("the line `{}`", String::from_utf8_lossy(line)))),
            }
        }
    }
    let text =
        |fields: &[Bytes], at: usize| fields.get(at).filter(|f| *f != b"-").cloned().unwrap_or_default();
    if lines.iter().any(|fields| fields.iter().take(3).any(|f| f.contains(&b'%'))) {
        return Err(call.unsupported("a specifier"));
    }
    for fields in lines.iter().filter(|fields| fields.first().is_some_and(|kind| kind == b"g")) {
        let id = text(fields, 2);
        if is_of_file(call, &text(fields, 1), &id, true) {
            return Err(call.unsupported("the number of a file"));
        }
        group_for(call, &text(fields, 1), number(&id))?;
    }
    for fields in &lines {
        match fields.first().map(|kind| &kind[..]) {
            Some(b"u" | b"u!" | b"u!-") => user(call, fields, &text)?,
            Some(b"m") => {
                let (user, group) = (text(fields, 1), text(fields, 2));
                group_for(call, &group, None)?;
                if accounts::user(&call.sh.files, &user).is_none() {
                    add(call, &user, None, None, fields.get(..0).unwrap_or_default(), &text)?;
                }
                database::add_member(call, &user, &group)?;
            }
            Some(b"g" | b"r") => {}
            _ => return Err(call.unsupported("a line of another sort")),
        }
    }
    Ok(0)
}

/// Whether a number is that of a file's owner, and nobody has said which it is.
fn is_of_file(call: &Call<'_, '_>, name: &[u8], id: &[u8], of_group: bool) -> bool {
    let known = if of_group {
        accounts::group(&call.sh.files, name).is_some()
    } else {
        accounts::user(&call.sh.files, name).is_some()
    };
    id.starts_with(b"/") && !known && database::fixed(call, name, of_group).is_none()
}

fn user(
    call: &mut Call<'_, '_>,
    fields: &[Bytes],
    text: &dyn Fn(&[Bytes], usize) -> Bytes,
) -> Result<(), Stop> {
    let (name, id) = (text(fields, 1), text(fields, 2));
    if accounts::user(&call.sh.files, &name).is_some() {
        return Ok(());
    }
    if is_of_file(call, &name, &id, false) {
        return Err(call.unsupported("the number of a file"));
    }
    let (uid, group) = match id.iter().position(|b| *b == b':') {
        Some(at) => {
            (id.get(..at).unwrap_or_default().to_vec(), Some(id.get(at + 1..).unwrap_or_default().to_vec()))
        }
        None => (id, None),
    };
    let gid = match &group {
        Some(group) => {
            match accounts::group(&call.sh.files, group).map(|g| g.gid).or_else(|| number(group)) {
                Some(gid) => Some(gid),
                None => return Err(call.unsupported("a group that is not there")),
            }
        }
        None => None,
    };
    add(call, &name, number(&uid), gid, fields, text)
}

fn add(
    call: &mut Call<'_, '_>,
    name: &[u8],
    uid: Option<u32>,
    gid: Option<u32>,
    fields: &[Bytes],
    text: &dyn Fn(&[Bytes], usize) -> Bytes,
) -> Result<(), Stop> {
    let taken = |call: &Call<'_, '_>, uid: u32| accounts::users(&call.sh.files).iter().any(|u| u.uid == uid);
    let wish = database::fixed(call, name, false).or(uid).filter(|uid| !taken(call, *uid));
    let gid = match gid {
        Some(gid) => Some(gid),
        None => group_for(call, name, wish)?,
    };
    let uid =
        wish.or_else(|| gid.filter(|gid| *gid < 1000 && !taken(call, *gid))).or_else(|| free(call, name));
    let (Some(uid), Some(gid)) = (uid, gid) else { return Err(call.unsupported("no number that is free")) };
    let or = |text: Bytes, otherwise: &[u8]| if text.is_empty() { otherwise.to_vec() } else { text };
    let (gecos, home, shell) =
        (text(fields, 3), or(text(fields, 4), b"/"), or(text(fields, 5), b"/usr/sbin/nologin"));
    let locked = fields.first().is_some_and(|kind| kind.starts_with(b"u!"));
    let ages: &[u8] = if locked { b":::::1:" } else { b"::::::" };
    database::add_user(
        call,
        &NewUser { name, uid, gid, gecos: &gecos, home: &home, shell: &shell, password: b"!*", ages },
    )
}
