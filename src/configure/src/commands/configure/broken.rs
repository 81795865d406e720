//! Everything that a service's user may change and a boot looks at, broken in every way: the node is configured all the same,
//! nothing outside is touched, and what is root's to write is there again.

use super::bring;
use crate::node::Node;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Of nstance-agent, whose directory is its own.
const AGENT: [&str; 14] = [
    "/opt/nstance-agent/bin",
    "/opt/nstance-agent/identity",
    "/opt/nstance-agent/identity/ca.crt",
    "/opt/nstance-agent/identity/.ca.crt.new",
    "/opt/nstance-agent/identity/config.hash",
    "/opt/nstance-agent/identity/nonce.jwt",
    "/opt/nstance-agent/keys",
    "/opt/nstance-agent/keys/kubelet.client.key",
    "/opt/nstance-agent/recv",
    "/opt/nstance-agent/recv/ca.crt",
    "/opt/nstance-agent/recv/mutable.env",
    "/opt/nstance-agent/recv/write-files.last",
    "/opt/nstance-agent/.identity.new",
    "/opt/nstance-agent/.recv.new",
];
/// The same of other services.
const OTHERS: [&str; 20] = [
    "/opt/fluent-bit/bin",
    "/opt/fluent-bit/etc",
    "/opt/fluent-bit/etc/fluent-bit.yml",
    "/opt/kube-controller-manager/etc",
    "/opt/kube-controller-manager/etc/kubeconfig",
    "/opt/kube-scheduler/etc",
    "/opt/kube-scheduler/etc/kubeconfig",
    "/opt/kube2iam/bin",
    "/opt/kube2iam/etc",
    "/opt/kube2iam/etc/kubeconfig",
    "/opt/kubelet/etc",
    "/opt/kubelet/etc/kubeconfig",
    "/opt/kubelet/etc/kubelet.conf.d",
    "/opt/kubelet/etc/kubelet.conf.d/10-settings.conf",
    "/opt/netsy/bin",
    "/opt/netsy/etc",
    "/opt/netsy/etc/cluster.jsonc",
    "/opt/zot/etc",
    "/opt/zot/etc/zot.yml",
    "/opt/zot/storage",
];

/// How something is broken, in words and in deed.
type Way = (&'static str, fn(&Path));

/// What is put in a path's place, when it and all below it is gone.
const WAYS: [Way; 11] = [
    ("removed", |_| {}),
    ("a link to a directory", |path| symlink("/etc/victims", path).expect("a link")),
    ("a link to a file", |path| symlink("/etc/victims/victim", path).expect("a link")),
    ("a link to nothing", |path| symlink("/nowhere/at/all", path).expect("a link")),
    ("a link to itself", |path| symlink(path.file_name().expect("a name"), path).expect("a link")),
    ("a file", |path| fs::write(path, "server: https://s3cr3t\nserver: x\n").expect("a file")),
    ("no text", |path| fs::write(path, b"\xff\0\xff").expect("a file")),
    ("an immense file", |path| fs::File::create(path).expect("a file").set_len(1 << 36).expect("a size")),
    ("a pipe", |path| {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).expect("a pipe");
    }),
    ("a socket", |path| {
        // the name of a socket is short, whatever the folder's is
        let short = Path::new("/tmp").join(format!("s{}", std::process::id()));
        drop(UnixListener::bind(&short).expect("a socket"));
        fs::rename(&short, path).expect("the same file system");
    }),
    ("a directory with something in it", |path| {
        fs::create_dir_all(path.join("deep/er")).expect("directories");
        fs::write(path.join("deep/er/file"), "x").expect("a file");
    }),
];

/// A node that has everything on, after its first boot.
fn booted(name: &str) -> Node {
    let node = Node::new(name);
    let path = node.0.join("opt/podplane/etc/user-data.env");
    let more = "NSTANCE_CA_CERT=LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=\n\
        REGISTRY_HOSTNAME=registry.example\nREGISTRY_BUCKET=r\nTELEMETRY_OTLP_ENDPOINT=https://logs.example\n";
    let text = fs::read_to_string(&path).expect("user-data");
    fs::write(&path, text + more).expect("user-data");
    for path in crate::found::KUBECONFIGS {
        node.write(path, "    server: https://localhost:6443\n");
    }
    for path in ["/etc/victims/victim", "/opt/netsy/bin/netsy", "/opt/nstance-agent/bin/nstance-agent"] {
        node.write(path, "victim");
    }
    node.configure();
    node
}

