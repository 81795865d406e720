//! systemd-tmpfiles --create, as far as it is about files.

use super::accounts;
use super::mode;
use super::options::parse;
use super::sysusers::{configurations, fields};
use crate::files::{Bytes, Errno, Kind};
use crate::sh::{Call, Stop};

/// A line of tmpfiles.d.
struct Line {
    kind: u8,
    plus: bool,
    path: Bytes,
    mode: Option<u32>,
    user: Option<u32>,
    group: Option<u32>,
    argument: Bytes,
}

pub(super) fn tmpfiles(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("create", b'c'),
        ("remove", b'r'),
        ("clean", b'n'),
        ("boot", b'b'),
        ("prefix", b'p'),
        ("exclude-prefix", b'e'),
        ("graceful", b'g'),
    ];
    let options = parse(call, "crnbp:e:gE", &long)?;
    if options.has(b'r') || options.has(b'n') || options.has(b'e') {
        return Err(call.unsupported("`--remove`, `--clean` or `--exclude-prefix`"));
    }
    if !options.has(b'c') {
        return Ok(0);
    }
    let prefixes: Vec<Bytes> = options.all().filter(|(l, _)| *l == b'p').map(|(_, p)| p.clone()).collect();
    let Some(texts) = configurations(call, &options.operands, "tmpfiles.d") else {
        return Ok(call.complain("failed to read a configuration file"));
    };
    let mut status = 0;
    let mut lines = Vec::new();
    for text in texts.iter().flat_map(|text| text.split(|b| *b == b'\n')).map(<[u8]>::trim_ascii) {
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        // type, path, mode, user, group and age; the argument may have blanks
        let Some(fields) = fields(text, 6) else {
            return Err(call.unsupported(format!("the line `{}`", String::from_utf8_lossy(text))));
        };
        match line(call, &fields, options.has(b'b'))? {
            Some(Ok(line)) => lines.push(line),
            Some(Err(what)) => {
                status = 65;
                call.complain(&what);
            }
            None => {}
        }
    }
    // what is above comes before what is below; otherwise as written
    lines.sort_by_key(|line| {
        (
            line.path.iter().filter(|b| **b == b'/').count(),
            !matches!(line.kind, b'd' | b'D' | b'v' | b'q' | b'Q'),
        )
    });
    for line in &lines {
        if prefixes.is_empty() || prefixes.iter().any(|prefix| line.path.starts_with(prefix)) {
            create(call, line)?;
        }
    }
    Ok(status)
}

type Parsed = Option<Result<Line, String>>;

fn line(call: &Call<'_, '_>, fields: &[Bytes], boot: bool) -> Result<Parsed, Stop> {
    let field = |at: usize| fields.get(at).filter(|f| *f != b"-").cloned().unwrap_or_default();
    let kind = field(0);
    let Some((letter, marks)) = kind.split_first() else { return Ok(None) };
    if marks.contains(&b'!') && !boot {
        return Ok(None);
    }
    // what a credential says, which only a machine is given
    if marks.contains(&b'^') {
        return Ok(None);
    }
    let path = match specifiers(call, &field(1)) {
        // of a machine's own directory nothing is there yet, so there is nothing to adjust
        Err(_) if b"zZmeaAhHtTrRxX".contains(letter) => return Ok(None),
        other => other?,
    };
    let argument = specifiers(call, &field(6))?;
    let bits = field(2);
    let bits: Vec<u8> = bits.iter().copied().skip_while(|b| matches!(b, b':' | b'~')).collect();
    let mode =
        if bits.is_empty() { None } else { u32::from_str_radix(&String::from_utf8_lossy(&bits), 8).ok() };
    let bare = |text: Bytes| text.strip_prefix(b":").map(<[u8]>::to_vec).unwrap_or(text);
    let (user, group) = (bare(field(3)), bare(field(4)));
    let uid = accounts::user(&call.sh.files, &user).map(|u| u.uid).or_else(|| mode::number(&user));
    let gid = accounts::group(&call.sh.files, &group).map(|g| g.gid).or_else(|| mode::number(&group));
    for (name, number) in [(&user, uid), (&group, gid)] {
        if !name.is_empty() && number.is_none() {
            return Ok(Some(Err(format!("failed to resolve '{}'", String::from_utf8_lossy(name)))));
        }
    }
    let plus = marks.contains(&b'+');
    Ok(Some(Ok(Line { kind: *letter, plus, path, mode, user: uid, group: gid, argument })))
}

fn specifiers(call: &Call<'_, '_>, text: &[u8]) -> Result<Bytes, Stop> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let letter = rest.first().copied();
        rest = rest.get(1..).unwrap_or_default();
        out.extend_from_slice(match letter {
            Some(b'%') => b"%",
            Some(b'S') => b"/var/lib",
            Some(b'C') => b"/var/cache",
            Some(b'L') => b"/var/log",
            Some(b't') => b"/run",
            Some(b'T') => b"/tmp",
            Some(b'V') => b"/var/tmp",
            _ => {
                return Err(call
                    .sh
                    .fail(crate::failure::Reason::Running(format!("`{}`", String::from_utf8_lossy(text)))));
            }
        });
    }
    Ok(out)
}

