//! Which commands a line is for.

use super::super::super::Failure;
use super::super::super::common::unsupported;
use super::super::super::regex::Regex;
use super::super::script::{Address, Command};
use super::{Range, Stream};

impl<'s> Stream<'_, '_, 's> {
    pub(super) fn pattern(&mut self, pattern: Option<&'s Regex>) -> Result<&'s Regex, Failure> {
        match pattern.or(self.last) {
            Some(regex) => {
                self.last = Some(regex);
                Ok(regex)
            }
            None => unsupported("an empty pattern of sed before any other"),
        }
    }

    fn meets(&mut self, address: &'s Address) -> Result<bool, Failure> {
        Ok(match address {
            Address::Zero | Address::More(_) | Address::Multiple(_) => false,
            Address::Line(line) => self.number == *line,
            Address::Step(first, step) => {
                self.number >= *first && (self.number - *first).checked_rem(*step) == Some(0)
            }
            Address::Last => self.at_end(),
            Address::Pattern(pattern) => {
                let regex = self.pattern(pattern.as_deref())?;
                regex.is_match(&self.space, self.run.input.steps)?
            }
        })
    }

    /// Whether a command's addresses hold here.
    pub(super) fn selects(&mut self, index: usize, command: &'s Command) -> Result<bool, Failure> {
        let Some(first) = &command.first else { return Ok(true) };
        let Some(second) = &command.second else { return self.meets(first) };
        let line = self.number;
        let range = self.ranges.get(index).copied().unwrap_or(Range::Inactive);
        if let Range::Active(end) = range {
            let (over, within) = match end {
                Some(end) => (line >= end, line <= end),
                None => (self.meets(second)?, true),
            };
            if over {
                self.ranges[index] = Range::Closed;
            }
            return Ok(within);
        }
        self.begins(index, first, second)
    }

    fn begins(&mut self, index: usize, first: &'s Address, second: &'s Address) -> Result<bool, Failure> {
        let line = self.number;
        let closed = self.ranges.get(index) == Some(&Range::Closed);
        let started = match (first, second) {
            (Address::Line(_), _) if closed => false,
            (Address::Line(start), Address::Line(end)) if line >= *end => {
                return Ok(line == *start || (line == *end && start <= end));
            }
            (Address::Line(start), _) => line >= *start,
            _ => self.meets(first)?,
        };
        if !started {
            return Ok(false);
        }
        let range = match second {
            Address::Line(end) => (*end > line).then_some(Some(*end)),
            Address::More(count) => (*count > 0).then_some(Some(line.saturating_add(*count))),
            Address::Multiple(0) => None,
            Address::Multiple(step) => Some(Some((line / step).saturating_add(1).saturating_mul(*step))),
            Address::Last => {
                // sed asks here already: a file may be opened
                self.at_end();
                Some(None)
            }
            _ => Some(None),
        };
        self.ranges[index] = range.map_or(Range::Closed, Range::Active);
        Ok(true)
    }
}
