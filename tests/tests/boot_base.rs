//! `base` in machines: by firmware and by direct kernel, without a network, with a container, and two clones of one image.

use anyhow::{Context as _, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tests::guest::{Guest, Setup, volume};
use tests::shared::{BASE, Shared};
use tests::standin::Program;
use tests::{disks, oci};

/// What a first boot may write, and why. A `*` stands for one part of a path or the rest of it, `/**` for all that is below.
const WRITTEN: [(&str, &str); 7] = [
    ("/etc/machine-id", "who this machine is"),
    ("/etc/ssh/ssh_host_*_key", "its host keys"),
    ("/etc/ssh/ssh_host_*_key.pub", "its host keys"),
    ("/var/lib/systemd/**", "entropy for the next boot, when timers last ran, the time"),
    ("/var/lib/containerd/**", "containerd's state, with an id of its own"),
    ("/var/log/**", "the journal, logins"),
    ("/var/tmp/**", "private directories of services"),
];

/// What two clones may differ in: what makes a machine itself, and records of when.
const OWN: [&str; 7] = [
    "/etc/machine-id",
    "/etc/ssh/ssh_host_*_key",
    "/etc/ssh/ssh_host_*_key.pub",
    "/var/lib/systemd/random-seed",
    "/var/lib/containerd/**",
    "/var/log/**",
    "/var/tmp/**",
];

fn is_among(path: &str, patterns: impl IntoIterator<Item = &'static str>) -> bool {
    patterns.into_iter().any(|pattern| match (pattern.strip_suffix("/**"), pattern.split_once('*')) {
        (Some(below), _) => {
            path == below || path.strip_prefix(below).is_some_and(|rest| rest.starts_with('/'))
        }
        (None, Some((before, behind))) => {
            let rest = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
            rest.is_some_and(|middle| !middle.contains('/'))
        }
        (None, None) => path == pattern,
    })
}

/// Paths at which two trees are not alike.
fn differences(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> BTreeSet<String> {
    let paths = one.keys().chain(other.keys());
    paths.filter(|path| one.get(*path) != other.get(*path)).cloned().collect()
}

#[test]
fn a_machine_without_a_network_boots_by_firmware_with_no_failed_unit_and_runs_a_container() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let room = scratch.path();
    let (program, archive) = (Program::build(BASE.arch)?.stamped("probe", "1.0")?, room.join("image.tar"));
    volume(&oci::archive("test.invalid/probe:1", &BASE.arch.to_string(), &program)?, &archive)?;
    let setup = Setup { disk_size: Some(20 << 30), volumes: vec![archive], ..Setup::default() };
    let mut guest = Guest::new(&shared.disk(BASE, "qcow2")?, room, &setup)?;
    guest.start()?;
    guest.well_booted()?;
    assert_eq!(guest.sh("systemctl is-active containerd.service multi-user.target")?, "active\nactive\n");
    assert!(guest.sh("ctr version")?.contains("Server:"));
    guest.sh("ctr images import --all-platforms /dev/vdb")?;
    let said = guest.sh("ctr run --rm test.invalid/probe:1 probe /probe --version")?;
    assert_eq!(said, "probe 1.0 (stand-in)\n");

    // the disk has grown, and the file system with it
    let size: u64 = guest.sh("df --output=size --block-size=1 / | tail -n 1")?.trim().parse()?;
    assert!(size > 18 << 30, "the root file system has {size} bytes of 20 GiB");

    // nobody has a password, and none would be taken
    assert_eq!(guest.sh("awk -F: '$2 !~ /^[!*]/ { print $1 }' /etc/shadow")?, "");
    let asked = "ssh -o BatchMode=no -o StrictHostKeyChecking=no -o PreferredAuthentications=password,keyboard-interactive \
                 -o NumberOfPasswordPrompts=1 root@127.0.0.1 true </dev/null";
    let refused = guest.answer(asked)?;
    assert!(refused.code != 0 && refused.output.contains("Permission denied (publickey)"), "{refused}");

    guest.off()?;
    disks::check(&disks::root(guest.disk(), room)?)
}

#[test]
fn two_clones_differ_in_what_makes_a_machine_itself_and_a_first_boot_writes_only_what_is_declared()
-> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let room = scratch.path();
    let image = shared.disk(BASE, "qcow2")?;
    let setup = Setup { direct: true, ..Setup::default() };
    let before = disks::entries(&disks::root(&machine::DiskImage::open(&image)?, room)?, room)?;
    let mut clones = Vec::new();
    for _ in 0..2 {
        let mut guest = Guest::new(&image, room, &setup)?;
        guest.start()?;
        guest.well_booted()?;
        let id = guest.sh("cat /etc/machine-id")?;
        let keys = guest.sh("cat /etc/ssh/ssh_host_*_key.pub | cut -d ' ' -f 2")?;
        ensure!(keys.lines().count() >= 2, "host keys: {keys}");
        guest.off()?;
        let root = disks::root(guest.disk(), room)?;
        disks::check(&root)?;
        let entries = disks::entries(&root, room)?;
        fs::remove_file(root)?;
        let written = differences(&before, &entries);
        let undeclared: Vec<&String> =
            written.iter().filter(|path| !is_among(path, WRITTEN.map(|(pattern, _)| pattern))).collect();
        // a directory shows only its mode and owner: one that is listed is new, or changed
        assert!(undeclared.is_empty(), "the first boot wrote {undeclared:#?}");
        let seed = entries.get("/var/lib/systemd/random-seed").context("no random seed is kept")?.clone();
        clones.push((id, keys, seed, entries));
    }
    let [one, other] = <[_; 2]>::try_from(clones).ok().context("two clones")?;
    assert_ne!(one.0, other.0, "machine-id");
    assert_ne!(one.2, other.2, "random seed");
    let shared_keys: Vec<&str> = one.1.lines().filter(|key| other.1.contains(*key)).collect();
    assert!(shared_keys.is_empty(), "host keys {shared_keys:?}");
    let differ = differences(&one.3, &other.3);
    let more: Vec<&String> = differ.iter().filter(|path| !is_among(path, OWN)).collect();
    assert!(more.is_empty(), "clones differ in {more:#?}");
    Ok(())
}
