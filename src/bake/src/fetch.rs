//! Fetch: what a plan requires, from mirrors, upstream and Debian's archives into the store.
//!
//! ```text
//! requirements ─► in the store? hashed once ─► yes: fetched
//!                                    └► no: each place in turn ─► part ─► whole, and its digest ─► blob
//! ```
//! Invariants
//! - Nothing is believed of a place: the size bounds what is read, the digest over the whole decides. A place that lacks
//!   a file, or has another one of its name, is left for the next place, and an event names both.
//! - A [`Fetched`] says that each requirement was in the store and was hashed in this run. Nothing else can make one. Whoever
//!   reads such a blob hashes it again ([`Store::verified`]), as its file may have been changed since.
//! - Each digest is transferred once, also by several bakes at once: the others wait for the part's lock.
//! - Offline, and where nothing lacks, no socket is opened and no run time started.
//! - The snapshot archive throttles: it is asked last, for two files at once, and given minutes where it asks for them.
//! - At most the size wanted is written, at most a chunk more is read, and every wait has a deadline.
//!
//! The asynchronous run time stays inside: each transfer is a thread that reads from top to bottom.
//! Not supported, on purpose: a cache of answers (the store is the cache), cookies, content encodings, automatic redirects.

pub mod apt;
mod apt_archive;
mod document;
mod fault;
mod hosts;
mod local;
mod places;
mod progress;
mod proxy;
mod token;
mod transfer;
mod tries;
mod unpinned;
mod web;

pub use apt_archive::Archives;
pub use document::{document, stored};
pub use places::Place;
pub use progress::{Event, Progress, Silent};
pub use proxy::{Proxies, Proxy};
pub use unpinned::unpinned;

use crate::manifest::place::scheme;
use crate::plan::{Requirement, Source};
use crate::sources::Snapshots;
use hosts::Hosts;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::{Identity, Store, Verified};
use transfer::Job;
use tree::digest::Digest;
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};
use web::Web;

/// How to fetch.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many transfers at once; at least one.
    pub jobs: usize,
    /// Mirrors of upstream components, tried in turn before upstream itself.
    pub mirrors: Vec<Place>,
    /// Roots of Debian's archive (`…/debian`), tried in turn.
    pub debian: Vec<Place>,
    /// Roots of Debian's security archive (`…/debian-security`), tried in turn.
    pub debian_security: Vec<Place>,
    /// Roots of the archives of third parties, by their names, each tried in turn.
    pub archives: BTreeMap<String, Vec<Place>>,
    /// Where the states of archives are kept, tried when no root has a file.
    pub snapshots: Snapshots,
    /// The project's folder, which relative `file:` URLs are below.
    pub project: PathBuf,
    /// Use directories and the store only.
    pub offline: bool,
    /// The way to upstream.
    pub proxy: Proxy,
    /// The way to the hosts of archives.
    pub debian_proxies: Proxies,
    /// Certificates (PEM) of authorities that are trusted beside those of the system. The system's are found as OpenSSL
    /// finds them: `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured by the TLS library, for better or worse.
    pub authorities: Vec<u8>,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// The way out when no archive has a Debian package any longer, as a hint of the refusal.
    pub relock_hint: Cow<'static, str>,
}

/// The cause of a refusal of a Debian package that an archive had once, and that no place has any longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

/// How long things may take. All are upper bounds of waits without progress but the last.
#[derive(Debug, Clone)]
pub struct Deadlines {
    /// Until a connection stands.
    pub connect: Duration,
    /// The window in which `slow_bytes` must arrive, headers included.
    pub slow: Duration,
    /// The bytes that must arrive in each `slow` window.
    pub slow_bytes: u64,
    /// For one file, from all places, with all tries.
    pub total: Duration,
    /// The first wait before another try; it doubles.
    pub backoff: Duration,
    /// The first wait before the snapshot archive, which throttles, is tried again; it doubles.
    pub patience: Duration,
    /// How long another process may hold a transfer without any progress.
    pub stalled: Duration,
}

