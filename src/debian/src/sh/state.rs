//! What a shell has, and how commands are called.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::ast::Command;
use super::open::{Kind, Open};
use super::vars::Vars;
use crate::failure::{Failure, Limits, Origin, Reason};
use crate::files::{Bytes, Errno, Files, absolute};
use crate::system::System;

/// Why a command does not simply end with a status.
#[derive(Debug)]
pub enum Stop {
    /// The shell ends: `exit` or `set -e`.
    Exit(u8),
    /// An error of the shell's own: it ends, unless a builtin that is not a special one was at work.
    Error(u8),
    /// The function or sourced file ends.
    Return(u8),
    /// That many loops end.
    Break(u32),
    /// That many loops, less one, end, and the next begins its next round.
    Continue(u32),
    /// It cannot be followed further.
    Failed(Box<Failure>),
}

/// The options of `set`.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent switches")]
pub(crate) struct Options {
    pub(crate) errexit: bool,
    pub(crate) nounset: bool,
    pub(crate) noglob: bool,
    pub(crate) allexport: bool,
    pub(crate) noclobber: bool,
    pub(crate) noexec: bool,
    pub(crate) xtrace: bool,
    pub(crate) verbose: bool,
    /// bash's.
    pub(crate) pipefail: bool,
}

/// What a subshell gets a copy of.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) vars: Vars,
    pub(crate) functions: BTreeMap<Bytes, Rc<Command>>,
    pub(crate) args: Vec<Bytes>,
    pub(crate) name: Bytes,
    pub(crate) status: u8,
    /// The status of the last command substitution of a command.
    pub(crate) substituted: Option<u8>,
    pub(crate) options: Options,
    pub(crate) cwd: Bytes,
    pub(crate) umask: u32,
    pub(crate) fds: BTreeMap<u32, Rc<Open>>,
    pub(crate) traps: BTreeMap<Bytes, Bytes>,
    pub(crate) loops: u32,
    pub(crate) functions_entered: u32,
    /// The next character of `getopts` within its argument.
    pub(crate) optchar: usize,
    pub(crate) background: bool,
    pub(crate) confmodule: bool,
    /// What words at the place of a command stand for, and from which line on.
    pub(crate) aliases: BTreeMap<Bytes, (Bytes, u32)>,
    /// The script asked for bash: what differs from dash is done its way or refused.
    pub(crate) bash: bool,
    pub(crate) text: Rc<str>,
}

/// A shell over files and the rest of a system.
pub struct Shell<'a> {
    /// The files.
    pub files: Files<'a>,
    /// The rest.
    pub system: System,
    pub(crate) limits: Limits,
    pub(crate) steps: u64,
    pub(crate) depth: usize,
    pub(crate) parsed: Parsed,
    pub(crate) s: State,
}

/// Texts that were parsed already: many packages source the same libraries and call the same scripts.
#[derive(Default)]
pub(crate) struct Parsed {
    texts: HashMap<Bytes, (u32, Rc<Command>)>,
    bytes: usize,
}

impl Parsed {
    /// The bytes of all texts that are kept; what is parsed of them takes some twenty times as much.
    const MOST: usize = 1 << 20;

    /// The command that `text` is, which begins on line `line`.
    pub(crate) fn get(&self, text: &[u8], line: u32) -> Option<Rc<Command>> {
        self.texts.get(text).filter(|(known, _)| *known == line).map(|(_, command)| Rc::clone(command))
    }

    /// Keeps what was parsed.
    pub(crate) fn keep(&mut self, text: &[u8], line: u32, command: &Rc<Command>) {
        if text.len() > Self::MOST {
            return;
        }
        if self.bytes + text.len() > Self::MOST {
            *self = Self::default();
        }
        if self.texts.insert(text.to_vec(), (line, Rc::clone(command))).is_none() {
            self.bytes += text.len();
        }
    }
}

