//! Files of one sort in several directories, of which the stronger replace those of the weaker by name: how
//! systemd finds its configuration (tmpfiles.d(5), hwdb(7)).

use super::follow::follow;
use crate::name::ImagePath;
use crate::refusal::{Class, Result};
use crate::stage::{Read, bytes_of, refuse};
use crate::tree::{Content, Node, Tree};
use std::collections::BTreeMap;

/// More than ten times what Debian has in one file.
const MOST_BYTES: u64 = 64 << 20;

/// One file.
pub(super) struct Dropin<'t> {
    /// Where it is.
    pub(super) path: &'t ImagePath,
    content: &'t Content,
}

/// The files of `directories`, the strongest first, that end in `suffix`: by name. A link to `/dev/null` is none, and
/// takes the name from those of weaker directories.
pub(super) fn files<'t>(tree: &'t Tree, directories: &[&str], suffix: &str) -> Vec<Dropin<'t>> {
    let mut found: BTreeMap<&str, Option<Dropin<'t>>> = BTreeMap::new();
    for directory in directories {
        let Ok(directory) = directory.parse::<ImagePath>() else { continue };
        for (path, entry) in tree.within(&directory) {
            let name = path.file_name();
            let here = path.parent().is_some_and(|parent| parent == directory) && name.ends_with(suffix);
            if !here || found.contains_key(name) {
                continue;
            }
            match follow(tree, path).map(|(_, entry)| &entry.node) {
                Some(Node::File(content)) => _ = found.insert(name, Some(Dropin { path, content })),
                None if entry.node == Node::Symlink("/dev/null".to_owned()) => _ = found.insert(name, None),
                _ => {}
            }
        }
    }
    found.into_values().flatten().collect()
}

impl Dropin<'_> {
    /// What is in it.
    pub(super) fn bytes(&self, read: Read<'_>) -> Result<Vec<u8>> {
        if self.content.len() > MOST_BYTES {
            let cause = format!("size, wanted at most {MOST_BYTES}, got {}", self.content.len());
            return Err(refuse(Class::Archive, self.path.as_str(), cause));
        }
        bytes_of(self.content, read)
    }
}
