//! PAX extended header records: `<length> <key>=<value>\n`, POSIX.1-2017 pax "Extended Header".
//!
//! Each key at most once, and only keys whose meaning is known: an unknown one may change what an entry is
//! for a reader that knows it.

use std::collections::BTreeMap;

/// What the records of one header say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<u64>,
    pub user: Option<Vec<u8>>,
    pub group: Option<Vec<u8>>,
    /// Extended attributes by their full name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// Reads all records of a header's content. The error says what is wrong.
pub(super) fn parse(mut rest: &[u8]) -> Result<Pax, String> {
    let mut pax = Pax::default();
    let mut seen = std::collections::BTreeSet::new();
    if rest.is_empty() {
        return Err("extended header without records".to_owned());
    }
    while !rest.is_empty() {
        let (key, value, after) = record(rest).ok_or("extended header with a bad record")?;
        rest = after;
        if !seen.insert(key) {
            return Err(format!("extended header with a duplicate `{key}`"));
        }
        take(&mut pax, key, value)?;
    }
    Ok(pax)
}

/// The first record's key and value, and what is after it.
fn record(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    // no record is longer than its header, whose limit has fewer than 8 digits
    let blank = bytes.iter().take(8).position(|&b| b == b' ')?;
    let length = decimal(&bytes[..blank])?;
    let length =
        usize::try_from(length).ok().filter(|&length| length > blank + 1 && length <= bytes.len())?;
    let body = bytes[blank + 1..length].strip_suffix(b"\n")?;
    let equals = body.iter().position(|&b| b == b'=')?;
    let key = std::str::from_utf8(&body[..equals]).ok().filter(|key| !key.is_empty())?;
    Some((key, &body[equals + 1..], &bytes[length..]))
}

fn take(pax: &mut Pax, key: &str, value: &[u8]) -> Result<(), String> {
    let wrong = || format!("extended header with a bad `{key}`");
    let text = || (!value.is_empty() && !value.contains(&0)).then(|| Some(value.to_vec())).ok_or_else(wrong);
    let number = || decimal(value).map(Some).ok_or_else(wrong);
    match key {
        "path" => pax.path = text()?,
        "linkpath" => pax.link = text()?,
        "size" => pax.size = number()?,
        "uid" => pax.uid = number()?,
        "gid" => pax.gid = number()?,
        "mtime" => pax.mtime = Some(seconds(value).ok_or_else(wrong)?),
        "uname" => pax.user = text()?,
        "gname" => pax.group = text()?,
        // said of the file where it was packed; nothing of an image has them
        "atime"
        | "ctime"
        | "comment"
        | "LIBARCHIVE.creationtime"
        | "SCHILY.dev"
        | "SCHILY.ino"
        | "SCHILY.nlink" => {}
        _ => match key.strip_prefix("SCHILY.xattr.") {
            Some(name) if !name.is_empty() => {
                pax.xattrs.insert(name.to_owned(), value.to_vec());
            }
            _ => return Err(format!("extended header with the unknown key `{key}`")),
        },
    }
    Ok(())
}

/// A decimal number without sign, blanks or leading zeros.
fn decimal(bytes: &[u8]) -> Option<u64> {
    let plain =
        !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) && (bytes.len() == 1 || bytes[0] != b'0');
    if plain { std::str::from_utf8(bytes).ok()?.parse().ok() } else { None }
}

/// The whole seconds of a time that may have a fraction; times before 1970 are refused.
fn seconds(bytes: &[u8]) -> Option<u64> {
    let dot = bytes.iter().position(|&b| b == b'.').unwrap_or(bytes.len());
    let fraction = bytes.get(dot + 1..).unwrap_or_default();
    if fraction.iter().all(u8::is_ascii_digit) { decimal(&bytes[..dot]) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_records_are_read() {
        let pax = parse(b"12 path=a/b\n14 linkpath=c\n10 size=7\n20 mtime=1234.56789\n").unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!((pax.link, pax.size, pax.mtime), (Some(b"c".to_vec()), Some(7), Some(1234)));
        let xattr = parse(b"31 SCHILY.xattr.user.x=\x00\x01=\n456\n").unwrap();
        assert_eq!(xattr.xattrs["user.x"], b"\x00\x01=\n456");
    }

    #[test]
    fn bad_records_are_refused() {
        for case in [
            &b""[..],
            b"12 path=a/b",
            b"11 path=a/b\n",
            b"13 path=a/b\n",
            b"012 path=a/b\n",
            b"+12 path=a/b\n",
            b" 12 path=a/b\n",
            b"9223372036854775808 path=a\n",
            b"99999999999999999999999999 path=a\n",
            b"0 \n",
            b"3 \n",
            b"5 =a\n",
            b"8 path=\n",
            b"10 path=\0\n\n",
            b"10 size=x\n",
            b"11 size=-1\n",
            b"11 size=07\n",
            b"11 mtime=-1\n",
            b"12 path=a/b\n12 path=a/b\n",
            b"22 GNU.sparse.major=1\n",
            b"19 hdrcharset=BINA\n",
            b"12 path=a/b\n\0",
        ] {
            assert!(parse(case).is_err(), "{:?}", String::from_utf8_lossy(case));
        }
    }
}
