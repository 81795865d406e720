//! What each upstream puts into its archive, and under which names.
//!
//! Learned from the archives themselves: containerd's has `bin/`, the CNI plugins' begins with `./`, those made by
//! goreleaser carry the build account's owner (1001 `runner`) and no directories. A bake must get on with all of it.

use super::archive::{Entry, tar_gz};
use super::fluent_bit;
use super::program::{Arch, Program};
use anyhow::{Result, bail};
use serde_json::{Value, json};

/// The programs of the CNI plugins' archive, release 1.9.
const CNI_PLUGINS: [&str; 18] = [
    "bandwidth",
    "bridge",
    "dhcp",
    "dummy",
    "firewall",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "sbr",
    "static",
    "tap",
    "tuning",
    "vlan",
    "vrf",
];

/// Components that are one program.
const BINARIES: [&str; 7] =
    ["runc", "kubelet", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "zot"];

/// The owner of files that were packed on a hosted build machine.
const RUNNER: (u32, &str) = (1001, "runner");

/// The bytes of the artifact of component `name`.
pub(super) fn pack(name: &str, version: &str, program: &Program) -> Result<Vec<u8>> {
    match name {
        "containerd" => containerd(version, program),
        "cni-plugins" => cni_plugins(version, program),
        "crictl" => tar_gz(&[Entry::program("crictl", program.stamped(name, version)?).owned(RUNNER)]),
        "netsy" | "nstance-agent" | "kube2iam" => goreleaser(name, version, program),
        "fluent-bit" => fluent_bit::package(version, program),
        single if BINARIES.contains(&single) => program.stamped(name, version),
        other => bail!("no stand-in for component `{other}`: add it to `tests/src/standin/layout.rs`"),
    }
}

/// kube2iam as a manifest would pin it, where it is published; its digest and size are to be filled in.
pub(super) fn kube2iam(arch: Arch) -> Value {
    const VERSION: &str = "0.15.0";
    json!({
        "version": VERSION,
        "url": format!(
            "https://github.com/podplane/kube2iam-binaries/releases/download/{VERSION}/kube2iam_{VERSION}_linux_{arch}.tar.gz"
        ),
        "type": "tar.gz",
        "digest": "sha512:",
        "size": 0,
        "providers": ["aws"],
    })
}

fn containerd(version: &str, program: &Program) -> Result<Vec<u8>> {
    let mut entries = vec![Entry::directory("bin/")];
    for name in ["containerd-shim-runc-v2", "ctr", "containerd", "containerd-stress"] {
        entries.push(Entry::program(&format!("bin/{name}"), program.stamped(name, version)?));
    }
    tar_gz(&entries)
}

fn cni_plugins(version: &str, program: &Program) -> Result<Vec<u8>> {
    let mut entries = vec![
        Entry::directory("./"),
        Entry::file("./README.md", b"# plugins (stand-in)\n"),
        Entry::file("./LICENSE", b"Apache License, Version 2.0 (stand-in)\n"),
    ];
    for name in CNI_PLUGINS {
        entries.push(Entry::program(&format!("./{name}"), program.stamped(name, version)?));
    }
    tar_gz(&entries)
}

fn goreleaser(name: &str, version: &str, program: &Program) -> Result<Vec<u8>> {
    tar_gz(&[
        Entry::file("LICENSE", b"Apache License, Version 2.0 (stand-in)\n").owned(RUNNER),
        Entry::file("README.md", format!("# {name} (stand-in)\n").as_bytes()).owned(RUNNER),
        Entry::program(name, program.stamped(name, version)?).owned(RUNNER),
    ])
}
