//! Container images as values: what they consist of, and containerd's store with them in it, as if they had been pulled.
//!
//! ```text
//! name ─reference─► where it is published
//! index, manifest, configuration ─oci─► digests and sizes of all parts, diff IDs
//! layers' tars ─layer─► snapshots of overlayfs ─┐
//! names, digests, snapshots ─metadata─► buckets ├─store─► files of /var/lib/containerd
//!                             buckets ─bolt─► ──┘
//! ```
//! Nothing is read, fetched or unpacked here: bytes whose digests were checked come in, files as values go out. The same images
//! always give the same bytes.

pub mod bolt;
pub mod layer;
pub mod metadata;
pub mod oci;
pub mod reference;
pub mod store;
