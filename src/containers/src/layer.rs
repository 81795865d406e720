//! A layer as a snapshot of overlayfs: what is in its tar, with whiteouts as the kernel has them.
//!
//! | in the tar | in the snapshot |
//! |---|---|
//! | `d/.wh.x` | `d/x`: a character device 0:0; nothing where the layer itself has a file `x`, and for a directory `x` of it the next line |
//! | `d/.wh..wh..opq` | the attribute `trusted.overlay.opaque` of `d`, with the value `y` |
//! | an entry below a directory that it does not have | that directory, with mode and owner of the layer below |
//!
//! Source: OCI Image Format Specification 1.1 (`layer.md`), the kernel's `Documentation/filesystems/overlayfs.rst`.
//!
//! A layer is rejected that says what only overlayfs may say (a character device 0:0, attributes `trusted.*`), one with what AUFS
//! left (`.wh..wh.*`), and one with attributes that no file system of Linux keeps for a container.

use std::collections::{BTreeMap, BTreeSet};
use tree::name::ImagePath;
use tree::{Meta, Node};

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
const AUFS: &str = ".wh..wh.";
const OPAQUE_ATTRIBUTE: &str = "trusted.overlay.opaque";
/// Namespaces of attributes that a layer may have.
const ATTRIBUTES: [&str; 4] =
    ["user.", "security.capability", "system.posix_acl_access", "system.posix_acl_default"];

/// A file of a layer, a snapshot or a store, with its absolute path there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path.
    pub path: ImagePath,
    /// Mode, owner, time, attributes.
    pub meta: Meta,
    /// What it is. A hard link's target is an absolute path of the same kind.
    pub node: Node,
}

/// The directories of the layers below, as a container sees them.
#[derive(Debug, Clone, Default)]
pub struct Below(BTreeMap<ImagePath, Meta>);

/// Why a layer is rejected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LayerError {
    /// A name of AUFS, or a whiteout of nothing.
    #[error("`{0}` is not a whiteout that this format has")]
    Whiteout(ImagePath),
    /// A whiteout that is not an empty regular file.
    #[error("`{0}` is a whiteout, but not an empty regular file")]
    NotEmpty(ImagePath),
    /// A character device 0:0.
    #[error("`{0}` is a character device 0:0, which is a whiteout of overlayfs")]
    Device(ImagePath),
    /// An attribute that a layer may not have.
    #[error("`{0}` has the attribute `{1}`, which a layer may not have")]
    Attribute(ImagePath, String),
    /// Two things at one path.
    #[error("`{0}` is there twice")]
    Twice(ImagePath),
    /// A path below what is no directory.
    #[error("`{0}` is below what is no directory")]
    Parent(ImagePath),
}

impl Below {
    /// The snapshot of `layer`, whose entries have paths below `/`, over what is below; that is changed to what is then seen. The first
    /// file is the root; each directory comes before what it holds.
    pub fn snapshot(&mut self, layer: Vec<File>) -> Result<Vec<File>, LayerError> {
        let mut files: BTreeMap<ImagePath, File> = BTreeMap::new();
        let (mut hidden, mut opaque) = (BTreeSet::new(), BTreeSet::new());
        for file in layer {
            let name = file.path.file_name();
            let Some(of) = name.strip_prefix(WHITEOUT) else {
                if file.path.as_str().contains("/.wh.") {
                    return Err(LayerError::Whiteout(file.path));
                }
                check(&file)?;
                if let Some(old) = files.insert(file.path.clone(), file) {
                    return Err(LayerError::Twice(old.path));
                }
                continue;
            };
            // no path is without a parent but the root, which has no such name
            let parent = file.path.parent().unwrap_or_else(ImagePath::root);
            let is_opaque = name == OPAQUE;
            if !matches!(&file.node, Node::File(content) if content.is_empty()) {
                return Err(LayerError::NotEmpty(file.path));
            }
            let hides = match is_opaque {
                true => Some(parent),
                false if name.starts_with(AUFS) => None,
                false => parent.join(of).ok().filter(|path| path.parent().as_ref() == Some(&parent)),
            };
            let hides = hides.ok_or_else(|| LayerError::Whiteout(file.path.clone()))?;
            if is_opaque {
                opaque.insert(hides)
            } else {
                hidden.insert((hides, file.meta.mtime))
            };
        }
        let mut whiteouts = Vec::new();
        for (path, mtime) in hidden {
            match files.get(&path).map(|file| &file.node) {
                // what is there instead
                Some(Node::Directory) => _ = opaque.insert(path),
                Some(_) => {}
                None => {
                    self.remove(&path, false);
                    let node = Node::Character { major: 0, minor: 0 };
                    whiteouts.push(File { path, meta: Meta::root(0, mtime), node });
                }
            }
        }
        opaque.iter().for_each(|path| self.remove(path, true));
        files.extend(whiteouts.into_iter().map(|file| (file.path.clone(), file)));
        self.add_directories(&mut files, &opaque)?;
        for path in &opaque {
            if let Some(directory) = files.get_mut(path) {
                directory.meta.xattrs.insert(OPAQUE_ATTRIBUTE.to_owned(), b"y".to_vec());
            }
        }
        self.cover(&files);
        Ok(files.into_values().collect())
    }

