//! What commands do.

use super::super::super::Failure;
use super::super::super::common::{MEMORY, MEMORY_TEXT, push};
use super::super::super::regex::Match;
use super::super::script::{Action, Case, Command, Part, Substitution};
use super::{Flow, Later, Range, Stream};

impl<'s> Stream<'_, '_, 's> {
    pub(super) fn act(&mut self, index: usize, command: &'s Command) -> Result<Flow, Failure> {
        match &command.action {
            Action::Block(_) | Action::Nothing => {}
            Action::Number => {
                let line = self.number.to_string();
                self.out.complete(self.settings.end)?;
                push(&mut self.out.data, line.as_bytes())?;
                push(&mut self.out.data, &[self.settings.end])?;
            }
            Action::Append(text) => self.later(Later::Text(text))?,
            Action::Read(file) => self.later(Later::File(file))?,
            Action::Insert(text) => self.insert(text)?,
            Action::Change(text) => {
                if !matches!(self.ranges.get(index), Some(Range::Active(_))) {
                    self.insert(text)?;
                }
                return Ok(Flow::Over(false));
            }
            Action::Delete => return Ok(Flow::Over(false)),
            Action::DeleteFirst => {
                let Some(at) = self.space.iter().position(|byte| *byte == self.settings.end) else {
                    return Ok(Flow::Over(false));
                };
                self.space.drain(..=at);
                return Ok(Flow::Again);
            }
            Action::Get => {
                self.space = self.hold.clone();
                self.ended = self.hold_ended;
            }
            Action::GetMore => {
                self.ended = self.hold_ended;
                push(&mut self.space, &[self.settings.end])?;
                push(&mut self.space, &self.hold)?;
            }
            Action::Hold => {
                self.hold = self.space.clone();
                self.hold_ended = self.ended;
            }
            Action::HoldMore => {
                self.hold_ended = self.ended;
                push(&mut self.hold, &[self.settings.end])?;
                push(&mut self.hold, &self.space)?;
            }
            Action::Exchange => {
                std::mem::swap(&mut self.space, &mut self.hold);
                std::mem::swap(&mut self.ended, &mut self.hold_ended);
            }
            Action::List(width) => self.list(*width)?,
            Action::Next => {
                if self.at_end() {
                    return Ok(Flow::Over(true));
                }
                if !self.settings.quiet {
                    self.print_space()?;
                }
                self.flush()?;
                self.read()?;
            }
            Action::NextMore => {
                if self.at_end() {
                    return Ok(Flow::Over(true));
                }
                self.flush()?;
                let mut space = std::mem::take(&mut self.space);
                self.read()?;
                push(&mut space, &[self.settings.end])?;
                push(&mut space, &self.space)?;
                self.space = space;
            }
            Action::Print => self.print_space()?,
            Action::PrintFirst => {
                let end = self.settings.end;
                let first = self.space.split(|byte| *byte == end).next().unwrap_or_default().to_vec();
                let ended = first.len() < self.space.len() || self.ended;
                self.print(&first, ended)?;
            }
            Action::Quit(code) => return Ok(Flow::Quit(*code, true)),
            Action::QuitSilently(code) => return Ok(Flow::Quit(*code, false)),
            Action::Write(file) => {
                let space = self.space.clone();
                self.write(file, &space, self.ended)?;
            }
            Action::WriteFirst(file) => {
                let end = self.settings.end;
                let first = self.space.split(|byte| *byte == end).next().unwrap_or_default().to_vec();
                let ended = first.len() < self.space.len() || self.ended;
                self.write(file, &first, ended)?;
            }
            Action::Substitute(substitution) => self.substitute(substitution)?,
            Action::Translate(table) => {
                for byte in &mut self.space {
                    *byte = table[usize::from(*byte)];
                }
            }
            Action::Branch(to) => return Ok(Flow::Jump(*to)),
            Action::BranchIf(to) => {
                if std::mem::take(&mut self.replaced) {
                    return Ok(Flow::Jump(*to));
                }
            }
            Action::BranchUnless(to) => {
                if !std::mem::take(&mut self.replaced) {
                    return Ok(Flow::Jump(*to));
                }
            }
            Action::Empty => self.space.clear(),
            Action::Name => {
                self.out.complete(self.settings.end)?;
                push(&mut self.out.data, &self.opened)?;
                push(&mut self.out.data, &[self.settings.end])?;
            }
        }
        Ok(Flow::Next)
    }

