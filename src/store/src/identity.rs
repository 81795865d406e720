//! Whose bytes a blob is: the name, version and URL of the pin that it was first brought in for.
//!
//! A digest alone does not say what it is a digest of. A pin that was given a new version and URL and kept its digest would
//! be answered with the old bytes, from here, and nobody would see it: so the store remembers, and a second pin of a digest is
//! told apart from the first.

use super::{Store, access, io};
use serde::{Deserialize, Serialize};
use tree::digest::{Digest, Sha256};
use tree::name::Name;
use tree::refusal::Result;

/// The kind of its notes.
pub(super) const KIND: &str = "identity-1";

/// What a digest is pinned as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The component.
    pub name: Name,
    /// Its version.
    pub version: String,
    /// Where upstream publishes it.
    pub url: String,
}

impl Store {
    /// What the blob `digest` was brought in as; none where that was not noted, or where the blob is not there.
    #[must_use]
    pub fn identity(&self, digest: &Digest) -> Option<Identity> {
        if !access::plain_size(&self.folder, &self.blob_path(digest)).is_ok_and(|size| size.is_some()) {
            return None;
        }
        serde_json::from_slice(&self.note(KIND, &key(digest))?).ok()
    }

    /// Notes what the blob `digest` is.
    pub fn put_identity(&self, digest: &Digest, identity: &Identity) -> Result<()> {
        // text without maps: this cannot fail
        self.put_note(KIND, &key(digest), &serde_json::to_vec(identity).unwrap_or_default())
    }

    /// Removes the blob `digest` and what is noted of it, so that it is fetched anew when it is next wanted. Whether it was
    /// there.
    ///
    /// # Errors
    /// `Lock` where another process has the store open still after the time-out, with its number.
    pub fn forget(&mut self, digest: &Digest) -> Result<bool> {
        self.alone(|store| {
            let mut found = false;
            let noted = store.options.key.as_ref().map(|own| store.note_path(own, KIND, &key(digest)));
            for path in [store.blob_path(digest)].into_iter().chain(noted) {
                match store.folder.remove(&path) {
                    Ok(()) => found = true,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(io(&path, "remove", &error)),
                }
            }
            Ok(found)
        })
    }
}

fn key(digest: &Digest) -> Sha256 {
    Sha256::of(digest.to_string().as_bytes())
}
