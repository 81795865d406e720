//! Staging: a plan and its unpacked inputs to the tree of the image. Pure but for `Inputs::read`.
//!
//! ```text
//! packages, by name ─────────┐
//! components: .debs, files ──┼─ claims ─settle─► tree ─exclude─┐
//! recipe: directories, files,┘                                 ├─ + what the bake makes ─► Tree
//! links, configure                                             │
//! sysusers.d of all, base-passwd's masters ─► accounts ────────┘
//! ```
//! The bake makes: accounts, homes, indexes of kernel modules, initrds, links of units, dpkg's database, the manifest, containerd's
//! store with the container images in it.
//!
//! What a package or recipe wants is a claim on a path; `claim` says who has it. What the bake makes itself comes
//! last and clashes with whatever is there: a recipe that wants its own `/etc/passwd` is told so. Times later than
//! the plan's epoch become the epoch.
//!
//! Not supported, on purpose: running anything of an input on the host. Maintainer scripts are data: `effects` does what a person has
//! found those to do that were reviewed, and `scripts` interprets all others, over the tree.

mod accounts;
mod caches;
mod claim;
mod components;
mod control;
mod dpkg;
mod effects;
mod exclude;
mod first_boot;
mod homes;
mod images;
mod initrd;
mod installed;
mod modules;
mod overlay;
mod packages;
mod privileges;
mod scripts;
mod units;

use crate::plan::Plan;
use crate::unpack::{Package, Unpacked};
use containers::store::Image;
pub(crate) use first_boot::units as first_boot_units;
use std::collections::BTreeMap;
use store::Store;
use tree::digest::Sha256;
use tree::name::{ImagePath, Name};
use tree::refusal::{Class, Refusal, Result, Stage};
use tree::scripts::Scripted;
use tree::{ALIASES, Content, Entry, Meta, Node, Origin, Stored, Tree, TreeError};

/// What is laid out: each package and component of the plan, unpacked.
pub struct Inputs<'a> {
    /// The packages of the lock, by name.
    pub packages: BTreeMap<Name, Package>,
    /// The components, by name.
    pub components: BTreeMap<Name, Unpacked>,
    /// The container images, in the order of the plan.
    pub images: Vec<Image>,
    /// Reads a range of a blob whole; asked only for small files (conffiles, sysusers.d, units) and
    /// kernel modules.
    pub read: &'a (dyn Fn(&Stored) -> Result<Vec<u8>> + Sync),
    /// Where what is slow to find out is kept for the next bake.
    pub memory: &'a dyn Memory,
    /// Is told how far the work is.
    pub told: OnStep<'a>,
}

