//! What commands for developers need from the machine: cargo, its extensions, and programs of Debian.
//!
//! What is missing is installed: extensions by cargo, Debian packages where apt is there and we are root, or may be by
//! sudo. Otherwise it is named, with the command that brings it. Nobody is asked for a password.

use anyhow::{Context as _, Result, bail, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

pub(crate) mod pypi;

/// An extension of cargo: the subcommand, the crate that brings it, and the version that it was tried with.
pub(crate) type Extension = (&'static str, &'static str, &'static str);

/// Runs tests, each in a process of its own.
pub(crate) const NEXTEST: Extension = ("nextest", "cargo-nextest", "0.9.143");
/// Checks licences and sources of dependencies.
pub(crate) const DENY: Extension = ("deny", "cargo-deny", "0.20.2");
/// Fuzzes.
pub(crate) const FUZZ: Extension = ("fuzz", "cargo-fuzz", "0.13.2");

/// Makes a book of pages.
pub(crate) const MDBOOK: Extension = ("mdbook", "mdbook", "0.5.4");

/// Sees to it that a program which cargo installs is there.
pub(crate) fn program(program: Extension) -> Result<()> {
    if is_there(program.0) {
        return Ok(());
    }
    install(program).with_context(|| format!("`{}` is missing, and cannot be installed", program.0))
}

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

/// Whether cargo has this extension; one of another version is taken as it is.
fn has_extension((name, ..): Extension) -> Result<bool> {
    let (shell, cargo) = (shell()?, cargo());
    Ok(cmd!(shell, "{cargo} {name} --version").quiet().ignore_status().output()?.status.success())
}

/// Sees to it that cargo has this extension.
pub(crate) fn extension(extension: Extension) -> Result<()> {
    if has_extension(extension)? {
        return Ok(());
    }
    install(extension).with_context(|| format!("`cargo {}` is missing, and cannot be installed", extension.0))
}

/// Installs an extension of cargo, or another program of a crate.
fn install((_, krate, version): Extension) -> Result<()> {
    let (shell, cargo) = (shell()?, cargo());
    Ok(cmd!(shell, "{cargo} install --locked --version {version} {krate}").run()?)
}

/// Something that tests need and this machine lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The Debian package, or the crate of an extension of cargo.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) why: String,
}

/// What tests need and this machine lacks.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// Extensions of cargo.
    pub(crate) extensions: Vec<Extension>,
    /// Packages of `tests/requirements.apt`.
    pub(crate) packages: Vec<Missing>,
}

impl Setup {
    /// Looks.
    pub(crate) fn look() -> Result<Self> {
        let path = root().join(REQUIREMENTS);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let missing =
            |one: Requirement<'_>| Missing { name: one.package.to_owned(), why: one.why.to_owned() };
        let extensions = if has_extension(NEXTEST)? { Vec::new() } else { vec![NEXTEST] };
        let packages = requirements(&text).filter(|one| !is_there(one.known)).map(missing).collect();
        Ok(Self { extensions, packages })
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.extensions.is_empty() && self.packages.is_empty()
    }

    /// A line for each thing that is missing.
    pub(crate) fn lines(&self) -> Vec<String> {
        let extensions = self.extensions.iter().map(|(name, krate, version)| {
            format!("  {krate:<24} `cargo {name}`, version {version}, by `cargo install`")
        });
        let packages = self.packages.iter().map(|Missing { name, why }| format!("  {name:<24} {why}"));
        extensions.chain(packages).collect()
    }

    /// Installs it: packages by apt-get, extensions by cargo.
    pub(crate) fn install(&self) -> Result<()> {
        if !self.packages.is_empty() {
            self.install_packages()?;
        }
        self.extensions.iter().try_for_each(|one| extension(*one))
    }

    fn install_packages(&self) -> Result<()> {
        let names: Vec<&str> = self.packages.iter().map(|one| one.name.as_str()).collect();
        let names = names.join(" ");
        let shell = shell()?;
        let has_apt = is_there("apt-get");
        let as_root = rustix::process::geteuid().is_root()
            || (is_there("sudo")
                && cmd!(shell, "sudo --non-interactive true").quiet().ignore_stderr().run().is_ok());
        if !has_apt {
            bail!(
                "this machine has no apt-get: install what it calls {names}, or leave those tests out with --no-setup"
            );
        }
        if !as_root {
            bail!(
                "packages are installed as root: run `apt-get install --no-install-recommends {names}` as root, \
                 or leave those tests out with --no-setup"
            );
        }
        cmd!(shell, ".ci/packages").run().context("not all packages could be installed")
    }
}

/// A line of a requirements file.
struct Requirement<'t> {
    package: &'t str,
    /// The program or path by which its presence is known.
    known: &'t str,
    /// What it is for.
    why: &'t str,
}

/// The lines of a requirements file: package, how it is known, and after `#` what for.
fn requirements(text: &str) -> impl Iterator<Item = Requirement<'_>> {
    text.lines().filter_map(|line| {
        let (words, why) = line.split_once('#').unwrap_or((line, ""));
        let mut words = words.split_whitespace();
        Some(Requirement { package: words.next()?, known: words.next()?, why: why.trim() })
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

/// Demands that programs are there: program, and the Debian package that brings it.
pub(crate) fn needs(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&(&str, &str)> = programs.iter().filter(|(program, _)| !is_there(program)).collect();
    let names =
        |of: fn(&(&str, &str)) -> String| missing.iter().map(|one| of(one)).collect::<Vec<_>>().join(" ");
    ensure!(
        missing.is_empty(),
        "`{}` is missing; `apt-get install --no-install-recommends {}` brings it",
        names(|(program, _)| (*program).to_owned()),
        names(|(_, package)| (*package).to_owned())
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_requirements_is_a_package_and_how_it_is_known() {
        let text = std::fs::read_to_string(root().join(REQUIREMENTS)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        assert_eq!(requirements(&text).filter(|one| !one.why.is_empty()).count(), lines);
        assert!(lines > 10);
    }

    #[test]
    fn a_program_is_found_on_the_path_and_one_that_is_not_there_is_not() {
        assert!(is_there("sh") && is_there("/etc/passwd"));
        assert!(!is_there("no-such-program-anywhere") && !is_there("/no/such/path"));
    }
}
