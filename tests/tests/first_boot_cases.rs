//! Seeds applied to one tree by Debian's own cloud-init and by first-boot: what they leave must be the same, path by path.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use tests::shared::{BASE, Shared};
use tests::workspace;
use xshell::{Shell, cmd};

/// A tree laid under a writable one, with what programs expect of a system, for namespaces of its own.
const LAY: &str = r#"
set -e
lay() {
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
    mount -t proc proc "$4/proc"
    mount -t tmpfs tmpfs "$4/tmp"
    mount -t tmpfs tmpfs "$4/sys"
    for node in null zero urandom random tty; do touch "$4/dev/$node"; mount --bind "/dev/$node" "$4/dev/$node"; done
    hostname localhost
}
"#;

/// The commands of both, in a tree that is laid under a writable one; each in namespaces of its own.
const RUN: &str = r#"
tree=$1 upper=$2 how=$3
mkdir -p "$upper/../work" "$upper/../root"
root=$upper/../root
lay "$tree" "$upper" "$upper/../work" "$root"
mount -t tmpfs tmpfs "$root/run"
case $how in
    cloud-init) chroot "$root" sh -c 'mkdir -p /run/cloud-init
        cloud-init init --local; cloud-init init; cloud-init modules --mode config; cloud-init modules --mode final' ;;
    *) chroot "$root" sh -c 'for stage in local network config final; do /usr/lib/vmbake/first-boot $stage; done' ;;
esac >"$upper/../output" 2>&1 </dev/null || true
cp "$root/run/cloud-init/result.json" "$upper/../result.json"
"#;

/// Boots of a machine whose disk is full, or may not be written, and then is as it should be: stages with their exit statuses, and
/// what status says. Its disk is a small one of its own.
const FAULTS: &str = r#"
tree=$1 room=$2 fault=$3
mount -t tmpfs -o size=2m tmpfs "$room"
mkdir "$room/upper" "$room/work" "$room/root"
root=$room/root
lay "$tree" "$room/upper" "$room/work" "$root"
mkdir -p "$root/var/lib/cloud/seed/nocloud"
printf 'instance-id: i-1
local-hostname: one
' >"$root/var/lib/cloud/seed/nocloud/meta-data"
printf '#cloud-config
write_files:
- {path: /srv/a, content: a, append: true}
runcmd: [echo b >>/srv/b]
' >"$root/var/lib/cloud/seed/nocloud/user-data"
boot() {
    mount -t tmpfs tmpfs "$root/run"
    chroot "$root" sh -c 'for stage in local network config final; do
        /usr/lib/vmbake/first-boot $stage >>/run/said 2>&1 && echo "$stage done" || echo "$stage $?"; done
        /usr/lib/vmbake/cloud-init status || echo "status $?"; grep -oE "No space left on device|Read-only file system" /run/said | sort -u'
    umount "$root/run"
}
case $fault in
    full) dd if=/dev/zero of="$root/filler" bs=4k 2>&1 | grep -c 'No space' ;;
    read-only) mount -o remount,ro "$root" ;;
esac
boot
case $fault in
    full) rm "$root/filler" ;;
    read-only) mount -o remount,rw "$root" ;;
esac
boot || true
echo "$(cat "$root/srv/a") $(cat "$root/srv/b") $(grep -c ^debian: "$root/etc/passwd") $(cat "$root/etc/hostname")"
chroot "$root" stat -c '%U %a' /home/debian /home/debian/.profile /home/debian/.ssh/authorized_keys
"#;

/// What is compared, and what is not below that: made by others, or each program's own.
const COMPARED: [&str; 5] = ["etc", "home", "root", "srv", "usr/local"];
const NOT_COMPARED: [&str; 3] = ["/etc/.pwd.lock", "/etc/cloud", "/root/.cache"];
/// Keys of hosts are sshd-keygen's in an image of ours.
const HOST_KEYS: &str = "/etc/ssh/ssh_host_";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    meta: Option<String>,
    user: String,
    /// How both say that it ended.
    #[serde(default = "done")]
    status: String,
    #[serde(default)]
    differ: BTreeMap<String, String>,
}

fn done() -> String {
    "done".to_owned()
}

type Listing = BTreeMap<String, String>;

