//! A worker: what it is told comes from a seed, by either way, or not at all.

use super::{
    Expected, FIXED_KEY, LIVE_KEY, NONCE, all_up, all_well, containers_can_be_confined, deliver, fixture,
    identity, kubelet_joins, let_in, said, settings,
};
use anyhow::{Context as _, Result, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tests::authority::{Authority, key};
use tests::first_boot::Given;
use tests::guest::{Guest, Setup, volume};
use tests::server::{Reply, Server};
use tests::shared::{Image, Shared};
use tests::standin::Arch;

const KND: Image = Image { kind: "knd", arch: Arch::Amd64 };
const SERVICES: [Expected; 4] = [
    ("containerd", None, "root"),
    ("nstance-agent", None, "nstance-agent"),
    ("kubelet", Some(10250), "root"),
    ("zot", Some(5000), "zot"),
];
const CERTIFICATES: [&str; 5] =
    ["ca", "containerd.client", "kubelet.client", "kubelet.server", "registry.server"];

/// How far into a disk a seed is, for nobody to find it there.
const HIDDEN: usize = 1 << 20;

/// Whether the node has just what it was told, and no more can read it than have to.
fn told(guest: &mut Guest, user_data: &str) -> Result<()> {
    ensure!(guest.sh("cat /opt/podplane/etc/user-data.env")? == user_data, "other user-data");
    let identity = "/opt/nstance-agent/identity";
    let got = guest.sh(&format!(
        "stat -c '%a %U:%G' /opt/podplane/etc/user-data.env {identity}/ca.crt {identity}/nonce.jwt && cat {identity}/nonce.jwt"
    ))?;
    let expected =
        format!("600 root:root\n600 nstance-agent:nstance-agent\n600 nstance-agent:nstance-agent\n{NONCE}");
    ensure!(got == expected, "the seed's files are {got}");
    Ok(())
}

/// A guest that has been started.
fn started(image: &Path, room: &Path, setup: &Setup) -> Result<Guest> {
    let mut guest = Guest::new(image, room, setup)?;
    guest.start()?;
    guest.well_booted()?;
    Ok(guest)
}

#[test]
fn a_worker_takes_a_seed_from_a_volume_through_power_cuts_and_its_services_follow_a_delivery() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let room = scratch.path();
    let server = TcpListener::bind("127.0.0.1:0")?;
    let told_of = identity("knd-1", server.local_addr()?.port());
    // who it is, and what any image is told, by one volume; it is not done with that before its power fails three times
    let given = Given::new(room, "knd-1")?;
    let seed = seed(&shared, room, &told_of, Some(&given))?;
    let setup = Setup { direct: true, network: true, volumes: vec![seed], ..Setup::default() };
    let mut guest = Guest::new(&shared.disk(KND, "qcow2")?, room, &setup)?;
    given.cut(&mut guest)?;
    guest.start()?;
    guest.well_booted()?;
    given.holds(&mut guest)?;
    given.logs_in(&mut guest)?;
    told(&mut guest, &told_of)?;
    guest.until("systemctl is-active --quiet nstance-agent.service")?;
    let_in(&mut guest, &[FIXED_KEY])?;
    let api = api_server()?;
    joins(&mut guest, "knd-1", &api)?;
    containers_can_be_confined(&mut guest)?;
    let (once, boots) = given.traces(&mut guest)?;
    guest.reboot()?;
    guest.well_booted()?;
    given.holds(&mut guest)?;
    ensure!(
        given.traces(&mut guest)? == (once, boots + 1),
        "the same instance is left alone at its next boot"
    );
    all_up(&mut guest, &SERVICES)?;
    kubelet_joins(&mut guest, "knd-1", api.port(), "[\"10.96.0.10\"]")?;
    told(&mut guest, &told_of)
}

