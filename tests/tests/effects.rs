//! A bake is what Debian's own maintainer scripts leave: the tree of each kind against a real system that mmdebstrap has
//! made of exactly the locked packages, path by path.
//!
//! ```text
//! lock ─► .debs of the store ─► an archive of just these ─mmdebstrap, root─► a configured system ─┐
//! lock ─► `bake`, without what [files] exclude leaves out ─► tar.zst ─tar, root─► our system ─────┴─ compared
//! ```
//! Type, mode, owner by name, extended attributes, content and target of every path have to agree, but for what a recipe
//! or a component says itself, and for the list in `tests/src/effects/differences.toml`, each with its reason. A reason that explains
//! nothing any longer is a failure, too. Databases (accounts, dpkg's status) are compared entry by entry. That needs root,
//! here only.

use anyhow::{Context as _, Result, ensure};
use bake::lock::Lock;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tests::effects::differences::Subject;
use tests::effects::{Listing, Origins, differences, files, laid_out, listing, real, without_excludes};
use tests::own_kind::{OwnKind, Wishes};
use tests::recipes::KINDS;
use tests::run::{Run, is_root};
use tests::shared::{BASE, Image, Shared};
use tests::standin::Arch;

#[test]
fn base_is_what_the_real_scripts_leave() -> Result<()> {
    compare(&[BASE])
}

#[test]
fn knd_and_knc_are_what_the_real_scripts_leave() -> Result<()> {
    // their Debian packages are the same: one real system stands for both
    compare(&[image("knd"), image("knc")])
}

/// A kind of one's own: packages that people put on servers, each asked for with one word.
#[test]
fn a_kind_of_ones_own_is_what_the_real_scripts_leave() -> Result<()> {
    const PACKAGES: [&str; 13] = [
        "docker.io",
        "haproxy",
        "htop",
        "keepalived",
        "logrotate",
        "nfs-common",
        "nginx",
        "qemu-guest-agent",
        "redis-server",
        "rsync",
        "rsyslog",
        "tmux",
        "unattended-upgrades",
    ];
    compare_own("servers", Arch::Amd64, &Wishes::packages(&PACKAGES))
}

/// The same for machines of another processor than the baking one's: the real scripts are run by QEMU.
#[test]
#[ignore = "every program of the scripts is translated: twenty minutes of one core"]
fn arm64_of_ones_own_is_what_the_real_scripts_leave() -> Result<()> {
    const PACKAGES: [&str; 9] = [
        "chrony",
        "haproxy",
        "htop",
        "nfs-common",
        "nginx",
        "redis-server",
        "rsync",
        "rsyslog",
        "unattended-upgrades",
    ];
    // two programs that set the clock do not go together
    let wishes = Wishes {
        without: vec!["systemd-timesyncd".to_owned()],
        without_units: vec!["systemd-timesyncd.service".to_owned()],
        ..Wishes::packages(&PACKAGES)
    };
    compare_own("servers-arm64", Arch::Arm64, &wishes)
}

