//! For tests: a whole node in a folder, with every account being whoever runs the test, so that no privilege is needed.

use crate::names::DETECT_FACTS;
use crate::root::Root;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Its folder, removed at the end.
pub(crate) struct Node(pub(crate) PathBuf);

const ACCOUNTS: [&str; 13] = [
    "root",
    "podplane",
    "nstance-agent",
    "fluent-bit",
    "kube2iam",
    "containerd",
    "kubelet",
    "zot",
    "netsy",
    "kube-apiserver",
    "kube-scheduler",
    "kube-controller-manager",
    "systemd-journal",
];
const USER: &str = "PROVIDER_KIND=local\nCLUSTER_ID=c\nINSTANCE_ID=i\nNSTANCE_SERVER_AGENT_ADDR='[::1]:2'\n\
    NSTANCE_SERVER_REGISTRATION_ADDR=127.0.0.1:1\nNETSY_SECRET_ACCESS_KEY=s3cr3t\n";
const FACTS: &str = "VMCONFIG_KIND=knc\nINSTANCE_PROVIDER_ID=id\nINSTANCE_IPV4=10.0.0.1\nINSTANCE_IPV6=\n\
    INSTANCE_NETDEV=e\nINSTANCE_HOSTNAME=h\nINSTANCE_FQDN=h.d\nKUBE_API_ADDRESSES=\n";

impl Node {
    /// An image of a control plane, with user-data.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("configure-node-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let node = Self(path);
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let (mut passwd, mut group) = (String::new(), String::new());
        for account in ACCOUNTS {
            let _ = writeln!(passwd, "{account}:x:{uid}:{gid}::/:/bin/sh");
            let _ = writeln!(group, "{account}:x:{gid}:");
        }
        let manifest = r#"{"kind": "knc", "images": [{"image": "registry.k8s.io/pause:3.9"}]}"#;
        for (path, content) in [
            ("/etc/passwd", passwd.as_str()),
            ("/etc/group", &group),
            ("/etc/hosts", "127.0.0.1 localhost\n"),
            ("/etc/containerd/config.toml", "version = 3\n"),
            ("/opt/podplane/share/vmconfig-installed.json", manifest),
            ("/opt/podplane/share/defaults/mutable.env", "NETSY_BUCKET=b\nKUBE_API_PORT=6443\n"),
            ("/opt/podplane/etc/user-data.env", USER),
            ("/opt/nstance-agent/identity/nonce.jwt", "nonce"),
            ("/var/lib/dpkg/status", ""),
            ("/var/log/README", ""),
            ("/home/README", ""),
            ("/etc/sudoers.d/README", ""),
            (DETECT_FACTS, FACTS),
        ] {
            node.write(path, content);
        }
        node
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.0.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(path, content).expect("a file");
    }

    pub(crate) fn root(&self) -> Root {
        Root::open(&self.0).expect("a root")
    }

    pub(crate) fn configure(&self) {
        let root = self.root();
        let image = crate::install::load(&root).expect("an image");
        let inputs = crate::bootstrap::read(&root, &image).expect("inputs");
        crate::commands::configure::bring(&root, &image, &inputs).expect("configured");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
