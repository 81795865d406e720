//! Debian's archive as it is now, as files that a server on the loopback can have: what resolving a request reads, and the
//! packages that it chooses. Where it is taken from: what this machine's apt names, else the mirror of `sources.toml`.

use crate::shared::{Image, Shared};
use crate::{recipes, workspace};
use anyhow::{Context as _, Result};
use bake::debian::resolve::{Archive, Limits, Task, resolve};
use bake::fetch::{self, Archives, Options, Place, Proxy, Silent, apt};
use bake::lock::Lock;
use bake::plan::package_requirements;
use bake::sources::{Sources, Suite};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use store::Store;
use tree::digest::Sha256;

/// Files of Debian's archives by their paths below the archives' common parent: `debian/dists/…`,
/// `debian-security/pool/…`.
#[derive(Debug)]
pub struct Today {
    /// InRelease files and indexes.
    pub dists: BTreeMap<String, Vec<u8>>,
    /// What was resolved.
    pub lock: Lock,
    /// The packages of the lock: path, and a file that has the same bytes.
    pub pool: BTreeMap<String, PathBuf>,
}

impl Today {
    /// Resolves what the recipe of `image` asks for; the packages are kept in a store at `folder`.
    pub fn resolve(shared: &Shared, image: Image, folder: &Path) -> Result<Self> {
        // most packages are there from earlier tests
        shared.cold_store(image, folder)?;
        let sources = bake::sources::load(&workspace::root().join("manifests"))?;
        let (store, options) = (Store::open(folder)?, options(&sources)?);
        let arch = image.arch.to_string().parse()?;
        let (kind, request) = (image.kind.parse()?, recipes::recipe(image.kind)?.request(arch));
        let now = jiff::Timestamp::now();
        let task = Task { kind: &kind, request: &request, now, previous: &[], given: &[], files: &[] };
        let read = Recorded { archive: Archives::new(&store, &options, &Silent), files: Mutex::default() };
        let lock = resolve(&task, &sources, &read, &Limits::default())?;
        let wants = package_requirements(&lock.packages, &lock.suites);
        fetch::fetch(&store, &wants, &options, &Silent)?;
        let archives: BTreeMap<&str, &str> =
            lock.suites.iter().map(|suite| (suite.name.as_str(), suite.archive.as_str())).collect();
        let place = |package: &bake::lock::LockedPackage| {
            let archive = archives.get(package.suite.as_str()).context("a suite of the lock")?;
            Ok((format!("{archive}/{}", package.file), store.blob_path(&package.sha256.into())))
        };
        let pool = lock.packages.iter().map(place).collect::<Result<_>>()?;
        let dists = read.files.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Self { dists, lock, pool })
    }
}

/// How this machine fetches where it is told nothing.
fn options(sources: &Sources) -> Result<Options> {
    let apt = apt::read(Path::new("/"), Proxy::Environment);
    let places = |named: Vec<Place>, archive: &str| -> Result<Vec<Place>> {
        let known = sources.archives.get(archive).with_context(|| format!("no archive `{archive}`"))?;
        Ok(if named.is_empty() { vec![known.mirror.parse()?] } else { named })
    };
    Ok(Options {
        debian: places(apt.debian, "debian")?,
        debian_security: places(apt.debian_security, "debian-security")?,
        proxy: Proxy::Environment,
        debian_proxies: apt.proxies,
        ..Options::default()
    })
}

/// An archive that keeps what was read.
struct Recorded<'a> {
    archive: Archives<'a>,
    files: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Recorded<'_> {
    fn keep(&self, suite: &Suite, path: &str, bytes: &[u8]) {
        let path = format!("{}/dists/{}/{path}", suite.archive, suite.name);
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path, bytes.to_vec());
    }
}

impl Archive for Recorded<'_> {
    fn inrelease(&self, suite: &Suite) -> tree::refusal::Result<Vec<u8>> {
        let bytes = self.archive.inrelease(suite)?;
        self.keep(suite, "InRelease", &bytes);
        Ok(bytes)
    }

    fn detached(&self, suite: &Suite) -> tree::refusal::Result<(Vec<u8>, Vec<u8>)> {
        self.archive.detached(suite)
    }

    fn index(
        &self,
        suite: &Suite,
        paths: &[String],
        digest: Sha256,
        size: u64,
    ) -> tree::refusal::Result<Vec<u8>> {
        let bytes = self.archive.index(suite, paths, digest, size)?;
        paths.iter().for_each(|path| self.keep(suite, path, &bytes));
        Ok(bytes)
    }
}
