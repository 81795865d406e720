//! POSIX access control lists in the form that ext4 keeps.
//!
//! An attribute as programs see it is version 2, eight bytes an entry: tag, permissions, id. On disk it is version 1,
//! and only named users and groups have an id. Source: the kernel's `include/uapi/linux/posix_acl_xattr.h` and
//! `fs/ext4/acl.h`.

const PROGRAMS: [u8; 4] = 2_u32.to_le_bytes();
const DISK: [u8; 4] = 1_u32.to_le_bytes();

/// The list of `value`, as it stands on disk; nothing where it is no such list.
pub(super) fn on_disk(value: &[u8]) -> Option<Vec<u8>> {
    let (entries, []) = value.strip_prefix(&PROGRAMS)?.as_chunks::<8>() else { return None };
    let mut out = DISK.to_vec();
    for entry in entries {
        match u16::from_le_bytes([entry[0], entry[1]]) {
            // named user, named group
            0x02 | 0x08 => out.extend(entry),
            // owner, group, mask, others
            0x01 | 0x04 | 0x10 | 0x20 => out.extend(&entry[..4]),
            _ => return None,
        }
    }
    Some(out)
}
