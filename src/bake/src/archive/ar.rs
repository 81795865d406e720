//! The container of a `.deb`, deb(5): an `ar` archive with three members in a fixed order.
//!
//! ```text
//! !<arch>\n
//! debian-binary              "2.0\n"
//! control.tar[.gz|.xz|.zst]
//! data.tar[.gz|.xz|.zst]
//! ```
//! Each member has a header of 60 bytes, and is followed by a newline when its size is odd. Members whose names start
//! with `_`, such as `_gpgorigin`, are ignored between those three and behind them, as deb(5) has it. There is nothing
//! else: no other member behind `data.tar`, no name table. All headers are read before anything is decompressed.

use super::decompress::Form;
use std::io::{self, Read, Seek, SeekFrom};

/// How many members are ignored; signatures of packages are one or two.
const MAX_IGNORED: usize = 16;

/// Where the two archives of a `.deb` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// `control.tar`.
    pub control: Part,
    /// `data.tar`.
    pub data: Part,
}

/// A member of a `.deb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// How it is compressed.
    pub form: Form,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub size: u64,
}

/// Why a file is not an `.deb`.
#[derive(Debug, thiserror::Error)]
pub enum ArError {
    /// It could not be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// Its structure is another.
    #[error("not a Debian 2.0 package: {0}")]
    Form(String),
}

/// Reads the structure of the `.deb` in `input`, which is `length` bytes long.
pub fn layout<R: Read + Seek>(input: &mut R, length: u64) -> Result<Layout, ArError> {
    let mut magic = [0; 8];
    read_at(input, 0, &mut magic, "its first 8 bytes")?;
    if &magic != b"!<arch>\n" {
        return Err(form("it does not start with `!<arch>`"));
    }
    let (version, at) = member(input, 8, length)?;
    if version.name != "debian-binary" {
        return Err(form(format!("first member, expected `debian-binary`, found `{}`", version.name)));
    }
    check_version(input, &version)?;
    let mut ignored = MAX_IGNORED;
    let at = behind_ignored(input, at, length, &mut ignored)?;
    let (control, at) = part(input, at, length, "control.tar")?;
    let at = behind_ignored(input, at, length, &mut ignored)?;
    let (data, at) = part(input, at, length, "data.tar")?;
    let at = behind_ignored(input, at, length, &mut ignored)?;
    if at != length {
        let left = length.saturating_sub(at);
        return Err(form(format!("{left} bytes of trailing data")));
    }
    Ok(Layout { control, data })
}

/// Where the first member at or behind `at` starts that is not to be ignored, or the end.
fn behind_ignored<R: Read + Seek>(
    input: &mut R,
    mut at: u64,
    length: u64,
    left: &mut usize,
) -> Result<u64, ArError> {
    while at < length {
        let mut first = [0; 1];
        read_at(input, at, &mut first, "a member's header")?;
        if &first != b"_" {
            break;
        }
        *left = left.checked_sub(1).ok_or_else(|| {
            form(format!("members that start with `_`, expected at most {MAX_IGNORED}, found more"))
        })?;
        (_, at) = member(input, at, length)?;
    }
    Ok(at)
}

struct Header {
    name: String,
    offset: u64,
    size: u64,
}

/// The member `wanted` with the end of its name telling how it is compressed, and where the next one starts.
fn part<R: Read + Seek>(input: &mut R, at: u64, length: u64, expected: &str) -> Result<(Part, u64), ArError> {
    let (header, next) = member(input, at, length)?;
    let form_of = header.name.strip_prefix(expected).and_then(Form::of_extension);
    let Some(form_of) = form_of else {
        return Err(form(format!(
            "member, expected `{expected}` as it is or with .gz, .xz or .zst, found `{}`",
            header.name
        )));
    };
    Ok((Part { form: form_of, offset: header.offset, size: header.size }, next))
}

