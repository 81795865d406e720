//! Where a path leads, over symbolic and hard links, as path_resolution(7) says it of a system whose root is the tree.

use tree::name::ImagePath;
use tree::{Entry, Node, Tree};

/// As many links as Linux follows.
const MOST: usize = 40;

/// What `path` leads to, with its own name; nothing where a link is broken or goes in a circle. A hard link leads to
/// the name that has the content, so that two names of one file are the same here.
pub(in super::super) fn follow<'t>(tree: &'t Tree, path: &ImagePath) -> Option<(&'t ImagePath, &'t Entry)> {
    let mut open: Vec<String> = parts(path.as_str());
    let mut at = ImagePath::root();
    let mut links = 0;
    while let Some(part) = open.pop() {
        if part == ".." {
            at = at.parent().unwrap_or_else(ImagePath::root);
            continue;
        }
        let next = at.join(&part).ok()?;
        match &tree.get(&next)?.node {
            Node::Directory => at = next,
            Node::Symlink(target) if links < MOST => {
                links += 1;
                if target.starts_with('/') {
                    at = ImagePath::root();
                }
                open.extend(parts(target));
            }
            Node::Symlink(_) => return None,
            _ if !open.is_empty() => return None,
            _ => at = next,
        }
    }
    named(tree, &at)
}

/// The entry at `path`, or the one whose content it shares.
fn named<'t>(tree: &'t Tree, path: &ImagePath) -> Option<(&'t ImagePath, &'t Entry)> {
    let (mut path, mut entry) = tree.get_key_value(path)?;
    for _ in 0..MOST {
        let Node::Hardlink(target) = &entry.node else { return Some((path, entry)) };
        (path, entry) = tree.get_key_value(target)?;
    }
    None
}

/// The parts of a path, the last first.
fn parts(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
}
