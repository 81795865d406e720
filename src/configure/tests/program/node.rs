//! A worker's file system in a folder, as it is before a first boot, a second one, and a live update.

use crate::snapshot::{self, Snapshot};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub(crate) const MUTABLE: &str = "opt/podplane/etc/mutable.env";
pub(crate) const DETECTED: &str = "opt/podplane/etc/detected.env";
pub(crate) const DELIVERY: &str = "opt/nstance-agent/recv/mutable.env";
pub(crate) const RECORD: &str = "opt/podplane/etc/received";
/// Where a root may have a `systemctl` that only writes down what it is asked.
pub(crate) const TOOLS: &str = "run/tools";
/// Where what stands in for the machine's own programs is.
pub(crate) const MACHINE: &str = "run/machine";

/// Mounts directories of `$0` over themselves, then starts what comes behind.
const MOUNTS: &str =
    "for at in etc opt home var/lib var/log; do mount --bind $0/$at $0/$at || exit 99; done; exec \"$@\"";

const USERS: [(&str, u32); 11] = [
    ("root", 0),
    ("adm", 4),
    ("sudo", 27),
    ("shadow", 42),
    ("podplane", 900),
    ("nstance-agent", 901),
    ("fluent-bit", 902),
    ("kube2iam", 903),
    ("containerd", 904),
    ("zot", 905),
    ("kubelet", 1900),
];

const USER_DATA: &str = "INSTANCE_ID='knd-1a2b3c'\nCLUSTER_ID='c-demo'\nPROVIDER_KIND='local'\nPROVIDER_REGION='local'\n\
    NSTANCE_CA_CERT='LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tClRrOVVJRUVnVWtWQlRDQkRSVkpVU1VaSlEwRlVSU0F0SUc5eVlXTnNaU0IwWlhOMElHUmhkR0U9Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K'\n\
    NSTANCE_SERVER_REGISTRATION_ADDR='127.0.0.1:8992'\nNSTANCE_SERVER_AGENT_ADDR='127.0.0.1:8993'\n\
    REGISTRY_SECRET_ACCESS_KEY='s3cr3t'\nSSH_AUTHORIZED_KEYS='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a@b'\n";

/// What the unprivileged `configure detect` left: the network is asked nothing here.
const FACTS: &str = "VMCONFIG_KIND='knd'\nVMCONFIG_BASE_KIND='node'\nINSTANCE_PROVIDER_ID='iid-local01'\n\
    INSTANCE_NETDEV='ens3'\nINSTANCE_IPV4='10.0.2.15'\nINSTANCE_IPV6=''\nINSTANCE_HOSTNAME='node-1'\n\
    INSTANCE_FQDN='node-1.cluster.internal'\nKUBE_API_ADDRESSES='10.1.2.3'\n";

/// What a delivery changes: files that come, files that change, a removal, the hosts block.
pub(crate) const DELIVERED: &str = "REGISTRY_HOSTNAME=registry.example.com\nREGISTRY_BUCKET=images\nKUBE_API_PORT=7443\n\
    SSH_AUTHORIZED_KEYS=\nTELEMETRY_OTLP_ENDPOINT=https://logs.example.com:4318\n";

/// A root, removed at the end.
pub(crate) struct Node {
    folder: TempDir,
    /// Whether each directory that units may write in is a mount of its own, as `ReadWritePaths=` makes it.
    pub(crate) mounts: bool,
}

impl Node {
    /// Baked, with user-data and facts, and drifted a little: first boot is about to happen.
    pub(crate) fn fresh() -> Self {
        let node = Self::empty();
        let recipe = Path::new(ROOT).join("image-recipes/knd/rootfs");
        copy_files(&recipe, node.path());
        accounts(&node);
        for directory in [
            "etc/skel",
            "home",
            "opt/podplane/etc",
            "opt/cni/bin",
            "opt/nstance-agent/recv",
            "opt/env",
            "opt/zot",
            "run/podplane-detect",
            "var/lib",
            "var/log",
        ] {
            fs::create_dir_all(node.at(directory)).unwrap();
        }
        node.write("etc/skel/.profile", "# profile\n", 0o644);
        node.write("etc/hosts", "127.0.0.1 localhost\n", 0o644);
        node.write("opt/cni/bin/bridge", "", 0o644);
        node.write("opt/podplane/etc/user-data.env", USER_DATA, 0o600);
        node.write("run/podplane-detect/detected.env", FACTS, 0o644);
        let manifest =
            r#"{"vmconfig": {"kind": "knd", "images": [{"image": "registry.k8s.io/pause:3.10.2"}]}}"#;
        node.write("opt/podplane/share/vmconfig-installed.json", manifest, 0o644);
        node.write("opt/nstance-agent/identity/nonce.jwt", "eyJhbGciOiJub25lIn0.fake.nonce\n", 0o600);
        // what somebody made wrong before
        node.write("opt/env/kubelet.env", "half a li", 0o666);
        symlink("/etc/hosts", node.at("opt/env/zot.env")).unwrap();
        node
    }

    /// After its first boot.
    pub(crate) fn booted() -> Self {
        let node = Self::fresh();
        node.succeed(&["configure"]);
        node
    }

    /// With a delivery that nobody has looked at.
    pub(crate) fn delivered() -> Self {
        let node = Self::booted();
        node.write(DELIVERY, DELIVERED, 0o640);
        node
    }

    /// With live settings merged, and nothing made of them.
    pub(crate) fn merged() -> Self {
        let node = Self::delivered();
        node.succeed(&["merge", &format!("/{DELIVERY}"), &format!("/{MUTABLE}"), "--delete"]);
        node
    }

