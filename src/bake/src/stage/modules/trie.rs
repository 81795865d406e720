//! The `.bin` indexes that libkmod looks into: a radix trie, big endian, in one file.
//!
//! ```text
//! file   = 0xB007F457 0x00020001 pointer(root) node
//! node   = [prefix NUL] [first(u8) last(u8) pointer(child)*] [count(u32) (priority(u32) text NUL)*] node(child)*
//! pointer = offset in the low 28 bits, what the node has in the high four: 8 prefix, 4 values, 2 children; 0 for none
//! ```
//! libkmod's `libkmod-index.c` describes it. A node has a pointer for each byte from `first` to `last`. Values of one key
//! are in the order of their priorities, and of equal priorities the one that came last is the first.

use std::collections::BTreeMap;

const MAGIC: u32 = 0xB007_F457;
const VERSION: u32 = 0x0002_0001;
const OFFSET: u32 = 0x0FFF_FFFF;

/// A trie that is being made.
#[derive(Debug, Default)]
pub(super) struct Trie {
    prefix: Vec<u8>,
    values: Vec<(u32, String)>,
    children: BTreeMap<u8, Self>,
}

/// An index larger than its own pointers reach.
#[derive(Debug, thiserror::Error)]
#[error("the module index exceeds 256 MiB")]
pub(super) struct TooLarge;

impl Trie {
    /// Adds `value` to those of `key`; both are ASCII of bounded length, without NUL.
    pub(super) fn insert(&mut self, key: &str, value: &str, priority: u32) {
        let mut node = self;
        let mut rest = key.as_bytes();
        loop {
            let shared = node.prefix.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if shared < node.prefix.len() {
                node.split(shared);
            }
            rest = &rest[shared..];
            let Some((first, after)) = rest.split_first() else {
                let at = node.values.iter().take_while(|(known, _)| *known < priority).count();
                node.values.insert(at, (priority, value.to_owned()));
                return;
            };
            let leaf = || Self { prefix: after.to_vec(), ..Self::default() };
            node = node.children.entry(*first).or_insert_with(leaf);
            rest = after;
        }
    }

    /// Moves all that the node has below a child after the first `at` bytes of its prefix.
    fn split(&mut self, at: usize) {
        let tail = self.prefix.split_off(at);
        let Some((first, rest)) = tail.split_first() else { return };
        let child = Self {
            prefix: rest.to_vec(),
            values: std::mem::take(&mut self.values),
            children: std::mem::take(&mut self.children),
        };
        self.children.insert(*first, child);
    }

    /// The file.
    pub(super) fn print(&self) -> Result<Vec<u8>, TooLarge> {
        let mut out = Vec::new();
        let root = 3 * 4;
        for word in [MAGIC, VERSION, root | self.flags()] {
            out.extend(word.to_be_bytes());
        }
        self.write(&mut out)?;
        Ok(out)
    }

    fn flags(&self) -> u32 {
        let flag = |is: bool, bit: u32| if is { bit } else { 0 };
        flag(!self.prefix.is_empty(), 0x8000_0000)
            | flag(!self.values.is_empty(), 0x4000_0000)
            | flag(!self.children.is_empty(), 0x2000_0000)
    }

    /// Writes the node, then its children; their pointers are filled in as their places are known.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        if !self.prefix.is_empty() {
            out.extend(&self.prefix);
            out.push(0);
        }
        let mut pointers = out.len() + 2;
        if let (Some((first, _)), Some((last, _))) =
            (self.children.first_key_value(), self.children.last_key_value())
        {
            out.extend([*first, *last]);
            out.resize(out.len() + 4 * (usize::from(last - first) + 1), 0);
        }
        if !self.values.is_empty() {
            out.extend(u32::try_from(self.values.len()).map_err(|_| TooLarge)?.to_be_bytes());
            for (priority, value) in &self.values {
                out.extend(priority.to_be_bytes());
                out.extend(value.as_bytes());
                out.push(0);
            }
        }
        let mut previous = None;
        for (byte, child) in &self.children {
            pointers += 4 * previous.map_or(0, |previous: u8| usize::from(byte - previous));
            previous = Some(*byte);
            let offset = u32::try_from(out.len()).ok().filter(|offset| *offset <= OFFSET).ok_or(TooLarge)?;
            let pointer = (offset | child.flags()).to_be_bytes();
            out[pointers..pointers + 4].copy_from_slice(&pointer);
            child.write(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_index_is_a_root_without_anything() {
        assert_eq!(Trie::default().print().unwrap(), [0xB0, 7, 0xF4, 0x57, 0, 2, 0, 1, 0, 0, 0, 12]);
    }

    #[test]
    fn keys_share_prefixes_and_a_node_splits_where_they_part() {
        let mut trie = Trie::default();
        trie.insert("abc", "x", 1);
        trie.insert("abd", "y", 2);
        let mut expected = vec![0xB0, 7, 0xF4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 12];
        expected.extend(b"aa\xa0\0\0\x12"); // the root: one child, with a prefix and children
        expected.extend(b"b\0cd\x40\0\0\x1e\x40\0\0\x28"); // `b`, then `c` or `d`
        expected.extend(b"\0\0\0\x01\0\0\0\x01x\0");
        expected.extend(b"\0\0\0\x01\0\0\0\x02y\0");
        assert_eq!(trie.print().unwrap(), expected);
    }

    #[test]
    fn of_equal_priorities_the_last_is_first() {
        let mut trie = Trie::default();
        for (value, priority) in [("a", 2), ("b", 1), ("c", 2), ("d", 1)] {
            trie.insert("k", value, priority);
        }
        let leaf = &trie.children[&b'k'];
        let order: Vec<&str> = leaf.values.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(order, ["d", "b", "c", "a"]);
    }

    #[test]
    fn keys_that_end_within_others_keep_their_values() {
        let mut trie = Trie::default();
        for key in ["virtio_scsi", "virtio", "virtio_blk", "v"] {
            trie.insert(key, key, 0);
        }
        let mut found = Vec::new();
        walk(&trie, String::new(), &mut found);
        assert_eq!(found, ["v", "virtio", "virtio_blk", "virtio_scsi"]);
    }

    fn walk(node: &Trie, before: String, found: &mut Vec<String>) {
        let here = before + std::str::from_utf8(&node.prefix).unwrap();
        for (_, value) in &node.values {
            assert_eq!(*value, here);
            found.push(value.clone());
        }
        for (byte, child) in &node.children {
            walk(child, format!("{here}{}", char::from(*byte)), found);
        }
    }
}
