//! Looking at an artifact, far from the machine and the store of its bake.
//!
//! An artifact is `<name>.tar.zst` or a disk, `<name>.qcow2`; next to it may stand `<name>.files.json`, which says who put
//! each path there, `<name>.disk.json`, which says what stands where on a disk, and `SHA256SUMS`. Without them the archive
//! itself is read, and owners are unknown; of a disk there are its partitions then. What images are made from, a `.tar.gz` or a
//! Debian package, is listed as it is. All that is read may be hostile:
//! sizes have limits, the archive is understood only in the form that `emit` writes, and nothing is written to disk.
//!
//! Not supported, on purpose: printing, and readers of tars, disk images and file systems in general.

mod compare;
mod inputs;
mod scan;
mod verify;
mod why;

pub use verify::{Damage, Verified, verify};
pub use why::{Owner, Why};

use crate::emit::index::{self, Frame, IndexError};
use crate::emit::{Files, Line, Type, parse_files};
use disk::read::{Disk, DiskError};
use disk::{Codec, Format};
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use tree::digest::Sha256;
use tree::name::ImagePath;
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};
use tree::{Origin, merged};

/// The largest `files.json` that is read in bytes: some 200,000 paths.
const MAX_FILES: u64 = 48 << 20;

/// The largest window that a frame may ask for, as a power of two: a chunk needs 2^23.
const MAX_WINDOW_LOG: u32 = 24;

/// An artifact that was opened.
#[derive(Debug)]
pub struct Artifact {
    path: PathBuf,
    file: File,
    format: Format,
    /// Set for what is not an artifact but an input of one.
    input: Option<inputs::Input>,
    frames: Option<Vec<Frame>>,
    /// What its partition table says, where it is a disk.
    pub disk: Option<Disk>,
    /// What its `files.json` says; none where there is no such file.
    pub record: Option<Files>,
    /// Of a Debian package: the names of its control files, the maintainer scripts among them.
    pub control: Vec<String>,
    scanned: Vec<Line>,
}

/// What one owner has in an artifact.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Share {
    /// The owner: none where it is unknown, a recipe as a whole whatever its file.
    pub owner: String,
    /// How many paths that are not directories.
    pub files: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
}

/// Opens the artifact at `path`, or an input: a `.tar.gz` or a Debian package.
///
/// # Errors
/// `Io` where it cannot be read; `Archive` where it, or the `files.json` next to it, is of another form.
pub fn open(path: &Path) -> Result<Artifact> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let format = Format::of_name(&name).map_or(Format::TarZst, |(_, format)| format);
    let mut file = plain(path)?;
    if let Some(codec) = format.codec() {
        let refuse = |error: DiskError| Refusal::new(Class::Archive, shown(path), Stage::Inspect, error);
        let mut runs = codec.open(plain(path)?).map_err(refuse)?;
        let about = disk::read::about(&mut *runs).map_err(refuse)?;
        let record = record(&beside(path, "files.json"))?;
        let disk = Some(about);
        return Ok(Artifact { disk, record, ..empty(path, file, format) });
    }
    let read = |error: std::io::Error| Refusal::io(shown(path), Stage::Inspect, "read", &error);
    if let Some(input) = inputs::sort(&file).map_err(read)? {
        let again = file.try_clone().map_err(read)?;
        let (scanned, control) = inputs::list(again, input)
            .map_err(|error| Refusal::new(Class::Archive, shown(path), Stage::Inspect, error))?;
        return Ok(Artifact { input: Some(input), scanned, control, ..empty(path, file, format) });
    }
    let mut magic = [0; ZSTD.len()];
    if file.read_exact_at(&mut magic, 0).is_err() || magic != ZSTD {
        let cause = "expected an artifact of `bake`, a .tar.gz or a .deb, found something else";
        return Err(Refusal::new(Class::Archive, shown(path), Stage::Inspect, cause));
    }
    let frames = match index::parse(&mut file) {
        Ok(frames) => Some(frames),
        Err(IndexError::Io(error)) => return Err(Refusal::io(shown(path), Stage::Inspect, "read", &error)),
        Err(IndexError::Absent | IndexError::Wrong(_)) => None,
    };
    let record = record(&beside(path, "files.json"))?;
    let scanned = match &record {
        Some(_) => Vec::new(),
        None => scan::scan(
            decoder(plain(path)?)
                .map_err(|error| Refusal::io(shown(path), Stage::Inspect, "read", &error))?,
        )
        .map_err(|error| Refusal::new(Class::Archive, shown(path), Stage::Inspect, error))?,
    };
    Ok(Artifact { frames, record, scanned, ..empty(path, file, format) })
}

