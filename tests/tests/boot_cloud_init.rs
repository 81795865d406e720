//! `base` told by cloud-init, by a volume of `seed`: what user-data says arrives, what the image does not do is said, and
//! the boot is where `boot` shows its time.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs;
use tests::schema::Schema;
use tests::shared::{BASE, Shared};
use xshell::{Shell, cmd};

/// The address that QEMU gives to a machine's first network card.
const MAC: &str = "52:54:00:12:34:56";

/// As Proxmox writes it: version 1, an address that does not come by DHCP.
fn network() -> String {
    format!(
        "version: 1\nconfig:\n    - type: physical\n      name: eth0\n      mac_address: '{MAC}'\n      subnets:\n      - type: static\n        \
         address: '10.0.2.77'\n        netmask: '255.255.255.0'\n        gateway: '10.0.2.2'\n    - type: nameserver\n      address:\n      - \
         '10.0.2.3'\n      search:\n      - 'example.test'\n"
    )
}

/// Scripts that end well on a machine that was told all: the longest name that Linux takes, with a domain, a user with a key.
fn claims(name: &str, fqdn: &str, key: &str) -> Vec<String> {
    let log = "/var/log/cloud-init.log";
    let warned = |key: &str| format!("grep WARNING {log} | grep -F '`{key}` is not applied'");
    let mut claims = vec![
        // with a warning for each key that is left out this ends with 2
        "cloud-init status --wait | grep -x 'status: done'".to_owned(),
        format!("test \"$(hostname) $(hostname -f) $(cat /etc/hostname)\" = '{name} {fqdn} {name}'"),
        // a line of its own; the rest of the file is as the image has it
        format!(
            "grep -xE '127.0.1.1[[:blank:]]+{fqdn}[[:blank:]]+{name}' /etc/hosts && grep -w localhost /etc/hosts"
        ),
        "grep -F ff02::2 /etc/hosts".to_owned(),
        format!("test \"$(cat /home/keeper/.ssh/authorized_keys)\" = '{key}'"),
        "test \"$(stat -c %U:%G /home/keeper)\" = keeper:keeper".to_owned(),
        // over the network, as someone would, and root for the asking
        "test \"$(ssh -i /run/credentials/@system/test.key -o BatchMode=yes -o StrictHostKeyChecking=no \
         keeper@10.0.2.77 sudo -n id -u)\" = 0"
            .to_owned(),
        "test \"$(ip -4 -o address show dev eth0 | grep -c 'inet ')\" = 1".to_owned(),
        "ip -4 -o address show dev eth0 | grep -F 'inet 10.0.2.77/24'".to_owned(),
        "ip -4 route show default | grep -F 'default via 10.0.2.2 dev eth0'".to_owned(),
        "resolvectl dns eth0 | grep -F 10.0.2.3 && resolvectl domain eth0 | grep -F example.test".to_owned(),
        "test -e /run/seed-was-here".to_owned(),
        // what Proxmox always asks for is no warning
        format!("grep INFO {log} | grep -F '`package_upgrade` is not applied'"),
        format!("! grep WARNING {log} | grep -F package_upgrade"),
    ];
    claims.extend(["apt", "locale", "ntp", "packages"].map(warned));
    claims
}

#[test]
fn user_key_names_and_static_address_arrive_and_what_is_left_out_is_said() -> Result<()> {
    let (shared, scratch, shell) = (Shared::get()?, tempfile::tempdir()?, Shell::new()?);
    let room = scratch.path();
    let private = room.join("key");
    cmd!(shell, "ssh-keygen -q -t ed25519 -N '' -C someone@example.test -f {private}").run()?;
    let key = fs::read_to_string(private.with_extension("pub"))?.trim().to_owned();
    let name = "n".repeat(63);
    let fqdn = format!("{name}.c.project-0123456789.internal");
    // keys that the image does not apply, and line ends of Windows
    let user_data = format!(
        "#cloud-config\nhostname: {name}\nfqdn: {fqdn}\nuser: keeper\nssh_authorized_keys:\n  - {key}\nchpasswd:\n  expire: False\n\
         users:\n  - default\npackage_upgrade: true\npackages: [nginx]\nntp:\n  servers: [10.0.2.2]\nlocale: de_DE.UTF-8\n\
         apt:\n  conf: \"APT::Get::Assume-Yes 1;\"\nruncmd:\n  - [touch, /run/seed-was-here]\n"
    );
    let (told, network_config, seed) = (room.join("user-data"), room.join("network"), room.join("seed.iso"));
    fs::write(&told, user_data.replace('\n', "\r\n"))?;
    fs::write(&network_config, network())?;
    let made = shared.run("seed").option("--user-data", &told).option("--network-config", &network_config);
    made.option("--output", &seed).done()?;

    let (log, svg, budget) = (room.join("console"), room.join("boot.svg"), room.join("budget.json"));
    fs::write(&budget, r#"{"milestones": {"multi-user": 1}}"#)?;
    let mut credential = std::ffi::OsString::from("test.key=");
    credential.push(&private);
    let run = shared.run("boot").args([shared.disk(BASE, "raw")?]).option("--seed", &seed);
    let run = run.option("--log", &log).option("--timeline", &svg).option("--budget", &budget);
    let run = run.option("--credential", credential).args(["--bios", "--json", "--timeout", "900"]);
    let mut run = run.args(["--accel", "tcg", "--expect", "unit containerd.service active"]);
    let claims = claims(&name, &fqdn, &key);
    for claim in &claims {
        run = run.args(["--expect".to_owned(), format!("run {claim}")]);
    }
    let run = run.args(["--expect", "run ctr version", "--expect", "system running"]);
    // nobody boots in a millisecond: the budget, and only that, is not kept
    let ended = run.args(["--expect", "console login:"]).end()?;
    let report: Value = Schema::load("boot")?.check(&ended.stdout)?;
    let met = report["expectations"].as_array().context("expectations")?;
    let unmet: Vec<&Value> = met.iter().filter(|one| !one["seconds"].is_number()).collect();
    assert!(met.len() == claims.len() + 4 && unmet.is_empty(), "{unmet:#?}\n{}", ended.stderr);
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains("over budget: expected multi-user after"), "{ended}");
    assert_eq!(report["timeline"]["failed"], serde_json::json!([]));
    let milestone = |name: &str| report["timeline"]["milestones"][name].as_f64().unwrap_or(f64::NAN);
    let order = ["init", "userspace", "sysinit", "basic", "multi-user"];
    assert!(order.windows(2).all(|pair| milestone(pair[0]) <= milestone(pair[1])), "{report:#}");
    assert!(fs::read_to_string(&log)?.contains("login:"));
    assert!(fs::read_to_string(&svg)?.contains("containerd.service ("));
    let beside: Value = serde_json::from_str(&fs::read_to_string(svg.with_extension("json"))?)?;
    assert_eq!(beside, report["timeline"]);
    Ok(())
}
