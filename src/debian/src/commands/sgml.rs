//! sgml-base's `update-catalog`: catalogs of SGML, and the one that lists them all.

use crate::files::{Bytes, Kind, join};
use crate::sh::{Call, Stop};

const DIRECTORY: &[u8] = b"/etc/sgml";
const SUPER: &[u8] = b"/var/lib/sgml-base/supercatalog";

pub(super) fn update(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let (options, operands): (Vec<&Bytes>, Vec<&Bytes>) =
        call.args.iter().partition(|arg| arg.starts_with(b"--"));
    let has = |name: &[u8]| options.iter().any(|option| *option == name);
    let known: [&[u8]; 5] = [b"--quiet", b"--add", b"--remove", b"--super", b"--update-super"];
    if let Some(other) = options.iter().find(|option| !known.contains(&&option[..])) {
        return Err(call.option(other));
    }
    match (has(b"--add"), has(b"--remove"), has(b"--update-super"), &operands[..]) {
        (false, false, true, []) => update_super(call),
        (true, false, false, [_]) | (false, true, false, [_]) if has(b"--super") => {
            call.sh.system.triggers.insert("/etc/sgml".to_owned());
            Ok(0)
        }
        (add, remove, false, [catalog, entry]) if add != remove && !has(b"--super") => {
            let (catalog, entry) = ((*catalog).clone(), (*entry).clone());
            change(call, &catalog, &entry, add)
        }
        _ => Err(call.unsupported("these arguments")),
    }
}

/// Whether a path is a pattern that means just itself wherever a dot is a dot.
fn is_plain(entry: &[u8]) -> bool {
    entry.iter().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(b))
}

fn change(call: &mut Call<'_, '_>, catalog: &[u8], entry: &[u8], add: bool) -> Result<u8, Stop> {
    if entry.is_empty() || !is_plain(entry) {
        return Err(call.unsupported("an entry that is a pattern"));
    }
    let path = call.path(catalog);
    let mut lines: Vec<Bytes> = match call.sh.files.read(&path) {
        Ok(text) => {
            let matches = |line: &[u8]| {
                line.windows(entry.len())
                    .any(|part| part.iter().zip(entry).all(|(a, b)| *b == b'.' || a == b))
            };
            lines_of(&text).into_iter().filter(|line| !matches(line)).collect()
        }
        Err(_) => {
            let Ok(template) = call.sh.files.read(b"/usr/share/sgml-base/catalog.centralized") else {
                return Ok(call.complain("cannot open template"));
            };
            lines_of(&template).into_iter().map(|line| first_replaced(&line, b"CATALOG", catalog)).collect()
        }
    };
    if add {
        lines.push([b"CATALOG ", entry].concat());
    }
    let old = [&path[..], b".old"].concat();
    let mut done = Ok(());
    if call.sh.files.stat(&path).is_some_and(|meta| meta.kind == Kind::File) {
        if call.sh.files.stat(&old).is_some() {
            done = call.sh.files.unlink(&old);
        }
        done = done.and_then(|()| call.sh.files.rename(&path, &old));
    }
    let text: Bytes = lines.into_iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
    match done.and_then(|()| call.sh.files.write(&path, text, 0o644)) {
        Ok(()) => Ok(0),
        Err(errno) => call.errno("cannot write", catalog, errno),
    }
}

fn lines_of(text: &[u8]) -> Vec<Bytes> {
    text.split_inclusive(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec())
        .collect()
}

fn first_replaced(line: &[u8], what: &[u8], with: &[u8]) -> Bytes {
    match line.windows(what.len()).position(|part| part == what) {
        Some(at) => {
            [line.get(..at).unwrap_or_default(), with, line.get(at + what.len()..).unwrap_or_default()]
                .concat()
        }
        None => line.to_vec(),
    }
}

/// Whether all catalogs that a catalog refers to are there.
fn is_whole(call: &Call<'_, '_>, path: &[u8]) -> bool {
    let Ok(text) = call.sh.files.read(path) else { return false };
    let mut base = crate::files::parent(path).to_vec();
    let mut expects: Option<&[u8]> = None;
    for token in tokens(&text) {
        if let Some(what) = expects.take() {
            let bare = match token {
                [open @ (b'"' | b'\''), inner @ .., close] if open == close => inner,
                token => token,
            };
            if what == b"base" {
                base = bare.to_vec();
            } else {
                let path = if bare.starts_with(b"/") { bare.to_vec() } else { join(&base, bare) };
                if call.sh.files.stat(&path).is_none_or(|meta| meta.kind != Kind::File) {
                    return false;
                }
            }
        } else if token.eq_ignore_ascii_case(b"catalog") {
            expects = Some(b"catalog");
        } else if token.eq_ignore_ascii_case(b"base") {
            expects = Some(b"base");
        }
    }
    true
}

/// Words and quoted texts, without blanks and comments.
fn tokens(text: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some(first) = rest.first() {
        let end_of = |end: &[u8], from: usize| {
            let tail = rest.get(from..).unwrap_or_default();
            tail.windows(end.len()).position(|part| part == end).map(|at| from + at + end.len())
        };
        let word = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let comment = if rest.starts_with(b"--") { end_of(b"--", 2) } else { None };
        let end = match (comment, first) {
            (Some(end), _) => end,
            (None, b'"' | b'\'') => end_of(&[*first], 1).unwrap_or(word),
            _ => word,
        };
        let (token, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if comment.is_none() {
            all.push(token);
        }
        rest = after.trim_ascii_start();
    }
    all
}

fn update_super(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let names = match call.sh.files.list(DIRECTORY) {
        Ok(names) => names,
        Err(errno) => return call.errno("cannot open catalog directory", DIRECTORY, errno),
    };
    let mut text =
        b"--\n## This file is created by update-catalog with update-super.\n## Please see update-catalog(8) for how to modify this file.\n--\n"
            .to_vec();
    for name in
        names.iter().filter(|name| name.len() > 4 && !name.starts_with(b".") && name.ends_with(b".cat"))
    {
        let path = join(DIRECTORY, name);
        if is_whole(call, &path) {
            text.extend_from_slice(&[b"CATALOG ", &path[..], b"\n"].concat());
        }
    }
    let (new, old) = ([SUPER, b".new"].concat(), [SUPER, b".old"].concat());
    let mut done = call.sh.files.write(&new, text, 0o644);
    if done.is_ok() && call.sh.files.stat(SUPER).is_some() {
        done = call.sh.files.rename(SUPER, &old);
    }
    match done.and_then(|()| call.sh.files.rename(&new, SUPER)) {
        Ok(()) => Ok(0),
        Err(errno) => call.errno("cannot write", SUPER, errno),
    }
}
