//! A machine as QEMU's command line. Pure: the same machine gives the same words.

use crate::{Accel, Disk, Firmware, Forward, Machine, Start, shell};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use tree::name::Arch;

/// The name of the serial port that the shell inside answers on.
pub(crate) const SHELL_PORT: &str = shell::PORT;

/// The emulator for `arch`.
pub(crate) fn program(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "qemu-system-x86_64",
        Arch::Arm64 => "qemu-system-aarch64",
    }
}

/// What to say when it is not there.
pub(crate) fn missing(arch: Arch) -> String {
    let package = match arch {
        Arch::Amd64 => "qemu-system-x86",
        Arch::Arm64 => "qemu-system-arm",
    };
    format!("cannot start `{}`; `apt-get install {package}` brings it", program(arch))
}

/// The value of `-accel`.
pub(crate) fn accel(accel: Accel) -> &'static str {
    match accel {
        Accel::Kvm => "kvm",
        Accel::Tcg => "tcg,thread=single",
    }
}

/// Where we wait for a machine that is starting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sockets<'a> {
    /// For the port of the shell inside.
    pub(crate) shell: &'a Path,
    /// For QEMU's monitor.
    pub(crate) monitor: &'a Path,
}

/// The arguments. `credentials` are files with one SMBIOS string each.
pub(crate) fn arguments(
    machine: &Machine,
    credentials: &[std::path::PathBuf],
    sockets: Sockets<'_>,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    let mut add = |option: &str, value: OsString| words.extend([OsString::from(option), value]);
    let (board, cpu) = match machine.arch {
        // What translated guests do without (seen with QEMU 7.2). `cx16`: one died of flags in disorder behind a
        // cmpxchg16b. `la57`, page tables of five levels: without `svm`, text came out wrong in every boot. `erms`,
        // `fsrm`: a kernel that is told of them clears its pages a byte at a time, and a boot takes a sixth longer.
        // `svm`: udev loads a hypervisor for nothing. Nobody needs the board's SATA, whose drivers udev loads likewise.
        Arch::Amd64 => ("q35,sata=off", "max,-cx16,-la57,-erms,-fsrm,-svm"),
        // `max` has address sizes that the firmware of Debian 12 does not know
        Arch::Arm64 => ("virt,gic-version=3", "neoverse-n1"),
    };
    let cpu = if machine.accel == Accel::Kvm { "host" } else { cpu };
    for (option, value) in [
        ("-machine", board.to_owned()),
        ("-accel", accel(machine.accel).to_owned()),
        ("-cpu", cpu.to_owned()),
        ("-m", machine.memory.to_string()),
        ("-smp", machine.cpus.to_string()),
        ("-display", "none".to_owned()),
        // signals of the terminal are the guest's; Ctrl-A X ends QEMU
        ("-chardev", "stdio,id=console,mux=on,signal=off".to_owned()),
        ("-serial", "chardev:console".to_owned()),
        ("-mon", "chardev=console".to_owned()),
        ("-device", "virtio-rng-pci".to_owned()),
    ] {
        add(option, value.into());
    }
    add("-chardev", with_path("socket,id=monitor,path=", sockets.monitor, ""));
    add("-mon", "chardev=monitor,mode=control".into());
    match &machine.start {
        Start::Firmware(firmware) => flash(&mut add, firmware),
        Start::Bios => {}
        Start::Direct(kernel, firmware) => {
            if let Some(firmware) = firmware {
                flash(&mut add, firmware);
            }
            add("-kernel", kernel.kernel.clone().into());
            if let Some(initrd) = &kernel.initrd {
                add("-initrd", initrd.clone().into());
            }
            add("-append", kernel.cmdline.clone().into());
        }
    }
    for (number, disk) in machine.disks.iter().enumerate() {
        add("-drive", drive(number, disk));
        // a kernel that is given has the first place already
        let place = usize::from(matches!(machine.start, Start::Direct(..))) + number;
        add("-device", format!("virtio-blk-pci,drive=disk{number},bootindex={place}").into());
    }
    if let Some(forwards) = &machine.network {
        add("-netdev", network(forwards));
        // without a ROM there is no start from the network
        add("-device", "virtio-net-pci,netdev=net,romfile=".into());
    }
    if machine.shell {
        add("-device", "virtio-serial-pci".into());
        add("-chardev", with_path("socket,id=shell,path=", sockets.shell, ""));
        add("-device", format!("virtserialport,chardev=shell,name={SHELL_PORT}").into());
    }
    for file in credentials {
        add("-smbios", with_path("type=11,path=", file, ""));
    }
    let once = (!machine.restarts).then(|| OsString::from("-no-reboot"));
    let general = ["-nodefaults", "-no-user-config"].map(OsString::from).into_iter().chain(once);
    general.chain(words).collect()
}

