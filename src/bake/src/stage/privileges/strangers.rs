//! What a package that only a manifest vouches for gains without a word of its recipe, beyond what is at a place of
//! [`super::places`]: by what its names are, by whom they are found before, and by who else asks for them.
//!
//! - a link in place of a directory that root reads, so that all below it is read there;
//! - a directory or file that others than root may write to, where root reads or runs;
//! - a program or library that is found before another's of its name, or that libraries and interpreters load unasked;
//! - a unit that another's asks for, an instance of another's template, a mount, a slice, a device;
//! - and whatever is not at a place that is the package's own ([`super::own`]).
//!
//! Debian's packages do some of this to each other; they are Debian's word, and are not looked at here.

use super::own::Own;
use super::places::{self, PLACES, SYSTEMD};
use super::{bytes_of, is_at, tmpfiles};
use std::collections::BTreeSet;
use tree::name::{ImagePath, Name};
use tree::privilege::Sort;
use tree::refusal::Result;
use tree::{Entry, Node, Origin, Stored, Tree};

/// Places that nobody's but a stranger's files are asked about: packages and recipes have what is theirs there.
const PLACES_OF_OTHERS: &[(Sort, &[&str])] = &[
    (Sort::Ssh, &["/etc/hosts.allow", "/etc/hosts.deny"]),
    (Sort::Dbus, &["/usr/lib/dbus-1/"]),
    (
        Sort::Kernel,
        &[
            "/etc/dracut.conf.d/",
            "/usr/lib/dracut/",
            "/usr/local/lib/binfmt.d/",
            "/usr/local/lib/modprobe.d/",
            "/usr/local/lib/modules-load.d/",
            "/usr/share/initramfs-tools/",
        ],
    ),
    // those of every user's manager, root's among them
    (Sort::Unit, &["/etc/xdg/systemd/", "/usr/local/share/systemd/", "/usr/share/systemd/"]),
    (
        Sort::Loader,
        &[
            "/etc/gss/",
            "/etc/krb5.conf",
            "/etc/krb5.conf.d/",
            "/etc/perl/",
            "/etc/pkcs11/",
            "/etc/python3/",
            "/etc/ssl/openssl.cnf",
            "/usr/lib/ssl/",
            "/usr/local/lib/site_perl/",
            "/usr/local/share/perl/",
            "/usr/share/p11-kit/",
        ],
    ),
    (
        Sort::Login,
        &[
            "/etc/bash_completion.d/",
            "/etc/default/locale",
            "/etc/default/useradd",
            "/etc/inputrc",
            "/etc/locale.conf",
            "/etc/update-motd.d/",
            "/home/",
            "/usr/local/lib/environment.d/",
            "/usr/share/bash-completion/",
        ],
    ),
    (
        Sort::Hook,
        &[
            "/etc/auto.master.d/",
            "/etc/cdi/",
            "/etc/containers/",
            "/etc/confexts/",
            "/etc/crypttab",
            "/etc/extensions/",
            "/etc/fstab",
            "/etc/integritytab",
            "/etc/needrestart/",
            "/etc/nftables.conf",
            "/etc/portables/",
            "/etc/repart.d/",
            "/etc/sysupdate.d/",
            "/etc/veritytab",
            "/opt/containerd/",
            "/opt/crt/",
            "/opt/env/",
            "/opt/nstance-agent/",
            "/opt/podplane/",
            "/usr/lib/confexts/",
            "/usr/lib/credstore.encrypted/",
            "/usr/lib/extensions/",
            "/usr/lib/portables/",
            "/usr/lib/repart.d/",
            "/usr/lib/sysupdate.d/",
            "/usr/local/lib/confexts/",
            "/usr/local/lib/credstore/",
            "/usr/local/lib/credstore.encrypted/",
            "/usr/local/lib/extensions/",
            "/usr/local/lib/portables/",
            "/usr/local/lib/repart.d/",
            "/usr/local/lib/sysupdate.d/",
            "/var/lib/confexts/",
            "/var/lib/containerd/",
            "/var/lib/extensions/",
            "/var/lib/kubelet/",
            "/var/lib/machines/",
            "/var/lib/portables/",
            "/var/lib/systemd/",
        ],
    ),
];

