//! Parameter expansion.

use super::ast::{Op, Param, Word};
use super::expand::{Fields, place};
use super::parse::is_name;
use super::pattern::matches;
use super::state::{Shell, Stop};
use crate::failure::Reason;
use crate::files::Bytes;

impl Shell<'_> {
    /// The value of a parameter, except `$@` and `$*`.
    fn lookup(&mut self, name: &[u8]) -> Result<Option<Bytes>, Stop> {
        Ok(match name {
            b"#" => Some(self.s.args.len().to_string().into_bytes()),
            b"?" => Some(self.s.status.to_string().into_bytes()),
            b"-" => Some(self.flags()),
            // the number of a process: the same in every run, and not that of another one
            b"$" => Some(b"4242".to_vec()),
            b"!" => self.s.background.then(|| b"4243".to_vec()),
            b"0" => Some(self.s.name.clone()),
            _ if name.first().is_some_and(u8::is_ascii_digit) => {
                let number: usize =
                    std::str::from_utf8(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
                self.s.args.get(number.saturating_sub(1)).cloned()
            }
            b"RANDOM" | b"HOSTNAME" if self.s.vars.get(name).is_none() => None,
            _ => self.s.vars.get(name).cloned(),
        })
    }

    fn flags(&self) -> Bytes {
        let o = &self.s.options;
        let all =
            [(o.errexit, b'e'), (o.noglob, b'f'), (o.noexec, b'n'), (o.xtrace, b'x'), (o.verbose, b'v')];
        let more = [(o.noclobber, b'C'), (o.allexport, b'a'), (o.nounset, b'u')];
        all.iter().chain(&more).filter(|(on, _)| *on).map(|(_, letter)| *letter).collect()
    }

    /// All parameters as one, with the first character of IFS between them.
    fn joined(&self) -> Bytes {
        let separator = match self.s.vars.get(b"IFS") {
            None => vec![b' '],
            Some(ifs) => ifs.first().copied().into_iter().collect(),
        };
        self.s.args.join(&separator[..])
    }

    pub(super) fn param(&mut self, param: &Param, fields: &mut Fields) -> Result<(), Stop> {
        let many = matches!(&param.name[..], b"@" | b"*");
        // `$*` and `$@` are set, even where there are no parameters
        let value = if many { Some(self.joined()) } else { self.lookup(&param.name)? };
        let missing = |colon: bool| match &value {
            None => true,
            Some(value) => colon && value.is_empty(),
        };
        match &param.op {
            Op::Value => match value {
                None if self.s.options.nounset => self.unset(&param.name),
                None => {
                    if param.quoted {
                        fields.push(b"", true);
                    }
                    Ok(())
                }
                Some(_) if many => self.all(param, fields),
                Some(value) => {
                    place(fields, &value, param.quoted);
                    Ok(())
                }
            },
            Op::Length => {
                if many {
                    return Err(self.unsupported(format!("`${{#{}}}`", String::from_utf8_lossy(&param.name))));
                }
                let Some(value) = value.or_else(|| (!self.s.options.nounset).then(Vec::new)) else {
                    return self.unset(&param.name);
                };
                place(fields, value.len().to_string().as_bytes(), param.quoted);
                Ok(())
            }
            Op::Default { colon, word } if missing(*colon) => self.expand(word, fields, !param.quoted),
            Op::Alternative { colon, word } => {
                if missing(*colon) {
                    if param.quoted {
                        fields.push(b"", true);
                    }
                    Ok(())
                } else {
                    self.expand(word, fields, !param.quoted)
                }
            }
            Op::Assign { colon, word } if missing(*colon) => {
                let value = self.string(word)?;
                if !is_name(&param.name) {
                    return self.fatal("bad variable name");
                }
                self.set(&param.name, value.clone())?;
                place(fields, &value, param.quoted);
                Ok(())
            }
            Op::Error { colon, word } if missing(*colon) => {
                let message = self.string(word)?;
                let message = if message.is_empty() { b"parameter not set".to_vec() } else { message };
                let name = String::from_utf8_lossy(&param.name).into_owned();
                self.fatal(&format!("{name}: {}", String::from_utf8_lossy(&message)))
            }
            Op::Default { .. } | Op::Assign { .. } | Op::Error { .. } => {
                if many {
                    return self.all(param, fields);
                }
                place(fields, &value.unwrap_or_default(), param.quoted);
                Ok(())
            }
            Op::Prefix { longest, pattern } => self.trim(param, value, fields, pattern, *longest, true),
            Op::Suffix { longest, pattern } => self.trim(param, value, fields, pattern, *longest, false),
            Op::Bad(text) => {
                let text = String::from_utf8_lossy(text).into_owned();
                Err(self.unsupported(format!("`${{{text}}}`, which dash does not know,")))
            }
        }
    }

    fn unset<T>(&mut self, name: &[u8]) -> Result<T, Stop> {
        self.fatal(&format!("{}: parameter not set", String::from_utf8_lossy(name)))
    }

    fn all(&mut self, param: &Param, fields: &mut Fields) -> Result<(), Stop> {
        let splits = fields.ifs.is_some();
        if !splits || (param.quoted && param.name == b"*") {
            let joined = self.joined();
            fields.push(&joined, param.quoted);
            return Ok(());
        }
        let args = self.s.args.clone();
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                fields.end_param();
            }
            place(fields, arg, param.quoted);
        }
        Ok(())
    }

    fn trim(
        &mut self,
        param: &Param,
        value: Option<Bytes>,
        fields: &mut Fields,
        pattern: &Word,
        longest: bool,
        prefix: bool,
    ) -> Result<(), Stop> {
        let Some(value) = value.or_else(|| (!self.s.options.nounset).then(Vec::new)) else {
            return self.unset(&param.name);
        };
        let pattern = self.quoted(pattern)?;
        let lengths: Box<dyn Iterator<Item = usize>> =
            if longest { Box::new((0..=value.len()).rev()) } else { Box::new(0..=value.len()) };
        let mut budget = self.steps.min(50_000_000);
        let mut rest = value.clone();
        for length in lengths {
            let cut = if prefix { length } else { value.len() - length };
            let (head, tail) = value.split_at_checked(cut).unwrap_or((&value, b""));
            let (tried, kept) = if prefix { (head, tail) } else { (tail, head) };
            if matches(&pattern, tried, &mut budget) {
                rest = kept.to_vec();
                break;
            }
        }
        if budget == 0 {
            return Err(self.fail(Reason::Limit("the steps of a pattern")));
        }
        place(fields, &rest, param.quoted);
        Ok(())
    }
}
