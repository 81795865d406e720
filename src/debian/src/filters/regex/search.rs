//! Searching.

use super::super::Failure;
use super::super::common::{MEMORY, MEMORY_TEXT, length, take};
use super::Match;
use super::parse::Anchor;
use super::program::{Program, Step};
use std::collections::BTreeSet;

/// How many places may wait to be tried.
const PENDING: usize = MEMORY / 32;

/// What is searched.
#[derive(Clone, Copy)]
pub(super) struct Text<'t> {
    bytes: &'t [u8],
    /// Where it ends.
    end: usize,
}

impl<'t> Text<'t> {
    /// All of it.
    pub(super) fn new(bytes: &'t [u8]) -> Self {
        Self { bytes, end: bytes.len() }
    }

    fn answers(self, anchor: Anchor, at: usize, lines: bool) -> bool {
        let whole = self.bytes.len();
        let before = at.checked_sub(1).and_then(|at| self.bytes.get(at)).copied();
        let next = self.bytes.get(at).copied();
        let word = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match anchor {
            Anchor::LineStart => at == 0 || lines && before == Some(b'\n'),
            Anchor::LineEnd => at == whole || lines && next == Some(b'\n'),
            Anchor::TextStart => at == 0,
            Anchor::TextEnd => at == whole,
            Anchor::WordStart => !word(before) && word(next),
            Anchor::WordEnd => word(before) && !word(next),
            Anchor::WordEdge => word(before) != word(next),
            Anchor::NoWordEdge => word(before) == word(next),
            Anchor::NoWordBefore => !word(before),
            Anchor::NoWordAfter => !word(next),
        }
    }
}

/// Takes a step for every few operations.
struct Meter<'m> {
    steps: &'m mut u64,
    operations: u32,
}

impl Meter<'_> {
    fn tick(&mut self) -> Result<(), Failure> {
        self.operations += 1;
        if self.operations < 32 {
            return Ok(());
        }
        self.operations = 0;
        take(self.steps, 1)
    }
}

/// Places in the program that are alive at a position, those that started earlier first.
struct Alive {
    /// Where each is, and where it started.
    list: Vec<(usize, usize)>,
    seen: Vec<bool>,
    /// Which were seen, to forget them.
    marked: Vec<usize>,
}

impl Alive {
    fn new(size: usize) -> Self {
        Self { list: Vec::new(), seen: vec![false; size], marked: Vec::new() }
    }

    fn clear(&mut self) {
        self.list.clear();
        for place in self.marked.drain(..) {
            self.seen[place] = false;
        }
    }
}

/// What waits while ways are tried one after the other.
enum Job {
    /// To go on at a place of the program and a position of the text.
    Try { place: usize, at: usize },
    /// To set a slot back.
    Restore { slot: usize, was: Option<usize> },
}

