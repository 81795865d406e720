//! Our side: the packages staged with an empty recipe.

use crate::Listing;
use anyhow::{Context as _, Result};
use bake::deb822;
use bake::lock::{LockedPackage, LockedSuite};
use bake::plan::{Compression, Draft};
use bake::stage::{Inputs, stage};
use bake::unpack;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use store::Store;
use tree::digest::{Digest, Sha256};
use tree::name::{Arch, Role};
use tree::release::OS;
use tree::{Content, Node, Stored, Tree};

/// A staged tree with the store that its contents are in.
pub(crate) struct Ours {
    /// The packages.
    pub(crate) debs: Vec<Deb>,
    tree: Tree,
    store: Store,
}

/// One package.
pub(crate) struct Deb {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its name.
    pub(crate) name: String,
    /// Its control fields.
    pub(crate) control: BTreeMap<String, String>,
}

/// Stages `debs` with an empty recipe, but for the ids that the recipe of `base` fixes.
pub(crate) fn stage_debs(debs: &[PathBuf], store: &Path) -> Result<Ours> {
    let store = Store::open(store)?;
    let (mut packages, mut locked, mut known) = (BTreeMap::new(), Vec::new(), Vec::new());
    for path in debs {
        let bytes = crate::read(path)?;
        let mut incoming = store.incoming()?;
        incoming.write_all(&bytes)?;
        let (digest, size) = incoming.commit()?;
        let package = unpack::package(&store, &"package".parse()?, &Digest::Sha256(digest))?;
        let text = package.control.iter().find(|file| file.name == "control").context("no control file")?;
        let paragraph = deb822::paragraph(std::str::from_utf8(&text.bytes)?)?;
        let control: BTreeMap<String, String> =
            paragraph.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let name = control["Package"].clone();
        locked.push(LockedPackage {
            name: name.parse()?,
            version: control["Version"].clone(),
            arch: control["Architecture"].clone(),
            suite: "trixie".to_owned(),
            file: String::new(),
            size,
            sha256: digest,
            because: Vec::new(),
            scripts: BTreeMap::new(),
            triggers: Vec::new(),
            diverts: Vec::new(),
        });
        packages.insert(name.parse()?, package);
        known.push(Deb { path: path.clone(), name, control });
    }
    locked.sort_by(|a, b| a.name.cmp(&b.name));
    let mut draft = plan(locked, arch(&known)?)?;
    // dpkg unpacks here and runs no postinst
    draft.effects = tests::image::without_effects(&packages);
    let plan = draft.seal();
    let read = |stored: &Stored| {
        let mut bytes = vec![0; usize::try_from(stored.len).unwrap_or(usize::MAX)];
        store.open_blob(&Digest::Sha256(stored.blob))?.read_exact_at(&mut bytes, stored.offset).map_err(
            |error| {
                tree::refusal::Refusal::io(
                    stored.blob.to_string(),
                    tree::refusal::Stage::Stage,
                    "read",
                    &error,
                )
            },
        )?;
        Ok(bytes)
    };
    let tree = stage(
        &plan,
        &Inputs {
            packages,
            components: BTreeMap::new(),
            images: Vec::new(),
            read: &read,
            memory: &store,
            told: &|_, _| {},
        },
    )?;
    Ok(Ours { debs: known, tree, store })
}

/// The machine that the packages are for.
fn arch(debs: &[Deb]) -> Result<Arch> {
    let mut all = debs.iter().filter_map(|deb| deb.control.get("Architecture"));
    match all.find(|arch| *arch != "all").map(String::as_str) {
        Some("amd64") => Ok(Arch::Amd64),
        Some("arm64") => Ok(Arch::Arm64),
        other => anyhow::bail!("packages for {other:?}"),
    }
}

