//! A worker: what it is told comes from a seed, by either way, or not at all.

use super::{Expected, NONCE, all_up, all_well, deliver, fixture};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use tests::guest::{Guest, Setup};
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

/// User-data of a worker whose server is at this port of the host: QEMU's network has our loopback at 10.0.2.2.
fn user_data(port: u16) -> String {
    format!(
        "INSTANCE_ID='knd-1'\nCLUSTER_ID='test'\nPROVIDER_KIND='local'\nPROVIDER_REGION='here'\nPROVIDER_ZONE='a'\n\
         PROVIDER_INSTANCE_TYPE='small'\nREGISTRY_HOSTNAME='registry.test'\nREGISTRY_BUCKET='images'\nNSTANCE_SERVER_REGISTRATION_ADDR='10.0.2.2:{port}'\n\
         NSTANCE_SERVER_AGENT_ADDR='10.0.2.2:{port}'\n"
    )
}

/// Whether the node has just what it was told, and no more can read it than have to.
fn told(guest: &mut Guest, user_data: &str) -> Result<()> {
    ensure!(guest.sh("cat /opt/podplane/etc/user-data.env")? == user_data, "other user-data");
    let identity = "/opt/nstance-agent/identity";
    let got = guest.sh(&format!(
        "stat -c '%a %U:%G' /opt/podplane/etc/user-data.env {identity}/ca.crt {identity}/nonce.jwt && cat {identity}/nonce.jwt"
    ))?;
    let wanted =
        format!("600 root:root\n600 nstance-agent:nstance-agent\n600 nstance-agent:nstance-agent\n{NONCE}");
    ensure!(got == wanted, "the seed's files are {got}");
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
fn a_worker_takes_a_seed_from_a_volume_and_its_services_follow_a_delivery() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let room = scratch.path();
    let server = TcpListener::bind("127.0.0.1:0")?;
    let (told_of, seed) = (user_data(server.local_addr()?.port()), room.join("seed.iso"));
    let files =
        [("user-data.env", told_of.clone()), ("nonce.jwt", NONCE.into()), ("ca.crt", fixture("p256.crt")?)];
    for (name, text) in &files {
        std::fs::write(room.join(name), text)?;
    }
    let run = shared.run("seed").option("--settings", room.join("user-data.env"));
    let run = run.option("--nonce", room.join("nonce.jwt")).option("--ca", room.join("ca.crt"));
    run.option("--output", &seed).done()?;
    let setup = Setup { network: true, volumes: vec![seed], ..Setup::default() };
    let mut guest = started(&shared.disk(KND, "qcow2")?, room, &setup)?;
    told(&mut guest, &told_of)?;
    guest.until("systemctl is-active --quiet nstance-agent.service")?;
    deliver(&mut guest, "KUBE_LOG_LEVEL='2'\n", &CERTIFICATES)?;
    all_up(&mut guest, &SERVICES)?;
    all_well(&mut guest, &SERVICES)?;
    guest.reboot()?;
    guest.well_booted()?;
    all_up(&mut guest, &SERVICES)?;
    told(&mut guest, &told_of)
}

#[test]
fn a_worker_takes_a_seed_from_credentials_and_without_one_says_so_and_starts_nothing() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let (room, image) = (scratch.path(), shared.disk(KND, "qcow2")?);
    let server = TcpListener::bind("127.0.0.1:0")?;
    // no volume, so no cloud-init that knows the instance's id, and gives the machine its name
    let told_of =
        user_data(server.local_addr()?.port()) + "INSTANCE_PROVIDER_ID='i-2'\nINSTANCE_HOSTNAME='knd-2'\n";
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

    let mut guest = started(&image, room, &Setup { direct: true, network: true, ..Setup::default() })?;
    for (name, ..) in SERVICES {
        let state = guest.answer(&format!("systemctl is-active {name}.service"))?.output;
        ensure!(state == "inactive\n", "{name} is {state}");
    }
    ensure!(
        guest.console().contains("no user-data: neither systemd credentials nor a volume"),
        "{}",
        guest.console()
    );
    Ok(())
}