impl Program {
    /// Searches from `from`; only there where it is `fixed`. With `groups`, their spans are found, too.
    pub(super) fn search(
        &self,
        text: Text<'_>,
        from: usize,
        fixed: bool,
        groups: bool,
        steps: &mut u64,
    ) -> Result<Option<Match>, Failure> {
        take(steps, 1 + length(self.steps.len()) / 1024)?;
        let mut meter = Meter { steps, operations: 0 };
        if from > text.end || self.anchored && from > 0 {
            return Ok(None);
        }
        if self.referenced.is_empty() {
            let Some((start, end)) = self.simulate(text, from, fixed || self.anchored, &mut meter)? else {
                return Ok(None);
            };
            if !groups || self.groups == 0 {
                return Ok(Some(Match { slots: vec![Some(start), Some(end)] }));
            }
            return self.trace(text, start, end, &mut meter).map(Some);
        }
        let last = if fixed || self.anchored { from } else { text.end };
        for start in from..=last {
            let possible = match (&self.first, text.bytes.get(start)) {
                (Some(first), Some(byte)) => first[usize::from(*byte)],
                (Some(_), None) => false,
                (None, _) => true,
            };
            meter.tick()?;
            if possible && let Some(found) = self.refer(text, start, &mut meter)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Adds a place and all that follow without taking a byte.
    fn follow(
        &self,
        alive: &mut Alive,
        text: Text<'_>,
        place: usize,
        start: usize,
        at: usize,
        meter: &mut Meter<'_>,
    ) -> Result<(), Failure> {
        let mut pending = vec![place];
        while let Some(place) = pending.pop() {
            if std::mem::replace(&mut alive.seen[place], true) {
                continue;
            }
            alive.marked.push(place);
            meter.tick()?;
            match self.steps[place] {
                Step::Split(one, other) => {
                    pending.push(other);
                    pending.push(one);
                }
                Step::Jump(next) => pending.push(next),
                Step::Keep(_) => pending.push(place + 1),
                Step::Ask(anchor) => {
                    if text.answers(anchor, at, self.lines) {
                        pending.push(place + 1);
                    }
                }
                Step::Take(_) | Step::Match | Step::Again(_) => alive.list.push((place, start)),
            }
        }
        Ok(())
    }

    /// The leftmost and there the longest match.
    fn simulate(
        &self,
        text: Text<'_>,
        from: usize,
        fixed: bool,
        meter: &mut Meter<'_>,
    ) -> Result<Option<(usize, usize)>, Failure> {
        let mut now = Alive::new(self.steps.len());
        let mut next = Alive::new(self.steps.len());
        let mut best: Option<(usize, usize)> = None;
        let mut at = from;
        loop {
            if best.is_none() && (!fixed || at == from) {
                if now.list.is_empty()
                    && let Some(first) = &self.first
                {
                    // nothing is alive: go to where a match can start
                    let rest = text.bytes.get(at..text.end).unwrap_or_default();
                    let Some(ahead) = rest.iter().position(|byte| first[usize::from(*byte)]) else {
                        return Ok(None);
                    };
                    take(meter.steps, length(ahead) / 512)?;
                    if ahead > 0 && fixed {
                        return Ok(None);
                    }
                    at += ahead;
                }
                self.follow(&mut now, text, 0, at, at, meter)?;
            }
            let byte = text.bytes.get(at).filter(|_| at < text.end).copied();
            for (place, start) in &now.list {
                meter.tick()?;
                if best.is_some_and(|best| best.0 < *start) {
                    break;
                }
                match (self.steps[*place], byte) {
                    (Step::Match, _) => best = Some((*start, at)),
                    (Step::Take(set), Some(byte)) if self.sets[set][usize::from(byte)] => {
                        self.follow(&mut next, text, place + 1, *start, at + 1, meter)?;
                    }
                    _ => {}
                }
            }
            now.clear();
            std::mem::swap(&mut now, &mut next);
            let over = now.list.is_empty() && (best.is_some() || fixed);
            if over || at >= text.end {
                return Ok(best);
            }
            at += 1;
        }
    }

    /// Where the text goes on after a step that takes a byte or asks about the position; nothing where it does not pass.
    fn passes(&self, text: Text<'_>, place: usize, at: usize) -> Option<usize> {
        match self.steps[place] {
            Step::Take(set) => {
                let byte = text.bytes.get(at).filter(|_| at < text.end)?;
                self.sets[set][usize::from(*byte)].then_some(at + 1)
            }
            Step::Ask(anchor) => text.answers(anchor, at, self.lines).then_some(at),
            _ => None,
        }
    }

    /// The groups of a match whose span is known.
    fn trace(
        &self,
        text: Text<'_>,
        start: usize,
        end: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Match, Failure> {
        let text = Text { end, ..text };
        let mut slots = vec![None; self.groups * 2 + 2];
        let cells = (end - start + 1).saturating_mul(self.steps.len());
        if cells / 8 > MEMORY {
            return Err(Failure::Limit(MEMORY_TEXT));
        }
        let mut visited = vec![0u64; cells / 64 + 1];
        let mut pending = vec![Job::Try { place: 0, at: start }];
        while let Some(job) = pending.pop() {
            let (mut place, mut at) = match job {
                Job::Restore { slot, was } => {
                    slots[slot] = was;
                    continue;
                }
                Job::Try { place, at } => (place, at),
            };
            if pending.len() > PENDING {
                return Err(Failure::Limit(MEMORY_TEXT));
            }
            loop {
                meter.tick()?;
                let cell = (at - start) * self.steps.len() + place;
                let bit = 1u64 << (cell % 64);
                if visited[cell / 64] & bit != 0 {
                    break;
                }
                visited[cell / 64] |= bit;
                match self.steps[place] {
                    Step::Match if at == end => {
                        slots[0] = Some(start);
                        slots[1] = Some(end);
                        return Ok(Match { slots });
                    }
                    Step::Match => break,
                    Step::Take(_) | Step::Ask(_) => match self.passes(text, place, at) {
                        Some(next) => (place, at) = (place + 1, next),
                        None => break,
                    },
                    Step::Keep(slot) => {
                        pending.push(Job::Restore { slot, was: slots[slot] });
                        slots[slot] = Some(at);
                        place += 1;
                    }
                    Step::Split(one, other) => {
                        pending.push(Job::Try { place: other, at });
                        place = one;
                    }
                    Step::Jump(next) => place = next,
                    Step::Again(_) => break,
                }
            }
        }
        // the span was found by the same program: not reached
        Ok(Match { slots: vec![Some(start), Some(end)] })
    }

    /// The longest match at `start` of a pattern with back-references: every way is tried, none twice.
    fn refer(&self, text: Text<'_>, start: usize, meter: &mut Meter<'_>) -> Result<Option<Match>, Failure> {
        let mut slots: Vec<Option<usize>> = vec![None; self.groups * 2 + 2];
        let mut best: Option<Vec<Option<usize>>> = None;
        let mut visited: BTreeSet<(usize, usize, Vec<Option<usize>>)> = BTreeSet::new();
        let mut pending = vec![Job::Try { place: 0, at: start }];
        while let Some(job) = pending.pop() {
            let (mut place, mut at) = match job {
                Job::Restore { slot, was } => {
                    slots[slot] = was;
                    continue;
                }
                Job::Try { place, at } => (place, at),
            };
            if pending.len() > PENDING {
                return Err(Failure::Limit(MEMORY_TEXT));
            }
            loop {
                meter.tick()?;
                match self.steps[place] {
                    Step::Match => {
                        if best.as_ref().is_none_or(|best| best[1] < Some(at)) {
                            slots[0] = Some(start);
                            slots[1] = Some(at);
                            best = Some(slots.clone());
                        }
                        if at == text.end {
                            return Ok(best.map(|slots| Match { slots }));
                        }
                        break;
                    }
                    Step::Take(_) | Step::Ask(_) => match self.passes(text, place, at) {
                        Some(next) => (place, at) = (place + 1, next),
                        None => break,
                    },
                    Step::Keep(slot) => {
                        pending.push(Job::Restore { slot, was: slots[slot] });
                        slots[slot] = Some(at);
                        place += 1;
                    }
                    Step::Split(one, other) => {
                        let groups = self.referenced.iter();
                        let key = groups.flat_map(|group| [slots[group * 2], slots[group * 2 + 1]]).collect();
                        take(meter.steps, 1)?;
                        if !visited.insert((place, at, key)) {
                            break;
                        }
                        if visited.len() > MEMORY / 128 {
                            return Err(Failure::Limit(MEMORY_TEXT));
                        }
                        pending.push(Job::Try { place: other, at });
                        place = one;
                    }
                    Step::Jump(next) => place = next,
                    Step::Again(group) => {
                        let (Some(from), Some(to)) = (slots[group * 2], slots[group * 2 + 1]) else { break };
                        let Some(length) = to.checked_sub(from) else { break };
                        let group = &text.bytes[from..to];
                        let there = text.bytes.get(at..at + length).filter(|_| at + length <= text.end);
                        take(meter.steps, super::super::common::length(length) / 64)?;
                        let same = there.is_some_and(|there| {
                            if self.fold { there.eq_ignore_ascii_case(group) } else { there == group }
                        });
                        if !same {
                            break;
                        }
                        at += length;
                        place += 1;
                    }
                }
            }
        }
        Ok(best.map(|slots| Match { slots }))
    }
}
