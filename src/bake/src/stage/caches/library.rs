//! `/etc/ld.so.cache`: which file a program gets that asks for a library, as `ldconfig` of Debian's libc-bin makes it.
//!
//! ```text
//! ld.so.conf, built-in directories ─► directories, each once ─► libraries by name ─► cache, links
//! ```
//! Of several files with one name (`DT_SONAME`) in a directory the one with the highest version is it, and the name
//! becomes a link to it where it is none yet; a broken link with a version is taken away. Directories below
//! `glibc-hwcaps` hold variants for better processors and get no links.
//!
//! Where `ldconfig` depends on the order in which a file system lists a directory (two names that differ in leading
//! zeros only), the order here is that of the names. Not supported, on purpose: 32-bit libraries, since a lock has packages of
//! one architecture; `/var/cache/ldconfig/aux-cache`, which knows libraries by inode and change time, so that
//! none of it can hold in an image.

mod conf;
mod elf;
mod format;

use super::follow::follow;
use crate::stage::{Read, refuse};
use elf::Shared;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use tree::name::{Arch, ImagePath};
use tree::refusal::{Class, Result};
use tree::{Node, Tree};

/// More libraries than any system has; keeps offsets within 32 bits.
const MOST: usize = 1 << 17;

/// What `ldconfig` would write.
pub(super) struct LibraryCache {
    /// The cache.
    pub(super) cache: Vec<u8>,
    /// Links that change: their new target, or nothing where they go away.
    pub(super) links: BTreeMap<ImagePath, Option<String>>,
}

/// The cache of `tree`; `version` is that of libc-bin, which is part of the cache.
pub(super) fn cache(tree: &Tree, arch: Arch, version: &str, read: Read<'_>) -> Result<LibraryCache> {
    let mut search = Search { tree, arch, read, known: BTreeMap::new(), links: BTreeMap::new() };
    let (mut libraries, mut variants) = (Vec::new(), BTreeSet::new());
    for directory in directories(tree, arch, read)? {
        libraries.extend(search.directory(&directory)?);
        variants.extend(directory.variant);
        if libraries.len() > MOST {
            return Err(refuse(Class::Archive, directory.path, format!("expected at most {MOST} libraries")));
        }
    }
    let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    let generator = format!("ldconfig (Debian GLIBC {version}) stable release version {upstream}");
    Ok(LibraryCache { cache: format::bytes(libraries, &variants, arch, &generator), links: search.links })
}

/// A directory of libraries.
struct Directory {
    /// As it was written.
    path: String,
    /// Where it really is.
    real: ImagePath,
    /// Its name, for one below `glibc-hwcaps`.
    variant: Option<String>,
}

/// All directories, each once and under the name that came first.
fn directories(tree: &Tree, arch: Arch, read: Read<'_>) -> Result<Vec<Directory>> {
    let multiarch = match arch {
        Arch::Amd64 => "x86_64-linux-gnu",
        Arch::Arm64 => "aarch64-linux-gnu",
    };
    let mut paths = conf::directories(tree, read)?;
    // in libc's source: the order of Debian
    paths.extend([format!("/lib/{multiarch}"), format!("/usr/lib/{multiarch}")]);
    paths.extend(["/lib".to_owned(), "/usr/lib".to_owned()]);
    let (mut known, mut all) = (BTreeSet::new(), Vec::new());
    for path in paths {
        let path = path.trim_end().trim_end_matches('/');
        let Some(real) = directory(tree, path) else { continue };
        if !known.insert(real.clone()) {
            continue;
        }
        all.push(Directory { path: path.to_owned(), real: real.clone(), variant: None });
        let Some(variants) = directory(tree, &format!("{real}/glibc-hwcaps")) else { continue };
        for (name, _) in children(tree, &variants) {
            let usable = !name.starts_with('.') && !name.contains(':');
            let Some(real) = directory(tree, &format!("{variants}/{name}")) else { continue };
            if usable && known.insert(real.clone()) {
                let path = format!("{path}/glibc-hwcaps/{name}");
                all.push(Directory { path, real, variant: Some(name.to_owned()) });
            }
        }
    }
    Ok(all)
}

/// The directory that `path` leads to.
fn directory(tree: &Tree, path: &str) -> Option<ImagePath> {
    let (real, entry) = follow(tree, &path.parse().ok()?)?;
    (entry.node == Node::Directory).then(|| real.clone())
}

