//! What is a package's own: the places where what it brings is read by nobody but itself.
//!
//! Which paths programs of root look at without being told cannot be listed: the kernel runs `/sbin/tomoyo-init` where
//! there is one, `useradd` runs `/usr/sbin/sss_cache`, perl takes `strict.pm` from `/usr/share/perl5` first, a slice or a device
//! is asked for by its name. So what a package that only a manifest vouches for has in silence is listed instead, and all else is told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use tree::name::{ImagePath, Name};
use tree::{Origin, Tree};

/// Below these a directory that is called after the package, and that nobody else has, is its own.
const TOPS: [&str; 16] = [
    "/etc/",
    "/usr/include/",
    "/usr/lib/",
    "/usr/lib/aarch64-linux-gnu/",
    "/usr/lib/x86_64-linux-gnu/",
    "/usr/libexec/",
    "/usr/local/etc/",
    "/usr/local/lib/",
    "/usr/local/libexec/",
    "/usr/local/share/",
    "/usr/share/",
    "/usr/src/",
    "/var/cache/",
    "/var/lib/",
    "/var/log/",
    "/var/spool/",
];

/// Below these everything is the package's own: what nobody of Debian's looks at, and what people read.
const FREE: [&str; 9] = [
    "/opt/",
    "/srv/",
    "/usr/include/",
    "/usr/share/applications/",
    "/usr/share/doc/",
    "/usr/share/icons/",
    "/usr/share/info/",
    "/usr/share/lintian/",
    "/usr/share/man/",
];

/// Directories at such places that programs of others read, or run what is in, whoever makes them: no name of a package makes
/// them its own. Those that end in `.d` are all such.
const OTHERS: [&str; 38] = [
    "apparmor",
    "audit",
    "chef",
    "command-not-found",
    "crypto-config",
    "crypto-policies",
    "defaults",
    "extrausers",
    "factory",
    "firmware",
    "gnutls",
    "gss",
    "ima",
    "init",
    "initramfs",
    "ipe",
    "kbd",
    "kernel",
    "krb5",
    "krb5kdc",
    "ldap",
    "netplan",
    "nftables",
    "p11-kit",
    "perl",
    "perl5",
    "pkcs11",
    "pki",
    "popt",
    "python",
    "security",
    "selinux",
    "service",
    "shadow-maint",
    "smack",
    "sssd",
    "sysconfig",
    "xtables",
];

/// Where programs are.
const PROGRAMS: [&str; 4] = ["/usr/bin/", "/usr/local/bin/", "/usr/local/sbin/", "/usr/sbin/"];

/// Where modules of Python are: one that is called as the package is its own, and found by nobody who does not ask for it.
const MODULES: &str = "/usr/lib/python3/dist-packages/";

/// What a unit may be; one of any other sort is asked for by its name, as devices and slices are.
const UNITS: [&str; 5] = [".path", ".service", ".socket", ".target", ".timer"];

/// Files that are read by what is in them; of one name the first counts.
const READ: [[&str; 3]; 2] = [
    ["/etc/sysusers.d/", "/usr/local/lib/sysusers.d/", "/usr/lib/sysusers.d/"],
    ["/etc/tmpfiles.d/", "/usr/local/lib/tmpfiles.d/", "/usr/lib/tmpfiles.d/"],
];

/// What one package's own is asked of.
pub(super) struct Own<'t> {
    tree: &'t Tree,
    owner: &'t Origin,
    name: &'t Name,
    /// Directories that were looked through: whether nobody else has anything there.
    alone: RefCell<BTreeMap<String, bool>>,
}

impl<'t> Own<'t> {
    /// Of the package `name`, which is `owner` in the tree.
    pub(super) fn of(tree: &'t Tree, owner: &'t Origin, name: &'t Name) -> Self {
        Self { tree, owner, name, alone: RefCell::default() }
    }

