//! A file of a component whose digest is not known yet: brought into the store, where it gets its name.
//!
//! Nothing vouches for it: whoever pins it compares the digest with what its publisher says.

use super::fault::Fault;
use super::places::{Location, locations};
use super::progress::{Event, Progress};
use super::transfer::refused;
use super::tries::{Tries, pause};
use super::web::{RangeRequest, Web};
use super::{Options, local};
use crate::plan::{Requirement, Source};
use std::io::{Read as _, Write as _};
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use store::Store;
use tree::digest::{Digest, Sha256};
use tree::name::Name;
use tree::refusal::Result;

/// The largest file, in bytes: that of a pin.
const MOST: u64 = 8 << 30;

/// Brings the file of `name` in `version` at `url`, or at a mirror, into the store; its digest and size in bytes.
///
/// # Errors
/// `Network` where no place has it, `Io` where the store cannot be written.
pub fn unpinned(
    store: &Store,
    (name, version, url): (&Name, &str, &str),
    options: &Options,
    progress: &dyn Progress,
) -> Result<(Digest, u64)> {
    let requirement = Requirement {
        name: name.clone(),
        version: version.to_owned(),
        digest: Sha256([0; 32]).into(),
        size: 0,
        source: Source::Upstream { url: url.to_owned() },
    };
    let places = locations(&requirement, options)?;
    if places.is_empty() {
        return Err(refused(name.as_str(), &[(url, Fault::NoFile)]));
    }
    let (digest, size) = from_the_first(name, &places, options, progress, |place, web, until| {
        let mut incoming = store.incoming()?;
        match copy(place, MOST, web, until, &mut |bytes| incoming.write_all(bytes)) {
            Ok(()) => incoming.commit().map(Ok),
            Err(fault) => Ok(Err(fault)),
        }
    })?;
    Ok((digest.into(), size))
}

/// What `get` brings from the first of the places where it does not fail, each tried again while that may help. A refusal of `get` ends
/// it, as it is of the store.
pub(super) fn from_the_first<T>(
    name: &Name,
    places: &[Location],
    options: &Options,
    progress: &dyn Progress,
    mut get: impl FnMut(&Location, &Web<'_>, Instant) -> Result<Result<T, Fault>>,
) -> Result<T> {
    let web = Web::new(options);
    let until = Instant::now() + options.deadlines.total;
    let mut failures: Vec<(&Location, Fault)> = Vec::new();
    for place in places {
        progress.event(Event::Index { name: name.as_str(), from: &place.to_string() });
        let (mut tries, last) = (Tries::default(), failures.len() + 1 == places.len());
        let fault = loop {
            let fault = match get(place, &web, until)? {
                Ok(found) => return Ok(found),
                Err(fault) => fault,
            };
            match tries.next(&fault, &options.deadlines, last) {
                Some(wait) if pause(wait, until, &AtomicBool::new(false)).is_ok() => {}
                _ => break fault,
            }
        };
        failures.push((place, fault));
    }
    Err(refused(name.as_str(), &failures))
}

/// Gives the bytes of a file, `most` at the most, to `sink`.
pub(super) fn copy(
    place: &Location,
    most: u64,
    web: &Web<'_>,
    until: Instant,
    sink: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), Fault> {
    let mut total = 0;
    let mut take = |bytes: &[u8], page: bool| {
        total += bytes.len() as u64;
        if total > most {
            return Err(Fault::Size { expected: most, got: "more".to_owned(), page });
        }
        sink(bytes).map_err(Fault::Write)
    };
    match place {
        Location::File(local) => {
            let (mut file, _) = local::open(local)?;
            let mut buffer = vec![0; 256 << 10];
            loop {
                match file.read(&mut buffer).map_err(Fault::Read)? {
                    0 => return Ok(()),
                    count => take(&buffer[..count], false)?,
                }
            }
        }
        Location::Url { url, of } => {
            let stop = AtomicBool::new(false);
            let ask = RangeRequest { url, of: *of, at: 0, etag: None, size: None, until, stop: &stop };
            let answer = web.ask(&ask)?;
            let page = answer.page;
            web.read(answer, &ask, &mut |chunk| take(chunk, page))
        }
    }
}