    /// Nothing at all; in memory where that can be had: syncing thousands of times would only wear a disk.
    pub(crate) fn empty() -> Self {
        let memory = Path::new("/dev/shm");
        let node = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let node = Self { folder: node.unwrap(), mounts: false };
        fs::set_permissions(node.path(), Permissions::from_mode(0o755)).unwrap();
        node
    }

    /// The same once more.
    pub(crate) fn again(&self) -> Self {
        let node = Self { mounts: self.mounts, ..Self::empty() };
        snapshot::copy(self.path(), node.path());
        node
    }

    /// The same where nothing can be renamed out of one of these directories into another.
    pub(crate) fn between_mounts(mut self) -> Self {
        self.mounts = true;
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str, mode: u32) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.path())
    }

    /// The program's command line in this root.
    pub(crate) fn words(&self, command: &[&str]) -> Vec<String> {
        let mut words = Vec::new();
        if self.mounts {
            words.extend(["unshare", "--mount", "sh", "-c", MOUNTS].map(str::to_owned));
            words.push(self.path().display().to_string());
        }
        words.extend([program(), "--root".to_owned(), self.path().display().to_string()]);
        let systemctl = self.at(TOOLS).join("systemctl");
        if systemctl.exists() {
            words.extend(["--systemctl".to_owned(), systemctl.display().to_string()]);
        }
        words.extend(command.iter().map(|&word| word.to_owned()));
        words
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, command: &[&str]) -> Output {
        let words = self.words(command);
        self.start(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts `words`, with a `systemctl` in the machine's place that must not be asked: no root of a test is `/`.
    pub(crate) fn start(&self, words: &[&str]) -> Output {
        let machine = std::env::var("PATH").unwrap();
        self.write(&format!("{MACHINE}/systemctl"), "#!/bin/sh\necho \"$@\" >>\"${0%/*}/asked\"\n", 0o755);
        let output = start_with_path(words, &format!("{}:{machine}", self.at(MACHINE).display()));
        assert!(!self.at(MACHINE).join("asked").exists(), "the machine's own systemctl was asked");
        output
    }

    /// Runs it, and it must do what it is told.
    pub(crate) fn succeed(&self, command: &[&str]) {
        let output = self.run(command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs it in `sh` after `before`, whose last word is followed by the command line: `umask 777; exec "$@"`.
    pub(crate) fn run_in_shell(&self, script: &str, command: &[&str]) -> Output {
        let words = self.words(command);
        let mut all = vec!["sh", "-c", script, "sh"];
        all.extend(words.iter().map(String::as_str));
        self.start(&all)
    }
}

/// The program that is tested: the one that `VMBAKE_CONFIGURE` names, else one that is built as images get it, in a target
/// directory of its own.
pub(crate) fn program() -> String {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    let build = || build(std::env::consts::ARCH);
    PROGRAM.get_or_init(|| std::env::var("VMBAKE_CONFIGURE").unwrap_or_else(|_| build())).clone()
}

/// The program for `arch`, built as images get it.
pub(crate) fn build(arch: &str) -> String {
    let target = format!("{arch}-unknown-linux-musl");
    let folder = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| format!("{ROOT}/target")) + "/image";
    let words = "build --quiet --locked --package configure --profile configure --target-dir";
    let mut words: Vec<&str> = words.split(' ').collect();
    words.extend([folder.as_str(), "--target", &target]);
    cargo(&words);
    format!("{folder}/{target}/configure/configure")
}

/// What cargo says, in the workspace.
#[expect(clippy::disallowed_methods, reason = "the package has no dependency to run programs with")]
pub(crate) fn cargo(words: &[&str]) -> String {
    // the same flags as `cargo xtask` builds it with, or each would build it anew: the paths of this machine are replaced
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let root = std::fs::canonicalize(ROOT).unwrap();
    let remap = [(home.unwrap(), "/cargo"), (root.display().to_string(), "/vmbake")];
    let remap = remap.map(|(here, image)| format!("--remap-path-prefix={here}={image}"));
    let flags = include_str!("../../rustc-flags.txt").lines();
    let flags: Vec<&str> = flags.chain(remap.iter().map(String::as_str)).collect();
    let mut command = Command::new(env!("CARGO"));
    command.args(words).current_dir(&root);
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    command.env_remove("RUSTFLAGS").env_remove("RUSTC_WRAPPER");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Starts a program with neither input nor environment, and waits for it.
pub(crate) fn start(words: &[&str]) -> Output {
    start_with_path(words, &std::env::var("PATH").unwrap())
}

#[expect(clippy::disallowed_methods, reason = "exit codes and signals of children are what is tested")]
fn start_with_path(words: &[&str], path: &str) -> Output {
    let (program, arguments) = words.split_first().unwrap();
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (source, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if source.is_dir() {
            copy_files(&source, &target);
        } else {
            fs::write(&target, fs::read(&source).unwrap()).unwrap();
            fs::set_permissions(&target, Permissions::from_mode(0o644)).unwrap();
        }
    }
}

fn accounts(node: &Node) {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut text = [const { String::new() }; 4];
    for (name, id) in USERS {
        let (user, group) = if is_root() { (id, id) } else { (uid, gid) };
        text[0].push_str(&format!("{name}:x:{user}:{group}::/nonexistent:/usr/sbin/nologin\n"));
        text[1].push_str(&format!("{name}:x:{group}:\n"));
        text[2].push_str(&format!("{name}:!:20000::::::\n"));
        text[3].push_str(&format!("{name}:!::\n"));
    }
    for ((name, text), mode) in
        ["passwd", "group", "shadow", "gshadow"].into_iter().zip(text).zip([0o644, 0o644, 0o640, 0o640])
    {
        let path = format!("etc/{name}");
        node.write(&path, &text, mode);
        if mode == 0o640 && is_root() {
            chown(node.at(&path), None, Some(42)).unwrap();
        }
    }
}
