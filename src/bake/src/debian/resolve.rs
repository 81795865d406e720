//! From a request to a lock, over an archive that is believed only as far as its signatures go.

use super::check::Whole;
use super::index::{self, Offer};
use super::release::{self, Listed, Release};
use super::solve::{SolveError, Wanted, solve};
use super::universe::Universe;
use super::{check, inrelease, openpgp};
use crate::digest::Sha256;
use crate::lock::{Lock, LockedPackage, LockedSuite, Request};
use crate::name::{Arch, Kind, Name};
use crate::refusal::{Class, Refusal, Result, Stage};
use crate::sources::{Sources, Suite};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::Read as _;

/// Where the files of suites come from: the network, or a directory. It verifies nothing and is believed nothing.
pub trait Archive: Sync {
    /// The InRelease of `suite`. It must not be kept before the caller has accepted it.
    fn inrelease(&self, suite: &Suite) -> Result<Vec<u8>>;

    /// The file of `suite` with this digest and size; `paths` are where it may be below the suite's folder, the best
    /// first.
    fn index(&self, suite: &Suite, paths: &[String], digest: Sha256, size: u64) -> Result<Vec<u8>>;
}

/// What to resolve.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Whose lock it will be.
    pub kind: &'a Kind,
    /// What is asked for.
    pub request: &'a Request,
    /// The time that signatures and dates are judged by.
    pub now: Timestamp,
    /// The locks before: nothing older than any of them is accepted.
    pub previous: &'a [Lock],
    /// Packages of the image that are of no suite: components. What they need is resolved; they are not in the lock.
    pub given: &'a [Given],
}

/// A package that is part of an image and of no suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The component.
    pub name: Name,
    /// Its control file.
    pub control: String,
}

impl Given {
    /// Its paragraph as an index would have it. Where it is and what its digest is, the manifest says: nothing here is asked.
    fn paragraph(&self) -> String {
        let zeros = Sha256([0; 32]).hex();
        format!("{}\nFilename: pool/{}.deb\nSize: 0\nSHA256: {zeros}\n", self.control.trim_end(), self.name)
    }
}

/// How large the files of an archive may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// An index as it is published, compressed.
    pub packed: u64,
    /// An index, decompressed.
    pub index: u64,
}

impl Default for Limits {
    /// Twice what trixie needs.
    fn default() -> Self {
        Self { packed: 32 << 20, index: 128 << 20 }
    }
}

/// Resolves `task` over all suites of `sources`.
pub fn resolve(task: &Task<'_>, sources: &Sources, archive: &dyn Archive, limits: &Limits) -> Result<Lock> {
    let arch = task.request.arch;
    // first every signature and date, then the first index
    let mut verified = Vec::new();
    for suite in &sources.suites {
        verified.push((suite, verify(task, sources, suite, archive)?));
    }
    let (mut suites, mut texts) = (Vec::new(), Vec::new());
    for (suite, (release, mut locked)) in verified {
        let text = packages(suite, &release, arch, archive, limits)?;
        locked.packages = Sha256::of(text.as_bytes());
        suites.push(locked);
        texts.push(text);
    }
    let mut offers = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let name = format!("{} Packages", suites[at].name);
        offers
            .extend(index::parse(text, at, arch).map_err(|error| refuse(Class::Verification, name, error))?);
    }
    let given: Vec<String> = task.given.iter().map(Given::paragraph).collect();
    for (text, given) in given.iter().zip(task.given) {
        let wrong = |error: String| refuse(Class::Archive, given.name.as_str(), error);
        let own = index::parse(text, suites.len(), arch)
            .map_err(|error| wrong(format!("its control file: {error}")))?;
        if own.len() != 1 || own.iter().any(|own| own.name != given.name.as_str()) {
            return Err(wrong("its control file is of another package".to_owned()));
        }
        // the component is the one that the image gets, whatever version the archive has
        offers.retain(|offer| offer.name != given.name.as_str());
        offers.extend(own);
    }
    let packages = choose(task, offers, &suites)?;
    Ok(Lock { kind: task.kind.clone(), arch, request: task.request.digest(), suites, packages })
}