fn plan(packages: Vec<LockedPackage>, arch: Arch) -> Result<Draft> {
    let recipe = fs::read_to_string(tests::workspace::root().join("image-recipes/base/recipe.toml"))?;
    let recipe: toml::Table = recipe.parse()?;
    let ids = recipe["ids"].as_table().context("[ids]")?;
    let ids = ids.iter().filter_map(|(name, id)| Some((name.clone(), u32::try_from(id.as_integer()?).ok()?)));
    Ok(Draft {
        snapshots: bake::sources::Snapshots::default(),
        format: 1,
        kind: "base".parse()?,
        lineage: vec!["base".parse()?],
        role: Role::None,
        os: OS.to_owned(),
        version: "dev".to_owned(),
        arch,
        provider: None,
        label: bake::plan::Label::default(),
        epoch: i64::from(i32::MAX),
        suites: vec![LockedSuite {
            name: "trixie".to_owned(),
            archive: "debian".to_owned(),
            mirror: None,
            date: "2026-09-12T07:55:41Z".parse()?,
            inrelease: Sha256([1; 32]),
            signature: None,
            packages: Sha256([2; 32]),
            components: BTreeMap::new(),
            signed_by: vec![],
        }],
        packages,
        allowed: BTreeMap::new(),
        components: Vec::new(),
        remarks: Vec::new(),
        images: Vec::new(),
        containers: Vec::new(),
        configure: None,
        first_boot: None,
        init: None,
        ids: ids.collect(),
        groups: BTreeMap::new(),
        users: BTreeMap::new(),
        directories: BTreeMap::new(),
        links: BTreeMap::new(),
        files: Vec::new(),
        enable: BTreeMap::new(),
        mask: BTreeMap::new(),
        exclude: Vec::new(),
        keep: Vec::new(),
        winners: BTreeMap::new(),
        effects: BTreeMap::new(),
        accept: BTreeMap::new(),
        reviewed_only: false,
        debconf: BTreeMap::new(),
        disable: BTreeMap::new(),
        compression: Compression { level: 3 },
        disk: bake::plan::Disk::of(&bake::recipe::Disk::default(), tree::name::Arch::Amd64),
    })
}

impl Ours {
    /// Each path with what it is.
    pub(crate) fn listing(&self) -> Listing {
        let line = |(path, entry): (&tree::name::ImagePath, &tree::Entry)| {
            let meta = &entry.meta;
            let access = format!("{:04o} {}:{}", meta.mode, meta.uid, meta.gid);
            let what = match &entry.node {
                Node::Directory => format!("directory {access}"),
                Node::File(content) => format!("file {access} {}", content.digest().hex()),
                // the mode of a link has no meaning
                Node::Symlink(target) => format!("link {}:{} {target}", meta.uid, meta.gid),
                Node::Hardlink(target) => match self.tree.get(target).map(|entry| &entry.node) {
                    Some(Node::File(content)) => format!("file {access} {}", content.digest().hex()),
                    other => format!("a hard link to {other:?}"),
                },
                other => format!("{other:?} {access}"),
            };
            (path.to_string(), what)
        };
        self.tree.iter().map(line).collect()
    }

    /// The names of each file that has several.
    pub(crate) fn hard_links(&self) -> BTreeSet<BTreeSet<String>> {
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, entry) in self.tree.iter() {
            if let Node::Hardlink(target) = &entry.node {
                groups.entry(target.to_string()).or_default().extend([target.to_string(), path.to_string()]);
            }
        }
        groups.into_values().collect()
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        Ok(String::from_utf8(self.file(path)?)?)
    }

    /// What is in a file.
    pub(crate) fn file(&self, path: &str) -> Result<Vec<u8>> {
        let entry = self.tree.get(&path.parse()?).with_context(|| format!("no `{path}`"))?;
        match &entry.node {
            Node::File(content) => self.bytes(content),
            other => anyhow::bail!("`{path}` is {other:?}"),
        }
    }

    /// The files below a directory.
    pub(crate) fn paths_below(&self, directory: &str) -> impl Iterator<Item = &str> {
        let below = self.tree.iter().filter(move |(path, _)| path.as_str().starts_with(directory));
        below.filter(|(_, entry)| matches!(entry.node, Node::File(_))).map(|(path, _)| path.as_str())
    }

    /// Writes the tree to disk.
    pub(crate) fn lay_out(&self, root: &Path) -> Result<()> {
        for (path, entry) in self.tree.iter() {
            let to = root.join(path.relative());
            match &entry.node {
                Node::Directory => fs::create_dir_all(&to)?,
                Node::File(content) => fs::write(&to, self.bytes(content)?)?,
                Node::Symlink(target) => symlink(target, &to)?,
                Node::Hardlink(target) => fs::hard_link(root.join(target.relative()), &to)?,
                other => anyhow::bail!("`{path}` is {other:?}"),
            }
            lchown(&to, Some(entry.meta.uid), Some(entry.meta.gid))?;
            if !matches!(entry.node, Node::Symlink(_)) {
                fs::set_permissions(&to, Permissions::from_mode(entry.meta.mode.into()))?;
            }
        }
        Ok(())
    }

    fn bytes(&self, content: &Content) -> Result<Vec<u8>> {
        let Content::Stored(stored) = content else {
            let Content::Inline(bytes) = content else { unreachable!("two sorts of content") };
            return Ok(bytes.to_vec());
        };
        let mut bytes = vec![0; usize::try_from(stored.len).unwrap_or(usize::MAX)];
        self.store.open_blob(&Digest::Sha256(stored.blob))?.read_exact_at(&mut bytes, stored.offset)?;
        anyhow::ensure!(Sha256::of(&bytes) == stored.digest, "a range is not what its digest says");
        Ok(bytes)
    }
}
