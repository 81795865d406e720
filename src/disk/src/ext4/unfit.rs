//! What ext4 cannot hold.

use tree::refusal::{Class, Refusal, Stage};

/// Why a tree cannot become an ext4 file system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("label `{0}`: expected at most 16 bytes, found {len}", len = .0.len())]
    Label(String),
    #[error("expected a file system below 16 TiB, found {0} bytes or more")]
    Size(u64),
    #[error("expected fewer than 4294967296 inodes, found {0}")]
    Inodes(u64),
    #[error("`{0}` has no directory above it")]
    Orphan(String),
    #[error("`{0}` is a hard link to `{1}`, which is no regular file before it")]
    Hardlink(String, String),
    #[error("`{0}` must be a directory: fsck puts there what it finds")]
    LostFound(String),
    #[error("`{0}`: expected a name of at most 255 bytes, found {1}")]
    Name(String, usize),
    #[error("`{0}`: expected at most 65000 names of a file, found {1}")]
    Links(String, u32),
    #[error("`{0}`: expected a link's target of 1 to 4095 bytes, found {1}")]
    Target(String, usize),
    #[error("`{0}`: expected a major number below 4096 and a minor number below 1048576, found {1}:{2}")]
    Device(String, u32, u32),
    #[error("`{0}`: expected a time from 1901 to 2310, found {1} seconds from 1970")]
    Time(String, i64),
    #[error("`{0}`: expected a file of less than 16 TiB, found {1} bytes")]
    Large(String, u64),
    #[error("`{0}`: expected a directory that an index of two levels can hold, found {1} entries")]
    Directory(String, usize),
    #[error("`{0}`: attribute `{1}` is of no namespace that ext4 knows, or has no name in it")]
    Attribute(String, String),
    #[error("`{0}`: attribute `{1}` is no access control list of version 2")]
    Acl(String, String),
    #[error("`{0}`: attributes take more than the inode and one block of 4096 bytes")]
    Attributes(String),
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        let hint = match unfit {
            Unfit::Label(_) => Some("choose a shorter label"),
            Unfit::Size(_) => Some("ask for a smaller disk: the root grows at first boot"),
            Unfit::Attribute(..) => Some("`user.`, `trusted.`, `security.` and POSIX ACLs are known"),
            Unfit::LostFound(_) => Some("take the entry out of the recipe, or make it a directory"),
            _ => None,
        };
        let refusal = Self::new(Class::Archive, "ext4", Stage::Emit, unfit);
        match hint {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}
