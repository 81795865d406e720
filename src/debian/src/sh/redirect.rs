//! Redirections.

use std::cell::Cell;
use std::rc::Rc;

use super::ast::{Redirect, Target};
use super::open::{Kind, Open};
use super::state::{Shell, Stop};
use crate::failure::Reason;
use crate::files::{self, Bytes, Errno, absolute};

/// Descriptors and what they stood for.
pub(super) type Saved = Vec<(u32, Option<Rc<Open>>)>;

impl Shell<'_> {
    /// What the descriptors of redirections stand for now.
    pub(super) fn save(&self, redirects: &[Redirect]) -> Saved {
        redirects.iter().map(|redirect| (redirect.fd, self.s.fds.get(&redirect.fd).cloned())).collect()
    }

    /// Puts descriptors back.
    pub(super) fn restore(&mut self, saved: Saved) {
        for (fd, open) in saved.into_iter().rev() {
            match open {
                Some(open) => self.s.fds.insert(fd, open),
                None => self.s.fds.remove(&fd),
            };
        }
    }

    /// Does redirections, in order. A status when one fails: the command does not run.
    pub(crate) fn redirect(&mut self, redirects: &[Redirect]) -> Result<Option<u8>, Stop> {
        for redirect in redirects {
            let fd = redirect.fd;
            match &redirect.to {
                Target::Here(body) => {
                    let bytes = match body.get() {
                        // an expansion that fails here fails the command, not the shell
                        Some(word) => match self.string(word) {
                            Ok(bytes) => bytes,
                            Err(Stop::Exit(status) | Stop::Error(status)) => return Ok(Some(status)),
                            Err(stop) => return Err(stop),
                        },
                        None => Vec::new(),
                    };
                    self.s.fds.insert(fd, Open::new(Kind::Input(Rc::new(bytes))));
                }
                Target::Duplicate(word) => {
                    let word = self.string(word)?;
                    match &word[..] {
                        b"-" => {
                            self.s.fds.remove(&fd);
                        }
                        [digit @ b'0'..=b'9'] => match self.s.fds.get(&u32::from(digit - b'0')).cloned() {
                            Some(open) => {
                                self.s.fds.insert(fd, open);
                            }
                            None => {
                                self.complain(&format!("{}: Bad file descriptor", digit - b'0'))?;
                                return Ok(Some(2));
                            }
                        },
                        _ => return self.fatal("Bad fd number"),
                    }
                }
                Target::Read(word) | Target::Write(word) | Target::Append(word) | Target::ReadWrite(word) => {
                    let path = self.string(word)?;
                    match self.open(&path, &redirect.to)? {
                        Ok(open) => {
                            self.s.fds.insert(fd, open);
                        }
                        Err(errno) => {
                            let verb = if matches!(redirect.to, Target::Read(_)) { "open" } else { "create" };
                            let what = match (errno, verb) {
                                (Errno::NoEntry, "open") => "No such file".to_owned(),
                                (Errno::NoEntry, _) => "Directory nonexistent".to_owned(),
                                (errno, _) => errno.to_string(),
                            };
                            self.complain(&format!(
                                "cannot {verb} {}: {what}",
                                String::from_utf8_lossy(&path)
                            ))?;
                            return Ok(Some(2));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    fn open(&mut self, path: &[u8], how: &Target) -> Result<Result<Rc<Open>, Errno>, Stop> {
        let whole = absolute(&self.s.cwd, path);
        match &whole[..] {
            b"/dev/null" => return Ok(Ok(Open::new(Kind::Null))),
            b"/dev/stdin" | b"/dev/fd/0" | b"/proc/self/fd/0" => {
                return Ok(self.s.fds.get(&0).cloned().ok_or(Errno::NoEntry));
            }
            b"/dev/stdout" | b"/dev/fd/1" | b"/proc/self/fd/1" => {
                return Ok(self.s.fds.get(&1).cloned().ok_or(Errno::NoEntry));
            }
            b"/dev/stderr" | b"/dev/fd/2" | b"/proc/self/fd/2" => {
                return Ok(self.s.fds.get(&2).cloned().ok_or(Errno::NoEntry));
            }
            b"/dev/tty" => return Ok(Err(Errno::Io)),
            whole
                if whole.starts_with(b"/dev/")
                    && self.files.stat(whole).is_none_or(|m| m.kind != files::Kind::File) =>
            {
                return Err(self.fail(Reason::Running(String::from_utf8_lossy(whole).into_owned())));
            }
            _ => {}
        }
        let at = match self.files.resolve(&whole, true) {
            Ok(at) => at,
            Err(errno) => return Ok(Err(errno)),
        };
        let meta = self.files.meta(&at);
        if let Some(files::Kind::Fifo | files::Kind::Char(..) | files::Kind::Block(..)) =
            meta.as_ref().map(|m| &m.kind)
        {
            return Err(
                self.unsupported(format!("opening the device or pipe {}", String::from_utf8_lossy(&at)))
            );
        }
        if matches!(how, Target::Read(_)) {
            return Ok(match meta.map(|meta| meta.kind) {
                None => Err(Errno::NoEntry),
                Some(_) => Ok(Open::new(Kind::ReadFile { path: at })),
            });
        }
        if matches!(how, Target::Write(_)) && self.s.options.noclobber && meta.is_some() {
            return Ok(Err(Errno::Exists));
        }
        let node = match self.files.open(&whole, 0o666 & !self.s.umask) {
            Ok(node) => node,
            Err(Errno::Limit) => return Err(self.limit_or(Errno::Limit, "a redirection")),
            Err(errno) => return Ok(Err(errno)),
        };
        if matches!(how, Target::Write(_)) && self.files.node_bytes(node).is_ok_and(|bytes| !bytes.is_empty())
        {
            self.files.node_empty(node, &at).map_err(|errno| self.limit_or(errno, "a redirection"))?;
        }
        let kind = Kind::File { node, path: at };
        Ok(Ok(Rc::new(Open { kind, offset: Cell::new(0), append: matches!(how, Target::Append(_)) })))
    }

    /// Sets a variable, and exports it under `set -a`.
    pub(crate) fn set(&mut self, name: &[u8], value: Bytes) -> Result<(), Stop> {
        if value.len() > self.limits.bytes {
            return Err(self.fail(Reason::Limit("the bytes of a variable")));
        }
        if name == b"OPTIND" {
            self.s.optchar = 0;
        }
        if !self.s.vars.set(name, value) {
            return self.fatal(&format!("{}: is read only", String::from_utf8_lossy(name)));
        }
        if self.s.options.allexport {
            self.s.vars.export(name);
        }
        Ok(())
    }
}
