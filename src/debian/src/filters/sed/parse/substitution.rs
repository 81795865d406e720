//! Reads `s` and `y`.

use super::super::super::regex::sed_escape;
use super::super::script::{Action, Case, Part, Substitution};
use super::{Error, Parser, invalid, is_blank, unsupported};

impl Parser<'_> {
    pub(super) fn substitute(&mut self) -> Result<Action, Error> {
        let unterminated = "unterminated `s' command";
        let Some(mark) = self.next().filter(|mark| *mark != b'\n' && *mark != b'\\') else {
            return invalid(unterminated);
        };
        let Some(pattern) = self.until(mark) else { return invalid(unterminated) };
        let Some(replacement) = self.replacement(mark) else { return invalid(unterminated) };
        let mut syntax = self.syntax();
        let (mut all, mut print, mut nth, mut write) = (false, false, None, None);
        loop {
            match self.peek() {
                Some(b'i' | b'I') => syntax.fold = true,
                Some(b'm' | b'M') => syntax.lines = true,
                Some(b'e') => return unsupported("the flag e of sed's command s".to_owned()),
                Some(b'p') if print => return invalid("multiple `p' options to `s' command"),
                Some(b'p') => print = true,
                Some(b'g') if all => return invalid("multiple `g' options to `s' command"),
                Some(b'g') => all = true,
                Some(b'0'..=b'9') => {
                    let count = self.digits();
                    if nth.is_some() {
                        return invalid("multiple number options to `s' command");
                    }
                    if count == Some(0) {
                        return invalid("number option to `s' command may not be zero");
                    }
                    nth = count;
                    continue;
                }
                Some(b'w') => {
                    self.at += 1;
                    write = Some(self.target()?);
                    break;
                }
                None | Some(b'}' | b'#') => break,
                Some(b'\n' | b';') => {
                    self.at += 1;
                    break;
                }
                Some(byte) if is_blank(byte) => {}
                Some(_) => return invalid("unknown option to `s'"),
            }
            self.at += 1;
        }
        let pattern = self.regex(&pattern, syntax)?;
        if let Some(pattern) = &pattern {
            for part in &replacement {
                if let Part::Group(group) = part
                    && *group > pattern.groups()
                {
                    let words = format!("invalid reference \\{group} on `s' command's RHS");
                    return Err(Error::Invalid(words));
                }
            }
        }
        let nth = nth.unwrap_or(1);
        Ok(Action::Substitute(Box::new(Substitution { pattern, parts: replacement, all, print, nth, write })))
    }

    /// The replacement of `s`.
    fn replacement(&mut self, mark: u8) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        let mut found = Vec::new();
        let flush = |found: &mut Vec<u8>, parts: &mut Vec<Part>, part: Option<Part>| {
            if !found.is_empty() {
                parts.push(Part::Text(std::mem::take(found)));
            }
            parts.extend(part);
        };
        loop {
            let byte = self.next()?;
            if byte == mark {
                flush(&mut found, &mut parts, None);
                return Some(parts);
            }
            match byte {
                b'\n' => return None,
                b'&' => flush(&mut found, &mut parts, Some(Part::Group(0))),
                b'\\' => {
                    let next = self.next()?;
                    let case = match next {
                        _ if next == mark => None,
                        b'L' => Some(Case::Lower),
                        b'U' => Some(Case::Upper),
                        b'l' => Some(Case::LowerOne),
                        b'u' => Some(Case::UpperOne),
                        b'E' => Some(Case::End),
                        _ => None,
                    };
                    if let Some(case) = case {
                        flush(&mut found, &mut parts, Some(Part::Case(case)));
                    } else if next == mark {
                        // `&` as a mark stays plain text
                        found.push(next);
                    } else if next.is_ascii_digit() {
                        flush(&mut found, &mut parts, Some(Part::Group(usize::from(next - b'0'))));
                    } else {
                        let escaped = sed_escape(self.script, &mut self.at, next);
                        found.push(escaped.unwrap_or(next));
                    }
                }
                other => found.push(other),
            }
        }
    }

    pub(super) fn translate(&mut self) -> Result<Action, Error> {
        let unterminated = "unterminated `y' command";
        let Some(mark) = self.next().filter(|mark| *mark != b'\n' && *mark != b'\\') else {
            return invalid(unterminated);
        };
        let mut sides = Vec::new();
        for _ in 0..2 {
            let mut side = Vec::new();
            loop {
                match self.next() {
                    None | Some(b'\n') => return invalid(unterminated),
                    Some(byte) if byte == mark => break,
                    Some(b'\\') => {
                        let Some(next) = self.next() else { return invalid(unterminated) };
                        if next == mark || next == b'\\' || next == b'\n' {
                            side.push(next);
                        } else if let Some(byte) = sed_escape(self.script, &mut self.at, next) {
                            side.push(byte);
                        } else {
                            side.push(next);
                        }
                    }
                    Some(other) => side.push(other),
                }
            }
            sides.push(side);
        }
        let [from, to] = sides.as_slice() else { return invalid(unterminated) };
        if from.len() != to.len() {
            return invalid("strings for `y' command are different lengths");
        }
        let mut table = [0; 256];
        for (byte, entry) in (0..=u8::MAX).zip(table.iter_mut()) {
            let at = from.iter().position(|known| *known == byte);
            *entry = at.and_then(|at| to.get(at)).copied().unwrap_or(byte);
        }
        Ok(Action::Translate(Box::new(table)))
    }
}
