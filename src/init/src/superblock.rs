//! What is on a device: type, UUID and label of the file systems that a root may have.
//!
//! | type | magic | UUID | label | source |
//! |---|---|---|---|---|
//! | ext2, 3, 4 | 1080 | 1128 | 1144, 16 bytes | Linux, Documentation/filesystems/ext4/super.rst |
//! | xfs | 0 | 32 | 108, 12 bytes | XFS Algorithms & Data Structures, `xfs_dsb` |
//! | erofs | 1024 | 1072 | 1088, 16 bytes | Linux, fs/erofs/erofs_fs.h |
//! | btrfs | 65600 | 65568 | 65835, 256 bytes | btrfs-dev-docs, superblock |

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// What is on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The type as the kernel calls it; `ext4` also reads ext2 and ext3.
    pub kind: &'static str,
    /// Its UUID, lower case.
    pub uuid: String,
    /// Its label; what is not UTF-8 in it is replaced.
    pub label: String,
}

struct Form {
    kind: &'static str,
    magic: (u64, &'static [u8]),
    uuid: u64,
    label: (u64, usize),
}

const FORMS: [Form; 4] = [
    Form { kind: "ext4", magic: (1024 + 56, &[0x53, 0xEF]), uuid: 1024 + 104, label: (1024 + 120, 16) },
    Form { kind: "xfs", magic: (0, b"XFSB"), uuid: 32, label: (108, 12) },
    Form { kind: "erofs", magic: (1024, &[0xE2, 0xE1, 0xF5, 0xE0]), uuid: 1024 + 48, label: (1024 + 64, 16) },
    Form { kind: "btrfs", magic: (65536 + 64, b"_BHRfS_M"), uuid: 65536 + 32, label: (65536 + 299, 256) },
];

/// What is on `device`; none where it is nothing of the table.
#[must_use]
pub fn read(device: &File) -> Option<Contents> {
    FORMS.iter().find_map(|form| {
        let mut magic = vec![0; form.magic.1.len()];
        device.read_exact_at(&mut magic, form.magic.0).ok()?;
        if magic != form.magic.1 {
            return None;
        }
        let mut id = [0; 16];
        device.read_exact_at(&mut id, form.uuid).ok()?;
        let mut label = vec![0; form.label.1];
        device.read_exact_at(&mut label, form.label.0).ok()?;
        let label = label.split(|byte| *byte == 0).next().unwrap_or_default();
        let label = String::from_utf8_lossy(label).into_owned();
        Some(Contents { kind: form.kind, uuid: uuid(id.into_iter()), label })
    })
}

/// Sixteen bytes as a UUID's text.
pub(crate) fn uuid(bytes: impl Iterator<Item = u8>) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn device(parts: &[(usize, &[u8])]) -> File {
        let mut bytes = vec![0; 70_000];
        for (at, part) in parts {
            bytes[*at..at + part.len()].copy_from_slice(part);
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn types_uuids_and_labels_are_read() {
        let id: Vec<u8> = (0x10..0x20).collect();
        for (kind, magic, value, id_at, label_at) in [
            ("ext4", 1080, &[0x53, 0xEF][..], 1128, 1144),
            ("xfs", 0, b"XFSB", 32, 108),
            ("erofs", 1024, &[0xE2, 0xE1, 0xF5, 0xE0], 1072, 1088),
            ("btrfs", 65600, b"_BHRfS_M", 65568, 65835),
        ] {
            let found = read(&device(&[(magic, value), (id_at, &id), (label_at, b"root\0x")])).unwrap();
            assert_eq!(found.kind, kind);
            assert_eq!(found.uuid, "10111213-1415-1617-1819-1a1b1c1d1e1f");
            assert_eq!(found.label, "root");
        }
    }

    #[test]
    fn what_is_short_or_unknown_is_nothing() {
        assert_eq!(read(&device(&[])), None);
        let mut short = tempfile::tempfile().unwrap();
        short.write_all(b"XFSB").unwrap();
        assert_eq!(read(&short), None);
        let label = read(&device(&[(1080, &[0x53, 0xEF]), (1144, &[0xFF; 16])])).unwrap().label;
        assert_eq!(label, "\u{FFFD}".repeat(16));
    }
}
