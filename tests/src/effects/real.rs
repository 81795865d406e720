//! The reference: mmdebstrap makes a system of the locked packages, and every maintainer script runs.

use crate::standin::Arch;
use crate::translated;
use anyhow::{Context as _, Result, ensure};
use bake::lock::Lock;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tree::digest::Sha256;
use tree::release::CODENAME;
use xshell::{Shell, cmd};

/// A system of `pool`'s packages for `arch`, which are those of `lock` in its order, below `folder`.
///
/// The archive is one of just these packages, on disk: mmdebstrap reaches no network. Its clock is that of the lock where
/// programs honour SOURCE_DATE_EPOCH; services are not started (mmdebstrap's own policy-rc.d).
pub fn system(arch: Arch, pool: &[(String, PathBuf)], lock: &Lock, folder: &Path) -> Result<PathBuf> {
    let (archive, root) = (folder.join("archive"), folder.join("root"));
    let index = archive.join(format!("dists/{CODENAME}/main/binary-{arch}"));
    fs::create_dir_all(&index)?;
    let shell = Shell::new()?;
    let mut packages = String::new();
    for (package, (_, path)) in lock.packages.iter().zip(pool) {
        let file = format!("{}.deb", package.name);
        symlink(path, archive.join(&file))?;
        let control = cmd!(shell, "dpkg-deb --field {path}").quiet().read()?;
        let (size, digest) = (package.size, package.sha256.hex());
        writeln!(packages, "{}\nFilename: {file}\nSize: {size}\nSHA256: {digest}\n", control.trim_end())?;
    }
    fs::write(index.join("Packages"), &packages)?;
    let (digest, size) = (Sha256::of(packages.as_bytes()).hex(), packages.len());
    let release = format!(
        "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: {CODENAME}\nDate: Sat, 01 Jan 2000 00:00:00 UTC\n\
         Architectures: {arch}\nComponents: main\nSHA256:\n {digest} {size} main/binary-{arch}/Packages\n"
    );
    fs::write(archive.join(format!("dists/{CODENAME}/Release")), release)?;
    let names: Vec<&str> = lock.packages.iter().map(|package| package.name.as_str()).collect();
    let include = format!("--include={}", names.join(","));
    let source = format!("deb [trusted=yes] copy:{} {CODENAME} main", archive.display());
    let epoch = lock.suites.iter().map(|suite| suite.date.as_second()).max().context("a lock has suites")?;
    let options =
        ["--mode=root", "--variant=essential", "--dpkgopt=force-unsafe-io", "--skip=check/qemu", "--quiet"];
    let recommends = "--aptopt=APT::Install-Recommends \"0\"";
    let architecture = format!("--architectures={arch}");
    let run = cmd!(
        shell,
        "mmdebstrap {options...} {architecture} {recommends} {include} {CODENAME} {root} {source}"
    );
    let run = run.env("SOURCE_DATE_EPOCH", epoch.to_string()).quiet().ignore_status();
    let output = if arch == Arch::Arm64 && cfg!(not(target_arch = "aarch64")) {
        translated::output(&run.into())?
    } else {
        run.output()?
    };
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "mmdebstrap: {}",
        said.lines().rev().take(30).collect::<Vec<_>>().join("\n")
    );
    Ok(root)
}