/// Firmware in the board's flash memory.
fn flash(add: &mut impl FnMut(&str, OsString), firmware: &Firmware) {
    let code = with_path("if=pflash,unit=0,format=raw,readonly=on,file=", &firmware.code, "");
    add("-drive", code);
    add("-drive", with_path("if=pflash,unit=1,format=raw,file=", &firmware.variables, ""));
}

fn drive(number: usize, disk: &Disk) -> OsString {
    let access = if disk.read_only { ",readonly=on" } else { ",discard=unmap" };
    let rest = format!(",format={},if=none,id=disk{number}{access}", disk.format.driver());
    with_path("file=", &disk.path, &rest)
}

fn network(forwards: &[Forward]) -> OsString {
    let mut text = "user,id=net".to_owned();
    for Forward { here, guest } in forwards {
        text.push_str(&format!(",hostfwd=tcp:127.0.0.1:{here}-:{guest}"));
    }
    text.into()
}

/// `path` between two texts; a comma in a value is written twice (qemu(1)).
fn with_path(before: &str, path: &Path, behind: &str) -> OsString {
    let mut bytes = before.as_bytes().to_vec();
    for byte in path.as_os_str().as_bytes() {
        bytes.extend(std::iter::repeat_n(*byte, if *byte == b',' { 2 } else { 1 }));
    }
    bytes.extend_from_slice(behind.as_bytes());
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Kernel};

    fn machine(arch: Arch, start: Start) -> Machine {
        Machine {
            arch,
            accel: Accel::Tcg,
            memory: 1024,
            cpus: 1,
            start,
            disks: vec![
                Disk { path: "/a,b.qcow2".into(), format: Format::Qcow2, read_only: false },
                Disk { path: "/seed.iso".into(), format: Format::Raw, read_only: true },
            ],
            network: Some(vec![Forward { here: 2222, guest: 22 }]),
            credentials: [].into(),
            shell: true,
            restarts: true,
        }
    }

    fn text(machine: &Machine) -> String {
        let sockets = Sockets { shell: Path::new("/run/s"), monitor: Path::new("/run/m") };
        let words = arguments(machine, &["/run/c0".into()], sockets);
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_machine_with_firmware_has_it_in_flash_and_starts_from_its_first_disk() {
        let firmware = Firmware { code: "/code".into(), variables: "/vars".into() };
        let text = text(&machine(Arch::Arm64, Start::Firmware(firmware)));
        for expected in [
            "-nodefaults -no-user-config -machine virt,gic-version=3 -accel tcg,thread=single -cpu neoverse-n1",
            "-drive if=pflash,unit=0,format=raw,readonly=on,file=/code",
            "-drive if=pflash,unit=1,format=raw,file=/vars",
            "-drive file=/a,,b.qcow2,format=qcow2,if=none,id=disk0,discard=unmap",
            "-device virtio-blk-pci,drive=disk0,bootindex=0",
            "-drive file=/seed.iso,format=raw,if=none,id=disk1,readonly=on",
            "-netdev user,id=net,hostfwd=tcp:127.0.0.1:2222-:22",
            "-chardev socket,id=shell,path=/run/s",
            "-chardev socket,id=monitor,path=/run/m -mon chardev=monitor,mode=control",
            "-smbios type=11,path=/run/c0",
        ] {
            assert!(text.contains(expected), "no `{expected}` in {text}");
        }
        assert!(!text.contains("-kernel") && !text.contains("-no-reboot"));
    }

    #[test]
    fn a_direct_start_names_kernel_initrd_and_command_line() {
        let kernel =
            Kernel { kernel: "/k".into(), initrd: Some("/i".into()), cmdline: "root=/dev/vda2 ro".into() };
        let mut machine = machine(Arch::Amd64, Start::Direct(kernel, None));
        (machine.network, machine.shell, machine.restarts) = (None, false, false);
        let text = text(&machine);
        assert!(text.contains("-no-reboot"), "{text}");
        assert!(text.contains("-kernel /k -initrd /i -append root=/dev/vda2 ro"), "{text}");
        // QEMU refuses a place that is taken, and 0 is the kernel's
        assert!(text.contains("drive=disk0,bootindex=1"), "{text}");
        for absent in ["pflash", "-netdev", "virtio-serial"] {
            assert!(!text.contains(absent), "`{absent}` in {text}");
        }
    }
}
