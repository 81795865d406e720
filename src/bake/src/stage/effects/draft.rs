//! The tree while effects are done to it, with what they may ask: accounts, contents, what the image leaves out.

use super::super::accounts::Accounts;
use super::super::{bytes_of, exclude, image_path, refuse};
use crate::plan::Plan;
use crate::recipe::Access;
use globset::GlobSet;
use tree::name::{ImagePath, Name};
use tree::refusal::{Class, Result};
use tree::{Content, Entry, Meta, Node, Origin, Stored, Tree, merged};

/// Files that handlers read are of people's size; Debian's largest is `ca-certificates`' of 8 KiB.
const MOST_READ: u64 = 4 << 20;

/// A tree under construction.
pub(super) struct Draft<'a> {
    pub(super) plan: &'a Plan,
    pub(super) tree: &'a mut Tree,
    pub(super) accounts: &'a Accounts,
    read: &'a dyn Fn(&Stored) -> Result<Vec<u8>>,
    exclude: GlobSet,
    keep: GlobSet,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        tree: &'a mut Tree,
        accounts: &'a Accounts,
        read: &'a dyn Fn(&Stored) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let (exclude, keep) = exclude::sets(plan)?;
        Ok(Self { plan, tree, accounts, read, exclude, keep })
    }

    /// Whether there is something at `path`.
    pub(super) fn has(&self, path: &ImagePath) -> bool {
        self.tree.get(path).is_some()
    }

    /// Whether the recipe leaves `path` out.
    pub(super) fn leaves_out(&self, path: &ImagePath) -> bool {
        let path = merged(path);
        self.exclude.is_match(path.as_str()) && !self.keep.is_match(path.as_str())
    }

    /// The bytes of the file at `path`; links are not followed.
    pub(super) fn bytes(&self, path: &ImagePath) -> Result<Option<Vec<u8>>> {
        let mut node = self.tree.get(path).map(|entry| &entry.node);
        if let Some(Node::Hardlink(target)) = node {
            node = self.tree.get(target).map(|entry| &entry.node);
        }
        let Some(Node::File(content)) = node else { return Ok(None) };
        if content.len() > MOST_READ {
            let cause = format!("expected at most {MOST_READ} bytes, found {}", content.len());
            return Err(refuse(Class::Archive, path.as_str(), cause));
        }
        bytes_of(content, self.read).map(Some)
    }

    /// The text of the file at `path`.
    pub(super) fn text(&self, path: &ImagePath) -> Result<Option<String>> {
        let wrong = |_| refuse(Class::Archive, path.as_str(), "it is not UTF-8");
        self.bytes(path)?.map(|bytes| String::from_utf8(bytes).map_err(wrong)).transpose()
    }

    /// Puts `node` at `path`, unless there is something, or the recipe leaves it out.
    pub(super) fn make(&mut self, step: &str, path: &ImagePath, access: &Access, node: Node) -> Result<()> {
        if self.has(path) || self.leaves_out(path) {
            return Ok(());
        }
        let (uid, gid) = self.owners(access, path)?;
        let meta = Meta { uid, gid, ..Meta::root(access.mode, self.plan.epoch) };
        self.insert(step, path, meta, node)
    }

    /// Puts a file of root's, 0644, at `path`, unless there is something.
    pub(super) fn file(&mut self, step: &str, path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        let access = Access { mode: 0o644, owner: "root".to_owned(), group: "root".to_owned() };
        let node = Node::File(Content::Inline(bytes.as_ref().into()));
        self.make(step, &image_path(path)?, &access, node)
    }

    /// Puts a symbolic link at `path`, unless there is something else than an empty directory that it may replace.
    pub(super) fn link(&mut self, step: &str, path: &ImagePath, to: &str, over: bool) -> Result<()> {
        let is_directory = self.tree.get(path).is_some_and(|entry| entry.node == Node::Directory);
        if over && is_directory {
            if let Some((below, _)) = self.tree.within(&merged(path)).nth(1) {
                let cause = format!("`{path}` becomes a link, but `{below}` is below it");
                return Err(refuse(Class::Archive, path.as_str(), cause));
            }
            self.tree.remove(path);
        }
        if self.has(path) || self.leaves_out(path) {
            return Ok(());
        }
        self.insert(step, path, Meta::root(0o777, self.plan.epoch), Node::Symlink(to.to_owned()))
    }

    /// Copies a file with its mode, owner and time; whether it did, as it does not where there is something.
    pub(super) fn copy(&mut self, step: &str, from: &ImagePath, to: &ImagePath) -> Result<bool> {
        if self.has(to) || self.leaves_out(to) || self.leaves_out(from) {
            return Ok(false);
        }
        let entry = self.tree.get(from).ok_or_else(|| absent(from))?;
        let Node::File(content) = &entry.node else { return Err(absent(from)) };
        let (meta, node) = (entry.meta.clone(), Node::File(content.clone()));
        self.insert(step, to, meta, node)?;
        Ok(true)
    }

    /// Gives what is at `path` another mode and owner.
    pub(super) fn access(&mut self, package: &Name, path: &ImagePath, access: &Access) -> Result<()> {
        let (uid, gid) = self.owners(access, path)?;
        if !self.has(path) {
            return if self.leaves_out(path) {
                Ok(())
            } else {
                Err(refuse(
                    Class::Archive,
                    package.as_str(),
                    format!("cannot set the owner of `{path}`: no such file"),
                ))
            };
        }
        self.set_meta(path, |meta| (meta.mode, meta.uid, meta.gid) = (access.mode, uid, gid));
        Ok(())
    }

    /// Changes mode and owner of the entry at `path`, which is not a hard link, unless a recipe has said them.
    pub(super) fn set_meta(&mut self, path: &ImagePath, change: impl Fn(&mut Meta)) {
        let path = merged(path);
        let of_recipe =
            |entry: &Entry| entry.origins.iter().any(|origin| matches!(origin, Origin::Recipe { .. }));
        if self.tree.get(&path).is_some_and(|entry| !of_recipe(entry)) {
            self.tree.change_meta(|known, meta| {
                if *known == path {
                    change(meta);
                }
            });
        }
    }

    /// Puts an entry where nothing is.
    pub(super) fn insert(&mut self, step: &str, path: &ImagePath, meta: Meta, node: Node) -> Result<()> {
        let origin = Origin::Made { step: step.to_owned() };
        self.tree.make_parents(path, &origin, self.plan.epoch);
        self.tree
            .insert(path, Entry { meta, node, origins: [origin].into() })
            .map_err(|error| refuse(Class::Archive, step, error))
    }

    /// The numbers of an owner and a group.
    pub(super) fn owners(&self, access: &Access, path: &ImagePath) -> Result<(u32, u32)> {
        let what = format!("`{path}`");
        Ok((self.accounts.uid(&access.owner, &what)?, self.accounts.gid(&access.group, &what)?))
    }
}

fn absent(path: &ImagePath) -> tree::refusal::Refusal {
    refuse(
        Class::Archive,
        path.as_str(),
        "an effect of a package needs it, but it is not a file in the image",
    )
    .hint("check whether [files] exclude matches it, or the package no longer has it")
}
