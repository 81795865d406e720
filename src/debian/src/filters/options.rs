//! Options as `getopt_long` of GNU reads them.

use super::Failure;
use super::common::{text, unsupported};

/// Whether an option takes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// It takes none.
    Nothing,
    /// It takes one.
    Value,
    /// It takes one only after `=`, or in the same word.
    Maybe,
}

/// The options of a filter.
pub(super) struct Grammar {
    /// The filter's name.
    pub(super) name: &'static str,
    /// Short options as `getopt` has them: `ab:c::`.
    pub(super) short: &'static str,
    /// Long options and the letter that each stands for.
    pub(super) long: &'static [(&'static str, char, Takes)],
    /// Options end at the first operand.
    pub(super) in_order: bool,
}

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// The options in their order; the value is empty where there is none.
    pub(super) options: Vec<(char, Vec<u8>)>,
    /// What is not an option.
    pub(super) operands: Vec<Vec<u8>>,
}

impl Grammar {
    fn takes(&self, letter: char) -> Option<Takes> {
        let mut rest = self.short.chars().skip_while(|c| *c != letter || *c == ':');
        rest.next()?;
        match (rest.next(), rest.next()) {
            (Some(':'), Some(':')) => Some(Takes::Maybe),
            (Some(':'), _) => Some(Takes::Value),
            _ => Some(Takes::Nothing),
        }
    }

    /// Reads the arguments.
    pub(super) fn read(&self, args: &[Vec<u8>]) -> Result<Given, Failure> {
        let mut given = Given::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == b"--" {
                given.operands.extend(args.by_ref().cloned());
            } else if let Some(long) = arg.strip_prefix(b"--") {
                self.long(long, &mut args, &mut given)?;
            } else if arg.len() > 1 && arg.first() == Some(&b'-') {
                self.short(arg, &mut args, &mut given)?;
            } else {
                given.operands.push(arg.clone());
                if self.in_order {
                    given.operands.extend(args.by_ref().cloned());
                }
            }
        }
        Ok(given)
    }

    fn long(
        &self,
        long: &[u8],
        args: &mut std::slice::Iter<'_, Vec<u8>>,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let mut parts = long.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next();
        let mut matches = self.long.iter().filter(|(known, ..)| known.as_bytes().starts_with(name));
        let exact = self.long.iter().find(|(known, ..)| known.as_bytes() == name);
        let found = match (exact, matches.next(), matches.next()) {
            (Some(exact), ..) => exact,
            (None, Some(one), None) => one,
            _ => return unsupported(format!("{} --{}", self.name, text(name))),
        };
        let value = match (found.2, value) {
            (Takes::Nothing, None) | (Takes::Maybe, None) => Vec::new(),
            (Takes::Value | Takes::Maybe, Some(value)) => value.to_vec(),
            (Takes::Value, None) => match args.next() {
                Some(value) => value.clone(),
                None => return unsupported(format!("{} --{} without a value", self.name, text(name))),
            },
            (Takes::Nothing, Some(_)) => return unsupported(format!("{} --{}", self.name, text(long))),
        };
        given.options.push((found.1, value));
        Ok(())
    }

    fn short(
        &self,
        arg: &[u8],
        args: &mut std::slice::Iter<'_, Vec<u8>>,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let mut at = 1;
        while let Some(byte) = arg.get(at) {
            at += 1;
            let letter = char::from(*byte);
            let rest = arg.get(at..).unwrap_or_default();
            match self.takes(letter) {
                Some(Takes::Nothing) => given.options.push((letter, Vec::new())),
                Some(Takes::Maybe) => {
                    given.options.push((letter, rest.to_vec()));
                    return Ok(());
                }
                Some(Takes::Value) if !rest.is_empty() => {
                    given.options.push((letter, rest.to_vec()));
                    return Ok(());
                }
                Some(Takes::Value) => match args.next() {
                    Some(value) => {
                        given.options.push((letter, value.clone()));
                        return Ok(());
                    }
                    None => return unsupported(format!("{} -{letter} without a value", self.name)),
                },
                None => return unsupported(format!("{} -{letter}", self.name)),
            }
        }
        Ok(())
    }
}
