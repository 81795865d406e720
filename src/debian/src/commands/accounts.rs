//! Users and groups as the tree's files have them.

use crate::files::{Bytes, Files};

/// A line of /etc/passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: Bytes,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) gecos: Bytes,
    pub(crate) home: Bytes,
    pub(crate) shell: Bytes,
    pub(crate) line: Bytes,
}

/// A line of /etc/group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: Bytes,
    pub(crate) gid: u32,
    pub(crate) members: Vec<Bytes>,
    pub(crate) line: Bytes,
}

fn lines(files: &Files<'_>, path: &[u8]) -> Vec<Bytes> {
    let text = files.read(path).unwrap_or_default();
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

fn number(field: Option<&&[u8]>) -> Option<u32> {
    std::str::from_utf8(field?).ok()?.parse().ok()
}

/// All users.
pub(crate) fn users(files: &Files<'_>) -> Vec<User> {
    let parse = |line: Bytes| {
        let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
        let field = |at: usize| fields.get(at).map(|f| f.to_vec()).unwrap_or_default();
        let (uid, gid) = (number(fields.get(2))?, number(fields.get(3))?);
        Some(User {
            name: field(0),
            uid,
            gid,
            gecos: field(4),
            home: field(5),
            shell: field(6),
            line: line.clone(),
        })
    };
    lines(files, b"/etc/passwd").into_iter().filter_map(parse).collect()
}

/// All groups.
pub(crate) fn groups(files: &Files<'_>) -> Vec<Group> {
    let parse = |line: Bytes| {
        let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
        let members = fields.get(3).copied().unwrap_or_default();
        let members = members.split(|b| *b == b',').filter(|m| !m.is_empty()).map(<[u8]>::to_vec).collect();
        Some(Group {
            name: fields.first()?.to_vec(),
            gid: number(fields.get(2))?,
            members,
            line: line.clone(),
        })
    };
    lines(files, b"/etc/group").into_iter().filter_map(parse).collect()
}

/// The user of a name.
pub(crate) fn user(files: &Files<'_>, name: &[u8]) -> Option<User> {
    users(files).into_iter().find(|user| user.name == name)
}

/// The group of a name.
pub(crate) fn group(files: &Files<'_>, name: &[u8]) -> Option<Group> {
    groups(files).into_iter().find(|group| group.name == name)
}
