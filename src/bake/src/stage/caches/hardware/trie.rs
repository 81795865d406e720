//! The file's form: a trie of patterns (systemd, `src/libsystemd/sd-hwdb/hwdb-internal.h`).
//!
//! ```text
//! header 80 │ nodes, each after its children │ strings
//! node:  { prefix, children u8, values }           24 bytes
//!        children × { byte, node }                 16 bytes each, by byte
//!        values × { key, value, file, line u32, priority u16 }  32 bytes each, by key
//! ```
//! Numbers are little endian, of 64 bits where nothing is said; places are offsets from the start of the file. Nodes are
//! an arena here, as a pattern may be long and recursion would be as deep.

use super::super::strings::Strings;

const HEADER: usize = 80;
const NODE: usize = 24;
const CHILD: usize = 16;
const VALUE: usize = 32;

/// Patterns with their properties.
pub(super) struct Trie {
    nodes: Vec<Node>,
    strings: Strings,
}

/// Where a property was found.
pub(super) struct Source<'a> {
    /// The path of the file.
    pub(super) file: &'a str,
    /// The line, from 1.
    pub(super) line: u32,
    /// How many files there were up to it.
    pub(super) priority: u16,
}

#[derive(Default)]
struct Node {
    /// What all patterns here have in common, after the byte that leads here; a string.
    prefix: usize,
    /// The next byte and its node, by byte.
    children: Vec<(u8, usize)>,
    /// By key.
    values: Vec<Value>,
}

struct Value {
    key: usize,
    value: usize,
    file: usize,
    line: u32,
    priority: u16,
}

impl Trie {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()], strings: Strings::new() }
    }

    /// Adds a property to `pattern`; a later one of the same key replaces an earlier one.
    pub(super) fn insert(&mut self, pattern: &[u8], key: &[u8], value: &[u8], source: &Source<'_>) {
        let (mut at, mut rest) = (0, pattern);
        loop {
            let Some(node) = self.nodes.get(at) else { return };
            let prefix = self.strings.at(node.prefix);
            let common = prefix.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if common < prefix.len() {
                self.split(at, common);
            }
            rest = rest.get(common..).unwrap_or_default();
            let Some((&byte, behind)) = rest.split_first() else { break };
            let Some(node) = self.nodes.get(at) else { return };
            match node.children.binary_search_by_key(&byte, |(known, _)| *known) {
                Ok(found) => {
                    at = node.children.get(found).map_or(0, |(_, child)| *child);
                    rest = behind;
                }
                Err(place) => {
                    let child = self.nodes.len();
                    let prefix = self.strings.add(behind);
                    self.nodes.push(Node { prefix, ..Node::default() });
                    if let Some(node) = self.nodes.get_mut(at) {
                        node.children.insert(place, (byte, child));
                    }
                    at = child;
                    break;
                }
            }
        }
        self.set(at, key, value, source);
    }

    /// Makes the first `common` bytes of the prefix of a node a node of their own, above the rest of it.
    fn split(&mut self, at: usize, common: usize) {
        let child = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return };
        let text = self.strings.at(node.prefix);
        let Some(&byte) = text.get(common) else { return };
        let short = text.get(..common).unwrap_or_default().to_vec();
        let below = Node { prefix: node.prefix + common + 1, ..std::mem::take(node) };
        *node = Node { prefix: self.strings.add(&short), children: vec![(byte, child)], values: Vec::new() };
        self.nodes.push(below);
    }

    fn set(&mut self, at: usize, key: &[u8], value: &[u8], source: &Source<'_>) {
        let (offset, value) = (self.strings.add(key), self.strings.add(value));
        let file = self.strings.add(source.file.as_bytes());
        let value = Value { key: offset, value, file, line: source.line, priority: source.priority };
        let Some(node) = self.nodes.get_mut(at) else { return };
        match node.values.binary_search_by(|known| self.strings.at(known.key).cmp(key)) {
            Ok(found) => {
                if let Some(known) = node.values.get_mut(found) {
                    *known = Value { key: known.key, ..value };
                }
            }
            Err(place) => node.values.insert(place, value),
        }
    }

    /// The file; `version` is that of the systemd that is said to have written it.
    pub(super) fn bytes(&self, version: u64) -> Vec<u8> {
        let (mut children, mut values) = (0, 0);
        for node in &self.nodes {
            children += node.children.len();
            values += node.values.len();
        }
        let nodes = self.nodes.len() * NODE + children * CHILD + values * VALUE;
        let strings = self.strings.bytes();
        let size = HEADER + nodes + strings.len();
        let mut file = Vec::with_capacity(size);
        file.resize(HEADER, 0);
        let root = self.write(&mut file, HEADER + nodes);
        file.extend(strings);
        let mut header = b"KSLPHHRH".to_vec();
        header.extend(version.to_le_bytes());
        for number in [size, HEADER, NODE, CHILD, VALUE, root, nodes, strings.len()] {
            header.extend((number as u64).to_le_bytes());
        }
        file.splice(..HEADER, header);
        file
    }

    /// Writes all nodes, each after its children, with the strings to come at `strings`; the place of the root.
    fn write(&self, file: &mut Vec<u8>, strings: usize) -> usize {
        let mut places = vec![0; self.nodes.len()];
        // nodes that are open, each with how many of its children are written
        let mut open = vec![(0, 0)];
        while let Some((at, done)) = open.pop() {
            let Some(node) = self.nodes.get(at) else { continue };
            if let Some((_, child)) = node.children.get(done) {
                open.push((at, done + 1));
                open.push((*child, 0));
                continue;
            }
            if let Some(place) = places.get_mut(at) {
                *place = file.len();
            }
            node.write(file, strings, &places);
        }
        places.first().copied().unwrap_or_default()
    }
}

impl Node {
    fn write(&self, file: &mut Vec<u8>, strings: usize, places: &[usize]) {
        let mut word = |number: usize| file.extend((number as u64).to_le_bytes());
        word(strings + self.prefix);
        // one byte and padding: at most 255, as no pattern has a NUL
        word(self.children.len());
        word(self.values.len());
        for (byte, child) in &self.children {
            word(usize::from(*byte));
            word(places.get(*child).copied().unwrap_or_default());
        }
        for Value { key, value, file, line, priority } in &self.values {
            word(strings + key);
            word(strings + value);
            word(strings + file);
            word(usize::from(*priority) << 32 | usize::try_from(*line).unwrap_or_default());
        }
    }
}
