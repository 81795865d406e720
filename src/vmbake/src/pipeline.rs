//! The stages of a bake in their order, as `fetch`, `lock` and `bake` run them.

use crate::progress::{self, Show};
use crate::project::Project;
use crate::review;
use bake::effects::{Effects, Unreviewed, unreviewed};
use bake::fetch::{self, Fetched};
use bake::images;
use bake::lock::{self, Lock};
use bake::manifest::{Form, Pin};
use bake::plan::{Plan, Requirement, component_requirement, package_requirements};
use bake::stage::{self, Inputs};
use bake::unpack::{self, Unpacked};
use containers::store::Image;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::Store;
use store::contents::Corrupt;
use tree::digest::{Digest, Sha256};
use tree::name::{Arch, ImagePath, Name};
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};
use tree::scripts::Scripted;
use tree::{Content, Node, Stored, Tree};

/// Small files only are read into memory while staging: 16 MiB is far above any of them.
const MOST_READ: usize = 16 << 20;

/// Brings what `requirements` names into the store.
pub fn fetch(
    store: &Store,
    requirements: &[Requirement],
    options: &fetch::Options,
    show: &Show,
) -> Result<Fetched> {
    let fetched = fetch::fetch(store, requirements, options, show)?;
    store.settle()?;
    Ok(fetched)
}

/// Brings all that `plan` requires into the store: packages, components, and the container images with all their parts.
pub fn fetch_all(plan: &Plan, store: &Store, options: &fetch::Options, show: &Show) -> Result<Fetched> {
    let images = images::resolve(store, plan, options, show)?;
    let mut requirements = plan.requirements();
    requirements.extend(images.iter().flat_map(images::Resolved::requirements));
    fetch(store, &requirements, options, show)
}

/// The container images of `plan`, all of whose parts are in the store, unpacked.
fn containers(plan: &Plan, store: &Store, threads: usize, show: &Show) -> Result<Vec<Image>> {
    if plan.containers.is_empty() {
        return Ok(Vec::new());
    }
    let (known, missing) = images::in_store(store, plan)?;
    if let Some(name) = missing.first() {
        let cause = "the store does not have all parts of it";
        return Err(Refusal::new(Class::Io, name.as_str(), Stage::Store, cause).remedy(Remedy::Fetch));
    }
    let what = format!("unpacking {} container images", known.len());
    show.during(&what, Duration::ZERO, |_| images::unpack(store, known, plan.arch, jobs(threads)))
}

