//! Archives as a resolver reads them: InRelease by name, indexes by digest.
//!
//! An index is kept in the store under its digest, so that the same lock is made again without a transfer. An InRelease
//! is never kept: whether it is to be believed is not known here.

use super::fault::Fault;
use super::places::{Location, Of, roots};
use super::progress::{Event, Progress};
use super::transfer::refused;
use super::tries::{Tries, pause};
use super::web::{RangeRequest, Web};
use super::{Options, local};
use crate::debian::resolve::Archive;
use crate::sources::Suite;
use std::io::Write as _;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use store::Store;
use tree::digest::{Digest, Sha256};
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};

/// The largest InRelease that is read, in bytes; today's have 140 to 200 KB.
const INRELEASE_LIMIT: u64 = 4 << 20;
/// The largest index that is read, in bytes, as it is transferred; today's have up to 10 MB.
const INDEX_LIMIT: u64 = 128 << 20;

/// The archives that the options name, read into memory.
pub struct Archives<'a> {
    store: &'a Store,
    options: &'a Options,
    progress: &'a dyn Progress,
    web: Web<'a>,
}

impl Archive for Archives<'_> {
    fn inrelease(&self, suite: &Suite) -> Result<Vec<u8>> {
        self.first(&suite.archive, &[suite.file("InRelease")], INRELEASE_LIMIT, None)
    }

    fn detached(&self, suite: &Suite) -> Result<(Vec<u8>, Vec<u8>)> {
        let get = |name| self.first(&suite.archive, &[suite.file(name)], INRELEASE_LIMIT, None);
        Ok((get("Release")?, get("Release.gpg")?))
    }

    fn index(&self, suite: &Suite, paths: &[String], digest: Sha256, size: u64) -> Result<Vec<u8>> {
        let name = Digest::from(digest);
        if size > INDEX_LIMIT {
            let cause = format!("the index is too large: expected at most {INDEX_LIMIT} bytes, found {size}");
            return Err(Refusal::new(Class::Verification, &suite.name, Stage::Fetch, cause));
        }
        if self.store.has(&name, size)?
            && let Some(bytes) = self.store.read_blob(&name, size)?
        {
            return Ok(bytes);
        }
        let paths: Vec<String> = paths.iter().map(|path| suite.file(path)).collect();
        let bytes = self.first(&suite.archive, &paths, size, Some(&name))?;
        if self.store.is_writable() {
            let mut incoming = self.store.incoming()?;
            incoming.write_all(&bytes).map_err(|error| {
                Refusal::io(&suite.name, Stage::Fetch, "write an index to the store", &error)
            })?;
            incoming.commit()?;
        }
        Ok(bytes)
    }
}

impl<'a> Archives<'a> {
    /// Readies them; nothing is asked yet.
    #[must_use]
    pub fn new(store: &'a Store, options: &'a Options, progress: &'a dyn Progress) -> Self {
        Self { store, options, progress, web: Web::new(options) }
    }

    /// The file at the first place and path that has it; where its digest is known, that has it right.
    fn first(&self, archive: &str, paths: &[String], limit: u64, digest: Option<&Digest>) -> Result<Vec<u8>> {
        let artifact = format!("{archive} {}", paths.first().map_or("", String::as_str));
        let mut places: Vec<Location> = Vec::new();
        for root in roots(self.options, archive) {
            places.extend(
                paths.iter().filter_map(|path| root.file(&path.split('/').collect::<Vec<_>>(), Of::Debian)),
            );
        }
        if self.options.offline {
            places.retain(|place| matches!(place, Location::File(_)));
        }
        if places.is_empty() {
            let why = if self.options.offline { "this run is offline" } else { "no archive is configured" };
            return Err(Refusal::new(
                Class::Network,
                artifact,
                Stage::Fetch,
                format!("{why}, and no directory has it"),
            )
            .remedy(Remedy::ReachArchive));
        }
        let until = Instant::now() + self.options.deadlines.total;
        let mut failures: Vec<(String, Fault)> = Vec::new();
        for place in &places {
            let next = place.to_string();
            if let Some((left, fault)) = failures.last() {
                let why = fault.to_string();
                self.progress.event(Event::NextPlace {
                    id: 0,
                    name: &artifact,
                    left,
                    why: &why,
                    next: &next,
                });
            }
            self.progress.event(Event::Index { name: &artifact, from: &next });
            let last = failures.len() + 1 == places.len();
            match self.try_place(place, limit, digest, until, last) {
                Ok(bytes) => return Ok(bytes),
                Err(fault) => failures.push((next, fault)),
            }
        }
        Err(refused(&artifact, &failures))
    }

    fn try_place(
        &self,
        place: &Location,
        limit: u64,
        digest: Option<&Digest>,
        until: Instant,
        last: bool,
    ) -> Result<Vec<u8>, Fault> {
        let mut tries = Tries::default();
        loop {
            let fault = match self.once(place, limit, digest, until) {
                Ok(bytes) => return Ok(bytes),
                Err(fault) => fault,
            };
            let Some(wait) = tries.next(&fault, &self.options.deadlines, last) else { return Err(fault) };
            self.progress.event(Event::Retry {
                id: 0,
                from: &place.to_string(),
                why: &fault.to_string(),
                wait,
            });
            pause(wait, until, &AtomicBool::new(false))?;
        }
    }

    fn once(
        &self,
        place: &Location,
        limit: u64,
        digest: Option<&Digest>,
        until: Instant,
    ) -> Result<Vec<u8>, Fault> {
        let bytes = match place {
            Location::File(local) => local::read(local, limit)?,
            Location::Url { url, of } => {
                let stop = AtomicBool::new(false);
                let size = digest.map(|_| limit);
                let ask = RangeRequest { url, of: *of, at: 0, etag: None, size, until, stop: &stop };
                let answer = self.web.ask(&ask)?;
                let page = answer.page;
                let mut bytes: Vec<u8> = Vec::new();
                self.web.read(answer, &ask, &mut |chunk| {
                    if (bytes.len() + chunk.len()) as u64 > limit {
                        return Err(Fault::Size { expected: limit, got: "more".to_owned(), page });
                    }
                    bytes.extend_from_slice(chunk);
                    Ok(())
                })?;
                bytes
            }
        };
        match digest {
            Some(expected) if bytes.len() as u64 != limit => {
                let (expected, got) = (limit, format!("{} (of {expected})", bytes.len()));
                Err(Fault::Size { expected, got, page: false })
            }
            Some(expected) => match Digest::from(Sha256::of(&bytes)) {
                got if got == *expected => Ok(bytes),
                got => Err(Fault::Digest { expected: expected.clone(), got, page: false }),
            },
            None => Ok(bytes),
        }
    }
}
