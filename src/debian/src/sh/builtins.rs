//! What the shell does itself.

use super::parse::is_name;
use super::state::{Shell, Stop};
use super::{print, read, test};
use crate::failure::Reason;
use crate::files::{self, Bytes, absolute, parent};

pub(super) type Builtin = fn(&mut Shell<'_>, &[Bytes], bool) -> Result<u8, Stop>;

/// Whether a name is one of dash's special builtins, whose errors end the shell and whose assignments stay.
pub(super) fn is_special(name: &[u8]) -> bool {
    matches!(
        name,
        b"." | b":"
            | b"break"
            | b"continue"
            | b"eval"
            | b"exec"
            | b"exit"
            | b"export"
            | b"local"
            | b"readonly"
            | b"return"
            | b"set"
            | b"shift"
            | b"times"
            | b"trap"
            | b"unset"
    )
}

/// Whether a name is a word of bash's own, which dash would not find.
pub(super) fn of_bash(name: &[u8]) -> bool {
    matches!(
        name,
        b"[["
            | b"function"
            | b"declare"
            | b"typeset"
            | b"let"
            | b"shopt"
            | b"mapfile"
            | b"readarray"
            | b"source"
            | b"select"
            | b"pushd"
            | b"popd"
            | b"enable"
            | b"builtin"
            | b"coproc"
    )
}

/// The builtin called `name`.
pub(super) fn find(name: &[u8]) -> Option<Builtin> {
    Some(match name {
        b":" | b"true" | b"wait" | b"hash" => |_, _, _| Ok(0),
        b"false" => |_, _, _| Ok(1),
        b"." => source,
        b"break" => |shell, words, _| leave(shell, words, Stop::Break),
        b"continue" => |shell, words, _| leave(shell, words, Stop::Continue),
        b"eval" => eval,
        b"exit" => |shell, words, _| Err(Stop::Exit(status(shell, words)?)),
        b"return" => |shell, words, _| Err(Stop::Return(status(shell, words)?)),
        b"export" => export,
        b"readonly" => readonly,
        b"local" => local,
        b"set" => set,
        b"shift" => shift,
        b"trap" => trap,
        b"unset" => unset,
        b"cd" | b"chdir" => cd,
        b"pwd" => pwd,
        b"umask" => umask,
        b"command" => command,
        b"type" => kind,
        b"getopts" => read::getopts,
        b"read" => read::read,
        b"test" | b"[" => test::test,
        b"echo" => print::echo,
        b"printf" => print::printf,
        b"alias" => alias,
        b"unalias" => |shell, words, _| {
            for name in args(words) {
                if name == b"-a" {
                    shell.s.aliases.clear();
                } else {
                    shell.s.aliases.remove(name);
                }
            }
            Ok(0)
        },
        b"kill" | b"times" | b"ulimit" | b"jobs" | b"fg" | b"bg" | b"fc" => unsupported,
        _ => return None,
    })
}

fn unsupported(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    if words.first().is_some_and(|w| w == b"kill") {
        return Err(shell.fail(Reason::Running("which processes there are".to_owned())));
    }
    Err(shell.unsupported(format!("`{}`", String::from_utf8_lossy(words.first().map_or(&b""[..], |w| w)))))
}

/// Defines aliases; to list them is for people.
fn alias(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    for word in args(words) {
        let Some(at) = word.iter().position(|b| *b == b'=').filter(|at| *at > 0) else {
            return Err(shell.unsupported("`alias` without a value"));
        };
        let (name, value) = (word.get(..at).unwrap_or_default(), word.get(at + 1..).unwrap_or_default());
        let line = shell.files.origin.line;
        shell.s.aliases.insert(name.to_vec(), (value.to_vec(), line));
    }
    Ok(0)
}

fn args(words: &[Bytes]) -> &[Bytes] {
    match words {
        [_, dashes, rest @ ..] if dashes == b"--" => rest,
        [_, rest @ ..] => rest,
        [] => &[],
    }
}

fn integer(shell: &mut Shell<'_>, word: &[u8]) -> Result<u32, Stop> {
    match std::str::from_utf8(word).ok().and_then(|w| w.trim().parse().ok()) {
        Some(number) => Ok(number),
        None => shell.fatal(&format!("Illegal number: {}", String::from_utf8_lossy(word))),
    }
}

fn status(shell: &mut Shell<'_>, words: &[Bytes]) -> Result<u8, Stop> {
    match args(words).first() {
        Some(word) => Ok(integer(shell, word)?.to_le_bytes()[0]),
        None => Ok(shell.s.status),
    }
}

fn leave(shell: &mut Shell<'_>, words: &[Bytes], stop: fn(u32) -> Stop) -> Result<u8, Stop> {
    let levels = match args(words).first() {
        Some(word) => integer(shell, word)?,
        None => 1,
    };
    if levels == 0 {
        return shell.fatal("Illegal number: 0");
    }
    match shell.s.loops {
        0 => Ok(0),
        loops => Err(stop(levels.min(loops))),
    }
}

fn eval(shell: &mut Shell<'_>, words: &[Bytes], tested: bool) -> Result<u8, Stop> {
    let text = args(words).join(&b' ');
    let line = shell.files.origin.line;
    shell.deeper(|shell| shell.eval_text(&text, line, tested))
}

fn source(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let Some(name) = args(words).first().cloned() else { return Ok(0) };
    let path =
        if name.contains(&b'/') { Some(absolute(&shell.s.cwd, &name)) } else { shell.search(&name, false) };
    let path = path.and_then(|path| shell.files.resolve(&path, true).ok());
    let is_file = |at: &Bytes| shell.files.meta(at).is_some_and(|m| m.kind == files::Kind::File);
    let Some(at) = path.filter(is_file) else {
        return shell.fatal(&format!(".: cannot open {}: No such file", String::from_utf8_lossy(&name)));
    };
    if at == b"/usr/share/debconf/confmodule" || at == b"/usr/share/debconf/confmodule.sh" {
        return crate::debconf::enter(shell);
    }
    let text = shell.files.content(&at).map_err(|errno| shell.limit_or(errno, "reading a script"))?;
    let script = String::from_utf8_lossy(&at).into_owned();
    let outer = std::mem::replace(&mut shell.files.origin.script, script);
    let line = shell.files.origin.line;
    let result = shell.deeper(|shell| shell.eval_text(&text, 1, false));
    if let Err(Stop::Failed(_)) = result {
        return result;
    }
    shell.files.origin.script = outer;
    shell.files.origin.line = line;
    match result {
        Err(Stop::Return(status)) => Ok(status),
        other => other,
    }
}

fn split(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    match word.iter().position(|b| *b == b'=') {
        Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
        None => (word, None),
    }
}

/// Single quotes around a value, as dash prints it.
pub(super) fn quote(value: &[u8]) -> Bytes {
    let mut out = b"'".to_vec();
    for &byte in value {
        if byte == b'\'' {
            out.extend_from_slice(b"'\"'\"'");
        } else {
            out.push(byte);
        }
    }
    out.push(b'\'');
    out
}

fn each(
    shell: &mut Shell<'_>,
    words: &[Bytes],
    mut mark: impl FnMut(&mut Shell<'_>, &[u8]),
) -> Result<u8, Stop> {
    for word in words {
        let (name, value) = split(word);
        if !is_name(name) {
            return shell.fatal(&format!("{}: bad variable name", String::from_utf8_lossy(name)));
        }
        if let Some(value) = value {
            shell.set(name, value.to_vec())?;
        }
        mark(shell, name);
    }
    Ok(0)
}

fn export(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let mut list = args(words);
    if list.is_empty() || list.first().is_some_and(|w| w == b"-p") {
        let lines: Vec<u8> = shell
            .s
            .vars
            .iter()
            .filter(|(_, var)| var.exported)
            .flat_map(|(name, var)| {
                let value = var.value.as_ref().map(|v| [b"=", &quote(v)[..]].concat()).unwrap_or_default();
                [b"export ", &name[..], &value, b"\n"].concat()
            })
            .collect();
        shell.write_fd(1, &lines)?;
        return Ok(0);
    }
    let off = list.first().is_some_and(|w| w == b"-n");
    if off {
        list = list.get(1..).unwrap_or_default();
    }
    each(shell, list, |shell, name| if off { shell.s.vars.unexport(name) } else { shell.s.vars.export(name) })
}

fn readonly(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    each(shell, args(words), |shell, name| shell.s.vars.protect(name))
}

fn local(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    if shell.s.functions_entered == 0 {
        return shell.fatal("local: not in a function");
    }
    for word in args(words) {
        if word == b"-" {
            return Err(shell.unsupported("`local -`"));
        }
        let (name, value) = split(word);
        if !is_name(name) {
            return shell.fatal(&format!("{}: bad variable name", String::from_utf8_lossy(name)));
        }
        let _ = shell.s.vars.local(name);
        if let Some(value) = value {
            shell.set(name, value.to_vec())?;
        }
    }
    Ok(0)
}

fn set(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let list = words.get(1..).unwrap_or_default();
    if list.is_empty() {
        let lines: Vec<u8> = shell
            .s
            .vars
            .iter()
            .filter_map(|(name, var)| Some([&name[..], b"=", &quote(var.value.as_ref()?), b"\n"].concat()))
            .flatten()
            .collect();
        shell.write_fd(1, &lines)?;
        return Ok(0);
    }
    let mut at = 0;
    while let Some(word) = list.get(at) {
        let (on, letters) = match &word[..] {
            b"--" => {
                shell.s.args = list.get(at + 1..).unwrap_or_default().to_vec();
                return Ok(0);
            }
            b"-" => {
                shell.s.options.xtrace = false;
                shell.s.options.verbose = false;
                if let Some(rest) = list.get(at + 1..).filter(|rest| !rest.is_empty()) {
                    shell.s.args = rest.to_vec();
                }
                return Ok(0);
            }
            [b'-', letters @ ..] if !letters.is_empty() => (true, letters),
            [b'+', letters @ ..] if !letters.is_empty() => (false, letters),
            _ => break,
        };
        for letter in letters {
            if *letter == b'o' {
                at += 1;
                let Some(name) = list.get(at) else {
                    return Err(shell.unsupported("`set -o` without a name"));
                };
                let letter = match &name[..] {
                    b"pipefail" if shell.s.bash => b'P',
                    b"errexit" => b'e',
                    b"nounset" => b'u',
                    b"noglob" => b'f',
                    b"allexport" => b'a',
                    b"noclobber" => b'C',
                    b"xtrace" => b'x',
                    b"verbose" => b'v',
                    b"noexec" => b'n',
                    _ => {
                        return shell
                            .fatal(&format!("set: Illegal option -o {}", String::from_utf8_lossy(name)));
                    }
                };
                option(shell, letter, on)?;
            } else {
                option(shell, *letter, on)?;
            }
        }
        at += 1;
    }
    if let Some(rest) = list.get(at..).filter(|rest| !rest.is_empty()) {
        shell.s.args = rest.to_vec();
    }
    Ok(0)
}

/// Switches an option.
pub(super) fn option(shell: &mut Shell<'_>, letter: u8, on: bool) -> Result<(), Stop> {
    let o = &mut shell.s.options;
    match letter {
        b'e' => o.errexit = on,
        b'u' => o.nounset = on,
        b'f' => o.noglob = on,
        b'a' => o.allexport = on,
        b'C' => o.noclobber = on,
        b'x' => o.xtrace = on,
        b'v' => o.verbose = on,
        b'n' => o.noexec = on,
        b'P' if shell.s.bash => o.pipefail = on,
        b'h' | b'b' | b'm' => {}
        _ => return shell.fatal(&format!("set: Illegal option -{}", char::from(letter))),
    }
    Ok(())
}

fn shift(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let count = match args(words).first() {
        Some(word) => integer(shell, word)? as usize,
        None => 1,
    };
    if count > shell.s.args.len() {
        return shell.fatal("shift: can't shift that many");
    }
    shell.s.args.drain(..count);
    shell.s.optchar = 0;
    Ok(0)
}

fn trap(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let list = args(words);
    let name = |word: &[u8]| match word {
        b"0" => b"EXIT".to_vec(),
        word => word.strip_prefix(b"SIG").unwrap_or(word).to_vec(),
    };
    match list {
        [] => {
            let lines: Vec<u8> = shell
                .s
                .traps
                .iter()
                .flat_map(|(signal, action)| [b"trap -- ", &quote(action)[..], b" ", signal, b"\n"].concat())
                .collect();
            shell.write_fd(1, &lines)?;
        }
        [action, signals @ ..] => {
            let number = action.iter().all(u8::is_ascii_digit) && !action.is_empty();
            if signals.is_empty() || number || action == b"-" {
                let from = if signals.is_empty() || number { list } else { signals };
                for signal in from {
                    shell.s.traps.remove(&name(signal));
                }
            } else {
                for signal in signals {
                    shell.s.traps.insert(name(signal), action.clone());
                }
            }
        }
    }
    Ok(0)
}

fn unset(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let (functions, list) = match args(words) {
        [flag, rest @ ..] if flag == b"-f" => (true, rest),
        [flag, rest @ ..] if flag == b"-v" => (false, rest),
        rest => (false, rest),
    };
    for name in list {
        if functions {
            shell.s.functions.remove(name);
        } else if !shell.s.vars.unset(name) {
            return shell.fatal(&format!("unset: {}: is read only", String::from_utf8_lossy(name)));
        }
    }
    Ok(0)
}

fn cd(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let list: Vec<&Bytes> = args(words).iter().filter(|w| *w != b"-L" && *w != b"-P").collect();
    let physical = words.iter().any(|w| w == b"-P");
    let (to, say) = match list.first().map(|w| &w[..]) {
        None => (shell.s.vars.get(b"HOME").cloned().unwrap_or_default(), false),
        Some(b"-") => (shell.s.vars.get(b"OLDPWD").cloned().unwrap_or_default(), true),
        Some(path) => (path.to_vec(), false),
    };
    if to.is_empty() {
        return Ok(0);
    }
    // `..` of the path as written, as `cd -L` does
    let mut logical = b"/".to_vec();
    for part in absolute(&shell.s.cwd, &to).split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => logical = parent(&logical).to_vec(),
            part => logical = files::join(&logical, part),
        }
    }
    let is_directory = shell.files.stat(&logical).is_some_and(|meta| meta.kind == files::Kind::Directory);
    if !is_directory {
        shell.complain(&format!("cd: can't cd to {}", String::from_utf8_lossy(&to)))?;
        return Ok(2);
    }
    if physical && let Ok(real) = shell.files.resolve(&logical, true) {
        logical = real;
    }
    let old = std::mem::replace(&mut shell.s.cwd, logical.clone());
    shell.set(b"OLDPWD", old)?;
    shell.set(b"PWD", logical.clone())?;
    if say {
        shell.write_fd(1, &[&logical[..], b"\n"].concat())?;
    }
    Ok(0)
}