/// Keeps what was found out about inputs, under a digest of those inputs. What is not kept, or not there any longer, is
/// found out again: nothing depends on it but time.
pub trait Memory {
    /// What was kept for `key`; `sort` says what it is, and how it is written.
    fn recall(&self, sort: &'static str, key: &Sha256) -> Option<Vec<u8>>;
    /// Keeps `bytes`.
    fn keep(&self, sort: &'static str, key: &Sha256, bytes: &[u8]);
}

/// The notes of a store.
impl Memory for Store {
    fn recall(&self, sort: &'static str, key: &Sha256) -> Option<Vec<u8>> {
        self.note(sort, key)
    }

    fn keep(&self, sort: &'static str, key: &Sha256, bytes: &[u8]) {
        // a store that is full or read-only stops no bake
        let _ = self.put_note(sort, key, bytes);
    }
}

/// No memory at all.
impl Memory for () {
    fn recall(&self, _: &'static str, _: &Sha256) -> Option<Vec<u8>> {
        None
    }

    fn keep(&self, _: &'static str, _: &Sha256, _: &[u8]) {}
}

/// How many steps `stage` has.
const STEPS: usize = 11;

/// Is told that so many steps of so many are done.
pub type OnStep<'a> = &'a dyn Fn(usize, usize);

/// Reads a range of a blob.
type Read<'a> = &'a dyn Fn(&Stored) -> Result<Vec<u8>>;

/// Lays out the tree of the image that `plan` describes.
///
/// Refuses, each time naming who and where: two owners of one path that nobody decides between (`Archive`), a
/// component whose dependencies are not in the image, a user, group or unit that nobody brings, a fixed id that is
/// given twice, an enabled unit that cannot start (`Usage`), a maintainer script that cannot be followed to its end, a .deb
/// that Debian does not vouch for and that grants what its recipe does not allow (`Archive`).
pub fn stage(plan: &Plan, inputs: &Inputs<'_>) -> Result<Tree> {
    let done = std::cell::Cell::new(0);
    let step = || {
        done.set(done.get() + 1);
        (inputs.told)(done.get(), STEPS);
    };
    let Configured { mut tree, accounts, replaced, interpreted } = configured(plan, inputs, &step)?;
    scripts::answers(plan, &interpreted)?;
    tree.set_scripts(interpreted.scripts);
    units::disable(plan, &mut tree)?;
    homes::apply(plan, &mut tree)?;
    step();
    let kernels = modules::read(&tree, inputs.read, inputs.memory)?;
    for kernel in &kernels {
        put(&mut tree, plan, "kernel modules", kernel.files()?)?;
    }
    step();
    let initrds = initrd::files(plan, &tree, &kernels, inputs.read)?;
    put(&mut tree, plan, "initrd", initrds)?;
    step();
    let units = units::links(plan, &tree, inputs.read)?;
    put(&mut tree, plan, "units", units)?;
    units::start::check(plan, &tree, &accounts, inputs.read)?;
    step();
    caches::make(plan, &mut tree, inputs.read)?;
    step();
    put(&mut tree, plan, "manifest", installed::manifest(plan)?)?;
    tree.change_meta(|_, meta| meta.mtime = meta.mtime.min(plan.epoch));
    let privileges = privileges::of(plan, &tree, accounts.grants, replaced, inputs.read)?;
    privileges::check(plan, &privileges)?;
    tree.set_privileges(privileges);
    // below a directory that only root may enter, so that nothing in it grants anything on the machine itself
    images::add(plan, &mut tree, &inputs.images)?;
    step();
    tree.finish().map_err(|error| refuse(Class::Archive, plan.kind.as_str(), error))
}

/// What became of the maintainer scripts of the packages of `plan`, without laying out the rest of the image. Refuses as `stage`
/// does.
pub fn scripts(plan: &Plan, inputs: &Inputs<'_>) -> Result<Vec<Scripted>> {
    configured(plan, inputs, &|| {}).map(|configured| configured.interpreted.scripts)
}

/// A tree in which all packages are installed and configured.
struct Configured {
    tree: Tree,
    accounts: accounts::Accounts,
    replaced: Vec<claim::Replaced>,
    interpreted: scripts::Interpreted,
}

/// Lays out packages, components and recipe, and does what maintainer scripts do.
fn configured(plan: &Plan, inputs: &Inputs<'_>, step: &dyn Fn()) -> Result<Configured> {
    let debs = packages::debs(plan, inputs)?;
    let trusts = scripts::trusts(plan, &debs)?;
    step();
    let mut claims = packages::claims(plan, &debs);
    let mut accounts = accounts::read(plan, &claims, inputs.read)?;
    claims.extend(components::claims(plan, inputs, &accounts)?);
    claims.extend(overlay::claims(plan, &accounts)?);
    claims.extend(first_boot::claims(plan)?);
    let through = aliases(&claims);
    step();
    let claim::ResolvedClaims { mut tree, lost, diversions, replaced } = claim::settle(plan, &debs, claims)?;
    check_aliases(&tree, &through)?;
    exclude::exclude(plan, &mut tree)?;
    step();
    put(&mut tree, plan, "accounts", accounts.files(plan)?)?;
    effects::apply(plan, &mut tree, &trusts, &accounts, inputs.read)?;
    put(&mut tree, plan, "dpkg database", dpkg::database(plan, &debs, &lost, &diversions, inputs.read)?)?;
    step();
    let interpreted =
        scripts::interpret(plan, &debs, &trusts, &mut tree, &mut accounts, inputs.read, inputs.memory)?;
    step();
    Ok(Configured { tree, accounts, replaced, interpreted })
}

/// Whether the package `name` is not Debian's.
fn is_third_party(plan: &Plan, name: &Name) -> bool {
    let package = plan.packages.iter().find(|package| package.name == *name);
    package.is_some_and(|package| package.is_third_party(&plan.suites))
}

/// A file, link or directory that the bake makes itself.
struct Generated {
    path: ImagePath,
    mode: u16,
    gid: u32,
    node: Node,
}

impl Generated {
    /// A file of root's.
    fn file(path: &str, mode: u16, bytes: impl AsRef<[u8]>) -> Result<Self> {
        let node = Node::File(Content::Inline(bytes.as_ref().into()));
        Ok(Self { path: image_path(path)?, mode, gid: 0, node })
    }

    /// A directory of root's, 0755.
    fn directory(path: &str) -> Result<Self> {
        Ok(Self { path: image_path(path)?, mode: 0o755, gid: 0, node: Node::Directory })
    }

    /// A symbolic link.
    fn link(path: ImagePath, target: impl Into<String>) -> Self {
        Self { path, mode: 0o777, gid: 0, node: Node::Symlink(target.into()) }
    }
}

/// Puts what the bake makes into the tree.
fn put(tree: &mut Tree, plan: &Plan, step: &str, all: Vec<Generated>) -> Result<()> {
    let origin = Origin::Made { step: step.to_owned() };
    for Generated { path, mode, gid, node } in all {
        let meta = Meta { gid, ..Meta::root(mode, plan.epoch) };
        // a maintainer script may have made the same link
        let is_there = |entry: &Entry| entry.node == node && matches!(node, Node::Symlink(_));
        if tree.get(&path).is_some_and(is_there) {
            continue;
        }
        tree.make_parents(&path, &origin, plan.epoch);
        tree.insert(&path, Entry { meta, node, origins: [origin.clone()].into() }).map_err(|error| {
            let hint = "the bake makes this path itself; remove it from the recipe, or exclude it with [files] exclude";
            refuse(Class::Archive, step, error).hint(hint)
        })?;
    }
    Ok(())
}

/// The links at the top of the tree that claims went through, each with one such path.
fn aliases(claims: &[claim::Claim]) -> BTreeMap<&'static str, ImagePath> {
    let mut through = BTreeMap::new();
    for claim in claims {
        let first = claim.path.relative().split('/').next().unwrap_or_default();
        if let Some(alias) = ALIASES.into_iter().find(|alias| *alias == first) {
            through.entry(alias).or_insert_with(|| claim.path.clone());
        }
    }
    through
}

/// Checks that what was moved below `/usr` is still found under the name that its owner gave it.
fn check_aliases(tree: &Tree, through: &BTreeMap<&'static str, ImagePath>) -> Result<()> {
    for (alias, path) in through {
        let link = image_path(&format!("/{alias}"))?;
        if !tree.get(&link).is_some_and(|entry| matches!(entry.node, Node::Symlink(_))) {
            let cause = TreeError::Alias { path: link, origin: format!("the owner of `{path}`") };
            return Err(refuse(Class::Archive, path.as_str(), cause)
                .hint("package `base-files` provides these links, but is not in the lock"));
        }
    }
    Ok(())
}

/// The bytes of `content`.
fn bytes_of(content: &Content, read: &dyn Fn(&Stored) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    match content {
        Content::Inline(bytes) => Ok(bytes.to_vec()),
        Content::Stored(stored) => read(stored),
    }
}

fn image_path(path: &str) -> Result<ImagePath> {
    path.parse().map_err(|error| refuse(Class::Archive, path, error))
}

fn refuse(
    class: Class,
    artifact: impl Into<String>,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Refusal {
    Refusal::new(class, artifact, Stage::Stage, cause)
}

/// All that a kernel module says of itself: aliases, dependencies and symbols; none where it is no module.
#[must_use]
pub fn module_says(bytes: &[u8]) -> Option<Vec<String>> {
    let modules::facts::Facts { aliases, softdeps, weakdeps, exports, needs } =
        modules::facts::of(bytes).ok()?;
    Some([aliases, softdeps, weakdeps, exports, needs].concat())
}

#[cfg(test)]
mod tests;
