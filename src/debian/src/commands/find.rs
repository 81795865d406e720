//! `find`: what is asked of each path below its operands, and what is done with those that it holds for.

use super::remove::below;
use super::run::replace;
use crate::files::{Bytes, Errno, Kind, Meta, base_name, join};
use crate::sh::{Call, Stop, pattern};

/// What find asks of each path.
enum Ask {
    Name(Bytes),
    Path(Bytes),
    Type(Bytes),
    Not(Box<Ask>),
    Any(Vec<Ask>, Vec<Ask>),
    All(Vec<Ask>),
    Empty,
    Perm(Bytes),
    User(Option<u32>),
    Group(Option<u32>),
    Links,
    Newer(Bytes),
    Print(u8),
    Printf(Bytes),
    Prune,
    Delete,
    Exec(Vec<Bytes>),
    Quit,
    True,
}

pub(super) fn find(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let mut args = call.args;
    let mut follow = false;
    while let Some((arg, rest)) = args.split_first() {
        match &arg[..] {
            b"-L" => follow = true,
            b"-P" | b"-H" => follow = false,
            _ => break,
        }
        args = rest;
    }
    let paths = args.iter().take_while(|arg| !arg.starts_with(b"-") && *arg != b"!" && *arg != b"(").count();
    let (roots, mut expression) = args.split_at_checked(paths).unwrap_or((args, &[]));
    let roots = if roots.is_empty() { vec![b".".to_vec()] } else { roots.to_vec() };
    let (mut low, mut high, mut depth_first) = (0, usize::MAX, false);
    let mut rest: Vec<Bytes> = Vec::new();
    while let Some((word, tail)) = expression.split_first() {
        expression = tail;
        match &word[..] {
            b"-mindepth" | b"-maxdepth" => {
                let value =
                    tail.first().and_then(|n| super::mode::number(n)).ok_or_else(|| call.option(word))?
                        as usize;
                expression = tail.get(1..).unwrap_or_default();
                if word == b"-mindepth" { low = value } else { high = value }
            }
            b"-xdev" | b"-mount" | b"-noleaf" | b"-ignore_readdir_race" => {}
            b"-follow" => follow = true,
            b"-depth" => depth_first = true,
            _ => rest.push(word.clone()),
        }
    }
    let mut words = &rest[..];
    let ask = any(call, &mut words, 0)?;
    if let Some(word) = words.first() {
        return Err(call.option(word));
    }
    depth_first |= rest.iter().any(|word| word == b"-delete");
    let prints = !acts(&ask);
    let mut status = 0;
    for root in roots {
        if call.sh.files.lstat(&call.path(&root)).is_none() {
            status = call.errno("cannot access", &root, Errno::NoEntry)?;
            continue;
        }
        let mut order = if follow { followed(call, &root)? } else { tree(call, &root) };
        if depth_first {
            order.reverse();
        }
        let mut pruned: Vec<Bytes> = Vec::new();
        for (path, depth) in order {
            call.sh.step()?;
            if depth > high || depth < low || pruned.iter().any(|p| path.starts_with(&join(p, b""))) {
                continue;
            }
            let real = if follow { call.sh.files.stat(&call.path(&path)) } else { None };
            let Some(meta) = real.or_else(|| call.sh.files.lstat(&call.path(&path))) else { continue };
            let mut state = Asked { pruned: false, quit: false, root: root.clone(), depth };
            if holds(call, &ask, &path, &meta, &mut state)? && prints {
                call.out.extend_from_slice(&[&path[..], b"\n"].concat());
            }
            if state.pruned && !depth_first {
                pruned.push(path);
            }
            if state.quit {
                return Ok(status);
            }
        }
    }
    Ok(status)
}

