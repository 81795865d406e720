//! A control-plane node: a first boot as today's clusters make it, deliveries, a reboot, power cuts, who may read what.

use super::{AGENT, Expected, NONCE, all_up, all_well, deliver, fixture};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::net::TcpListener;
use tests::guest::{Guest, Setup};
use tests::shared::{Image, Shared};
use tests::standin::Arch;
use tests::workspace;

const KNC: Image = Image { kind: "knc", arch: Arch::Amd64 };
const SERVICES: [Expected; 8] = [
    ("containerd", None, "root"),
    ("nstance-agent", None, "nstance-agent"),
    ("kubelet", Some(10250), "root"),
    ("zot", Some(5000), "zot"),
    ("netsy", Some(2378), "netsy"),
    ("kube-apiserver", Some(6443), "kube-apiserver"),
    ("kube-controller-manager", Some(10257), "kube-controller-manager"),
    ("kube-scheduler", Some(10259), "kube-scheduler"),
];
/// What the agent delivers a certificate for.
const CERTIFICATES: [&str; 12] = [
    "ca",
    "containerd.client",
    "front-proxy.client",
    "kube-apiserver.client",
    "kube-apiserver.server",
    "kubelet.client",
    "kubelet.server",
    "netsy.client",
    "netsy.server",
    "registry.server",
    "kube-controller-manager.client",
    "kube-scheduler.client",
];
/// Who may read which file of settings and keys; the columns are users.
const MATRIX: &str = "tests/fixtures/boot/read-matrix.txt";

/// A guest that was booted and configured the way today's user-data scripts do it. The listener is the server that it
/// has to reach: QEMU's network has this machine's loopback at 10.0.2.2.
fn configured(shared: &Shared, room: &std::path::Path) -> Result<(Guest, TcpListener)> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("10.0.2.2:{}", server.local_addr()?.port());
    let setup = Setup { direct: true, network: true, ..Setup::default() };
    let mut guest = Guest::new(&shared.disk(KNC, "qcow2")?, room, &setup)?;
    guest.start()?;
    guest.well_booted()?;
    let user_data = format!(
        "INSTANCE_ID='knc-1'\nINSTANCE_PROVIDER_ID='i-1'\nNETSY_BUCKET='state'\nCLUSTER_ID='test'\nPROVIDER_KIND='local'\nPROVIDER_REGION='here'\nPROVIDER_ZONE='a'\n\
         PROVIDER_INSTANCE_TYPE='small'\nREGISTRY_HOSTNAME='registry.test'\nREGISTRY_BUCKET='images'\nNSTANCE_SERVER_REGISTRATION_ADDR='{address}'\n\
         NSTANCE_SERVER_AGENT_ADDR='{address}'\n"
    );
    guest.write(&[
        ("/opt/podplane/etc/user-data.env", "0600", "root:root", user_data.as_bytes()),
        ("/opt/nstance-agent/identity/ca.crt", "0600", AGENT, fixture("p256.crt")?.as_bytes()),
        ("/opt/nstance-agent/identity/nonce.jwt", "0600", AGENT, NONCE.as_bytes()),
    ])?;
    guest.sh("hostnamectl set-hostname knc-1")?;
    for script in ["install", "configure", "restart"] {
        guest.sh(&format!("/opt/podplane/bin/{script}.sh"))?;
    }
    Ok((guest, server))
}

/// Which start of each service runs: it changes with a restart.
fn invocations(guest: &mut Guest) -> Result<BTreeMap<String, String>> {
    let names: Vec<String> = SERVICES.iter().map(|(name, ..)| format!("{name}.service")).collect();
    let text =
        guest.sh(&format!("systemctl show --property=Id --property=InvocationID {}", names.join(" ")))?;
    let value = |block: &str, key: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
            .to_owned()
    };
    Ok(text.split("\n\n").map(|block| (value(block, "Id"), value(block, "InvocationID"))).collect())
}

