//! A small image with every sort of entry, for tests of what reads and writes artifacts.

use bake::effects::{self, Effects, Known};
use bake::lock::{LockedPackage, LockedSuite};
use bake::manifest::{Form, Pin};
use bake::plan::{Compression, Draft, Plan, PlannedComponent};
use bake::recipe;
use bake::unpack::Package;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use store::Store;
use tree::digest::Sha256;
use tree::name::{Arch, Name, Role};
use tree::refusal::{Refusal, Result};
use tree::release::OS;
use tree::{Content, Entry, Meta, Node, Origin, PIECE, Stored, Tree};

/// The time of its files, seconds since 1970.
pub const EPOCH: i64 = 1_789_199_741;

/// Bytes that look like a program: neither all alike nor random, and the same for the same seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(len + 16);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [a, b, ..] = state.to_le_bytes();
        // a word of a few, so that there is something to compress
        out.extend_from_slice(&u64::from(a % 64).wrapping_mul(0x0101_0101_0307).to_le_bytes());
        out.push(b);
    }
    out.truncate(len);
    out
}

/// A plan of `base` with two packages and a component; its compression level is 3.
pub fn plan() -> anyhow::Result<Plan> {
    let suite = LockedSuite {
        name: "trixie".into(),
        archive: "debian".into(),
        mirror: None,
        date: "2026-09-12T07:55:41Z".parse()?,
        inrelease: Sha256([1; 32]),
        signature: None,
        packages: Sha256([2; 32]),
        components: BTreeMap::new(),
        signed_by: vec!["A".repeat(40)],
    };
    let component = PlannedComponent {
        name: "runc".parse()?,
        pin: Pin {
            version: "1.4.0".into(),
            url: "https://github.com/opencontainers/runc/releases/download/v1.4.0/runc.amd64".into(),
            form: Form::Binary,
            digest: Sha256([9; 32]).into(),
            size: 9,
            providers: Vec::new(),
        },
        install: recipe::Component {
            kind: "base".parse()?,
            providers: Vec::new(),
            files: Vec::new(),
            strip: 0,
            r#static: true,
            optional: false,
            units: Vec::new(),
            privileges: BTreeSet::new(),
        },
    };
    Ok(Draft {
        snapshots: bake::sources::Snapshots::default(),
        format: 1,
        kind: "base".parse()?,
        lineage: vec!["base".parse()?],
        role: Role::None,
        os: OS.into(),
        version: "dev".into(),
        arch: Arch::Amd64,
        provider: None,
        label: bake::plan::Label::default(),
        epoch: EPOCH,
        suites: vec![suite],
        packages: vec![package("bash", &["recipe"])?, package("libc6", &["bash"])?],
        allowed: BTreeMap::new(),
        components: vec![component],
        remarks: Vec::new(),
        images: Vec::new(),
        containers: Vec::new(),
        configure: None,
        first_boot: None,
        init: None,
        ids: BTreeMap::new(),
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
        // its kernel is none
        disk: bake::plan::Disk::of(
            &bake::recipe::Disk { bios: false, ..bake::recipe::Disk::default() },
            Arch::Amd64,
        ),
    }
    .seal())
}

fn package(name: &str, because: &[&str]) -> anyhow::Result<LockedPackage> {
    Ok(LockedPackage {
        name: name.parse()?,
        version: "1.2-3".into(),
        arch: "amd64".into(),
        suite: "trixie".into(),
        file: format!("pool/main/{name}.deb"),
        size: 1000,
        sha256: Sha256::of(name.as_bytes()),
        because: because.iter().map(ToString::to_string).collect(),
        scripts: BTreeMap::new(),
        triggers: Vec::new(),
        diverts: Vec::new(),
    })
}

/// A tree that is filled entry by entry, with its stored contents in one blob.
#[derive(Debug)]
pub struct Builder<'s> {
    store: &'s Store,
    tree: Tree,
    blob: Vec<u8>,
    stored: Vec<(String, Meta, u64, u64)>,
}

impl<'s> Builder<'s> {
    /// An empty tree.
    pub fn new(store: &'s Store) -> Self {
        let tree = Tree::new(Origin::Made { step: "test".into() }, EPOCH);
        Self { store, tree, blob: Vec::new(), stored: Vec::new() }
    }

    /// Adds an entry of the package `bash`, and the directories above it.
    pub fn add(&mut self, path: &str, meta: Meta, node: Node) -> anyhow::Result<()> {
        let path = path.parse()?;
        let origin = Origin::Package { name: "bash".parse()? };
        self.tree.make_parents(&path, &origin, EPOCH);
        self.tree.insert(&path, Entry { meta, node, origins: [origin].into() })?;
        Ok(())
    }

    /// Adds a file whose bytes go into the store.
    pub fn stored(&mut self, path: &str, meta: Meta, bytes: &[u8]) {
        self.stored.push((path.into(), meta, self.blob.len() as u64, bytes.len() as u64));
        self.blob.extend_from_slice(bytes);
    }

    /// The tree, and the blob of its stored files.
    pub fn finish(mut self) -> anyhow::Result<(Tree, Sha256)> {
        let mut incoming = self.store.incoming()?;
        incoming.write_all(&self.blob)?;
        let (name, _) = incoming.commit()?;
        for (path, meta, offset, len) in std::mem::take(&mut self.stored) {
            let bytes = &self.blob[usize::try_from(offset)?..usize::try_from(offset + len)?];
            let pieces = if len > PIECE {
                bytes.chunks(usize::try_from(PIECE)?).map(Sha256::of).collect()
            } else {
                Vec::new()
            };
            let stored = Stored { blob: name, offset, len, digest: Sha256::of(bytes), pieces };
            self.add(&path, meta, Node::File(Content::Stored(stored)))?;
        }
        Ok((self.tree.finish()?, name))
    }
}

