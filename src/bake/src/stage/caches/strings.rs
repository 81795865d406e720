//! The string table of systemd's databases: each string once, and none that is the end of another one.
//!
//! A trie over the strings read backwards finds an earlier string that ends in the new one. Each node is one stored
//! string, and lies as deep as was needed to tell it from those that came before; which of several earlier strings is
//! found, and so the bytes of a database, depends on just that (systemd, `src/basic/strbuf.c`).

/// Strings with a NUL after each, the empty one first.
pub(super) struct Strings {
    bytes: Vec<u8>,
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// Where its string begins, and how long it is.
    offset: usize,
    len: usize,
    /// The byte before those that led here, to the node of strings that have it; sorted.
    children: Vec<(u8, usize)>,
}

impl Strings {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0], nodes: vec![Node::default()] }
    }

    /// The offset of `text`, which has no NUL; it is added if no earlier string ends in it.
    pub(super) fn add(&mut self, text: &[u8]) -> usize {
        if text.is_empty() {
            return 0;
        }
        let mut at = 0;
        for depth in 0..=text.len() {
            let Some(node) = self.nodes.get(at) else { break };
            let end = node.offset + node.len;
            let string = self.bytes.get(node.offset..end).unwrap_or_default();
            if depth == text.len() || string.ends_with(text) {
                return end - text.len();
            }
            let Some(&byte) = text.get(text.len() - 1 - depth) else { break };
            match node.children.binary_search_by_key(&byte, |(known, _)| *known) {
                Ok(found) => at = node.children.get(found).map_or(0, |(_, child)| *child),
                Err(place) => return self.put(at, place, byte, text),
            }
        }
        0
    }

    /// Adds `text` as a child of `parent`.
    fn put(&mut self, parent: usize, place: usize, byte: u8, text: &[u8]) -> usize {
        let (offset, child) = (self.bytes.len(), self.nodes.len());
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        self.nodes.push(Node { offset, len: text.len(), children: Vec::new() });
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.insert(place, (byte, child));
        }
        offset
    }

    /// The string that begins at `offset`, without its NUL.
    pub(super) fn at(&self, offset: usize) -> &[u8] {
        let rest = self.bytes.get(offset..).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// All of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Strings;

    #[test]
    fn a_string_that_another_one_ends_in_is_stored_once() {
        let mut strings = Strings::new();
        let offsets: Vec<usize> =
            ["waldo", "foo", "bar", "waldo", "", "aldo", "do", "out", "waldorf", "", "rf", "f"]
                .iter()
                .map(|text| strings.add(text.as_bytes()))
                .collect();
        assert_eq!(offsets, [1, 7, 11, 1, 0, 2, 4, 15, 19, 0, 24, 25]);
        assert_eq!(strings.bytes(), b"\0waldo\0foo\0bar\0out\0waldorf\0");
        assert_eq!(strings.at(2), b"aldo");
    }
}