/// All paths below a root with their depth, each directory before what is in it.
pub(super) fn tree(call: &Call<'_, '_>, root: &[u8]) -> Vec<(Bytes, usize)> {
    let slash = root.strip_suffix(b"/").filter(|r| !r.is_empty()).unwrap_or(root);
    let whole = call.path(root);
    let mut all: Vec<(Bytes, usize)> = below(call, &whole)
        .into_iter()
        .map(|path| {
            let rest = path.get(whole.len()..).unwrap_or_default();
            let rest = rest.strip_prefix(b"/").unwrap_or(rest);
            let depth = rest.split(|b| *b == b'/').filter(|part| !part.is_empty()).count();
            (if rest.is_empty() { root.to_vec() } else { join(slash, rest) }, depth)
        })
        .collect();
    all.sort_by(|(a, _), (b, _)| a.split(|b| *b == b'/').cmp(b.split(|b| *b == b'/')));
    all
}

/// The same with links followed; a link to a directory that it stands in is not gone into.
fn followed(call: &mut Call<'_, '_>, root: &[u8]) -> Result<Vec<(Bytes, usize)>, Stop> {
    let mut all = Vec::new();
    let mut stack: Vec<(Bytes, usize, Vec<Bytes>)> = vec![(root.to_vec(), 0, Vec::new())];
    while let Some((path, depth, above)) = stack.pop() {
        call.sh.step()?;
        if all.len() > call.sh.limits.changes {
            return Err(call.sh.fail(crate::failure::Reason::Limit("the paths that it may look at")));
        }
        all.push((path.clone(), depth));
        let Ok(at) = call.sh.files.resolve(&call.path(&path), true) else { continue };
        if above.contains(&at) || depth > 100 {
            continue;
        }
        let Ok(names) = call.sh.files.list(&at) else { continue };
        let above = [&above[..], &[at]].concat();
        let slash = path.strip_suffix(b"/").filter(|path| !path.is_empty()).unwrap_or(&path).to_vec();
        stack.extend(names.iter().rev().map(|name| (join(&slash, name), depth + 1, above.clone())));
    }
    Ok(all)
}

struct Asked {
    pruned: bool,
    quit: bool,
    /// The starting point, and how deep below it the path is.
    root: Bytes,
    depth: usize,
}

fn acts(ask: &Ask) -> bool {
    match ask {
        Ask::Print(_) | Ask::Printf(_) | Ask::Delete | Ask::Exec(..) | Ask::Quit => true,
        Ask::Not(inner) => acts(inner),
        Ask::All(list) => list.iter().any(acts),
        Ask::Any(left, right) => left.iter().chain(right).any(acts),
        _ => false,
    }
}

fn any(call: &Call<'_, '_>, words: &mut &[Bytes], depth: usize) -> Result<Ask, Stop> {
    let mut left = all(call, words, depth)?;
    while words.first().is_some_and(|w| w == b"-o" || w == b"-or") {
        *words = words.get(1..).unwrap_or_default();
        let right = all(call, words, depth)?;
        left = vec![Ask::Any(left, right)];
    }
    Ok(Ask::All(left))
}

fn all(call: &Call<'_, '_>, words: &mut &[Bytes], depth: usize) -> Result<Vec<Ask>, Stop> {
    let mut list = Vec::new();
    while let Some((word, _)) = words.split_first() {
        match &word[..] {
            b"-o" | b"-or" | b")" => break,
            b"-a" | b"-and" => *words = words.get(1..).unwrap_or_default(),
            _ => list.push(one(call, words, depth)?),
        }
    }
    Ok(list)
}