#[test]
fn k02_n01_a_node_follows_deliveries_comes_back_whole_from_a_power_cut_and_keeps_its_users_apart()
-> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let (mut guest, _server) = configured(&shared, scratch.path())?;
    guest.until("systemctl is-active --quiet nstance-agent.service")?;
    assert_eq!(
        guest.answer("systemctl is-active kube-apiserver.service")?.output,
        "inactive\n",
        "no certificate yet"
    );

    deliver(&mut guest, "KUBE_LOG_LEVEL='2'\n", &CERTIFICATES)?;
    all_up(&mut guest, &SERVICES)?;
    all_well(&mut guest, &SERVICES)?;
    in_order(&mut guest)?;
    n01_only_what_is_its_own(&mut guest)?;

    // a change of one setting restarts those that read it, and no other
    let before = invocations(&mut guest)?;
    deliver(&mut guest, "KUBE_LOG_LEVEL='4'\n", &[])?;
    guest.until("grep -q 'KUBE_LOG_LEVEL=.*4' /opt/env/kube-apiserver.env && test ! -e /opt/nstance-agent/recv/write-files.last")?;
    guest.until("! systemctl is-active --quiet nstance-recv-watch.service")?;
    all_up(&mut guest, &SERVICES)?;
    let after = invocations(&mut guest)?;
    let restarted: Vec<&str> = before
        .iter()
        .filter(|(name, id)| after.get(*name) != Some(*id))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(restarted, ["kube-apiserver.service", "kube-controller-manager.service"]);

    guest.reboot()?;
    guest.well_booted()?;
    all_up(&mut guest, &SERVICES)?;
    assert_eq!(level(&mut guest)?, "4");

    // the power goes off at three moments of a delivery: what comes back is one of the two sets, and whole
    for (pause, new) in [("0", "5"), ("0.3", "6"), ("1.5", "7")] {
        let old = level(&mut guest)?;
        deliver(&mut guest, &format!("KUBE_LOG_LEVEL='{new}'\n"), &[])?;
        guest.sh(&format!("sleep {pause}"))?;
        guest.cut()?;
        guest.start()?;
        guest.well_booted()?;
        all_up(&mut guest, &SERVICES)?;
        guest.until("! systemctl is-active --quiet nstance-recv-watch.service")?;
        let now = level(&mut guest)?;
        ensure!(now == old || now == new, "level {now}, expected {old} or {new}");
    }
    Ok(())
}

/// The level that every file agrees on.
fn level(guest: &mut Guest) -> Result<String> {
    let files =
        "/opt/podplane/etc/mutable.env /opt/env/kube-apiserver.env /opt/env/kube-controller-manager.env";
    let text = guest.sh(&format!("grep -h ^KUBE_LOG_LEVEL= {files} | tr -d \"'\\\"\" | cut -d = -f 2"))?;
    let levels: Vec<&str> = text.lines().collect();
    ensure!(levels.len() == 3 && levels.iter().all(|level| *level == levels[0]), "half a set: {levels:?}");
    Ok(levels[0].to_owned())
}

/// Services that need others were started after them.
fn in_order(guest: &mut Guest) -> Result<()> {
    let mut began = |name: &str| -> Result<u64> {
        let show =
            format!("systemctl show --property=ExecMainStartTimestampMonotonic --value {name}.service");
        Ok(guest.sh(&show)?.trim().parse()?)
    };
    for (first, second) in
        [("netsy", "kube-apiserver"), ("containerd", "kubelet"), ("kube-apiserver", "kubelet")]
    {
        let (one, other) = (began(first)?, began(second)?);
        ensure!(one <= other, "{second} was started at {other} µs, before {first} at {one} µs");
    }
    Ok(())
}

/// Each service user tries to read each file of settings and keys.
fn n01_only_what_is_its_own(guest: &mut Guest) -> Result<()> {
    let users = "podplane nstance-agent fluent-bit kube2iam containerd kubelet zot netsy kube-apiserver \
                 kube-controller-manager kube-scheduler nobody";
    // a line a file: who of them may read it
    let script = format!(
        "for file in $(find /opt/env /opt/key /opt/crt /opt/pub /opt/podplane/etc /opt/nstance-agent /opt/zot/etc \
         /opt/netsy/etc -type f | sort); do line=$file; for user in {users}; do \
         setpriv --reuid $user --regid $(id -g $user) --init-groups test -r $file && line=\"$line $user\"; done; echo $line; done"
    );
    let got = guest.sh(&script)?;
    let path = workspace::root().join(MATRIX);
    if std::env::var_os("VMBAKE_ACCEPT").is_some() {
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(&path, &got)?;
    }
    let wanted = std::fs::read_to_string(&path)?;
    assert_eq!(got, wanted, "`VMBAKE_ACCEPT=1` takes what is; look at the difference before");
    Ok(())
}
