//! Patterns as trees.

use super::super::Failure;
use super::super::class::Class;
use super::super::common::text;
use super::{Error, Flavour, Syntax};

/// How deep groups may be nested.
const DEPTH: usize = 150;
/// How often a repetition may be repeated.
const REPEATS: usize = 20;
/// The largest count of a repetition.
const MOST: u32 = 32767;

/// A set of bytes.
pub(super) type Set = [bool; 256];

/// What is asked of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    WordStart,
    WordEnd,
    WordEdge,
    NoWordEdge,
    /// No word ends here, as `grep -w` has it.
    NoWordBefore,
    /// No word starts here.
    NoWordAfter,
}

/// A part of a pattern.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Empty,
    Set(Box<Set>),
    Anchor(Anchor),
    Group(usize, Box<Node>),
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
    Reference(usize),
}

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) node: Node,
    pub(super) groups: usize,
    /// The groups that are referred to.
    pub(super) referenced: Vec<usize>,
    pub(super) warnings: Vec<String>,
}

struct Parser<'p> {
    pattern: &'p [u8],
    at: usize,
    syntax: Syntax,
    groups: usize,
    closed: Vec<usize>,
    depth: usize,
    parsed: Parsed,
}

const BAD_REPEAT: Error = Error::Invalid("Invalid preceding regular expression");
const UNMATCHED_BRACE: Error = Error::Invalid("Unmatched { or \\{");
const UNMATCHED_BRACKET: Error = Error::Invalid("Unmatched [, [^, [:, [., or [=");

/// Reads a pattern.
pub(super) fn parse(pattern: &[u8], syntax: Syntax) -> Result<Parsed, Error> {
    let parsed = Parsed { node: Node::Empty, groups: 0, referenced: Vec::new(), warnings: Vec::new() };
    let mut parser = Parser { pattern, at: 0, syntax, groups: 0, closed: Vec::new(), depth: 0, parsed };
    let node = if syntax.fixed {
        Node::Sequence(pattern.iter().map(|byte| parser.byte(*byte)).collect())
    } else {
        parser.either()?
    };
    if !syntax.fixed && parser.at < pattern.len() {
        return Err(Error::Invalid("Unmatched ) or \\)"));
    }
    Ok(Parsed { node, groups: parser.groups, ..parser.parsed })
}

