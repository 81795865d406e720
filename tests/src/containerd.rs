//! A real containerd, of a suite of Debian's archive, with a store that was laid out for it.
//!
//! ```text
//! <target>/tmp/containerd/<suite>/apt/   lists and packages, apt's own; it outlives runs and is refreshed by each
//! a test's folder/root/                  containerd, runc and what they need, unpacked: the root that they run in
//! ```
//! It runs as root, below `chroot` and in namespaces of its own: of mounts and processes, so that nothing of it is left, and of
//! networks, in which there is none. Needs: unshare, chroot, overlayfs, curl.

use crate::{trixie, workspace};
use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// What is unpacked for it; busybox is what a container runs.
const PACKAGES: [&str; 3] = ["busybox-static", "containerd", "runc"];

/// What runs in the namespaces: the daemon, then the lines of the test, in which `ctr` is a client, `cri METHOD FILE` another one whose
/// request is in a file, and `restart` starts the daemon again.
const SCRIPT: &str = r#"
set -eu
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
ctr() { chroot "$root" ctr --namespace k8s.io "$@"; }
cri() {
    # relative, as the path of a socket is short
    (cd "$root/run/containerd" && curl --silent --show-error --max-time 60 --http2-prior-knowledge --unix-socket containerd.sock \
        --header 'content-type: application/grpc' --header 'te: trailers' --data-binary "@$2" --dump-header "$root/tmp/headers" \
        "http://localhost/runtime.v1.$1")
    # in a trailer, or, where there is nothing else, a header
    grep -qi '^grpc-status: 0' "$root/tmp/headers" || { cat "$root/tmp/headers" >&2; return 1; }
}
begin() {
    chroot "$root" containerd --config /etc/test.toml --log-level warn >>"$root/log" 2>&1 &
    daemon=$!
    tries=0
    until ctr version >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] && kill -0 $daemon || { echo "containerd does not start" >&2; cat "$root/log" >&2; exit 1; }
        sleep 0.1
    done
}
end() { kill $daemon; wait $daemon || true; }
restart() { end; begin; }
trap 'end' EXIT
begin
. "$2"
"#;

/// Its settings, in the version that all of them read: what pods are made of, and that they need not be killed later than others, which takes
/// a right (CAP_SYS_RESOURCE) that root of a container lacks.
const CONFIG: &str = r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "SANDBOX"
restrict_oom_score_adj = true
"#;

/// A folder with containerd in it.
#[derive(Debug)]
pub struct Containerd {
    root: PathBuf,
}

impl Containerd {
    /// The containerd of `suite`, unpacked below `folder`, whose pods are made of the image `sandbox`.
    pub fn of_suite(suite: &str, sandbox: &str, folder: &Path) -> Result<Self> {
        let base = workspace::target().join("tmp/containerd").join(suite);
        fs::create_dir_all(&base)?;
        let lock = File::create(base.join("lock"))?;
        lock.lock()?;
        let apt = base.join("apt");
        let shell = trixie::apt_of_suite(&apt, trixie::host(), suite)?;
        let packages = trixie::download_whole(&shell, &apt, &PACKAGES)?;
        let root = folder.join("root");
        for part in [
            "usr/bin",
            "usr/local/bin",
            "usr/sbin",
            "usr/lib",
            "usr/lib64",
            "proc",
            "sys",
            "dev",
            "run",
            "tmp",
            "etc",
            "var/lib",
        ] {
            fs::create_dir_all(root.join(part))?;
        }
        for package in packages {
            cmd!(shell, "dpkg-deb --extract {package} {root}").quiet().run()?;
        }
        for alias in ["bin", "sbin", "lib", "lib64"] {
            // an older libc has them as directories
            if !root.join(alias).exists() {
                std::os::unix::fs::symlink(format!("usr/{alias}"), root.join(alias))?;
            }
        }
        // where nodes have it
        std::os::unix::fs::symlink("/usr/bin/ctr", root.join("usr/local/bin/ctr"))?;
        fs::write(root.join("etc/test.toml"), CONFIG.replace("SANDBOX", sandbox))?;
        // what a pod in the machine's network gets copies of
        for name in ["hosts", "resolv.conf", "hostname"] {
            fs::write(root.join("etc").join(name), "")?;
        }
        Ok(Self { root })
    }

    /// The root that it runs in.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The static program that is a whole system.
    pub fn busybox(&self) -> Result<Vec<u8>> {
        fs::read(self.root.join("usr/bin/busybox")).context("busybox-static")
    }

    /// Unpacks the store of the image whose tar.zst is at `artifact`, and nothing else of it.
    pub fn take_store(&self, artifact: &Path) -> Result<()> {
        let (shell, root) = (Shell::new()?, &self.root);
        let options = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--same-permissions"];
        cmd!(
            shell,
            "tar --extract --zstd --file {artifact} --directory {root} {options...} ./var/lib/containerd"
        )
        .quiet()
        .run()
        .context("tar")
    }

    /// Starts it and runs these lines of sh, with `set -eu`; what they print. What they wrote to standard error, and containerd's log,
    /// are in the error where one of them fails.
    pub fn sh(&self, lines: &str) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let (script, own) = (folder.path().join("script"), folder.path().join("lines"));
        fs::write(&script, SCRIPT)?;
        fs::write(&own, lines)?;
        let (shell, root) = (Shell::new()?, &self.root);
        let output = cmd!(shell, "unshare --mount --net --pid --fork --kill-child sh {script} {root} {own}")
            .quiet()
            .ignore_status()
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let log = fs::read_to_string(self.root.join("log")).unwrap_or_default();
        let wrong = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{said}\n{wrong}\ncontainerd said:\n{log}");
        Ok(said)
    }
}