impl<'a> Shell<'a> {
    /// A shell in which nothing ran yet.
    #[must_use]
    pub fn new(files: Files<'a>, system: System, limits: Limits) -> Self {
        let mut vars = Vars::default();
        for (name, value) in
            [(&b"IFS"[..], &b" \t\n"[..]), (b"OPTIND", b"1"), (b"PPID", b"1"), (b"PWD", b"/")]
        {
            let _ = vars.set(name, value.to_vec());
        }
        let s = State {
            vars,
            functions: BTreeMap::new(),
            args: Vec::new(),
            name: b"sh".to_vec(),
            status: 0,
            substituted: None,
            options: Options::default(),
            cwd: b"/".to_vec(),
            umask: 0o022,
            fds: [(0, Open::new(Kind::Null)), (1, Open::new(Kind::Null)), (2, Open::new(Kind::Null))].into(),
            traps: BTreeMap::new(),
            loops: 0,
            functions_entered: 0,
            optchar: 0,
            background: false,
            confmodule: false,
            aliases: BTreeMap::new(),
            bash: false,
            text: "".into(),
        };
        Self { files, system, limits, steps: limits.steps, depth: 0, parsed: Parsed::default(), s }
    }

    /// Runs a script from a fresh shell, with these arguments and this environment, until it ends. What it printed is
    /// returned beside its status.
    ///
    /// # Errors
    /// When it cannot be followed to its end.
    pub fn run(
        &mut self,
        origin: &Origin,
        text: &[u8],
        args: &[Bytes],
        env: &[(Bytes, Bytes)],
    ) -> Result<Ran, Box<Failure>> {
        let mut fresh = Shell::fresh();
        let (out, err) = (Open::buffer(), Open::buffer());
        fresh.fds.insert(1, Rc::clone(&out));
        fresh.fds.insert(2, Rc::clone(&err));
        fresh.name = origin.script.clone().into_bytes();
        fresh.args = args.to_vec();
        for (name, value) in env {
            let _ = fresh.vars.set(name, value.clone());
            fresh.vars.export(name);
        }
        fresh.bash = is_bash(text);
        self.s = fresh;
        self.files.origin = origin.clone();
        let ended = match self.whole(text) {
            Ok(status) | Err(Stop::Exit(status) | Stop::Error(status) | Stop::Return(status)) => Ok(status),
            Err(Stop::Break(_) | Stop::Continue(_)) => Ok(self.s.status),
            Err(Stop::Failed(failure)) => Err(failure),
        };
        let (stdout, stderr) = (out.take(), err.take());
        Ok(Ran { status: ended?, stdout, stderr })
    }

    fn fresh() -> State {
        struct Nothing;
        impl crate::files::Base for Nothing {
            fn lookup(&self, _: &[u8]) -> Option<crate::files::Meta> {
                None
            }
            fn list(&self, _: &[u8]) -> Vec<Bytes> {
                Vec::new()
            }
            fn read(&self, _: &[u8]) -> Result<Bytes, String> {
                Err(String::new())
            }
        }
        let limits = Limits::default();
        Shell::new(Files::new(&Nothing, 0, limits), System::default(), limits).s
    }

    /// A failure at the command that runs now.
    #[must_use]
    pub fn fail(&self, reason: Reason) -> Stop {
        Stop::Failed(Box::new(Failure {
            origin: self.files.origin.clone(),
            words: self.s.text.to_string(),
            reason,
        }))
    }

    /// A failure because something is not supported.
    #[must_use]
    pub fn unsupported(&self, what: impl Into<String>) -> Stop {
        self.fail(Reason::Unsupported(what.into()))
    }

    /// Counts a step.
    pub(crate) fn step(&mut self) -> Result<(), Stop> {
        match self.steps.checked_sub(1) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(self.fail(Reason::Limit("the steps that a set of scripts may take"))),
        }
    }

    /// Runs something one level deeper.
    pub(crate) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        if self.depth >= self.limits.depth {
            return Err(self.fail(Reason::Limit("the depth of commands within commands")));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    /// Says something on standard error, as dash does.
    pub(crate) fn complain(&mut self, what: &str) -> Result<(), Stop> {
        let name = String::from_utf8_lossy(&self.s.name).into_owned();
        let line = self.files.origin.line;
        self.write_fd(2, format!("{name}: {line}: {what}\n").as_bytes()).map(drop)
    }

    /// An error of the shell's own.
    pub(crate) fn fatal<T>(&mut self, what: &str) -> Result<T, Stop> {
        self.complain(what)?;
        Err(Stop::Error(2))
    }
}