/// The member whose header is at `at`, and where the next one starts.
fn member<R: Read + Seek>(input: &mut R, at: u64, length: u64) -> Result<(Header, u64), ArError> {
    let mut header = [0; 60];
    read_at(input, at, &mut header, "a member's header")?;
    let [name, date, uid, gid, mode, size, end] =
        [0..16, 16..28, 28..34, 34..40, 40..48, 48..58, 58..60].map(|r| &header[r]);
    if end != b"`\n" {
        return Err(form(format!("bad member header at byte {at}")));
    }
    let name = member_name(name).ok_or_else(|| form(format!("bad member name at byte {at}")))?;
    for (field, radix) in [(date, 10), (uid, 10), (gid, 10), (mode, 8)] {
        if !field.starts_with(b" ") && number(field, radix).is_none() {
            return Err(form(format!("member `{name}` has a non-numeric header field")));
        }
    }
    let size = number(size, 10).ok_or_else(|| form(format!("member `{name}` has a non-numeric size")))?;
    let offset = at + 60;
    let next = offset + size + (size & 1);
    if next > length {
        return Err(form(format!(
            "member `{name}` is truncated: expected {next} bytes in all, found {length}"
        )));
    }
    if size & 1 == 1 {
        let mut pad = [0; 1];
        read_at(input, next - 1, &mut pad, "a pad byte")?;
        if &pad != b"\n" {
            return Err(form(format!("member `{name}` is not followed by a newline")));
        }
    }
    Ok((Header { name, offset, size }, next))
}

/// A name is padded with blanks, and may end in one slash as GNU ar writes it.
fn member_name(field: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(field).ok()?.trim_end_matches(' ');
    let text = text.strip_suffix('/').unwrap_or(text);
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    fits.then(|| text.to_owned())
}

/// Digits, then only blanks.
fn number(field: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_end_matches(' ');
    // from_str_radix takes a sign
    if text.bytes().all(|b| b.is_ascii_digit()) { u64::from_str_radix(text, radix).ok() } else { None }
}

fn check_version<R: Read + Seek>(input: &mut R, header: &Header) -> Result<(), ArError> {
    let wrong = || form("`debian-binary`, expected `2.` and a number on one line");
    let mut text = [0; 8];
    let text = usize::try_from(header.size).ok().and_then(|size| text.get_mut(..size)).ok_or_else(wrong)?;
    read_at(input, header.offset, text, "`debian-binary`")?;
    let minor = text.strip_prefix(b"2.").and_then(|rest| rest.strip_suffix(b"\n")).ok_or_else(wrong)?;
    if minor.is_empty() || !minor.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    Ok(())
}

fn read_at<R: Read + Seek>(input: &mut R, at: u64, into: &mut [u8], what: &str) -> Result<(), ArError> {
    input.seek(SeekFrom::Start(at)).map_err(ArError::Read)?;
    input.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => form(format!("unexpected end of file within {what}")),
        _ => ArError::Read(error),
    })
}

