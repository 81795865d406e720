//! Kernel modules: the indexes that modprobe and udev look into, as depmod(8) makes them in a kernel package's postinst.
//!
//! ```text
//! /usr/lib/modules/VERSION/**.ko[.xz]  ─read, unpack─► Facts ─┐
//! …/modules.order                                             ├─► Modules ─► modules.dep, .alias, .symbols, .softdep,
//! …/modules.builtin, .builtin.modinfo ────────────────────────┘              .weakdep, .devname and .bin of some
//! ```
//! The bytes are those of kmod 34, Debian 13's, with an empty depmod.d; `tests/tests/kernel` holds them to it. But the lines
//! of `modules.symbols`, which nothing reads where there is its `.bin`, are in the order of their names, and so are modules
//! that `modules.order` does not name: kmod has both in the order of a hash table. Of modules
//! of one name one below `updates/` wins, else the first by path. Unpacking a thousand modules takes seconds, so what
//! they say is kept for the next bake under the digest of their digests. Not supported, on purpose: modules.*map files, which
//! nothing has read since Linux 2.6, and `depmod.d`: a tree with such a file is refused.

pub(super) mod facts;
mod graph;
mod text;
mod trie;

#[cfg(test)]
pub(super) mod fixture;

use super::{Generated, Memory, bytes_of, image_path, refuse};
use crate::archive::decompress::{self, Form, Limits};
use facts::Facts;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::Read as _;
use text::names;
use tree::digest::Sha256;
use tree::name::ImagePath;
use tree::refusal::{Class, Result};
use tree::{Content, Node, Stored, Tree};

/// Where modules are.
const DIRECTORY: &str = "/usr/lib/modules";
/// The sort of the notes that keep facts; its number changes with what is read from a module.
const NOTE: &str = "modules-2";
/// Far above the largest: `amdgpu` has 20 MiB with its symbols.
const MAX_MODULE: u64 = 64 << 20;
/// How many modules are in memory at once while they are read.
const AT_ONCE: usize = 64;
/// More than three times as many as Debian's largest kernel has; an index has 16 bits for their number.
const MAX_MODULES: usize = 16_384;

/// Reads a range of a blob.
type Read<'a> = &'a dyn Fn(&Stored) -> Result<Vec<u8>>;

/// The modules of one kernel, in the order of `modules.order`.
#[derive(Debug)]
pub(super) struct Modules {
    /// `6.12.117+deb13-cloud-amd64`.
    pub(super) version: String,
    /// All of them.
    pub(super) modules: Vec<Module>,
    /// The text of `modules.builtin`: what the kernel itself has.
    builtin: Option<String>,
    builtin_modinfo: Option<Vec<u8>>,
}

/// One module.
#[derive(Debug)]
pub(super) struct Module {
    /// Below the directory of its version: `kernel/drivers/block/virtio_blk.ko.xz`.
    pub(super) file: String,
    /// With `_` for `-`: `virtio_blk`.
    pub(super) name: String,
    /// What it says.
    pub(super) facts: Facts,
    /// All that it needs, by place: what is needed by another comes after it.
    pub(super) needs: Vec<usize>,
    /// Its file's bytes.
    pub(super) content: Content,
}

/// The modules of each kernel in the tree, by version.
pub(super) fn read(tree: &Tree, read: Read<'_>, memory: &dyn Memory) -> Result<Vec<Modules>> {
    refuse_settings(tree)?;
    let mut found: BTreeMap<String, BTreeMap<String, &Content>> = BTreeMap::new();
    for (path, entry) in tree.within(&image_path(DIRECTORY)?) {
        let below = path.as_str().strip_prefix(DIRECTORY).and_then(|rest| rest.strip_prefix('/'));
        let Some((version, file)) = below.and_then(|below| below.split_once('/')) else { continue };
        let content = match &entry.node {
            Node::File(content) => content,
            Node::Hardlink(target) => match tree.get(target).map(|entry| &entry.node) {
                Some(Node::File(content)) => content,
                _ => continue,
            },
            _ => continue,
        };
        found.entry(version.to_owned()).or_default().insert(file.to_owned(), content);
    }
    found.retain(|_, files| files.keys().any(|file| form(file).is_some()));
    found.into_iter().map(|(version, files)| of_kernel(version, &files, read, memory)).collect()
}

