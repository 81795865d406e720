//! A rustup home that has this machine's toolchain without the targets that the programs inside images need, and the
//! packages from which the real rustup can install them again, for a server on the loopback.
//!
//! ```text
//! HOME/settings.toml
//! HOME/toolchains/NAME/bin, lib                the real files, by hard links where that is possible
//! HOME/toolchains/NAME/lib/rustlib/components… what rustup rewrites: copies
//! ```

use crate::workspace;
use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// The targets of `rust-toolchain.toml`.
pub const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// Where rustup's packages are published, and what `RUSTUP_DIST_SERVER` replaces.
const PUBLISHED: &str = "https://static.rust-lang.org";

/// A rustup home without targets.
#[derive(Debug)]
pub struct Home {
    /// Where it is: `RUSTUP_HOME`.
    pub path: PathBuf,
    /// What brings the targets: path on the server, and the file there.
    pub packages: Vec<(String, Vec<u8>)>,
}

impl Home {
    /// Makes one at `path` from the toolchain that builds this checkout.
    pub fn without_targets(path: &Path) -> Result<Self> {
        let shell = Shell::new()?;
        shell.change_dir(workspace::root());
        // what `rust-toolchain.toml` names, whatever runs this test
        let of_file = |command: xshell::Cmd<'_>| command.env_remove("RUSTUP_TOOLCHAIN").quiet().read();
        let active = of_file(cmd!(shell, "rustup show active-toolchain")).context("tests need rustup")?;
        let name = active.split_whitespace().next().context("a toolchain has a name")?;
        let sysroot = PathBuf::from(of_file(cmd!(shell, "rustc --print sysroot"))?);
        ensure!(
            sysroot.join("lib/rustlib/multirust-config.toml").is_file(),
            "`{}` is not a toolchain of rustup's",
            sysroot.display()
        );
        let toolchain = path.join("toolchains").join(name);
        let rustlib = toolchain.join("lib/rustlib");
        fs::create_dir_all(&rustlib)?;
        fs::write(path.join("settings.toml"), "version = \"12\"\nprofile = \"minimal\"\n")?;
        link(&sysroot.join("bin"), &toolchain)?;
        for entry in fs::read_dir(sysroot.join("lib"))? {
            let entry = entry?;
            if entry.file_name() != "rustlib" {
                link(&entry.path(), &toolchain.join("lib"))?;
            }
        }
        for entry in fs::read_dir(sysroot.join("lib/rustlib"))? {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().context("a name that is UTF-8")?;
            if entry.file_type()?.is_dir() {
                if !TARGETS.contains(&name.as_str()) {
                    link(&entry.path(), &rustlib)?;
                }
            } else if !TARGETS.iter().any(|target| name == format!("manifest-rust-std-{target}")) {
                fs::copy(entry.path(), rustlib.join(name))?;
            }
        }
        rewrite(&rustlib.join("components"), |text| {
            let of_target = |line: &str| TARGETS.iter().any(|target| line == format!("rust-std-{target}"));
            Ok(text.lines().filter(|line| !of_target(line)).map(|line| format!("{line}\n")).collect())
        })?;
        rewrite(&rustlib.join("multirust-config.toml"), |text| {
            let mut blocks = text.split("[[components]]");
            let head = blocks.next().unwrap_or_default().to_owned();
            let of_target =
                |block: &str| TARGETS.iter().any(|target| block.contains(&format!("target = \"{target}\"")));
            Ok(blocks.filter(|block| !of_target(block)).fold(head, |all, one| all + "[[components]]" + one))
        })?;
        let mut packages = Vec::new();
        for target in TARGETS {
            let file = format!("/dist/rust-std-{target}.tar.gz");
            let package = package(&sysroot, target)?;
            let digest: String = Sha256::digest(&package).iter().map(|byte| format!("{byte:02x}")).collect();
            rewrite(&rustlib.join("multirust-channel-manifest.toml"), |text| {
                published(text, target, &format!("{PUBLISHED}{file}"), &digest)
            })?;
            packages.push((file, package));
        }
        Ok(Self { path: path.to_owned(), packages })
    }
}

fn link(from: &Path, to: &Path) -> Result<()> {
    let shell = Shell::new()?;
    if cmd!(shell, "cp --archive --link {from} {to}").quiet().ignore_stderr().run().is_err() {
        // another file system
        cmd!(shell, "cp --archive {from} {to}").quiet().run()?;
    }
    Ok(())
}

fn rewrite(path: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(fs::write(path, change(&text)?)?)
}

/// A channel's manifest in which the standard library for `target` is at `url`, and nowhere else.
fn published(text: &str, target: &str, url: &str, digest: &str) -> Result<String> {
    let header = format!("[pkg.rust-std.target.{target}]\n");
    let at = text.find(&header).with_context(|| format!("the channel has no {header}"))? + header.len();
    let end = text[at..].find("\n\n").map_or(text.len(), |length| at + length);
    let entry =
        format!("available = true\nurl = \"{url}\"\nhash = \"{digest}\"\ncomponents = []\nextensions = []");
    Ok(format!("{}{entry}{}", &text[..at], &text[end..]))
}

/// The standard library for `target` as rustup's packages are: files, and a list of them.
fn package(sysroot: &Path, target: &str) -> Result<Vec<u8>> {
    let name = format!("rust-std-{target}");
    let list = fs::read_to_string(sysroot.join(format!("lib/rustlib/manifest-{name}")))
        .with_context(|| format!("the toolchain has no {name}"))?;
    // hundreds of megabytes that travel over the loopback only
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let small = [
        ("rust-installer-version".to_owned(), "3\n".to_owned()),
        ("components".to_owned(), format!("{name}\n")),
        (format!("{name}/manifest.in"), list.clone()),
    ];
    for (path, text) in small {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{name}/{path}"), text.as_bytes())?;
    }
    for file in list.lines().filter_map(|line| line.strip_prefix("file:")) {
        tar.append_path_with_name(sysroot.join(file), format!("{name}/{name}/{file}"))?;
    }
    Ok(tar.into_inner()?.finish()?)
}

#[cfg(test)]
mod tests {
    use super::published;

    #[test]
    fn a_package_of_a_channel_is_moved_and_no_other() {
        let entry = |target: &str| {
            format!(
                "[pkg.rust-std.target.{target}]\navailable = true\nurl = \"a\"\nhash = \"b\"\nxz_url = \"c\"\nxz_hash = \"d\"\n"
            )
        };
        let text = format!("{}\n{}\n{}", entry("a-musl"), entry("b-musl"), entry("c-musl"));
        let moved = published(&text, "b-musl", "new", "00").unwrap();
        let expected = "[pkg.rust-std.target.b-musl]\navailable = true\nurl = \"new\"\nhash = \"00\"\ncomponents = []\nextensions = []";
        assert_eq!(moved, format!("{}\n{expected}\n\n{}", entry("a-musl"), entry("c-musl")));
        assert!(published(&text, "d-musl", "new", "00").is_err());
    }
}