/// Directories whose files are read by what is in them, not by where they are: [`tmpfiles`], and accounts.
const READ: [(Sort, &str); 6] = [
    (Sort::Account, "/etc/sysusers.d/"),
    (Sort::Account, "/usr/lib/sysusers.d/"),
    (Sort::Account, "/usr/local/lib/sysusers.d/"),
    (Sort::Tmpfiles, "/etc/tmpfiles.d/"),
    (Sort::Tmpfiles, "/usr/lib/tmpfiles.d/"),
    (Sort::Tmpfiles, "/usr/local/lib/tmpfiles.d/"),
];

/// Directories of systemd below each of [`SYSTEMD`].
const OF_SYSTEMD: [&str; 12] = [
    "system",
    "system-environment-generators",
    "system-generators",
    "system-preset",
    "system-shutdown",
    "system-sleep",
    "system.attached",
    "system.conf.d",
    "system.control",
    "user",
    "user-environment-generators",
    "user-generators",
];

/// Where programs without a path are looked for, the strongest first.
const PATH: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

/// What one owner's packages are asked about, with what all others say.
pub(super) struct UntrustedPackages<'t> {
    tree: &'t Tree,
    owner: &'t Origin,
    /// What needs no word.
    own: Own<'t>,
    /// Units that others start, and environment files that they read.
    asked: BTreeSet<String>,
}

impl<'t> UntrustedPackages<'t> {
    /// Those of `owner`, the component `name`.
    pub(super) fn of(
        tree: &'t Tree,
        owner: &'t Origin,
        name: &'t Name,
        read: &dyn Fn(&Stored) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let mut asked: BTreeSet<String> = SPECIAL.iter().map(|unit| (*unit).to_owned()).collect();
        for (path, entry) in tree.iter() {
            let Node::File(content) = &entry.node else { continue };
            // a recipe's word is all that is asked for
            let is_package = |origin: &Origin| {
                let bringer = origin.bringer();
                matches!(bringer, Origin::Package { .. } | Origin::Component { .. }) && bringer != *owner
            };
            if content.len() > MOST_TEXT || !is_unit(path) || !entry.origins.iter().any(is_package) {
                continue;
            }
            let bytes = bytes_of(content, read)?;
            asked.extend(asked_by(&String::from_utf8_lossy(&bytes)));
        }
        Ok(Self { tree, owner, own: Own::of(tree, owner, name), asked })
    }

    /// What the entry at `path`, which is the owner's, grants.
    pub(super) fn sorts(&self, path: &ImagePath, entry: &Entry) -> Vec<Sort> {
        let writable = (is_open(entry) && !tmpfiles::is_usual(path)).then_some(Sort::Writable);
        if entry.node == Node::Directory {
            let place = if is_open(entry) { above(path) } else { None };
            return place.or(writable).into_iter().collect();
        }
        let is_listed = places::of(self.tree, path, entry).is_some();
        let sort = if is_listed { None } else { self.sort(path, entry) };
        sort.into_iter().chain(writable).collect()
    }

    /// What something that is not a directory grants by its name.
    fn sort(&self, path: &ImagePath, entry: &Entry) -> Option<Sort> {
        // what deb-systemd-helper(1p) remembers of what it has enabled: nobody else reads it
        let is_script = |origin: &Origin| matches!(origin, Origin::Script { .. });
        let is_remembered = path.as_str().starts_with("/var/lib/systemd/deb-systemd-");
        if is_remembered && entry.origins.iter().all(is_script) {
            return None;
        }
        if matches!(entry.node, Node::Symlink(_)) {
            // what is below it is at that place, or may be
            if let Some(sort) = above(path) {
                return Some(sort);
            }
        }
        if let Some((sort, _)) = PLACES_OF_OTHERS.iter().find(|(_, places)| is_at(path, places)) {
            return Some(*sort);
        }
        let text = path.as_str();
        if text.ends_with("/.ssh") {
            return Some(Sort::Ssh);
        }
        // only files are looked into
        let is_link = !matches!(entry.node, Node::File(_));
        if let Some((sort, _)) = READ.iter().find(|(_, place)| is_link && text.starts_with(place)) {
            return Some(*sort);
        }
        if is_library(path) || is_of_interpreter(path) {
            return Some(Sort::Loader);
        }
        if self.is_found_before_others(path) {
            return Some(Sort::Path);
        }
        if self.asked.contains(text) {
            return Some(Sort::Hook);
        }
        if self.is_started(path) {
            return Some(Sort::Unit);
        }
        (!self.own.has(path)).then_some(Sort::Elsewhere)
    }

