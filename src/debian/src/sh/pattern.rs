//! Patterns of `case`, `${x#…}` and of path names.

use super::state::{Shell, Stop};
use crate::failure::Reason;
use crate::files::{Bytes, Kind, absolute, join};

/// Characters, each with whether it was quoted.
pub(crate) type Quoted = Vec<(u8, bool)>;

/// Whether a pattern matches all of a text. `budget` bounds the comparisons.
pub(crate) fn matches(pattern: &[(u8, bool)], text: &[u8], budget: &mut u64) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let Some(left) = budget.checked_sub(1) else { return false };
        *budget = left;
        let step = match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some((b'*', false)), _) => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            (_, None) if !rest_is_stars(pattern.get(p..).unwrap_or_default()) => false,
            (Some((b'?', false)), Some(_)) => Some(1).is_some_and(|n| {
                p += n;
                true
            }),
            (Some((b'[', false)), Some(byte)) => {
                match bracket(pattern.get(p + 1..).unwrap_or_default(), *byte) {
                    Some((true, length)) => {
                        p += 1 + length;
                        true
                    }
                    Some((false, _)) => false,
                    None if *byte == b'[' => {
                        p += 1;
                        true
                    }
                    None => false,
                }
            }
            (Some((b'\\', false)), Some(byte)) if pattern.get(p + 1).is_some() => {
                let same = pattern.get(p + 1).is_some_and(|(next, _)| next == byte);
                p += if same { 2 } else { 0 };
                same
            }
            (Some((literal, _)), Some(byte)) if literal == byte => {
                p += 1;
                true
            }
            _ => false,
        };
        if step {
            t += 1;
            continue;
        }
        match star {
            Some((after, from)) if from < text.len() => {
                star = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
            _ => return false,
        }
    }
}

fn rest_is_stars(pattern: &[(u8, bool)]) -> bool {
    pattern.iter().all(|p| *p == (b'*', false))
}

/// Whether a bracket expression, after its `[`, holds a byte, and its length with the `]`. `None` when it is not closed.
fn bracket(pattern: &[(u8, bool)], byte: u8) -> Option<(bool, usize)> {
    let mut at = 0;
    let negated = matches!(pattern.first(), Some((b'!', false)));
    at += usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        let (mut low, mut quoted) = *pattern.get(at)?;
        if low == b']' && !quoted && at > first {
            return Some((found != negated, at + 1));
        }
        if low == b'[' && !quoted && pattern.get(at + 1) == Some(&(b':', false)) {
            let rest = pattern.get(at + 2..)?;
            let end = rest
                .iter()
                .position(|(b, _)| *b == b':')
                .filter(|end| rest.get(end + 1).is_some_and(|b| b.0 == b']'));
            if let Some(end) = end {
                let name: Vec<u8> = rest.get(..end)?.iter().map(|(b, _)| *b).collect();
                found |= class(&name, byte);
                at += 2 + end + 2;
                continue;
            }
        }
        if low == b'\\' && !quoted && pattern.get(at + 1).is_some() {
            at += 1;
            (low, quoted) = *pattern.get(at)?;
            let _ = quoted;
        }
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&(b'-', false)) && pattern.get(at + 1).is_some_and(|b| *b != (b']', false))
        {
            high = pattern.get(at + 1)?.0;
            at += 2;
        }
        found |= (low..=high).contains(&byte);
    }
}

fn class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

/// Whether a field has something that stands for other characters.
pub(crate) fn is_pattern(field: &[(u8, bool)]) -> bool {
    field.iter().any(|(b, quoted)| !quoted && matches!(b, b'*' | b'?' | b'['))
}

pub(crate) fn plain(field: &[(u8, bool)]) -> Bytes {
    field.iter().map(|(b, _)| *b).collect()
}

impl Shell<'_> {
    pub(crate) fn matches(&mut self, pattern: &[(u8, bool)], text: &[u8]) -> Result<bool, Stop> {
        let mut budget = self.steps.min(20_000_000);
        let before = budget;
        let matched = matches(pattern, text, &mut budget);
        self.steps = self.steps.saturating_sub((before - budget) / 64);
        if budget == 0 { Err(self.fail(Reason::Limit("the steps of a pattern"))) } else { Ok(matched) }
    }

    /// The paths that a pattern stands for, sorted; none when it matches nothing.
    pub(crate) fn glob(&mut self, pattern: &[(u8, bool)]) -> Result<Vec<Bytes>, Stop> {
        let rooted = pattern.first().is_some_and(|(b, _)| *b == b'/');
        let mut found: Vec<Bytes> = vec![if rooted { b"/".to_vec() } else { Vec::new() }];
        let parts: Vec<&[(u8, bool)]> = pattern.split(|(b, _)| *b == b'/').collect();
        for (i, part) in parts.iter().enumerate() {
            let last = i + 1 == parts.len();
            if part.is_empty() {
                if last {
                    found = found
                        .into_iter()
                        .map(|mut at| {
                            if !at.ends_with(b"/") {
                                at.push(b'/');
                            }
                            at
                        })
                        .collect();
                }
                continue;
            }
            let mut next = Vec::new();
            for at in found {
                self.step()?;
                let put = |name: &[u8]| {
                    if at.is_empty() || at.ends_with(b"/") {
                        [&at[..], name].concat()
                    } else {
                        join(&at, name)
                    }
                };
                if !is_pattern(part) {
                    let whole = put(&plain(part));
                    if !last || self.files.lstat(&absolute(&self.s.cwd, &whole)).is_some() {
                        next.push(whole);
                    }
                    continue;
                }
                let directory = absolute(&self.s.cwd, if at.is_empty() { b"." } else { &at });
                let Ok(real) = self.files.resolve(&directory, true) else { continue };
                let Ok(names) = self.files.list(&real) else { continue };
                for name in names {
                    if name.starts_with(b".") && part.first().is_none_or(|(b, _)| *b != b'.') {
                        continue;
                    }
                    if self.matches(part, &name)? {
                        let whole = put(&name);
                        let directory = || {
                            self.files
                                .stat(&absolute(&self.s.cwd, &whole))
                                .is_some_and(|m| m.kind == Kind::Directory)
                        };
                        if last || directory() {
                            next.push(whole);
                        }
                    }
                }
            }
            found = next;
        }
        found.retain(|path| !path.is_empty() && self.files.lstat(&absolute(&self.s.cwd, path)).is_some());
        found.sort();
        Ok(found)
    }
}