    pub(super) fn later(&mut self, later: Later<'s>) -> Result<(), Failure> {
        if self.later.len() > MEMORY / 64 {
            return Err(Failure::Limit(MEMORY_TEXT));
        }
        self.later.push(later);
        Ok(())
    }

    /// Prints text that a command has.
    fn insert(&mut self, text: &[u8]) -> Result<(), Failure> {
        self.out.complete(self.settings.end)?;
        if let Some(body) = text.strip_suffix(b"\n") {
            push(&mut self.out.data, body)?;
            push(&mut self.out.data, &[self.settings.end])?;
        }
        Ok(())
    }

    /// `l`
    fn list(&mut self, width: Option<u64>) -> Result<(), Failure> {
        let width = match width {
            None => 70,
            Some(0 | 1) => usize::MAX,
            Some(width) => usize::try_from(width).unwrap_or(usize::MAX),
        };
        self.out.complete(self.settings.end)?;
        let mut column = 0;
        for byte in &self.space {
            let shown = match byte {
                b'\\' => "\\\\".to_owned(),
                7 => "\\a".to_owned(),
                8 => "\\b".to_owned(),
                9 => "\\t".to_owned(),
                10 => "\\n".to_owned(),
                11 => "\\v".to_owned(),
                12 => "\\f".to_owned(),
                13 => "\\r".to_owned(),
                32..=126 => char::from(*byte).to_string(),
                other => format!("\\{other:03o}"),
            };
            if column + shown.len() > width - 1 {
                push(&mut self.out.data, b"\\\n")?;
                column = 0;
            }
            column += shown.len();
            push(&mut self.out.data, shown.as_bytes())?;
        }
        push(&mut self.out.data, &[b'$', self.settings.end])
    }

    fn substitute(&mut self, substitution: &'s Substitution) -> Result<(), Failure> {
        let regex = self.pattern(substitution.pattern.as_deref())?;
        let groups = substitution.parts.iter().any(|part| matches!(part, Part::Group(1..)));
        let mut result = Vec::new();
        let (mut at, mut from, mut count, mut replaced) = (0, 0, 0u64, false);
        let mut behind = None;
        while from <= self.space.len() {
            self.run.step(1)?;
            let found = if groups {
                regex.find(&self.space, from, self.run.input.steps)?
            } else {
                regex.span(&self.space, from, self.run.input.steps)?.map(Match::from)
            };
            let Some(found) = found else { break };
            let (start, end) = (found.start(0), found.end(0));
            // nothing right after a match is none
            if start == end && behind == Some(start) {
                from = end + 1;
                continue;
            }
            behind = Some(end);
            count += 1;
            if count >= substitution.nth {
                push(&mut result, &self.space[at..start])?;
                replace(&mut result, &substitution.parts, &self.space, &found)?;
                at = end;
                replaced = true;
                if !substitution.all {
                    break;
                }
            }
            from = if start == end { end + 1 } else { end };
        }
        if !replaced {
            return Ok(());
        }
        push(&mut result, &self.space[at..])?;
        self.space = result;
        self.replaced = true;
        if substitution.print {
            self.print_space()?;
        }
        if let Some(file) = &substitution.write {
            let space = self.space.clone();
            self.write(file, &space, self.ended)?;
        }
        Ok(())
    }
}

/// Adds the replacement of a match.
fn replace(result: &mut Vec<u8>, parts: &[Part], space: &[u8], found: &Match) -> Result<(), Failure> {
    let (mut all, mut one) = (Case::End, None);
    for part in parts {
        let bytes = match part {
            Part::Text(text) => text.as_slice(),
            Part::Group(group) => found.get(*group).and_then(|range| space.get(range)).unwrap_or_default(),
            Part::Case(case) => {
                match case {
                    Case::UpperOne | Case::LowerOne => one = Some(*case),
                    case => (all, one) = (*case, None),
                }
                continue;
            }
        };
        let mut bytes = bytes.to_vec();
        match all {
            Case::Upper => bytes.make_ascii_uppercase(),
            Case::Lower => bytes.make_ascii_lowercase(),
            _ => {}
        }
        if let Some(first) = bytes.first_mut() {
            match one.take() {
                Some(Case::UpperOne) => first.make_ascii_uppercase(),
                Some(_) => first.make_ascii_lowercase(),
                None => {}
            }
        }
        push(result, &bytes)?;
    }
    Ok(())
}
