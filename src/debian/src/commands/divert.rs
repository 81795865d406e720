//! dpkg-divert and dpkg-statoverride.

use super::mode;
use super::options::parse;
use crate::files::{Bytes, Kind};
use crate::sh::{Call, Stop, pattern};

const DIVERSIONS: &[u8] = b"/var/lib/dpkg/diversions";
const OVERRIDES: &[u8] = b"/var/lib/dpkg/statoverride";

fn lines(call: &Call<'_, '_>, path: &[u8]) -> Vec<Bytes> {
    let text = call.sh.files.read(path).unwrap_or_default();
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

fn store(call: &mut Call<'_, '_>, path: &[u8], lines: &[Bytes]) -> Result<(), Stop> {
    let text: Vec<u8> = lines.iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
    let old = call.sh.files.read(path).ok();
    if let Some(old) = old.filter(|old| **old != text) {
        let backup = [path, b"-old"].concat();
        call.sh
            .files
            .write(&backup, old.to_vec(), 0o644)
            .map_err(|errno| call.sh.limit_or(errno, "dpkg's database"))?;
    }
    super::remove::make_parents(call, crate::files::parent(path), 0o755)?;
    call.sh.files.write(path, text, 0o644).map_err(|errno| call.sh.limit_or(errno, "dpkg's database"))
}

pub(super) fn divert(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("add", b'a'),
        ("remove", b'r'),
        ("list", b'l'),
        ("listpackage", b'p'),
        ("truename", b't'),
        ("divert", b'd'),
        ("package", b'P'),
        ("local", b'L'),
        ("rename", b'R'),
        ("no-rename", b'N'),
        ("quiet", b'q'),
        ("test", b'T'),
        ("admindir", b'A'),
    ];
    let options = parse(call, "arlptd:P:LRNqTA:", &long)?;
    let all = lines(call, DIVERSIONS);
    let mut diversions: Vec<[Bytes; 3]> =
        all.chunks_exact(3).map(|c| [c[0].clone(), c[1].clone(), c[2].clone()]).collect();
    let Some(path) = options.operands.first().cloned() else {
        if options.has(b'l') {
            print(call, &diversions, b"*");
            return Ok(0);
        }
        return Ok(2);
    };
    let default = || [&path[..], b".distrib"].concat();
    match options.last_of(b"arlpt").unwrap_or(b'a') {
        b'l' => print(call, &diversions, &path),
        b't' => {
            let real = diversions.iter().find(|d| d[0] == path).map_or(&path, |d| &d[1]);
            let line = [&real[..], b"\n"].concat();
            call.out.extend_from_slice(&line);
        }
        b'p' => {
            if let Some(found) = diversions.iter().find(|d| d[0] == path) {
                let line = [if found[2] == b":" { b"LOCAL" } else { &found[2][..] }, b"\n"].concat();
                call.out.extend_from_slice(&line);
            }
        }
        b'a' => {
            let to = options.value(b'd').cloned().unwrap_or_else(default);
            let package = if options.has(b'L') {
                b":".to_vec()
            } else {
                let by_env = call.env("DPKG_MAINTSCRIPT_PACKAGE").map(String::into_bytes);
                options.value(b'P').cloned().or(by_env).unwrap_or_else(|| b":".to_vec())
            };
            if let Some(old) = diversions.iter().find(|d| d[0] == path) {
                if old[1] == to && old[2] == package {
                    return Ok(0);
                }
                call.complain("clashes with another diversion");
                return Ok(2);
            }
            if options.has(b'R') && call.sh.files.lstat(&path).is_some() {
                if call.sh.files.lstat(&to).is_some() {
                    call.complain("rename involves overwriting another file");
                    return Ok(2);
                }
                call.sh.files.rename(&path, &to).map_err(|errno| call.sh.limit_or(errno, "a diversion"))?;
            }
            diversions.insert(0, [path, to, package]);
            let all: Vec<Bytes> = diversions.concat();
            store(call, DIVERSIONS, &all)?;
        }
        _ => {
            let Some(at) = diversions.iter().position(|d| d[0] == path) else { return Ok(0) };
            let old = diversions.remove(at);
            if options.value(b'd').is_some_and(|to| *to != old[1])
                || options.value(b'P').is_some_and(|p| *p != old[2])
            {
                call.complain("mismatch on divert-to or package");
                return Ok(2);
            }
            if options.has(b'R') && call.sh.files.lstat(&old[1]).is_some() {
                call.sh
                    .files
                    .rename(&old[1], &path)
                    .map_err(|errno| call.sh.limit_or(errno, "a diversion"))?;
            }
            let all: Vec<Bytes> = diversions.concat();
            store(call, DIVERSIONS, &all)?;
        }
    }
    Ok(0)
}

