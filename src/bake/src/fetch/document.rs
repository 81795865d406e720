//! A document whose digest is pinned and whose size is not known: an index or a manifest of a container image.

use super::Options;
use super::fault::Fault;
use super::places::{Location, locations};
use super::progress::Progress;
use super::transfer::or_from_elsewhere;
use super::unpinned::{copy, from_the_first};
use super::web::Web;
use crate::plan::Requirement;
use std::io::{Read as _, Write as _};
use std::time::Instant;
use store::Store;
use tree::digest::Digest;
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};

/// The document `digest`, if the store has it and it is what its digest says; at most `most` bytes.
///
/// # Errors
/// `Verification` for one that is larger, `Io` for the store.
pub fn stored(store: &Store, name: &str, digest: &Digest, most: u64) -> Result<Option<Vec<u8>>> {
    if store.blob_path(digest).symlink_metadata().is_err() || !store.verify_blob(digest)? {
        return Ok(None);
    }
    let verified = store.verified(digest)?;
    let size = verified.size();
    if size > most {
        let cause = format!("expected a document of at most {most} bytes, found {size}");
        return Err(Refusal::new(Class::Verification, name, Stage::Fetch, cause));
    }
    let mut bytes = Vec::new();
    let read = verified.take(most).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::io(name, Stage::Fetch, "read", &error))?;
    Ok(Some(bytes))
}

/// The document that `requirement` is, but for its size, from the store or from the first place that has it; then it is in the store.
///
/// # Errors
/// As those of [`super::fetch`]. A document of more than `most` bytes is `Verification`.
pub fn document(
    store: &Store,
    requirement: &Requirement,
    most: u64,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<u8>> {
    let Requirement { name, digest, .. } = requirement;
    if let Some(bytes) = stored(store, name.as_str(), digest, most)? {
        return Ok(bytes);
    }
    let places = locations(requirement, options)?;
    if places.is_empty() {
        let cause = "it is not in the store, and this run is offline";
        return Err(Refusal::new(Class::Network, name.as_str(), Stage::Fetch, cause).remedy(Remedy::Online));
    }
    let bytes = from_the_first(name, &places, options, progress, |place, web, until| {
        Ok(once(place, digest, most, web, until))
    });
    let bytes = bytes.map_err(|refusal| or_from_elsewhere(requirement, refusal))?;
    let mut incoming = store.incoming()?;
    let written = incoming.write_all(&bytes);
    written.map_err(|error| Refusal::io(name.as_str(), Stage::Fetch, "write", &error))?;
    incoming.commit()?;
    Ok(bytes)
}

fn once(
    place: &Location,
    digest: &Digest,
    most: u64,
    web: &Web<'_>,
    until: Instant,
) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    copy(place, most, web, until, &mut |chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    })?;
    let mut hasher = digest.hasher();
    hasher.update(&bytes);
    let got = hasher.finish();
    if got != *digest {
        let page = bytes.trim_ascii_start().starts_with(b"<");
        return Err(Fault::Digest { expected: digest.clone(), got, page });
    }
    Ok(bytes)
}
