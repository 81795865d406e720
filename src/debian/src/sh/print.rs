//! `echo` and `printf`, as dash has them.

use super::state::{Shell, Stop};
use crate::files::Bytes;
use crate::filters::printf;

fn say(shell: &mut Shell<'_>, bytes: &[u8]) -> Result<u8, Stop> {
    if shell.write_fd(1, bytes)? {
        return Ok(0);
    }
    shell.complain("write error: Bad file descriptor")?;
    Ok(1)
}

pub(super) fn echo(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let mut list = words.get(1..).unwrap_or_default();
    if shell.s.bash {
        return echo_of_bash(shell, list);
    }
    let newline = list.first().is_none_or(|w| w != b"-n");
    if !newline {
        list = list.get(1..).unwrap_or_default();
    }
    let (mut out, more) = escapes(shell, &list.join(&b' '))?;
    if newline && more {
        out.push(b'\n');
    }
    say(shell, &out)
}

/// bash takes options together, and backslashes only with `-e`.
fn echo_of_bash(shell: &mut Shell<'_>, mut list: &[Bytes]) -> Result<u8, Stop> {
    let (mut newline, mut takes) = (true, false);
    while let Some(([b'-', letters @ ..], rest)) = list.split_first().map(|(first, rest)| (&first[..], rest))
    {
        if letters.is_empty() || !letters.iter().all(|letter| b"neE".contains(letter)) {
            break;
        }
        newline &= !letters.contains(&b'n');
        takes = letters.contains(&b'e') || (takes && !letters.contains(&b'E'));
        list = rest;
    }
    let joined = list.join(&b' ');
    let (mut out, more) = if takes { escapes(shell, &joined)? } else { (joined, true) };
    if newline && more {
        out.push(b'\n');
    }
    say(shell, &out)
}

/// Takes backslashes away, as `echo` and `%b` do; false when `\c` ended it.
fn escapes(shell: &Shell<'_>, text: &[u8]) -> Result<(Bytes, bool), Stop> {
    printf::unescape(text).map_err(|failure| shell.failed("echo", failure))
}

pub(super) fn printf(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let list = match words.get(1..).unwrap_or_default() {
        [first, rest @ ..] if first == b"--" => rest,
        [first, ..] if first.len() > 1 && first.starts_with(b"-") => {
            let option = String::from_utf8_lossy(first).into_owned();
            return Err(shell.unsupported(format!("`printf` with `{option}`")));
        }
        list => list,
    };
    let Some((format, args)) = list.split_first() else {
        return shell.fatal("printf: usage: printf format [arg ...]");
    };
    let formatted = printf::format(printf::Flavour::Dash, format, args, &mut shell.steps);
    let formatted = formatted.map_err(|failure| shell.failed("printf", failure))?;
    for words in formatted.complaints {
        shell.complain(&format!("printf: {words}"))?;
    }
    Ok(say(shell, &formatted.stdout)?.max(formatted.status))
}