/// Proof that each requirement is in the store and was hashed in this run.
#[derive(Debug, Clone)]
pub struct Fetched {
    sizes: BTreeMap<Digest, u64>,
    /// What was transferred, in bytes; the rest was in the store.
    transferred: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: 4,
            mirrors: Vec::new(),
            debian: Vec::new(),
            debian_security: Vec::new(),
            archives: BTreeMap::new(),
            snapshots: Snapshots::default(),
            project: PathBuf::new(),
            offline: false,
            proxy: Proxy::Direct,
            debian_proxies: Proxies::default(),
            authorities: Vec::new(),
            deadlines: Deadlines::default(),
            relock_hint: Cow::Borrowed("resolve the packages again, over the archive as it is today"),
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            slow: Duration::from_secs(30),
            slow_bytes: 30 << 10,
            total: Duration::from_secs(3600),
            backoff: Duration::from_millis(500),
            patience: Duration::from_secs(15),
            stalled: Duration::from_secs(60),
        }
    }
}

/// Brings all `requirements` into the store.
///
/// # Errors
/// `Usage` where two pins of different names, versions or publishers' URLs have one digest, here or in an earlier run; `Verification` where a place had wrong bytes and no other had right ones; `Network` where no place could be
/// reached or had the file; `Io` for the store; `Lock` where another process holds a transfer and does not go on.
pub fn fetch(
    store: &Store,
    requirements: &[Requirement],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Fetched> {
    let requirements = without_repeats(requirements)?;
    requirements.iter().try_for_each(|requirement| check_identity(store, requirement))?;
    let present: Vec<bool> =
        requirements.par_iter().map(|requirement| is_present(store, requirement)).collect::<Result<_>>()?;
    let (hits, misses): (Vec<_>, Vec<_>) =
        requirements.iter().zip(present).partition(|(_, present)| *present);
    let misses: Vec<&Requirement> = misses.into_iter().map(|(requirement, _)| *requirement).collect();
    progress.event(Event::Cached {
        count: hits.len(),
        bytes: hits.iter().map(|(requirement, _)| requirement.size).sum(),
    });
    let transferred = misses.iter().map(|requirement| requirement.size).sum();
    if !misses.is_empty() {
        progress.event(Event::Begin { count: misses.len(), bytes: transferred });
        let packages = requirements
            .iter()
            .filter(|requirement| matches!(requirement.source, Source::Debian { .. }))
            .count();
        transfer_all(store, &misses, packages, options, progress)?;
        progress.event(Event::End);
    }
    for requirement in &requirements {
        if let Some(identity) = identity(requirement)
            && store.identity(&requirement.digest).as_ref() != Some(&identity)
        {
            store.put_identity(&requirement.digest, &identity)?;
        }
    }
    Ok(Fetched {
        sizes: requirements
            .iter()
            .map(|requirement| (requirement.digest.clone(), requirement.size))
            .collect(),
        transferred,
    })
}

impl Fetched {
    /// Opens a blob that was fetched, as what was fetched; an error for one that nobody wanted.
    pub fn open(&self, store: &Store, digest: &Digest) -> Result<Verified> {
        if !self.contains(digest) {
            return Err(Refusal::new(
                Class::Io,
                digest.to_string(),
                Stage::Store,
                "the plan did not request it",
            ));
        }
        store.verified(digest)
    }

    /// Whether it is a proof for this digest.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        self.sizes.contains_key(digest)
    }

    /// What was transferred in this run, in bytes.
    #[must_use]
    pub fn transferred(&self) -> u64 {
        self.transferred
    }

    /// How many inputs there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// All that was wanted, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sizes.values().sum()
    }
}

/// Whether it is the refusal of a package that its archive no longer has: another lock is the way out.
#[must_use]
pub fn is_gone(refusal: &Refusal) -> bool {
    refusal.cause.is::<Unavailable>()
}

/// What a pin of upstream's says that its digest is. A Debian package says it itself, and is compared with its lock.
fn identity(requirement: &Requirement) -> Option<Identity> {
    let Source::Upstream { url } = &requirement.source else { return None };
    Some(Identity { name: requirement.name.clone(), version: requirement.version.clone(), url: url.clone() })
}

/// Refuses a pin of bytes that the store has as something else: they would go into the image under a name and version that
/// nobody has published them as.
fn check_identity(store: &Store, requirement: &Requirement) -> Result<()> {
    let (Some(pinned), Some(known)) = (identity(requirement), store.identity(&requirement.digest)) else {
        return Ok(());
    };
    if is_one(&pinned, &known) {
        return Ok(());
    }
    let digest = &requirement.digest;
    Err(other_identity(&pinned, &known, digest, "in the store").remedy(Remedy::Forget(digest.clone())))
}

