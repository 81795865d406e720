//! A Debian package, deb(5): its control files in memory, its data archive as a stream.

use super::ar::{self, Layout, Part};
use super::decompress::{self, Limits};
use super::tar::{self, Policy, Shape, TarError};
use crate::unpack::ControlFile;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Why a package is refused.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// Its container.
    #[error(transparent)]
    Ar(#[from] ar::ArError),
    /// Its control archive.
    #[error("control archive: {0}")]
    Control(#[source] TarError),
    /// What its control archive holds.
    #[error("control archive: {0}")]
    ControlFile(String),
    /// Its data archive.
    #[error("data archive: {0}")]
    Data(#[source] TarError),
}

/// What all control files may take in memory together; the largest of Debian's are md5sums of a few MiB.
const MAX_CONTROL: u64 = 32 << 20;

/// How many control files there may be; Debian's packages have at most a dozen.
const MAX_CONTROL_FILES: u64 = 64;

/// The structure and the control files of the package in `input`, which is `length` bytes long.
pub fn control<R: Read + Seek>(input: &mut R, length: u64) -> Result<(Layout, Vec<ControlFile>), DebError> {
    let layout = ar::layout(input, length)?;
    let stream = stream(input, layout.control, Limits::up_to(MAX_CONTROL))
        .map_err(|e| DebError::Control(TarError::Read(e)))?;
    let limits = tar::Limits { entries: MAX_CONTROL_FILES, depth: 1, ..tar::Limits::default() };
    let mut archive = tar::Reader::new(stream, Policy::DEBIAN, limits);
    let mut files = Vec::new();
    while let Some(entry) = archive.next().map_err(DebError::Control)? {
        let name = entry.path.file_name();
        match entry.shape {
            Shape::Directory if name.is_empty() => continue,
            Shape::File { .. } if fits(name) => {}
            _ => return Err(DebError::ControlFile(format!("`{name}` is not a regular file"))),
        }
        let mut bytes = Vec::new();
        let keep = |chunk: &[u8]| {
            bytes.extend_from_slice(chunk);
            Ok(())
        };
        archive.content(keep).map_err(DebError::Control)?;
        files.push(ControlFile { name: name.to_owned(), mode: entry.meta.mode, bytes: bytes.into() });
    }
    if !files.iter().any(|file| file.name == "control") {
        return Err(DebError::ControlFile("missing `control`".to_owned()));
    }
    Ok((layout, files))
}

/// What `part` of the package in `input` decompresses to.
pub fn stream<R: Read + Seek>(
    input: &mut R,
    part: Part,
    limits: Limits,
) -> io::Result<decompress::Reader<BufReader<io::Take<&mut R>>>> {
    input.seek(SeekFrom::Start(part.offset))?;
    decompress::reader(part.form, BufReader::with_capacity(128 << 10, input.take(part.size)), limits)
}

/// Control files become files of dpkg's database by their name.
fn fits(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}