/// The Release of `suite`, verified and of today.
fn verify(
    task: &Task<'_>,
    sources: &Sources,
    suite: &Suite,
    archive: &dyn Archive,
) -> Result<(Release, LockedSuite)> {
    let bytes = archive.inrelease(suite)?;
    let wrong = |error: Box<dyn Error + Send + Sync>| {
        refuse(Class::Verification, format!("{} InRelease", suite.name), error)
    };
    let message = inrelease::split(&bytes).map_err(|error| wrong(error.into()))?;
    let signed_by =
        openpgp::verify(&message, &sources.trusted(suite), task.now).map_err(|error| wrong(error.into()))?;
    let release = release::parse(&message.text()).map_err(|error| wrong(error.into()))?;
    let before = task.previous.iter().flat_map(|lock| &lock.suites).filter(|one| one.name == suite.name);
    release::check(&release, suite, task.now, before.map(|one| one.date).max())
        .map_err(|error| wrong(error.into()))?;
    let locked = LockedSuite {
        name: suite.name.clone(),
        archive: suite.archive.clone(),
        date: release.date,
        inrelease: Sha256::of(&bytes),
        packages: Sha256::of(b""),
        signed_by,
    };
    Ok((release, locked))
}

/// The Packages file of `suite` for `arch`, by the digests of its Release.
fn packages(
    suite: &Suite,
    release: &Release,
    arch: Arch,
    archive: &dyn Archive,
    limits: &Limits,
) -> Result<String> {
    let folder = format!("{}/binary-{}", suite.component, arch.debian());
    let artifact = format!("{} {folder}/Packages", suite.name);
    let wrong = |error: String| refuse(Class::Verification, artifact.clone(), error);
    if !release.architectures.iter().any(|known| known == arch.debian()) {
        return Err(wrong(format!("architecture {arch} is not there")));
    }
    if release.all_apart {
        return Err(wrong(
            "packages for all architectures have an index of their own, which is not supported".to_owned(),
        ));
    }
    let listed = |path: String| release.file(&path).map_err(|error| wrong(error.to_string()));
    let (packed, plain) = (listed(format!("{folder}/Packages.xz"))?, listed(format!("{folder}/Packages"))?);
    for (what, size, limit) in
        [("compressed", packed.size, limits.packed), ("decompressed", plain.size, limits.index)]
    {
        if size > limit {
            return Err(wrong(format!("{what} size, expected at most {limit}, found {size}")));
        }
    }
    let by_hash = release.by_hash.then(|| format!("{folder}/by-hash/SHA256/{}", packed.sha256.hex()));
    let paths: Vec<String> = by_hash.into_iter().chain([format!("{folder}/Packages.xz")]).collect();
    let bytes = archive.index(suite, &paths, packed.sha256, packed.size)?;
    matches(&bytes, packed).map_err(|error| wrong(format!("compressed {error}")))?;
    let text = unpack(&bytes, plain.size).map_err(wrong)?;
    matches(&text, plain).map_err(wrong)?;
    String::from_utf8(text).map_err(|_| wrong("it is no UTF-8".to_owned()))
}

fn matches(bytes: &[u8], listed: Listed) -> Result<(), String> {
    if bytes.len() as u64 != listed.size {
        return Err(format!("size, expected {}, found {}", listed.size, bytes.len()));
    }
    let got = Sha256::of(bytes);
    if got != listed.sha256 {
        Err(format!("digest, expected {}, found {got}", listed.sha256))
    } else {
        Ok(())
    }
}

/// One xz stream of just `size` bytes and nothing after it.
fn unpack(bytes: &[u8], size: u64) -> Result<Vec<u8>, String> {
    // 65 MiB is what `xz -9` needs to decompress
    let stream =
        liblzma::stream::Stream::new_stream_decoder(80 << 20, 0).map_err(|error| error.to_string())?;
    let mut decoder = liblzma::bufread::XzDecoder::new_stream(bytes, stream);
    let mut text = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    let read = decoder.by_ref().take(size + 1).read_to_end(&mut text);
    read.map_err(|error| format!("no good xz data: {error}"))?;
    if text.len() as u64 != size {
        let more = if text.len() as u64 > size { "more" } else { "less" };
        return Err(format!("decompressed size, expected {size}, found {more}"));
    }
    if decoder.total_in() != bytes.len() as u64 {
        return Err("data after the end of the xz stream".to_owned());
    }
    Ok(text)
}

