//! Artifacts: other programs read in them what the tree says, their bytes depend on nothing else, a failure leaves
//! nothing behind, and a changed bit is found.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod damage;
mod disks;
mod failures;
mod readers;
mod same_bytes;

use bake::emit::{Emitted, NOWHERE, Options, prepare};
use bake::plan::Plan;
use disk::Format;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use store::Store;
use tempfile::TempDir;
use tree::Tree;
use tree::digest::Sha256;

const ARTIFACT: &str = tree::of_release!("base.", ".amd64.tar.zst");
const FILES: &str = tree::of_release!("base.", ".amd64.files.json");
const RECORD: &str = tree::of_release!("base.", ".amd64.record.json");
const SUMS: &str = "SHA256SUMS";

/// A store, the sample tree in it, and a place for outputs.
struct Bench {
    place: TempDir,
    store: Store,
    tree: Tree,
    blob: Sha256,
    plan: Plan,
}

impl Bench {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = tests::keyed::open(&place.path().join("store")).unwrap();
        let (tree, blob) = tests::image::sample(&store).unwrap();
        Self { place, store, tree, blob, plan: tests::image::plan().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn emit(&self, output: &str) -> tree::refusal::Result<Emitted> {
        prepare(&self.tree, &self.plan, &[Format::TarZst])?.write(
            &self.store,
            &self.path(output),
            options(2, true),
            |_| {},
        )
    }

    fn blob_path(&self) -> PathBuf {
        self.store.blob_path(&self.blob.into())
    }
}

fn options(jobs: usize, keep_frames: bool) -> Options<'static> {
    let jobs = NonZeroUsize::new(jobs).unwrap();
    Options { jobs, keep_frames, published: NOWHERE }
}

/// All that is in a directory, hidden files too, by name with its digest.
fn listing(directory: &Path) -> BTreeMap<String, Sha256> {
    let Ok(found) = std::fs::read_dir(directory) else { return BTreeMap::new() };
    let one = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), Sha256::of(&std::fs::read(entry.path()).unwrap()))
    };
    found.map(|entry| one(entry.unwrap())).collect()
}
