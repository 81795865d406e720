//! Debian's archive: from a signed InRelease to a lock.
//!
//! ```text
//! InRelease ─split─► Cleartext ─verify (pinned keys, now)─► text ─parse, check─► Release
//! Release ─digest, size─► Packages.xz ─unpack, digest─► Index ─┐
//! request ─────────────────────────────────────────────────────┴─solve─► chosen ─check─► Lock
//! ```
//! Nothing is read before what vouches for it has been verified: an `Archive` is asked for an index only by the
//! digest that a verified Release names.

pub mod certificate;
pub mod check;
pub mod index;
pub mod inrelease;
pub mod openpgp;
pub mod policy;
pub mod relation;
pub mod release;
pub mod resolve;
pub mod solve;
pub mod universe;
pub mod version;
