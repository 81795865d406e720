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
    /// Whether new system accounts get numbers by their names, and not the first that are free.
    pub stable_ids: bool,
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

/// A number from `low` to `high` for the account `name`: one that its name decides, or the next that is not `taken`. The same
/// account then has the same number in images of other packages, but where two names meet.
#[must_use]
pub fn number_by_name(name: &[u8], low: u32, high: u32, taken: &dyn Fn(u32) -> bool) -> Option<u32> {
    use sha2::Digest as _;
    let span = high.checked_sub(low)?.checked_add(1)?;
    let digest = sha2::Sha256::digest(name);
    let start = digest.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) % span;
    (0..span).map(|step| low + (start + step) % span).find(|number| !taken(*number))
}

#[cfg(test)]
mod tests {
    use super::number_by_name;

    #[test]
    fn an_account_has_one_number_whatever_else_there_is_and_the_next_where_that_is_taken() {
        let free = |_: u32| false;
        let number = number_by_name(b"postgres", 100, 999, &free).unwrap();
        assert!((100..=999).contains(&number));
        assert_eq!(number_by_name(b"postgres", 100, 999, &|other| other == number ^ 1), Some(number));
        let next = if number == 999 { 100 } else { number + 1 };
        assert_eq!(number_by_name(b"postgres", 100, 999, &|other| other == number), Some(next));
        assert_ne!(number_by_name(b"redis", 100, 999, &free), Some(number));
        assert_eq!(number_by_name(b"postgres", 5, 5, &|_| true), None);
        assert_eq!(number_by_name(b"postgres", 6, 5, &free), None);
    }
}
