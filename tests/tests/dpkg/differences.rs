//! In what the two trees may differ, each with its reason. An entry that explains nothing any longer is wrong too.

use crate::Listing;

/// One reason for a difference.
struct Difference {
    /// A path; one `*` stands for anything.
    path: &'static str,
    /// Who has the path, or both with something else there.
    who: Who,
    /// Why.
    why: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Dpkg,
    Ours,
    Both,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        path: "/etc/passwd",
        who: Who::Both,
        why: "preinst of base-passwd writes `*`, ours has what the sysusers.d files add and shadow passwords",
    },
    Difference { path: "/etc/group", who: Who::Both, why: "as passwd" },
    Difference {
        path: "/etc/shadow",
        who: Who::Ours,
        why: "made by the postinst of passwd, which has not run",
    },
    Difference { path: "/etc/gshadow", who: Who::Ours, why: "as shadow" },
    Difference {
        path: "/etc/subuid",
        who: Who::Ours,
        why: "made by the postinst of base-passwd, which has not run",
    },
    Difference { path: "/etc/subgid", who: Who::Ours, why: "as subuid" },
    Difference {
        path: "/etc/systemd/system/default.target",
        who: Who::Ours,
        why: "a recipe that names no default target gets multi-user.target",
    },
    Difference {
        path: "/var/lib/dpkg/status",
        who: Who::Both,
        why: "unpacked there, installed here; compared by itself",
    },
    Difference { path: "/var/lib/dpkg/status-old", who: Who::Dpkg, why: "the state before the last package" },
    Difference {
        path: "/var/lib/dpkg/arch-native",
        who: Who::Ours,
        why: "made by the postinst of dpkg, which has not run",
    },
    Difference {
        path: "/var/lib/dpkg/diversions*",
        who: Who::Dpkg,
        why: "preinst scripts protect unmerged paths of older packages, of which there is none",
    },
    Difference {
        path: "/dev/null",
        who: Who::Dpkg,
        why: "scripts write to it, and it is not a device in a chroot without mounts",
    },
    Difference {
        path: "/usr/lib/modules/*/.fresh-install",
        who: Who::Dpkg,
        why: "`.fresh-install`, by the preinst of the kernel for its own postinst",
    },
    Difference {
        path: "/var/cache/debconf/*",
        who: Who::Dpkg,
        why: "preinst scripts that load debconf make its database",
    },
    Difference {
        path: "/var/lib/python*",
        who: Who::Dpkg,
        why: "preinst of python3.13-minimal notes that it is new",
    },
    Difference {
        path: "/etc/nsswitch.conf.nss.*-will-install",
        who: Who::Dpkg,
        why: "preinst of libnss-resolve and libnss-myhostname tell their own postinst that they are new",
    },
    Difference {
        path: "/etc/ld.so.cache",
        who: Who::Ours,
        why: "made by libc-bin's trigger, which has not run",
    },
    Difference {
        path: "/etc/.updated",
        who: Who::Ours,
        why: "systemd-update-done's stamp, made by the bake",
    },
    Difference { path: "/var/.updated", who: Who::Ours, why: "as /etc/.updated" },
    Difference { path: "/usr/lib/udev/hwdb.bin", who: Who::Ours, why: "made by the postinst of udev" },
    Difference { path: "/var/lib/systemd/catalog", who: Who::Ours, why: "made by the postinst of systemd" },
    Difference {
        path: "/var/lib/systemd/catalog/database",
        who: Who::Ours,
        why: "made by the postinst of systemd",
    },
    Difference {
        path: "/usr/lib/modules/*",
        who: Who::Ours,
        why: "depmod's indexes, made by the postinst of the kernel; compared by themselves",
    },
    Difference { path: "/vmlinuz*", who: Who::Ours, why: "made by the postinst of the kernel" },
    Difference { path: "/var/log/dpkg.log", who: Who::Dpkg, why: "what dpkg did and when" },
];

/// The differences that have no reason, one line each.
pub(crate) fn unexplained(reference: &Listing, ours: &Listing) -> Vec<String> {
    let mut used = vec![false; DIFFERENCES.len()];
    let mut wrong = Vec::new();
    let paths: std::collections::BTreeSet<&String> = reference.keys().chain(ours.keys()).collect();
    for path in paths {
        let who = match (reference.get(path), ours.get(path)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(_), Some(_)) => Who::Both,
            (Some(_), None) => Who::Dpkg,
            _ => Who::Ours,
        };
        let explains = |known: &Difference| {
            let matches = known
                .path
                .split_once('*')
                .map_or(known.path == path, |(a, b)| path.starts_with(a) && path.ends_with(b));
            matches && known.who == who
        };
        match DIFFERENCES.iter().position(explains) {
            Some(index) => used[index] = true,
            None => wrong.push(format!("{path}: {:?}, {:?}", reference.get(path), ours.get(path))),
        }
    }
    for (difference, _) in DIFFERENCES.iter().zip(used).filter(|(_, used)| !used) {
        wrong.push(format!("{}: no longer differs ({})", difference.path, difference.why));
    }
    wrong
}

/// Our `status` as it would be before the packages are configured.
pub(crate) fn as_unpacked(status: &str) -> String {
    let mut conffiles = false;
    let mut out = String::new();
    for line in status.lines() {
        let line = match line.strip_prefix(' ') {
            Some(conffile) if conffiles => match conffile.split_once(' ') {
                Some((path, sum)) if sum.len() == 32 => format!(" {path} newconffile"),
                _ => line.to_owned(),
            },
            _ => line.replace("Status: install ok installed", "Status: install ok unpacked"),
        };
        if !line.starts_with(' ') {
            conffiles = line == "Conffiles:";
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}
