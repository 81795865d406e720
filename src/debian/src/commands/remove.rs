//! rm, rmdir, mkdir, mktemp, touch, chmod, chown, chgrp.

use super::mode;
use super::options::parse;
use crate::files::{Bytes, Errno, Kind, join};
use crate::sh::{Call, Stop};

pub(super) fn rm(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("recursive", b'r'),
        ("force", b'f'),
        ("verbose", b'v'),
        ("dir", b'd'),
        ("one-file-system", b'x'),
        ("interactive", b'i'),
        ("preserve-root", b'x'),
    ];
    let options = parse(call, "rRfvdiIx", &long)?;
    let recursive = options.has(b'r') || options.has(b'R');
    let mut status = 0;
    for path in &options.operands {
        let whole = call.path(path);
        let bare = whole.strip_suffix(b"/").filter(|p| !p.is_empty()).unwrap_or(&whole);
        if matches!(crate::files::base_name(path), b"." | b"..")
            || whole.iter().all(|b| *b == b'/') && !whole.is_empty()
        {
            status = call.complain("refusing to remove '.' or '..' directory");
            continue;
        }
        let meta =
            if bare.len() < whole.len() { call.sh.files.stat(bare) } else { call.sh.files.lstat(bare) };
        let result = match meta.map(|meta| meta.kind) {
            None if options.has(b'f') => Ok(()),
            None => Err(call.sh.files.resolve(bare, false).err().unwrap_or(Errno::NoEntry)),
            Some(Kind::Directory)
                if recursive
                    && bare.len() < whole.len()
                    && call.sh.files.lstat(bare).is_some_and(|m| m.kind != Kind::Directory) =>
            {
                Err(Errno::NotDirectory)
            }
            Some(Kind::Directory) if recursive => call.sh.files.remove_all(bare),
            Some(Kind::Directory) if options.has(b'd') => call.sh.files.rmdir(bare),
            Some(Kind::Directory) => Err(Errno::IsDirectory),
            Some(_) => call.sh.files.unlink(bare),
        };
        if let Err(errno) = result {
            status = call.errno("cannot remove", path, errno)?;
        } else if options.has(b'v') {
            call.out.extend_from_slice(&[b"removed '", &path[..], b"'\n"].concat());
        }
    }
    if options.operands.is_empty() && !options.has(b'f') {
        status = call.complain("missing operand");
    }
    Ok(status)
}

pub(super) fn rmdir(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [("parents", b'p'), ("ignore-fail-on-non-empty", b'i'), ("verbose", b'v')];
    let options = parse(call, "piv", &long)?;
    let mut status = 0;
    for path in &options.operands {
        let mut path: &[u8] = path;
        loop {
            match call.sh.files.rmdir(&call.path(path)) {
                Ok(()) => {}
                Err(Errno::NotEmpty) if options.has(b'i') => break,
                Err(errno) => {
                    status = call.errno("failed to remove", path, errno)?;
                    break;
                }
            }
            match path.iter().rposition(|b| *b == b'/').filter(|at| *at > 0) {
                Some(at) if options.has(b'p') => path = path.get(..at).unwrap_or_default(),
                _ => break,
            }
        }
    }
    Ok(status)
}

/// Makes a directory and those above it that are missing, with this mode.
pub(super) fn make_parents(call: &mut Call<'_, '_>, path: &[u8], mode: u32) -> Result<u8, Stop> {
    let whole = call.path(path);
    let mut at: Bytes = b"/".to_vec();
    for part in whole.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
        at = join(&at, part);
        match call.sh.files.stat(&at).map(|meta| meta.kind) {
            Some(Kind::Directory) => {}
            Some(_) => return call.errno("cannot create directory", path, Errno::NotDirectory),
            None => {
                if let Err(errno) = call.sh.files.make(&at, Kind::Directory, mode) {
                    return call.errno("cannot create directory", path, errno);
                }
            }
        }
    }
    Ok(0)
}

pub(super) fn mkdir(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "pm:vZ", &[("parents", b'p'), ("mode", b'm'), ("verbose", b'v')])?;
    let mut status = 0;
    let umask = call.sh.s.umask;
    if options.operands.is_empty() {
        return Ok(call.complain("missing operand"));
    }
    for path in &options.operands {
        let whole = call.path(path);
        if options.has(b'p') && call.sh.files.stat(&whole).is_some_and(|m| m.kind == Kind::Directory) {
            continue;
        }
        if options.has(b'p') && path.contains(&b'/') {
            let above = crate::files::parent(whole.strip_suffix(b"/").unwrap_or(&whole)).to_vec();
            let made = make_parents(call, &above, 0o777 & !umask | 0o300)?;
            if made != 0 {
                status = made;
                continue;
            }
        }
        let bits = 0o777 & !umask;
        if let Err(errno) = call.sh.files.make(&whole, Kind::Directory, bits) {
            status = call.errno("cannot create directory", path, errno)?;
            continue;
        }
        if let Some(text) = options.value(b'm') {
            let Some(mode) = mode::apply(text, 0o777, true, umask) else {
                return Ok(call.complain("invalid mode"));
            };
            call.sh.files.chmod(&whole, mode).map_err(|errno| call.sh.limit_or(errno, "mkdir"))?;
        }
    }
    Ok(status)
}

