//! getopt of util-linux.

use crate::files::Bytes;
use crate::sh::{Call, Stop};

struct Spec {
    short: Bytes,
    long: Vec<(Bytes, usize)>,
    name: String,
    quiet: bool,
    /// Long options may begin with one dash.
    alternative: bool,
    /// The words are not quoted, as the old form has it: `getopt LETTERS WORDS`.
    plain: bool,
}

pub(super) fn getopt(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let mut spec = Spec {
        short: Vec::new(),
        long: Vec::new(),
        name: "getopt".to_owned(),
        quiet: false,
        alternative: false,
        plain: call.args.first().is_some_and(|first| !first.starts_with(b"-")),
    };
    let mut rest = call.args;
    let mut given = false;
    while let Some((arg, tail)) = rest.split_first() {
        let (key, inline) = match arg.iter().position(|b| *b == b'=') {
            Some(at) if arg.starts_with(b"--") => {
                (arg.get(..at).unwrap_or_default(), arg.get(at + 1..).map(<[u8]>::to_vec))
            }
            _ => (&arg[..], None),
        };
        let takes =
            matches!(key, b"-o" | b"--options" | b"-l" | b"--longoptions" | b"--long" | b"-n" | b"--name");
        let value = match (takes, inline) {
            (true, Some(value)) => {
                rest = tail;
                value
            }
            (true, None) => {
                rest = tail.get(1..).unwrap_or_default();
                tail.first().cloned().unwrap_or_default()
            }
            _ => {
                rest = tail;
                Vec::new()
            }
        };
        match key {
            b"-o" | b"--options" => {
                spec.short = value;
                given = true;
            }
            b"-l" | b"--longoptions" | b"--long" => {
                for word in value.split(|b| *b == b',' || b.is_ascii_whitespace()).filter(|w| !w.is_empty()) {
                    let colons = word.iter().rev().take_while(|b| **b == b':').count();
                    spec.long.push((word.get(..word.len() - colons).unwrap_or_default().to_vec(), colons));
                }
            }
            b"-n" | b"--name" => spec.name = String::from_utf8_lossy(&value).into_owned(),
            b"-q" | b"--quiet" => spec.quiet = true,
            b"-a" | b"--alternative" => spec.alternative = true,
            b"-T" | b"--test" => return Ok(4),
            b"--" => break,
            [b'-', ..] => return Err(call.option(arg)),
            _ => {
                // the parameters begin
                rest = call.args.get(call.args.len() - tail.len() - 1..).unwrap_or_default();
                break;
            }
        }
    }
    // without `-o` the short options are the first parameter
    if !given && let Some((first, tail)) = rest.split_first() {
        spec.short = first.clone();
        rest = tail;
    }
    run(call, &spec, rest)
}

impl Spec {
    fn quote(&self, word: &[u8]) -> Bytes {
        if self.plain {
            return [b" ", word].concat();
        }
        let mut out = b" '".to_vec();
        for byte in word {
            if *byte == b'\'' {
                out.extend_from_slice(b"'\\''");
            } else {
                out.push(*byte);
            }
        }
        out.push(b'\'');
        out
    }
}

fn run(call: &mut Call<'_, '_>, spec: &Spec, args: &[Bytes]) -> Result<u8, Stop> {
    let (in_order, short) = match &spec.short[..] {
        [b'+', rest @ ..] => (true, rest),
        [b'-', ..] => return Err(call.option(b"-")),
        rest => (false, rest),
    };
    let (mut out, mut operands, mut status) = (Vec::new(), Vec::new(), 0);
    let mut complain = |call: &mut Call<'_, '_>, what: String| {
        status = 1;
        if !spec.quiet {
            call.err.extend_from_slice(format!("{}: {what}\n", spec.name).as_bytes());
        }
    };
    let mut rest = args;
    while let Some((arg, tail)) = rest.split_first() {
        rest = tail;
        // with `-a` a long option may have one dash
        let one_dash = |word: &[u8]| {
            spec.alternative && word.len() > 1 && !word.starts_with(b"-") && {
                let name = word.split(|b| *b == b'=').next().unwrap_or_default();
                spec.long.iter().any(|(known, _)| known.starts_with(name))
            }
        };
        let longer = arg.strip_prefix(b"-").filter(|word| one_dash(word)).map(|word| [b"--", word].concat());
        let arg = longer.as_ref().unwrap_or(arg);
        match &arg[..] {
            b"--" => {
                operands.extend_from_slice(rest);
                break;
            }
            [b'-', b'-', word @ ..] => {
                let (name, inline) = match word.iter().position(|b| *b == b'=') {
                    Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
                    None => (word, None),
                };
                let exact = spec.long.iter().find(|(known, _)| known == name);
                let mut begins = spec.long.iter().filter(|(known, _)| known.starts_with(name));
                let found = exact.or_else(|| begins.next().filter(|_| begins.next().is_none()));
                let Some((name, colons)) = found else {
                    complain(call, format!("unrecognized option '{}'", String::from_utf8_lossy(arg)));
                    continue;
                };
                out.extend_from_slice(&[b" --", &name[..]].concat());
                match (colons, inline) {
                    (0, None) => {}
                    (0, Some(_)) => complain(
                        call,
                        format!("option '--{}' doesn't allow an argument", String::from_utf8_lossy(name)),
                    ),
                    (_, Some(value)) => out.extend(spec.quote(value)),
                    (1, None) => match rest.split_first() {
                        Some((value, tail)) => {
                            rest = tail;
                            out.extend(spec.quote(value));
                        }
                        None => complain(
                            call,
                            format!("option '--{}' requires an argument", String::from_utf8_lossy(name)),
                        ),
                    },
                    (_, None) => out.extend(spec.quote(b"")),
                }
            }
            [b'-', letters @ ..] if !letters.is_empty() => {
                let mut letters = letters;
                while let Some((letter, after)) = letters.split_first() {
                    letters = after;
                    let Some(at) = short.iter().position(|b| b == letter).filter(|_| *letter != b':') else {
                        complain(call, format!("invalid option -- '{}'", char::from(*letter)));
                        continue;
                    };
                    out.extend_from_slice(&[b' ', b'-', *letter]);
                    match short.iter().skip(at + 1).take_while(|b| **b == b':').count() {
                        0 => continue,
                        1 if letters.is_empty() => match rest.split_first() {
                            Some((value, tail)) => {
                                rest = tail;
                                out.extend(spec.quote(value));
                            }
                            None => complain(
                                call,
                                format!("option requires an argument -- '{}'", char::from(*letter)),
                            ),
                        },
                        _ => out.extend(spec.quote(letters)),
                    }
                    letters = b"";
                }
            }
            _ => {
                operands.push(arg.clone());
                if in_order {
                    operands.extend_from_slice(rest);
                    break;
                }
            }
        }
    }
    out.extend_from_slice(b" --");
    operands.iter().for_each(|operand| out.extend(spec.quote(operand)));
    out.push(b'\n');
    call.out.extend_from_slice(&out);
    Ok(status)
}
