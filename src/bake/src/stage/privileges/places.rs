//! Paths that something with root's rights reads or runs, whoever put them there.

use super::super::effects;
use super::is_at;
use tree::name::ImagePath;
use tree::privilege::Sort;
use tree::{Entry, Node, Origin, Tree};

/// Where each sort is; a place that ends in `/` is all that is below it. The first that fits counts.
pub(super) const PLACES: &[(Sort, &[&str])] = &[
    (
        Sort::Account,
        &[
            "/etc/group",
            "/etc/gshadow",
            "/etc/login.defs",
            "/etc/nsswitch.conf",
            "/etc/passwd",
            "/etc/shadow",
            "/etc/subgid",
            "/etc/subuid",
            "/etc/userdb/",
            "/usr/lib/userdb/",
            "/usr/local/lib/userdb/",
        ],
    ),
    (
        Sort::Sudo,
        &["/etc/doas.conf", "/etc/sudo.conf", "/etc/sudoers", "/etc/sudoers.d/", "/usr/libexec/sudo/"],
    ),
    (
        Sort::Pam,
        &[
            "/etc/pam.conf",
            "/etc/pam.d/",
            "/etc/security/",
            "/usr/lib/pam.d/",
            "/usr/lib/security/",
            "/usr/share/pam-configs/",
        ],
    ),
    (Sort::Ssh, &["/etc/ssh/", "/root/.ssh/"]),
    (
        Sort::Certificate,
        &[
            "/etc/ca-certificates.conf",
            "/etc/ca-certificates/",
            "/etc/ssl/certs/",
            "/usr/lib/ssl/certs/",
            "/usr/local/share/ca-certificates/",
            "/usr/share/ca-certificates/",
        ],
    ),
    (
        Sort::Polkit,
        &["/etc/polkit-1/", "/usr/local/share/polkit-1/", "/usr/share/polkit-1/", "/var/lib/polkit-1/"],
    ),
    (
        Sort::Dbus,
        &[
            "/etc/dbus-1/",
            "/usr/local/share/dbus-1/",
            "/usr/share/dbus-1/system-services/",
            "/usr/share/dbus-1/system.conf",
            "/usr/share/dbus-1/system.d/",
        ],
    ),
    (
        Sort::Cron,
        &[
            "/etc/anacrontab",
            "/etc/at.allow",
            "/etc/at.deny",
            "/etc/cron.allow",
            "/etc/cron.d/",
            "/etc/cron.daily/",
            "/etc/cron.deny",
            "/etc/cron.hourly/",
            "/etc/cron.monthly/",
            "/etc/cron.weekly/",
            "/etc/cron.yearly/",
            "/etc/crontab",
            "/var/spool/at/",
            "/var/spool/cron/",
        ],
    ),
    (Sort::Udev, &["/etc/udev/", "/usr/lib/udev/", "/usr/local/lib/udev/"]),
    (
        Sort::Kernel,
        &[
            "/boot/",
            "/etc/binfmt.d/",
            "/etc/initramfs-tools/",
            "/etc/kernel/",
            "/etc/modprobe.d/",
            "/etc/modules",
            "/etc/modules-load.d/",
            "/etc/sysctl.conf",
            "/etc/sysctl.d/",
            "/usr/lib/binfmt.d/",
            "/usr/lib/firmware/",
            "/usr/lib/kernel/",
            "/usr/lib/modprobe.d/",
            "/usr/lib/modules-load.d/",
            "/usr/lib/modules/",
            "/usr/lib/sysctl.d/",
            "/usr/local/lib/sysctl.d/",
        ],
    ),
    (Sort::Loader, &["/etc/ld.so.conf", "/etc/ld.so.conf.d/", "/etc/ld.so.preload"]),
    (
        Sort::Login,
        &[
            "/etc/bash.bashrc",
            "/etc/environment",
            "/etc/environment.d/",
            "/etc/profile",
            "/etc/profile.d/",
            "/etc/shells",
            "/etc/skel/",
            "/root/",
            "/usr/lib/environment.d/",
        ],
    ),
    (Sort::CloudInit, &["/etc/cloud/", "/usr/lib/cloud-init/", "/var/lib/cloud/"]),
    (Sort::Packages, &["/etc/apt/", "/etc/dpkg/", "/usr/share/keyrings/", "/var/lib/apt/", "/var/lib/dpkg/"]),
    (
        Sort::Hook,
        &[
            "/etc/NetworkManager/",
            "/etc/acpi/",
            "/etc/cni/",
            "/etc/containerd/",
            "/etc/credstore/",
            "/etc/credstore.encrypted/",
            "/etc/dhcp/",
            "/etc/dhcpcd.conf",
            "/etc/docker/",
            "/etc/if-down.d/",
            "/etc/if-up.d/",
            "/etc/init.d/",
            "/etc/inittab",
            "/etc/kubernetes/",
            "/etc/logrotate.conf",
            "/etc/logrotate.d/",
            "/etc/network/",
            "/etc/networkd-dispatcher/",
            "/etc/nri/",
            "/etc/ppp/",
            "/etc/rc.local",
            "/etc/rsyslog.conf",
            "/etc/rsyslog.d/",
            "/opt/cni/",
            "/opt/nri/",
            "/usr/lib/credstore/",
            "/usr/lib/cni/",
            "/usr/lib/dhcpcd/",
            "/usr/lib/networkd-dispatcher/",
            "/usr/libexec/kubernetes/",
        ],
    ),
];