fn unsupported<T>(words: String) -> Result<T, Error> {
    Err(Error::Failure(Failure::Unsupported(words)))
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.pattern.get(self.at + ahead).copied()
    }

    /// Whether an operator stands here: alone where expressions are extended, else after a backslash.
    fn operator(&self, at: usize, letter: u8) -> bool {
        if self.syntax.extended {
            self.pattern.get(at) == Some(&letter)
        } else {
            self.pattern.get(at) == Some(&b'\\') && self.pattern.get(at + 1) == Some(&letter)
        }
    }

    fn width(&self) -> usize {
        if self.syntax.extended { 1 } else { 2 }
    }

    fn is(&self, flavour: Flavour) -> bool {
        self.syntax.flavour == flavour
    }

    fn byte(&self, byte: u8) -> Node {
        let mut set = [false; 256];
        set[usize::from(byte)] = true;
        self.set(set)
    }

    fn set(&self, mut set: Set) -> Node {
        if self.syntax.fold {
            for letter in b'a'..=b'z' {
                let (lower, upper) = (usize::from(letter), usize::from(letter.to_ascii_uppercase()));
                let either = set[lower] || set[upper];
                (set[lower], set[upper]) = (either, either);
            }
        }
        Node::Set(Box::new(set))
    }

    fn either(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Error::Failure(Failure::Limit("150 levels of groups")));
        }
        let mut branches = vec![self.sequence()?];
        while self.operator(self.at, b'|') {
            self.at += self.width();
            branches.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(match branches.len() {
            1 => branches.remove(0),
            _ => Node::Either(branches),
        })
    }

    /// Whether the sequence ends here.
    fn ends(&self) -> bool {
        self.at >= self.pattern.len()
            || self.operator(self.at, b'|')
            || self.operator(self.at, b')') && (self.depth > 1 || !self.loose_parenthesis())
    }

    /// A `)` that closes nothing stands for itself.
    fn loose_parenthesis(&self) -> bool {
        self.syntax.extended && (self.is(Flavour::Grep) || self.is(Flavour::Awk))
    }

    fn sequence(&mut self) -> Result<Node, Error> {
        let mut nodes: Vec<Node> = Vec::new();
        // nothing stands before that could be repeated
        let mut first = true;
        while !self.ends() {
            let Some(node) = self.atom(first)? else { continue };
            let anchor = matches!(node, Node::Anchor(_));
            let bare = matches!(node, Node::Anchor(Anchor::LineStart)) && !self.syntax.extended;
            let node = if anchor {
                if !bare && self.repetition_here() {
                    if self.is(Flavour::Sed) && self.syntax.extended {
                        return Err(BAD_REPEAT);
                    }
                    if !self.is(Flavour::Grep) || !self.syntax.extended || self.peek(0) == Some(b'{') {
                        return unsupported(format!("a repeated anchor in {}", text(self.pattern)));
                    }
                    let byte = char::from(self.peek(0).unwrap_or_default());
                    self.parsed.warnings.push(format!("warning: {byte} at start of expression"));
                    self.repeat(node)?
                } else {
                    node
                }
            } else {
                self.repeat(node)?
            };
            nodes.push(node);
            first = bare;
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::Sequence(nodes),
        })
    }

    fn repetition_here(&self) -> bool {
        self.peek(0) == Some(b'*')
            || self.operator(self.at, b'+')
            || self.operator(self.at, b'?')
            || self.operator(self.at, b'{')
    }

    /// One atom; nothing where it was skipped.
    fn atom(&mut self, first: bool) -> Result<Option<Node>, Error> {
        let at = self.at;
        let Some(byte) = self.peek(0) else { return Ok(Some(Node::Empty)) };
        let extended = self.syntax.extended;
        if self.operator(at, b'(') {
            self.at += self.width();
            self.groups += 1;
            let group = self.groups;
            let node = self.either()?;
            if !self.operator(self.at, b')') {
                return Err(Error::Invalid("Unmatched ( or \\("));
            }
            self.at += self.width();
            self.closed.push(group);
            return Ok(Some(Node::Group(group, Box::new(node))));
        }
        if first && self.repetition_here() {
            return self.leading();
        }
        self.at += 1;
        Ok(Some(match byte {
            b'\\' => return self.escape().map(Some),
            b'[' => self.bracket()?,
            b'.' => {
                let mut set = [true; 256];
                set[0] = !self.is(Flavour::Grep);
                Node::Set(Box::new(set))
            }
            b'^' if extended || first && self.line_can_start(at) => Node::Anchor(Anchor::LineStart),
            b'$' if extended || self.line_can_end() => Node::Anchor(Anchor::LineEnd),
            b'{' if extended && !self.is(Flavour::Grep) && !self.is(Flavour::Awk) => return Err(BAD_REPEAT),
            other => self.byte(other),
        }))
    }

    /// In basic expressions `^` is an anchor only where a branch starts.
    fn line_can_start(&self, at: usize) -> bool {
        at == 0 || at >= 2 && self.pattern[at - 2] == b'\\' && matches!(self.pattern[at - 1], b'(' | b'|')
    }

    fn line_can_end(&self) -> bool {
        self.at >= self.pattern.len() || self.operator(self.at, b')') || self.operator(self.at, b'|')
    }

    /// A repetition of nothing.
    fn leading(&mut self) -> Result<Option<Node>, Error> {
        let byte = self.peek(0).unwrap_or_default();
        if !self.syntax.extended {
            if byte == b'*' {
                self.at += 1;
                return Ok(Some(self.byte(b'*')));
            }
            let letter = self.peek(1).unwrap_or_default();
            if letter == b'{' {
                if self.is(Flavour::Grep) {
                    return unsupported(format!("a repetition of nothing in {}", text(self.pattern)));
                }
                return Err(BAD_REPEAT);
            }
            self.at += 2;
            return Ok(Some(self.byte(letter)));
        }
        match self.syntax.flavour {
            Flavour::Sed | Flavour::Expr => Err(BAD_REPEAT),
            Flavour::Grep | Flavour::Awk if byte == b'{' => {
                if self.interval()?.is_none() {
                    self.at += 1;
                    return Ok(Some(self.byte(b'{')));
                }
                if self.is(Flavour::Awk) {
                    return unsupported(format!("a repetition of nothing in {}", text(self.pattern)));
                }
                self.parsed.warnings.push("warning: {...} at start of expression".to_owned());
                Ok(None)
            }
            Flavour::Awk => unsupported(format!("a repetition of nothing in {}", text(self.pattern))),
            Flavour::Grep => {
                self.at += 1;
                let words = format!("warning: {} at start of expression", char::from(byte));
                self.parsed.warnings.push(words);
                Ok(None)
            }
        }
    }

    fn repeat(&mut self, mut node: Node) -> Result<Node, Error> {
        let mut repeated = false;
        for _ in 0..REPEATS {
            let basic = !self.syntax.extended && !self.is(Flavour::Grep);
            if repeated && basic && (self.peek(0) == Some(b'*') || self.operator(self.at, b'{')) {
                return Err(BAD_REPEAT);
            }
            let (least, most) = if self.peek(0) == Some(b'*') {
                self.at += 1;
                (0, None)
            } else if self.operator(self.at, b'+') {
                self.at += self.width();
                (1, None)
            } else if self.operator(self.at, b'?') {
                self.at += self.width();
                (0, Some(1))
            } else if self.operator(self.at, b'{') {
                match self.interval()? {
                    Some(counts) => counts,
                    None => return Ok(node),
                }
            } else {
                return Ok(node);
            };
            repeated = true;
            node = Node::Repeat(Box::new(node), least, most);
        }
        Err(Error::Failure(Failure::Limit("20 repetitions of one another")))
    }

    /// `{n,m}`; nothing, and no move, where braces stand for themselves.
    fn interval(&mut self) -> Result<Option<(u32, Option<u32>)>, Error> {
        let start = self.at;
        self.at += self.width();
        let least = self.digits();
        let comma = self.peek(0) == Some(b',');
        self.at += usize::from(comma);
        let most = if comma { self.digits() } else { least };
        let closed = self.operator(self.at, b'}');
        let counts = match (least, most) {
            (None, None) => (!(self.is(Flavour::Awk)) && comma).then_some((0, None)),
            (least, most) => {
                let least = least.unwrap_or(0);
                most.is_none_or(|most| least <= most).then_some((least, most))
            }
        };
        match counts {
            Some((least, most)) if closed => {
                if least > MOST || most.is_some_and(|most| most > MOST) {
                    return Err(Error::Invalid("Regular expression too big"));
                }
                self.at += self.width();
                Ok(Some((least, most)))
            }
            _ if self.syntax.extended && (self.is(Flavour::Grep) || self.is(Flavour::Awk)) => {
                self.at = start;
                // what follows is plain text
                Ok(None)
            }
            _ if closed => Err(Error::Invalid("Invalid content of \\{\\}")),
            _ if self.at >= self.pattern.len() || self.syntax.extended => Err(UNMATCHED_BRACE),
            _ => Err(Error::Invalid("Invalid content of \\{\\}")),
        }
    }

    fn digits(&mut self) -> Option<u32> {
        let mut value = None;
        while let Some(digit @ b'0'..=b'9') = self.peek(0) {
            value = Some(value.unwrap_or(0u32).saturating_mul(10).saturating_add(u32::from(digit - b'0')));
            self.at += 1;
        }
        value
    }

    /// What a backslash makes of the next byte.
    fn escape(&mut self) -> Result<Node, Error> {
        let Some(byte) = self.peek(0) else { return Err(Error::Invalid("Trailing backslash")) };
        self.at += 1;
        if self.is(Flavour::Awk) {
            return self.escape_awk(byte);
        }
        let word =
            |byte: usize| u8::try_from(byte).is_ok_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let space = |byte: usize| u8::try_from(byte).is_ok_and(|byte| Class::Space.holds(byte));
        Ok(match byte {
            b'w' => Node::Set(Box::new(std::array::from_fn(word))),
            b'W' => Node::Set(Box::new(std::array::from_fn(|byte| !word(byte)))),
            b's' => Node::Set(Box::new(std::array::from_fn(space))),
            b'S' => Node::Set(Box::new(std::array::from_fn(|byte| !space(byte)))),
            b'b' => Node::Anchor(Anchor::WordEdge),
            b'B' => Node::Anchor(Anchor::NoWordEdge),
            b'<' => Node::Anchor(Anchor::WordStart),
            b'>' => Node::Anchor(Anchor::WordEnd),
            b'`' => Node::Anchor(Anchor::TextStart),
            b'\'' => Node::Anchor(Anchor::TextEnd),
            b'1'..=b'9' => {
                let group = usize::from(byte - b'0');
                if !self.closed.contains(&group) {
                    return Err(Error::Invalid("Invalid back reference"));
                }
                if !self.parsed.referenced.contains(&group) {
                    self.parsed.referenced.push(group);
                }
                Node::Reference(group)
            }
            b'{' if !self.syntax.extended => return Err(BAD_REPEAT),
            other if self.is(Flavour::Sed) => match sed_escape(self.pattern, &mut self.at, other) {
                Some(byte) => self.byte(byte),
                None => self.byte(other),
            },
            // Debian's grep does not warn of a backslash that means nothing
            other => self.byte(other),
        })
    }

    fn escape_awk(&mut self, byte: u8) -> Result<Node, Error> {
        match awk_escape(self.pattern, &mut self.at, byte) {
            Some(byte) => Ok(self.byte(byte)),
            // classes to gawk, and the letters themselves to mawk
            None if b"sSwW".contains(&byte) => Ok(self.byte(byte)),
            None if byte.is_ascii_alphanumeric() || b"<>`'".contains(&byte) => {
                unsupported(format!("\\{} in a pattern of awk", char::from(byte)))
            }
            None => Ok(self.byte(byte)),
        }
    }

    fn bracket(&mut self) -> Result<Node, Error> {
        let start = self.at;
        let mut set = [false; 256];
        let negated = self.peek(0) == Some(b'^');
        self.at += usize::from(negated);
        let mut first = true;
        loop {
            let Some(byte) = self.peek(0) else { return Err(UNMATCHED_BRACKET) };
            if byte == b']' && !first {
                self.at += 1;
                break;
            }
            first = false;
            if byte == b'['
                && let Some(mark @ (b':' | b'=' | b'.')) = self.peek(1)
                && (mark != b':' || self.closes(mark))
                && mark == b':'
            {
                let name = self.named(mark)?;
                let Some(class) = Class::named(&name) else {
                    return Err(Error::Invalid("Invalid character class name"));
                };
                // without case, upper and lower are any letter
                for (index, member) in set.iter_mut().enumerate() {
                    *member |= u8::try_from(index).is_ok_and(|byte| class.holds(byte));
                }
                if self.peek(0) == Some(b'-') && !matches!(self.peek(1), Some(b']') | None) {
                    return Err(Error::Invalid("Invalid range end"));
                }
                continue;
            }
            let (low, equivalence) = self.element()?;
            let range =
                !equivalence && self.peek(0) == Some(b'-') && self.peek(1).is_some_and(|next| next != b']');
            if !range {
                set[usize::from(low)] = true;
                continue;
            }
            self.at += 1;
            let (high, _) = self.element()?;
            if high < low {
                return Err(Error::Invalid("Invalid range end"));
            }
            for member in &mut set[usize::from(low)..=usize::from(high)] {
                *member = true;
            }
        }
        let inside = &self.pattern[start..self.at - 1];
        if !self.is(Flavour::Expr)
            && !self.is(Flavour::Awk)
            && inside.len() > 1
            && let (Some(b':'), Some(b':')) = (inside.first(), inside.last())
        {
            return Err(Error::Invalid("character class syntax is [[:space:]], not [:space:]"));
        }
        let Node::Set(mut set) = self.set(set) else { return Ok(Node::Empty) };
        if negated {
            for member in set.iter_mut() {
                *member = !*member;
            }
        }
        Ok(Node::Set(set))
    }

    /// Whether `[:` is closed by `:]`.
    fn closes(&self, mark: u8) -> bool {
        self.pattern[self.at + 2..].windows(2).any(|pair| pair == [mark, b']'])
    }

    /// The name in `[:name:]` and its like, at its `[`.
    fn named(&mut self, mark: u8) -> Result<Vec<u8>, Error> {
        let from = self.at + 2;
        let rest = self.pattern.get(from..).unwrap_or_default();
        let Some(length) = rest.windows(2).position(|pair| pair == [mark, b']']) else {
            return Err(UNMATCHED_BRACKET);
        };
        self.at = from + length + 2;
        Ok(rest[..length].to_vec())
    }

    /// One byte of a bracket expression, and whether it is `[=x=]`.
    fn element(&mut self) -> Result<(u8, bool), Error> {
        let Some(byte) = self.peek(0) else { return Err(UNMATCHED_BRACKET) };
        if byte == b'['
            && let Some(mark @ (b'=' | b'.')) = self.peek(1)
        {
            let name = self.named(mark)?;
            return match name.as_slice() {
                [one] => Ok((*one, mark == b'=')),
                _ => Err(Error::Invalid("Invalid collation character")),
            };
        }
        self.at += 1;
        if byte == b'\\' && (self.is(Flavour::Sed) || self.is(Flavour::Awk)) {
            let Some(next) = self.peek(0) else { return Err(UNMATCHED_BRACKET) };
            let before = self.at;
            self.at += 1;
            let escaped = if self.is(Flavour::Sed) {
                // a backslash in a bracket stands for itself, but for the escapes that sed replaces beforehand
                sed_escape(self.pattern, &mut self.at, next)
            } else {
                match awk_escape(self.pattern, &mut self.at, next) {
                    None if next.is_ascii_alphanumeric() => {
                        return unsupported(format!("\\{} in brackets of awk", char::from(next)));
                    }
                    escaped => escaped.or(Some(next)),
                }
            };
            match escaped {
                Some(byte) => return Ok((byte, false)),
                None => self.at = before,
            }
        }
        Ok((byte, false))
    }
}