    /// Whether what is at `path`, which is the package's, is its own. What other rules know is not asked.
    pub(super) fn has(&self, path: &ImagePath) -> bool {
        let text = path.as_str();
        let below = |top: &&str| text.strip_prefix(*top);
        let called = |name: &str| is_called_after(name, self.name);
        FREE.iter().any(|top| below(top).is_some())
            || PROGRAMS.iter().filter_map(below).any(called)
            || text.strip_prefix("/etc/default/").is_some_and(called)
            || TOPS.iter().any(|top| self.has_directory(text, top, &called))
            || self.has_directory(text, MODULES, &|first| first == self.name.as_str())
            || is_unit(text)
            || self.is_read(path)
    }

    /// Whether `text` is below a directory of `top` that is `called` right, and where nobody else has anything.
    fn has_directory(&self, text: &str, top: &str, called: &dyn Fn(&str) -> bool) -> bool {
        let first = text.strip_prefix(top).and_then(|below| below.split_once('/')).map(|(first, _)| first);
        let is_others = |first: &str| first.ends_with(".d") || OTHERS.contains(&first);
        first
            .is_some_and(|first| called(first) && !is_others(first) && self.is_alone(format!("{top}{first}")))
    }

    fn is_alone(&self, directory: String) -> bool {
        let mut alone = self.alone.borrow_mut();
        *alone.entry(directory).or_insert_with_key(|directory| {
            let is_others = |origin: &Origin| {
                let bringer = origin.bringer();
                bringer != *self.owner && matches!(bringer, Origin::Package { .. } | Origin::Component { .. })
            };
            let Ok(directory) = directory.parse() else { return false };
            let mut there = self.tree.within(&directory).flat_map(|(_, entry)| &entry.origins);
            !there.any(is_others)
        })
    }

    /// Whether it is a file that is read by what is in it, and in place of nobody else's of its name.
    fn is_read(&self, path: &ImagePath) -> bool {
        let name = path.file_name();
        let is_there = |top: &&str| path.as_str().strip_prefix(*top) == Some(name);
        let Some(all) = READ.iter().find(|tops| tops.iter().any(&is_there)) else { return false };
        let is_others = |top: &&str| {
            let known = format!("{top}{name}").parse().ok().and_then(|path: ImagePath| self.tree.get(&path));
            known.is_some_and(|known| !known.is_of(self.owner))
        };
        name.ends_with(".conf") && !all.iter().any(is_others)
    }
}

/// `tool` and `tool-x` of the package `tool`.
fn is_called_after(text: &str, name: &Name) -> bool {
    let rest = text.strip_prefix(name.as_str());
    rest.is_some_and(|rest| !rest.contains('/') && (rest.is_empty() || rest.starts_with('-')))
}

/// A unit by itself, which recipes enable.
fn is_unit(text: &str) -> bool {
    super::places::SYSTEMD.iter().any(|top| {
        let unit = text.strip_prefix(top).and_then(|below| below.strip_prefix("system/"));
        unit.is_some_and(|unit| !unit.contains('/') && UNITS.iter().any(|suffix| unit.ends_with(suffix)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::path;
    use super::*;

    #[test]
    fn a_directory_that_others_read_is_no_packages_own_whatever_that_is_called() {
        let made = Origin::Made { step: "x".to_owned() };
        let tree = Tree::new(made.clone(), 0);
        for (name, at) in [
            ("shadow", "/etc/shadow-maint/useradd-post.d/x"),
            ("gnutls", "/etc/gnutls/config"),
            ("crypto", "/etc/crypto-policies/back-ends/apt-sequoia.config"),
            ("perl5", "/usr/lib/perl5/strict.pm"),
            ("user-tmpfiles.d", "/usr/share/user-tmpfiles.d/x.conf"),
            ("depmod.d", "/usr/lib/depmod.d/x.conf"),
            ("ima", "/etc/ima/ima-policy"),
        ] {
            let (name, at) = (name.parse().unwrap(), path(at));
            assert!(!Own::of(&tree, &made, &name).has(&at), "{at}");
        }
        let name = "tool".parse().unwrap();
        assert!(Own::of(&tree, &made, &name).has(&path("/etc/tool/conf.d/x")));
    }
}