fn one(call: &Call<'_, '_>, words: &mut &[Bytes], depth: usize) -> Result<Ask, Stop> {
    if depth > 50 {
        return Err(call.unsupported("an expression deeper than 50"));
    }
    let take = |words: &mut &[Bytes]| {
        let (first, rest) = words.split_first()?;
        *words = rest;
        Some(first.clone())
    };
    let word = take(words).unwrap_or_default();
    let missing = || call.option(&word);
    Ok(match &word[..] {
        b"!" | b"-not" => Ask::Not(Box::new(one(call, words, depth + 1)?)),
        b"(" => {
            let inner = any(call, words, depth + 1)?;
            if take(words).is_none_or(|w| w != b")") {
                return Err(missing());
            }
            inner
        }
        b"-name" => Ask::Name(take(words).ok_or_else(missing)?),
        b"-path" | b"-wholename" => Ask::Path(take(words).ok_or_else(missing)?),
        b"-type" => Ask::Type(take(words).ok_or_else(missing)?),
        b"-perm" => Ask::Perm(take(words).ok_or_else(missing)?),
        b"-user" | b"-uid" | b"-group" | b"-gid" => {
            let name = take(words).ok_or_else(missing)?;
            let group = word == b"-group" || word == b"-gid";
            let name = if group { [b":", &name[..]].concat() } else { name };
            let (uid, gid) =
                super::mode::owner(&call.sh.files, &name).map_err(|what| call.unsupported(what))?;
            if group { Ask::Group(gid) } else { Ask::User(uid) }
        }
        b"-nouser" => Ask::User(None),
        b"-nogroup" => Ask::Group(None),
        b"-empty" => Ask::Empty,
        b"-newer" => Ask::Newer(take(words).ok_or_else(missing)?),
        b"-print" => Ask::Print(b'\n'),
        b"-print0" => Ask::Print(0),
        b"-printf" => Ask::Printf(take(words).ok_or_else(missing)?),
        b"-prune" => Ask::Prune,
        b"-delete" => Ask::Delete,
        b"-quit" => Ask::Quit,
        b"-true" => Ask::True,
        b"-links" if take(words).is_some() => Ask::Links,
        b"-exec" => {
            let mut command = Vec::new();
            loop {
                match take(words) {
                    Some(end) if end == b";" => break Ask::Exec(command),
                    Some(end) if end == b"+" && command.last().is_some_and(|w| w == b"{}") => {
                        break Ask::Exec(command);
                    }
                    Some(word) => command.push(word),
                    None => return Err(missing()),
                }
            }
        }
        _ => return Err(missing()),
    })
}

fn unquoted(text: &[u8]) -> Vec<(u8, bool)> {
    text.iter().map(|b| (*b, false)).collect()
}

fn holds(
    call: &mut Call<'_, '_>,
    ask: &Ask,
    path: &[u8],
    meta: &Meta,
    state: &mut Asked,
) -> Result<bool, Stop> {
    Ok(match ask {
        Ask::True => true,
        Ask::Name(text) => pattern::matches(&unquoted(text), base_name(path), &mut 1_000_000),
        Ask::Path(text) => pattern::matches(&unquoted(text), path, &mut 1_000_000),
        Ask::Type(letters) => letters.split(|b| *b == b',').any(|letter| {
            matches!(
                (letter, &meta.kind),
                (b"f", Kind::File)
                    | (b"d", Kind::Directory)
                    | (b"l", Kind::Link(_))
                    | (b"p", Kind::Fifo)
                    | (b"c", Kind::Char(..))
                    | (b"b", Kind::Block(..))
            )
        }),
        Ask::Links => return Err(call.option(b"-links")),
        Ask::Not(inner) => !holds(call, inner, path, meta, state)?,
        Ask::All(list) => every(call, list, path, meta, state)?,
        Ask::Any(left, right) => {
            every(call, left, path, meta, state)? || every(call, right, path, meta, state)?
        }
        Ask::Empty => match meta.kind {
            Kind::File => meta.size == 0,
            Kind::Directory => {
                let at = call.sh.files.resolve(&call.path(path), false);
                at.and_then(|at| call.sh.files.list(&at)).is_ok_and(|names| names.is_empty())
            }
            _ => false,
        },
        Ask::Perm(text) => {
            let (how, text) = match &text[..] {
                [how @ (b'-' | b'/'), rest @ ..] => (*how, rest),
                rest => (b'=', rest),
            };
            let Some(bits) = super::mode::apply(text, 0, false, 0) else { return Err(call.option(b"-perm")) };
            match how {
                b'-' => meta.mode & bits == bits,
                b'/' => bits == 0 || meta.mode & bits != 0,
                _ => meta.mode == bits,
            }
        }
        Ask::User(Some(uid)) => meta.uid == *uid,
        Ask::Group(Some(gid)) => meta.gid == *gid,
        Ask::User(None) => !super::accounts::users(&call.sh.files).iter().any(|u| u.uid == meta.uid),
        Ask::Group(None) => !super::accounts::groups(&call.sh.files).iter().any(|g| g.gid == meta.gid),
        Ask::Newer(than) => {
            let age = |p: &[u8]| {
                call.sh.files.resolve(&call.path(p), false).ok().and_then(|at| call.sh.files.age(&at))
            };
            age(path) > age(than)
        }
        Ask::Print(end) => {
            call.out.extend_from_slice(path);
            call.out.push(*end);
            true
        }
        Ask::Printf(format) => {
            let text = formatted(call, format, path, meta, state)?;
            call.out.extend_from_slice(&text);
            true
        }
        Ask::Prune => {
            state.pruned = true;
            true
        }
        Ask::Quit => {
            state.quit = true;
            true
        }
        Ask::Delete => {
            let whole = call.path(path);
            let result = if meta.kind == Kind::Directory {
                call.sh.files.rmdir(&whole)
            } else {
                call.sh.files.unlink(&whole)
            };
            match result {
                Ok(()) => true,
                Err(errno) => {
                    call.errno("cannot delete", path, errno)?;
                    false
                }
            }
        }
        Ask::Exec(command) => {
            let words: Vec<Bytes> = command.iter().map(|word| replace(word, b"{}", path)).collect();
            call.run(&words)? == 0
        }
    })
}

