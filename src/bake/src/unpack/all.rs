//! All inputs of a bake, on several threads, the largest first.
//!
//! The result does not depend on the number of threads, nor does the refusal: of several inputs that are refused, the
//! first in the given order is reported. So after a refusal only what comes before it is still unpacked.

use super::{Member, Package, binary, package, tar_gz};
use crate::manifest::Form;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::Store;
use tree::digest::Digest;
use tree::name::{Arch, Name};
use tree::refusal::{Class, Refusal, Result, Stage};

/// One input to unpack.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its name in refusals.
    pub name: &'a Name,
    /// Which blob.
    pub digest: &'a Digest,
    /// Its size in bytes: the largest is begun first.
    pub size: u64,
    /// What it is.
    pub form: Form,
    /// The machine that a binary must be for.
    pub arch: Arch,
    /// Whether a binary must be static.
    pub must_be_static: bool,
}

/// An unpacked input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpacked {
    /// A Debian package.
    Package(Package),
    /// The members of an archive, or the one of a binary.
    Members(Vec<Member>),
}

/// Unpacks `inputs` on `jobs` threads; the results are in their order. `done` is told the index of each input as it
/// is unpacked, from any thread.
pub fn all(
    store: &Store,
    inputs: &[Input<'_>],
    jobs: NonZeroUsize,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Unpacked>> {
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(inputs[index].size), index));
    let next = AtomicUsize::new(0);
    let first_refused = AtomicUsize::new(usize::MAX);
    let results: Vec<Mutex<Option<Result<Unpacked>>>> = inputs.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            if index > first_refused.load(Ordering::Relaxed) {
                continue;
            }
            let result = one(store, &inputs[index]);
            match &result {
                Ok(_) => done(index),
                Err(_) => _ = first_refused.fetch_min(index, Ordering::Relaxed),
            }
            *results[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.get().min(inputs.len()) {
            scope.spawn(work);
        }
        work();
    });
    // what was left out comes after a refusal, which ends this first
    let take = |slot: Mutex<Option<_>>| slot.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.into_iter().filter_map(take).collect()
}

fn one(store: &Store, input: &Input<'_>) -> Result<Unpacked> {
    let Input { name, digest, arch, must_be_static, .. } = *input;
    match input.form {
        Form::Deb => package(store, name, digest).map(Unpacked::Package),
        Form::TarGz => tar_gz(store, name, digest).map(Unpacked::Members),
        Form::Binary => {
            binary(store, name, digest, arch, must_be_static).map(|member| Unpacked::Members(vec![member]))
        }
        Form::Qcow2 => Err(Refusal::new(
            Class::Usage,
            name.as_str(),
            Stage::Unpack,
            "a disk image cannot be a component, and is not unpacked",
        )),
    }
}
