//! cp, mv, install, ln.

use super::mode;
use super::options::{Options, parse};
use crate::files::{Bytes, Errno, Kind, Meta, base_name, join};
use crate::sh::{Call, Stop};

fn is_directory(call: &Call<'_, '_>, path: &[u8]) -> bool {
    call.sh.files.stat(&call.path(path)).is_some_and(|meta| meta.kind == Kind::Directory)
}

/// Sources, and what each becomes: in a directory, or the one file. `None` after a complaint.
fn targets(call: &mut Call<'_, '_>, options: &Options, no_follow: bool) -> Option<Vec<(Bytes, Bytes)>> {
    let mut operands = options.operands.clone();
    if let Some(directory) = options.value(b't') {
        return Some(operands.iter().map(|from| (from.clone(), join(directory, base_name(from)))).collect());
    }
    let Some(to) = operands.pop().filter(|_| !operands.is_empty()) else {
        call.complain("missing file operand");
        return None;
    };
    let link = call.sh.files.lstat(&call.path(&to)).is_some_and(|meta| matches!(meta.kind, Kind::Link(_)));
    if !options.has(b'T') && is_directory(call, &to) && !(no_follow && link) {
        let slash = to.strip_suffix(b"/").unwrap_or(&to).to_vec();
        return Some(operands.iter().map(|from| (from.clone(), join(&slash, base_name(from)))).collect());
    }
    if operands.len() > 1 {
        call.complain(&format!("target '{}' is not a directory", String::from_utf8_lossy(&to)));
        return None;
    }
    Some(operands.into_iter().map(|from| (from, to.clone())).collect())
}

/// What of the source is kept.
#[derive(Clone, Copy)]
struct Keep {
    mode: bool,
    owner: bool,
    time: bool,
}

pub(super) fn cp(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("archive", b'a'),
        ("recursive", b'r'),
        ("force", b'f'),
        ("no-dereference", b'P'),
        ("dereference", b'L'),
        ("preserve", b'Q'),
        ("no-clobber", b'n'),
        ("update", b'u'),
        ("verbose", b'v'),
        ("target-directory", b't'),
        ("no-target-directory", b'T'),
        ("link", b'l'),
        ("symbolic-link", b's'),
        ("remove-destination", b'm'),
        ("reflink", b'w'),
        ("no-preserve", b'N'),
        ("backup", b'b'),
        ("one-file-system", b'x'),
    ];
    let options = parse(call, "aRrfiPLHdpnuvt:TlsQ::w::xZ", &long)?;
    if options.has(b'N') || options.has(b'b') || options.has(b'H') {
        return Err(call.unsupported("these options"));
    }
    let archive = options.has(b'a');
    let named = options.value(b'Q').map(|value| String::from_utf8_lossy(value).into_owned());
    let all = archive || options.has(b'p') || named.as_deref().is_some_and(|n| n.is_empty() || n == "all");
    let has = |what: &str| all || named.as_deref().is_some_and(|n| n.split(',').any(|part| part == what));
    let keep = Keep { mode: has("mode"), owner: has("ownership"), time: has("timestamps") };
    let recursive = archive || options.has(b'r') || options.has(b'R');
    let follow = match options.last_of(b"PLda") {
        Some(b'L') => true,
        Some(_) => false,
        None => !recursive,
    };
    let Some(targets) = targets(call, &options, false) else { return Ok(1) };
    let mut status = 0;
    for (from, to) in targets {
        let old = call.sh.files.lstat(&call.path(&to));
        if old.is_some() && options.has(b'n') {
            continue;
        }
        if options.has(b'u') && older(call, &from, &to) {
            continue;
        }
        if options.has(b'v') {
            say_from_to(call, &from, &to);
        }
        if options.has(b'm') && old.is_some_and(|meta| meta.kind != Kind::Directory) {
            let _ = call.sh.files.unlink(&call.path(&to));
        }
        if options.has(b's') {
            status = status.max(link_tree(call, &from, &to, recursive, options.has(b'f'), 0)?);
            continue;
        }
        if options.has(b'l') {
            if let Err(errno) = call.sh.files.link(&call.path(&from), &call.path(&to)) {
                status = call.errno("cannot create hard link", &to, errno)?;
            }
            continue;
        }
        status = status.max(copy(call, &from, &to, keep, recursive, follow, 0)?);
    }
    Ok(status)
}