impl Modules {
    /// The indexes.
    pub(super) fn files(&self) -> Result<Vec<Generated>> {
        let directory = format!("{DIRECTORY}/{}", self.version);
        let files = text::files(self).map_err(|error| refuse(Class::Archive, &directory, error))?;
        files
            .into_iter()
            .map(|(name, bytes)| Generated::file(&format!("{directory}/{name}"), 0o644, bytes))
            .collect()
    }

    /// Whether the kernel itself has the module `name`, which has `_` for `-`.
    pub(super) fn is_built_in(&self, name: &str) -> bool {
        self.builtin.as_deref().is_some_and(|text| names(text).any(|known| known == name))
    }
}

/// Reads the modules of one kernel and works out what each needs.
fn of_kernel(
    version: String,
    files: &BTreeMap<String, &Content>,
    read: Read<'_>,
    memory: &dyn Memory,
) -> Result<Modules> {
    let directory = format!("{DIRECTORY}/{version}");
    let list = |name: &str| -> Result<Option<Vec<u8>>> {
        /// Debian's `modules.builtin.modinfo` has 64 KiB.
        const MAX: u64 = 4 << 20;
        match files.get(name) {
            None => Ok(None),
            Some(content) if content.len() <= MAX => bytes_of(content, read).map(Some),
            Some(content) => {
                let cause = format!("expected at most {MAX} bytes, found {}", content.len());
                Err(refuse(Class::Archive, format!("{directory}/{name}"), cause))
            }
        }
    };
    let text = |name: &str| match list(name)? {
        None => Ok(None),
        Some(bytes) => match String::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Ok(Some(text)),
            _ => Err(refuse(Class::Archive, format!("{directory}/{name}"), "it is not ASCII")),
        },
    };
    let chosen = in_order(chosen(files), text("modules.order")?.as_deref().unwrap_or_default());
    if chosen.len() > MAX_MODULES {
        let cause = format!("expected at most {MAX_MODULES} modules, found {}", chosen.len());
        return Err(refuse(Class::Archive, directory, cause));
    }
    let facts = remembered(&directory, &chosen, read, memory)?;
    let needs = graph::needed(&facts).map_err(|graph::DependencyCycle(circle)| {
        let mut names: Vec<&str> = circle.iter().map(|&at| chosen[at].0.as_str()).collect();
        names.sort_unstable();
        let cause = format!("cyclic module dependency: {}", names.join(", "));
        refuse(Class::Archive, &directory, cause)
    })?;
    let mut modules = Vec::with_capacity(chosen.len());
    for (((name, file, content), facts), needs) in chosen.into_iter().zip(facts).zip(needs) {
        modules.push(Module { file: file.to_owned(), name, facts, needs, content: content.clone() });
    }
    Ok(Modules {
        modules,
        builtin: text("modules.builtin")?,
        builtin_modinfo: list("modules.builtin.modinfo")?,
        version,
    })
}

/// A module's name, file and content.
type Chosen<'a> = (String, &'a str, &'a Content);

/// One file for each name.
fn chosen<'a>(files: &'a BTreeMap<String, &'a Content>) -> Vec<Chosen<'a>> {
    let mut chosen: BTreeMap<String, (&str, &Content)> = BTreeMap::new();
    for (file, content) in files {
        // where the sources of a kernel are linked to; depmod does not go there either
        if form(file).is_none() || file.starts_with("build/") || file.starts_with("source/") {
            continue;
        }
        let name = text::name_of(file);
        match chosen.get(&name) {
            Some((known, _)) if known.starts_with("updates/") || !file.starts_with("updates/") => {}
            _ => _ = chosen.insert(name, (file, content)),
        }
    }
    chosen.into_iter().map(|(name, (file, content))| (name, file, content)).collect()
}

