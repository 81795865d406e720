//! Runs scripts of `sed`.

mod addresses;
mod commands;

use super::super::Failure;
use super::super::common::{Done, MEMORY, MEMORY_TEXT, Run, length, push, text, unsupported};
use super::super::regex::Regex;
use super::Settings;
use super::script::{Action, Address, Script};
use std::borrow::Cow;

/// A line of a file.
struct Line {
    file: usize,
    start: usize,
    end: usize,
    /// The byte that ends lines stands after it.
    ended: bool,
}

/// Where something is printed.
#[derive(Default)]
struct Sink {
    data: Vec<u8>,
    /// The last line had no end: the next one brings it.
    open: bool,
}

impl Sink {
    fn complete(&mut self, end: u8) -> Result<(), Failure> {
        if std::mem::take(&mut self.open) { push(&mut self.data, &[end]) } else { Ok(()) }
    }

    fn line(&mut self, bytes: &[u8], ended: bool, end: u8) -> Result<(), Failure> {
        self.complete(end)?;
        push(&mut self.data, bytes)?;
        if ended {
            push(&mut self.data, &[end])?;
        } else {
            self.open = true;
        }
        Ok(())
    }
}

/// Whether a range is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    Inactive,
    /// Until that line where it is known.
    Active(Option<u64>),
    Closed,
}

/// What waits for the end of a cycle.
enum Later<'s> {
    Text(&'s [u8]),
    File(&'s [u8]),
}

/// What comes after a command.
enum Flow {
    Next,
    Jump(usize),
    /// The cycle is over; whether its line is printed.
    Over(bool),
    /// The cycle starts over with what is left.
    Again,
    Quit(u8, bool),
}

struct Stream<'r, 'i, 's> {
    run: Run<'r, 'i>,
    script: &'s Script,
    settings: &'s Settings,
    names: Vec<Vec<u8>>,
    /// Files that cannot be read: before which one each stands, and the complaint.
    missing: Vec<(usize, String)>,
    files: Vec<Cow<'i, [u8]>>,
    lines: Vec<Line>,
    /// The line that is read next.
    next: usize,
    /// The file of the line that was read last.
    file: Option<usize>,
    /// The file that was opened last: the file of the line, or one that was opened to see whether a line follows.
    opened: Vec<u8>,
    /// The last operand.
    last_operand: Vec<u8>,
    number: u64,
    space: Vec<u8>,
    ended: bool,
    hold: Vec<u8>,
    /// What `ended` becomes with the hold space.
    hold_ended: bool,
    ranges: Vec<Range>,
    later: Vec<Later<'s>>,
    replaced: bool,
    last: Option<&'s Regex>,
    out: Sink,
    writes: Vec<(Vec<u8>, Sink)>,
}