fn pwd(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let mut at = shell.s.cwd.clone();
    if words.get(1).is_some_and(|w| w == b"-P") {
        at = shell.files.resolve(&at, true).unwrap_or(at);
    }
    at.push(b'\n');
    shell.write_fd(1, &at)?;
    Ok(0)
}

fn umask(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    match args(words).first() {
        None => {
            let text = format!("{:04o}\n", shell.s.umask);
            shell.write_fd(1, text.as_bytes())?;
            Ok(0)
        }
        Some(word) => match std::str::from_utf8(word).ok().and_then(|w| u32::from_str_radix(w, 8).ok()) {
            Some(mask) if mask <= 0o777 => {
                shell.s.umask = mask;
                Ok(0)
            }
            _ => Err(shell.unsupported(format!("`umask {}`", String::from_utf8_lossy(word)))),
        },
    }
}

fn command(shell: &mut Shell<'_>, words: &[Bytes], tested: bool) -> Result<u8, Stop> {
    match args(words) {
        [flag, rest @ ..] if flag == b"-v" || flag == b"-V" => {
            if flag == b"-V" {
                return kind(shell, &[&[b"type".to_vec()], rest].concat(), tested);
            }
            let mut status = 0;
            for name in rest.iter().take(1) {
                match locate(shell, name) {
                    Some(mut found) => {
                        found.push(b'\n');
                        shell.write_fd(1, &found)?;
                    }
                    None => status = 127,
                }
            }
            Ok(status)
        }
        [flag, rest @ ..] if flag == b"-p" => run_command(shell, rest, tested),
        rest => run_command(shell, rest, tested),
    }
}

