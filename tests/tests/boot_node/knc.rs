//! A control-plane node: a first boot as today's clusters make it, deliveries, a reboot, power cuts, who may read what.

use super::{
    AGENT, Expected, FIXED_KEY, LIVE_KEY, NONCE, all_up, all_well, containers_can_be_confined, deliver,
    fixture, identity, kubelet_joins, let_in, said, settings, within,
};
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
    ("kube-apiserver", None, "kube-apiserver"),
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
/// Its name.
const NODE: &str = "knc-1";
/// Its name servers, as they are delivered.
const SERVERS: &str = "[\"198.19.255.254\", \"fdc6::ffff\"]";
/// Who may read which file of settings and keys; the columns are users.
const MATRIX: &str = "tests/fixtures/boot/read-matrix.txt";

/// A guest that was booted and configured the way today's user-data scripts do it. The listener is the server that it
/// has to reach: QEMU's network has this machine's loopback at 10.0.2.2.
fn configured(shared: &Shared, room: &std::path::Path) -> Result<(Guest, TcpListener)> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let setup = Setup { direct: true, network: true, ..Setup::default() };
    let mut guest = Guest::new(&shared.disk(KNC, "qcow2")?, room, &setup)?;
    guest.start()?;
    guest.well_booted()?;
    let user_data = identity(NODE, server.local_addr()?.port()) + "INSTANCE_PROVIDER_ID='i-1'\n";
    guest.write(&[
        ("/opt/podplane/etc/user-data.env", "0600", "root:root", user_data.as_bytes()),
        ("/opt/nstance-agent/identity/ca.crt", "0600", AGENT, fixture("p256.crt")?.as_bytes()),
        ("/opt/nstance-agent/identity/nonce.jwt", "0600", AGENT, NONCE.as_bytes()),
    ])?;
    guest.sh(&format!("hostnamectl set-hostname {NODE}"))?;
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
fn a_node_follows_deliveries_comes_back_whole_from_a_power_cut_and_keeps_its_users_apart() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let (mut guest, _server) = configured(&shared, scratch.path())?;
    guest.until("systemctl is-active --quiet nstance-agent.service")?;
    for (name, ..) in &SERVICES[2..] {
        let state = guest.answer(&format!("systemctl is-active {name}.service"))?.output;
        ensure!(state == "inactive\n", "no certificate yet: {name} is {state}");
    }
    let status = guest.sh("/opt/podplane/bin/configure status")?;
    ensure!(status.contains("netsy                    waits for NETSY_BUCKET"), "{status}");
    let_in(&mut guest, &[FIXED_KEY])?;

    deliver(&mut guest, NODE, &settings(), &CERTIFICATES)?;
    all_up(&mut guest, &SERVICES)?;
    all_well(&mut guest, &SERVICES)?;
    let_in(&mut guest, &[FIXED_KEY, LIVE_KEY])?;
    kubelet_joins(&mut guest, NODE, 6443, SERVERS)?;
    api_server_is_told(&mut guest)?;
    all_that_is_written_is_within_the_sandbox(&mut guest)?;
    containers_can_be_confined(&mut guest)?;
    in_order(&mut guest)?;
    n01_only_what_is_its_own(&mut guest)?;

    // a change of one setting restarts those that read it, and no other
    let before = invocations(&mut guest)?;
    deliver(&mut guest, NODE, "KUBE_LOG_LEVEL='4'\n", &[])?;
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
    kubelet_joins(&mut guest, NODE, 6443, SERVERS)?;

    // the power is cut at three moments of a delivery: what comes back is one of the two sets, and whole
    for (pause, new) in [("0", "5"), ("0.3", "6"), ("1.5", "7")] {
        let old = level(&mut guest)?;
        deliver(&mut guest, NODE, &format!("KUBE_LOG_LEVEL='{new}'\n"), &[])?;
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

/// What kube-apiserver would not start with, or what nobody would believe it with, is not in its flags.
fn api_server_is_told(guest: &mut Guest) -> Result<()> {
    let started = said(guest, "kube-apiserver", None)?;
    let args: Vec<&str> =
        started["args"].as_array().into_iter().flatten().filter_map(|arg| arg.as_str()).collect();
    ensure!(
        !args.iter().any(|arg| arg.starts_with("--oidc-")),
        "no issuer, no flag of OpenID Connect: {args:?}"
    );
    for expected in [
        "--shutdown-send-retry-after=true",
        "--service-account-issuer=https://api.test:6443",
        "--service-account-jwks-uri=https://api.test:6443/openid/v1/jwks",
        "--external-hostname=api.test",
    ] {
        ensure!(args.contains(&expected), "{expected}: {args:?}");
    }
    // nobody but clients of the cluster's authority is answered
    let ask = "printf 'GET /livez HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -connect localhost:6443 -CAfile /opt/crt/ca.crt";
    let mine =
        " -cert /opt/crt/kube-apiserver.client.crt -key /opt/key/kube-apiserver/kube-apiserver.client.key";
    for (identity, answered) in [(mine, true), ("", false)] {
        let answer = guest.answer(&format!("{ask}{identity}"))?;
        ensure!(answer.output.contains(" 200 ") == answered, "`{identity}` got {answer:?}");
    }
    let own = guest.sh("getent hosts kube-apiserver.podplane.internal")?;
    ensure!(own.starts_with("127.0.0.1 "), "{own}");
    Ok(())
}

/// Each path that the program writes on a node, by its own plan, can be written within the units that it runs in.
fn all_that_is_written_is_within_the_sandbox(guest: &mut Guest) -> Result<()> {
    let paths: Vec<String> = tests::node_paths::all()?.into_iter().collect();
    for needed in
        ["/home/admin/.ssh/authorized_keys", "/etc/sudoers.d/admin", "/run/containerd/containerd.sock"]
    {
        ensure!(paths.iter().any(|path| path == needed), "{needed} is not in the plan");
    }
    for unit in ["podplane-configure", "nstance-recv-watch"] {
        let closed = closed(guest, unit, "", &paths)?;
        ensure!(closed.is_empty(), "{unit}: {closed}");
    }
    // what is asked here is what a sandbox answers
    let closed = closed(guest, "podplane-configure", "ProtectHome=read-only\\n", &paths)?;
    ensure!(closed.contains("/home/admin/.ssh/authorized_keys"), "{closed}");
    Ok(())
}

/// Which of `paths` cannot be written in the sandbox of `unit` with `more`. A file is put beside its name first, and what is
/// not there is made in what is there above it; of a socket the group changes.
fn closed(guest: &mut Guest, unit: &str, more: &str, paths: &[String]) -> Result<String> {
    let probe = "while read -r path; do\n\
                 case $path in /etc|/opt) all=$path;; *.sock) all=$(dirname $path);; *) all=\"$path $(dirname $path)\";; esac\n\
                 for at in $all; do while ! test -e $at; do at=$(dirname $at); done\n\
                 test -w $at || echo \"$path by $at\"; done; done </run/paths >/run/probe/closed\n";
    let list = paths.join("\n") + "\n";
    let file = |path, text| (path, "0644", "root:root", text);
    guest.write(&[file("/run/paths", list.as_bytes()), file("/run/probe.sh", probe.as_bytes())])?;
    within(guest, unit, "/bin/sh /run/probe.sh", more)?.done()?;
    guest.sh("cat /run/probe/closed && rm /run/probe/closed")
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
    let expected = std::fs::read_to_string(&path)?;
    assert_eq!(got, expected, "`VMBAKE_ACCEPT=1` takes what is; look at the difference before");
    Ok(())
}