/// The tree of `base`, with both programs.
fn tree(shared: &Shared, shell: &Shell, tree: &Path) -> Result<()> {
    ensure!(cmd!(shell, "id -u").quiet().read()? == "0", "needs root: to mount, and to make users");
    fs::create_dir(tree)?;
    let archive = shared.reference_folder(BASE)?.join(format!("{}.tar.zst", BASE.name()));
    cmd!(shell, "tar --zstd --extract --numeric-owner --xattrs --file {archive} --directory {tree}")
        .quiet()
        .run()?;
    let program = tree.join("usr/lib/vmbake/first-boot");
    fs::create_dir_all(program.parent().context("a folder")?)?;
    fs::copy(shared.first_boot(BASE.arch)?, &program)?;
    std::os::unix::fs::symlink("first-boot", program.with_file_name("cloud-init"))?;
    // networks are not compared: the machine that tests has other cards
    fs::write(
        tree.join("etc/cloud/cloud.cfg.d/99-test.cfg"),
        "datasource_list: [NoCloud]\nnetwork: {config: disabled}\n",
    )?;
    Ok(())
}

#[test]
fn a_disk_that_is_full_or_read_only_is_said_and_the_next_boot_does_it_all() -> Result<()> {
    let (shared, shell) = (Shared::get()?, Shell::new()?);
    let scratch = shared.scratch()?;
    let tree = scratch.path().join("tree");
    self::tree(&shared, &shell, &tree)?;
    let whole = "local done\nnetwork done\nconfig done\nfinal done\nstatus: done\na b 1 one\ndebian 700\ndebian 644\ndebian 600";
    for (fault, before) in [
        (
            "full",
            "1\nlocal 1\nnetwork 1\nconfig 1\nfinal 1\nstatus: error\nstatus 1\nNo space left on device\n",
        ),
        (
            "read-only",
            "local 1\nnetwork 1\nconfig 1\nfinal 1\nstatus: error\nstatus 1\nRead-only file system\n",
        ),
    ] {
        let room = scratch.path().join(fault);
        fs::create_dir(&room)?;
        let script = [LAY, FAULTS].concat();
        let said =
            cmd!(shell, "unshare --mount --uts --ipc --pid --fork sh -c {script} run {tree} {room} {fault}")
                .quiet()
                .read()?;
        assert_eq!(said, format!("{before}{whole}"), "{fault}");
    }
    Ok(())
}

