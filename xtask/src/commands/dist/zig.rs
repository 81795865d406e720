//! A C compiler for both architectures of images, with the headers of musl: Zig's clang.

use crate::tools;
use anyhow::Result;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use tree::name::Arch;
use vmbake::progress::Show;

/// Programs that call it as a C compiler and as an archiver.
pub(super) struct Zig {
    folder: PathBuf,
}

impl Zig {
    /// Brings it, where it is not there.
    pub(super) fn get(show: &Show) -> Result<Self> {
        let folder = tools::pypi::package("zig", show)?;
        let program = folder.join("ziglang/zig");
        let zig = Self { folder };
        for arch in Arch::ALL {
            let target = format!("{}-linux-musl", arch.machine());
            // the crate `cc` names targets as Rust does; atomics inline, as there is no libgcc to have the others
            let more = if arch == Arch::Arm64 { " -mno-outline-atomics" } else { "" };
            let call = format!(
                "exec '{}' cc -target {target}{more} -fno-sanitize=undefined \"$@\"",
                program.display()
            );
            zig.script(&format!("cc-{arch}"), &call)?;
        }
        zig.script("ar", &format!("exec '{}' ar \"$@\"", program.display()))?;
        Ok(zig)
    }

    /// The C compiler for `arch`.
    pub(super) fn compiler(&self, arch: Arch) -> PathBuf {
        self.folder.join(format!("cc-{arch}"))
    }

    /// Makes libraries of objects.
    pub(super) fn archiver(&self) -> PathBuf {
        self.folder.join("ar")
    }

    /// A program that leaves Rust's names of targets out.
    fn script(&self, name: &str, call: &str) -> Result<()> {
        let path = self.folder.join(name);
        let text = format!(
            "#!/bin/sh\nfor word do\n    shift\n    case $word in --target=*) ;; *) set -- \"$@\" \"$word\" ;; esac\ndone\n{call}\n"
        );
        fs::write(&path, text)?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
    }
}