fn form(what: impl Into<String>) -> ArError {
    ArError::Form(what.into())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::ar as deb;
    use super::*;

    fn check(bytes: &[u8]) -> Result<Layout, String> {
        layout(&mut io::Cursor::new(bytes), bytes.len() as u64).map_err(|error| error.to_string())
    }

    const GOOD: [(&str, &[u8]); 3] =
        [("debian-binary", b"2.0\n"), ("control.tar.xz", b"abc"), ("data.tar.zst", b"defg")];

    #[test]
    fn a_package_of_three_members_is_read() {
        let control = Part { form: Form::Xz, offset: 132, size: 3 };
        let data = Part { form: Form::Zstd, offset: 196, size: 4 };
        assert_eq!(check(&deb(&GOOD)), Ok(Layout { control, data }));
        let slashes = [("debian-binary/", GOOD[0].1), ("control.tar/", b"abc"), ("data.tar.gz/", b"")];
        assert_eq!(check(&deb(&slashes)).unwrap().data.form, Form::Gzip);
    }

    #[test]
    fn members_missing_out_of_order_twice_or_unknown_are_refused() {
        let [binary, control, data] = GOOD;
        let cases: &[&[(&str, &[u8])]] = &[
            &[],
            &[binary],
            &[binary, control],
            &[control, binary, data],
            &[binary, data, control],
            &[binary, control, data, data],
            &[binary, control, data, ("extra", b"")],
            &[binary, ("gpgbuilder", b""), control, data],
            &[("_gpgorigin", b""), binary, control, data],
            &[binary, control, data, ("_gpgorigin", b""), data],
            &[binary, ("_control.tar.xz", b"abc"), data],
            &[binary, control, control, data],
            &[binary, ("control.tar.bz2", b"abc"), data],
            &[binary, ("control.tar.xz.gz", b"abc"), data],
            &[binary, ("control.tarx", b"abc"), data],
            &[("debian-binary", b"3.0\n"), control, data],
            &[("debian-binary", b"2.0"), control, data],
            &[("debian-binary", b"2.\n"), control, data],
            &[("debian-binary", b"2.0\nmore\n"), control, data],
            &[("debian-binary", b""), control, data],
        ];
        for case in cases {
            let error = check(&deb(case)).unwrap_err();
            assert!(error.starts_with("not a Debian 2.0 package"), "{case:?}: {error}");
        }
    }

    #[test]
    fn members_that_deb_5_says_to_ignore_are_ignored() {
        let [binary, control, data] = GOOD;
        let origin: (&str, &[u8]) = ("_gpgorigin", b"signed\n");
        let plain = check(&deb(&GOOD)).unwrap();
        let size = |part: Part| (part.form, part.size);
        let cases: &[&[(&str, &[u8])]] = &[
            &[binary, origin, control, data],
            &[binary, control, origin, data],
            &[binary, control, data, origin],
            &[binary, control, data, origin, ("_gpgbuilder/", b"")],
            &[binary, origin, origin, control, origin, data, origin],
            &[binary, ("_control.tar.xz", b"another"), control, ("_data.tar.zst", b""), data],
        ];
        for case in cases {
            let layout = check(&deb(case)).unwrap();
            assert_eq!(size(layout.control), size(plain.control), "{case:?}");
            assert_eq!(size(layout.data), size(plain.data), "{case:?}");
        }
        let whole = deb(&[binary, control, data, origin]);
        for cut in deb(&GOOD).len() + 1..whole.len() {
            assert!(check(&whole[..cut]).is_err(), "{cut}");
        }
        let mut many = GOOD.to_vec();
        many.extend([origin; MAX_IGNORED]);
        assert!(check(&deb(&many)).is_ok());
        many.push(origin);
        assert!(check(&deb(&many)).unwrap_err().ends_with("expected at most 16, found more"));
    }

    #[test]
    fn bad_sizes_and_fields_are_refused() {
        let good = deb(&GOOD);
        for (at, with) in [
            (8 + 48, &b"-4        "[..]),
            (8 + 48, b"+4        "),
            (8 + 48, b"4 4       "),
            (8 + 48, b"0x4       "),
            (8 + 48, b"          "),
            (8 + 48, b"9999999999"),
            (8 + 48, b"5         "),
            (8 + 58, b"``"),
            (8 + 16, b"x"),
            (8 + 40, b"9"),
            (8, b"debian\0binary"),
            (0, b"!<arch>\r"),
            (135, b"x"),
        ] {
            let mut bad = good.clone();
            bad[at..at + with.len()].copy_from_slice(with);
            let error = check(&bad).unwrap_err();
            assert!(error.starts_with("not a Debian 2.0 package"), "{at} {with:?}: {error}");
        }
    }

    #[test]
    fn a_package_cut_anywhere_is_refused() {
        let good = deb(&GOOD);
        for cut in 0..good.len() {
            assert!(check(&good[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn data_after_the_last_member_is_refused() {
        for tail in [&b"\n"[..], b"\0", b"!<arch>\n"] {
            let bad = [&deb(&GOOD)[..], tail].concat();
            assert!(check(&bad).unwrap_err().starts_with("not a Debian 2.0 package: "), "{tail:?}");
        }
    }
}