/// Whether two pins of one digest are of one thing. One that moves from or to a place that vouches for nothing, a file or an
/// `http:` server, as a project's own components do, stays what it is; a publisher has one address for each.
fn is_one(pinned: &Identity, known: &Identity) -> bool {
    let is_plain = |one: &Identity| scheme(&one.url) != "https";
    let has_moved = is_plain(pinned) || is_plain(known);
    pinned == known || (pinned.name == known.name && pinned.version == known.version && has_moved)
}

fn other_identity(pinned: &Identity, known: &Identity, digest: &Digest, place: &str) -> Refusal {
    let Identity { name, version, url } = pinned;
    let what = format!(
        "{digest} is pinned as `{name}` {version} from {url}, and {place} as `{}` {} from {}",
        known.name, known.version, known.url
    );
    Refusal::new(Class::Usage, name.as_str(), Stage::Fetch, what)
}

/// One requirement a digest, in their order. Two sizes of one digest cannot both be right, nor can two pins of it.
fn without_repeats(requirements: &[Requirement]) -> Result<Vec<&Requirement>> {
    let mut seen: BTreeMap<&Digest, &Requirement> = BTreeMap::new();
    let mut kept = Vec::with_capacity(requirements.len());
    for requirement in requirements {
        match seen.insert(&requirement.digest, requirement) {
            None => kept.push(requirement),
            Some(other) if other.size == requirement.size => {
                if let (Some(pinned), Some(known)) = (identity(requirement), identity(other))
                    && pinned != known
                {
                    let refusal = other_identity(&pinned, &known, &requirement.digest, "beside it");
                    return Err(refusal.hint("pin the digest that is published for each"));
                }
            }
            Some(other) => {
                let cause = format!(
                    "`{}` has the same digest but another size, expected {}, found {}",
                    other.name, other.size, requirement.size
                );
                return Err(Refusal::new(Class::Usage, requirement.name.as_str(), Stage::Fetch, cause));
            }
        }
    }
    Ok(kept)
}

/// Whether it is in the store and is what its name says.
fn is_present(store: &Store, requirement: &Requirement) -> Result<bool> {
    Ok(store.has(&requirement.digest, requirement.size)? && store.verify_blob(&requirement.digest)?)
}

/// How many transfers from the snapshot archive go on at once.
const SNAPSHOT_JOBS: usize = 2;

/// Transfers on `jobs` threads, the biggest first; what only the snapshot archive may have comes last, and slowly. The
/// first refusal ends them all; what is begun stays as parts. `packages` are all of Debian's that are wanted.
fn transfer_all(
    store: &Store,
    misses: &[&Requirement],
    packages: usize,
    options: &Options,
    progress: &dyn Progress,
) -> Result<()> {
    let (stop, web, hosts) = (AtomicBool::new(false), Web::new(options), Hosts::default());
    let one = |(id, requirement)| Job {
        id,
        requirement,
        store,
        options,
        web: &web,
        progress,
        stop: &stop,
        hosts: &hosts,
    };
    let mut queue: Vec<(usize, &Requirement)> = misses.iter().copied().enumerate().collect();
    queue.sort_by_key(|(id, requirement)| (std::cmp::Reverse(requirement.size), *id));
    let left = Mutex::new(Vec::new());
    let mut ended = on_threads(options.jobs, queue, &stop, |item| {
        if let Some(failures) = transfer::transfer(&one(item))? {
            left.lock().unwrap_or_else(PoisonError::into_inner).push((item, failures));
        }
        Ok(())
    });
    let left = left.into_inner().unwrap_or_else(PoisonError::into_inner);
    if ended.is_ok() && !left.is_empty() {
        progress.event(Event::Snapshot { count: left.len(), of: packages });
        let jobs = options.jobs.min(SNAPSHOT_JOBS);
        ended =
            on_threads(jobs, left, &stop, |(item, failures)| transfer::from_snapshot(&one(item), failures));
    }
    store.settle()?;
    ended
}

/// Does `work` for each item, in their order, on `jobs` threads. The first refusal ends it, and sets `stop`.
fn on_threads<T: Send>(
    jobs: usize,
    items: Vec<T>,
    stop: &AtomicBool,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    let threads = jobs.clamp(1, items.len().max(1));
    let queue = Mutex::new(VecDeque::from(items));
    let refused: Mutex<Option<Refusal>> = Mutex::new(None);
    let worker = || {
        while !stop.load(Ordering::Relaxed) {
            let Some(item) = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
                return;
            };
            if let Err(refusal) = work(item) {
                // those that end because of the first one say nothing new
                if !stop.swap(true, Ordering::Relaxed) {
                    *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(worker);
        }
        worker();
    });
    refused.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
