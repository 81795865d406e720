//! What is on disk already and matters to what will be: files of which only a part is ours.
//!
//! Read once, before anything is decided; rendering is a function of it and the settings.

use crate::accounts::Accounts;
use crate::names::IDENTITY;
use crate::refusal::Result;
use crate::root::Root;
use std::collections::{BTreeMap, BTreeSet};

/// The most bytes of such a file.
const LIMIT: usize = 1024 * 1024;
/// The kubeconfigs whose port is ours.
pub const KUBECONFIGS: [&str; 4] = [
    "/opt/kubelet/etc/kubeconfig",
    "/opt/kube2iam/etc/kubeconfig",
    "/opt/kube-controller-manager/etc/kubeconfig",
    "/opt/kube-scheduler/etc/kubeconfig",
];
/// How many names of a directory of a service's user are looked at.
const NAMES: usize = 10_000;
/// Directories of programs that must be executable.
const BIN: [&str; 5] =
    ["/opt/cni/bin", "/opt/netsy/bin", "/opt/nstance-agent/bin", "/opt/fluent-bit/bin", "/opt/kube2iam/bin"];
/// Where containerd looks for registries.
pub const CERTS: &str = "/etc/containerd/certs.d";

/// What was found.
#[derive(Default)]
pub struct Found {
    /// Content of shared files, by path; a file that is not there is absent.
    pub files: BTreeMap<&'static str, String>,
    /// Registries that configure itself wrote a `hosts.toml` for.
    pub registries: Vec<String>,
    /// Programs of `BIN`.
    pub programs: Vec<String>,
    /// Names in the agent's identity directory.
    pub identity: BTreeSet<String>,
    /// Users and groups.
    pub accounts: Accounts,
    /// Files that a new home directory starts with, and that are not there: name and content.
    pub skeleton: Vec<(String, Vec<u8>)>,
    /// Whether the admin user and its home are there.
    pub admin_home: bool,
    /// Whether sudo's directory is there.
    pub sudoers: bool,
    /// Whether containerd's socket is there.
    pub socket: bool,
    /// Whether `OIDC_CA_FILE` is there, when it is given.
    pub oidc_file: bool,
    /// Whether the node was configured before. What services need and is gone since then is told, and keeps no other service
    /// from starting.
    pub settled: bool,
}

impl Found {
    /// What a new node of an image has: for who asks without a machine what would be made of settings.
    #[must_use]
    pub fn of_an_image() -> Self {
        let mut found = Self { admin_home: true, sudoers: true, oidc_file: true, ..Self::default() };
        for (name, id) in crate::render::admin::accounts().zip(900u32..) {
            found.accounts.passwd.push_str(&format!("{name}:x:{id}:{id}::/:/usr/sbin/nologin\n"));
            found.accounts.group.push_str(&format!("{name}:x:{id}:\n"));
        }
        found.identity.insert("nonce.jwt".to_owned());
        found.files.insert("/etc/containerd/config.toml", "version = 3\n".to_owned());
        found
    }
}

/// Reads it from `root`; `oidc_file` is the path that settings name, or empty.
pub fn read(root: &Root, oidc_file: &str) -> Result<Found> {
    let mut found = Found { accounts: Accounts::read(root)?, ..Found::default() };
    let shared = ["/etc/hosts", "/etc/subuid", "/etc/subgid", "/etc/containerd/config.toml"];
    for path in shared {
        if let Some(text) = root.read_text(path, LIMIT)? {
            found.files.insert(path, text);
        }
    }
    for path in KUBECONFIGS {
        if let Some(Ok(text)) = root.read_plain(path, LIMIT)?.map(String::from_utf8) {
            found.files.insert(path, text);
        }
    }
    for name in root.list(CERTS)? {
        let text = root.read(&format!("{CERTS}/{name}/hosts.toml"), LIMIT).ok().flatten().unwrap_or_default();
        if text.starts_with(crate::render::registry::MARK.as_bytes()) {
            found.registries.push(name);
        }
    }
    for directory in BIN {
        let names = root.list_some(directory, NAMES)?.into_iter();
        found.programs.extend(names.map(|name| format!("{directory}/{name}")));
    }
    found.identity = root.list_some(IDENTITY, NAMES)?.into_iter().collect();
    if root.exists_plainly(&format!("{IDENTITY}/nonce.jwt"))? {
        found.identity.insert("nonce.jwt".to_owned());
    }
    for name in root.list("/etc/skel")? {
        if root.exists(&format!("/home/admin/{name}"))? {
            continue;
        }
        if let Ok(Some(bytes)) = root.read(&format!("/etc/skel/{name}"), LIMIT) {
            found.skeleton.push((name, bytes));
        }
    }
    // the directory is made before the account is: alone it is what a crash has left, not a home
    found.admin_home = root.exists("/home/admin")? && found.accounts.ids().user("admin").is_some();
    found.sudoers = root.exists("/etc/sudoers.d")?;
    found.socket = root.exists(crate::render::directories::SOCKET)?;
    found.oidc_file = oidc_file.is_empty() || root.exists(oidc_file)?;
    Ok(found)
}