    /// Whether a program has the name of someone else's.
    fn is_found_before_others(&self, path: &ImagePath) -> bool {
        let (Some(directory), name) = (path.parent(), path.file_name()) else { return false };
        PATH.contains(&directory.as_str())
            && PATH.iter().filter(|other| **other != directory.as_str()).any(|other| {
                let other = format!("{other}/{name}").parse().ok();
                let known = other.as_ref().and_then(|path| self.tree.get(path));
                known.is_some_and(|known| !known.is_of(self.owner))
            })
    }

    /// Whether a unit is started though no recipe enables it.
    fn is_started(&self, path: &ImagePath) -> bool {
        let Some(unit) = SYSTEMD
            .iter()
            .find_map(|top| path.as_str().strip_prefix(top)?.strip_prefix("system/"))
            .filter(|unit| !unit.contains('/'))
        else {
            return false;
        };
        // a mount or swap comes with whatever needs a path or device below it, a slice with what is in it
        const BY_NAME: [&str; 6] = [".automount", ".device", ".mount", ".scope", ".slice", ".swap"];
        if BY_NAME.iter().any(|suffix| unit.ends_with(suffix)) {
            return true;
        }
        let Some((prefix, rest)) = unit.split_once('@') else { return self.asked.contains(unit) };
        let Some((instance, suffix)) = rest.rsplit_once('.') else { return false };
        let template = format!("{prefix}@.{suffix}");
        let is_others = |top: &&str| {
            let path = format!("{top}system/{template}").parse().ok();
            let known = path.as_ref().and_then(|path| self.tree.get(path));
            known.is_some_and(|known| !known.is_of(self.owner))
        };
        if !instance.is_empty() {
            return self.asked.contains(unit) || SYSTEMD.iter().any(is_others);
        }
        let of_it = |asked: &String| {
            let rest = asked.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('@'));
            rest.is_some_and(|rest| rest.ends_with(&format!(".{suffix}")))
        };
        self.asked.iter().any(of_it)
    }
}

/// Units that systemd itself starts, or others without naming them in a unit: systemd.special(7), and generators.
const SPECIAL: [&str; 16] = [
    "autovt@.service",
    "bluetooth.target",
    "ctrl-alt-del.target",
    "dbus-org.freedesktop.systemd1.service",
    "dbus.service",
    "display-manager.service",
    "halt-local.service",
    "kbrequest.target",
    "printer.target",
    "rc-local.service",
    "sigpwr.target",
    "smartcard.target",
    "sound.target",
    "syslog.service",
    "syslog.socket",
    "usb-gadget.target",
];

/// The longest text that is looked for names of units: no unit has more.
const MOST_TEXT: u64 = 256 << 10;

/// Whether a file says which units start: units and their drop-ins, services of D-Bus, rules of udev.
fn is_unit(path: &ImagePath) -> bool {
    let text = path.as_str();
    SYSTEMD.iter().any(|top| text.strip_prefix(top).is_some_and(|below| below.starts_with("system/")))
        || text.contains("/dbus-1/system-services/")
        || text.contains("/udev/rules.d/")
}