/// Edits the files.
pub(super) fn run(mut run: Run<'_, '_>, script: &Script, settings: &Settings, operands: &[Vec<u8>]) -> Done {
    let stdin = vec![b"-".to_vec()];
    let operands = if operands.is_empty() { stdin.as_slice() } else { operands };
    let (mut names, mut files, mut lines, mut missing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for name in operands {
        if settings.in_place.is_some() && name == b"-" {
            return unsupported("sed -i of standard input");
        }
        match run.open(name) {
            Ok(data) => {
                names.push(name.clone());
                files.push(data);
            }
            Err(error) => missing.push((files.len(), format!("can't read {}: {error}", text(name)))),
        }
    }
    for (file, data) in files.iter().enumerate() {
        let mut start = 0;
        for part in data.split_inclusive(|byte| *byte == settings.end) {
            let ended = part.ends_with(&[settings.end]);
            let end = start + part.len();
            lines.push(Line { file, start, end: end - usize::from(ended), ended });
            start = end;
        }
    }
    let mut stream = Stream {
        run,
        script,
        settings,
        names,
        missing,
        files,
        lines,
        next: 0,
        file: None,
        opened: Vec::new(),
        last_operand: operands.last().cloned().unwrap_or_default(),
        number: 0,
        space: Vec::new(),
        ended: true,
        hold: Vec::new(),
        hold_ended: true,
        ranges: vec![Range::Inactive; script.commands.len()],
        later: Vec::new(),
        replaced: false,
        last: None,
        out: Sink::default(),
        writes: script.files.iter().map(|file| (file.clone(), Sink::default())).collect(),
    };
    stream.reset();
    stream.cycles()?;
    stream.finish()
}

impl<'s> Stream<'_, '_, 's> {
    /// Ranges at the start of a file.
    fn reset(&mut self) {
        for (range, command) in self.ranges.iter_mut().zip(&self.script.commands) {
            let open = matches!(command.first, Some(Address::Zero));
            *range = if open { Range::Active(None) } else { Range::Inactive };
        }
    }

    fn cycles(&mut self) -> Result<(), Failure> {
        let mut fresh = true;
        loop {
            if fresh && !self.read()? {
                self.complain(usize::MAX);
                return Ok(());
            }
            fresh = true;
            let mut at = 0;
            let (print, quit) = loop {
                let Some(command) = self.script.commands.get(at) else { break (true, None) };
                // most commands copy the pattern space or the hold space
                self.run.step(1 + length(self.space.len() + self.hold.len()) / 512)?;
                if self.selects(at, command)? == command.negated {
                    at = match command.action {
                        Action::Block(end) => end,
                        _ => at,
                    } + 1;
                    continue;
                }
                match self.act(at, command)? {
                    Flow::Next => at += 1,
                    Flow::Jump(to) => at = to,
                    Flow::Over(print) => break (print, None),
                    Flow::Again => {
                        fresh = false;
                        break (false, None);
                    }
                    Flow::Quit(code, print) => break (print, Some((code, print))),
                }
            };
            if print && !self.settings.quiet {
                self.print_space()?;
            }
            match quit {
                Some((code, flush)) => {
                    if flush {
                        self.flush()?;
                        // unlike the end of input, this completes the last line
                        self.out.complete(self.settings.end)?;
                    }
                    if self.run.out.status == 0 {
                        self.run.out.status = code;
                    }
                    return Ok(());
                }
                // a cycle that starts again prints what waits, too
                None => self.flush()?,
            }
        }
    }

    /// Reads the next line; whether there is one.
    fn read(&mut self) -> Result<bool, Failure> {
        self.run.step(1)?;
        let Some(line) = self.lines.get(self.next) else { return Ok(false) };
        let (file, ended) = (line.file, line.ended);
        self.replaced = false;
        let bytes = self.files.get(file).and_then(|data| data.get(line.start..line.end)).unwrap_or_default();
        self.space = bytes.to_vec();
        self.enter(file)?;
        self.ended = ended;
        self.next += 1;
        self.number += 1;
        Ok(true)
    }

    /// Complains of files that cannot be read, up to this one.
    fn complain(&mut self, file: usize) {
        while self.missing.first().is_some_and(|(before, _)| *before <= file) {
            let (_, words) = self.missing.remove(0);
            self.run.complain(&words);
            self.run.out.status = 2;
        }
    }

    /// Goes on to a file.
    fn enter(&mut self, file: usize) -> Result<(), Failure> {
        if self.file == Some(file) {
            return Ok(());
        }
        self.complain(file);
        if self.settings.separate && self.file.is_some() {
            self.number = 0;
            self.hold.clear();
            self.hold_ended = true;
            self.reset();
        }
        self.leave()?;
        self.file = Some(file);
        self.opened = self.names.get(file).cloned().unwrap_or_default();
        Ok(())
    }

    /// Writes what became of the file that was edited in its place.
    fn leave(&mut self) -> Result<(), Failure> {
        let (Some(suffix), Some(file)) = (&self.settings.in_place, self.file) else { return Ok(()) };
        self.save(file, suffix)
    }

    fn save(&mut self, file: usize, suffix: &[u8]) -> Result<(), Failure> {
        let sink = std::mem::take(&mut self.out);
        let name = self.names.get(file).cloned().unwrap_or_default();
        if !suffix.is_empty() {
            let backup = [name.as_slice(), suffix].concat();
            let old = self.files.get(file).map(|data| data.to_vec()).unwrap_or_default();
            self.run.write(&backup, old)?;
        }
        self.run.write(&name, sink.data)
    }

    /// Nothing follows, in this file where files are separate. At the end of a file, sed opens the next ones to find out:
    /// `F` prints their names from then on, and those that cannot be read are complained of.
    fn at_end(&mut self) -> bool {
        let next = self.lines.get(self.next).map(|line| line.file);
        if self.settings.separate {
            return next.is_none_or(|next| Some(next) != self.file);
        }
        if next != self.file {
            let opened = next.map_or(Some(&self.last_operand), |next| self.names.get(next));
            self.opened = opened.cloned().unwrap_or_default();
            self.complain(next.unwrap_or(usize::MAX));
        }
        next.is_none()
    }

    fn finish(mut self) -> Done {
        if let Some(suffix) = &self.settings.in_place {
            // files without lines are written, too; those after the one where it quit are not
            let quit = self.next < self.lines.len();
            for file in 0..self.names.len() {
                let empty = !self.lines.iter().any(|line| line.file == file);
                if Some(file) == self.file {
                    self.save(file, suffix)?;
                } else if empty && (!quit || self.file.is_some_and(|last| file < last)) {
                    let sink = std::mem::take(&mut self.out);
                    self.save(file, suffix)?;
                    self.out = sink;
                }
            }
        }
        self.run.put(&std::mem::take(&mut self.out.data))?;
        for (file, sink) in std::mem::take(&mut self.writes) {
            match file.as_slice() {
                b"/dev/stdout" | b"/dev/null" => {}
                b"/dev/stderr" => push(&mut self.run.out.stderr, &sink.data)?,
                _ => self.run.write(&file, sink.data)?,
            }
        }
        self.run.finish()
    }

    fn print(&mut self, bytes: &[u8], ended: bool) -> Result<(), Failure> {
        self.out.line(bytes, ended, self.settings.end)
    }

    fn print_space(&mut self) -> Result<(), Failure> {
        self.out.line(&self.space, self.ended, self.settings.end)
    }

    /// Prints what waits for the end of the cycle.
    fn flush(&mut self) -> Result<(), Failure> {
        for later in std::mem::take(&mut self.later) {
            self.out.complete(self.settings.end)?;
            match later {
                Later::Text(text) => push(&mut self.out.data, text)?,
                Later::File(file) => {
                    if file == b"/dev/stdin" {
                        return unsupported("r /dev/stdin of sed");
                    }
                    // what cannot be read is nothing
                    let written = self.writes.iter().find(|(name, _)| name == file);
                    let edited = self.run.out.writes.iter().rev().find(|(name, _)| name == file);
                    let data = match (written, edited) {
                        (Some((_, sink)), _) => Ok(sink.data.clone()),
                        (None, Some((_, data))) => Ok(data.clone()),
                        (None, None) => (self.run.input.read)(file),
                    };
                    push(&mut self.out.data, &data.unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, file: &[u8], bytes: &[u8], ended: bool) -> Result<(), Failure> {
        if file == b"/dev/stdout" {
            if self.settings.in_place.is_some() {
                return unsupported("w /dev/stdout of sed -i");
            }
            return self.print(bytes, ended);
        }
        let end = self.settings.end;
        let held: usize = self.writes.iter().map(|(_, sink)| sink.data.len()).sum();
        if held.saturating_add(bytes.len()) > MEMORY {
            return Err(Failure::Limit(MEMORY_TEXT));
        }
        match self.writes.iter_mut().find(|(name, _)| name == file) {
            Some((_, sink)) => sink.line(bytes, ended, end),
            None => Ok(()),
        }
    }
}