/// Chooses packages and says what asked for each.
fn choose(task: &Task<'_>, offers: Vec<Offer<'_>>, suites: &[LockedSuite]) -> Result<Vec<LockedPackage>> {
    let request = task.request;
    let failed = |error| solver_refusal(task, error);
    let universe = Universe::new(offers, request.arch).map_err(|error| failed(error.into()))?;
    let mut because: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for offer in universe.offers() {
        // mmdebstrap's and debootstrap's notion; `Protected` and `Important` only guard against removal
        for (reason, holds) in [("essential", offer.essential), ("required", offer.priority == "required")] {
            if holds {
                because.entry(offer.name).or_default().insert(reason);
            }
        }
    }
    for name in request.install.iter().chain(task.given.iter().map(|given| &given.name)) {
        because.entry(name.as_str()).or_default().insert("recipe");
    }
    let names = |names: &[Name]| names.iter().map(|name| name.as_str().to_owned()).collect::<BTreeSet<_>>();
    let (recommends_of, avoid) = (names(&request.recommends_of), names(&request.avoid));
    let wanted = Wanted {
        roots: because.keys().copied().collect(),
        recommends_of: recommends_of.iter().map(String::as_str).collect(),
        avoid: avoid.iter().map(String::as_str).collect(),
    };
    let chosen = solve(&universe, &wanted).map_err(failed)?;
    let set: Vec<&Offer<'_>> = chosen.iter().map(|&at| &universe.offers()[at]).collect();
    let whole = check::check(&set, request.arch).map_err(|error| {
        refuse(Class::Usage, artifact(task), format!("the resolved set is not whole: {error}"))
    })?;
    for &at in &chosen {
        let relations = universe.relations(at).map_err(|error| failed(error.into()))?;
        let name = universe.offers()[at].name;
        let wants = relations.wants.iter().filter(|_| wanted.recommends_of.contains(name));
        for target in relations.needs.iter().chain(wants).flatten().flat_map(|one| universe.targets(one)) {
            if target != at && chosen.contains(&target) {
                because.entry(universe.offers()[target].name).or_default().insert(name);
            }
        }
    }
    locked(&whole, suites, &because)
}

/// What a lock says of the packages of a set that was checked.
fn locked(
    whole: &Whole<'_, '_>,
    suites: &[LockedSuite],
    because: &BTreeMap<&str, BTreeSet<&str>>,
) -> Result<Vec<LockedPackage>> {
    let of_suites = whole.offers().iter().filter(|offer| offer.suite < suites.len());
    of_suites.map(|offer| package(offer, suites, because)).collect()
}

fn package(
    offer: &Offer<'_>,
    suites: &[LockedSuite],
    because: &BTreeMap<&str, BTreeSet<&str>>,
) -> Result<LockedPackage> {
    let name = offer.name.parse::<Name>();
    Ok(LockedPackage {
        name: name.map_err(|error| refuse(Class::Verification, offer.name, error))?,
        version: offer.version.as_str().to_owned(),
        arch: offer.arch.to_owned(),
        suite: suites[offer.suite].name.clone(),
        file: offer.file.to_owned(),
        size: offer.size,
        sha256: offer.sha256,
        because: because.get(offer.name).into_iter().flatten().map(|&reason| reason.to_owned()).collect(),
        scripts: BTreeMap::new(),
        triggers: Vec::new(),
        diverts: Vec::new(),
    })
}

fn artifact(task: &Task<'_>) -> String {
    format!("{} {} lock", task.kind, task.request.arch)
}

fn solver_refusal(task: &Task<'_>, error: SolveError) -> Refusal {
    let hint = match &error {
        SolveError::Unknown { close, .. } if !close.is_empty() => {
            Some(format!("close names: {}", close.join(", ")))
        }
        _ => None,
    };
    let refusal = refuse(Class::Usage, artifact(task), error);
    match hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

fn refuse(
    class: Class,
    artifact: impl Into<String>,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> Refusal {
    Refusal::new(class, artifact, Stage::Resolve, cause)
}

#[cfg(test)]
mod tests;