/// The cluster's API server, on this machine's loopback: it takes nobody but clients of the cluster's authority.
fn api_server() -> Result<Server> {
    let authority = Authority::get()?;
    let der = |name: &str| {
        CertificateDer::from_pem_slice(authority.certificate(name, "api")?.as_bytes())
            .context(name.to_owned())
    };
    let (ca, own) = (der("ca")?, der("kube-apiserver.server")?);
    let key = PrivateKeyDer::from_pem_slice(key()?.as_bytes()).context("a key")?;
    let mut roots = RootCertStore::empty();
    roots.add(ca)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![own], key)?;
    let server = Server::start_tls(Arc::new(config))?;
    server.at("/livez", vec![Reply::raw("200 OK", &[("Content-Length", "2")], b"ok")]);
    Ok(server)
}

/// A first delivery of today's release, and one of a release to come. The API server is where this test could make it.
fn joins(guest: &mut Guest, id: &str, api: &Server) -> Result<()> {
    let settings = format!("{}KUBE_API_PORT={}\n", settings(), api.port());
    deliver(guest, id, &settings, &CERTIFICATES)?;
    all_up(guest, &SERVICES)?;
    all_well(guest, &SERVICES)?;
    guest.until("getent hosts kube-apiserver.podplane.internal | grep -q '^10[.]0[.]2[.]2 '").with_context(
        || format!("{:?}", guest.answer("journalctl --no-pager --boot --unit=hosts-refresh; cat /etc/hosts")),
    )?;
    kubelet_joins(guest, id, api.port(), "[\"198.19.255.254\", \"fdc6::ffff\"]")?;
    the_sandbox_image_has_both_names(guest)?;
    ensure!(api.requests().iter().all(|request| request.path == "/livez") && !api.requests().is_empty());
    let_in(guest, &[FIXED_KEY, LIVE_KEY])?;
    let before = guest.sh(STARTS)?;
    deliver(guest, id, &format!("{settings}KUBE_CLUSTER_DNS=10.96.0.10\nKUBE_OF_A_LATER_RELEASE=x\n"), &[])?;
    guest.until("grep -q 10[.]96 /opt/kubelet/etc/kubelet.conf.d/*.conf && ! systemctl is-active --quiet nstance-recv-watch.service")?;
    all_up(guest, &SERVICES)?;
    let after = guest.sh(STARTS)?;
    let others = |text: &str| {
        text.lines().filter(|line| !line.starts_with("kubelet ")).map(str::to_owned).collect::<Vec<_>>()
    };
    ensure!(before != after && others(&before) == others(&after), "kubelet restarts alone:\n{before}{after}");
    let status = guest.sh("/opt/podplane/bin/configure status")?;
    ensure!(status.contains("KUBE_OF_A_LATER_RELEASE is not a setting of this image"), "{status}");
    Ok(())
}

