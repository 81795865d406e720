//! Extended attributes: what fits behind the fields of the inode, and one block for the rest.
//!
//! Both have entries from the front and values from the back. In the block entries are sorted, and it has a hash over
//! all of them, by which the kernel shares like blocks. Names are written without their namespace, which is a number.
//! Source: the kernel's `Documentation/filesystems/ext4/attributes.rst`.

use super::BLOCK;
use super::acl;
use super::bytes::{put, put16, put32};
use super::checksum::crc32c;
use super::unfit::Unfit;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How many bytes of an inode are left for attributes: 256 less the fields.
pub(super) const INSIDE: usize = 96;
const MAGIC: u32 = 0xea02_0000;
/// Where entries begin in the inode's area and in the block.
const INSIDE_AT: usize = 4;
const OUTSIDE_AT: usize = 32;
/// Four zero bytes end the entries.
const END: usize = 4;

/// The attributes of an inode.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// The area of the inode, where it has some.
    pub(super) inside: Option<[u8; INSIDE]>,
    /// The block, without its sum.
    pub(super) outside: Option<Vec<u8>>,
}

struct Entry<'a> {
    namespace: u8,
    name: &'a [u8],
    value: Cow<'a, [u8]>,
}

/// Lays out the attributes of the file at `path`.
pub(super) fn attributes(path: &str, xattrs: &BTreeMap<String, Vec<u8>>) -> Result<Attributes, Unfit> {
    if xattrs.is_empty() {
        return Ok(Attributes::default());
    }
    let mut entries =
        xattrs.iter().map(|(name, value)| parsed(path, name, value)).collect::<Result<Vec<_>, Unfit>>()?;
    entries.sort_by_key(|entry| (entry.namespace, entry.name.len(), entry.name));

    let mut room = INSIDE - INSIDE_AT - END;
    let (inside, outside): (Vec<Entry<'_>>, Vec<Entry<'_>>) = entries.into_iter().partition(|entry| {
        let fits = entry.size() <= room;
        room -= if fits { entry.size() } else { 0 };
        fits
    });
    if outside.iter().map(Entry::size).sum::<usize>() > BLOCK - OUTSIDE_AT - END {
        return Err(Unfit::Attributes(path.to_owned()));
    }
    let mut attributes = Attributes::default();
    if !inside.is_empty() {
        let mut area = [0; INSIDE];
        put32(&mut area, 0, MAGIC);
        // the kernel counts values from the first entry, and hashes only what is in a block
        write(&mut area, INSIDE_AT, INSIDE_AT, &inside, false);
        attributes.inside = Some(area);
    }
    if !outside.is_empty() {
        let mut block = vec![0; BLOCK];
        write(&mut block, OUTSIDE_AT, 0, &outside, true);
        put32(&mut block, 0, MAGIC);
        // used once, one block long
        put32(&mut block, 4, 1);
        put32(&mut block, 8, 1);
        // zero where one has none: such a block is never shared
        let hash = outside.iter().try_fold(0_u32, |hash, entry| match entry.hash() {
            0 => None,
            own => Some(hash.rotate_left(16) ^ own),
        });
        put32(&mut block, 12, hash.unwrap_or(0));
        attributes.outside = Some(block);
    }
    Ok(attributes)
}

/// Writes the sum of a block that stands at `at`.
pub(super) fn seal(block: &mut [u8], at: u64, seed: u32) {
    let sum = crc32c(crc32c(seed, &at.to_le_bytes()), block);
    put32(block, 16, sum);
}

fn write(area: &mut [u8], first: usize, base: usize, entries: &[Entry<'_>], hashed: bool) {
    let (mut at, mut end) = (first, area.len());
    for entry in entries {
        end -= entry.value.len().next_multiple_of(4);
        // lengths are within a block, those of names below 256
        area[at] = entry.name.len().to_le_bytes()[0];
        area[at + 1] = entry.namespace;
        let offset = if entry.value.is_empty() { 0 } else { end - base };
        put16(area, at + 2, u16::try_from(offset).unwrap_or(u16::MAX));
        put32(area, at + 8, u32::try_from(entry.value.len()).unwrap_or(u32::MAX));
        put32(area, at + 12, if hashed { entry.hash() } else { 0 });
        put(area, at + 16, entry.name);
        put(area, end, &entry.value);
        at += 16 + entry.name.len().next_multiple_of(4);
    }
}

fn parsed<'a>(path: &str, name: &'a str, value: &'a [u8]) -> Result<Entry<'a>, Unfit> {
    const NAMESPACES: [(&str, u8); 3] = [("user.", 1), ("trusted.", 4), ("security.", 6)];
    const LISTS: [(&str, u8); 2] = [("system.posix_acl_access", 2), ("system.posix_acl_default", 3)];
    if let Some(&(_, namespace)) = LISTS.iter().find(|(list, _)| *list == name) {
        let value = acl::on_disk(value).ok_or_else(|| Unfit::Acl(path.to_owned(), name.to_owned()))?;
        return Ok(Entry { namespace, name: &[], value: Cow::Owned(value) });
    }
    NAMESPACES
        .iter()
        .find_map(|&(prefix, namespace)| name.strip_prefix(prefix).map(|rest| (namespace, rest.as_bytes())))
        .filter(|(_, rest)| (1..=255).contains(&rest.len()))
        .map(|(namespace, name)| Entry { namespace, name, value: Cow::Borrowed(value) })
        .ok_or_else(|| Unfit::Attribute(path.to_owned(), name.to_owned()))
}

impl Entry<'_> {
    fn size(&self) -> usize {
        16 + self.name.len().next_multiple_of(4) + self.value.len().next_multiple_of(4)
    }

    /// A hash over name and value.
    fn hash(&self) -> u32 {
        let name = self.name.iter().fold(0_u32, |hash, &byte| hash.rotate_left(5) ^ u32::from(byte));
        self.value.chunks(4).fold(name, |hash, bytes| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}