/// `cp -s`: links to files, in directories of its own.
fn link_tree(
    call: &mut Call<'_, '_>,
    from: &[u8],
    to: &[u8],
    recursive: bool,
    force: bool,
    depth: usize,
) -> Result<u8, Stop> {
    call.sh.step()?;
    let (source, target) = (call.path(from), call.path(to));
    let Some(meta) = call.sh.files.lstat(&source) else {
        return call.errno("cannot stat", from, Errno::NoEntry);
    };
    if meta.kind != Kind::Directory {
        if !from.starts_with(b"/") {
            return Ok(call.complain("can make relative symbolic links only in current directory"));
        }
        if force && call.sh.files.lstat(&target).is_some_and(|old| old.kind != Kind::Directory) {
            call.sh.files.unlink(&target).map_err(|errno| call.sh.limit_or(errno, "cp"))?;
        }
        return match call.sh.files.make(&target, Kind::Link(from.to_vec()), 0o777) {
            Ok(()) => Ok(0),
            Err(errno) => call.errno("cannot create symbolic link", to, errno),
        };
    }
    if !recursive {
        return Ok(call.complain("-r not specified; omitting directory"));
    }
    if depth > 60 {
        return Err(call.unsupported("directories deeper than 60"));
    }
    if call.sh.files.stat(&target).is_none() {
        let mode = meta.mode & !call.sh.s.umask;
        if let Err(errno) = call.sh.files.make(&target, Kind::Directory, mode) {
            return call.errno("cannot create directory", to, errno);
        }
    }
    let mut status = 0;
    for name in call.sh.files.list(&source).unwrap_or_default() {
        status = status.max(link_tree(call, &join(from, &name), &join(to, &name), true, force, depth + 1)?);
    }
    Ok(status)
}

fn say_from_to(call: &mut Call<'_, '_>, from: &[u8], to: &[u8]) {
    let line = [b"'", from, b"' -> '", to, b"'\n"].concat();
    call.out.extend_from_slice(&line);
}

fn older(call: &Call<'_, '_>, from: &[u8], to: &[u8]) -> bool {
    let age = |path: &[u8]| {
        let at = call.sh.files.resolve(&call.path(path), true).ok()?;
        call.sh.files.age(&at)
    };
    match (age(from), age(to)) {
        (Some(from), Some(to)) => from <= to,
        _ => false,
    }
}

fn copy(
    call: &mut Call<'_, '_>,
    from: &[u8],
    to: &[u8],
    keep: Keep,
    recursive: bool,
    follow: bool,
    depth: usize,
) -> Result<u8, Stop> {
    let (source, target) = (call.path(from), call.path(to));
    call.sh.step()?;
    if depth > 60 {
        return Err(call.unsupported("directories deeper than 60"));
    }
    let meta = if follow { call.sh.files.stat(&source) } else { call.sh.files.lstat(&source) };
    let Some(meta) = meta else {
        if source == b"/dev/null" {
            return write(call, to, Vec::new(), None, keep);
        }
        return call.errno("cannot stat", from, Errno::NoEntry);
    };
    match &meta.kind {
        Kind::Directory if !recursive => {
            let shown = String::from_utf8_lossy(from).into_owned();
            Ok(call.complain(&format!("-r not specified; omitting directory '{shown}'")))
        }
        Kind::Directory => {
            let names = match call.sh.files.resolve(&source, true).and_then(|at| call.sh.files.list(&at)) {
                Ok(names) => names,
                Err(errno) => return call.errno("cannot access", from, errno),
            };
            if target.starts_with(&join(&source, b"")) {
                return Ok(call.complain("cannot copy a directory into itself"));
            }
            let new = call.sh.files.stat(&target).is_none();
            if new {
                let mode = if keep.mode { meta.mode } else { meta.mode & 0o777 & !call.sh.s.umask };
                if let Err(errno) = call.sh.files.make(&target, Kind::Directory, mode) {
                    return call.errno("cannot create directory", to, errno);
                }
            }
            let mut status = 0;
            for name in names {
                let (from, to) = (join(from, &name), join(to, &name));
                status = status.max(copy(call, &from, &to, keep, recursive, follow, depth + 1)?);
            }
            if new || keep.mode {
                access(call, &target, &meta, keep)?;
            }
            Ok(status)
        }
        Kind::Link(link) => {
            let old = call.sh.files.lstat(&target);
            if old.is_some_and(|old| old.kind != Kind::Directory) {
                let _ = call.sh.files.unlink(&target);
            }
            match call.sh.files.make(&target, Kind::Link(link.clone()), 0o777) {
                Ok(()) => {
                    if keep.owner && (meta.uid, meta.gid) != (0, 0) {
                        call.sh
                            .files
                            .chown(&target, Some(meta.uid), Some(meta.gid), false)
                            .map_err(|e| call.sh.limit_or(e, "cp"))?;
                    }
                    Ok(0)
                }
                Err(errno) => call.errno("cannot create symbolic link", to, errno),
            }
        }
        Kind::File => {
            let same = call.sh.files.resolve(&source, true).ok();
            if same.is_some() && same == call.sh.files.resolve(&target, true).ok() {
                let shown = String::from_utf8_lossy(from).into_owned();
                return Ok(call.complain(&format!(
                    "'{shown}' and '{}' are the same file",
                    String::from_utf8_lossy(to)
                )));
            }
            match call.sh.files.read(&source) {
                Ok(bytes) => write(call, to, bytes.to_vec(), Some(&meta), keep),
                Err(errno) => call.errno("cannot open", from, errno),
            }
        }
        _ => Err(call.unsupported("a device or pipe")),
    }
}