/// Unpacks all inputs of `plan`, in the order of its requirements: packages, then components.
fn unpacked(plan: &Plan, store: &Store, threads: usize, show: &Show) -> Result<Vec<Unpacked>> {
    let sizes = plan.requirements();
    let packages = plan.packages.iter().map(|package| (&package.name, Form::Deb, false));
    let components = plan
        .components
        .iter()
        .map(|component| (&component.name, component.pin.form, component.install.r#static));
    let inputs: Vec<unpack::Input<'_>> = packages
        .chain(components)
        .zip(&sizes)
        .map(|((name, form, must_be_static), requirement)| unpack::Input {
            name,
            digest: &requirement.digest,
            size: requirement.size,
            form,
            arch: plan.arch,
            must_be_static,
        })
        .collect();
    unpack(store, &inputs, threads, show)
}

/// Unpacks, and says how far it is.
fn unpack(store: &Store, inputs: &[unpack::Input<'_>], threads: usize, show: &Show) -> Result<Vec<Unpacked>> {
    let (count, done) = (inputs.len(), AtomicUsize::new(0));
    show.during(&format!("unpacking {count} inputs"), Duration::ZERO, |meter| {
        let told = |_| meter.at(done.fetch_add(1, Ordering::Relaxed) + 1, count);
        unpack::all(store, inputs, jobs(threads), &told)
    })
}

/// Hashes every blob that inputs were unpacked to; what is wrong is set aside, and is unpacked again when it is next
/// needed. For when one was found wrong: others may be.
pub fn recheck(plan: &Plan, store: &Store, threads: usize, show: &Show) -> Result<()> {
    let mut blobs = BTreeSet::new();
    for unpacked in unpacked(plan, store, threads, show)? {
        let members = match unpacked {
            Unpacked::Package(package) => package.members,
            Unpacked::Members(members) => members,
        };
        blobs.extend(members.into_iter().filter_map(|member| match member.node {
            Node::File(Content::Stored(stored)) => Some(stored.blob),
            _ => None,
        }));
    }
    blobs.extend(images::unpacked_blobs(&containers(plan, store, threads, show)?));
    blobs.into_par_iter().try_for_each(|blob| store.verify_blob(&Digest::Sha256(blob)).map(drop))
}

/// Unpacks all inputs of `plan`, which `fetched` vouches for, and lays them out as a tree.
pub fn tree(
    plan: &Plan,
    project: &Project,
    store: &Store,
    fetched: &Fetched,
    threads: usize,
    show: &Show,
) -> Result<Tree> {
    debug_assert!(plan.requirements().iter().all(|requirement| fetched.contains(&requirement.digest)));
    laid_out(plan, project, store, threads, show)
}

/// The tree of `plan`, whose inputs are all in the store: unpacking hashes each of them.
pub fn laid_out(plan: &Plan, project: &Project, store: &Store, threads: usize, show: &Show) -> Result<Tree> {
    lay_out(plan, project, store, threads, show).map_err(|refusal| project.located(refusal))
}

fn lay_out(plan: &Plan, project: &Project, store: &Store, threads: usize, show: &Show) -> Result<Tree> {
    let mut unpacked = unpacked(plan, store, threads, show)?;
    let inputs = unpacked.len();
    let components = unpacked.split_off(plan.packages.len());
    show.step(&format!("unpacked {inputs} inputs"));
    let packages = plan.packages.iter().map(|package| package.name.clone());
    let packages = packages.zip(unpacked).filter_map(|(name, unpacked)| match unpacked {
        Unpacked::Package(package) => Some((name, package)),
        Unpacked::Members(_) => None,
    });
    let packages: BTreeMap<Name, unpack::Package> = packages.collect();
    if plan.reviewed_only {
        check_reviewed(plan, project, &packages, &components)?;
    }
    let components = plan.components.iter().map(|component| component.name.clone()).zip(components).collect();
    let images = containers(plan, store, threads, show)?;
    let read = |stored: &Stored| read(store, stored);
    let tree = show.during("laying out the tree", progress::SHORT, |meter| {
        let told = |done, of| meter.at(done, of);
        stage::stage(plan, &Inputs { packages, components, images, read: &read, memory: store, told: &told })
    })?;
    show.step(&format!("laid out {} paths", tree.len()));
    Ok(tree)
}

/// Refuses scripts that nobody has reviewed, where the recipe asks for that. Staging does so as well; here there are texts to
/// compare them with.
fn check_reviewed(
    plan: &Plan,
    project: &Project,
    packages: &BTreeMap<Name, unpack::Package>,
    components: &[Unpacked],
) -> Result<()> {
    let of_packages =
        packages.iter().flat_map(|(name, package)| unreviewed(&plan.effects, name, &package.control));
    let mut unknown: Vec<Unreviewed> = of_packages.collect();
    for (component, unpacked) in plan.components.iter().zip(components) {
        if let Unpacked::Package(package) = unpacked {
            unknown.extend(unreviewed(&plan.effects, &component.name, &package.control));
        }
    }
    unknown.retain(|script| !plan.accept.contains_key(&script.package));
    review::check(project, &unknown, &review::Old::new(), Stage::Stage, None)
}

/// What the maintainer scripts of the packages of `plan` do, all of whose inputs must be in the store.
pub fn scripts(
    plan: &Plan,
    project: &Project,
    store: &Store,
    threads: usize,
    show: &Show,
) -> Result<Vec<Scripted>> {
    let unpacked = unpacked(plan, store, threads, show)?;
    let packages = plan.packages.iter().map(|package| package.name.clone()).zip(unpacked);
    let packages = packages.filter_map(|(name, unpacked)| match unpacked {
        Unpacked::Package(package) => Some((name, package)),
        Unpacked::Members(_) => None,
    });
    let (packages, components) = (packages.collect(), BTreeMap::new());
    let read = |stored: &Stored| read(store, stored);
    show.during("interpreting maintainer scripts", progress::SHORT, |_| {
        let inputs =
            Inputs { packages, components, images: Vec::new(), read: &read, memory: store, told: &|_, _| {} };
        stage::scripts(plan, &inputs).map_err(|refusal| project.located(refusal))
    })
}

/// The scripts of those packages of a lock that the store has, of the packages that `of` names.
pub fn old_scripts(
    lock: &Lock,
    of: &BTreeSet<Name>,
    store: &Store,
    threads: usize,
    show: &Show,
) -> Result<review::Old> {
    let mut requirements = Vec::new();
    for requirement in package_requirements(&lock.packages, &lock.suites) {
        if of.contains(&requirement.name) && store.has(&requirement.digest, requirement.size)? {
            requirements.push(requirement);
        }
    }
    let inputs: Vec<unpack::Input<'_>> =
        requirements.iter().map(|requirement| deb(requirement, lock.arch)).collect();
    let unpacked = unpack(store, &inputs, threads, show)?;
    let mut old = review::Old::new();
    for (requirement, unpacked) in requirements.iter().zip(unpacked) {
        let Unpacked::Package(package) = unpacked else { continue };
        for file in package.control {
            let text = bake::effects::normal(&requirement.name, &file.bytes).bytes;
            old.insert((requirement.name.clone(), file.name), String::from_utf8_lossy(&text).into_owned());
        }
    }
    Ok(old)
}

/// `lock` with the maintainer scripts, triggers and diversions of its packages, which must be in the store, and those of
/// the scripts that nobody has reviewed.
pub fn with_scripts(
    mut lock: Lock,
    effects: &Effects,
    store: &Store,
    threads: usize,
    show: &Show,
) -> Result<(Lock, Vec<Unreviewed>)> {
    let requirements = package_requirements(&lock.packages, &lock.suites);
    let inputs: Vec<unpack::Input<'_>> =
        requirements.iter().map(|requirement| deb(requirement, lock.arch)).collect();
    let unpacked = unpack(store, &inputs, threads, show)?;
    let unpacked: BTreeMap<&Name, Unpacked> =
        requirements.iter().map(|requirement| &requirement.name).zip(unpacked).collect();
    let mut unknown = Vec::new();
    for package in &mut lock.packages {
        if let Some(Unpacked::Package(unpacked)) = unpacked.get(&package.name) {
            unknown.extend(unreviewed(effects, &package.name, &unpacked.control));
            let lock::Scripts { scripts, triggers, diverts } = lock::scripts_of(&unpacked.control);
            (package.scripts, package.triggers, package.diverts) = (scripts, triggers, diverts);
        }
    }
    Ok((lock, unknown))
}

/// Brings `components`, which are Debian packages, into the store, and unpacks them.
pub fn debs(
    components: &[(Name, Pin)],
    arch: Arch,
    store: &Store,
    options: &fetch::Options,
    threads: usize,
    show: &Show,
) -> Result<Vec<(Name, unpack::Package)>> {
    if components.is_empty() {
        return Ok(Vec::new());
    }
    let requirements: Vec<Requirement> =
        components.iter().map(|(name, pin)| component_requirement(name, pin)).collect();
    fetch(store, &requirements, options, show)?;
    let inputs: Vec<unpack::Input<'_>> =
        requirements.iter().map(|requirement| deb(requirement, arch)).collect();
    let unpacked = unpack(store, &inputs, threads, show)?.into_iter().zip(components);
    let packages = unpacked.filter_map(|(unpacked, (name, _))| match unpacked {
        Unpacked::Package(package) => Some((name.clone(), package)),
        Unpacked::Members(_) => None,
    });
    Ok(packages.collect())
}

fn deb(requirement: &Requirement, arch: Arch) -> unpack::Input<'_> {
    unpack::Input {
        name: &requirement.name,
        digest: &requirement.digest,
        size: requirement.size,
        form: Form::Deb,
        arch,
        must_be_static: false,
    }
}

/// The bytes of a small file, checked against their digest.
pub fn read(store: &Store, stored: &Stored) -> Result<Vec<u8>> {
    let blob = Digest::Sha256(stored.blob);
    let refuse = |class, what: String| Refusal::new(class, blob.to_string(), Stage::Stage, what);
    let len = usize::try_from(stored.len).unwrap_or(usize::MAX);
    if len > MOST_READ {
        let what =
            format!("expected at most {MOST_READ} bytes in a file that is read while staging, found {len}");
        return Err(refuse(Class::Archive, what));
    }
    let mut bytes = vec![0; len];
    let file = store.open_blob(&blob)?;
    let read = file.read_exact_at(&mut bytes, stored.offset);
    if read.is_ok() && Sha256::of(&bytes) == stored.digest {
        return Ok(bytes);
    }
    let whole = store.verify_blob(&blob)?;
    match read {
        Err(error) if whole => Err(Refusal::io(blob.to_string(), Stage::Stage, "read", &error)),
        _ => Err(Refusal::new(
            Class::Verification,
            blob.to_string(),
            Stage::Stage,
            Corrupt { path: ImagePath::root(), blob: stored.blob, whole },
        )),
    }
}

/// At least one thread.
pub fn jobs(threads: usize) -> NonZeroUsize {
    NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN)
}
