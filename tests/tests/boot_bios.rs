//! Disks that a BIOS starts: from each sort of controller that SeaBIOS reads, and with too little memory. That a machine then boots as
//! by firmware is shown by `boot_cloud_init`, which starts by a BIOS.

use anyhow::{Context as _, Result, ensure};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tests::shared::{BASE, Shared};
use xshell::{Shell, cmd};

/// Boards with their controllers, as Proxmox, libvirt and QEMU itself have them.
const CONTROLLERS: [(&str, &[&str]); 5] = [
    ("pc", &["virtio-blk-pci,drive=disk"]),
    ("pc", &["ide-hd,bus=ide.0,drive=disk"]),
    ("pc", &["virtio-scsi-pci", "scsi-hd,drive=disk"]),
    ("q35", &["ide-hd,bus=ide.0,drive=disk"]),
    ("q35", &["nvme,serial=1,drive=disk"]),
];

/// What a machine says on its serial port until it has said `last`.
fn console(disk: &Path, board: &str, devices: &[&str], memory: &str, last: &str) -> Result<String> {
    let shell = Shell::new()?;
    let drive = format!("file={},format=qcow2,if=none,id=disk,snapshot=on", disk.display());
    let devices = devices.iter().flat_map(|device| ["-device", *device]);
    let machine = format!("{board},graphics=off");
    let call = cmd!(
        shell,
        "qemu-system-x86_64 -nodefaults -machine {machine} -accel tcg,thread=single -m {memory} -display none -no-reboot
         -serial stdio -nic none -drive {drive} {devices...}"
    );
    let mut call: Command = call.into();
    let mut machine = call.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut output = machine.stdout.take().context("its console")?;
    let (send, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut all, mut some) = (Vec::new(), [0; 1024]);
        while let Ok(len @ 1..) = output.read(&mut some) {
            all.extend_from_slice(&some[..len]);
            if send.send(String::from_utf8_lossy(&all).into_owned()).is_err() {
                return;
            }
        }
    });
    let until = Instant::now() + Duration::from_secs(300);
    let mut text = String::new();
    while !text.contains(last) {
        match said.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(more) => text = more,
            Err(_) => break,
        }
    }
    machine.kill()?;
    machine.wait()?;
    ensure!(text.contains(last), "no `{last}` in\n{text}");
    Ok(text)
}

#[test]
fn a_bios_starts_the_kernel_from_each_controller_with_the_words_of_the_image() -> Result<()> {
    let shared = Shared::get()?;
    let disk = shared.disk(BASE, "qcow2")?;
    for (board, devices) in CONTROLLERS {
        let text = console(&disk, board, devices, "512", "Kernel command line:")?;
        let line = text.lines().find(|line| line.contains("Kernel command line:")).context("the line")?;
        ensure!(
            line.contains("root=PARTUUID=") && line.contains(" console=ttyS0,115200"),
            "{devices:?}: {line}"
        );
        // it found the initrd, too
        ensure!(text.contains("RAMDISK: [mem "), "{devices:?}: {text}");
    }
    Ok(())
}

#[test]
fn a_bios_with_too_little_memory_is_said() -> Result<()> {
    let shared = Shared::get()?;
    let disk = shared.disk(BASE, "qcow2")?;
    let text = console(&disk, "pc", CONTROLLERS[0].1, "48", "No bootable device")?;
    let expected = "This machine has too little memory for its kernel.";
    assert_eq!(text.lines().filter(|line| line.trim_end() == expected).count(), 1, "{text}");
    Ok(())
}
