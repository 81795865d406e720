//! What containerd knows of images, as it keeps that in its two databases.
//!
//! ```text
//! meta.db      v1 ─ version: 3
//!              └─ k8s.io ─┬─ images ─ NAME ─ createdat, updatedat, labels, target: digest, mediatype, size
//!                         ├─ content ─ blob ─ DIGEST ─ createdat, updatedat, size, labels
//!                         ├─ leases                                                               (none)
//!                         └─ snapshots ─ overlayfs ─ CHAIN ─ name, parent, children, createdat, updatedat, labels
//!
//! metadata.db  v1 ─┬─ snapshots ─ NAME ─ id, kind, parent, createdat, updatedat, inodes, size
//!                  └─ parents ─ parent's id, 0, id: NAME
//! ```
//! NAME of a snapshot is `k8s.io/NUMBER/CHAIN` and its files are in `snapshots/ID`; here the two numbers are one. Numbers are
//! signed varints as Go's `encoding/binary` has them, ids unsigned ones; a time is what Go's `time.Time.MarshalBinary` makes of it in UTC:
//! 1, seconds since the year 1 (64 bits), nanoseconds (32 bits), -1 (16 bits), the highest byte first.
//!
//! What keeps an image from being collected: images are roots; the label `containerd.io/gc.ref.content.*` of its index leads to its
//! manifest, that of the manifest to configuration and layers, and `containerd.io/gc.ref.snapshot.overlayfs` of the configuration to
//! its topmost snapshot. What keeps kubelet from removing it: `io.cri-containerd.pinned`.
//!
//! Version 3 of the database is that of containerd 1.7; 2.x takes it as one that it raises to 4 at its first start.
//!
//! Source: containerd 1.7 and 2.x, `metadata/buckets.go` and `snapshots/storage/bolt.go`, as facts.

use crate::bolt::Bucket;
use crate::oci::Descriptor;
use std::collections::BTreeMap;
use tree::digest::Sha256;

/// The namespace of CRI.
pub const NAMESPACE: &str = "k8s.io";
/// The snapshotter.
const OVERLAYFS: &str = "overlayfs";
const VERSION: i64 = 3;
/// A snapshot that no longer changes.
const COMMITTED: u8 = 3;
/// Seconds from the year 1 to 1970.
const UNIX_EPOCH: i64 = 62_135_596_800;

/// A name in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `registry.k8s.io/pause:3.10`, the same by digest, or the digest of the configuration.
    pub name: String,
    /// What it names.
    pub target: Descriptor,
}

/// A blob of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its size in bytes.
    pub size: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A snapshot of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its number, from 1.
    pub id: u64,
    /// The chain ID of its layer.
    pub chain: Sha256,
    /// That of the layer below.
    pub parent: Option<Sha256>,
    /// How many files it has.
    pub inodes: u64,
    /// What they take, in bytes.
    pub size: u64,
}

/// `meta.db`, at the time `epoch` (seconds since 1970).
#[must_use]
pub fn meta(names: &[Name], blobs: &BTreeMap<Sha256, Blob>, snapshots: &[Snapshot], epoch: i64) -> Bucket {
    let images = names.iter().map(|name| (name.name.clone(), image(name, epoch)));
    let blobs = blobs.iter().map(|(digest, blob)| (digest.to_string(), content(blob, epoch)));
    let content = buckets([("blob".to_owned(), buckets(blobs))]);
    let overlayfs = Bucket { sequence: snapshots.len() as u64, ..reference(snapshots, epoch) };
    let namespace = buckets([
        ("images".to_owned(), buckets(images)),
        ("content".to_owned(), content),
        ("leases".to_owned(), Bucket::default()),
        ("snapshots".to_owned(), buckets([(OVERLAYFS.to_owned(), overlayfs)])),
    ]);
    let mut version = buckets([(NAMESPACE.to_owned(), namespace)]);
    version.put("version", signed(VERSION));
    buckets([("v1".to_owned(), version)])
}

/// `metadata.db` of the snapshotter.
#[must_use]
pub fn overlayfs(snapshots: &[Snapshot], epoch: i64) -> Bucket {
    let by_chain: BTreeMap<Sha256, &Snapshot> = snapshots.iter().map(|one| (one.chain, one)).collect();
    let mut all = Bucket { sequence: snapshots.len() as u64, ..Bucket::default() };
    let mut parents = Bucket::default();
    for snapshot in snapshots {
        let mut bucket = times(epoch);
        bucket.put("id", unsigned(snapshot.id));
        bucket.put("kind", [COMMITTED]);
        bucket.put("inodes", signed(i64::try_from(snapshot.inodes).unwrap_or(i64::MAX)));
        bucket.put("size", signed(i64::try_from(snapshot.size).unwrap_or(i64::MAX)));
        if let Some(parent) = snapshot.parent.and_then(|parent| by_chain.get(&parent)) {
            bucket.put("parent", backend(parent));
            let key = [unsigned(parent.id), vec![0], unsigned(snapshot.id)].concat();
            parents.put(key, backend(snapshot));
        }
        all.put_bucket(backend(snapshot), bucket);
    }
    buckets([("v1".to_owned(), buckets([("snapshots".to_owned(), all), ("parents".to_owned(), parents)]))])
}

