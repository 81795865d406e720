//! Machines that start from images: QEMU as a value, and one that runs. For `vmbake boot` and for tests.
//!
//! ```text
//! artifact ─image─► format, partitions ─overlay─► Disk ┐
//! ESP ─entry─► kernel, initrd, command line ─► Start    ┴─► Machine ─command─► argv ─start─► Running
//!                                                                                              │ console text
//!                                                                                              └ Shell: commands inside
//! ```
//! - Nothing is added to an image. What a machine is told, a shell for whoever started it among it, comes as systemd
//!   credentials in SMBIOS strings (systemd.system-credentials(7)), which end with the machine.
//! - The artifact is never written to unless that is asked for: a machine works on an overlay.
//! - Only processes that were started here are ended, by their handles.
//!
//! QEMU itself is asked only whether the machine still runs, and whether its disks do. Absent on purpose: screens,
//! migration; other emulators.

mod accel;
mod alone;
mod argv;
mod direct;
mod entry;
mod firmware;
mod image;
mod monitor;
mod running;
mod shell;

pub use accel::{Accel, choose as choose_accelerator};
pub use direct::{Kernel, kernel};
pub use firmware::Firmware;
pub use image::{DiskImage, Format, listed as listed_endings};
pub use running::{Event, FAILED, Running, Terminal, within};
pub use shell::Answer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use tree::name::Arch;

/// A machine that could be started.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its processor's architecture.
    pub arch: Arch,
    /// Who executes its instructions.
    pub accel: Accel,
    /// Memory in MiB.
    pub memory: u32,
    /// Processors.
    pub cpus: u8,
    /// What it starts.
    pub start: Start,
    /// Its disks, the one that it starts from first.
    pub disks: Vec<Disk>,
    /// Its network: `None` is not a network card at all.
    pub network: Option<Vec<Forward>>,
    /// systemd credentials by name.
    pub credentials: BTreeMap<String, Vec<u8>>,
    /// Whether there is a shell for us inside.
    pub shell: bool,
    /// Whether a reset starts it again; else it powers off.
    pub restarts: bool,
}

/// How a machine starts.
#[derive(Debug, Clone)]
pub enum Start {
    /// By firmware, from the first disk.
    Firmware(Firmware),
    /// By QEMU's own BIOS, from the first disk; only machines for amd64 have one.
    Bios,
    /// With this kernel. Firmware is there for machines that need it to find their devices.
    Direct(Kernel, Option<Firmware>),
}

/// A disk of a machine.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub format: Format,
    /// Whether the machine may only read it.
    pub read_only: bool,
}

/// A port of this machine's loopback address that leads to one of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Forward {
    /// The port here.
    pub here: u16,
    /// The port in the guest.
    pub guest: u16,
}

impl std::str::FromStr for Forward {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let wrong = || anyhow::anyhow!("expected `HERE:GUEST`, two ports, found `{text}`");
        let (here, guest) = text.split_once(':').ok_or_else(wrong)?;
        let port = |text: &str| text.parse().ok().filter(|port| *port > 0).ok_or_else(wrong);
        Ok(Self { here: port(here)?, guest: port(guest)? })
    }
}

#[cfg(test)]
mod tests {
    use super::Forward;

    #[test]
    fn a_forward_is_two_ports() {
        assert_eq!("2222:22".parse::<Forward>().unwrap(), Forward { here: 2222, guest: 22 });
        for wrong in ["", "22", "22:", ":22", "0:22", "22:0", "1:2:3", "70000:22", "a:b"] {
            assert!(wrong.parse::<Forward>().is_err(), "{wrong}");
        }
    }
}