/// Where systemd looks for what it is configured by, the strongest first.
pub(super) const SYSTEMD: [&str; 3] = ["/etc/systemd/", "/usr/local/lib/systemd/", "/usr/lib/systemd/"];

/// What the path of an entry grants, and what is named for it: the path, or its directory where that stands for all.
pub(super) fn of<'t>(tree: &Tree, path: &'t ImagePath, entry: &Entry) -> Option<(Sort, &'t str)> {
    let owner = entry.origins.first()?;
    if entry.node == Node::Directory {
        return None;
    }
    let sort = sort(tree, path, entry, owner)?;
    // what the bake makes itself follows from what is listed, but for effects, and what a recipe's users are given
    let is_derived = matches!(owner, Origin::Made { step } if !effects::is_step(step));
    if is_derived && !matches!(sort, Sort::Sudo | Sort::Ssh | Sort::Pam | Sort::Cron) {
        return None;
    }
    let text = path.as_str();
    if sort == Sort::Kernel
        && let Some(below) = text.strip_prefix("/usr/lib/modules/")
        && let Some(end) = below.find('/')
    {
        // a kernel has thousands of modules
        return text.get(..text.len() - below.len() + end).map(|directory| (sort, directory));
    }
    Some((sort, text))
}

fn sort(tree: &Tree, path: &ImagePath, entry: &Entry, owner: &Origin) -> Option<Sort> {
    let text = path.as_str();
    if let Some((sort, _)) = PLACES.iter().find(|(_, places)| is_at(path, places)) {
        return Some(*sort);
    }
    if text.contains("/.ssh/") {
        return Some(Sort::Ssh);
    }
    let below = |top: &str| text.strip_prefix(top).map(|below| below.split('/').collect::<Vec<_>>());
    // /usr/lib/x86_64-linux-gnu/security/pam_x.so, and the same of 32 bits
    if let Some([_, "security", _, ..]) = below("/usr/lib/").as_deref() {
        return Some(Sort::Pam);
    }
    // /etc/rc2.d/S01x
    if let Some([directory, _]) = below("/etc/").as_deref()
        && directory.starts_with("rc")
        && directory.ends_with(".d")
    {
        return Some(Sort::Hook);
    }
    let (rank, below) = SYSTEMD.iter().enumerate().find_map(|(rank, top)| Some((rank, below(top)?)))?;
    of_systemd(tree, &SYSTEMD[rank + 1..], &below, entry, owner)
}

/// What is below a directory of systemd: its own configuration, generators, drop-ins, links that start units, and units that
/// take the place of another's. A unit alone is started by nobody.
fn of_systemd(tree: &Tree, weaker: &[&str], below: &[&str], entry: &Entry, owner: &Origin) -> Option<Sort> {
    match below {
        ["system", unit] => {
            let is_link = matches!(entry.node, Node::Symlink(_));
            let is_others = |top: &&str| {
                let other: Option<ImagePath> = format!("{top}system/{unit}").parse().ok();
                let known = other.as_ref().and_then(|path| tree.get(path));
                known.is_some_and(|known| known.origins.first().map(Origin::bringer) != Some(owner.bringer()))
            };
            (is_link || weaker.iter().any(is_others)).then_some(Sort::Unit)
        }
        ["system" | "system.attached" | "system.control", _, ..] => Some(Sort::Unit),
        ["network" | "resolved.conf.d" | "networkd.conf.d" | "timesyncd.conf.d", _, ..] => None,
        [directory, _, ..]
            if directory.ends_with("-generators")
                || directory.ends_with("-preset")
                || directory.ends_with(".conf.d")
                || ["system-shutdown", "system-sleep", "user", "user-generators"].contains(directory) =>
        {
            Some(Sort::Unit)
        }
        [file] if file.ends_with(".conf") => Some(Sort::Unit),
        _ => None,
    }
}
