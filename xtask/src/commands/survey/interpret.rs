//! Interpreting sets of packages over the files of their .debs.

use super::Args;
use super::content::{Contents, Deb, Node, Sort};
use super::report::{PackageReport, Results};
use anyhow::{Context as _, anyhow};
use bake::deb822;
use bake::lock::LockedPackage;
use debian::failure::{Limits, STACK};
use debian::files::{Base, Bytes, Change, Kind, Meta, base_name, parent};
use debian::run::{self, Package, Task};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use vmbake::console;

/// The files of a set of packages.
struct Tree<'c> {
    contents: &'c Contents<'c>,
    debs: Vec<Arc<Deb>>,
    nodes: HashMap<Bytes, (usize, usize)>,
    names: HashMap<Bytes, Vec<Bytes>>,
    /// dpkg's database, which is of no package.
    own: HashMap<Bytes, Bytes>,
}

impl<'c> Tree<'c> {
    fn new(contents: &'c Contents<'c>, debs: Vec<Arc<Deb>>) -> Self {
        let mut nodes: HashMap<Bytes, (usize, usize)> = HashMap::new();
        let mut names: HashMap<Bytes, Vec<Bytes>> = HashMap::new();
        for (at, deb) in debs.iter().enumerate() {
            for (inner, node) in deb.nodes.iter().enumerate() {
                let path = node.path.as_bytes().to_vec();
                let is_new = !nodes.contains_key(&path);
                if is_new && path != b"/" {
                    names.entry(parent(&path).to_vec()).or_default().push(base_name(&path).to_vec());
                }
                // the first directory says mode and owner
                if is_new || node.sort != Sort::Directory {
                    nodes.insert(path, (at, inner));
                }
            }
        }
        Self { contents, debs, nodes, names, own: HashMap::new() }
    }

    fn add(&mut self, path: String, bytes: Bytes) {
        let path = path.into_bytes();
        self.names.entry(parent(&path).to_vec()).or_default().push(base_name(&path).to_vec());
        self.own.insert(path, bytes);
    }

    fn node(&self, path: &[u8]) -> Option<(&Deb, &Node)> {
        let (deb, node) = self.nodes.get(path)?;
        let deb = self.debs.get(*deb)?;
        Some((deb, deb.nodes.get(*node)?))
    }
}

impl Base for Tree<'_> {
    fn lookup(&self, path: &[u8]) -> Option<Meta> {
        let plain = |kind, mode, size| Meta { kind, mode, uid: 0, gid: 0, size, mtime: 0 };
        if let Some(bytes) = self.own.get(path) {
            return Some(plain(Kind::File, 0o644, bytes.len() as u64));
        }
        let Some((_, node)) = self.node(path) else {
            // a directory that only what is below it implies
            return self.names.contains_key(path).then(|| plain(Kind::Directory, 0o755, 0));
        };
        let (kind, size) = match &node.sort {
            Sort::File { size, .. } => (Kind::File, *size),
            Sort::Directory => (Kind::Directory, 0),
            Sort::Link(target) => (Kind::Link(target.clone().into_bytes()), target.len() as u64),
            Sort::Fifo => (Kind::Fifo, 0),
            Sort::Char(major, minor) => (Kind::Char(*major, *minor), 0),
            Sort::Block(major, minor) => (Kind::Block(*major, *minor), 0),
        };
        Some(Meta { kind, mode: node.mode, uid: node.uid, gid: node.gid, size, mtime: node.mtime })
    }

    fn list(&self, path: &[u8]) -> Vec<Bytes> {
        self.names.get(path).cloned().unwrap_or_default()
    }

    fn read(&self, path: &[u8]) -> Result<Bytes, String> {
        if let Some(bytes) = self.own.get(path) {
            return Ok(bytes.clone());
        }
        let (deb, node) = self.node(path).ok_or("it is not there")?;
        self.contents.content(deb, node).map_err(|error| format!("{error:#}"))
    }
}

