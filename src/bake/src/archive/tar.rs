//! Tar archives, read strictly: headers, PAX records and GNU long names, and what they may say.
//!
//! The entries of an archive come out one by one, in a stream; the archive is good only when `next` has answered
//! `None`. Nothing may be made of its entries before that.
//!
//! Paths are `./a/b` or `a/b`; the root directory is `./`, at most once. Refused is what has no single meaning: `..`,
//! absolute names, empty parts, text that is not UTF-8, a path twice, an entry below a link, sizes that disagree,
//! headers for a header (`x` then `L`), global headers, sparse files, contents where there can be none, padding
//! that is not zero, a missing end, trailing data. What an archive may hold beyond files, directories and links
//! is a `Policy`.

mod header;
mod input;
mod meaning;
mod names;
mod owners;
mod pax;
#[cfg(test)]
mod tests;

use header::BLOCK;
use input::Input;
use meaning::Extension;
use names::{Names, Seen};
use std::io::{self, Read};
use tree::Meta;
use tree::name::ImagePath;

/// What an archive of some class may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// PAX headers. dpkg refuses them.
    pub pax: bool,
    /// Setuid, setgid and sticky bits.
    pub special_bits: bool,
    /// Devices and FIFOs.
    pub devices: bool,
    /// Extended attributes, capabilities among them.
    pub xattrs: bool,
    /// Whose its files may be.
    pub owners: Owners,
    /// Paths that differ only in case.
    pub case_twins: bool,
    /// `/bin/x` is `/usr/bin/x`.
    pub merged: bool,
}

/// Whose the files of an archive may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Debian's static ids, by number and name.
    Static,
    /// What it says is of no account: all is root's.
    Root,
    /// Any number; names are of no account.
    Any,
}

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Parts of a path.
    pub depth: usize,
    /// Bytes of all names together, with those of directories that are only implied.
    pub names: usize,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Its path, made absolute and normal.
    pub path: ImagePath,
    /// Mode, owner, time, extended attributes; those of its target for a hard link.
    pub meta: Meta,
    /// What it is.
    pub shape: Shape,
}

