//! Paragraphs of `Name: value` fields, read strictly: deb822(5), Debian policy 5.1.
//!
//! One reader for Release, Packages, and the `control` file of a package. It borrows: nothing is copied, and
//! 57 MB of Packages take a few tens of milliseconds.
//!
//! Invariants: within a paragraph no two names are equal when case is ignored; no name or value holds a control
//! character but the line ends and tabs of continuation lines; the text ends with a line end.
//!
//! Deliberately absent, because other readers disagree about them: comments, lines of blanks as separators,
//! carriage returns, blanks before the colon, a last line without its end.

/// How many fields a paragraph may have; the longest of Debian have about forty.
pub const MAX_FIELDS: usize = 256;
/// How long a name may be, in bytes.
pub const MAX_NAME: usize = 128;
/// How long a value may be, in bytes; the list of files in a Release is about a hundred thousand.
pub const MAX_VALUE: usize = 4 << 20;

/// The paragraphs of `text`, in their order. After an error there is nothing more.
#[must_use]
pub fn paragraphs(text: &str) -> Paragraphs<'_> {
    let error = unclean(text).map(|what| Deb822Error { line: line_of(text, what.0), what: what.1 });
    Paragraphs { rest: if error.is_some() { "" } else { text }, line: 1, error }
}

/// The only paragraph of `text`; none, or a second one, is an error.
pub fn paragraph(text: &str) -> Result<Paragraph<'_>, Deb822Error> {
    let mut all = paragraphs(text);
    let first = all.next().unwrap_or(Err(Deb822Error { line: 1, what: What::Count("none") }))?;
    match all.next() {
        None => Ok(first),
        Some(Ok(second)) => Err(Deb822Error { line: second.line, what: What::Count("more than one") }),
        Some(Err(error)) => Err(error),
    }
}

/// Text that is not deb822, with its line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Deb822Error {
    /// The line.
    pub line: usize,
    /// What is wrong there.
    pub what: What,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// A byte that no reader shows.
    #[error("control character {0:#04x}")]
    Control(u8),
    /// The text breaks off.
    #[error("the last line has no newline")]
    Cut,
    /// A line of blanks: a separator for some readers and a continuation for others.
    #[error("a line with only whitespace")]
    Blank,
    /// A continuation before any field.
    #[error("a continuation line without a field")]
    Orphan,
    /// No colon, or a name with what does not belong into one.
    #[error("expected `Name: value`, found `{0}`")]
    Name(String),
    /// The same name twice.
    #[error("duplicate field `{0}`")]
    Twice(String),
    /// More than one of the limits of this module.
    #[error("{what}, expected at most {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Not one paragraph where just one belongs.
    #[error("expected one paragraph, found {0}")]
    Count(&'static str),
}

/// A paragraph: its fields in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph<'a> {
    /// The line of its first field, counted from 1.
    pub line: usize,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Paragraph<'a> {
    /// The value of the field `name`, case ignored. The first line is trimmed; continuation lines follow as they
    /// are written, each with its line end before it and its blank.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, value)| value)
    }

    /// All fields in their order, names as they are written.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> + '_ {
        self.fields.iter().copied()
    }
}

/// See `paragraphs`.
#[derive(Debug, Clone)]
pub struct Paragraphs<'a> {
    rest: &'a str,
    line: usize,
    error: Option<Deb822Error>,
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Result<Paragraph<'a>, Deb822Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        while let Some(rest) = self.rest.strip_prefix('\n') {
            (self.rest, self.line) = (rest, self.line + 1);
        }
        if self.rest.is_empty() {
            return None;
        }
        let paragraph = self.read();
        if paragraph.is_err() {
            self.rest = "";
        }
        Some(paragraph)
    }
}

impl<'a> Paragraphs<'a> {
    /// Reads up to an empty line or the end; `rest` starts with a line that is not empty.
    fn read(&mut self) -> Result<Paragraph<'a>, Deb822Error> {
        let mut paragraph = Paragraph { line: self.line, fields: Vec::with_capacity(32) };
        let mut seen = 0_u64;
        while !self.rest.is_empty() && !self.rest.starts_with('\n') {
            let line = self.line;
            let field = self.field().map_err(|what| Deb822Error { line, what })?;
            // most names are told from the others by a few bits, so that the search for an equal one is rare
            let bit = 1 << (sum(field.0) % 64);
            if seen & bit != 0 && paragraph.get(field.0).is_some() {
                return Err(Deb822Error { line, what: What::Twice(field.0.to_owned()) });
            }
            seen |= bit;
            if paragraph.fields.len() == MAX_FIELDS {
                return Err(Deb822Error {
                    line,
                    what: What::Limit { what: "fields of a paragraph", limit: MAX_FIELDS },
                });
            }
            paragraph.fields.push(field);
        }
        Ok(paragraph)
    }

    /// Reads one field with its continuation lines.
    fn field(&mut self) -> Result<(&'a str, &'a str), What> {
        let text = self.rest;
        let mut end = end_of_line(text, 0);
        let (name, _) = named(&text[..end])?;
        self.line += 1;
        while matches!(text.as_bytes().get(end + 1), Some(b' ' | b'\t')) {
            let next = end_of_line(text, end + 1);
            if text[end + 1..next].trim_matches([' ', '\t']).is_empty() {
                return Err(What::Blank);
            }
            (end, self.line) = (next, self.line + 1);
        }
        // `unclean` saw that the text ends with a line end
        self.rest = text.get(end + 1..).unwrap_or_default();
        let value = text[name.len() + 1..end].trim_matches([' ', '\t']);
        if value.len() > MAX_VALUE {
            return Err(What::Limit { what: "bytes of a value", limit: MAX_VALUE });
        }
        Ok((name, value))
    }
}

