//! A file of this machine: of a directory that the user names, or of the project.

use super::fault::Fault;
use rustix::fs::{Mode, OFlags};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use store::beneath;

/// Bytes between two looks at whether the copy is still wanted.
const PIECE: u64 = 4 << 20;

/// Where a file of this machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Local {
    /// Where the user says: by whatever links.
    Named(PathBuf),
    /// Where the absolute path of a pin says, likewise. Whoever sends a change to the project may have chosen it, so what is
    /// there is not told: neither its size nor its digest, with which the next change could pin it.
    Pinned(PathBuf),
    /// In the project, by a path that a pin has from its folder: no link leads out of there.
    Project { root: PathBuf, path: PathBuf },
}

impl Local {
    /// `fault` as far as it tells nothing of a file that nobody but a pin has named.
    pub(super) fn told(&self, fault: Fault) -> Fault {
        match (self, fault) {
            (Self::Pinned(_), Fault::Size { .. } | Fault::Short { .. } | Fault::Digest { .. }) => {
                Fault::Another
            }
            (_, fault) => fault,
        }
    }

    fn open(&self) -> std::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match self {
            Self::Named(path) | Self::Pinned(path) => {
                Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
            }
            Self::Project { root, path } => beneath::file(root, path),
        }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(path) | Self::Pinned(path) => write!(f, "{}", path.display()),
            Self::Project { root, path } => write!(f, "{}", root.join(path).display()),
        }
    }
}

/// Opens a plain file; nothing else blocks. Returns it with its size.
pub(super) fn open(from: &Local) -> Result<(File, u64), Fault> {
    let file = from.open().map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Fault::NoFile,
        _ => Fault::Read(error),
    })?;
    let metadata = file.metadata().map_err(Fault::Read)?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(Fault::NotPlain) }
}

/// Copies a file of exactly `size` bytes to the start of `to`; each piece is announced.
pub(super) fn copy(
    from: &Local,
    size: u64,
    to: &mut File,
    piece: &mut dyn FnMut(u64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (mut file, found) = open(from)?;
    if found != size {
        return Err(Fault::Size { expected: size, got: found.to_string(), page: false });
    }
    let mut done = 0;
    while done < size {
        let n = std::io::copy(&mut (&mut file).take(PIECE.min(size - done)), to).map_err(Fault::Write)?;
        if n == 0 {
            return Err(Fault::Size { expected: size, got: done.to_string(), page: false });
        }
        done += n;
        piece(n)?;
    }
    to.flush().map_err(Fault::Write)
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read(from: &Local, limit: u64) -> Result<Vec<u8>, Fault> {
    let (file, found) = open(from)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Fault::Read)?;
    if bytes.len() as u64 > limit {
        return Err(Fault::Size { expected: limit, got: found.to_string(), page: false });
    }
    Ok(bytes)
}
