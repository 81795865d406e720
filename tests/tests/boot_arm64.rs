//! `base` for arm64 in a machine: translated on any other.

use anyhow::Result;
use tests::guest::{Guest, Setup};
use tests::shared::{Image, Shared};
use tests::standin::Arch;

#[test]
fn a_machine_for_arm64_boots_by_firmware_with_no_failed_unit() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let image = shared.disk(Image { kind: "base", arch: Arch::Arm64 }, "qcow2")?;
    let mut guest = Guest::new(&image, scratch.path(), &Setup::default())?;
    guest.start()?;
    guest.well_booted()?;
    assert_eq!(guest.sh("uname -m; systemctl is-active containerd.service")?, "aarch64\nactive\n");
    assert!(guest.sh("ctr version")?.contains("Server:"));
    guest.off()
}
