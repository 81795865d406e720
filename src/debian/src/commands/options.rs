//! Options as GNU's programs take them.

use crate::files::Bytes;
use crate::sh::{Call, Stop};

/// Options and operands, in order.
pub(super) struct Options {
    flags: Vec<(u8, Bytes)>,
    /// What is not an option.
    pub(super) operands: Vec<Bytes>,
}

impl Options {
    pub(super) fn has(&self, letter: u8) -> bool {
        self.flags.iter().any(|(flag, _)| *flag == letter)
    }

    /// The last value of an option.
    pub(super) fn value(&self, letter: u8) -> Option<&Bytes> {
        self.flags.iter().rev().find(|(flag, _)| *flag == letter).map(|(_, value)| value)
    }

    /// The last one given of several that exclude each other.
    pub(super) fn last_of(&self, letters: &[u8]) -> Option<u8> {
        self.flags.iter().rev().map(|(flag, _)| *flag).find(|flag| letters.contains(flag))
    }

    /// The same options with other operands.
    pub(super) fn with(&self, operands: Vec<Bytes>) -> Self {
        Self { flags: self.flags.clone(), operands }
    }

    /// All in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (u8, &Bytes)> {
        self.flags.iter().map(|(flag, value)| (*flag, value))
    }
}

/// The letter of a long option: its name, or the beginning of just one.
fn long_option(name: &[u8], long: &[(&str, u8)]) -> Option<u8> {
    if let Some((_, letter)) = long.iter().find(|(known, _)| known.as_bytes() == name) {
        return Some(*letter);
    }
    let mut begun = long.iter().filter(|(known, _)| !name.is_empty() && known.as_bytes().starts_with(name));
    let (_, letter) = begun.next()?;
    begun.all(|(_, other)| other == letter).then_some(*letter)
}

/// Reads the arguments. `short` is as of getopt, `ab:`; `long` has `("name", letter)`, where the letter says in `short`
/// whether it takes a value (`::` in `short`: only with `=`). An option that is not there is a failure. With `+` first, options end at
/// the first operand.
pub(super) fn parse(call: &Call<'_, '_>, short: &str, long: &[(&str, u8)]) -> Result<Options, Stop> {
    let short = short.as_bytes();
    let (in_order, short) = match short {
        [b'+', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let takes = |letter: u8| {
        let at = short.iter().position(|b| *b == letter);
        let colons = at.map_or(0, |at| short.iter().skip(at + 1).take_while(|b| **b == b':').count());
        (at.is_some(), colons)
    };
    let mut options = Options { flags: Vec::new(), operands: Vec::new() };
    let mut rest = call.args;
    while let Some((arg, tail)) = rest.split_first() {
        rest = tail;
        match &arg[..] {
            b"--" => {
                options.operands.extend_from_slice(rest);
                break;
            }
            [b'-', b'-', name @ ..] => {
                let (name, value) = match name.iter().position(|b| *b == b'=') {
                    Some(at) => (name.get(..at).unwrap_or_default(), name.get(at + 1..)),
                    None => (name, None),
                };
                let Some(letter) = long_option(name, long) else { return Err(call.option(arg)) };
                let value = match (takes(letter).1, value) {
                    (0, None) | (2, None) => Vec::new(),
                    (1 | 2, Some(value)) => value.to_vec(),
                    (1, None) => match rest.split_first() {
                        Some((value, tail)) => {
                            rest = tail;
                            value.clone()
                        }
                        None => return Err(call.option(arg)),
                    },
                    _ => return Err(call.option(arg)),
                };
                options.flags.push((letter, value));
            }
            [b'-', letters @ ..] if !letters.is_empty() => {
                let mut letters = letters;
                while let Some((letter, after)) = letters.split_first() {
                    letters = after;
                    match takes(*letter) {
                        (false, _) => return Err(call.option(arg)),
                        (true, 0) => options.flags.push((*letter, Vec::new())),
                        (true, 2) => {
                            options.flags.push((*letter, letters.to_vec()));
                            letters = b"";
                        }
                        (true, _) => {
                            let value = if letters.is_empty() {
                                let Some((value, tail)) = rest.split_first() else {
                                    return Err(call.option(arg));
                                };
                                rest = tail;
                                value.clone()
                            } else {
                                letters.to_vec()
                            };
                            options.flags.push((*letter, value));
                            letters = b"";
                        }
                    }
                }
            }
            _ => {
                options.operands.push(arg.clone());
                if in_order {
                    options.operands.extend_from_slice(rest);
                    break;
                }
            }
        }
    }
    Ok(options)
}
