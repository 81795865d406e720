//! Open files: what a descriptor stands for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::state::{Shell, Stop};
use crate::failure::Reason;
use crate::files::{Bytes, Errno};

/// What is open.
#[derive(Debug)]
pub(crate) enum Kind {
    /// `/dev/null`.
    Null,
    /// Collects what is written.
    Buffer(RefCell<Vec<u8>>),
    /// Gives what is there: a pipe's other end, a here-document.
    Input(Rc<Vec<u8>>),
    /// A regular file: a node of `Files`, and the path it was opened by.
    File { node: usize, path: Bytes },
    /// A regular file that is only read.
    ReadFile { path: Bytes },
}

/// An open file, with its offset, that descriptors share.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) kind: Kind,
    pub(crate) offset: Cell<usize>,
    pub(crate) append: bool,
}

impl Open {
    pub(crate) fn new(kind: Kind) -> Rc<Self> {
        Rc::new(Self { kind, offset: Cell::new(0), append: false })
    }

    pub(crate) fn buffer() -> Rc<Self> {
        Self::new(Kind::Buffer(RefCell::default()))
    }

    /// Takes what was collected.
    pub(crate) fn take(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Buffer(buffer) => buffer.take(),
            _ => Vec::new(),
        }
    }
}

impl Shell<'_> {
    /// Writes to a descriptor. False when it is not open for writing.
    pub(crate) fn write_fd(&mut self, fd: u32, bytes: &[u8]) -> Result<bool, Stop> {
        if bytes.is_empty() {
            return Ok(true);
        }
        let Some(open) = self.s.fds.get(&fd).cloned() else { return Ok(false) };
        match &open.kind {
            Kind::Null => Ok(true),
            Kind::Input(_) | Kind::ReadFile { .. } => Ok(false),
            Kind::Buffer(buffer) => {
                let mut buffer = buffer.borrow_mut();
                if buffer.len() + bytes.len() > self.limits.bytes {
                    drop(buffer);
                    return Err(self.fail(Reason::Limit("the bytes of an output")));
                }
                buffer.extend_from_slice(bytes);
                Ok(true)
            }
            Kind::File { node, path } => {
                let offset = if open.append { None } else { Some(open.offset.get()) };
                match self.files.node_write(*node, offset, bytes, path) {
                    Ok(end) => open.offset.set(end),
                    Err(errno) => return Err(self.limit_or(errno, "a write")),
                }
                Ok(true)
            }
        }
    }

    pub(crate) fn limit_or(&self, errno: Errno, what: &str) -> Stop {
        match errno {
            Errno::Limit => self.fail(Reason::Limit("the bytes or changes of files")),
            other => self.fail(Reason::Unsupported(format!("{what} that fails with `{other}`"))),
        }
    }

    fn input(&self, fd: u32) -> Option<(Rc<Open>, Rc<Vec<u8>>)> {
        let open = self.s.fds.get(&fd)?;
        let bytes = match &open.kind {
            Kind::Null => Rc::default(),
            Kind::Buffer(_) => return None,
            Kind::Input(bytes) => Rc::clone(bytes),
            Kind::File { node, .. } => self.files.node_bytes(*node).ok()?,
            Kind::ReadFile { path } => self.files.content(path).ok()?,
        };
        Some((Rc::clone(open), bytes))
    }

    /// What is left to read of a descriptor, which stays there.
    pub(crate) fn rest_of(&self, fd: u32) -> Vec<u8> {
        self.input(fd)
            .map(|(open, bytes)| bytes.get(open.offset.get()..).unwrap_or_default().to_vec())
            .unwrap_or_default()
    }

    /// Reads all that is left of a descriptor.
    pub(crate) fn read_all(&self, fd: u32) -> Vec<u8> {
        let rest = self.rest_of(fd);
        self.skip(fd, rest.len());
        rest
    }

    /// Moves the offset of a descriptor on.
    pub(crate) fn skip(&self, fd: u32, bytes: usize) {
        if let Some(open) = self.s.fds.get(&fd) {
            open.offset.set(open.offset.get() + bytes);
        }
    }

    /// Reads a byte of a descriptor; `None` at the end or when it is not open for reading.
    pub(crate) fn read_byte(&self, fd: u32) -> Option<u8> {
        let (open, bytes) = self.input(fd)?;
        let byte = bytes.get(open.offset.get()).copied()?;
        open.offset.set(open.offset.get() + 1);
        Some(byte)
    }

    pub(crate) fn readable(&self, fd: u32) -> bool {
        self.input(fd).is_some()
    }
}