/// How each frame of zstd begins.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An artifact of which nothing was read.
fn empty(path: &Path, file: File, format: Format) -> Artifact {
    let (path, control, scanned) = (path.to_owned(), Vec::new(), Vec::new());
    Artifact { path, file, format, input: None, frames: None, disk: None, record: None, control, scanned }
}

impl Artifact {
    /// Its paths in their order.
    #[must_use]
    pub fn paths(&self) -> &[Line] {
        self.record.as_ref().map_or(&self.scanned, |record| &record.paths)
    }

    /// The line of a path: as it is written for an input, else brought to its merged form.
    ///
    /// # Errors
    /// `Usage` where there is no such path.
    pub fn find(&self, path: &ImagePath) -> Result<&Line> {
        let path = if self.input.is_some() { path.clone() } else { merged(path) };
        match self.paths().binary_search_by(|line| line.path.cmp(&path)) {
            Ok(at) => Ok(&self.paths()[at]),
            Err(_) => Err(Refusal::new(
                Class::Usage,
                shown(&self.path),
                Stage::Inspect,
                format!("it has no `{path}`"),
            )
            .remedy(Remedy::Paths)),
        }
    }

    /// What each owner has, the most bytes first. What several own is shared out to none but the first of them.
    #[must_use]
    pub fn shares(&self) -> Vec<Share> {
        let mut shares: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for line in self.paths().iter().filter(|line| line.r#type != Type::Directory) {
            let owner = match line.origins.first() {
                None => "unknown".to_owned(),
                Some(Origin::Recipe { kind, .. }) => format!("recipe `{kind}`"),
                Some(other) => other.to_string(),
            };
            let share = shares.entry(owner).or_default();
            share.0 += 1;
            share.1 = share.1.saturating_add(line.size.unwrap_or(0));
        }
        let mut shares: Vec<_> =
            shares.into_iter().map(|(owner, (files, bytes))| Share { owner, files, bytes }).collect();
        shares.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.owner.cmp(&b.owner)));
        shares
    }

    /// Writes the bytes of a regular file to `out`, and says at the end whether they were right: what came before an
    /// error is not to be used. Only the frames that hold it are read.
    ///
    /// # Errors
    /// `Usage` for what is not a file; `Verification` where the bytes are not those of the record.
    pub fn read(&self, path: &ImagePath, out: &mut impl Write) -> Result<()> {
        let mut line = self.find(path)?;
        if let (Type::Hardlink, Some(target)) = (line.r#type, &line.target) {
            let target = target.parse().map_err(|error| self.refuse(Class::Archive, error))?;
            line = self.find(&target)?;
        }
        let (Type::File, Some(size), Some(at), Some(wanted)) = (line.r#type, line.size, line.at, line.sha256)
        else {
            return Err(self.refuse(Class::Usage, format!("`{path}` is not a regular file")));
        };
        let mut hasher = sha2::Sha256::new();
        let mut take = |bytes: &[u8]| {
            hasher.update(bytes);
            out.write_all(bytes).map_err(|error| Refusal::io("output", Stage::Inspect, "write", &error))
        };
        match (self.format.codec(), &self.frames) {
            (Some(codec), _) => self.read_disk(codec, &line.path, size, &mut take)?,
            (None, Some(frames)) => self.read_frames(frames, at, size, &mut take)?,
            (None, None) => self.read_on(at, size, &mut take)?,
        }
        if Sha256(hasher.finalize().into()) == wanted {
            return Ok(());
        }
        let damage =
            Damage { entry: Some(line.path.clone()), what: "its content differs from the record".into() };
        Err(self.refuse(Class::Verification, damage))
    }

    fn read_frames(
        &self,
        frames: &[Frame],
        at: u64,
        size: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let end = at.saturating_add(size);
        let first = frames.partition_point(|frame| frame.at + u64::from(frame.len) <= at);
        for frame in frames[first..].iter().take_while(|frame| frame.at < end) {
            let mut packed = vec![0; usize::try_from(frame.compressed).unwrap_or(0)];
            self.file
                .read_exact_at(&mut packed, frame.offset)
                .map_err(|error| Refusal::io(shown(&self.path), Stage::Inspect, "read", &error))?;
            let bytes = zstd::bulk::decompress(&packed, usize::try_from(frame.len).unwrap_or(0)).map_err(
                |error| {
                    self.refuse(
                        Class::Verification,
                        format!("cannot decompress the frame at byte {}: {error}", frame.offset),
                    )
                },
            )?;
            let inside = |place: u64| {
                usize::try_from(place.saturating_sub(frame.at)).unwrap_or(usize::MAX).min(bytes.len())
            };
            take(&bytes[inside(at)..inside(end)])?;
        }
        Ok(())
    }

    /// From a disk: the extents that its record has of the file, in the order of the file.
    fn read_disk(
        &self,
        codec: &Codec,
        path: &ImagePath,
        size: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let wrong = |error: DiskError| self.refuse(Class::Verification, error);
        let record = verify::disk_record(&beside(&self.path, "disk.json"))?;
        let mut runs = codec.open(plain(&self.path)?).map_err(wrong)?;
        let mut bytes = Vec::new();
        let mut run = 0..0;
        let mut have = 0;
        for extent in record.extents.iter().filter(|extent| extent.path.as_ref() == Some(path)) {
            // a file that stands on several partitions is read from the first
            if have == size || extent.from != have {
                continue;
            }
            let mut at = extent.at;
            let end = extent.at + extent.len;
            while at < end {
                if at >= run.end {
                    match runs.next(&mut bytes).map_err(wrong)? {
                        Some(start) => run = start..start + bytes.len() as u64,
                        None => run = u64::MAX..u64::MAX,
                    }
                    continue;
                }
                if at < run.start {
                    let zeros =
                        vec![0; usize::try_from((run.start.min(end) - at).min(64 << 10)).unwrap_or(0)];
                    take(&zeros)?;
                    at += zeros.len() as u64;
                    continue;
                }
                let inside =
                    |place: u64| usize::try_from(place - run.start).unwrap_or(bytes.len()).min(bytes.len());
                let now = &bytes[inside(at)..inside(end)];
                take(now)?;
                at += now.len() as u64;
            }
            have += extent.len;
        }
        Ok(())
    }

    /// The slow way, for an artifact without an index.
    fn read_on(&self, at: u64, size: u64, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let refuse = |error: std::io::Error| Refusal::io(shown(&self.path), Stage::Inspect, "read", &error);
        let mut range = |stream: &mut dyn Read| -> Result<()> {
            std::io::copy(&mut (&mut *stream).take(at), &mut std::io::sink()).map_err(refuse)?;
            let mut stream = stream.take(size);
            let mut buffer = vec![0; 64 << 10];
            loop {
                match stream.read(&mut buffer).map_err(refuse)? {
                    0 => return Ok(()),
                    count => take(&buffer[..count])?,
                }
            }
        };
        let file = plain(&self.path)?;
        match self.input {
            Some(input) => {
                inputs::with_stream(file, input, range).map_err(|error| self.refuse(Class::Archive, error))?
            }
            None => range(&mut decoder(file).map_err(refuse)?),
        }
    }

    fn refuse(&self, class: Class, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Refusal {
        Refusal::new(class, shown(&self.path), Stage::Inspect, cause)
    }
}

/// The file beside an artifact that ends in `end`: `base.debian-13.amd64.files.json`.
fn beside(artifact: &Path, end: &str) -> PathBuf {
    let name = artifact.file_name().unwrap_or_default().to_string_lossy();
    let stem = Format::of_name(&name).map_or(&*name, |(stem, _)| stem);
    artifact.with_file_name(format!("{stem}.{end}"))
}

fn record(path: &Path) -> Result<Option<Files>> {
    let refuse = |cause: String| Refusal::new(Class::Archive, shown(path), Stage::Inspect, cause);
    if matches!(path.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = plain(path)?.take(MAX_FILES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::io(shown(path), Stage::Inspect, "read", &error))?;
    if bytes.len() as u64 > MAX_FILES {
        return Err(refuse(format!("expected at most {MAX_FILES} bytes, found more")));
    }
    let files = parse_files(&bytes).map_err(|error| refuse(error.to_string()))?;
    if !files.paths.is_sorted_by(|a, b| a.path < b.path) {
        return Err(refuse("its paths are not sorted, or one is listed twice".into()));
    }
    Ok(Some(files))
}

fn plain(path: &Path) -> Result<File> {
    use rustix::fs::{Mode, OFlags};
    // a link to an artifact is fine; a FIFO is none, and must not block
    let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let file =
        File::from(opened.map_err(|error| Refusal::io(shown(path), Stage::Inspect, "open", &error.into()))?);
    if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(file);
    }
    Err(Refusal::new(Class::Io, shown(path), Stage::Inspect, "not a regular file"))
}

fn decoder<R: Read>(packed: R) -> std::io::Result<zstd::Decoder<'static, BufReader<R>>> {
    let mut decoder = zstd::Decoder::new(packed)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
