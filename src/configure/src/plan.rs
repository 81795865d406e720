//! The plan: all that a configuration is on disk, as a value.
//!
//! It is the same for the same settings and the same found files; no clock, no host. [`crate::apply`] makes the disk
//! agree with it.

use crate::keys::Output;

/// A file with its whole content.
#[derive(Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Absolute, as the node knows it.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// The user's name.
    pub owner: &'static str,
    /// The group's name.
    pub group: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Which output it is, and so which services restart for it; none for what no service reads at its start.
    pub output: Option<Output>,
}

/// A directory that is there with just this mode and owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDirectory {
    /// Absolute.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// The user's name.
    pub owner: &'static str,
    /// The group's name.
    pub group: &'static str,
}

/// Something that must not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRemoval {
    /// Absolute.
    pub path: String,
    /// As of [`PlannedFile`].
    pub output: Option<Output>,
}

/// A file of somebody else's making whose mode and owner are mended when it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMend {
    /// Absolute.
    pub path: String,
    /// The user's name; none leaves it.
    pub owner: Option<&'static str>,
    /// The group's name; none leaves it.
    pub group: Option<&'static str>,
    /// How the permission bits change.
    pub mode: Mend,
}

/// How permission bits are mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// To just these.
    Exactly(u32),
    /// These as well.
    With(u32),
}

/// Everything.
#[derive(Clone, Default)]
pub struct Plan {
    /// In the order in which they are made: above before below.
    pub directories: Vec<PlannedDirectory>,
    /// In the order in which they are put into place.
    pub files: Vec<PlannedFile>,
    /// Removed together with the files' being put into place.
    pub removals: Vec<PlannedRemoval>,
    /// Mended after.
    pub mends: Vec<PlannedMend>,
    /// Lines for whoever reads the journal: what was passed over, and why.
    pub notes: Vec<String>,
}

impl Plan {
    /// Adds a file.
    pub fn file(
        &mut self,
        path: &str,
        mode: u32,
        owner: (&'static str, &'static str),
        bytes: Vec<u8>,
        output: Option<Output>,
    ) {
        self.files.push(PlannedFile {
            path: path.to_owned(),
            mode,
            owner: owner.0,
            group: owner.1,
            bytes,
            output,
        });
    }

    /// Whether a service's user may change what is at `path`, as one of the directories above it is that user's own. What is
    /// found there is no reason to refuse anything: it is put right.
    #[must_use]
    pub fn is_others(&self, path: &str) -> bool {
        let above = |directory: &PlannedDirectory| {
            directory.owner != "root"
                && path.strip_prefix(directory.path.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        self.directories.iter().any(above)
    }

    /// Adds a removal.
    pub fn remove(&mut self, path: &str, output: Option<Output>) {
        self.removals.push(PlannedRemoval { path: path.to_owned(), output });
    }
}