#[test]
fn what_seeds_leave_is_what_cloud_init_leaves() -> Result<()> {
    let (shared, shell) = (Shared::get()?, Shell::new()?);
    let scratch = shared.scratch()?;
    let tree = scratch.path().join("tree");
    self::tree(&shared, &shell, &tree)?;
    // it starts four times for each case: compiled once
    cmd!(shell, "chroot {tree} python3 -m compileall -q /usr/lib").quiet().ignore_status().run()?;

    let path = workspace::root().join("tests/fixtures/first-boot/cases.toml");
    let cases: Cases = toml::from_str(&fs::read_to_string(path)?)?;
    ensure!(cases.case.len() >= 40, "{} cases", cases.case.len());
    let mut wrong = Vec::new();
    for (at, case) in cases.case.iter().enumerate() {
        let folder = scratch.path().join(at.to_string());
        let theirs = apply(&shell, &tree, &folder.join("theirs"), "cloud-init", case)?;
        let ours = apply(&shell, &tree, &folder.join("ours"), "first-boot", case)?;
        let paths: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        let differing: BTreeSet<&String> =
            paths.into_iter().filter(|path| theirs.get(*path) != ours.get(*path)).collect();
        for path in &differing {
            if !case.differ.contains_key(*path) {
                let show = |of: &Listing| of.get(*path).cloned().unwrap_or_else(|| "nothing".to_owned());
                wrong.push(format!(
                    "{}: {path}\n  cloud-init: {}\n  first-boot: {}",
                    case.name,
                    show(&theirs),
                    show(&ours)
                ));
            }
        }
        for path in case.differ.keys().filter(|path| !differing.contains(path)) {
            wrong.push(format!("{}: {path}: no longer differs", case.name));
        }
        fs::remove_dir_all(&folder)?;
    }
    ensure!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// What one of the two leaves of a seed; how it ended is a line, too.
fn apply(shell: &Shell, tree: &Path, folder: &Path, how: &str, case: &Case) -> Result<Listing> {
    let upper = folder.join("upper");
    let seed = upper.join("var/lib/cloud/seed/nocloud");
    fs::create_dir_all(&seed)?;
    fs::write(
        seed.join("meta-data"),
        case.meta.as_deref().unwrap_or("instance-id: i-1\nlocal-hostname: one\n"),
    )?;
    fs::write(seed.join("user-data"), case.user.trim_start())?;
    let script = [LAY, RUN].concat();
    let run = cmd!(shell, "unshare --mount --uts --ipc --pid --fork sh -c {script} run {tree} {upper} {how}");
    run.quiet().run().with_context(|| format!("{}: {how}", case.name))?;
    let mut listing = Listing::new();
    let users = names(tree, &upper, "etc/passwd")?;
    let groups = names(tree, &upper, "etc/group")?;
    for part in COMPARED {
        walk(tree, &upper, &format!("/{part}"), &[&users, &groups], &mut listing)?;
    }
    let result: serde_json::Value = serde_json::from_str(&fs::read_to_string(folder.join("result.json"))?)?;
    let errors = result["v1"]["errors"].as_array().context("errors")?;
    let status = if errors.is_empty() { "done" } else { "error" };
    if status != case.status {
        listing.insert(format!("status of {how}"), format!("{status}: {errors:?}"));
    }
    Ok(listing)
}

/// Names by number, of the upper tree where it has the file.
fn names(tree: &Path, upper: &Path, path: &str) -> Result<BTreeMap<u32, String>> {
    let changed = upper.join(path);
    let text = fs::read_to_string(if changed.exists() { changed } else { tree.join(path) })?;
    let line = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    Ok(text.lines().filter_map(line).map(|(name, id)| (id, name)).collect())
}

fn walk(
    tree: &Path,
    upper: &Path,
    path: &str,
    names: &[&BTreeMap<u32, String>; 2],
    listing: &mut Listing,
) -> Result<()> {
    let place = upper.join(path.trim_start_matches('/'));
    let Ok(meta) = place.symlink_metadata() else { return Ok(()) };
    // backups of accounts are named with `-` at the end
    let is_backup = path.starts_with("/etc/") && path.ends_with('-');
    if NOT_COMPARED.contains(&path) || path.starts_with(HOST_KEYS) || is_backup {
        return Ok(());
    }
    let kind = meta.file_type();
    let name = |at: usize, id: u32| {
        names.get(at).and_then(|names| names.get(&id)).cloned().unwrap_or_else(|| id.to_string())
    };
    let access = format!("{:04o} {}:{}", meta.mode() & 0o7777, name(0, meta.uid()), name(1, meta.gid()));
    let what = if kind.is_dir() {
        for entry in fs::read_dir(&place)? {
            let name = entry?.file_name().into_string().ok().context("a name is UTF-8")?;
            walk(tree, upper, &format!("{path}/{name}"), names, listing)?;
        }
        let under = tree.join(path.trim_start_matches('/')).symlink_metadata();
        if under.is_ok_and(|under| {
            (under.mode(), under.uid(), under.gid()) == (meta.mode(), meta.uid(), meta.gid())
        }) {
            // it is as it was: only what is in it may have changed
            return Ok(());
        }
        format!("{access} folder")
    } else if kind.is_symlink() {
        format!("-> {}", fs::read_link(&place)?.display())
    } else if kind.is_char_device() {
        "removed".to_owned()
    } else {
        format!("{access} {:?}", content(path, &fs::read(&place)?))
    };
    listing.insert(path.to_owned(), what);
    Ok(())
}

/// What a file says: without comments, which each program writes its own of, salts and dates.
fn content(path: &str, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let is_of_words =
        ["/etc/hosts", "/etc/fstab", "/etc/ssh/sshd_config.d/50-cloud-init.conf"].contains(&path);
    match path {
        "/etc/shadow" => text.lines().map(shadow).collect(),
        _ if path.ends_with("/authorized_keys") => {
            let lines: BTreeSet<&str> = text.lines().filter(|line| !line.is_empty()).collect();
            lines.into_iter().map(|line| format!("{line}\n")).collect()
        }
        _ if is_of_words || path.starts_with("/etc/sudoers.d/") => {
            let lines = text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
            let lines: BTreeSet<String> =
                lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
            lines.into_iter().map(|line| format!("{line}\n")).collect()
        }
        _ => text.into_owned(),
    }
}

/// A line of shadow(5) without a salt and what follows from it, and without the day; that a password has expired is day 0.
fn shadow(line: &str) -> String {
    let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
    if let Some(hash) = fields.get_mut(1)
        && let Some(at) = hash.find("$y$")
    {
        hash.truncate(at + 3);
    }
    if let Some(day) = fields.get_mut(2).filter(|day| *day != "0") {
        "day".clone_into(day);
    }
    format!("{}\n", fields.join(":"))
}
