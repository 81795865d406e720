//! Accounts: who is in which group, and the `admin` user as long as there is an SSH key.

use crate::accounts::{Accounts, with_admin, with_members};
use crate::found::Found;
use crate::keys::Output;
use crate::names::Role;
use crate::plan::{Plan, PlannedDirectory};
use crate::refusal::Fault;
use crate::settings::Settings;

/// Service users and their supplementary groups; those of a control plane behind the others.
const USERS: [(&str, &[&str]); 11] = [
    ("podplane", &[]),
    ("nstance-agent", &["podplane"]),
    // syslog where there still is one; a group that is not there is passed over
    ("fluent-bit", &["podplane", "syslog", "systemd-journal"]),
    ("kube2iam", &["podplane"]),
    ("containerd", &["podplane"]),
    ("kubelet", &["containerd", "podplane"]),
    ("zot", &["podplane"]),
    ("netsy", &["podplane"]),
    ("kube-apiserver", &["podplane"]),
    ("kube-scheduler", &["podplane"]),
    ("kube-controller-manager", &["podplane"]),
];
const OF_WORKERS: usize = 7;
const KEYS: &str = "/home/admin/.ssh/authorized_keys";
const SUDO: &str = "/etc/sudoers.d/admin";

/// The accounts that an image brings.
pub(crate) fn accounts() -> impl Iterator<Item = &'static str> {
    USERS.iter().map(|(user, _)| *user)
}

/// Plans them.
pub(super) fn render(settings: &Settings, found: &Found, plan: &mut Plan, faults: &mut Vec<Fault>) {
    let ids = found.accounts.ids();
    let count = if settings.role == Role::ControlPlane { USERS.len() } else { OF_WORKERS };
    let mut accounts = found.accounts.clone();
    for (user, groups) in USERS.into_iter().take(count) {
        let hint = "the image brings it: bake it again";
        if ids.user(user).is_none() {
            faults.push(
                Fault::new("/etc/passwd", format!("expected the user `{user}`: user `{user}` not found"))
                    .hint(hint),
            );
        }
        if ids.group(user).is_none() {
            faults.push(
                Fault::new("/etc/group", format!("expected the group `{user}`: group `{user}` not found"))
                    .hint(hint),
            );
        }
        // whatever else the image made the user a member of, like `adm` for logs, is a drift
        accounts = with_members(&accounts, user, groups);
    }
    if settings.ssh_keys.is_empty() {
        plan.remove(KEYS, Some(Output::Admin));
        plan.remove(SUDO, Some(Output::Admin));
    } else {
        match with_admin(&accounts) {
            Some(with) => accounts = with,
            None => faults.push(Fault::new(
                "/etc/passwd",
                "expected a free number from 1000 to 58999 for the user `admin`",
            )),
        }
        admin(settings, found, plan);
    }
    changed(&found.accounts, &accounts, plan);
}

fn admin(settings: &Settings, found: &Found, plan: &mut Plan) {
    let own = ("admin", "admin");
    if !found.admin_home || found.accounts.ids().user("admin").is_none() {
        plan.directories.push(directory("/home/admin", 0o700));
        for (name, bytes) in &found.skeleton {
            plan.file(&format!("/home/admin/{name}"), 0o644, own, bytes.clone(), None);
        }
    }
    plan.directories.push(directory("/home/admin/.ssh", 0o700));
    if !found.sudoers {
        let path = "/etc/sudoers.d".to_owned();
        plan.directories.push(PlannedDirectory { path, mode: 0o750, owner: "root", group: "root" });
    }
    let mut text = settings.ssh_keys.join("\n");
    text.push('\n');
    plan.file(KEYS, 0o600, own, text.into_bytes(), Some(Output::Admin));
    plan.file(SUDO, 0o440, ("root", "root"), b"admin ALL=(ALL) NOPASSWD:ALL\n".to_vec(), Some(Output::Admin));
}

fn directory(path: &str, mode: u32) -> PlannedDirectory {
    PlannedDirectory { path: path.to_owned(), mode, owner: "admin", group: "admin" }
}

/// Only account files that change: their modes are the image's.
fn changed(before: &Accounts, after: &Accounts, plan: &mut Plan) {
    for (path, mode, group, old, new) in [
        ("/etc/group", 0o644, "root", &before.group, &after.group),
        ("/etc/gshadow", 0o640, "shadow", &before.gshadow, &after.gshadow),
        ("/etc/passwd", 0o644, "root", &before.passwd, &after.passwd),
        ("/etc/shadow", 0o640, "shadow", &before.shadow, &after.shadow),
    ] {
        if old != new {
            plan.file(path, mode, ("root", group), new.clone().into_bytes(), None);
        }
    }
}