/// In the order of `modules.order`, which names each as `….ko`; those that it does not name come after, by name.
fn in_order<'a>(mut chosen: Vec<Chosen<'a>>, order: &str) -> Vec<Chosen<'a>> {
    let mut places = BTreeMap::new();
    for (place, line) in order.lines().enumerate() {
        places.entry(line).or_insert(place);
    }
    let place = |file: &str| {
        let plain = file.rfind(".ko").map_or(file, |at| &file[..at + 3]);
        places.get(plain).copied().unwrap_or(usize::MAX)
    };
    chosen.sort_by_cached_key(|(name, file, _)| (place(file), name.clone()));
    chosen
}

/// What the modules say: as it was kept in an earlier bake, or read again and kept.
fn remembered(
    directory: &str,
    chosen: &[Chosen<'_>],
    read: Read<'_>,
    memory: &dyn Memory,
) -> Result<Vec<Facts>> {
    let key = key(chosen);
    let known = memory.recall(NOTE, &key).and_then(|bytes| serde_json::from_slice::<Vec<Facts>>(&bytes).ok());
    if let Some(facts) = known.filter(|facts| facts.len() == chosen.len()) {
        return Ok(facts);
    }
    let mut all = Vec::with_capacity(chosen.len());
    for some in chosen.chunks(AT_ONCE) {
        let bytes: Vec<Vec<u8>> =
            some.iter().map(|(_, _, content)| bytes_of(content, read)).collect::<Result<_>>()?;
        let facts = some.par_iter().zip(bytes).map(|((_, file, _), bytes)| {
            one(file, &bytes).map_err(|cause| refuse(Class::Archive, format!("{directory}/{file}"), cause))
        });
        all.extend(facts.collect::<Result<Vec<Facts>>>()?);
    }
    // facts have no map with keys that are not text: this cannot fail
    memory.keep(NOTE, &key, &serde_json::to_vec(&all).unwrap_or_default());
    Ok(all)
}

/// What decides what is read from modules: how each is compressed, and its bytes.
fn key(chosen: &[Chosen<'_>]) -> Sha256 {
    let mut all = Vec::with_capacity(chosen.len() * 40);
    for (_, file, content) in chosen {
        let form = form(file).map(|form| form.to_string()).unwrap_or_default();
        all.extend_from_slice(form.as_bytes());
        all.push(0);
        all.extend_from_slice(&content.digest().0);
    }
    Sha256::of(&all)
}

fn one(file: &str, bytes: &[u8]) -> Result<Facts, Box<dyn std::error::Error + Send + Sync>> {
    let Some(form) = form(file) else { return Ok(Facts::default()) };
    let mut plain = Vec::new();
    decompress::reader(form, bytes, Limits::up_to(MAX_MODULE))?.read_to_end(&mut plain)?;
    Ok(facts::of(&plain)?)
}

/// Whether a module says that it goes by `name` too, dashes aside.
pub(super) fn is_alias_of(facts: &Facts, name: &str) -> bool {
    facts.aliases.iter().any(|alias| text::normal(alias).as_deref() == Some(name))
}

/// How a file of this name is compressed, if it is a module.
fn form(file: &str) -> Option<Form> {
    let at = file.rfind(".ko")?;
    Form::of_extension(&file[at + 3..])
}

/// Settings of depmod decide which of two modules wins; they are not read, so there must be none.
fn refuse_settings(tree: &Tree) -> Result<()> {
    for directory in ["/etc/depmod.d", "/usr/local/lib/depmod.d", "/usr/lib/depmod.d"] {
        let directory: ImagePath = image_path(directory)?;
        let file = tree.within(&directory).find(|(path, _)| path.as_str().ends_with(".conf"));
        if let Some((path, _)) = file {
            let cause = "depmod configuration, which is not supported";
            return Err(refuse(Class::Usage, path.as_str(), cause).hint(
                "exclude it with [files] exclude, and put modules that take precedence below `updates/`",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