/// Compares a kind of these wishes; `kind` is what the differences call it.
fn compare_own(kind: &str, arch: Arch, wishes: &Wishes) -> Result<()> {
    ensure!(is_root()?, "needs root: to configure a real system, and to lay out owners");
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let own = OwnKind::for_arch(&shared, scratch.path(), arch, wishes)?;
    let folder = scratch.path().join("real");
    let real = listing::of(&real::system(arch, &own.pool()?, &own.locked()?, &folder)?)?;
    fs::remove_dir_all(&folder)?;
    without_excludes(&own.project)?;
    let bake = |output: &Path| own.bake(output);
    let (ours, origins) = laid_out(&scratch.path().join("ours"), &own.image(), &bake)?;
    let base = tests::recipes::recipe("base")?;
    let accounts = base.users.keys().chain(base.groups.keys()).cloned().collect();
    let packages = names(&own.locked()?);
    let subject = Subject { kind, packages: &packages, accounts: &accounts };
    let wrong = differences::compare(&subject, &real, &ours, &origins)?.faults();
    ensure!(wrong.is_empty(), "{} paths differ:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// The packages of a lock.
fn names(lock: &Lock) -> BTreeSet<String> {
    lock.packages.iter().map(|package| package.name.to_string()).collect()
}

fn image(kind: &'static str) -> Image {
    Image { kind, arch: Arch::Amd64 }
}

fn compare(images: &[Image]) -> Result<()> {
    ensure!(is_root()?, "needs root: to configure a real system, and to lay out owners");
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let mut reference: Option<(BTreeSet<String>, Listing)> = None;
    for image in images {
        let lock = shared.locked(*image)?;
        let packages: BTreeSet<String> =
            lock.packages.iter().map(|package| package.sha256.to_string()).collect();
        let known = match reference.take() {
            Some(known) if known.0 == packages => known,
            _ => {
                let folder = scratch.path().join(format!("real-{}", image.kind));
                let root = real::system(image.arch, &shared.pool(*image)?, &lock, &folder)?;
                let listing = listing::of(&root)?;
                fs::remove_dir_all(&folder)?;
                (packages, listing)
            }
        };
        let (ours, origins) = ours(&shared, *image, &scratch.path().join(image.kind))?;
        let recipe = tests::recipes::recipe(image.kind)?;
        let accounts = recipe.users.keys().chain(recipe.groups.keys()).cloned().collect();
        let packages = names(&lock);
        let subject = Subject { kind: image.kind, packages: &packages, accounts: &accounts };
        let wrong = differences::compare(&subject, &known.1, &ours, &origins)?.faults();
        ensure!(wrong.is_empty(), "{}: {} paths differ:\n{}", image.kind, wrong.len(), wrong.join("\n"));
        ensure!(ours.len() > 10_000, "{} paths", ours.len());
        reference = Some(known);
    }
    Ok(())
}

/// Our tree of `image` with all that packages bring, laid out by tar, and the origins of its paths.
fn ours(shared: &Shared, image: Image, folder: &Path) -> Result<(Listing, Origins)> {
    let project = folder.join("project");
    shared.copy_project(&project)?;
    without_excludes(&project)?;
    let (lock, manifest) = (shared.lock(image)?, shared.manifest(image)?);
    let (configure, first_boot) = (shared.configure(image.arch)?, shared.first_boot(image.arch)?);
    let mirror = shared.mirror(image.arch)?;
    let store = shared.warm_store(image)?;
    let run = |output: &Path| {
        let run = Run::new(&shared.program(), &project, ["bake", "--kind", image.kind]);
        let run = run.args(["--arch", &image.arch.to_string()]).option("--lock", &lock);
        let run = run
            .option("--manifest", &manifest)
            .option("--configure", &configure)
            .option("--first-boot", &first_boot);
        Ok(run.option("--mirror", &mirror).option("--store", &store).option("--output", output))
    };
    laid_out(folder, &image.name(), &run)
}

/// The lists of files of each kind, as it is baked.
fn baked(shared: &Shared, kind: &'static str) -> Result<BTreeMap<String, serde_json::Value>> {
    let image = image(kind);
    files(&shared.reference_folder(image)?.join(format!("{}.files.json", image.name())))
}

/// What belongs to one machine, or to the one that baked, is in no image.
#[test]
fn nothing_of_one_machine_is_in_an_image() -> Result<()> {
    /// Below these there are directories, and links, only.
    const EMPTY: [&str; 10] =
        ["/dev/", "/home/", "/media/", "/mnt/", "/proc/", "/run/", "/srv/", "/sys/", "/tmp/", "/var/cache/"];
    const ABSENT: [&str; 16] = [
        "/etc/group-",
        "/etc/gshadow-",
        "/etc/passwd-",
        "/etc/shadow-",
        "/etc/.pwd.lock",
        "/etc/apt/sources.list",
        "/etc/fstab",
        "/root/.bash_history",
        "/var/lib/dhcpcd/duid",
        "/var/lib/dpkg/status-old",
        "/var/lib/systemd/random-seed",
        "/var/lib/systemd/credential.secret",
        "/var/lib/cloud",
        "/var/lib/apt/extended_states",
        "/var/lib/systemd/timesync/clock",
        "/usr/sbin/policy-rc.d",
    ];
    let shared = Shared::get()?;
    for kind in KINDS {
        let files = baked(&shared, kind)?;
        let get = |path: &str| files.get(path).map(|entry| (entry["type"].as_str(), entry["size"].as_u64()));
        assert_eq!(get("/etc/machine-id"), Some((Some("file"), Some(0))), "{kind}");
        for link in ["/etc/resolv.conf", "/var/lib/dbus/machine-id"] {
            assert_eq!(get(link).and_then(|(sort, _)| sort), Some("symlink"), "{kind}: {link}");
        }
        for absent in ABSENT {
            assert_eq!(get(absent), None, "{kind}: {absent}");
        }
        for (path, entry) in &files {
            let is_file = entry["type"] == "file" || entry["type"] == "hardlink";
            let below = |top: &&str| path.starts_with(*top);
            let log = path.starts_with("/var/log/") && entry["size"].as_u64() != Some(0);
            let lists = path.starts_with("/var/lib/apt/lists/");
            let key = path.starts_with("/etc/ssh/ssh_host_")
                || path.ends_with("_history")
                || path.ends_with(".pyc");
            let wrong = is_file && (EMPTY.iter().any(below) || log || lists || key);
            assert!(!wrong, "{kind}: `{path}` is in the image");
        }
    }
    Ok(())
}

/// Whatever gives more rights than root:root 0755 is on a list that is reviewed when it changes.
#[test]
fn what_gives_rights_is_on_the_committed_list() -> Result<()> {
    let shared = Shared::get()?;
    for kind in KINDS {
        let mut found = String::new();
        for (path, entry) in baked(&shared, kind)? {
            let mode = u32::from_str_radix(entry["mode"].as_str().context("mode")?, 8)?;
            let (uid, gid) = (entry["uid"].as_u64().context("uid")?, entry["gid"].as_u64().context("gid")?);
            let writable = entry["type"] != "symlink" && mode & 0o022 != 0;
            let capable = entry.get("xattrs").is_some();
            if mode & 0o7000 != 0 || writable || uid != 0 || gid != 0 || capable {
                let xattrs = entry.get("xattrs").map_or_else(String::new, |xattrs| format!(" {xattrs}"));
                found += &format!("{mode:04o} {uid}:{gid} {path}{xattrs}\n");
            }
        }
        let list = list(kind);
        if std::env::var_os("VMBAKE_ACCEPT").is_some() {
            fs::write(&list, &found)?;
        }
        let expected = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
        let (found, expected): (BTreeSet<&str>, BTreeSet<&str>) =
            (found.lines().collect(), expected.lines().collect());
        let new: Vec<_> = found.difference(&expected).collect();
        let gone: Vec<_> = expected.difference(&found).collect();
        ensure!(
            new.is_empty() && gone.is_empty(),
            "{kind}: not on `{}`: {new:#?}\nno longer there: {gone:#?}\nVMBAKE_ACCEPT=1 writes it",
            list.display()
        );
    }
    Ok(())
}

fn list(kind: &str) -> PathBuf {
    tests::workspace::root().join(format!("tests/tests/effects/rights.{kind}.txt"))
}