fn every(
    call: &mut Call<'_, '_>,
    list: &[Ask],
    path: &[u8],
    meta: &Meta,
    state: &mut Asked,
) -> Result<bool, Stop> {
    for ask in list {
        if !holds(call, ask, path, meta, state)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What `-printf` prints.
fn formatted(
    call: &Call<'_, '_>,
    format: &[u8],
    path: &[u8],
    meta: &Meta,
    state: &Asked,
) -> Result<Bytes, Stop> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail.get(1..).unwrap_or_default();
        match (byte, tail.first()) {
            (b'%', Some(letter)) => match letter {
                b'%' => out.push(b'%'),
                b'p' => out.extend_from_slice(path),
                b'f' => out.extend_from_slice(base_name(path)),
                b'h' => {
                    let end = path.iter().rposition(|b| *b == b'/');
                    out.extend_from_slice(end.and_then(|end| path.get(..end)).unwrap_or(b"."));
                }
                b'H' => out.extend_from_slice(&state.root),
                b'P' => {
                    let below = path.strip_prefix(&state.root[..]).unwrap_or_default();
                    out.extend_from_slice(below.strip_prefix(b"/").unwrap_or(below));
                }
                b'd' => out.extend_from_slice(state.depth.to_string().as_bytes()),
                b'm' => out.extend_from_slice(format!("{:o}", meta.mode).as_bytes()),
                b'U' => out.extend_from_slice(meta.uid.to_string().as_bytes()),
                b'G' => out.extend_from_slice(meta.gid.to_string().as_bytes()),
                b's' => out.extend_from_slice(meta.size.to_string().as_bytes()),
                b'y' => out.push(match meta.kind {
                    Kind::File => b'f',
                    Kind::Directory => b'd',
                    Kind::Link(_) => b'l',
                    Kind::Fifo => b'p',
                    Kind::Char(..) => b'c',
                    Kind::Block(..) => b'b',
                }),
                b'l' => {
                    if let Kind::Link(target) = &meta.kind {
                        out.extend_from_slice(target);
                    }
                }
                other => return Err(call.unsupported(format!("`-printf %{}`", char::from(*other)))),
            },
            (b'\\', Some(letter)) => match letter {
                b'n' => out.push(b'\n'),
                b't' => out.push(b'\t'),
                b'0' => out.push(0),
                b'\\' => out.push(b'\\'),
                other => return Err(call.unsupported(format!("`-printf \\{}`", char::from(*other)))),
            },
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    Ok(out)
}