/// Name and rest of the first line of a field.
fn named(line: &str) -> Result<(&str, &str), What> {
    if line.starts_with([' ', '\t']) {
        let blank = line.trim_matches([' ', '\t']).is_empty();
        return Err(if blank { What::Blank } else { What::Orphan });
    }
    let (name, value) = line.split_once(':').ok_or_else(|| What::Name(line.chars().take(80).collect()))?;
    let fits =
        name.bytes().all(|b| b.is_ascii_graphic()) && !name.starts_with(['#', '-']) && !name.is_empty();
    if !fits {
        return Err(What::Name(line.chars().take(80).collect()));
    }
    if name.len() > MAX_NAME {
        return Err(What::Limit { what: "bytes of a name", limit: MAX_NAME });
    }
    Ok((name, value))
}

/// The end of the line that `from` is in.
fn end_of_line(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |at| from + at)
}

/// A few bits of a name, the same for all cases of its letters.
fn sum(name: &str) -> usize {
    let lower = |at: usize| usize::from(name.as_bytes().get(at).map_or(0, |b| b | 0x20));
    name.len().wrapping_mul(7)
        + lower(0) * 3
        + lower(name.len().saturating_sub(1)) * 5
        + lower(name.len() / 2)
}

/// Where and what the text has that belongs in no field.
fn unclean(text: &str) -> Option<(usize, What)> {
    let odd = |b: u8| (b < 0x20 && b != b'\n' && b != b'\t') || b == 0x7f;
    // without an early exit the loop runs at the speed of memory
    if text.bytes().fold(false, |found, b| found | odd(b)) {
        let at = text.bytes().position(odd)?;
        return Some((at, What::Control(text.as_bytes()[at])));
    }
    (!text.is_empty() && !text.ends_with('\n')).then_some((text.len(), What::Cut))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(text: &str) -> Result<Vec<Vec<(&str, &str)>>, String> {
        paragraphs(text)
            .map(|one| one.map(|p| p.fields().collect()).map_err(|error| error.to_string()))
            .collect()
    }

    #[test]
    fn paragraphs_are_told_apart_by_empty_lines() {
        let text = "\nPackage: a\nDescription: one\n two\n .\n\tthree\nEmpty:\n\n\nPackage:b \nConffiles:\n /etc/x 0\n";
        let expected = vec![
            vec![("Package", "a"), ("Description", "one\n two\n .\n\tthree"), ("Empty", "")],
            vec![("Package", "b"), ("Conffiles", "\n /etc/x 0")],
        ];
        assert_eq!(fields(text), Ok(expected));
        assert_eq!(fields(""), Ok(vec![]));
    }

    #[test]
    fn a_field_is_found_whatever_its_case() {
        let one = paragraph("Pre-Depends: x\nSHA256: y\n").unwrap();
        assert_eq!((one.get("pre-depends"), one.get("Sha256"), one.get("SHA")), (Some("x"), Some("y"), None));
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        let cases = [
            ("A: 1\nB: 2\na: 3\n", "line 3: duplicate field `a`"),
            ("A: 1", "line 1: the last line has no newline"),
            ("A: 1\n \nB: 2\n", "line 1: a line with only whitespace"),
            (" \nB: 2\n", "line 1: a line with only whitespace"),
            ("\n x\n", "line 2: a continuation line without a field"),
            ("A: 1\r\n", "line 1: control character 0x0d"),
            ("A: 1\nB: \0\n", "line 2: control character 0x00"),
            ("A : 1\n", "line 1: expected `Name: value`, found `A : 1`"),
            ("A: 1\n\n# x: y\n", "line 3: expected `Name: value`, found `# x: y`"),
            ("-A: 1\n", "line 1: expected `Name: value`, found `-A: 1`"),
            (": 1\n", "line 1: expected `Name: value`, found `: 1`"),
            ("Ä: 1\n", "line 1: expected `Name: value`, found `Ä: 1`"),
            ("A: 1\nno field\n", "line 2: expected `Name: value`, found `no field`"),
        ];
        for (text, expected) in cases {
            assert_eq!(fields(text), Err(expected.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_file_of_one_paragraph_has_just_one() {
        assert_eq!(paragraph("").unwrap_err().to_string(), "line 1: expected one paragraph, found none");
        assert_eq!(
            paragraph("A: 1\n\nB: 2\n").unwrap_err().to_string(),
            "line 3: expected one paragraph, found more than one"
        );
    }

    #[test]
    fn limits_hold_and_nothing_follows_an_error() {
        let many: String = (0..=MAX_FIELDS).map(|n| format!("F{n}: x\n")).collect();
        let long = format!("{}: x\n", "n".repeat(MAX_NAME + 1));
        let big = format!("A: {}\n", "x".repeat(MAX_VALUE + 1));
        for (text, expected) in [
            (&many, "fields of a paragraph, expected at most 256"),
            (&long, "bytes of a name, expected at most 128"),
            (&big, "bytes of a value, expected at most 4194304"),
        ] {
            let text = format!("{text}\nB: 1\n");
            let mut all = paragraphs(&text);
            let error = all.next().unwrap().unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
            assert_eq!(all.next(), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "([A-Za-z]{0,3}:|[ \t]|[\n]|[a-z\u{e4}#.-]{0,4}){0,40}") {
            for one in paragraphs(&text) {
                let Ok(one) = one else { break };
                for (name, value) in one.fields() {
                    prop_assert_eq!(one.get(name), Some(value));
                }
            }
        }
    }
}