/// The types of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Where its content starts, counted from the start of the tar.
        offset: u64,
        /// Its length in bytes.
        size: u64,
    },
    /// A symbolic link with its target, as written.
    Symlink(String),
    /// Another name of this regular file, which came before and is not a hard link itself.
    Hardlink(ImagePath),
    /// A character device.
    Character {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// Its bytes cannot be had: the disk, or the compression around it.
    #[error(transparent)]
    Read(io::Error),
    /// A block that is not a header, or a chain of headers that has no single meaning.
    #[error("bad header at byte {at}: {what}")]
    Header {
        /// Where, counted from the start of the tar.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// It ends before its end, or goes on after it.
    #[error("{0}")]
    End(&'static str),
    /// A name that is not a path below the root.
    #[error("path `{path}`: {what}")]
    Path {
        /// The name as it is written.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// One path, two entries.
    #[error("duplicate path `{path}`")]
    Twice {
        /// The second of them.
        path: ImagePath,
    },
    /// A path that must be a directory and is none.
    #[error("`{path}` needs `{below}` to be a directory, which is something else in the same archive")]
    Clash {
        /// The entry.
        path: ImagePath,
        /// What is not a directory.
        below: ImagePath,
    },
    /// A hard link to something else than an earlier regular file.
    #[error("`{path}` is a hard link to `{target}`, which is not an earlier regular file of the archive")]
    Hardlink {
        /// The link.
        path: ImagePath,
        /// Its target.
        target: ImagePath,
    },
    /// Something that archives of this class may not hold.
    #[error("`{path}` has {what}, which is not allowed here")]
    Forbidden {
        /// The entry.
        path: ImagePath,
        /// What it has.
        what: String,
    },
    /// More than the limits allow.
    #[error("too many {what}: expected at most {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// Reads the entries of the tar in `input`.
pub struct Reader<R> {
    input: Input<R>,
    policy: Policy,
    limits: Limits,
    names: Names,
    entries: u64,
    /// What is left of the content of the entry that came last, without and with padding.
    content: u64,
    padding: u64,
    ended: bool,
}

impl Policy {
    /// Debian packages, as dpkg-deb makes them and dpkg takes them.
    pub const DEBIAN: Self = Self {
        pax: false,
        special_bits: true,
        devices: false,
        xattrs: false,
        owners: Owners::Static,
        case_twins: true,
        merged: true,
    };

    /// Archives of upstream projects: plain files, whose owners are the recipe's to say.
    pub const UPSTREAM: Self = Self {
        pax: true,
        special_bits: false,
        devices: false,
        xattrs: false,
        owners: Owners::Root,
        case_twins: false,
        merged: false,
    };

    /// Layers of container images: all that a system may have, in a tree of its own.
    pub const LAYER: Self = Self {
        pax: true,
        special_bits: true,
        devices: true,
        xattrs: true,
        owners: Owners::Any,
        case_twins: true,
        merged: false,
    };
}

impl Default for Limits {
    /// 200,000 entries (Debian's largest packages have 30,000), 64 parts of a path, 32 MiB of names.
    fn default() -> Self {
        Self { entries: 200_000, depth: 64, names: 32 << 20 }
    }
}

impl<R: Read> Reader<R> {
    /// A reader at the start of a tar.
    pub fn new(input: R, policy: Policy, limits: Limits) -> Self {
        let names = Names::new(policy.case_twins, policy.merged, limits.names);
        let input = Input::new(input);
        Self { input, policy, limits, names, entries: 0, content: 0, padding: 0, ended: false }
    }

    /// The next entry; `None` when the archive has ended as it should. What is left of the last entry's content
    /// is passed over.
    #[allow(
        clippy::should_implement_trait,
        reason = "an entry's content is read from the reader, so it is not an iterator"
    )]
    pub fn next(&mut self) -> Result<Option<TarEntry>, TarError> {
        if self.ended {
            return Ok(None);
        }
        self.content(|_| Ok(()))?;
        let mut extension = Extension::default();
        loop {
            let at = self.input.position();
            let wrong = |what: &str| TarError::Header { at, what: what.to_owned() };
            let Some(block) = self.input.block()? else {
                return Err(TarError::End("missing end-of-archive marker (two zero blocks)"));
            };
            if block.iter().all(|&b| b == 0) {
                extension.must_be_empty().map_err(|what| wrong(&what))?;
                self.end()?;
                return Ok(None);
            }
            let header = header::parse(&block).map_err(wrong)?;
            self.count()?;
            if meaning::is_extension(header.kind) {
                let bytes = self.small(&header, at)?;
                extension.add(header.kind, bytes, &self.policy).map_err(|what| wrong(&what))?;
                continue;
            }
            return self.entry(header, extension, at).map(Some);
        }
    }

    /// The content of the regular file that came last, in pieces of any size.
    pub fn content(&mut self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), TarError> {
        while self.content > 0 {
            let chunk = self.input.chunk(self.content)?;
            each(chunk).map_err(TarError::Read)?;
            let length = chunk.len();
            self.input.consume(length);
            self.content -= length as u64;
        }
        while self.padding > 0 {
            let chunk = self.input.chunk(self.padding)?;
            if chunk.iter().any(|&b| b != 0) {
                return Err(TarError::End("non-zero padding after a file"));
            }
            let length = chunk.len();
            self.input.consume(length);
            self.padding -= length as u64;
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), TarError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(TarError::Limit { what: "entries", limit: self.limits.entries });
        }
        Ok(())
    }

    /// The content of a header that extends the next one.
    fn small(&mut self, header: &header::Header, at: u64) -> Result<Vec<u8>, TarError> {
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        if size > meaning::MAX_EXTENSION {
            let what = format!(
                "extension too long, expected at most {} bytes, found {}",
                meaning::MAX_EXTENSION,
                header.size
            );
            return Err(TarError::Header { at, what });
        }
        let mut bytes = Vec::with_capacity(size);
        self.expect_content(header.size);
        self.content(|chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(bytes)
    }

    fn entry(&mut self, header: header::Header, extension: Extension, at: u64) -> Result<TarEntry, TarError> {
        let wrong = |what: String| TarError::Header { at, what };
        let facts = extension.apply(header).map_err(wrong)?;
        let mut entry = meaning::entry(facts, &self.policy, self.limits.depth, self.input.position())?;
        let seen = match &entry.shape {
            Shape::Directory => Seen::Directory,
            Shape::File { size, .. } => {
                if self.input.position().checked_add(*size).is_none() {
                    return Err(wrong("size out of range".to_owned()));
                }
                self.expect_content(*size);
                Seen::File { path: entry.path.clone(), meta: Box::new(entry.meta.clone()) }
            }
            Shape::Hardlink(target) => {
                let (file, meta, key) = self.names.file(&entry.path, target)?;
                let of = |meta: &Meta| (meta.mode, meta.uid, meta.gid, meta.mtime);
                if of(&meta) != of(&entry.meta) {
                    let what = format!(
                        "`{}` and `{file}` are one file with different modes, owners or times",
                        entry.path
                    );
                    return Err(wrong(what));
                }
                (entry.meta, entry.shape) = (meta, Shape::Hardlink(file));
                Seen::Alias(key)
            }
            _ => Seen::Other,
        };
        self.names.add(&entry.path, seen)?;
        Ok(entry)
    }

    fn expect_content(&mut self, size: u64) {
        self.content = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    /// After a first block of zeros: a second one, then only zeros.
    fn end(&mut self) -> Result<(), TarError> {
        match self.input.block()? {
            Some(block) if block.iter().all(|&b| b == 0) => {}
            Some(_) => return Err(TarError::End("data after the end of the archive")),
            None => return Err(TarError::End("missing end-of-archive marker (two zero blocks)")),
        }
        while let Some(block) = self.input.block()? {
            if block.iter().any(|&b| b != 0) {
                return Err(TarError::End("data after the end of the archive"));
            }
        }
        self.ended = true;
        Ok(())
    }
}