fn write(
    call: &mut Call<'_, '_>,
    to: &[u8],
    bytes: Vec<u8>,
    meta: Option<&Meta>,
    keep: Keep,
) -> Result<u8, Stop> {
    let target = call.path(to);
    if target == b"/dev/null" {
        return Ok(0);
    }
    if target == b"/dev/stdout" {
        call.out.extend_from_slice(&bytes);
        return Ok(0);
    }
    let dangling = call.sh.files.lstat(&target).is_some() && call.sh.files.stat(&target).is_none();
    if dangling {
        let shown = String::from_utf8_lossy(to).into_owned();
        return Ok(call.complain(&format!("not writing through dangling symlink '{shown}'")));
    }
    let mode = meta.map_or(0o666, |meta| meta.mode & 0o777) & !call.sh.s.umask;
    if let Err(errno) = call.sh.files.write(&target, bytes, mode) {
        return call.errno("cannot create regular file", to, errno);
    }
    match meta {
        Some(meta) => access(call, &target, meta, keep).map(|()| 0),
        None => Ok(0),
    }
}

fn access(call: &mut Call<'_, '_>, target: &[u8], meta: &Meta, keep: Keep) -> Result<(), Stop> {
    let files = &mut call.sh.files;
    let mut run = || {
        if keep.owner {
            files.chown(target, Some(meta.uid), Some(meta.gid), true)?;
        }
        if keep.mode {
            files.chmod(target, meta.mode)?;
        }
        if keep.time {
            files.touch(target, Some(meta.mtime))?;
        }
        Ok(())
    };
    run().map_err(|errno| call.sh.limit_or(errno, "keeping the mode of a copy"))
}

pub(super) fn mv(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("force", b'f'),
        ("no-clobber", b'n'),
        ("verbose", b'v'),
        ("target-directory", b't'),
        ("no-target-directory", b'T'),
        ("update", b'u'),
        ("interactive", b'i'),
    ];
    let options = parse(call, "finvt:TuZ", &long)?;
    let Some(targets) = targets(call, &options, false) else { return Ok(1) };
    let mut status = 0;
    for (from, to) in targets {
        let (source, target) = (call.path(&from), call.path(&to));
        let source = source.strip_suffix(b"/").filter(|s| !s.is_empty()).unwrap_or(&source).to_vec();
        if call.sh.files.lstat(&source).is_none() {
            status = call.errno("cannot stat", &from, Errno::NoEntry)?;
            continue;
        }
        let there = call.sh.files.lstat(&target).is_some();
        if there && (options.has(b'n') || (options.has(b'u') && older(call, &from, &to))) {
            continue;
        }
        let at = |path: &[u8]| call.sh.files.resolve(path, false).ok();
        if at(&source).is_some() && at(&source) == at(&target) {
            let (one, two) =
                (String::from_utf8_lossy(&from).into_owned(), String::from_utf8_lossy(&to).into_owned());
            status = call.complain(&format!("'{one}' and '{two}' are the same file"));
            continue;
        }
        let target = target.strip_suffix(b"/").filter(|t| !t.is_empty()).unwrap_or(&target).to_vec();
        if let Err(errno) = call.sh.files.rename(&source, &target) {
            status = call.errno("cannot move", &from, errno)?;
        } else if options.has(b'v') {
            let line = [b"renamed '", &from[..], b"' -> '", &to, b"'\n"].concat();
            call.out.extend_from_slice(&line);
        }
    }
    Ok(status)
}

