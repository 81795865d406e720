//! Running compound commands, with the rules of `set -e`.
//!
//! `tested` says that a status decides something: the command is a condition, or stands left of `&&` or `||`, or after `!`.
//! There and in all that it runs, `set -e` does nothing. Functions and `eval` inherit it; sourced files and command
//! substitutions do not. This is as in dash.

use std::rc::Rc;

use super::ast::{Command, Word};
use super::open::{Kind, Open};
use super::parse::parse;
use super::state::{Shell, Stop};
use crate::failure::Reason;

impl Shell<'_> {
    pub(crate) fn eval(&mut self, command: &Command, tested: bool) -> Result<u8, Stop> {
        if self.s.options.noexec {
            return Ok(0);
        }
        self.deeper(|shell| {
            let status = shell.eval_command(command, tested)?;
            shell.s.status = status;
            Ok(status)
        })
    }

    fn check(&mut self, status: u8, tested: bool) -> Result<u8, Stop> {
        self.s.status = status;
        if status != 0 && !tested && self.s.options.errexit { Err(Stop::Exit(status)) } else { Ok(status) }
    }

    fn eval_command(&mut self, command: &Command, tested: bool) -> Result<u8, Stop> {
        match command {
            Command::Simple(simple) => {
                let status = self.simple(simple, tested)?;
                self.check(status, tested)
            }
            Command::Pipeline { negated: true, commands } => {
                let status = match &commands[..] {
                    [command] => self.eval(command, true)?,
                    commands => self.pipeline(commands, true)?,
                };
                Ok(u8::from(status == 0))
            }
            Command::Pipeline { commands, .. } => {
                let status = self.pipeline(commands, tested)?;
                self.check(status, tested)
            }
            Command::And(left, right) => match self.eval(left, true)? {
                0 => self.eval(right, tested),
                status => Ok(status),
            },
            Command::Or(left, right) => match self.eval(left, true)? {
                0 => Ok(0),
                _ => self.eval(right, tested),
            },
            Command::List(commands) => {
                let mut status = 0;
                for command in commands {
                    status = self.eval(command, tested)?;
                }
                Ok(status)
            }
            Command::Background(command) => {
                // in its own time: here, at once
                self.s.background = true;
                self.subshell(|shell| {
                    shell.s.fds.insert(0, Open::new(Kind::Null));
                    shell.eval(command, false)
                })?;
                Ok(0)
            }
            Command::Subshell(body) => {
                let status = self.subshell(|shell| shell.eval(body, tested))?;
                self.check(status, tested)
            }
            Command::Group(body) => self.eval(body, tested),
            Command::Redirected { line, command, redirects } => {
                self.files.origin.line = *line;
                let saved = self.save(redirects);
                let result = match self.redirect(redirects) {
                    Ok(None) => self.eval(command, tested),
                    Ok(Some(status)) => self.check(status, tested),
                    Err(stop) => Err(stop),
                };
                self.restore(saved);
                result
            }
            Command::If { condition, then, otherwise } => {
                if self.eval(condition, true)? == 0 {
                    self.eval(then, tested)
                } else if let Some(otherwise) = otherwise {
                    self.eval(otherwise, tested)
                } else {
                    Ok(0)
                }
            }
            Command::While { until, condition, body } => self.while_loop(*until, condition, body, tested),
            Command::For { line, name, words, body } => {
                self.for_loop(*line, name, words.as_deref(), body, tested)
            }
            Command::Case { line, word, arms } => self.case(*line, word, arms, tested),
            Command::Function { name, body } => {
                self.s.functions.insert(name.clone(), Rc::clone(body));
                Ok(0)
            }
        }
    }

    /// Runs in a copy of the shell. Its files are the same; the rest it takes with it.
    pub(crate) fn subshell(&mut self, run: impl FnOnce(&mut Self) -> Result<u8, Stop>) -> Result<u8, Stop> {
        self.step()?;
        let line = self.files.origin.line;
        let inner = self.s.clone();
        let outer = std::mem::replace(&mut self.s, inner);
        self.s.traps.retain(|_, action| action.is_empty());
        self.s.substituted = None;
        let result = run(self);
        let result = self.at_end(result);
        self.s = outer;
        self.files.origin.line = line;
        match result {
            Ok(status) | Err(Stop::Exit(status) | Stop::Error(status) | Stop::Return(status)) => Ok(status),
            Err(Stop::Break(_) | Stop::Continue(_)) => Ok(0),
            Err(failed) => Err(failed),
        }
    }

    /// Runs the trap of EXIT, if there is one.
    fn at_end(&mut self, result: Result<u8, Stop>) -> Result<u8, Stop> {
        let status = match &result {
            Ok(status) | Err(Stop::Exit(status) | Stop::Error(status) | Stop::Return(status)) => *status,
            Err(Stop::Failed(_)) => return result,
            Err(_) => 0,
        };
        let Some(action) = self.s.traps.remove(&b"EXIT"[..]).filter(|action| !action.is_empty()) else {
            return result;
        };
        self.s.status = status;
        match self.eval_text(&action, self.files.origin.line, false) {
            Ok(_) => Ok(status),
            Err(stop) => Err(stop),
        }
    }

    /// Runs a whole script, as a shell of its own.
    pub(crate) fn whole(&mut self, text: &[u8]) -> Result<u8, Stop> {
        let result = self.eval_text(text, 1, false);
        self.at_end(result)
    }

    /// Parses and runs a text.
    pub(crate) fn eval_text(&mut self, text: &[u8], line: u32, tested: bool) -> Result<u8, Stop> {
        if text.len() > self.limits.bytes {
            return Err(self.fail(Reason::Limit("the bytes of a script")));
        }
        if self.s.bash && text.windows(2).any(|two| two == b"&>" || two == b"$'") {
            return Err(self.unsupported("`&>` or `$'…'` of bash"));
        }
        if let Some(command) = self.parsed.get(text, line) {
            return self.eval(&command, tested);
        }
        match parse(text, line, self.limits.nesting) {
            Ok(command) => {
                let command = Rc::new(command);
                self.parsed.keep(text, line, &command);
                self.eval(&command, tested)
            }
            Err(problem) => {
                self.files.origin.line = problem.line;
                Err(self.fail(Reason::Syntax(problem.what)))
            }
        }
    }

    fn pipeline(&mut self, commands: &[Command], tested: bool) -> Result<u8, Stop> {
        let mut input = self.s.fds.get(&0).cloned();
        let (mut status, mut failed) = (0, 0);
        for (i, command) in commands.iter().enumerate() {
            let last = i + 1 == commands.len();
            let out = Open::buffer();
            let (stdin, stdout) = (input.take(), (!last).then(|| Rc::clone(&out)));
            status = self.subshell(move |shell| {
                match stdin {
                    Some(stdin) => shell.s.fds.insert(0, stdin),
                    None => shell.s.fds.remove(&0),
                };
                if let Some(stdout) = stdout {
                    shell.s.fds.insert(1, stdout);
                }
                shell.eval(command, tested)
            })?;
            if status != 0 {
                failed = status;
            }
            input = Some(Open::new(Kind::Input(Rc::new(out.take()))));
        }
        Ok(if self.s.options.pipefail { failed } else { status })
    }

    fn while_loop(
        &mut self,
        until: bool,
        condition: &Command,
        body: &Command,
        tested: bool,
    ) -> Result<u8, Stop> {
        let mut status = 0;
        self.s.loops += 1;
        let result = loop {
            if let Err(stop) = self.step() {
                break Err(stop);
            }
            match self.eval(condition, true) {
                Ok(value) if (value == 0) == until => break Ok(status),
                Ok(_) => {}
                Err(stop) => match after_round(stop) {
                    Round::Next => continue,
                    Round::Over => break Ok(0),
                    Round::Pass(stop) => break Err(stop),
                },
            }
            match self.eval(body, tested) {
                Ok(value) => status = value,
                Err(stop) => match after_round(stop) {
                    Round::Next => status = 0,
                    Round::Over => break Ok(0),
                    Round::Pass(stop) => break Err(stop),
                },
            }
        };
        self.s.loops = self.s.loops.saturating_sub(1);
        result
    }

    fn for_loop(
        &mut self,
        line: u32,
        name: &[u8],
        words: Option<&[Word]>,
        body: &Command,
        tested: bool,
    ) -> Result<u8, Stop> {
        self.files.origin.line = line;
        let values = match words {
            Some(words) => self.fields(words)?,
            None => self.s.args.clone(),
        };
        let mut status = 0;
        self.s.loops += 1;
        let run = |shell: &mut Self| {
            for value in values {
                shell.step()?;
                shell.set(name, value)?;
                match shell.eval(body, tested) {
                    Ok(value) => status = value,
                    Err(stop) => match after_round(stop) {
                        Round::Next => status = 0,
                        Round::Over => return Ok(0),
                        Round::Pass(stop) => return Err(stop),
                    },
                }
            }
            Ok(status)
        };
        let result = run(self);
        self.s.loops = self.s.loops.saturating_sub(1);
        result
    }

    fn case(
        &mut self,
        line: u32,
        word: &Word,
        arms: &[(Vec<Word>, Command)],
        tested: bool,
    ) -> Result<u8, Stop> {
        self.files.origin.line = line;
        self.s.substituted = None;
        let text = self.string(word)?;
        for (patterns, body) in arms {
            for pattern in patterns {
                let pattern = self.quoted(pattern)?;
                if self.matches(&pattern, &text)? {
                    return self.eval(body, tested);
                }
            }
        }
        Ok(0)
    }
}

enum Round {
    Next,
    Over,
    Pass(Stop),
}

fn after_round(stop: Stop) -> Round {
    match stop {
        Stop::Break(1) => Round::Over,
        Stop::Break(n) => Round::Pass(Stop::Break(n - 1)),
        Stop::Continue(1) => Round::Next,
        Stop::Continue(n) => Round::Pass(Stop::Continue(n - 1)),
        other => Round::Pass(other),
    }
}