/// A tree of a few files in a few frames, some 5 MB, for what is done many times.
pub fn small(store: &Store) -> anyhow::Result<(Tree, Sha256)> {
    let mut tree = Builder::new(store);
    bootable(&mut tree, 90_000);
    documents(&mut tree);
    tree.finish()
}

/// What a disk is started by; none of it would start anything.
fn bootable(tree: &mut Builder<'_>, kernel: usize) {
    let meta = Meta::root(0o644, EPOCH);
    tree.stored("/usr/lib/systemd/boot/efi/systemd-bootx64.efi", meta.clone(), &noise(100_000, 11));
    tree.stored("/boot/vmlinuz-6.12.57+deb13-cloud-amd64", meta.clone(), &noise(kernel, 12));
    tree.stored("/boot/initrd.img-6.12.57+deb13-cloud-amd64", meta, &noise(kernel / 7, 13));
}

fn documents(tree: &mut Builder<'_>) {
    for number in 0..300 {
        let meta = Meta::root(0o644, EPOCH);
        tree.stored(&format!("/usr/share/doc/{number}"), meta, &noise(10_000 + 37 * number, number as u64));
    }
}

/// A tree of every sort of entry, some 25 MB, with a file of two pieces and one just as long as a piece.
pub fn sample(store: &Store) -> anyhow::Result<(Tree, Sha256)> {
    let mut tree = Builder::new(store);
    let root = |mode| Meta::root(mode, EPOCH);
    tree.add("/tmp", root(0o1777), Node::Directory)?;
    tree.add("/var/mail", Meta { gid: 8, ..root(0o2775) }, Node::Directory)?;
    tree.add("/usr/bin/sudo", root(0o4755), inline(b"setuid"))?;
    tree.add("/etc/shadow", Meta { gid: 42, ..root(0o640) }, inline(b"root:*:20000::::::\n"))?;
    tree.add("/etc/empty", Meta { uid: 65534, gid: 65534, mtime: 0, ..root(0o600) }, inline(b""))?;
    tree.add("/etc/odd-owner", Meta { uid: 3_000_000, gid: 4_000_000_000, ..root(0o644) }, inline(b"x"))?;
    tree.add("/etc/zeros", root(0o644), inline(&vec![0; 1_000_000]))?;
    tree.add("/usr/bin/sh", root(0o777), Node::Symlink("dash".into()))?;
    tree.add("/usr/lib/long-link", root(0o777), Node::Symlink(format!("../{}", "target/".repeat(40))))?;
    tree.add(
        "/usr/lib/ssl/Főtanúsítvány.pem",
        root(0o777),
        Node::Symlink("/usr/share/Főtanúsítvány.crt".into()),
    )?;
    tree.add("/usr/share/Főtanúsítvány.crt", root(0o644), inline("árvíztűrő".as_bytes()))?;
    tree.add(&format!("/usr/share/{}", "n".repeat(255)), root(0o644), inline(b"255"))?;
    tree.add(&format!("/usr/share/{}/f", vec!["d".repeat(60); 8].join("/")), root(0o644), inline(b"deep"))?;
    tree.add(&format!("/usr/share/{}/{}", "p".repeat(120), "q".repeat(99)), root(0o644), inline(b"prefix"))?;
    tree.add("/dev/null", root(0o666), Node::Character { major: 1, minor: 3 })?;
    tree.add("/dev/sda", Meta { gid: 6, ..root(0o660) }, Node::Block { major: 8, minor: 0 })?;
    tree.add("/run/pipe", root(0o600), Node::Fifo)?;
    let capability = vec![1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let xattrs =
        [("security.capability".to_owned(), capability), ("user.note".to_owned(), b"a\nb=\0c".to_vec())];
    tree.add("/usr/bin/ping", Meta { xattrs: xattrs.into(), ..root(0o755) }, inline(b"ping"))?;
    tree.add("/usr/bin/perl5.40", root(0o755), Node::Hardlink("/usr/bin/perl".parse()?))?;
    tree.stored("/usr/bin/perl", root(0o755), &noise(3_000_000, 1));
    tree.stored("/usr/lib/piece", root(0o644), &noise(usize::try_from(PIECE)?, 2));
    tree.stored("/usr/lib/two-pieces", root(0o644), &noise(usize::try_from(PIECE)? + 700_001, 3));
    bootable(&mut tree, usize::try_from(PIECE)? + 1_000_001);
    documents(&mut tree);
    tree.finish()
}

/// A file with its bytes in the tree.
pub fn inline(bytes: &[u8]) -> Node {
    Node::File(Content::Inline(bytes.into()))
}

/// `Refusal` as an error that `anyhow` takes along with its hint.
pub fn with_hint<T>(result: Result<T>) -> anyhow::Result<T> {
    result.map_err(|refusal: Refusal| {
        let hint = vmbake::remedy::hint(&refusal).unwrap_or("none".into()).into_owned();
        anyhow::anyhow!("{refusal}\nhint: {hint}")
    })
}

/// Every script of these packages taken as read, and none with an effect: for tests of what staging does besides.
#[must_use]
pub fn without_effects(packages: &BTreeMap<Name, Package>) -> Effects {
    let known = |name: &Name, package: &Package| {
        let scripts = package.control.iter().filter(|file| effects::SCRIPTS.contains(&file.name.as_str()));
        let reviewed =
            scripts.map(|file| (file.name.clone(), vec![effects::normal(name, &file.bytes).digest]));
        Known { reviewed: reviewed.collect(), lines: BTreeMap::new(), effects: Vec::new() }
    };
    packages.iter().map(|(name, package)| (effects::key(name), known(name, package))).collect()
}