/// Whether a text asks for bash in its first line, or in what `run` puts before it.
pub(crate) fn is_bash(text: &[u8]) -> bool {
    let first = text.split(|b| *b == b'\n').next().unwrap_or_default();
    first.windows(9).any(|part| part == b"/bin/bash")
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status.
    pub status: u8,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: Vec<u8>,
}

/// A command that is called: what it gets, and what it says.
pub struct Call<'c, 'a> {
    /// The shell that calls.
    pub sh: &'c mut Shell<'a>,
    /// The name by which it was called.
    pub name: &'c str,
    /// The arguments after its name.
    pub args: &'c [Bytes],
    /// What it prints.
    pub out: Vec<u8>,
    /// What it complains about.
    pub err: Vec<u8>,
}

impl Call<'_, '_> {
    /// The absolute path of an argument.
    #[must_use]
    pub fn path(&self, argument: &[u8]) -> Bytes {
        absolute(&self.sh.s.cwd, argument)
    }

    /// A variable of the environment.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<String> {
        self.sh.s.vars.get(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Complains, with the name before it; status 1.
    pub fn complain(&mut self, what: &str) -> u8 {
        self.err.extend_from_slice(format!("{}: {what}\n", self.name).as_bytes());
        1
    }

    /// Complains about a path; status 1. A limit is a failure.
    ///
    /// # Errors
    /// When it is a limit.
    pub fn errno(&mut self, what: &str, path: &[u8], errno: Errno) -> Result<u8, Stop> {
        if errno == Errno::Limit {
            return Err(self.sh.limit_or(errno, what));
        }
        Ok(self.complain(&format!("{what} '{}': {errno}", String::from_utf8_lossy(path))))
    }

    /// A failure because of an option or value.
    #[must_use]
    pub fn unsupported(&self, what: impl std::fmt::Display) -> Stop {
        self.sh.unsupported(format!("`{}` with {what}", self.name))
    }

    /// A failure because of an option.
    #[must_use]
    pub fn option(&self, option: &[u8]) -> Stop {
        self.unsupported(format!("`{}`", String::from_utf8_lossy(option)))
    }

    /// Records that the command changes nothing, and why.
    ///
    /// # Errors
    /// When there are too many changes.
    pub fn nothing(&mut self, why: &str) -> Result<u8, Stop> {
        let mut words = self.name.as_bytes().to_vec();
        for arg in self.args.iter().take(8) {
            words.push(b' ');
            words.extend_from_slice(arg);
        }
        self.sh.files.note(&words, why).map_err(|errno| self.sh.limit_or(errno, "a note"))?;
        Ok(0)
    }

    /// Runs another command with this one's descriptors, after what this one said so far.
    ///
    /// # Errors
    /// As the command.
    pub fn run(&mut self, words: &[Bytes]) -> Result<u8, Stop> {
        self.flush()?;
        self.sh.program(words)
    }

    /// Passes on what was said so far.
    pub(crate) fn flush(&mut self) -> Result<bool, Stop> {
        let out = std::mem::take(&mut self.out);
        let err = std::mem::take(&mut self.err);
        let written = self.sh.write_fd(1, &out)?;
        self.sh.write_fd(2, &err)?;
        Ok(written)
    }

    /// Runs another command and takes what it prints.
    ///
    /// # Errors
    /// As the command.
    pub fn capture(&mut self, words: &[Bytes]) -> Result<(u8, Vec<u8>), Stop> {
        self.flush()?;
        let out = Open::buffer();
        let old = self.sh.s.fds.insert(1, Rc::clone(&out));
        let result = self.sh.program(words);
        match old {
            Some(old) => self.sh.s.fds.insert(1, old),
            None => self.sh.s.fds.remove(&1),
        };
        Ok((result?, out.take()))
    }
}