/// What a unit, a service of D-Bus or a rule of udev starts or reads: its words after `=`, but for those that only order.
fn asked_by(text: &str) -> BTreeSet<String> {
    const ORDER: [&str; 9] = [
        "After",
        "Before",
        "Conflicts",
        "Description",
        "Documentation",
        "PartOf",
        "PropagatesReloadTo",
        "ReloadPropagatedFrom",
        "Requisite",
    ];
    let mut asked = BTreeSet::new();
    for line in text.replace("\\\n", " ").lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        if ORDER.contains(&key.trim()) {
            continue;
        }
        if key.trim() == "EnvironmentFile" {
            asked.insert(value.trim().trim_start_matches('-').to_owned());
        }
        let part = |c: char| !(c.is_ascii_alphanumeric() || ":-_.@\\%".contains(c));
        let is_unit = |word: &&str| {
            const SUFFIXES: [&str; 6] = ["service", "socket", "path", "timer", "target", "slice"];
            word.rsplit_once('.').is_some_and(|(stem, suffix)| !stem.is_empty() && SUFFIXES.contains(&suffix))
        };
        asked.extend(value.split(part).filter(is_unit).map(str::to_owned));
    }
    asked
}

/// The sort of what is at or below `path`, where that is a directory that root reads, or has one below it.
fn above(path: &ImagePath) -> Option<Sort> {
    let text = path.as_str();
    let covers = |place: &str| {
        let place = place.trim_end_matches('/');
        place.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            || text.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
    };
    let tables = PLACES.iter().chain(PLACES_OF_OTHERS);
    let listed = tables.flat_map(|(sort, places)| places.iter().map(move |place| (*sort, *place)));
    let found = listed.chain(READ).filter(|(_, place)| place.ends_with('/')).find(|(_, place)| covers(place));
    if let Some((sort, _)) = found {
        return Some(sort);
    }
    let of_systemd = SYSTEMD.iter().flat_map(|top| OF_SYSTEMD.map(|name| format!("{top}{name}")));
    of_systemd.into_iter().any(|place| covers(&place)).then_some(Sort::Unit)
}

/// Whether `path` is at a place that root reads, or is such a directory.
pub(super) fn is_place(path: &ImagePath) -> bool {
    let places = PLACES.iter().chain(PLACES_OF_OTHERS);
    places.into_iter().any(|(_, places)| is_at(path, places)) || above(path).is_some()
}

/// Whether others than root may write to it.
fn is_open(entry: &Entry) -> bool {
    // root's group has nobody but root in it
    let writers = if entry.meta.gid == 0 { 0o002 } else { 0o022 };
    let may_write = !matches!(entry.node, Node::Symlink(_)) && entry.meta.mode & writers != 0;
    // in a directory with the sticky bit nobody takes what is another's
    let is_sticky = entry.node == Node::Directory && entry.meta.mode & 0o1000 != 0;
    (may_write && !is_sticky) || entry.meta.uid != 0
}

/// Whether it is a library where the loader looks for those of every program, or one that libc loads by a name of its own.
fn is_library(path: &ImagePath) -> bool {
    let text = path.as_str();
    let Some(below) = ["/usr/local/lib/", "/usr/lib64/", "/usr/lib32/", "/usr/lib/"]
        .iter()
        .find_map(|top| text.strip_prefix(top))
    else {
        return false;
    };
    let parts: Vec<&str> = below.split('/').collect();
    let is_triplet = |part: &str| part.ends_with("-linux-gnu") || part.ends_with("-linux-gnux32");
    match parts.as_slice() {
        [name] => name.contains(".so"),
        [directory, name] if is_triplet(directory) => name.contains(".so"),
        [first, "glibc-hwcaps" | "gconv" | "gio" | "perl" | "perl5" | "perl-base", _, ..] => {
            is_triplet(first)
        }
        ["glibc-hwcaps" | "gconv" | "locale", _, ..] => true,
        _ => false,
    }
}

/// Whether an interpreter reads it though no program asks for it, or before another's of its name. What is in the directory of
/// another's module, its byte code for instance, is nobody's own.
fn is_of_interpreter(path: &ImagePath) -> bool {
    let text = path.as_str();
    let python = |top: &str| text.strip_prefix(top).is_some_and(|rest| rest.starts_with("python3"));
    // perl looks here before it looks where its own modules are
    if python("/usr/local/lib/") || text.starts_with("/usr/share/perl5/") {
        return true;
    }
    let name = path.file_name();
    let is_unasked =
        name.ends_with(".pth") || name.starts_with("sitecustomize.") || name.starts_with("usercustomize.");
    // the library of a version comes before what packages of all versions bring
    python("/usr/lib/") && (is_unasked || !text.starts_with("/usr/lib/python3/"))
}
