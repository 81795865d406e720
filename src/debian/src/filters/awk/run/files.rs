//! What awk programs read and write.

use super::super::super::common::{length, push, take, text, unsupported};
use super::super::super::{Failure, Input, sort};
use super::super::tree::Output;
use super::super::value::Value;
use super::records::Reader;
use super::{Evaluated, Machine};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A file that is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub(super) name: Vec<u8>,
    pub(super) data: Vec<u8>,
    open: bool,
}

/// What a command does with what it is sent.
#[derive(Debug, Clone, PartialEq)]
enum Command {
    /// It goes to standard error.
    Complain,
    /// It is printed.
    Print,
    /// It is sorted, with these arguments.
    Sort(Vec<Vec<u8>>),
}

/// A command that is sent lines.
#[derive(Debug, Clone, PartialEq)]
struct Pipe {
    name: Rc<[u8]>,
    command: Command,
    data: Vec<u8>,
    /// How much had been printed when it was started.
    printed: usize,
}

/// Files and pipes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Files {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) written: Vec<Written>,
    pub(super) readers: BTreeMap<Rc<[u8]>, Reader>,
    pipes: Vec<Pipe>,
    stdin: bool,
}

impl Files {
    /// How much is held.
    pub(super) fn held(&self) -> usize {
        let written: usize = self.written.iter().map(|written| written.data.len()).sum();
        self.stdout.len() + self.stderr.len() + written
    }

    pub(super) fn complain(&mut self, words: &str) -> Result<(), Failure> {
        push(&mut self.stderr, words.as_bytes())
    }
}

/// The command of a pipe.
fn command(name: &[u8]) -> Option<Command> {
    let words: Vec<&[u8]> =
        name.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [b"cat", b"1>&2" | b">&2" | b">/dev/stderr"] | [b"cat", b">" | b"1>", b"/dev/stderr" | b"&2"] => {
            Some(Command::Complain)
        }
        [b"cat"] => Some(Command::Print),
        [b"sort", args @ ..] => {
            let plain = |word: &&[u8]| {
                word.starts_with(b"-")
                    && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-+,.:=_".contains(byte))
            };
            args.iter().all(plain).then(|| Command::Sort(args.iter().map(|arg| arg.to_vec()).collect()))
        }
        _ => None,
    }
}

impl Machine<'_, '_, '_> {
    /// The bytes of a file, or the error.
    pub(super) fn data_of(&mut self, name: &[u8]) -> Evaluated<Result<Rc<[u8]>, String>> {
        if matches!(name, b"-" | b"/dev/stdin") {
            let taken = std::mem::replace(&mut self.state.files.stdin, true);
            return Ok(Ok(Rc::from(if taken { &[] } else { self.run.input.stdin })));
        }
        if let Some(written) = self.state.files.written.iter().find(|written| written.name == name) {
            if written.open {
                return Ok(unsupported(format!("awk that reads {} while it writes it", text(name)))?);
            }
            return Ok(Ok(Rc::from(&written.data[..])));
        }
        let data = if name == b"/dev/null" { Ok(Vec::new()) } else { (self.run.input.read)(name) };
        take(self.run.input.steps, data.as_ref().map_or(0, |data| length(data.len()) / 512))?;
        Ok(data.map(Rc::from))
    }

    /// Prints bytes where they belong.
    pub(super) fn emit(&mut self, bytes: &[u8], output: &Output) -> Evaluated<()> {
        let (name, append) = match output {
            Output::Standard => return self.put(bytes),
            Output::File(name) => (self.text(name)?, false),
            Output::Append(name) => (self.text(name)?, true),
            Output::Pipe(name) => {
                let name = self.text(name)?;
                return self.send(&name, bytes);
            }
        };
        match &*name {
            b"/dev/stdout" | b"-" => return self.put(bytes),
            b"/dev/stderr" => return Ok(push(&mut self.state.files.stderr, bytes)?),
            b"/dev/null" => return Ok(()),
            _ => {}
        }
        let known = self.state.files.written.iter().position(|written| written.name == *name);
        let index = match known {
            Some(index) => {
                let written = &mut self.state.files.written[index];
                if !std::mem::replace(&mut written.open, true) && !append {
                    written.data.clear();
                }
                index
            }
            None => {
                let data = match (append, append.then(|| (self.run.input.read)(&name))) {
                    (true, Some(Ok(data))) => data,
                    (true, Some(Err(error))) if error != "No such file or directory" => {
                        return Ok(unsupported(format!("awk that appends to {}: {error}", text(&name)))?);
                    }
                    _ => Vec::new(),
                };
                self.state.files.written.push(Written { name: name.to_vec(), data, open: true });
                self.state.files.written.len() - 1
            }
        };
        Ok(push(&mut self.state.files.written[index].data, bytes)?)
    }

    fn put(&mut self, bytes: &[u8]) -> Evaluated<()> {
        Ok(push(&mut self.state.files.stdout, bytes)?)
    }

    fn send(&mut self, name: &Rc<[u8]>, bytes: &[u8]) -> Evaluated<()> {
        let pipes = &mut self.state.files.pipes;
        let index = match pipes.iter().position(|pipe| pipe.name == *name) {
            Some(index) => index,
            None => {
                let Some(command) = command(name) else {
                    return Ok(unsupported(format!("awk that prints to the command {}", text(name)))?);
                };
                let printed = self.state.files.stdout.len();
                pipes.push(Pipe { name: name.clone(), command, data: Vec::new(), printed });
                pipes.len() - 1
            }
        };
        Ok(push(&mut pipes[index].data, bytes)?)
    }

    /// `close`
    pub(super) fn close(&mut self, name: &Rc<[u8]>) -> Evaluated<Value> {
        let mut known = self.state.files.readers.remove(name).is_some();
        for written in &mut self.state.files.written {
            if written.name == **name {
                known |= std::mem::replace(&mut written.open, false);
            }
        }
        if let Some(index) = self.state.files.pipes.iter().position(|pipe| pipe.name == *name) {
            let pipe = self.state.files.pipes.remove(index);
            self.end(&pipe)?;
            known = true;
        }
        Ok(Value::Number(if known { 0.0 } else { -1.0 }))
    }

    /// The result of a pipe.
    fn end(&mut self, pipe: &Pipe) -> Result<(), Failure> {
        let sorted;
        let data = match &pipe.command {
            Command::Complain => return push(&mut self.state.files.stderr, &pipe.data),
            Command::Print => &pipe.data,
            Command::Sort(args) => {
                let input = &mut *self.run.input;
                let output = sort::sort(&mut Input {
                    args,
                    stdin: &pipe.data,
                    read: &mut *input.read,
                    env: input.env,
                    steps: &mut *input.steps,
                })?;
                sorted = output.stdout;
                &sorted
            }
        };
        // whether the command or awk itself prints first is not for us to say
        if self.state.files.stdout.len() != pipe.printed {
            return unsupported(format!("awk that prints while {} runs", text(&pipe.name)));
        }
        push(&mut self.state.files.stdout, data)
    }

    /// Ends all pipes.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        for pipe in std::mem::take(&mut self.state.files.pipes) {
            self.end(&pipe)?;
        }
        Ok(())
    }
}