/// What is right in `directory`, by name.
fn children<'t>(tree: &'t Tree, directory: &ImagePath) -> impl Iterator<Item = (&'t str, &'t ImagePath)> {
    let above = if directory.as_str() == "/" { 1 } else { directory.as_str().len() + 1 };
    tree.within(directory).filter_map(move |(path, _)| {
        let name = path.as_str().get(above..)?;
        (!name.is_empty() && !name.contains('/')).then_some((name, path))
    })
}

/// Files are read once, however many names lead to them.
struct Search<'a> {
    tree: &'a Tree,
    arch: Arch,
    read: Read<'a>,
    known: BTreeMap<&'a ImagePath, Option<Shared>>,
    links: BTreeMap<ImagePath, Option<String>>,
}

/// Who has a name.
struct Holder {
    file: String,
    is_link: bool,
    level: u32,
}

impl<'a> Search<'a> {
    /// The libraries of one directory, and its links.
    fn directory(&mut self, directory: &Directory) -> Result<Vec<format::Library>> {
        let mut holders: BTreeMap<String, Holder> = BTreeMap::new();
        let files: Vec<_> =
            children(self.tree, &directory.real).filter(|(name, _)| is_library(name)).collect();
        for (name, path) in files {
            let Some((soname, holder)) = self.file(name, path)? else { continue };
            let better = holders.get(&soname).is_none_or(|known| {
                let newer = || format::compare(&known.file, name) == Ordering::Less;
                (known.is_link && !holder.is_link) || (known.is_link == holder.is_link && newer())
            });
            if better {
                holders.insert(soname, holder);
            }
        }
        let mut libraries = Vec::new();
        for (soname, Holder { file, is_link, level }) in holders {
            let variant = directory.variant.clone();
            if variant.is_none() && !is_link {
                self.link(&directory.real, &soname, &file);
            }
            let file = if variant.is_none() { &soname } else { &file };
            libraries.push(format::Library {
                path: format!("{}/{file}", directory.path),
                soname,
                variant,
                level,
            });
        }
        Ok(libraries)
    }

    /// The name that the file or link at `path` stands for.
    fn file(&mut self, name: &str, path: &'a ImagePath) -> Result<Option<(String, Holder)>> {
        let mut is_link = self.tree.get(path).is_some_and(|entry| matches!(entry.node, Node::Symlink(_)));
        let Some((real, entry)) = follow(self.tree, path) else {
            if is_link && name.contains(".so.") {
                self.links.insert(path.clone(), None);
            }
            return Ok(None);
        };
        let Node::File(content) = &entry.node else { return Ok(None) };
        if !self.known.contains_key(real) {
            self.known.insert(real, elf::read(content, self.arch, self.read)?);
        }
        let Some(shared) = self.known.get(real).and_then(Option::as_ref) else { return Ok(None) };
        let mut soname = shared.soname.clone().unwrap_or_else(|| name.to_owned());
        if is_link {
            // the library's own name, or that of linkers (`libx.so` of `libx.so.1`); any other link is like a file
            is_link = name == soname || (name.ends_with(".so") && soname.starts_with(name));
        }
        if is_link {
            name.clone_into(&mut soname);
        }
        Ok(Some((soname, Holder { file: name.to_owned(), is_link, level: shared.level })))
    }

    /// Makes `soname` lead to `file`, unless it does or is not a link.
    fn link(&mut self, directory: &ImagePath, soname: &str, file: &str) {
        let (Ok(at), Ok(to)) = (directory.join(soname), directory.join(file)) else { return };
        let real = |path| follow(self.tree, path).map(|(real, _)| real);
        let free = self.tree.get(&at).is_none_or(|entry| matches!(entry.node, Node::Symlink(_)));
        if free && !soname.contains('/') && at != to && real(&at) != real(&to) {
            self.links.insert(at, Some(file.to_owned()));
        }
    }
}

/// Whether a file of that name may be a library: `lib*.so*`, `ld-*.so*`, and no temporary file of dpkg, rpm or prelink.
fn is_library(name: &str) -> bool {
    let named = ((name.starts_with("lib") || name.starts_with("ld-")) && name.contains(".so"))
        || name.starts_with("ld.so.")
        || name.starts_with("ld64.so.");
    let temporary = name.ends_with(".dpkg-new") || name.ends_with(".dpkg-tmp");
    named && !temporary && !name.contains(';') && !name.contains(".#prelink#")
}
