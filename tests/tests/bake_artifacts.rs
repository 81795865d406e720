//! A bake of each kind, for both machines: whole, readable by other programs, and with what such a node needs.

use anyhow::{Context as _, Result, ensure};
use tests::shared::{BASE, Image, Shared};
use tests::standin::Arch;
use xshell::{Shell, cmd};

const HOST: [&str; 4] = ["usr/lib/systemd/systemd", "usr/sbin/sshd", "var/lib/dpkg/status", "etc/passwd"];
const WORKER: [&str; 9] = [
    "usr/local/bin/containerd",
    "usr/local/bin/containerd-shim-runc-v2",
    "usr/local/bin/crictl",
    "usr/local/sbin/runc",
    "usr/bin/kubelet",
    "usr/bin/zot",
    "opt/cni/bin/bridge",
    "opt/nstance-agent/bin/nstance-agent",
    "opt/fluent-bit/bin/fluent-bit",
];
const CONTROL_PLANE: [&str; 5] = [
    "usr/bin/kube-apiserver",
    "usr/bin/kube-scheduler",
    "usr/bin/kube-controller-manager",
    "usr/bin/kubectl",
    "opt/netsy/bin/netsy",
];
/// What fluent-bit's maintainer script would leave.
const SCRIPT_WAS_RUN: &str = "fluent-bit-postinst-was-run";

/// Bakes `image` and looks for `there` and `absent` in it with GNU tar and zstd.
fn check(image: Image, there: &[&str], absent: &[&str]) -> Result<()> {
    let shared = Shared::get()?;
    let artifact = shared.reference_folder(image)?.join(format!("{}.tar.zst", image.name()));
    let shell = Shell::new()?;
    let listing = cmd!(shell, "tar --list --zstd --file {artifact}").quiet().read()?;
    let paths: Vec<&str> =
        listing.lines().map(|path| path.trim_start_matches("./").trim_end_matches('/')).collect();
    ensure!(paths.len() > 3000, "{} paths", paths.len());
    for path in HOST.iter().chain(there) {
        ensure!(paths.contains(path), "no `{path}` in {}", image.name());
    }
    for path in absent.iter().chain([&SCRIPT_WAS_RUN]) {
        ensure!(!paths.contains(path), "`{path}` is in {}", image.name());
    }
    shared.run("verify").args([&artifact]).done()?;
    // ELF: e_machine at byte 18 is 62 for x86-64, 183 for 64-bit Arm
    let member = listing.lines().find(|path| path.ends_with("usr/lib/systemd/systemd")).context("systemd")?;
    let systemd =
        cmd!(shell, "tar --extract --to-stdout --zstd --file {artifact} {member}").quiet().output()?.stdout;
    let machine = match image.arch {
        Arch::Amd64 => 62,
        Arch::Arm64 => 183,
    };
    ensure!(systemd.get(18) == Some(&machine), "systemd is for machine {:?}", systemd.get(18));
    Ok(())
}

#[test]
fn base_is_a_container_host_of_debians_own_packages() -> Result<()> {
    check(BASE, &["usr/bin/containerd", "usr/sbin/runc"], &["usr/bin/kubelet", "opt/netsy"])
}

#[test]
fn base_for_arm64_is_baked_on_any_host() -> Result<()> {
    let image = Image { kind: "base", arch: Arch::Arm64 };
    check(image, &["usr/bin/containerd", "usr/sbin/runc"], &["usr/bin/kubelet"])
}

#[test]
fn knd_is_a_worker_with_upstreams_containerd() -> Result<()> {
    let image = Image { kind: "knd", arch: Arch::Amd64 };
    check(image, &WORKER, &["usr/bin/containerd", "usr/bin/kube-apiserver", "opt/kube2iam/bin/kube2iam"])
}

#[test]
fn knc_is_a_worker_and_a_control_plane() -> Result<()> {
    let image = Image { kind: "knc", arch: Arch::Amd64 };
    check(image, &[&WORKER[..], &CONTROL_PLANE[..]].concat(), &["usr/bin/containerd"])
}

#[test]
fn knc_for_arm64_is_baked_on_any_host() -> Result<()> {
    let image = Image { kind: "knc", arch: Arch::Arm64 };
    check(image, &[&WORKER[..], &CONTROL_PLANE[..]].concat(), &["usr/bin/containerd"])
}

#[test]
fn an_artifact_tells_what_is_in_it_and_who_put_it_there() -> Result<()> {
    let shared = Shared::get()?;
    let image = Image { kind: "knd", arch: Arch::Amd64 };
    let artifact = shared.reference_folder(image)?.join(format!("{}.tar.zst", image.name()));
    let why = |path: &str| shared.run("why").args([artifact.as_os_str(), path.as_ref()]).done();
    for (path, owner) in [
        ("/usr/lib/systemd/systemd", "systemd"),
        ("/usr/local/sbin/runc", "runc"),
        ("/etc/containerd/config.toml", "knd"),
        ("/bin/sh", "dash"),
    ] {
        let said = why(path)?.stdout;
        ensure!(said.contains(owner), "`{path}`, expected `{owner}`, found {said}");
    }
    let inspected = shared.run("inspect").args([artifact.as_os_str(), "--json".as_ref()]).done()?.stdout;
    let inspected: serde_json::Value = serde_json::from_str(&inspected)?;
    ensure!(inspected.is_object() || inspected.is_array(), "no document");
    let missing = shared.run("why").args([artifact.as_os_str(), "/no/such/path".as_ref()]).end()?;
    ensure!(missing.code != Some(0) && missing.stderr.contains("/no/such/path"), "{missing}");
    Ok(())
}
