//! The tree that a case starts from: the recipes' own files, users and directories, as an image of the kind has them.

use super::case::Case;
use super::tree::{below, chmod, chown};
use super::{Places, tree::Names};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What of a recipe matters here.
#[derive(Deserialize)]
struct Recipe {
    #[serde(default)]
    users: BTreeMap<String, User>,
    #[serde(default)]
    directories: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct User {
    uid: u32,
    home: String,
    shell: String,
    #[serde(default)]
    groups: Vec<String>,
}

/// Debian's own groups that matter.
const GROUPS: [(&str, u32); 5] =
    [("root", 0), ("adm", 4), ("sudo", 27), ("shadow", 42), ("systemd-journal", 999)];
const LINKS: [&str; 6] = [
    "configure.sh",
    "bootstrap.sh",
    "install.sh",
    "restart.sh",
    "update-mutable-env.sh",
    "nstance-recv-watch.sh",
];

/// Directories that the recorded fresh tree has for the sake of scripts.
const UNPACKED: [&str; 2] = ["/opt/fluent-bit/etc", "/opt/podplane/lib"];

/// Makes it at `root`.
pub(super) fn make(root: &Path, case: &Case, places: &Places) -> Result<()> {
    for directory in [
        "etc",
        "opt",
        "home",
        "var/log",
        "var/lib",
        "run",
        "tmp",
        "usr",
        "proc",
        "dev",
        "stub",
        "etc/sudoers.d",
        "root",
    ] {
        std::fs::create_dir_all(root.join(directory))?;
    }
    let layers: &[&str] = if case.kind == "knc" { &["knd", "knc"] } else { &["knd"] };
    let mut recipes = Vec::new();
    for layer in layers {
        let folder = places.recipes.join(layer);
        let text = std::fs::read_to_string(folder.join("recipe.toml"))
            .with_context(|| folder.display().to_string())?;
        recipes.push(toml::from_str::<Recipe>(&text)?);
        copy(&folder.join("rootfs"), root)?;
    }
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n")?;
    accounts(root, &recipes)?;
    let names = Names::read(root)?;
    for (path, access) in recipes.iter().flat_map(|recipe| &recipe.directories) {
        let (mode, owner) = access.split_once(' ').context("expected `MODE USER:GROUP`")?;
        let full = below(root, path);
        // a tree that was just unpacked has directories as they come, and only those with files in them
        if case.base == "fresh" {
            if UNPACKED.contains(&path.as_str()) {
                std::fs::create_dir_all(&full)?;
            }
            continue;
        }
        std::fs::create_dir_all(&full)?;
        chown(&full, names.ids(owner)?)?;
        chmod(&full, mode)?;
    }
    skeleton(root)?;
    manifest(root, case)?;
    let bin = root.join("opt/podplane/bin");
    std::fs::create_dir_all(&bin)?;
    std::fs::copy(&places.program, bin.join("configure"))?;
    for link in LINKS {
        symlink("configure", bin.join(link))?;
    }
    instance_data(root, case)?;
    stubs(root, case)
}

/// The parts of a recipe's files that the program reads or changes.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            std::fs::create_dir_all(&target)?;
            copy(&source, &target)?;
        } else {
            std::fs::write(&target, std::fs::read(&source)?)?;
            chmod(&target, "0644")?;
        }
    }
    Ok(())
}

fn accounts(root: &Path, recipes: &[Recipe]) -> Result<()> {
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let users: BTreeMap<&String, &User> = recipes.iter().flat_map(|recipe| &recipe.users).collect();
    for (name, user) in &users {
        for group in &user.groups {
            members.entry(group).or_default().push(name);
        }
    }
    let mut groups: Vec<(&str, u32)> = GROUPS.to_vec();
    groups.extend(users.iter().map(|(name, user)| (name.as_str(), user.uid)));
    let (mut passwd, mut shadow) =
        ("root:x:0:0:root:/root:/bin/bash\n".to_owned(), "root:*:20000:0:99999:7:::\n".to_owned());
    for (name, user) in &users {
        writeln!(passwd, "{name}:x:{0}:{0}::{1}:{2}", user.uid, user.home, user.shell)?;
        writeln!(shadow, "{name}:!:20000::::::")?;
    }
    let (mut group, mut gshadow) = (String::new(), String::new());
    for (name, id) in groups {
        let list = members.get(name).map(|names| names.join(",")).unwrap_or_default();
        writeln!(group, "{name}:x:{id}:{list}")?;
        writeln!(gshadow, "{name}:!::{list}")?;
    }
    for (name, text, mode) in [
        ("passwd", passwd, "0644"),
        ("group", group, "0644"),
        ("shadow", shadow, "0640"),
        ("gshadow", gshadow, "0640"),
    ] {
        let path = root.join("etc").join(name);
        std::fs::write(&path, text)?;
        chmod(&path, mode)?;
        chown(&path, (0, if mode == "0640" { 42 } else { 0 }))?;
    }
    Ok(())
}

/// Debian's own, from this machine.
fn skeleton(root: &Path) -> Result<()> {
    std::fs::create_dir_all(root.join("etc/skel"))?;
    for name in [".bash_logout", ".bashrc", ".profile"] {
        std::fs::copy(Path::new("/etc/skel").join(name), root.join("etc/skel").join(name))
            .with_context(|| format!("/etc/skel/{name}"))?;
    }
    Ok(())
}

/// What an image of the kind says of itself; the recorded sandbox image is that of the time of recording.
fn manifest(root: &Path, case: &Case) -> Result<()> {
    let path = root.join("opt/podplane/share/vmconfig-installed.json");
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    let text = serde_json::json!({"vmconfig": {"version": "0", "kind": case.kind, "images": [{"image": "registry.k8s.io/pause:3.10.2"}]}});
    Ok(std::fs::write(&path, text.to_string())?)
}

/// cloud-init's standardised keys, as its own file has them.
fn instance_data(root: &Path, case: &Case) -> Result<()> {
    if case.setup.cloud_init.is_empty() {
        return Ok(());
    }
    let v1: BTreeMap<&str, &String> = case
        .setup
        .cloud_init
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("v1.")?, value)))
        .collect();
    std::fs::create_dir_all(root.join("run/cloud-init"))?;
    Ok(std::fs::write(
        root.join("run/cloud-init/instance-data.json"),
        serde_json::json!({ "v1": v1 }).to_string(),
    )?)
}

/// `systemctl` and `sysctl` that write down what they are asked.
fn stubs(root: &Path, case: &Case) -> Result<()> {
    let fail: String = case.setup.systemctl_fail.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(root.join("stub/fail"), fail)?;
    for name in ["systemctl", "sysctl"] {
        let path = root.join("stub").join(name);
        let text = format!(
            "#!/bin/sh\necho {name} \"$*\" >>/run/calls\n[ {name} = systemctl ] || exit 0\n! echo \"$*\" | grep -Eqxf /stub/fail\n"
        );
        std::fs::write(&path, text)?;
        chmod(&path, "0755")?;
    }
    Ok(())
}
