//! What every filter does: read its operands, print, complain, and count its steps.

use super::{Failure, Input, Output};
use std::borrow::Cow;

/// How much a filter may hold of what it prints, writes or remembers.
pub(super) const MEMORY: usize = 64 << 20;
/// What a filter ran out of.
pub(super) const MEMORY_TEXT: &str = "64 MiB of memory";
/// What a filter ran out of.
pub(super) const STEPS_TEXT: &str = "the steps that a script may take";

/// The result of a filter.
pub(super) type Done = Result<Output, Failure>;

/// The failure that names what is not supported.
pub(super) fn unsupported<T>(words: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Unsupported(words.into()))
}

/// Bytes as text of a message.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Takes `count` of the steps that are left.
pub(super) fn take(steps: &mut u64, count: u64) -> Result<(), Failure> {
    match steps.checked_sub(count) {
        Some(left) => {
            *steps = left;
            Ok(())
        }
        None => {
            *steps = 0;
            Err(Failure::Limit(STEPS_TEXT))
        }
    }
}

/// Adds bytes to what is held, within the limit.
pub(super) fn push(held: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Failure> {
    if held.len().saturating_add(bytes.len()) > MEMORY {
        return Err(Failure::Limit(MEMORY_TEXT));
    }
    held.extend_from_slice(bytes);
    Ok(())
}

/// A filter at work.
pub(super) struct Run<'r, 'a> {
    /// Its name, for its messages.
    pub(super) name: &'static str,
    /// What it was called with.
    pub(super) input: &'r mut Input<'a>,
    /// What it did so far.
    pub(super) out: Output,
    /// Its standard input was read already; it is at its end.
    taken: bool,
}

impl<'r, 'a> Run<'r, 'a> {
    /// A filter that starts.
    pub(super) fn new(name: &'static str, input: &'r mut Input<'a>) -> Self {
        Self { name, input, out: Output::default(), taken: false }
    }

    /// Takes steps.
    pub(super) fn step(&mut self, count: u64) -> Result<(), Failure> {
        take(self.input.steps, count)
    }

    /// Prints bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        push(&mut self.out.stdout, bytes)
    }

    /// Prints bytes and the byte that ends a record.
    pub(super) fn line(&mut self, bytes: &[u8], end: u8) -> Result<(), Failure> {
        self.put(bytes)?;
        self.put(&[end])
    }

    /// Complains on standard error, in the form of GNU's programs.
    pub(super) fn complain(&mut self, words: &str) {
        let line = format!("{}: {words}\n", self.name);
        // the first complaints are enough
        if self.out.stderr.len() < 1 << 20 {
            self.out.stderr.extend_from_slice(line.as_bytes());
        }
    }

    /// Complains, and ends with `status`.
    pub(super) fn fail(mut self, words: &str, status: u8) -> Done {
        self.complain(words);
        self.out.status = status;
        Ok(self.out)
    }

    /// Standard input; at its end the second time.
    pub(super) fn stdin(&mut self) -> &'a [u8] {
        if std::mem::replace(&mut self.taken, true) { &[] } else { self.input.stdin }
    }

    /// A file, or standard input for `-`.
    pub(super) fn open(&mut self, file: &[u8]) -> Result<Cow<'a, [u8]>, String> {
        match file {
            b"-" | b"/dev/stdin" => Ok(Cow::Borrowed(self.stdin())),
            b"/dev/null" => Ok(Cow::Borrowed(&[])),
            _ => (self.input.read)(file).map(Cow::Owned),
        }
    }

    /// A file; where it cannot be read, a complaint, the status and nothing.
    pub(super) fn open_or_complain(&mut self, file: &[u8], status: u8) -> Option<Cow<'a, [u8]>> {
        match self.open(file) {
            Ok(data) => Some(data),
            Err(error) => {
                let words = format!("{}: {error}", text(file));
                self.complain(&words);
                self.out.status = self.out.status.max(status);
                None
            }
        }
    }

    /// All operands one after the other, or standard input without one.
    pub(super) fn all(&mut self, operands: &[Vec<u8>], status: u8) -> Result<Cow<'a, [u8]>, Failure> {
        match operands {
            [] => Ok(Cow::Borrowed(self.stdin())),
            [one] => Ok(self.open_or_complain(one, status).unwrap_or_default()),
            many => {
                let mut data = Vec::new();
                for file in many {
                    if let Some(part) = self.open_or_complain(file, status) {
                        push(&mut data, &part)?;
                    }
                }
                Ok(Cow::Owned(data))
            }
        }
    }

    /// Keeps a file that the filter writes.
    pub(super) fn write(&mut self, file: &[u8], data: Vec<u8>) -> Result<(), Failure> {
        let held: usize = self.out.writes.iter().map(|(_, data)| data.len()).sum();
        if held.saturating_add(data.len()) > MEMORY {
            return Err(Failure::Limit(MEMORY_TEXT));
        }
        self.out.writes.push((file.to_vec(), data));
        Ok(())
    }

    /// The end.
    pub(super) fn finish(self) -> Done {
        Ok(self.out)
    }
}

/// The records of `data`, without the byte that ends each.
pub(super) fn records(data: &[u8], end: u8) -> impl DoubleEndedIterator<Item = &[u8]> {
    let data = data.strip_suffix(&[end]).map_or_else(|| (!data.is_empty()).then_some(data), Some);
    data.into_iter().flat_map(move |data| data.split(move |byte| *byte == end))
}

/// A whole number, of digits only.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // what is too large for the type is as large as it can be
    Some(bytes.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// A number as a size in memory.
pub(super) fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A length as a number.
pub(super) fn length(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
