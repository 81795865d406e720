//! The baker as a library: from pinned manifests to reproducible images.
//!
//! ```text
//! manifest ─────────────┐
//! recipe ─► request ─resolve─► lock ─┐
//! recipe ────────────────────────────┴─plan─► Plan ─fetch─► Fetched ─stage─► Tree ─emit─► artifacts, Record
//! ```
//! Each arrow is one function. Only `resolve` and `fetch` touch the network, only `fetch` and `emit` write
//! files, only `plan` decides. The library prints nothing, reads no environment and no clock, and never exits.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make files to read"))]

pub mod archive;
pub mod deb822;
pub mod debian;
pub mod effects;
pub mod emit;
pub mod fetch;
pub mod images;
pub mod inspect;
pub mod lock;
pub mod manifest;
pub mod plan;
pub mod policy;
pub mod recipe;
pub mod seed;
pub mod sources;
pub mod stage;
pub mod time;
pub mod unpack;