fn print(call: &mut Call<'_, '_>, diversions: &[[Bytes; 3]], glob: &[u8]) {
    let glob: Vec<(u8, bool)> = glob.iter().map(|b| (*b, false)).collect();
    for [path, to, package] in diversions {
        if pattern::matches(&glob, path, &mut 100_000) || pattern::matches(&glob, to, &mut 100_000) {
            let line = if package == b":" {
                [b"local diversion of ", &path[..], b" to ", to, b"\n"].concat()
            } else {
                [b"diversion of ", &path[..], b" to ", to, b" by ", package, b"\n"].concat()
            };
            call.out.extend_from_slice(&line);
        }
    }
}

pub(super) fn statoverride(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("add", b'a'),
        ("remove", b'r'),
        ("list", b'l'),
        ("update", b'u'),
        ("force", b'f'),
        ("force-all", b'f'),
        ("force-statoverride-add", b'f'),
        ("force-statoverride-remove", b'f'),
        ("quiet", b'q'),
        ("admindir", b'A'),
    ];
    let options = parse(call, "arlufqA:", &long)?;
    let mut all = lines(call, OVERRIDES);
    let of_path = |line: &Bytes, path: &[u8]| line.splitn(4, |b| *b == b' ').nth(3) == Some(path);
    match (options.last_of(b"arl"), &options.operands[..]) {
        (Some(b'l'), operands) => {
            let glob = operands.first().cloned().unwrap_or_else(|| b"*".to_vec());
            let glob: Vec<(u8, bool)> = glob.iter().map(|b| (*b, false)).collect();
            let mut status = 1;
            for line in all {
                if pattern::matches(
                    &glob,
                    line.splitn(4, |b| *b == b' ').nth(3).unwrap_or_default(),
                    &mut 100_000,
                ) {
                    status = 0;
                    call.out.extend_from_slice(&[&line[..], b"\n"].concat());
                }
            }
            Ok(status)
        }
        (Some(b'a'), [user, group, mode, path]) => {
            if let Some(at) = all.iter().position(|line| of_path(line, path)) {
                if !options.has(b'f') {
                    call.complain(&format!(
                        "an override for '{}' already exists",
                        String::from_utf8_lossy(path)
                    ));
                    return Ok(3);
                }
                all.remove(at);
            }
            let owner = [&user[..], b":", group].concat();
            let owner = match mode::owner(&call.sh.files, &owner) {
                Ok(owner) => owner,
                Err(what) => {
                    call.complain(&what);
                    return Ok(2);
                }
            };
            let Some(bits) = mode::apply(mode, 0, false, 0) else { return Err(call.option(mode)) };
            let shown = mode.iter().position(|b| *b != b'0').and_then(|at| mode.get(at..)).unwrap_or(b"0");
            all.push([&user[..], b" ", group, b" ", shown, b" ", path].concat());
            if options.has(b'u') && call.sh.files.stat(path).is_some() {
                let change = call.sh.files.chown(path, owner.0, owner.1, true);
                change
                    .and_then(|()| call.sh.files.chmod(path, bits))
                    .map_err(|errno| call.sh.limit_or(errno, "an override"))?;
            }
            store(call, OVERRIDES, &all)?;
            Ok(0)
        }
        (Some(b'r'), [path]) => {
            let before = all.len();
            all.retain(|line| !of_path(line, path));
            if all.len() == before {
                call.complain("no override present");
                return Ok(if options.has(b'f') { 0 } else { 2 });
            }
            store(call, OVERRIDES, &all)?;
            Ok(0)
        }
        _ => Err(call.unsupported("these arguments")),
    }
}

/// Whether a path is a regular file, a link not followed.
pub(super) fn is_plain(call: &Call<'_, '_>, path: &[u8]) -> bool {
    call.sh.files.lstat(path).is_some_and(|meta| meta.kind == Kind::File)
}
