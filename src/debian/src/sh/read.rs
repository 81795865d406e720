//! `read` and `getopts`.

use super::parse::is_name;
use super::state::{Shell, Stop};
use crate::failure::Reason;
use crate::files::Bytes;

pub(super) fn read(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let mut names = words.get(1..).unwrap_or_default();
    let mut raw = false;
    while let Some((option, rest)) = names.split_first() {
        match &option[..] {
            b"-r" => raw = true,
            b"--" => {
                names = rest;
                break;
            }
            b"-p" => {
                names = rest.get(1..).unwrap_or_default();
                continue;
            }
            [b'-', _, ..] => {
                return shell.fatal(&format!("read: Illegal option {}", String::from_utf8_lossy(option)));
            }
            _ => break,
        }
        names = rest;
    }
    if names.is_empty() {
        return shell.fatal("read: arg count");
    }
    if let Some(bad) = names.iter().find(|name| !is_name(name)) {
        return shell.fatal(&format!("read: {}: bad variable name", String::from_utf8_lossy(bad)));
    }
    if !shell.readable(0) {
        for name in names {
            shell.set(name, Vec::new())?;
        }
        return Ok(1);
    }
    // each byte with whether a backslash protects it
    let mut line: Vec<(u8, bool)> = Vec::new();
    let mut status = 1;
    while let Some(byte) = shell.read_byte(0) {
        if line.len() > shell.limits.bytes {
            return Err(shell.fail(Reason::Limit("the bytes of a line")));
        }
        match byte {
            b'\n' => {
                status = 0;
                break;
            }
            b'\\' if !raw => match shell.read_byte(0) {
                Some(b'\n') => {}
                Some(byte) => line.push((byte, true)),
                None => break,
            },
            0 => {}
            byte => line.push((byte, false)),
        }
    }
    let ifs = shell.ifs();
    let mut rest = &line[..];
    for (i, name) in names.iter().enumerate() {
        let value = if i + 1 == names.len() { last(&mut rest, &ifs) } else { next(&mut rest, &ifs) };
        shell.set(name, value)?;
    }
    Ok(status)
}

fn is_blank(c: (u8, bool), ifs: &[u8]) -> bool {
    !c.1 && matches!(c.0, b' ' | b'\t' | b'\n') && ifs.contains(&c.0)
}

fn is_separator(c: (u8, bool), ifs: &[u8]) -> bool {
    !c.1 && ifs.contains(&c.0)
}

fn skip(rest: &mut &[(u8, bool)], ifs: &[u8]) {
    while rest.first().is_some_and(|c| is_blank(*c, ifs)) {
        *rest = rest.get(1..).unwrap_or_default();
    }
}

/// The next field, with the separator after it taken away.
fn next(rest: &mut &[(u8, bool)], ifs: &[u8]) -> Bytes {
    skip(rest, ifs);
    let end = rest.iter().position(|c| is_separator(*c, ifs)).unwrap_or(rest.len());
    let (field, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    *rest = tail;
    skip(rest, ifs);
    if rest.first().is_some_and(|c| is_separator(*c, ifs)) {
        *rest = rest.get(1..).unwrap_or_default();
    }
    field.iter().map(|c| c.0).collect()
}

/// What is left: one field without its separator, or more of them with all that stands between.
fn last(rest: &mut &[(u8, bool)], ifs: &[u8]) -> Bytes {
    skip(rest, ifs);
    let whole = *rest;
    let field = next(rest, ifs);
    if rest.is_empty() {
        return field;
    }
    let trimmed =
        |end: usize| whole.iter().take(end).rposition(|c| !is_blank(*c, ifs)).map_or(0, |at| at + 1);
    let mut end = trimmed(whole.len());
    // dash takes characters that a backslash protects away too, where each is a field of its own at the end
    while let Some([before, (_, true)]) = whole.get(end.saturating_sub(2)..end)
        && is_blank(*before, ifs)
    {
        end = trimmed(end - 1);
    }
    whole.iter().take(end).map(|c| c.0).collect()
}

pub(super) fn getopts(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let (Some(spec), Some(name)) = (words.get(1).cloned(), words.get(2)) else {
        return shell.fatal("getopts: usage: getopts optstring var [arg]");
    };
    let args =
        if words.len() > 3 { words.get(3..).unwrap_or_default().to_vec() } else { shell.s.args.clone() };
    let silent = spec.first() == Some(&b':');
    let text = shell.s.vars.get(b"OPTIND").cloned().unwrap_or_else(|| b"1".to_vec());
    let mut index: usize =
        std::str::from_utf8(&text).ok().and_then(|t| t.parse().ok()).filter(|n| *n > 0).unwrap_or(1);
    let mut at = shell.s.optchar;
    // within an argument, OPTIND is that of the next one already
    if at > 0 {
        index = index.saturating_sub(1).max(1);
    }
    let arg = args.get(index - 1).cloned().unwrap_or_default();
    if at == 0 {
        match &arg[..] {
            b"--" => {
                shell.set(b"OPTIND", (index + 1).to_string().into_bytes())?;
                shell.set(name, b"?".to_vec())?;
                return Ok(1);
            }
            [b'-', _, ..] => at = 1,
            _ => {
                shell.set(b"OPTIND", index.to_string().into_bytes())?;
                shell.set(name, b"?".to_vec())?;
                return Ok(1);
            }
        }
    }
    let letter = arg.get(at).copied().unwrap_or(b'?');
    at += 1;
    let found = (letter != b':').then(|| spec.iter().position(|b| *b == letter)).flatten();
    let takes = found.is_some_and(|found| spec.get(found + 1) == Some(&b':'));
    let (mut value, mut result) = (None, letter);
    if found.is_none() {
        result = b'?';
        if silent {
            value = Some(vec![letter]);
        } else {
            shell.complain(&format!("Illegal option -{}", char::from(letter)))?;
        }
    } else if takes {
        if at < arg.len() {
            value = arg.get(at..).map(<[u8]>::to_vec);
        } else if let Some(next) = args.get(index) {
            value = Some(next.clone());
            index += 1;
        } else if silent {
            result = b':';
            value = Some(vec![letter]);
        } else {
            shell.complain(&format!("No arg for -{} option", char::from(letter)))?;
            result = b'?';
        }
        at = arg.len();
    }
    index += 1;
    if at >= arg.len() {
        at = 0;
    }
    match value {
        Some(value) => shell.set(b"OPTARG", value)?,
        None if result == b'?' => {
            let _ = shell.s.vars.unset(b"OPTARG");
        }
        None => shell.set(b"OPTARG", Vec::new())?,
    }
    shell.set(b"OPTIND", index.to_string().into_bytes())?;
    shell.s.optchar = at;
    shell.set(name, vec![result])?;
    Ok(0)
}
