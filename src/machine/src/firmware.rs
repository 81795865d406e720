//! UEFI firmware of this machine for a guest, found where distributions put it.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use tree::name::Arch;

/// Firmware: its code, and a fresh copy of its variables.
#[derive(Debug, Clone)]
pub struct Firmware {
    /// The code, only read.
    pub code: PathBuf,
    /// This machine's own variables.
    pub variables: PathBuf,
}

/// Code and variables that belong together: Debian and Ubuntu, Fedora, Arch Linux.
const AMD64: [(&str, &str); 4] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];
const ARM64: [(&str, &str); 3] = [
    ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ("/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"),
    ("/usr/share/edk2/aarch64/QEMU_CODE.fd", "/usr/share/edk2/aarch64/QEMU_VARS.fd"),
];

impl Firmware {
    /// Finds firmware for `arch` and copies its variables into `dir`.
    pub fn find(arch: Arch, dir: &Path) -> Result<Self> {
        let (places, package): (&[_], _) = match arch {
            Arch::Amd64 => (&AMD64, "ovmf"),
            Arch::Arm64 => (&ARM64, "qemu-efi-aarch64"),
        };
        let there = |pair: &&(&str, &str)| Path::new(pair.0).is_file() && Path::new(pair.1).is_file();
        let Some((code, variables)) = places.iter().find(there) else {
            bail!("no UEFI firmware for {arch} machines; `apt-get install {package}` brings it");
        };
        let own = dir.join("firmware-variables.fd");
        // the template may be read-only: its bytes are wanted, not its mode
        fs::write(&own, fs::read(variables)?).with_context(|| own.display().to_string())?;
        Ok(Self { code: PathBuf::from(code), variables: own })
    }
}