pub(super) fn mktemp(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [("directory", b'd'), ("tmpdir", b'P'), ("dry-run", b'u'), ("quiet", b'q'), ("suffix", b'S')];
    let options = parse(call, "dp:P::uqtS:", &long)?;
    let mut template = options.operands.first().cloned().unwrap_or_else(|| b"tmp.XXXXXXXXXX".to_vec());
    let from_variable =
        || call.env("TMPDIR").filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/tmp".to_owned()).into_bytes();
    let directory = match options.value(b'p').or_else(|| options.value(b'P')) {
        Some(directory) if !directory.is_empty() => Some(directory.clone()),
        Some(_) => Some(from_variable()),
        None if options.operands.is_empty() || options.has(b't') => Some(from_variable()),
        None => None,
    };
    if let Some(directory) = directory {
        template = join(&directory, &template);
    }
    let suffix = options.value(b'S').cloned().unwrap_or_default();
    let end = template.iter().rposition(|b| *b == b'X').map_or(0, |at| at + 1);
    let xs = template.iter().take(end).rev().take_while(|b| **b == b'X').count();
    if xs < 3 {
        return Ok(
            call.complain(&format!("too few X's in template '{}'", String::from_utf8_lossy(&template)))
        );
    }
    call.sh.system.temporary += 1;
    let number = format!("{:0>xs$}", call.sh.system.temporary);
    let number: String = number.chars().rev().take(xs).collect::<String>().chars().rev().collect();
    let head = template.get(..end - xs).unwrap_or_default();
    let path = [head, number.as_bytes(), template.get(end..).unwrap_or_default(), &suffix].concat();
    if !options.has(b'u') {
        let whole = call.path(&path);
        let (kind, mode) = if options.has(b'd') { (Kind::Directory, 0o700) } else { (Kind::File, 0o600) };
        if let Err(errno) = call.sh.files.make(&whole, kind, mode) {
            return call.errno("failed to create via template", &path, errno);
        }
    }
    call.out.extend_from_slice(&path);
    call.out.push(b'\n');
    Ok(0)
}

pub(super) fn touch(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [("no-create", b'c'), ("reference", b'r'), ("date", b'd'), ("no-dereference", b'h')];
    let options = parse(call, "acfmr:d:t:h", &long)?;
    let time = match (options.value(b'r'), options.value(b'd'), options.value(b't')) {
        (Some(path), _, _) => match call.sh.files.stat(&call.path(path)) {
            Some(meta) => Some(meta.mtime),
            None => return call.errno("failed to get attributes of", path, Errno::NoEntry),
        },
        (None, Some(date), _) => match date.strip_prefix(b"@").and_then(mode::number) {
            Some(seconds) => Some(i64::from(seconds)),
            None => return Err(call.option(b"-d")),
        },
        (None, None, Some(_)) => return Err(call.option(b"-t")),
        (None, None, None) => None,
    };
    let mut status = 0;
    for path in &options.operands {
        let whole = call.path(path);
        let result = if call.sh.files.stat(&whole).is_none() {
            if options.has(b'c') {
                continue;
            }
            let mode = 0o666 & !call.sh.s.umask;
            call.sh.files.write(&whole, Vec::new(), mode)
        } else {
            Ok(())
        };
        if let Err(errno) = result.and_then(|()| call.sh.files.touch(&whole, time)) {
            status = call.errno("cannot touch", path, errno)?;
        }
    }
    Ok(status)
}

/// The paths below `path` and itself, links not followed.
pub(super) fn below(call: &Call<'_, '_>, path: &[u8]) -> Vec<Bytes> {
    let mut all = vec![path.to_vec()];
    let mut next = 0;
    while let Some(at) = all.get(next).cloned() {
        next += 1;
        let Ok(real) = call.sh.files.resolve(&at, false) else { continue };
        if let Ok(names) = call.sh.files.list(&real) {
            all.extend(names.iter().map(|name| join(&at, name)));
        }
    }
    all
}

fn is_link(call: &Call<'_, '_>, path: &[u8]) -> bool {
    call.sh.files.lstat(path).is_some_and(|meta| matches!(meta.kind, Kind::Link(_)))
}

