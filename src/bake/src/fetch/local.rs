//! A file of a directory that the user names.

use super::fault::Fault;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

/// Bytes between two looks at whether the copy is still wanted.
const PIECE: u64 = 4 << 20;

/// Opens a plain file, by whatever links; nothing else blocks. Returns it with its size.
pub(super) fn open(path: &Path) -> Result<(File, u64), Fault> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(error) => match std::io::Error::from(error) {
            error if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(Fault::NoFile);
            }
            error => return Err(Fault::Read(error)),
        },
    };
    let metadata = file.metadata().map_err(Fault::Read)?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(Fault::NotPlain) }
}

/// Copies a file of exactly `size` bytes to the start of `to`; each piece is announced.
pub(super) fn copy(
    from: &Path,
    size: u64,
    to: &mut File,
    piece: &mut dyn FnMut(u64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (mut file, found) = open(from)?;
    if found != size {
        return Err(Fault::Size { wanted: size, got: found.to_string(), page: false });
    }
    let mut done = 0;
    while done < size {
        let n = std::io::copy(&mut (&mut file).take(PIECE.min(size - done)), to).map_err(Fault::Write)?;
        if n == 0 {
            return Err(Fault::Size { wanted: size, got: done.to_string(), page: false });
        }
        done += n;
        piece(n)?;
    }
    to.flush().map_err(Fault::Write)
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read(from: &Path, limit: u64) -> Result<Vec<u8>, Fault> {
    let (file, found) = open(from)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Fault::Read)?;
    if bytes.len() as u64 > limit {
        return Err(Fault::Size { wanted: limit, got: found.to_string(), page: false });
    }
    Ok(bytes)
}
