//! Deliveries of Podplane's releases to nodes of both kinds, by the program that images get: an image lives for months
//! while the release that sends to it changes.
//!
//! ```text
//! fixtures/releases/vX.Y.Z.env   what that release delivers where nothing is set, in its form: sorted, unquoted
//! fixtures/releases/keys.toml    each key: its value on a node with everything on, another one, where it is passed over
//! ```
//! Each release's delivery is taken, with its certificates. Then one key after the other is changed: a file of the node
//! has to follow, or the key is on the list of those that reach nothing there, with the reason. Both at once is a failure.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tests::workspace;
use xshell::{Shell, cmd};

const RELEASES: [&str; 3] = ["v0.6.0", "v0.7.0", "v0.8.1"];
const PROVIDERS: [&str; 2] = ["local", "aws"];
/// What the node remembers of deliveries themselves.
const OWN: [&str; 2] = ["opt/podplane/etc/mutable.env", "opt/podplane/etc/received"];

/// A key that releases deliver.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Key {
    /// Its value on a node with everything on.
    on: String,
    /// Another one.
    changed: String,
    /// The kinds of node where it reaches no file, and why.
    #[serde(default)]
    passed_over: BTreeMap<String, String>,
}

#[test]
fn v0_6_0_is_taken_and_every_key_reaches_a_file_or_says_why_not() -> Result<()> {
    release(RELEASES[0], 38)
}

#[test]
fn v0_7_0_is_taken_and_every_key_reaches_a_file_or_says_why_not() -> Result<()> {
    release(RELEASES[1], 39)
}

#[test]
fn v0_8_1_is_taken_and_every_key_reaches_a_file_or_says_why_not() -> Result<()> {
    release(RELEASES[2], 39)
}

#[test]
fn each_key_of_a_release_is_known_and_each_known_one_is_of_a_release() -> Result<()> {
    let mut sent = BTreeSet::new();
    for release in RELEASES {
        sent.extend(delivery(release)?.into_keys());
    }
    assert_eq!(sent, keys()?.into_keys().collect());
    for (name, key) in keys()? {
        assert_ne!(key.on, key.changed, "{name}");
        assert!(key.passed_over.keys().all(|kind| ["knc", "knd"].contains(&kind.as_str())), "{name}");
        assert!(key.passed_over.values().all(|why| why.len() > 10), "{name}");
    }
    Ok(())
}

/// A release's delivery to nodes of both kinds, then each of its `count` keys.
fn release(release: &str, count: usize) -> Result<()> {
    let (sent, keys) = (delivery(release)?, keys()?);
    assert_eq!(sent.len(), count);
    let mut wrong = String::new();
    for kind in ["knc", "knd"] {
        let mut reached: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for provider in PROVIDERS {
            let node = Node::configured(kind, provider)?;
            node.takes_a_first_delivery(kind, &sent)
                .with_context(|| format!("{release} to {kind} on {provider}"))?;
            let on: BTreeMap<String, String> =
                sent.keys().map(|name| (name.clone(), keys[name].on.clone())).collect();
            node.receive(&on)?;
            let before = node.files()?;
            for name in sent.keys() {
                let mut changed = on.clone();
                changed.insert(name.clone(), keys[name].changed.clone());
                node.receive(&changed).with_context(|| format!("{name} to {kind} on {provider}"))?;
                let after = node.files()?;
                let differ =
                    before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path));
                reached.entry(name).or_default().extend(differ.cloned());
            }
        }
        for (name, files) in reached {
            match (files.is_empty(), keys[name].passed_over.get(kind)) {
                (true, None) => writeln!(wrong, "{name} reaches nothing on {kind}")?,
                (false, Some(_)) => {
                    writeln!(wrong, "{name} is passed over on {kind}, but reaches {files:?}")?;
                }
                _ => {}
            }
        }
    }
    ensure!(wrong.is_empty(), "{release}:\n{wrong}");
    Ok(())
}

fn fixtures() -> PathBuf {
    workspace::root().join("tests/fixtures/releases")
}