fn image(name: &Name, epoch: i64) -> Bucket {
    let mut target = Bucket::default();
    target.put("digest", name.target.digest.to_string());
    target.put("mediatype", name.target.media_type.as_str());
    target.put("size", signed(i64::try_from(name.target.size).unwrap_or(i64::MAX)));
    let mut image = times(epoch);
    image.put_bucket("target", target);
    let mut labels = Bucket::default();
    labels.put("io.cri-containerd.image", "managed");
    labels.put("io.cri-containerd.pinned", "pinned");
    image.put_bucket("labels", labels);
    image
}

fn content(blob: &Blob, epoch: i64) -> Bucket {
    let mut content = times(epoch);
    content.put("size", signed(i64::try_from(blob.size).unwrap_or(i64::MAX)));
    if !blob.labels.is_empty() {
        let mut labels = Bucket::default();
        blob.labels.iter().for_each(|(key, value)| labels.put(key.as_str(), value.as_str()));
        content.put_bucket("labels", labels);
    }
    content
}

/// The snapshots of the namespace, by chain.
fn reference(snapshots: &[Snapshot], epoch: i64) -> Bucket {
    let mut children: BTreeMap<Sha256, Bucket> = BTreeMap::new();
    for snapshot in snapshots {
        if let Some(parent) = snapshot.parent {
            children.entry(parent).or_default().put(snapshot.chain.to_string(), "");
        }
    }
    let one = |snapshot: &Snapshot| {
        let mut bucket = times(epoch);
        bucket.put("name", backend(snapshot));
        if let Some(parent) = snapshot.parent {
            bucket.put("parent", parent.to_string());
        }
        if let Some(children) = children.get(&snapshot.chain) {
            bucket.put_bucket("children", children.clone());
        }
        (snapshot.chain.to_string(), bucket)
    };
    buckets(snapshots.iter().map(one))
}

/// What a snapshot is called in the snapshotter's own database.
fn backend(snapshot: &Snapshot) -> String {
    format!("{NAMESPACE}/{}/{}", snapshot.id, snapshot.chain)
}

fn buckets(all: impl IntoIterator<Item = (String, Bucket)>) -> Bucket {
    let mut outer = Bucket::default();
    all.into_iter().for_each(|(key, bucket)| outer.put_bucket(key, bucket));
    outer
}

fn times(epoch: i64) -> Bucket {
    let mut bucket = Bucket::default();
    for key in ["createdat", "updatedat"] {
        bucket.put(key, time(epoch));
    }
    bucket
}

/// A time in UTC.
fn time(epoch: i64) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(epoch.saturating_add(UNIX_EPOCH).to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend((-1_i16).to_be_bytes());
    bytes
}

/// A signed varint: zigzag, then as an unsigned one.
fn signed(number: i64) -> Vec<u8> {
    unsigned(((number << 1) ^ (number >> 63)).cast_unsigned())
}

/// Seven bits a byte, the lowest first; the highest bit says that there are more.
fn unsigned(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_as_go_writes_them() {
        // what binary.PutVarint and binary.PutUvarint are documented to make
        for (number, bytes) in [
            (0, &[0][..]),
            (1, &[2]),
            (-1, &[1]),
            (3, &[6]),
            (63, &[0x7e]),
            (64, &[0x80, 1]),
            (318_043, &[0xb6, 0xe9, 0x26]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            assert_eq!(signed(number), bytes, "{number}");
        }
        assert_eq!((unsigned(127), unsigned(300)), (vec![127], vec![0xac, 2]));
        // 1970-01-01T00:00:00Z
        let epoch = [1, 0, 0, 0, 0x0e, 0x77, 0x91, 0xf7, 0, 0, 0, 0, 0, 0xff, 0xff];
        assert_eq!(time(0), epoch);
    }

    #[test]
    fn a_snapshot_is_known_to_its_parent_in_both_databases() {
        let (low, high) = (Sha256([1; 32]), Sha256([2; 32]));
        let snapshots = [
            Snapshot { id: 1, chain: low, parent: None, inodes: 3, size: 4096 },
            Snapshot { id: 2, chain: high, parent: Some(low), inodes: 1, size: 0 },
        ];
        let meta = meta(&[], &BTreeMap::new(), &snapshots, 0);
        let (low, high) = (low.to_string(), high.to_string());
        let known = meta.find(&["v1", "k8s.io", "snapshots", "overlayfs"]).unwrap();
        assert_eq!(known.find(&[&low, "children"]).unwrap().get(&high), Some(&b""[..]));
        assert_eq!(known.find(&[&high]).unwrap().get("parent"), Some(low.as_bytes()));
        assert_eq!((known.sequence, meta.find(&["v1"]).unwrap().get("version")), (2, Some(&[6][..])));
        let own = overlayfs(&snapshots, 0);
        let parents = own.find(&["v1", "parents"]).unwrap();
        let name = format!("k8s.io/2/{high}");
        assert_eq!(parents.get("\u{1}\0\u{2}"), Some(name.as_bytes()));
        let high = own.find(&["v1", "snapshots", &name]).unwrap();
        assert_eq!((high.get("kind"), high.get("id")), (Some(&[3][..]), Some(&[2][..])));
    }
}
