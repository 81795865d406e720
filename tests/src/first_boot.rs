//! What a volume of `seed` tells a machine with `first-boot = "native"`, and what must hold when it is configured: for the test that
//! cuts its power at chosen moments, and the survey that does so at others.

use crate::guest::Guest;
use crate::run::Run;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// The address that QEMU gives to a machine's first network card.
const MAC: &str = "52:54:00:12:34:56";
/// What must hold when it is configured, after whatever came before; NAME is its name.
const CLAIMS: [&str; 18] = [
    "test \"$(cloud-init query v1.instance_id)\" = \"$(cat /var/lib/cloud/data/instance-id)\"",
    "test \"$(hostname) $(hostname -f) $(cat /etc/hostname)\" = 'NAME NAME.example.test NAME'",
    "grep -xE '127.0.1.1[[:blank:]]+NAME.example.test[[:blank:]]+NAME' /etc/hosts && grep -w localhost /etc/hosts",
    "cd /home/keeper && test \"$(stat -c '%n %U:%G %a' . .profile .ssh .ssh/authorized_keys | tr '\\n' ,)\" = \
     '. keeper:keeper 700,.profile keeper:keeper 644,.ssh keeper:keeper 700,.ssh/authorized_keys keeper:keeper 600,'",
    "cmp /home/keeper/.profile /etc/skel/.profile && test \"$(grep -c ^keeper: /etc/passwd)\" = 1",
    "test \"$(id -nG keeper)\" = 'keeper adm sudo systemd-journal' && grep -q ^keeper: /etc/shadow && grep -q ^keeper: /etc/subuid",
    "test \"$(grep -c written /etc/motd)\" = 1",
    "grep -qx run /var/lib/runcmd",
    "grep -x was-run /var/log/cloud-init-output.log && journalctl --unit cloud-final.service | grep was-run",
    "test \"$(readlink /etc/localtime)\" = /usr/share/zoneinfo/Europe/Berlin",
    "grep -x NTP=10.0.2.2 /etc/systemd/timesyncd.conf.d/cloud-init.conf",
    "ip -4 -o address show dev lan0 | grep -F 'inet 10.0.2.77/24'",
    "ip -4 route show default | grep -F 'default via 10.0.2.2 dev lan0'",
    "resolvectl dns lan0 | grep -F 10.0.2.3 && resolvectl domain lan0 | grep -F example.test",
    "test -e /var/lib/cloud/instance/boot-finished && test -e /run/cloud-init/result.json",
    "! command -v python3 && ! test -e /usr/lib/python3",
    "test -z \"$(findmnt --noheadings /run/cloud-init/tmp)\"",
    "! find /etc /home /root /var/lib/cloud -name '.first-boot.*' | grep .",
];

/// What a volume says besides what a node is told: a name, a user with a key, files, commands, a network.
#[derive(Debug)]
pub struct Given {
    name: String,
    user_data: PathBuf,
    network: PathBuf,
    /// The key that its user logs in with.
    pub key: PathBuf,
}

impl Given {
    /// Writes it below `room`, for a machine called `name`.
    pub fn new(room: &Path, name: &str) -> Result<Self> {
        let (shell, key) = (Shell::new()?, room.join("key"));
        cmd!(shell, "ssh-keygen -q -t ed25519 -N '' -C someone@example.test -f {key}").quiet().run()?;
        let public = fs::read_to_string(key.with_extension("pub"))?.trim().to_owned();
        let (user_data, network) = (room.join("user-data"), room.join("network"));
        fs::write(&user_data, self::user_data(name, &public))?;
        fs::write(&network, self::network())?;
        Ok(Self { name: name.to_owned(), user_data, network, key })
    }

    /// A run of `seed` that takes it.
    #[must_use]
    pub fn to(&self, run: Run) -> Run {
        run.option("--user-data", &self.user_data).option("--network-config", &self.network)
    }

    /// Starts a machine that has never been on, three times, and cuts its power in the middle: what is there is whole then, and no
    /// file says that all is done.
    pub fn cut(&self, guest: &mut Guest) -> Result<()> {
        for moment in [
            "test -e /run/cloud-init/status.json",
            "grep -q ^keeper: /etc/passwd",
            "test -e /var/lib/cloud/instance/sem/config_runcmd",
        ] {
            guest.start()?;
            guest.until(moment)?;
            guest.cut()?;
        }
        Ok(())
    }

    /// Demands that a machine which is on has all of it, and that nothing was left out.
    pub fn holds(&self, guest: &mut Guest) -> Result<()> {
        let said = guest.sh("cloud-init status --wait --format json")?;
        let status: serde_json::Value = serde_json::from_str(&said)?;
        let is_well = status["status"] == "done" && status["errors"] == serde_json::json!([]);
        ensure!(is_well, "{said}");
        for claim in CLAIMS {
            let claim = claim.replace("NAME", &self.name);
            guest.sh(&claim).with_context(|| claim.clone())?;
        }
        Ok(())
    }

    /// Logs in as its user, over the network.
    pub fn logs_in(&self, guest: &mut Guest) -> Result<()> {
        guest.write(&[("/root/key", "0600", "root:root", &fs::read(&self.key)?)])?;
        let login =
            "ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no keeper@10.0.2.77 sudo -n id -u";
        let said = guest.sh(login)?;
        ensure!(said.lines().last() == Some("0"), "{said}");
        Ok(())
    }

    /// What is done once an instance, and how often what is done at each boot: `runcmd`'s file, host keys, `bootcmd`'s lines.
    pub fn traces(&self, guest: &mut Guest) -> Result<(String, usize)> {
        let once = guest.sh("cat /var/lib/runcmd /etc/ssh/ssh_host_*_key.pub; grep -c written /etc/motd")?;
        Ok((once, guest.sh("wc -l < /var/lib/bootcmd")?.trim().parse()?))
    }
}

/// What Proxmox and others say of a card.
fn network() -> String {
    format!(
        "version: 1\nconfig:\n    - type: physical\n      name: lan0\n      mac_address: '{MAC}'\n      subnets:\n      - type: static\n        \
         address: '10.0.2.77'\n        netmask: '255.255.255.0'\n        gateway: '10.0.2.2'\n    - type: nameserver\n      address:\n      - \
         '10.0.2.3'\n      search:\n      - 'example.test'\n"
    )
}

fn user_data(name: &str, key: &str) -> String {
    format!(
        "#cloud-config\nhostname: {name}\nfqdn: {name}.example.test\nuser: keeper\nssh_authorized_keys:\n  - {key}\nusers:\n  - default\n\
         package_upgrade: true\nwrite_files:\n  - {{path: /etc/motd, content: \"written\\n\", append: true}}\ntimezone: Europe/Berlin\n\
         ntp: {{servers: [10.0.2.2]}}\nbootcmd: [[sh, -c, \"echo boot >> /var/lib/bootcmd\"]]\nruncmd:\n  - [sh, -c, \"echo run >> /var/lib/runcmd; echo was-run\"]\n"
    )
}