fn keys() -> Result<BTreeMap<String, Key>> {
    Ok(toml::from_str(&fs::read_to_string(fixtures().join("keys.toml"))?)?)
}

/// What `release` delivers.
fn delivery(release: &str) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(fixtures().join(format!("{release}.env")))?;
    let pairs = text.lines().map(|line| line.split_once('=').context("KEY=value"));
    pairs.map(|pair| pair.map(|(key, value)| (key.to_owned(), value.to_owned()))).collect()
}

/// A node in a folder. Each account is whoever runs the test, so that it needs no privilege.
struct Node {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Node {
    /// One of `kind`, after its first run.
    fn configured(kind: &str, provider: &str) -> Result<Self> {
        let node = Self { folder: tempfile::tempdir()?, program: tests::cases::program()? };
        let mut layers = vec!["knd"];
        layers.extend((kind == "knc").then_some("knc"));
        let (mut passwd, mut group) = ("root".to_owned(), String::new());
        let own = fs::metadata(node.folder.path())?;
        let account = format!(":x:{}:{}:", own.uid(), own.gid());
        writeln!(passwd, "{account}:/root:/bin/sh")?;
        for name in ["root", "systemd-journal", "shadow", "sudo"] {
            writeln!(group, "{name}:x:{}:", own.gid())?;
        }
        for layer in layers {
            let folder = workspace::root().join("image-recipes").join(layer);
            let recipe: toml::Table = toml::from_str(&fs::read_to_string(folder.join("recipe.toml"))?)?;
            for name in recipe["users"].as_table().context("users")?.keys() {
                writeln!(passwd, "{name}{account}:/:/bin/sh")?;
                writeln!(group, "{name}:x:{}:", own.gid())?;
            }
            copy(&folder.join("rootfs"), &node.root())?;
        }
        let manifest = serde_json::json!({"kind": kind, "images": [{"image": "registry.k8s.io/pause:3.10"}]});
        let user_data = format!(
            "CLUSTER_ID='demo'\nINSTANCE_ID='node-1'\nPROVIDER_KIND='{provider}'\nPROVIDER_REGION='here'\nPROVIDER_ZONE='a'\n\
             PROVIDER_INSTANCE_TYPE='small'\nAWS_ACCOUNT_ID='123456789012'\nGOOGLE_PROJECT_ID=''\n\
             NSTANCE_SERVER_REGISTRATION_ADDR='10.0.2.2:1'\nNSTANCE_SERVER_AGENT_ADDR='10.0.2.2:2'\n"
        );
        let facts = format!(
            "INSTANCE_FQDN=node-1.test\nINSTANCE_HOSTNAME=node-1\nINSTANCE_IPV4=10.0.2.15\nINSTANCE_IPV6=\nINSTANCE_NETDEV=e\n\
             INSTANCE_PROVIDER_ID=i-1\nKUBE_API_ADDRESSES=\nVMCONFIG_KIND={kind}\n"
        );
        for (path, text) in [
            ("etc/passwd", passwd.as_str()),
            ("etc/group", &group),
            ("etc/hosts", "127.0.0.1 localhost\n"),
            ("etc/sudoers.d/README", ""),
            ("home/README", ""),
            ("var/lib/dpkg/status", ""),
            ("var/log/README", ""),
            ("opt/nstance-agent/identity/nonce.jwt", "nonce"),
            ("opt/podplane/share/vmconfig-installed.json", &manifest.to_string()),
            ("opt/podplane/etc/user-data.env", &user_data),
            ("run/podplane-detect/detected.env", &facts),
        ] {
            node.write(path, text)?;
        }
        // what systemd would do: start the one unit that runs the program again, with the network
        let root = node.root();
        let refresh = format!("exec '{}' --root '{}' hosts", node.program.display(), root.display());
        let stub = format!("#!/bin/sh\ncase \"$*\" in\n*hosts-refresh.service) {refresh};;\nesac\n");
        node.write("stub/systemctl", &stub)?;
        fs::set_permissions(root.join("stub/systemctl"), fs::Permissions::from_mode(0o755))?;
        node.run("configure")?;
        Ok(node)
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().context("a file is in a directory")?)?;
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Runs a command of the program, which has to end well; what it said.
    fn run(&self, command: &str) -> Result<String> {
        let (shell, program, root) = (Shell::new()?, &self.program, self.root());
        let systemctl = root.join("stub/systemctl");
        let run = cmd!(shell, "{program} --root {root} --systemctl {systemctl} {command}");
        let output = run.quiet().ignore_status().output()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(output.status.success(), "{command} ended with {}:\n{said}", output.status);
        Ok(said)
    }