    /// Adds the directories that are only implied.
    fn add_directories(
        &self,
        files: &mut BTreeMap<ImagePath, File>,
        opaque: &BTreeSet<ImagePath>,
    ) -> Result<(), LayerError> {
        let parents = files.keys().filter_map(ImagePath::parent);
        let needed: BTreeSet<ImagePath> =
            parents.chain(opaque.iter().cloned()).chain([ImagePath::root()]).collect();
        for mut path in needed {
            let below = path.clone();
            loop {
                match files.get(&path) {
                    Some(file) if file.node == Node::Directory => break,
                    Some(_) => return Err(LayerError::Parent(below)),
                    None => {
                        let meta = self.0.get(&path).cloned().unwrap_or_else(|| Meta::root(0o755, 0));
                        let file = File { path: path.clone(), meta, node: Node::Directory };
                        files.insert(path.clone(), file);
                    }
                }
                match path.parent() {
                    Some(parent) => path = parent,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Takes away what is below `path`, and itself unless its `children_only` go.
    fn remove(&mut self, path: &ImagePath, children_only: bool) {
        // names like `a-b` sort between `a` and `a/b`
        let within = self.0.range(path.clone()..).map(|(known, _)| known);
        let within = within.take_while(|known| known.as_str().starts_with(path.as_str()));
        let gone = within.filter(|known| known.is_within(path) && !(children_only && *known == path));
        for known in gone.cloned().collect::<Vec<_>>() {
            self.0.remove(&known);
        }
    }

    /// What is seen with a snapshot above.
    fn cover(&mut self, files: &BTreeMap<ImagePath, File>) {
        for (path, file) in files {
            match &file.node {
                Node::Directory => {
                    let mut meta = file.meta.clone();
                    meta.xattrs.remove(OPAQUE_ATTRIBUTE);
                    self.0.insert(path.clone(), meta);
                }
                _ if self.0.contains_key(path) => self.remove(path, false),
                _ => {}
            }
        }
    }
}

fn check(file: &File) -> Result<(), LayerError> {
    if file.node == (Node::Character { major: 0, minor: 0 }) {
        return Err(LayerError::Device(file.path.clone()));
    }
    let is_known = |name: &&String| {
        !ATTRIBUTES.iter().any(|known| match known.ends_with('.') {
            true => name.starts_with(known),
            false => name == known,
        })
    };
    match file.meta.xattrs.keys().find(is_known) {
        Some(name) => Err(LayerError::Attribute(file.path.clone(), name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tree::Content;

    fn path(text: &str) -> ImagePath {
        text.parse().unwrap()
    }

    fn file(text: &str, content: &[u8]) -> File {
        let node = Node::File(Content::Inline(content.into()));
        File { path: path(text), meta: Meta::root(0o644, 5), node }
    }

    fn directory(text: &str, mode: u16) -> File {
        File { path: path(text), meta: Meta::root(mode, 5), node: Node::Directory }
    }

    /// A line for each file: path, mode of a directory, what it is.
    fn shown(files: &[File]) -> Vec<String> {
        let line = |file: &File| {
            let opaque = if file.meta.xattrs.contains_key(OPAQUE_ATTRIBUTE) { " opaque" } else { "" };
            match &file.node {
                Node::Directory => format!("{} {:o}{opaque}", file.path, file.meta.mode),
                Node::Character { major: 0, minor: 0 } => format!("{} gone", file.path),
                _ => file.path.to_string(),
            }
        };
        files.iter().map(line).collect()
    }

    #[test]
    fn whiteouts_become_those_of_overlayfs() {
        let mut below = Below::default();
        let first = vec![
            directory("/", 0o755),
            directory("/a", 0o700),
            directory("/a/b", 0o711),
            file("/a/b/x", b"x"),
            directory("/c", 0o750),
            file("/c/y", b"y"),
        ];
        let all = ["/ 755", "/a 700", "/a/b 711", "/a/b/x", "/c 750", "/c/y"];
        assert_eq!(shown(&below.snapshot(first).unwrap()), all);
        let second = vec![file("/a/b/.wh.x", b""), file("/a/b/new", b"1"), file("/c/.wh..wh..opq", b"")];
        let all = ["/ 755", "/a 700", "/a/b 711", "/a/b/new", "/a/b/x gone", "/c 750 opaque"];
        assert_eq!(shown(&below.snapshot(second).unwrap()), all, "modes are those of the layer below");
        let third = vec![file("/.wh.a", b""), file("/c/d/e", b"")];
        assert_eq!(
            shown(&below.snapshot(third).unwrap()),
            ["/ 755", "/a gone", "/c 750", "/c/d 755", "/c/d/e"]
        );
        let fourth = vec![file("/a/b/z", b"")];
        assert_eq!(
            shown(&below.snapshot(fourth).unwrap()),
            ["/ 755", "/a 755", "/a/b 755", "/a/b/z"],
            "what is gone has no mode"
        );
    }

    #[test]
    fn what_is_in_place_of_what_is_hidden_says_so_itself() {
        let mut below = Below::default();
        below.snapshot(vec![directory("/a", 0o700), directory("/a/b", 0o700)]).unwrap();
        let replaced = vec![file("/.wh.a", b""), directory("/a", 0o755), file("/a/b/c", b"")];
        assert_eq!(
            shown(&below.snapshot(replaced).unwrap()),
            ["/ 755", "/a 755 opaque", "/a/b 755", "/a/b/c"]
        );
        let file_instead = vec![file("/.wh.a", b""), file("/a", b"")];
        assert_eq!(shown(&below.snapshot(file_instead).unwrap()), ["/ 755", "/a"]);
        assert!(below.0.keys().eq([&path("/")]));
    }

    #[test]
    fn what_only_overlayfs_or_aufs_may_say_is_rejected() {
        let device = File { node: Node::Character { major: 0, minor: 0 }, ..file("/d", b"") };
        let with = |name: &str| {
            let mut file = file("/f", b"");
            file.meta.xattrs.insert(name.to_owned(), vec![1]);
            file
        };
        let link = File { node: Node::Symlink("x".to_owned()), ..file("/.wh.x", b"") };
        for layer in [
            vec![device],
            vec![with("trusted.overlay.opaque")],
            vec![with("user")],
            vec![with("security.selinux")],
            vec![with("security.capability.x")],
            vec![file("/.wh..wh.plnk", b"")],
            vec![file("/.wh.", b"")],
            vec![file("/.wh..", b"")],
            vec![file("/.wh...", b"")],
            vec![file("/.wh.d/x", b"")],
            vec![file("/.wh.x", b"content")],
            vec![link],
            vec![file("/a", b""), file("/a", b"")],
            vec![file("/a", b""), file("/a/b", b"")],
            vec![file("/a", b""), file("/a/.wh..wh..opq", b"")],
        ] {
            assert!(Below::default().snapshot(layer.clone()).is_err(), "{layer:?}");
        }
        for name in ["user.x", "security.capability", "system.posix_acl_access"] {
            assert!(Below::default().snapshot(vec![with(name)]).is_ok(), "{name}");
        }
    }
}
