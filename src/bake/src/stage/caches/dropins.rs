//! Files of one sort in several directories, of which the stronger replace those of the weaker by name: how
//! systemd finds its databases' sources (hwdb(7), tmpfiles.d(5)).
//!
//! What leads to no file, such as a link to `/dev/null`, takes the name from weaker directories and has no text. That it
//! counts as a file matters for the numbers of those after it: so does systemd 257.

use super::follow::follow;
use crate::stage::{Read, bytes_of, refuse};
use std::collections::BTreeMap;
use tree::name::ImagePath;
use tree::refusal::{Class, Result};
use tree::{Content, Node, Tree};

/// More than ten times what Debian has in one file.
const MOST_BYTES: u64 = 64 << 20;

/// One file.
pub(super) struct Dropin<'t> {
    /// Where it is.
    pub(super) path: &'t ImagePath,
    content: Option<&'t Content>,
}

/// The files of `directories`, the strongest first, that end in `suffix`: by name. Hidden ones are none.
pub(super) fn files<'t>(tree: &'t Tree, directories: &[&str], suffix: &str) -> Vec<Dropin<'t>> {
    let mut found: BTreeMap<&str, Dropin<'t>> = BTreeMap::new();
    for directory in directories {
        let Ok(directory) = directory.parse::<ImagePath>() else { continue };
        for (path, entry) in tree.within(&directory) {
            let name = path.file_name();
            let fits = name.ends_with(suffix) && !name.starts_with('.') && entry.node != Node::Directory;
            if !fits || path.parent().is_none_or(|parent| parent != directory) {
                continue;
            }
            found.entry(name).or_insert_with(|| {
                let content = follow(tree, path).and_then(|(_, entry)| match &entry.node {
                    Node::File(content) => Some(content),
                    _ => None,
                });
                Dropin { path, content }
            });
        }
    }
    found.into_values().collect()
}

impl Dropin<'_> {
    /// What is in it.
    pub(super) fn bytes(&self, read: Read<'_>) -> Result<Vec<u8>> {
        let Some(content) = self.content else { return Ok(Vec::new()) };
        if content.len() > MOST_BYTES {
            let cause = format!("expected at most {MOST_BYTES} bytes, found {}", content.len());
            return Err(refuse(Class::Archive, self.path.as_str(), cause));
        }
        bytes_of(content, read)
    }
}
