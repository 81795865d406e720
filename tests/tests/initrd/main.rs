//! Machines that start from the initrd: by each sort of disk, by each way to name the root, and without finding it.

mod machine;

use anyhow::{Context as _, Result, ensure};
use machine::{Machine, PART_UUID, UUID};
use tree::name::Arch;

const VIRTIO: [&str; 1] = ["virtio-blk-pci,DISK"];

/// How the root is mounted: device, type, options.
fn root_mount(console: &str) -> Result<(&str, &str, &str)> {
    let lines = console.lines().filter_map(|line| line.trim_end().strip_prefix("/proc/mounts: "));
    let mut words = lines.map(|line| line.split(' ').collect::<Vec<_>>());
    let found = words.find_map(|words| match words.as_slice() {
        [device, "/", kind, options, ..] if *kind != "rootfs" => Some((*device, *kind, *options)),
        _ => None,
    });
    found.with_context(|| format!("no root in\n{console}"))
}

fn loaded(console: &str) -> impl Iterator<Item = &str> {
    console.lines().filter_map(|line| line.strip_prefix("/proc/modules: ")?.split(' ').next())
}

#[test]
fn virtio_blk_by_partuuid_hands_over_as_the_kernel_would() -> Result<()> {
    let words =
        format!("root=PARTUUID={} ro single color=red rd.timeout=60 -- last", PART_UUID.to_uppercase());
    let console = Machine::new(Arch::Amd64)?.disk(&VIRTIO)?.console(&words)?;
    let (device, kind, options) = root_mount(&console)?;
    ensure!(
        (device, kind) == ("/dev/vda1", "ext4") && options.starts_with("ro,"),
        "{device} {kind} {options}"
    );
    let line = console.lines().find(|line| line.starts_with("{\"name\":\"init\"")).context("no stand-in")?;
    let started: serde_json::Value = serde_json::from_str(line.trim_end())?;
    assert_eq!(started["args"], serde_json::json!(["single", "last"]));
    assert_eq!(started["env"]["color"], "red");
    assert_eq!(started["env"]["HOME"], "/");
    // what is mounted moved along, and nothing of the initrd is in the new root
    for expected in ["devtmpfs /dev devtmpfs", "proc /proc proc", "sysfs /sys sysfs"] {
        ensure!(console.contains(&format!("/proc/mounts: {expected}")), "no `{expected}` in\n{console}");
    }
    ensure!(console.contains("\n/: dev lost+found proc sbin sys usr"), "{console}");
    let modules: Vec<&str> = loaded(&console).collect();
    ensure!(modules.contains(&"virtio_blk"), "{modules:?}");
    for other in ["virtio_scsi", "sd_mod", "ahci", "xen_blkfront", "hv_vmbus", "vmw_pvscsi"] {
        ensure!(!modules.contains(&other), "`{other}` is loaded for nothing: {modules:?}");
    }
    Ok(())
}

#[test]
fn virtio_scsi_by_uuid_with_options() -> Result<()> {
    let machine = Machine::new(Arch::Amd64)?.disk(&["virtio-scsi-pci", "scsi-hd,DISK"])?;
    let words = format!("root=UUID={UUID} rw rootflags=noatime,commit=30 virtio_scsi.x=1");
    let console = machine.console(&words)?;
    let (device, kind, options) = root_mount(&console)?;
    ensure!((device, kind) == ("/dev/sda1", "ext4"), "{device} {kind}");
    for expected in ["rw", "noatime", "commit=30"] {
        ensure!(options.split(',').any(|option| option == expected), "no `{expected}` in {options}");
    }
    Ok(())
}

#[test]
fn nvme_by_label_with_rootwait() -> Result<()> {
    let machine = Machine::new(Arch::Amd64)?.disk(&["nvme,serial=1,DISK"])?;
    let console = machine.console("root=\"LABEL=root\" rootwait quiet")?;
    ensure!(root_mount(&console)?.0 == "/dev/nvme0n1p1", "{console}");
    Ok(())
}