/// A package as the interpreter has it.
fn package(deb: &Deb) -> anyhow::Result<Package> {
    let control = deb.control.get("control").context("a package without a control file")?;
    let text = std::str::from_utf8(control)?;
    let paragraph = deb822::paragraph(text)?;
    let fields: Vec<(String, String)> =
        paragraph.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Package {
        name: paragraph.get("Package").unwrap_or_default().to_owned(),
        fields,
        files: deb.nodes.iter().map(|node| node.path.as_bytes().to_vec()).collect(),
        control: deb
            .control
            .iter()
            .filter(|(name, _)| *name != "control")
            .map(|(name, bytes)| (name.clone(), bytes.clone()))
            .collect(),
    })
}

/// The set as packages and as files.
fn prepare<'c>(
    contents: &'c Contents<'c>,
    set: &[LockedPackage],
) -> anyhow::Result<(Vec<Package>, Tree<'c>)> {
    let mut debs = Vec::new();
    for package in set {
        debs.push(contents.get(package)?);
    }
    let packages = debs.iter().map(|deb| package(deb)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut tree = Tree::new(contents, debs);
    for package in &packages {
        let same = package.field("Multi-Arch") == "same";
        let arch = if same { format!(":{}", package.field("Architecture")) } else { String::new() };
        for (name, bytes) in &package.control {
            tree.add(format!("/var/lib/dpkg/info/{}{arch}.{name}", package.name), bytes.clone());
        }
        let mut list = Vec::new();
        for path in &package.files {
            list.extend_from_slice(if path == b"/" { b"/." } else { path });
            list.push(b'\n');
        }
        tree.add(format!("/var/lib/dpkg/info/{}{arch}.list", package.name), list);
    }
    Ok((packages, tree))
}

fn one(
    name: &str,
    set: &[LockedPackage],
    contents: &Contents<'_>,
    args: &Args,
    kernel: Option<&str>,
) -> anyhow::Result<PackageReport> {
    let (packages, tree) = prepare(contents, set)?;
    let none = BTreeMap::new();
    let task = Task {
        packages: &packages,
        architecture: args.arch.debian(),
        kernel,
        now: 1_767_225_600,
        answers: &BTreeMap::new(),
        users: &none,
        groups: &none,
        stable_ids: false,
        limits: Limits::default(),
    };
    let began = Instant::now();
    let outcome = run::run(&task, &tree, true).map_err(|failure| anyhow!("{failure}"))?;
    let seconds = began.elapsed().as_secs_f64();
    if args.changes {
        let own = outcome.files.changes().iter().filter(|change| change.origin.package == name);
        own.for_each(|change: &Change| console::line(change));
    }
    Ok(PackageReport::of(name, &packages, &outcome, task.limits.steps, seconds))
}

/// Interprets all sets, as many at once as there are threads.
pub(super) fn all(
    tasks: &[(String, Vec<LockedPackage>)],
    contents: &Contents<'_>,
    args: &Args,
    kernel: Option<&str>,
    results: &Results,
    told: &mut (dyn FnMut(usize) + Send),
) -> anyhow::Result<()> {
    let (next, finished, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let told = Mutex::new(told);
    let work = || -> anyhow::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let Some((name, set)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let one = match one(name, set, contents, args, kernel) {
                Ok(one) => one,
                Err(error) => PackageReport::unresolved(name, &error),
            };
            results.add(one)?;
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told(finished.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Ok(())
    };
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let mut threads = Vec::new();
        for _ in 0..args.places.threads().min(tasks.len()) {
            threads.push(std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?);
        }
        let mut all = Ok(());
        for thread in threads {
            let done = thread.join().map_err(|_| anyhow!("a thread panicked")).and_then(|done| done);
            if all.is_ok() && done.is_err() {
                stop.store(true, Ordering::Relaxed);
                all = done;
            }
        }
        all
    })
}