fn run_command(shell: &mut Shell<'_>, words: &[Bytes], tested: bool) -> Result<u8, Stop> {
    let Some(name) = words.first() else { return Ok(0) };
    if name == b"exec" {
        let rest = words.get(1..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(0);
        }
        return Err(Stop::Exit(shell.program(rest)?));
    }
    match find(name) {
        Some(builtin) => builtin(shell, words, tested),
        None => shell.program(words),
    }
}

/// What `command -v` says of a name.
fn locate(shell: &Shell<'_>, name: &[u8]) -> Option<Bytes> {
    if shell.s.functions.contains_key(name) || is_special(name) || find(name).is_some() || name == b"exec" {
        return Some(name.to_vec());
    }
    if name.contains(&b'/') {
        let meta = shell.files.stat(&absolute(&shell.s.cwd, name))?;
        return (meta.kind == files::Kind::File && meta.mode & 0o111 != 0).then(|| name.to_vec());
    }
    shell.search(name, true)
}

fn kind(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let mut status = 0;
    for name in args(words) {
        let text = match locate(shell, name) {
            None => {
                status = 127;
                "not found".to_owned()
            }
            Some(_) if shell.s.functions.contains_key(name) => "is a shell function".to_owned(),
            Some(found) if found == *name && is_special(name) => "is a special shell builtin".to_owned(),
            Some(found) if found == *name && !name.contains(&b'/') => "is a shell builtin".to_owned(),
            Some(found) => format!("is {}", String::from_utf8_lossy(&found)),
        };
        let separator = if status == 127 { ": " } else { " " };
        let line = [&name[..], separator.as_bytes(), text.as_bytes(), b"\n"].concat();
        shell.write_fd(1, &line)?;
    }
    Ok(status)
}