fn create(call: &mut Call<'_, '_>, line: &Line) -> Result<(), Stop> {
    let path = line.path.strip_suffix(b"/").filter(|p| !p.is_empty()).unwrap_or(&line.path).to_vec();
    let limit = |call: &Call<'_, '_>, errno: Errno| call.sh.limit_or(errno, "systemd-tmpfiles");
    let there = call.sh.files.lstat(&path);
    let parents =
        |call: &mut Call<'_, '_>| super::remove::make_parents(call, crate::files::parent(&path), 0o755);
    match line.kind {
        b'd' | b'D' | b'v' | b'q' | b'Q' => {
            parents(call)?;
            if there.is_none() {
                call.sh.files.make(&path, Kind::Directory, 0o755).map_err(|errno| limit(call, errno))?;
            }
            access(call, line, &path)
        }
        b'e' => {
            for path in expand(call, &path)? {
                if call.sh.files.stat(&path).is_some_and(|meta| meta.kind == Kind::Directory) {
                    access(call, line, &path)?;
                }
            }
            Ok(())
        }
        b'f' | b'F' => {
            parents(call)?;
            if there.is_none() || line.plus || line.kind == b'F' {
                let text = unescape(&line.argument);
                call.sh.files.write(&path, text, 0o644).map_err(|errno| limit(call, errno))?;
            }
            access(call, line, &path)
        }
        b'w' => {
            for path in expand(call, &path)? {
                let mut text = if line.plus {
                    call.sh.files.read(&path).map(|b| b.to_vec()).unwrap_or_default()
                } else {
                    Vec::new()
                };
                text.extend(unescape(&line.argument));
                call.sh.files.write(&path, text, 0o644).map_err(|errno| limit(call, errno))?;
            }
            Ok(())
        }
        b'L' => {
            let to = if line.argument.is_empty() {
                [b"/usr/share/factory", &path[..]].concat()
            } else {
                line.argument.clone()
            };
            match there {
                Some(_) if !line.plus => return Ok(()),
                Some(meta) if meta.kind == Kind::Directory => call.sh.files.remove_all(&path),
                Some(_) => call.sh.files.unlink(&path),
                None => parents(call).map(|_| Ok(()))?,
            }
            .map_err(|errno| limit(call, errno))?;
            call.sh.files.make(&path, Kind::Link(to), 0o777).map_err(|errno| limit(call, errno))
        }
        b'C' => {
            let from = if line.argument.is_empty() {
                [b"/usr/share/factory", &path[..]].concat()
            } else {
                line.argument.clone()
            };
            let empty = there.as_ref().is_some_and(|meta| meta.kind == Kind::Directory)
                && call.sh.files.list(&path).is_ok_and(|names| names.is_empty());
            if (there.is_none() || empty || line.plus) && call.sh.files.stat(&from).is_some() {
                parents(call)?;
                call.run(&[b"cp".to_vec(), b"-aT".to_vec(), from, path.clone()])?;
                access(call, line, &path)?;
            }
            Ok(())
        }
        b'z' | b'm' => {
            for path in expand(call, &path)? {
                access(call, line, &path)?;
            }
            Ok(())
        }
        b'Z' => {
            for root in expand(call, &path)? {
                for path in super::remove::below(call, &root) {
                    if call.sh.files.lstat(&path).is_some_and(|meta| !matches!(meta.kind, Kind::Link(_))) {
                        access(call, line, &path)?;
                    }
                }
            }
            Ok(())
        }
        b'p' => {
            parents(call)?;
            if there.is_none() {
                call.sh.files.make(&path, Kind::Fifo, 0o644).map_err(|errno| limit(call, errno))?;
            }
            access(call, line, &path)
        }
        b'a' | b'A' | b't' | b'T' | b'h' | b'H' => {
            call.nothing("access lists and attributes of file systems are not part of an image")?;
            Ok(())
        }
        b'r' | b'R' | b'x' | b'X' | b'c' | b'b' => Ok(()),
        other => Err(call.unsupported(format!("a line of type `{}`", char::from(other)))),
    }
}

fn expand(call: &mut Call<'_, '_>, path: &[u8]) -> Result<Vec<Bytes>, Stop> {
    let pattern: Vec<(u8, bool)> = path.iter().map(|b| (*b, false)).collect();
    call.sh.glob(&pattern)
}

fn access(call: &mut Call<'_, '_>, line: &Line, path: &[u8]) -> Result<(), Stop> {
    let new = call.sh.files.changes().last().is_some_and(|change| change.path == path);
    let files = &mut call.sh.files;
    let mut run = || {
        if line.user.is_some() || line.group.is_some() {
            files.chown(path, line.user, line.group, true)?;
        }
        match line.mode {
            Some(mode) => files.chmod(path, mode),
            None if new && matches!(line.kind, b'd' | b'D' | b'v' | b'q' | b'Q') => files.chmod(path, 0o755),
            None => Ok(()),
        }
    };
    run().map_err(|errno| call.sh.limit_or(errno, "systemd-tmpfiles"))
}

/// C's escapes of an argument.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail.first()) {
            (b'\\', Some(letter)) => {
                rest = tail.get(1..).unwrap_or_default();
                out.push(super::escaped(*letter));
            }
            _ => out.push(*byte),
        }
    }
    out
}
