//! `base` with `first-boot = "native"` in a machine: no cloud-init and no Python, configured by a volume of `seed`, with its power
//! cut in between; in the end a user logs in over the network.

use anyhow::{Result, ensure};
use std::fs;
use tests::guest::{Guest, Setup, volume};
use tests::own_kind::{OwnKind, Wishes};
use tests::shared::Shared;
use xshell::{Shell, cmd};

/// The address that QEMU gives to a machine's first network card.
const MAC: &str = "52:54:00:12:34:56";

/// As Proxmox writes it.
fn network() -> String {
    format!(
        "version: 1\nconfig:\n    - type: physical\n      name: lan0\n      mac_address: '{MAC}'\n      subnets:\n      - type: static\n        \
         address: '10.0.2.77'\n        netmask: '255.255.255.0'\n        gateway: '10.0.2.2'\n    - type: nameserver\n      address:\n      - \
         '10.0.2.3'\n      search:\n      - 'example.test'\n"
    )
}

#[test]
fn a_volume_tells_an_image_without_cloud_init_all_and_a_power_cut_half_of_nothing() -> Result<()> {
    let (shared, scratch, shell) = (Shared::get()?, tempfile::tempdir()?, Shell::new()?);
    let (shared, room) = (&shared, scratch.path());
    let private = room.join("key");
    cmd!(shell, "ssh-keygen -q -t ed25519 -N '' -C someone@example.test -f {private}").run()?;
    let key = fs::read_to_string(private.with_extension("pub"))?.trim().to_owned();
    let user_data = format!(
        "#cloud-config\nhostname: one\nfqdn: one.example.test\nuser: keeper\nssh_authorized_keys:\n  - {key}\nusers:\n  - default\n\
         package_upgrade: true\nwrite_files:\n  - {{path: /etc/motd, content: \"written\\n\", append: true}}\ntimezone: Europe/Berlin\n\
         ntp: {{servers: [10.0.2.2]}}\nbootcmd: [[sh, -c, \"echo boot >> /var/lib/bootcmd\"]]\nruncmd:\n  - [sh, -c, \"echo run >> /var/lib/runcmd; echo was-run\"]\n"
    );
    let (told, network_config, seed) = (room.join("user-data"), room.join("network"), room.join("seed.iso"));
    fs::write(&told, user_data)?;
    fs::write(&network_config, network())?;
    let made = shared.run("seed").option("--user-data", &told).option("--network-config", &network_config);
    made.option("--output", &seed).done()?;
    let volume_of_seed = room.join("seed.raw");
    volume(&fs::read(&seed)?, &volume_of_seed)?;

    let own = OwnKind::new(shared, room, &Wishes { native: true, ..Wishes::default() })?;
    let has = |name: &str| {
        Ok::<_, anyhow::Error>(own.locked()?.packages.iter().any(|package| package.name.as_str() == name))
    };
    ensure!(
        !has("cloud-init")? && !has("python3")? && has("passwd")?,
        "packages of an image without cloud-init"
    );
    let output = room.join("dist");
    own.bake(&output)?.option("--format", "qcow2").done()?;

    let setup = Setup { direct: true, network: true, volumes: vec![volume_of_seed], ..Setup::default() };
    let mut guest = Guest::new(&output.join(format!("{}.qcow2", own.image())), room, &setup)?;
    guest.start()?;
    // in the middle of it: the accounts are there or not, and no file says that it is done
    guest.until("test -e /run/cloud-init/status.json")?;
    guest.cut()?;
    guest.start()?;
    guest.well_booted()?;
    let said = guest.sh("cloud-init status --wait --format json")?;
    let status: serde_json::Value = serde_json::from_str(&said)?;
    assert_eq!((&status["status"], &status["errors"]), (&"done".into(), &serde_json::json!([])), "{said}");
    assert_eq!(guest.sh("cloud-init status --wait")?, "status: done\n");
    assert_eq!(guest.sh("cloud-id; cloud-init query v1.local_hostname")?, "nocloud\none\n");
    for claim in [
        "test \"$(hostname) $(hostname -f) $(cat /etc/hostname)\" = 'one one.example.test one'",
        "grep -xE '127.0.1.1[[:blank:]]+one.example.test[[:blank:]]+one' /etc/hosts && grep -w localhost /etc/hosts",
        "test \"$(stat -c %U:%G:%a /home/keeper /home/keeper/.ssh/authorized_keys | tr '\\n' ' ')\" = 'keeper:keeper:700 keeper:keeper:600 '",
        "test \"$(grep -c written /etc/motd)\" = 1",
        "test \"$(cat /var/lib/runcmd)\" = run",
        "grep -x was-run /var/log/cloud-init-output.log && journalctl --unit cloud-final.service | grep was-run",
        "test \"$(readlink /etc/localtime)\" = /usr/share/zoneinfo/Europe/Berlin",
        "grep -x NTP=10.0.2.2 /etc/systemd/timesyncd.conf.d/cloud-init.conf",
        "ip -4 -o address show dev lan0 | grep -F 'inet 10.0.2.77/24'",
        "ip -4 route show default | grep -F 'default via 10.0.2.2 dev lan0'",
        "resolvectl dns lan0 | grep -F 10.0.2.3 && resolvectl domain lan0 | grep -F example.test",
        "test -e /var/lib/cloud/instance/boot-finished && test -e /run/cloud-init/result.json",
        "! command -v python3 && ! test -e /usr/lib/python3",
        "test -z \"$(findmnt --noheadings /run/cloud-init/tmp)\"",
    ] {
        guest.sh(claim)?;
    }
    guest.write(&[("/root/key", "0600", "root:root", &fs::read(&private)?)])?;
    let login =
        "ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no keeper@10.0.2.77 sudo -n id -u";
    assert_eq!(guest.sh(login)?.lines().last(), Some("0"));

    // the same instance at its next boot: nothing of it runs again but what runs at each boot
    let keys = guest.sh("cat /etc/ssh/ssh_host_*_key.pub")?;
    let boots: usize = guest.sh("wc -l < /var/lib/bootcmd")?.trim().parse()?;
    guest.reboot()?;
    guest.well_booted()?;
    assert_eq!(guest.sh("cloud-init status --wait")?, "status: done\n");
    assert_eq!(guest.sh("cat /var/lib/runcmd; grep -c written /etc/motd")?, "run\n1\n");
    assert_eq!(guest.sh("wc -l < /var/lib/bootcmd")?.trim().parse::<usize>()?, boots + 1);
    assert_eq!(guest.sh("cat /etc/ssh/ssh_host_*_key.pub")?, keys);
    guest.off()
}
