//! Modes and owners as arguments: `u+rwX,g-w`, `0755`, `root:adm`.

use super::accounts;
use crate::files::Files;

/// The mode that an argument of chmod makes of `old`. `None` when it is none.
pub(super) fn apply(text: &[u8], old: u32, directory: bool, umask: u32) -> Option<u32> {
    if !text.is_empty() && text.iter().all(|b| matches!(b, b'0'..=b'7')) {
        let mode =
            u32::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok().filter(|mode| *mode <= 0o7777)?;
        // chmod keeps set-user-ID and set-group-ID of directories unless five digits are given
        return Some(if directory && text.len() < 5 { mode | (old & 0o6000) } else { mode });
    }
    text.split(|b| *b == b',').try_fold(old, |mode, clause| clause_of(clause, mode, directory, umask))
}

fn clause_of(clause: &[u8], old: u32, directory: bool, umask: u32) -> Option<u32> {
    let at = clause.iter().position(|b| matches!(b, b'+' | b'-' | b'='))?;
    let (who, mut rest) = clause.split_at_checked(at)?;
    let mut mask = 0;
    for letter in who {
        mask |= match letter {
            b'u' => 0o4700,
            b'g' => 0o2070,
            b'o' => 0o1007,
            b'a' => 0o7777,
            _ => return None,
        };
    }
    let limited = who.is_empty();
    if limited {
        mask = 0o7777;
    }
    let mut mode = old;
    while let Some((op, tail)) = rest.split_first() {
        let end = tail.iter().position(|b| matches!(b, b'+' | b'-' | b'=')).unwrap_or(tail.len());
        let (letters, next) = tail.split_at_checked(end)?;
        rest = next;
        let mut bits = 0;
        for letter in letters {
            bits |= match letter {
                b'r' => 0o444,
                b'w' => 0o222,
                b'x' => 0o111,
                b'X' if directory || mode & 0o111 != 0 => 0o111,
                b'X' => 0,
                b's' => 0o6000,
                b't' => 0o1000,
                b'u' => spread(mode >> 6),
                b'g' => spread(mode >> 3),
                b'o' => spread(mode),
                _ => return None,
            };
        }
        bits &= mask;
        if limited {
            bits &= !umask | 0o7000;
        }
        match op {
            b'+' => mode |= bits,
            b'-' => mode &= !bits,
            b'=' => {
                let kept = if directory { mask & 0o6000 & mode } else { 0 };
                let cleared = if limited { 0o777 & !umask | 0o7000 } else { mask };
                mode = (mode & !cleared) | bits | kept;
            }
            _ => return None,
        }
    }
    Some(mode)
}

fn spread(bits: u32) -> u32 {
    (bits & 7) * 0o111
}

/// The numbers that `user:group` stands for. The error names what is not there.
pub(super) fn owner(files: &Files<'_>, text: &[u8]) -> Result<(Option<u32>, Option<u32>), String> {
    let shown = || String::from_utf8_lossy(text).into_owned();
    let at = text
        .iter()
        .position(|b| *b == b':')
        .or_else(|| text.iter().position(|b| *b == b'.').filter(|_| accounts::user(files, text).is_none()));
    let (user, group) = match at {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    };
    let uid = match user {
        b"" => None,
        user => Some(
            accounts::user(files, user)
                .map(|u| u.uid)
                .or_else(|| number(user))
                .ok_or_else(|| format!("invalid user: '{}'", shown()))?,
        ),
    };
    let gid = match group {
        None => None,
        Some(b"") => accounts::user(files, user).map(|u| u.gid),
        Some(group) => Some(
            accounts::group(files, group)
                .map(|g| g.gid)
                .or_else(|| number(group))
                .ok_or_else(|| format!("invalid group: '{}'", shown()))?,
        ),
    };
    Ok((uid, gid))
}

/// A number of a user or group.
pub(super) fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text)
        .ok()
        .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|t| t.parse().ok())
}