    /// Delivers settings; what was said.
    fn receive(&self, settings: &BTreeMap<String, String>) -> Result<String> {
        let text: String = settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        self.write("opt/nstance-agent/recv/mutable.env", &text)?;
        self.write("opt/nstance-agent/recv/write-files.last", "now")?;
        // the last delivery was long ago, so that this one need not wait
        if let Ok(record) = fs::File::options().write(true).open(self.root().join(OWN[1])) {
            record.set_modified(SystemTime::UNIX_EPOCH)?;
        }
        self.run("receive")
    }

    /// The delivery of a release with all certificates of its kind of node: all is installed, nothing is unknown. The same
    /// with a key of a release to come is taken, too.
    fn takes_a_first_delivery(&self, kind: &str, sent: &BTreeMap<String, String>) -> Result<()> {
        let material = workspace::root().join("tests/fixtures/certificates");
        let read = |name: &str| fs::read_to_string(material.join(name));
        let (certificate, key, public) = (read("p256.crt")?, read("p256.key")?, read("p256.pub")?);
        let mut names =
            vec!["ca", "containerd.client", "kubelet.client", "kubelet.server", "registry.server"];
        if kind == "knc" {
            names.extend(["front-proxy.client", "kube-apiserver.client", "kube-apiserver.server"]);
            names.extend(["kube-controller-manager.client", "kube-scheduler.client"]);
            names.extend(["netsy.client", "netsy.server"]);
            self.write("opt/nstance-agent/recv/service-accounts.key", &key)?;
        }
        for name in &names {
            self.write(&format!("opt/nstance-agent/recv/{name}.crt"), &certificate)?;
            self.write(&format!("opt/nstance-agent/keys/{name}.key"), &key)?;
        }
        self.write("opt/nstance-agent/recv/ca.pub", &public)?;
        self.write("opt/nstance-agent/recv/service-accounts.pub", &public)?;
        let said = self.receive(sent)?;
        ensure!(!said.contains("is not a setting of this image"), "{said}");
        let files = self.files()?;
        for name in &names {
            let installed = files.get(&format!("opt/crt/{name}.crt"));
            ensure!(installed.map(Vec::as_slice) == Some(certificate.as_bytes()), "{name}.crt: {said}");
        }
        let keys = files.keys().filter(|path| path.starts_with("opt/key/") && path.ends_with(".key")).count();
        // all but the authority's own, and on a control plane the one that signs service accounts' tokens
        ensure!(keys == names.len() - 1 + usize::from(kind == "knc"), "{keys} keys: {said}");
        let mut later = sent.clone();
        later.insert("KUBE_OF_A_LATER_RELEASE".to_owned(), "x".to_owned());
        let said = self.receive(&later)?;
        ensure!(said.contains("KUBE_OF_A_LATER_RELEASE is not a setting of this image"), "{said}");
        let status = self.run("status")?;
        ensure!(status.contains("KUBE_OF_A_LATER_RELEASE is not a setting of this image"), "{status}");
        Ok(())
    }

    /// What services read: every file of the node, without what it only remembers, and without the agent's.
    fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut out = BTreeMap::new();
        let mut todo = vec![self.root()];
        while let Some(folder) = todo.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                let name = path.strip_prefix(self.root())?.to_string_lossy().into_owned();
                if path.is_dir() {
                    todo.extend((name != "run" && name != "opt/nstance-agent/recv").then_some(path));
                } else if !OWN.contains(&name.as_str()) {
                    out.insert(name, fs::read(&path)?);
                }
            }
        }
        Ok(out)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::write(&target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
