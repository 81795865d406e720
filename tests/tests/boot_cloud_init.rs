//! `base` told by cloud-init: what a NoCloud volume says arrives, and what the image does not do is said.

use anyhow::{Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use tests::guest::{Guest, Setup};
use tests::shared::{BASE, Shared};
use xshell::{Shell, cmd};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC7dZ3nT1xq0yVb9m0cS4xk2gHf8sJ6wQe5uRr1tYp0L someone@example.test";

/// The address that QEMU gives to a machine's first network card.
const MAC: &str = "52:54:00:12:34:56";

/// A volume labelled `cidata` with these files.
fn seed(room: &Path, files: &[(&str, String)]) -> Result<PathBuf> {
    let (volume, shell) = (room.join("seed.img"), Shell::new()?);
    cmd!(shell, "mformat -C -f 1440 -v CIDATA -i {volume} ::").quiet().run()?;
    for (name, text) in files {
        let file = room.join(name);
        fs::write(&file, text)?;
        cmd!(shell, "mcopy -i {volume} {file} ::{name}").quiet().run()?;
    }
    Ok(volume)
}

/// Boots `base` with the volume, until cloud-init has done all.
fn told(shared: &Shared, room: &Path, files: &[(&str, String)]) -> Result<Guest> {
    let setup = Setup { direct: true, network: true, volumes: vec![seed(room, files)?], ..Setup::default() };
    let mut guest = Guest::new(&shared.disk(BASE, "qcow2")?, room, &setup)?;
    guest.start()?;
    guest.well_booted()?;
    let status = guest.answer("cloud-init status --wait")?;
    ensure!(
        status.output.trim().ends_with("status: done"),
        "{status}\n{}",
        guest.sh("cloud-init status --long")?
    );
    Ok(guest)
}

/// As Proxmox writes its volumes, and with keys that the image does not apply.
#[test]
fn user_key_names_and_static_address_arrive_and_what_is_left_out_is_said() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let network = format!(
        "version: 1\nconfig:\n    - type: physical\n      name: eth0\n      mac_address: '{MAC}'\n      subnets:\n      - type: static\n        \
         address: '10.0.2.77'\n        netmask: '255.255.255.0'\n        gateway: '10.0.2.2'\n    - type: nameserver\n      address:\n      - \
         '10.0.2.3'\n      search:\n      - 'example.test'\n"
    );
    let user_data = format!(
        "#cloud-config\nhostname: node-b\nmanage_etc_hosts: true\nfqdn: node-b.example.test\nuser: keeper\nssh_authorized_keys:\n  \
         - {KEY}\nchpasswd:\n  expire: False\nusers:\n  - default\npackage_upgrade: true\npackages: [nginx]\nntp:\n  servers: \
         [10.0.2.2]\nlocale: de_DE.UTF-8\napt:\n  conf: \"APT::Get::Assume-Yes 1;\"\nruncmd:\n  - [touch, /run/seed-was-here]\n"
    );
    let files = [
        ("meta-data", "instance-id: 0b1c2d\n".to_owned()),
        ("user-data", user_data),
        ("network-config", network),
    ];
    let mut guest = told(&shared, scratch.path(), &files)?;
    assert_eq!(
        guest.sh("hostname; hostname -f; cat /etc/hostname")?,
        "node-b\nnode-b.example.test\nnode-b\n"
    );
    assert_eq!(guest.sh("cat /home/keeper/.ssh/authorized_keys")?, format!("{KEY}\n"));
    assert_eq!(guest.sh("sudo -u keeper sudo -n id -u; stat -c %U:%G /home/keeper")?, "0\nkeeper:keeper\n");
    let address = guest.sh("ip -4 -o address show dev eth0")?;
    assert!(address.contains("inet 10.0.2.77/24") && address.matches("inet ").count() == 1, "{address}");
    assert!(guest.sh("ip -4 route show default")?.starts_with("default via 10.0.2.2 dev eth0"));
    assert!(guest.sh("resolvectl dns eth0; resolvectl domain eth0")?.contains("10.0.2.3"));
    guest.sh("test -e /run/seed-was-here")?;
    let log = guest.sh("cat /var/log/cloud-init.log")?;
    for key in ["apt", "locale", "ntp", "packages"] {
        let said = log
            .lines()
            .any(|line| line.contains("WARNING") && line.contains(&format!("`{key}` is not applied")));
        assert!(said, "no warning of `{key}` in\n{log}");
    }
    // what Proxmox always asks for is no warning
    let upgrade: Vec<&str> =
        log.lines().filter(|line| line.contains("`package_upgrade` is not applied")).collect();
    assert!(upgrade.len() == 1 && upgrade[0].contains("INFO"), "{upgrade:?}");
    Ok(())
}

/// As written on Windows, with the longest name that Linux takes and a domain that makes it longer.
#[test]
fn a_long_name_with_its_domain_and_line_ends_of_windows_arrive() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let name = "n".repeat(63);
    let fqdn = format!("{name}.c.project-0123456789.internal");
    let user_data = format!(
        "#cloud-config\r\nhostname: {name}\r\nfqdn: {fqdn}\r\nuser: keeper\r\nssh_authorized_keys:\r\n  - {KEY}\r\n"
    );
    let files =
        [("meta-data", format!("instance-id: i-2\r\nlocal-hostname: {fqdn}\r\n")), ("user-data", user_data)];
    let mut guest = told(&shared, scratch.path(), &files)?;
    assert_eq!(guest.sh("hostname; hostname -f")?, format!("{name}\n{fqdn}\n"));
    assert_eq!(guest.sh("cat /home/keeper/.ssh/authorized_keys")?, format!("{KEY}\n"));
    // the rest of the file is as the image has it
    let hosts = guest.sh("cat /etc/hosts")?;
    assert!(hosts.contains("127.0.0.1 localhost") || hosts.contains("127.0.0.1\tlocalhost"), "{hosts}");
    assert!(hosts.contains("ff02::2"), "{hosts}");
    assert_eq!(guest.sh("cloud-init status --long | grep -c WARNING || true")?, "0\n");
    Ok(())
}