/// All plain files below `path`, but those of the agent itself and what was set aside.
fn files(node: &Node, path: &str, out: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(node.0.join(path)).expect("a directory").map(|entry| entry.expect("an entry")) {
        let name = format!("{path}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("a type");
        let is_own =
            ["opt/nstance-agent/", "opt/podplane/etc/.staging"].iter().any(|own| name.starts_with(own));
        if kind.is_dir() && !name.contains("/.") {
            files(node, &name, out);
        } else if kind.is_file() && (!is_own || name.ends_with("identity/ca.crt")) {
            let immense = entry.metadata().expect("a file").len() > 1 << 20;
            let content =
                if immense { b"immense".to_vec() } else { fs::read(node.0.join(&name)).expect("a file") };
            out.insert(name.clone(), content);
        }
    }
}

fn all(node: &Node) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for path in ["opt", "etc"] {
        files(node, path, &mut out);
    }
    out
}

fn survives(paths: &[&str], name: &str) {
    for (at, path) in paths.iter().enumerate() {
        let node = booted(&format!("{name}-{at}"));
        let whole = all(&node);
        for (way, make) in WAYS {
            let at = node.0.join(path.trim_start_matches('/'));
            if at.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                fs::remove_dir_all(&at).expect("removed");
            } else {
                let _ = fs::remove_file(&at);
            }
            fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
            make(&at);
            let root = node.root();
            let image = crate::install::load(&root).expect("an image");
            let inputs = crate::bootstrap::read(&root, &image).expect("inputs");
            let run = || bring(&root, &image, &inputs).map(|(applied, notes)| (applied.changed, notes));
            let (_, notes) = run().unwrap_or_else(|refusal| panic!("{path} {way}: {refusal}"));
            assert!(!notes.concat().contains("s3cr3t"), "{path} {way}: {notes:?}");
            let (changed, _) = run().unwrap_or_else(|refusal| panic!("{path} {way}, again: {refusal}"));
            assert!(changed.is_empty(), "{path} {way}: {changed:?}");
            // what the image alone has, and its service's user removed, is not made anew
            let image_only = |name: &str| name.ends_with("/kubeconfig") || name.contains("/bin/");
            let now = all(&node);
            for (name, content) in whole.iter().filter(|(name, _)| !image_only(name)) {
                assert!(now.get(name) == Some(content), "{path} {way}: {name}");
            }
            for (name, content) in now.iter().filter(|(name, _)| !name.starts_with(&path[1..])) {
                assert!(whole.get(name) == Some(content), "{path} {way}: {name} is new");
            }
            for path in crate::found::KUBECONFIGS.iter().filter(|path| !node.0.join(&path[1..]).exists()) {
                let at = node.0.join(&path[1..]);
                let _ = fs::remove_file(at.parent().expect("a parent"));
                let _ = fs::remove_file(&at);
                let _ = fs::remove_dir_all(&at);
                node.write(path, "    server: https://localhost:6443\n");
            }
        }
    }
}

#[test]
fn whatever_the_agent_breaks_never_stops_a_boot() {
    survives(&AGENT, "broken-agent");
}

#[test]
fn whatever_another_service_breaks_of_its_own_never_stops_a_boot() {
    survives(&OTHERS, "broken-others");
}

#[test]
fn a_node_whose_first_boot_has_no_identity_is_still_refused() {
    let node = booted("broken-first");
    fs::remove_file(node.0.join("opt/podplane/bootstrap.done")).expect("the marker");
    fs::remove_dir_all(node.0.join("opt/nstance-agent/identity")).expect("removed");
    let root = node.root();
    let image = crate::install::load(&root).expect("an image");
    let inputs = crate::bootstrap::read(&root, &image).expect("inputs");
    let Err(refusal) = bring(&root, &image, &inputs) else { panic!("expected a refusal") };
    assert!(refusal.to_string().contains("nonce.jwt"), "{refusal}");
}

#[test]
fn ten_thousand_names_in_a_directory_of_the_agent_cost_a_boot_nothing() {
    let node = booted("broken-many");
    for at in 0..20_000 {
        fs::write(node.0.join(format!("opt/nstance-agent/identity/.{at}")), "").expect("a file");
    }
    let root = node.root();
    assert!(root.list_some(crate::names::IDENTITY, 100).expect("names").len() <= 100);
    node.configure();
}
