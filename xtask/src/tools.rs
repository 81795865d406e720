//! What commands for developers need from the machine: cargo, its extensions, and programs of Debian.
//!
//! What is missing is installed: extensions by cargo, Debian packages where we are root and apt is there. Otherwise
//! it is named, with the command that brings it. Nobody is asked for a password.

use anyhow::{Context as _, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// An extension of cargo: the subcommand, the crate that brings it, and the version that it was tried with.
pub(crate) type Extension = (&'static str, &'static str, &'static str);

/// Runs tests, each in a process of its own.
pub(crate) const NEXTEST: Extension = ("nextest", "cargo-nextest", "0.9.143");
/// Checks licences and sources of dependencies.
pub(crate) const DENY: Extension = ("deny", "cargo-deny", "0.20.2");
/// Fuzzes.
pub(crate) const FUZZ: Extension = ("fuzz", "cargo-fuzz", "0.13.2");

/// The file that lists Debian packages which tests need.
const REQUIREMENTS: &str = "tests/requirements.apt";

/// The checkout that this program was built from.
#[must_use]
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs us, or the one on the path.
#[must_use]
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A shell in the checkout.
pub(crate) fn shell() -> Result<Shell> {
    let shell = Shell::new()?;
    shell.change_dir(root());
    Ok(shell)
}

/// Sees to it that cargo has this extension; one of another version that is there is taken as it is.
pub(crate) fn extension((name, krate, version): Extension) -> Result<()> {
    let (shell, cargo) = (shell()?, cargo());
    let there = cmd!(shell, "{cargo} {name} --version").quiet().ignore_status().output()?;
    if there.status.success() {
        return Ok(());
    }
    cmd!(shell, "{cargo} install --locked --version {version} {krate}")
        .run()
        .with_context(|| format!("`cargo {name}` is missing, and cannot be installed"))
}

/// Sees to it that the machine has the Debian packages of `tests/requirements.apt`.
pub(crate) fn packages() -> Result<()> {
    let path = root().join(REQUIREMENTS);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let missing: Vec<&str> =
        requirements(&text).filter(|(_, known)| !is_there(known)).map(|(package, _)| package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || !is_there("apt-get") {
        let missing = missing.join(" ");
        bail!(
            "tests need programs that are missing; `apt-get install --no-install-recommends {missing}` brings them"
        );
    }
    let shell = shell()?;
    Ok(cmd!(shell, ".ci/packages").run()?)
}

/// The packages of a requirements file, each with the program or path by which its presence is known.
fn requirements(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        words.next().zip(words.next())
    })
}

/// Whether there is a file at an absolute path, or a program of that name on the path.
#[must_use]
pub(crate) fn is_there(known: &str) -> bool {
    if known.starts_with('/') {
        return Path::new(known).exists();
    }
    // system programs are not on every user's path
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .any(|dir| dir.join(known).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_requirements_is_a_package_and_how_it_is_known() {
        let text = std::fs::read_to_string(root().join(REQUIREMENTS)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        assert_eq!(requirements(&text).count(), lines);
        assert!(lines > 10);
    }

    #[test]
    fn a_program_is_found_on_the_path_and_one_that_is_not_there_is_not() {
        assert!(is_there("sh") && is_there("/etc/passwd"));
        assert!(!is_there("no-such-program-anywhere") && !is_there("/no/such/path"));
    }
}
