//! Strict readers of what comes from outside: compressed streams, `.deb`, tar, ELF.
//!
//! ```text
//! .deb ─ar─► control.tar.*, data.tar.* ─decompress─► tar ─► entries
//! .tar.gz ────────────────────────────── decompress─► tar ─► entries
//! binary ─elf─► right machine, static or not
//! ```
//! One rule for all: an archive whose meaning is in doubt is refused whole. In doubt is what two readers of the
//! field (dpkg, GNU tar, Python's tarfile) take differently, what no writer of the field makes, and what has bytes
//! that belong to nothing. So nothing here repairs, skips or guesses, and each reader has limits that do not depend on
//! what the archive says of itself.
//!
//! Not supported, on purpose: extraction. No reader ever writes to a path that an archive names.

pub mod ar;
pub mod deb;
pub mod decompress;
pub mod elf;
pub mod tar;

#[cfg(test)]
pub(crate) mod fixture;

use std::io;

/// Whether a failed read is the fault of the bytes that were read, not of the disk they are on.
#[must_use]
pub fn is_content_fault(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
