//! Users and groups: passwd(5), group(5), shadow(5), gshadow(5) as text.
//!
//! The image brings every service's account with a fixed number, so a missing one is a broken image and refused. What is
//! repaired is membership, which others change; what is made is the `admin` user, in the first free number from 1000.
//! Lines of others stay byte for byte. Not supported, on purpose: passwords, ageing (no clock), removal of users.

mod edit;

pub use edit::{with_admin, with_members};

use crate::refusal::Result;
use crate::root::Root;
use std::collections::BTreeMap;

/// The most bytes of an account file.
const LIMIT: usize = 1024 * 1024;

/// The four files and the names in them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// `/etc/passwd`
    pub passwd: String,
    /// `/etc/group`
    pub group: String,
    /// `/etc/shadow`
    pub shadow: String,
    /// `/etc/gshadow`
    pub gshadow: String,
}

/// Numbers of names.
#[derive(Default)]
pub struct Ids {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl Accounts {
    /// From `root`; a file that is not there is empty.
    pub fn read(root: &Root) -> Result<Self> {
        let text = |path| root.read_text(path, LIMIT).map(Option::unwrap_or_default);
        Ok(Self {
            passwd: text("/etc/passwd")?,
            group: text("/etc/group")?,
            shadow: text("/etc/shadow")?,
            gshadow: text("/etc/gshadow")?,
        })
    }

    /// The numbers; the first line of a name counts, as for getpwnam(3).
    #[must_use]
    pub fn ids(&self) -> Ids {
        let read = |text: &str| {
            let mut out = BTreeMap::new();
            for line in text.lines() {
                let mut fields = line.split(':');
                if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
                    out.entry(name.to_owned()).or_insert(id);
                }
            }
            out
        };
        Ids { users: read(&self.passwd), groups: read(&self.group) }
    }
}

impl Ids {
    /// The user's number.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<u32> {
        self.users.get(name).copied()
    }

    /// The group's number.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied()
    }

    /// Whether any user or group has the number `id`.
    #[must_use]
    pub fn is_taken(&self, id: u32) -> bool {
        self.users.values().chain(self.groups.values()).any(|taken| *taken == id)
    }
}