/// The byte that `\letter` stands for in sed; `at` is after the letter, and moves after digits.
pub(in super::super) fn sed_escape(pattern: &[u8], at: &mut usize, letter: u8) -> Option<u8> {
    let mut number = |base: u32, count: usize| {
        let rest = pattern.get(*at..).unwrap_or_default();
        let digits = rest.iter().take(count).map_while(|digit| char::from(*digit).to_digit(base));
        let digits: Vec<u32> = digits.collect();
        if digits.is_empty() {
            return None;
        }
        *at += digits.len();
        Some(digits.iter().fold(0u32, |value, digit| value * base + digit).to_le_bytes()[0])
    };
    match letter {
        b'n' => Some(b'\n'),
        b't' => Some(b'\t'),
        b'f' => Some(12),
        b'v' => Some(11),
        b'a' => Some(7),
        b'r' => Some(b'\r'),
        b'd' => number(10, 3),
        b'o' => number(8, 3),
        b'x' => number(16, 2),
        b'c' => {
            let next = pattern.get(*at).copied().filter(|next| *next != b'\\')?;
            *at += 1;
            Some(next.to_ascii_uppercase() ^ 0x40)
        }
        _ => None,
    }
}

/// The byte that `\letter` stands for in awk; `at` is after the letter, and moves after digits.
pub(in super::super) fn awk_escape(pattern: &[u8], at: &mut usize, letter: u8) -> Option<u8> {
    match letter {
        b'n' => Some(b'\n'),
        b't' => Some(b'\t'),
        b'f' => Some(12),
        b'v' => Some(11),
        b'a' => Some(7),
        b'b' => Some(8),
        b'r' => Some(b'\r'),
        b'\\' | b'/' | b'"' => Some(letter),
        b'0'..=b'7' => {
            let rest = pattern.get(*at..).unwrap_or_default();
            let more: Vec<u8> =
                rest.iter().take(2).take_while(|digit| matches!(digit, b'0'..=b'7')).copied().collect();
            *at += more.len();
            let value =
                more.iter().fold(u32::from(letter - b'0'), |sum, digit| sum * 8 + u32::from(digit - b'0'));
            Some(value.to_le_bytes()[0])
        }
        _ => None,
    }
}
