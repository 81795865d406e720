//! The archive that the kernel unpacks into its first file system: cpio in the form `newc`.
//!
//! Linux, Documentation/driver-api/early-userspace/buffer-format.rst: per entry a header of `070701` and thirteen numbers
//! in eight hexadecimal digits, the name with NUL, padded to four bytes, the content, padded to four; the last one is
//! `TRAILER!!!`. All belongs to root. Not supported, on purpose: hard links, extended attributes, checksums (`070702`).

use std::io::Write as _;

/// An archive in the making.
#[derive(Debug)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    mtime: u32,
    entries: u32,
}

/// What an entry is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Directory,
    File,
    Character { major: u32, minor: u32 },
}

impl Archive {
    /// An empty one; all entries will have the time `mtime`, seconds since 1970.
    pub(super) fn new(mtime: u32) -> Self {
        Self { bytes: Vec::new(), mtime, entries: 0 }
    }

    /// Adds an entry, the directory above it before it. `name` has no `/` in front; `mode` is of permissions alone.
    pub(super) fn add(&mut self, name: &str, kind: Kind, mode: u32, content: &[u8]) {
        let (sort, links, (major, minor)) = match kind {
            Kind::Directory => (0o040_000, 2, (0, 0)),
            Kind::File => (0o100_000, 1, (0, 0)),
            Kind::Character { major, minor } => (0o020_000, 1, (major, minor)),
        };
        self.entries += 1;
        self.entry(name, [self.entries, sort | mode, links, self.mtime, major, minor], content);
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", [0, 0, 1, 0, 0, 0], &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, [number, mode, links, mtime, major, minor]: [u32; 6], content: &[u8]) {
        // 16 MiB is the limit of the whole, and names are those of modules
        let [size, name_size] =
            [content.len(), name.len() + 1].map(|len| u32::try_from(len).unwrap_or(u32::MAX));
        let numbers = [number, mode, 0, 0, links, mtime, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend(b"070701");
        for number in numbers {
            // writing to a vector cannot fail
            let _ = write!(self.bytes, "{number:08x}");
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