/// Demands that the image is in containerd's store, and that the unit which gives it its second name was started with both: containerd
/// looks for the second one.
fn the_sandbox_image_has_both_names(guest: &mut Guest) -> Result<()> {
    guest.sh("test -s /var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db")?;
    guest.until("systemctl is-active --quiet sandbox-image.service")?;
    let said = said(guest, "sandbox-image", None)?;
    let args: Vec<&str> = said["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let [.., own, name] = args.as_slice() else { anyhow::bail!("{args:?}") };
    ensure!(own.starts_with("registry.k8s.io/pause:"), "{args:?}");
    ensure!(*name == format!("registry.test/mirror/{own}"), "{args:?}");
    let config = guest.sh("grep '^ *sandbox = ' /etc/containerd/config.toml")?;
    ensure!(config.trim() == format!("sandbox = \"{name}\""), "{config}");
    Ok(())
}

/// Which start of each service runs.
const STARTS: &str = "for unit in containerd nstance-agent kubelet zot; do echo $unit $(systemctl show --property=InvocationID --value $unit); done";

/// A seed as a volume.
fn seed(shared: &Shared, room: &Path, told_of: &str, given: Option<&Given>) -> Result<PathBuf> {
    let seed = room.join("seed.iso");
    for (name, text) in
        [("user-data.env", told_of), ("nonce.jwt", NONCE), ("ca.crt", fixture("p256.crt")?.as_str())]
    {
        std::fs::write(room.join(name), text)?;
    }
    let run = shared.run("seed").option("--settings", room.join("user-data.env"));
    let run = run.option("--nonce", room.join("nonce.jwt")).option("--ca", room.join("ca.crt"));
    let run = match given {
        Some(given) => given.to(run),
        None => run,
    };
    run.option("--output", &seed).done()?;
    Ok(seed)
}

#[test]
fn a_worker_takes_a_seed_from_credentials_and_waits_for_whatever_is_late_seed_network_and_server()
-> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let (room, image) = (scratch.path(), shared.disk(KND, "qcow2")?);
    let server = TcpListener::bind("127.0.0.1:0")?;
    // no volume, so no cloud-init that knows the instance's id, and gives the machine its name
    let told_of = identity("knd-2", server.local_addr()?.port())
        + "INSTANCE_PROVIDER_ID='i-2'\nINSTANCE_HOSTNAME='knd-2'\n";
    let credentials = BTreeMap::from([
        ("podplane.user-data".to_owned(), told_of.clone().into_bytes()),
        ("podplane.nonce".to_owned(), NONCE.into()),
        ("podplane.ca".to_owned(), fixture("p256.crt")?.into_bytes()),
    ]);
    let setup = Setup { direct: true, network: true, credentials, ..Setup::default() };
    let mut guest = started(&image, room, &setup)?;
    told(&mut guest, &told_of)?;
    guest.until("systemctl is-active --quiet nstance-agent.service")?;
    guest.off()?;

    // the third has its volume out of sight, and a network that is not there yet
    let address = server.local_addr()?;
    drop(server);
    let told_of =
        identity("knd-3", address.port()) + "INSTANCE_PROVIDER_ID='i-3'\nINSTANCE_HOSTNAME='knd-3'\n";
    let (hidden, seed) = (room.join("hidden"), std::fs::read(seed(&shared, room, &told_of, None)?)?);
    volume(&[&vec![0; HIDDEN], seed.as_slice()].concat(), &hidden)?;
    let late = b"[Unit]\nConditionPathExists=/run/link-is-there\n";
    let credentials =
        ["systemd-networkd.socket", "systemd-networkd.service", "systemd-networkd-wait-online.service"]
            .map(|unit| (format!("systemd.unit-dropin.{unit}~late"), late.to_vec()));
    let setup = Setup {
        direct: true,
        network: true,
        credentials: credentials.into(),
        volumes: vec![hidden],
        ..Setup::default()
    };
    let mut guest = started(&image, room, &setup)?;
    for (name, ..) in SERVICES {
        let state = guest.answer(&format!("systemctl is-active {name}.service"))?.output;
        ensure!(state == "inactive\n", "{name} is {state}");
    }
    ensure!(
        guest.console().contains("no user-data: neither systemd credentials nor a volume"),
        "{}",
        guest.console()
    );

    guest.sh(&format!("losetup --offset {HIDDEN} --read-only --find /dev/vdb"))?;
    guest.until("test -s /opt/podplane/etc/user-data.env")?;
    told(&mut guest, &told_of)?;
    // twice: the second try is the one that was not made
    let asked =
        |what: &str| format!("test $(journalctl --no-pager --unit=podplane-detect | grep -c '{what}') -ge 2");
    guest.until(&asked("INSTANCE_NETDEV: "))?;
    guest.sh("touch /run/link-is-there && systemctl start systemd-networkd.service")?;
    guest.until(&asked("NSTANCE_SERVER_AGENT_ADDR: "))?;
    let failed = guest.sh("systemctl --failed --no-legend --plain")?;
    ensure!(failed.is_empty(), "gave up: {failed}");
    let _server = TcpListener::bind(address)?;
    guest.until("systemctl is-active --quiet nstance-agent.service")?;
    guest.well_booted()?;
    let_in(&mut guest, &[FIXED_KEY])
}