pub(super) fn install(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("directory", b'd'),
        ("mode", b'm'),
        ("owner", b'o'),
        ("group", b'g'),
        ("target-directory", b't'),
        ("no-target-directory", b'T'),
        ("preserve-timestamps", b'p'),
        ("verbose", b'v'),
    ];
    let options = parse(call, "dDcm:o:g:t:TpvZb", &long)?;
    if options.has(b'b') {
        // what would be kept as `NAME~` is not there in an image that is being made
        let last = options.operands.last().cloned().unwrap_or_default();
        if call.sh.files.lstat(&call.path(&last)).is_some_and(|meta| meta.kind != Kind::Directory) {
            return Err(call.option(b"-b"));
        }
    }
    let mut owner = options.value(b'o').cloned().unwrap_or_default();
    if let Some(group) = options.value(b'g') {
        owner.push(b':');
        owner.extend_from_slice(group);
    }
    let (uid, gid) = match mode::owner(&call.sh.files, &owner) {
        Ok(owner) => owner,
        Err(what) => return Ok(call.complain(&what)),
    };
    let text = options.value(b'm').cloned().unwrap_or_else(|| b"0755".to_vec());
    let bits = |directory: bool| mode::apply(&text, 0, directory, 0);
    let Some(_) = bits(false) else { return Ok(call.complain("invalid mode")) };
    let finish = |call: &mut Call<'_, '_>, path: &[u8], directory: bool| -> Result<(), Stop> {
        let path = call.path(path);
        let result = call.sh.files.chown(&path, uid, gid, true);
        let result = result.and_then(|()| call.sh.files.chmod(&path, bits(directory).unwrap_or(0o755)));
        result.map_err(|errno| call.sh.limit_or(errno, "install"))
    };
    let mut status = 0;
    if options.has(b'd') {
        for path in &options.operands {
            match super::remove::make_parents(call, path, 0o755)? {
                0 => finish(call, path, true)?,
                other => status = other,
            }
        }
        return Ok(status);
    }
    let Some(targets) = targets(call, &options, false) else { return Ok(1) };
    for (from, to) in targets {
        if options.has(b'D') {
            let above = crate::files::parent(&to).to_vec();
            if to.contains(&b'/') {
                super::remove::make_parents(call, &above, 0o755)?;
            }
        }
        let bytes = match (&from[..], call.sh.files.read(&call.path(&from))) {
            (b"/dev/null", _) => Vec::new(),
            (b"/dev/stdin", _) => call.sh.read_all(0),
            (_, Ok(bytes)) => bytes.to_vec(),
            (_, Err(errno)) => {
                status = call.errno("cannot stat", &from, errno)?;
                continue;
            }
        };
        if call.sh.files.lstat(&call.path(&to)).is_some() {
            let _ = call.sh.files.unlink(&call.path(&to));
        }
        match call.sh.files.write(&call.path(&to), bytes, 0o600) {
            Ok(()) => finish(call, &to, false)?,
            Err(errno) => status = call.errno("cannot create regular file", &to, errno)?,
        }
    }
    Ok(status)
}

pub(super) fn ln(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("symbolic", b's'),
        ("force", b'f'),
        ("no-dereference", b'n'),
        ("verbose", b'v'),
        ("target-directory", b't'),
        ("no-target-directory", b'T'),
        ("relative", b'r'),
    ];
    let options = parse(call, "sfnvt:TrbP", &long)?;
    if options.has(b'b') || (options.has(b'r') && !options.has(b's')) {
        return Err(call.unsupported("these options"));
    }
    let mut targets_of = options.operands.clone();
    if targets_of.len() == 1 && options.value(b't').is_none() {
        targets_of.push(b".".to_vec());
    }
    let options_of = options.with(targets_of);
    let Some(targets) = targets(call, &options_of, options.has(b'n')) else { return Ok(1) };
    let mut status = 0;
    for (from, to) in targets {
        let path = call.path(&to);
        let path = path.strip_suffix(b"/").filter(|t| !t.is_empty()).unwrap_or(&path).to_vec();
        let old = call.sh.files.lstat(&path);
        if options.has(b'f') && old.is_some_and(|meta| meta.kind != Kind::Directory) {
            let same = |path: &[u8]| call.sh.files.resolve(path, false).ok();
            if !options.has(b's') && same(&call.path(&from)) == same(&path) {
                status = call.complain(&format!("'{}' is the same file", String::from_utf8_lossy(&to)));
                continue;
            }
            let _ = call.sh.files.unlink(&path);
        }
        let result = if options.has(b's') {
            let text = if options.has(b'r') { relative(call, &from, &path) } else { from.clone() };
            call.sh.files.make(&path, Kind::Link(text), 0o777)
        } else {
            call.sh.files.link(&call.path(&from), &path)
        };
        if let Err(errno) = result {
            status = call.errno("failed to create link", &to, errno)?;
        }
    }
    Ok(status)
}

/// The path from the directory of `link` to `to`, both resolved as far as they are there.
fn relative(call: &Call<'_, '_>, to: &[u8], link: &[u8]) -> Bytes {
    let real = |path: &[u8]| call.sh.files.resolve(path, true).unwrap_or_else(|_| path.to_vec());
    let (to, from) = (real(&call.path(to)), real(crate::files::parent(link)));
    let parts = |path: &[u8]| {
        path.split(|b| *b == b'/').filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let (to, from) = (parts(&to), parts(&from));
    let same = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(b"..".to_vec(), from.len() - same);
    let path: Vec<Bytes> = up.chain(to.into_iter().skip(same)).collect();
    if path.is_empty() { b".".to_vec() } else { path.join(&b'/') }
}