#[test]
fn ahci_by_partlabel_with_the_init_that_is_asked_for() -> Result<()> {
    let machine = Machine::new(Arch::Amd64)?.disk(&["ahci,id=own", "ide-hd,bus=own.0,DISK"])?;
    let console =
        machine.console("root=PARTLABEL=root-here rootfstype=xfs,ext4 init=/usr/lib/init/stand-in")?;
    ensure!(root_mount(&console)?.0 == "/dev/sda1", "{console}");
    ensure!(loaded(&console).any(|name| name == "ahci"), "{console}");
    Ok(())
}

/// The controller of QEMU's default machine, as Proxmox and libvirt call it: `ide`.
#[test]
fn ide_of_the_pc_by_partuuid() -> Result<()> {
    let machine = Machine::new(Arch::Amd64)?.board("pc").disk(&["ide-hd,bus=ide.0,DISK"])?;
    let console = machine.console(&format!("root=PARTUUID={PART_UUID} rd.timeout=60"))?;
    ensure!(root_mount(&console)?.0 == "/dev/sda1", "{console}");
    let modules: Vec<&str> = loaded(&console).collect();
    ensure!(modules.contains(&"ata_piix") && !modules.contains(&"ahci"), "{modules:?}");
    Ok(())
}

#[test]
fn a_disk_with_sectors_of_4096_bytes_is_explained() -> Result<()> {
    let disk = ["virtio-blk-pci,DISK,logical_block_size=4096,physical_block_size=4096"];
    let machine = Machine::new(Arch::Amd64)?.disk(&disk)?;
    let mut running = machine.start(&format!("root=PARTUUID={PART_UUID} quiet rd.timeout=2 panic=1"))?;
    running.wait_for_end()?;
    for expected in [
        "/dev/vda  32 MiB  sectors of 4096 bytes, partition table made for 512",
        "attach it with sectors of 512 bytes",
    ] {
        ensure!(running.text.contains(expected), "no `{expected}` in\n{}", running.text);
    }
    Ok(())
}

#[test]
fn arm64_without_pci_by_name() -> Result<()> {
    let machine = Machine::new(Arch::Arm64)?.disk(&["virtio-blk-device,DISK"])?;
    let console = machine.console("root=/dev/vda1")?;
    ensure!(root_mount(&console)?.0 == "/dev/vda1", "{console}");
    ensure!(loaded(&console).any(|name| name == "virtio_mmio"), "{console}");
    Ok(())
}

#[test]
fn a_root_that_is_not_there_is_said_with_the_disks_that_are() -> Result<()> {
    let machine = Machine::new(Arch::Amd64)?.disk(&VIRTIO)?;
    let mut running = machine.start("root=LABEL=other quiet rd.timeout=2 panic=1")?;
    running.wait_for_end()?;
    for expected in [
        "vmbake: the root file system, LABEL=other, is not here after 2 s".to_owned(),
        "/dev/vda  32 MiB".to_owned(),
        format!(
            "/dev/vda1  30 MiB  PARTUUID={PART_UUID}  PARTLABEL=root-here  ext4  UUID={UUID}  LABEL=root"
        ),
        "the machine starts again in 1 s".to_owned(),
    ] {
        ensure!(running.text.contains(&expected), "no `{expected}` in\n{}", running.text);
    }
    Ok(())
}

#[test]
fn a_machine_stops_and_asks_when_it_is_told_to() -> Result<()> {
    let machine = Machine::new(Arch::Amd64)?.disk(&VIRTIO)?;
    let mut running = machine.start("root=LABEL=other quiet vmbake.break=early")?;
    running.wait_for("vmbake> ")?;
    running.type_line("disks")?;
    running.wait_for("/dev/vda1  30 MiB")?;
    running.type_line("root LABEL=root")?;
    running.type_line("continue")?;
    running.wait_for("stand-in: that is all")?;
    ensure!(root_mount(&running.text)?.0 == "/dev/vda1", "{}", running.text);
    Ok(())
}
