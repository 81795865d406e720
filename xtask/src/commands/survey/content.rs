//! What is in packages: names, modes and the small files, read once out of each .deb and kept; large files when they are asked for.

use super::archive::Archive;
use anyhow::{Context as _, anyhow};
use bake::archive::deb;
use bake::archive::decompress::Limits as Unpacked;
use bake::archive::tar::{self, Policy, Shape};
use bake::fetch;
use bake::lock::LockedPackage;
use bake::plan::package_requirements;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::Store;
use tree::digest::{Digest, Sha256};
use vmbake::pipeline;
use vmbake::progress::Show;

/// Files up to this size are kept with the list of a package.
const SMALL: u64 = 48 << 10;
/// How many bytes of small files are in memory at once, about.
const MEMORY: usize = 1 << 30;
/// What a package may unpack to.
const LARGEST: u64 = 8 << 30;

/// The sorts of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sort {
    /// A regular file: its size, and where it is in the small files.
    File { size: u64, at: Option<usize> },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link(String),
    /// A named pipe.
    Fifo,
    /// A character device.
    Char(u32, u32),
    /// A block device.
    Block(u32, u32),
}

/// A path of a package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Node {
    /// Absolute, and merged: `/usr/bin/x`.
    pub(super) path: String,
    pub(super) sort: Sort,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
}

/// A package.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Deb {
    /// The files of its control archive.
    pub(super) control: BTreeMap<String, Vec<u8>>,
    pub(super) nodes: Vec<Node>,
    /// The contents of small files, one after another.
    #[serde(skip)]
    pub(super) bytes: Vec<u8>,
    #[serde(skip)]
    digest: Option<Sha256>,
}

/// The packages that were read, on the disk and, as far as there is room, in memory.
pub(super) struct Contents<'a> {
    folder: PathBuf,
    store: &'a Store,
    memory: Mutex<(HashMap<Sha256, Arc<Deb>>, usize)>,
}

impl<'a> Contents<'a> {
    pub(super) fn new(folder: &Path, store: &'a Store) -> Self {
        Self { folder: folder.to_owned(), store, memory: Mutex::default() }
    }

