//! Privileges: what of an image grants more than root:root 0755 would, by which of its owners.
//!
//! `stage` finds them in what it lays out. They are printed by `plan` and `bake`, and stand in the record of the image. A .deb
//! that a manifest pins, and Debian does not vouch for, has only those that the recipe allows by their text:
//! `privileges = ["set-uid /usr/bin/x"]`.

use crate::Origin;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One privilege.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Privilege {
    /// Who brings it.
    pub owner: Origin,
    /// What it grants.
    #[serde(flatten)]
    pub grant: Grant,
}

/// What is granted, by what. As text, `set-uid /usr/bin/x`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Grant {
    /// The sort of it.
    #[serde(rename = "privilege")]
    pub sort: Sort,
    /// The path that grants it, or for an account, a membership and a line of tmpfiles.d what they say.
    pub what: String,
}

/// The sorts of privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// A program that runs as the owner of its file.
    SetUid,
    /// A program that runs with the group of its file.
    SetGid,
    /// A file with capabilities.
    Capabilities,
    /// A device node: the device, past all file systems.
    Device,
    /// A user or group with the number 0, or a file of accounts.
    Account,
    /// A user that joins a group of somebody else: `ada sudo`.
    Member,
    /// What sudo is configured by.
    Sudo,
    /// What decides who logs in.
    Pam,
    /// What sshd and ssh are configured by, and the keys that log in.
    Ssh,
    /// A certificate authority that all programs trust.
    Certificate,
    /// What polkit is configured by.
    Polkit,
    /// What may be asked of root's services by D-Bus, and what that starts.
    Dbus,
    /// What cron and at start.
    Cron,
    /// A line of tmpfiles.d that does more than care for its owner's directories.
    Tmpfiles,
    /// What changes or starts units without `[units] enable`.
    Unit,
    /// What udev does when a device appears.
    Udev,
    /// The kernel and its modules, parameters and options.
    Kernel,
    /// Where the dynamic loader takes libraries from.
    Loader,
    /// What each login shell, and root's home, runs.
    Login,
    /// What cloud-init does at the first boot.
    CloudInit,
    /// What apt and dpkg trust and run.
    Packages,
    /// What other services of root run.
    Hook,
    /// A program that is found before another's of its name.
    Path,
    /// What others than root may write to, and root reads or runs.
    Writable,
    /// A file where it may be read or run by others: at none of the places that are a package's own.
    Elsewhere,
    /// A file in the place of one of Debian's packages, by `[winners]`.
    Replaces,
    /// A path of somebody else that a component's maintainer script changes.
    Changes,
}

/// Sorts with their names, in the order of the type.
const SORTS: [(Sort, &str); 27] = [
    (Sort::SetUid, "set-uid"),
    (Sort::SetGid, "set-gid"),
    (Sort::Capabilities, "capabilities"),
    (Sort::Device, "device"),
    (Sort::Account, "account"),
    (Sort::Member, "member"),
    (Sort::Sudo, "sudo"),
    (Sort::Pam, "pam"),
    (Sort::Ssh, "ssh"),
    (Sort::Certificate, "certificate"),
    (Sort::Polkit, "polkit"),
    (Sort::Dbus, "dbus"),
    (Sort::Cron, "cron"),
    (Sort::Tmpfiles, "tmpfiles"),
    (Sort::Unit, "unit"),
    (Sort::Udev, "udev"),
    (Sort::Kernel, "kernel"),
    (Sort::Loader, "loader"),
    (Sort::Login, "login"),
    (Sort::CloudInit, "cloud-init"),
    (Sort::Packages, "packages"),
    (Sort::Hook, "hook"),
    (Sort::Path, "path"),
    (Sort::Writable, "writable"),
    (Sort::Elsewhere, "elsewhere"),
    (Sort::Replaces, "replaces"),
    (Sort::Changes, "changes"),
];

/// A text that is no grant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a privilege such as `set-uid /usr/bin/x`, found `{0}`")]
pub struct GrantError(String);

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = SORTS.iter().find(|(sort, _)| sort == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sort, self.what)
    }
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let parts = text.split_once(' ').filter(|(_, what)| !what.is_empty() && what.trim() == *what);
        let sort = |name: &str| SORTS.iter().find(|(_, known)| *known == name).map(|(sort, _)| *sort);
        let found = parts.and_then(|(name, what)| Some(Self { sort: sort(name)?, what: what.to_owned() }));
        found.ok_or_else(|| GrantError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_reads_back_from_its_text() {
        for (sort, name) in SORTS {
            assert_eq!(serde_json::to_value(sort).unwrap(), name, "one name for text and JSON");
            let grant = Grant { sort, what: "/usr/bin/x y".to_owned() };
            assert_eq!(grant.to_string().parse(), Ok(grant));
        }
        for wrong in ["", "set-uid", "set-uid ", "set-uid  /x", "setuid /x", "/usr/bin/x", "pam /x "] {
            assert_eq!(wrong.parse::<Grant>(), Err(GrantError(wrong.to_owned())));
        }
    }
}
