//! What a system has beside its files: packages, triggers, answers to questions.

use std::collections::{BTreeMap, BTreeSet};

use crate::debconf::Debconf;
use crate::failure::Origin;
use crate::files::Bytes;

/// How far a package is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Status {
    /// Known, but nothing of it is there.
    #[default]
    NotInstalled,
    /// Its files are there.
    Unpacked,
    /// Its postinst runs.
    HalfConfigured,
    /// Its postinst ended.
    Installed,
}

impl Status {
    /// The word of dpkg's status file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotInstalled => "not-installed",
            Self::Unpacked => "unpacked",
            Self::HalfConfigured => "half-configured",
            Self::Installed => "installed",
        }
    }
}

/// A package as dpkg's database has it.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The fields of its control file, in order.
    pub fields: Vec<(String, String)>,
    /// Its paths, absolute, directories too.
    pub files: Vec<Bytes>,
    /// Its configuration files.
    pub conffiles: Vec<Bytes>,
    /// The names of the files of its control archive.
    pub control: Vec<String>,
    /// How far it is installed.
    pub status: Status,
}

impl Known {
    /// A field of its control file; empty when it is not there.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// A value that each machine makes of its own at its first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// What stands for it until then.
    pub mark: String,
    /// The shell command that prints it, or makes its file.
    pub command: String,
    /// The file that the command makes by itself.
    pub makes: Option<Bytes>,
    /// Whether it can wait until the machine has its name.
    pub late: bool,
    /// Who asked for it.
    pub origin: Origin,
}

/// Beside the files: packages, triggers, answers.
#[derive(Debug, Clone, Default)]
pub struct System {
    /// Debian's name of the architecture.
    pub architecture: String,
    /// What `uname -r` says: the release of the kernel that machines will run at least. Without it the question is refused.
    pub kernel: Option<String>,
    /// How many temporary files were made.
    pub temporary: u64,
    /// Fixed numbers of users, by name.
    pub users: BTreeMap<String, u32>,
    /// Fixed numbers of groups, by name.
    pub groups: BTreeMap<String, u32>,
    /// Packages by name.
    pub packages: BTreeMap<String, Known>,
    /// Triggers that were activated and not processed yet.
    pub triggers: BTreeSet<String>,
    /// Profiles of pam-auth-update that were enabled by name.
    pub pam: BTreeSet<String>,
    /// Values that only a machine can have.
    pub own: Vec<Own>,
    /// Questions and their answers.
    pub debconf: Debconf,
}