    fn path(&self, digest: Sha256) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(hex.get(..2).unwrap_or_default()).join(hex)
    }

    /// Fetches and reads the packages that are not there yet.
    pub(super) fn bring<'p>(
        &self,
        packages: impl Iterator<Item = &'p LockedPackage>,
        archive: &Archive,
        options: &fetch::Options,
        show: &Show,
    ) -> anyhow::Result<()> {
        let mut missing: BTreeMap<Sha256, LockedPackage> = BTreeMap::new();
        for package in packages {
            if !self.path(package.sha256).exists() {
                missing.insert(package.sha256, package.clone());
            }
        }
        let missing: Vec<LockedPackage> = missing.into_values().collect();
        for part in missing.chunks(100) {
            pipeline::fetch(self.store, &package_requirements(part, &archive.suites), options, show)?;
            let (count, done) = (part.len(), AtomicUsize::new(0));
            show.during("reading packages", Duration::ZERO, |meter| {
                part.par_iter().for_each(|package| {
                    // one that cannot be read fails where it is needed
                    if let Err(error) = self.read(package) {
                        show.warn(&format!("{}: {error:#}", package.name));
                    }
                    meter.at(done.fetch_add(1, Ordering::Relaxed) + 1, count);
                });
            });
        }
        Ok(())
    }

    /// Reads a package out of its .deb, and keeps it.
    fn read(&self, package: &LockedPackage) -> anyhow::Result<()> {
        let mut input = self.store.verified(&Digest::from(package.sha256))?;
        let length = input.size();
        let (layout, control) = deb::control(&mut input, length)?;
        let control = control.into_iter().map(|file| (file.name, file.bytes.to_vec())).collect();
        let mut deb = Deb { control, ..Deb::default() };
        let stream = deb::stream(&mut input, layout.data, unpacked())?;
        let mut archive = tar::Reader::new(stream, Policy::DEBIAN, tar::Limits::default());
        let mut files: HashMap<String, Sort> = HashMap::new();
        while let Some(entry) = archive.next()? {
            let path = merged(&entry.path.to_string());
            let sort = match entry.shape {
                Shape::Directory => Sort::Directory,
                Shape::File { size, .. } => {
                    let at = is_kept(&path, size).then_some(deb.bytes.len());
                    if at.is_some() {
                        archive.content(|chunk| {
                            deb.bytes.extend_from_slice(chunk);
                            Ok(())
                        })?;
                    }
                    files.insert(path.clone(), Sort::File { size, at });
                    Sort::File { size, at }
                }
                Shape::Symlink(target) => Sort::Link(target),
                Shape::Hardlink(target) => {
                    let target = merged(&target.to_string());
                    files.get(&target).cloned().ok_or_else(|| anyhow!("{path} is a link to nothing"))?
                }
                Shape::Character { major, minor } => Sort::Char(major, minor),
                Shape::Block { major, minor } => Sort::Block(major, minor),
                Shape::Fifo => Sort::Fifo,
            };
            let (uid, gid) = (entry.meta.uid, entry.meta.gid);
            let mode = u32::from(entry.meta.mode);
            deb.nodes.push(Node { path, sort, mode, uid, gid, mtime: entry.meta.mtime });
        }
        let list = serde_json::to_vec(&deb)?;
        let path = self.path(package.sha256);
        let folder = path.parent().context("a path without a folder")?;
        std::fs::create_dir_all(folder)?;
        let file = tempfile::NamedTempFile::new_in(folder)?;
        let mut encoder = zstd::Encoder::new(file, 1)?;
        encoder.write_all(&(list.len() as u64).to_le_bytes())?;
        encoder.write_all(&list)?;
        encoder.write_all(&deb.bytes)?;
        encoder.finish()?.persist(&path)?;
        Ok(())
    }

    /// A package that was brought.
    pub(super) fn get(&self, package: &LockedPackage) -> anyhow::Result<Arc<Deb>> {
        let lock = || self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(deb) = lock().0.get(&package.sha256) {
            return Ok(Arc::clone(deb));
        }
        let file = std::fs::File::open(self.path(package.sha256))?;
        let mut decoder = zstd::Decoder::new(file)?;
        let mut length = [0; 8];
        decoder.read_exact(&mut length)?;
        let mut list = vec![0; usize::try_from(u64::from_le_bytes(length))?];
        decoder.read_exact(&mut list)?;
        let mut deb: Deb = serde_json::from_slice(&list)?;
        decoder.read_to_end(&mut deb.bytes)?;
        deb.digest = Some(package.sha256);
        let deb = Arc::new(deb);
        let mut memory = lock();
        memory.1 += deb.bytes.len() + list.len();
        if memory.1 > MEMORY {
            *memory = (HashMap::new(), deb.bytes.len() + list.len());
        }
        memory.0.insert(package.sha256, Arc::clone(&deb));
        Ok(deb)
    }

    /// The content of a file of a package.
    pub(super) fn content(&self, deb: &Deb, node: &Node) -> anyhow::Result<Vec<u8>> {
        let Sort::File { size, at } = node.sort else { return Err(anyhow!("{} is not a file", node.path)) };
        if let Some(at) = at {
            let end = at + usize::try_from(size)?;
            return deb.bytes.get(at..end).map(<[u8]>::to_vec).context("a list that ends early");
        }
        let digest = deb.digest.context("a package without a digest")?;
        let kept = self.path(digest).with_extension(Sha256::of(node.path.as_bytes()).hex());
        if let Ok(bytes) = std::fs::read(&kept) {
            return Ok(bytes);
        }
        let mut input = self.store.verified(&Digest::from(digest))?;
        let length = input.size();
        let (layout, _) = deb::control(&mut input, length)?;
        let stream = deb::stream(&mut input, layout.data, unpacked())?;
        let mut archive = tar::Reader::new(stream, Policy::DEBIAN, tar::Limits::default());
        while let Some(entry) = archive.next()? {
            if merged(&entry.path.to_string()) != node.path {
                continue;
            }
            if let Shape::Hardlink(target) = &entry.shape {
                let target = merged(&target.to_string());
                let first = deb.nodes.iter().find(|node| node.path == target);
                return self.content(deb, first.context("a link to nothing")?);
            }
            let mut bytes = Vec::new();
            archive.content(|chunk| {
                bytes.extend_from_slice(chunk);
                Ok(())
            })?;
            std::fs::write(&kept, &bytes)?;
            return Ok(bytes);
        }
        Err(anyhow!("{} is not there", node.path))
    }
}

/// How much a package may unpack to. Its digest is that of a signed index, and some of Debian's compress two hundredfold.
fn unpacked() -> Unpacked {
    Unpacked { ratio: 10_000, ..Unpacked::up_to(LARGEST) }
}

/// Whether a file is kept with the list: small ones that a script may read.
fn is_kept(path: &str, size: u64) -> bool {
    let seldom =
        ["/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/icons/", "/usr/include/"];
    size <= SMALL && !seldom.iter().any(|folder| path.starts_with(folder))
}

/// A path as it is where /bin, /lib and their like are links into /usr.
fn merged(path: &str) -> String {
    let first = path.trim_start_matches('/').split_once('/').map(|(first, _)| first);
    match first {
        Some(first) if tree::ALIASES.contains(&first) => format!("/usr{path}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_merged_below_the_aliases_only() {
        assert_eq!(merged("/bin/sh"), "/usr/bin/sh");
        assert_eq!(merged("/bin"), "/bin");
        assert_eq!(merged("/libx/y"), "/libx/y");
        assert_eq!(merged("/"), "/");
    }
}
