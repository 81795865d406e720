//! The stages of a bake in their order, as `fetch`, `lock` and `bake` run them.

use crate::progress::Show;
use bake::fetch::{self, Fetched};
use bake::lock::Lock;
use bake::manifest::Form;
use bake::name::{Arch, Name};
use bake::plan::{Plan, Want, package_wants};
use bake::stage::{self, Inputs};
use bake::store::Store;
use bake::tree::{Stored, Tree};
use bake::unpack::{self, Unpacked};
use bake::{Class, Refusal, Result, Stage};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

/// Small files only are read into memory while staging: 16 MiB is far above any of them.
const MOST_READ: u64 = 16 << 20;

/// Brings what `wants` names into the store.
pub(crate) fn fetch(store: &Store, wants: &[Want], options: &fetch::Options, show: &Show) -> Result<Fetched> {
    let fetched = fetch::fetch(store, wants, options, show)?;
    store.settle()?;
    Ok(fetched)
}

/// Unpacks all inputs of `plan` and lays them out as a tree.
pub(crate) fn tree(plan: &Plan, store: &Store, fetched: &Fetched, threads: usize, show: &Show) -> Result<Tree> {
    let sizes = plan.wants();
    debug_assert!(sizes.iter().all(|want| fetched.contains(&want.digest)));
    let packages = plan.packages.iter().map(|package| (&package.name, Form::Deb, false));
    let components = plan.components.iter().map(|component| (&component.name, component.pin.form, component.install.r#static));
    let inputs: Vec<unpack::Input<'_>> = packages
        .chain(components)
        .zip(&sizes)
        .map(|((name, form, must_be_static), want)| unpack::Input {
            name,
            digest: &want.digest,
            size: want.size,
            form,
            arch: plan.arch,
            must_be_static,
        })
        .collect();
    let mut unpacked = unpack::all(store, &inputs, jobs(threads), &|_| {})?;
    let components = unpacked.split_off(plan.packages.len());
    show.step(&format!("unpacked {} inputs", inputs.len()));
    let packages = plan.packages.iter().map(|package| package.name.clone());
    let packages = packages.zip(unpacked).filter_map(|(name, unpacked)| match unpacked {
        Unpacked::Package(package) => Some((name, package)),
        Unpacked::Members(_) => None,
    });
    let inputs = Inputs {
        packages: packages.collect(),
        components: plan.components.iter().map(|component| component.name.clone()).zip(components).collect(),
        read: &|stored| read(store, stored),
    };
    let tree = stage::stage(plan, &inputs)?;
    show.step(&format!("laid out {} paths", tree.len()));
    Ok(tree)
}

/// `lock` with the maintainer scripts, triggers and diversions of its packages, which must be in the store.
pub(crate) fn with_scripts(mut lock: Lock, store: &Store, threads: usize) -> Result<Lock> {
    let wants = package_wants(&lock.packages, &lock.suites);
    let inputs: Vec<unpack::Input<'_>> = wants.iter().map(|want| deb(want, lock.arch)).collect();
    let unpacked = unpack::all(store, &inputs, jobs(threads), &|_| {})?;
    let unpacked: BTreeMap<&Name, Unpacked> = wants.iter().map(|want| &want.name).zip(unpacked).collect();
    for package in &mut lock.packages {
        if let Some(Unpacked::Package(unpacked)) = unpacked.get(&package.name) {
            bake::lock::note_scripts(package, &unpacked.control);
        }
    }
    Ok(lock)
}

fn deb(want: &Want, arch: Arch) -> unpack::Input<'_> {
    unpack::Input { name: &want.name, digest: &want.digest, size: want.size, form: Form::Deb, arch, must_be_static: false }
}

/// The bytes of a small file, checked against their digest.
fn read(store: &Store, stored: &Stored) -> Result<Vec<u8>> {
    let blob = stored.blob.to_string();
    if stored.len > MOST_READ {
        let what = format!("a file that is read while staging, wanted at most {MOST_READ} bytes, got {}", stored.len);
        return Err(Refusal::new(Class::Archive, blob, Stage::Stage, what));
    }
    bake::emit::read(store, stored)
}

/// At least one thread.
pub(crate) fn jobs(threads: usize) -> NonZeroUsize {
    NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN)
}
