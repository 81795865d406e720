//! The program that every stand-in is a copy of: built for the target machine, then stamped with a name.

use crate::workspace;
use anyhow::{Context as _, Result, bail, ensure};
use std::fmt;
use std::str::FromStr;
use xshell::{Shell, cmd};

/// What comes before the identity in the program; see `standin/src/main.rs`.
const MARK: &[u8; 32] = b"vmbake stand-in: identity follow";
/// How many bytes an identity has.
const ROOM: usize = 96;

/// The architectures, as Debian calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

/// A static program of one architecture that is nobody yet.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its architecture.
    pub arch: Arch,
    bytes: Vec<u8>,
    /// Where the identity is.
    at: usize,
}

impl Program {
    /// Builds it, with the toolchain and lock of this workspace; the bytes depend on nothing else.
    pub fn build(arch: Arch) -> Result<Self> {
        let shell = Shell::new()?;
        shell.change_dir(workspace::root());
        let (cargo, triple, target) = (workspace::cargo(), arch.triple(), workspace::target());
        cmd!(shell, "{cargo} build --quiet --locked --package standin --profile configure --target {triple}")
            .env("CARGO_TARGET_DIR", &target)
            // flags of a coverage run or a debugging session would show in the bytes
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .quiet()
            .run()
            .context("cannot build the stand-in program")?;
        Self::new(arch, std::fs::read(target.join(triple).join("configure/standin"))?)
    }

    /// Finds the place for an identity in the bytes of the program.
    fn new(arch: Arch, bytes: Vec<u8>) -> Result<Self> {
        let mut places = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| window == MARK);
        let at = places.next().context("the program has no room for an identity")?.0 + MARK.len();
        ensure!(places.next().is_none(), "the program has its identity twice");
        ensure!(bytes.len() >= at + ROOM, "the program ends in the middle of its identity");
        Ok(Self { arch, bytes, at })
    }

    /// A copy that is `name` of `version`: other bytes, the same ELF structure.
    pub fn stamped(&self, name: &str, version: &str) -> Result<Vec<u8>> {
        let identity = format!("{name} {version}");
        ensure!(identity.len() < ROOM, "`{identity}` is longer than {ROOM} bytes");
        let mut bytes = self.bytes.clone();
        bytes[self.at..self.at + ROOM].fill(0);
        bytes[self.at..self.at + identity.len()].copy_from_slice(identity.as_bytes());
        Ok(bytes)
    }
}

impl Arch {
    /// That of this machine, or x86-64 where images cannot be for it.
    #[must_use]
    pub fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::Amd64 }
    }

    /// The target triple of a static program.
    #[must_use]
    pub fn triple(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

impl FromStr for Arch {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "amd64" => Ok(Self::Amd64),
            "arm64" => Ok(Self::Arm64),
            other => bail!("architecture, expected `amd64` or `arm64`, found `{other}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_program_runs_and_says_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("any-file-name");
        std::fs::write(&path, Program::build(Arch::host()).unwrap().stamped("kubelet", "1.36.1").unwrap())
            .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        let shell = Shell::new().unwrap();
        assert_eq!(cmd!(shell, "{path} --version").read().unwrap(), "kubelet 1.36.1 (stand-in)");
        // stays up until it is ended: 124 is what timeout says then
        let flags = ["--config=/a \"b\"", "--v=2"];
        let run = cmd!(shell, "timeout 1 {path} {flags...}").env_clear().env("PATH", "/usr/bin:/bin");
        let run = run.ignore_status().output().unwrap();
        assert_eq!(run.status.code(), Some(124));
        let line: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(line["args"], serde_json::json!(flags));
        assert_eq!(line["env"]["PATH"], "/usr/bin:/bin");
    }

    #[test]
    fn what_has_no_mark_or_two_is_refused() {
        let twice = [&MARK[..], &[0; ROOM], MARK, &[0; ROOM]].concat();
        for bytes in [vec![0; 500], twice, MARK.to_vec()] {
            assert!(Program::new(Arch::Amd64, bytes).is_err());
        }
    }
}