pub(super) fn chmod(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    // `-w` and its like are modes, not options
    let mode_first = call
        .args
        .iter()
        .find(|arg| !matches!(&arg[..], [b'-', b'R' | b'f' | b'v' | b'c' | b'-', ..]))
        .cloned();
    let kept: Vec<Bytes> =
        call.args.iter().filter(|arg| Some(*arg) != mode_first.as_ref()).cloned().collect();
    let long = [
        ("recursive", b'R'),
        ("silent", b'f'),
        ("quiet", b'f'),
        ("verbose", b'v'),
        ("changes", b'c'),
        ("reference", b'r'),
    ];
    let (name, args) = (call.name, kept);
    let inner = Call { sh: &mut *call.sh, name, args: &args, out: Vec::new(), err: Vec::new() };
    let options = parse(&inner, "Rfvcr:", &long)?;
    let reference = match options.value(b'r') {
        Some(path) => match call.sh.files.stat(&call.path(path)) {
            Some(meta) => Some(meta.mode),
            None => return call.errno("failed to get attributes of", path, Errno::NoEntry),
        },
        None => None,
    };
    let mut paths = options.operands.clone();
    let text = mode_first.unwrap_or_default();
    if reference.is_some() {
        paths.insert(0, text.clone());
    }
    let umask = call.sh.s.umask;
    let mut status = 0;
    for path in &paths {
        let whole = call.path(path);
        if call.sh.files.stat(&whole).is_none() {
            status = 1;
            if !options.has(b'f') {
                call.errno("cannot access", path, Errno::NoEntry)?;
            }
            continue;
        }
        let all = if options.has(b'R') { below(call, &whole) } else { vec![whole] };
        for (i, at) in all.iter().enumerate() {
            if i > 0 && is_link(call, at) {
                continue;
            }
            let Some(meta) = call.sh.files.stat(at) else { continue };
            let mode =
                reference.or_else(|| mode::apply(&text, meta.mode, meta.kind == Kind::Directory, umask));
            let Some(mode) = mode else {
                return Ok(call.complain(&format!("invalid mode: '{}'", String::from_utf8_lossy(&text))));
            };
            call.sh.files.chmod(at, mode).map_err(|errno| call.sh.limit_or(errno, "chmod"))?;
        }
    }
    Ok(status)
}

pub(super) fn chown(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("recursive", b'R'),
        ("no-dereference", b'h'),
        ("silent", b'f'),
        ("quiet", b'f'),
        ("verbose", b'v'),
        ("changes", b'c'),
        ("reference", b'r'),
        ("dereference", b'D'),
        ("from", b'F'),
    ];
    let options = parse(call, "RhfvcHLPr:F:", &long)?;
    let mut operands = &options.operands[..];
    let from = match options.value(b'F') {
        Some(from) => match mode::owner(&call.sh.files, from) {
            Ok(from) => from,
            Err(what) => return Ok(call.complain(&what)),
        },
        None => (None, None),
    };
    let (uid, gid) = if let Some(path) = options.value(b'r') {
        match call.sh.files.stat(&call.path(path)) {
            Some(meta) => (Some(meta.uid), Some(meta.gid)),
            None => return call.errno("failed to get attributes of", path, Errno::NoEntry),
        }
    } else {
        let Some((spec, rest)) = operands.split_first() else { return Ok(call.complain("missing operand")) };
        operands = rest;
        let spec = if call.name == "chgrp" { [b":", &spec[..]].concat() } else { spec.clone() };
        match mode::owner(&call.sh.files, &spec) {
            Ok(owner) => owner,
            Err(what) => return Ok(call.complain(&what)),
        }
    };
    let mut status = 0;
    for path in operands {
        let whole = call.path(path);
        let follow = !options.has(b'h') && !options.has(b'R');
        let meta = if follow { call.sh.files.stat(&whole) } else { call.sh.files.lstat(&whole) };
        if meta.is_none() {
            status = 1;
            if !options.has(b'f') {
                call.errno("cannot access", path, Errno::NoEntry)?;
            }
            continue;
        }
        let all = if options.has(b'R') { below(call, &whole) } else { vec![whole] };
        for at in all {
            // with -R, and neither -H nor -L, links are changed themselves, and not what they stand for
            let through = !options.has(b'R') || options.has(b'H') || options.has(b'L');
            let follow = through && !options.has(b'h');
            let Some(meta) = (if follow { call.sh.files.stat(&at) } else { call.sh.files.lstat(&at) }) else {
                continue;
            };
            if from.0.is_some_and(|uid| uid != meta.uid) || from.1.is_some_and(|gid| gid != meta.gid) {
                continue;
            }
            call.sh.files.chown(&at, uid, gid, follow).map_err(|errno| call.sh.limit_or(errno, "chown"))?;
        }
    }
    Ok(status)
}
