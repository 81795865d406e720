//! What interpreting has come to, kept for the next bake under a digest of all that goes in: the version of the interpreter, the
//! plan's settings, the packages' control files and the whole tree.

use super::Derived;
use crate::plan::Plan;
use crate::stage::Memory;
use std::fmt::Write as _;
use tree::digest::Sha256;
use tree::{Content, Node, Tree};

/// What the notes are, and the form that they are written in.
const SORT: &str = "scripts-1";

/// The digest of all that decides what scripts do.
pub(super) fn key(plan: &Plan, packages: &[debian::run::Package], tree: &Tree) -> Sha256 {
    let mut text = format!("{SORT} {} {}\n", debian::VERSION, plan.epoch);
    // writing to a string cannot fail
    let _ = writeln!(text, "{} {:?} {:?}", plan.arch, plan.ids, plan.debconf);
    let _ = writeln!(text, "{:?} {:?}", plan.exclude, plan.keep);
    for package in packages {
        let _ = writeln!(text, "package {}", package.name);
        for (name, bytes) in &package.control {
            let _ = writeln!(text, "{name:?} {}", Sha256::of(bytes));
        }
        for path in &package.files {
            let _ = writeln!(text, "{:?}", String::from_utf8_lossy(path));
        }
    }
    for (path, entry) in tree.iter() {
        let meta = &entry.meta;
        let _ = write!(
            text,
            "{path:?} {:o} {} {} {} {:?} ",
            meta.mode, meta.uid, meta.gid, meta.mtime, meta.xattrs
        );
        let _ = match &entry.node {
            Node::File(Content::Inline(bytes)) => writeln!(text, "= {}", Sha256::of(bytes)),
            Node::File(Content::Stored(stored)) => writeln!(text, "= {} {}", stored.digest, stored.len),
            node => writeln!(text, "{node:?}"),
        };
        let _ = writeln!(text, "{:?}", entry.origins);
    }
    Sha256::of(text.as_bytes())
}

/// What was kept.
pub(super) fn recall(memory: &dyn Memory, key: &Sha256) -> Option<Derived> {
    serde_json::from_slice(&memory.recall(SORT, key)?).ok()
}

/// Keeps it.
pub(super) fn keep(memory: &dyn Memory, key: &Sha256, derived: &Derived) {
    if let Ok(bytes) = serde_json::to_vec(derived) {
        memory.keep(SORT, key, &bytes);
    }
}
