//! bbolt database files: the one file in which containerd keeps what it knows.
//!
//! ```text
//! page 0, 1   meta pages; of two valid ones the higher transaction counts
//! page 2      freelist
//! page 3 …    leaf and branch pages of all buckets
//!
//! page    = id(u64) flags(u16) count(u16) overflow(u32) body          branch 1, leaf 2, meta 4, freelist 16
//! meta    = magic(u32) version(u32) page-size(u32) flags(u32) root(u64) sequence(u64) freelist(u64)
//!           pages(u64) transaction(u64) checksum(u64)                   checksum: FNV-1a (64 bits) of all before it
//! leaf    = (flags(u32) at(u32) key-size(u32) value-size(u32))* (key value)*        flags 1: the value is a bucket
//! branch  = (at(u32) key-size(u32) page(u64))* key*                               at: counted from its own element
//! bucket  = root(u64) sequence(u64) [page]           root 0: a leaf page follows, the bucket has no page of its own
//! ```
//! Numbers are little-endian, pages have 4096 bytes (a writer takes that of its machine; containerd's machines have it), and a
//! page that needs more goes on in the `overflow` pages after it. Keys are sorted by their bytes, and the key of a branch's element is
//! the first one of the page below.
//!
//! What is written is what bbolt leaves after one transaction: a bucket without buckets whose page would be no
//! larger than a quarter of one is inline, all others have pages; a branch has at least two pages below it; nothing is
//! free. The same buckets always give the same bytes.
//!
//! Source: go.etcd.io/bbolt 1.3 and 1.4, the types of `internal/common` (page.go, meta.go, bucket.go, inode.go), as facts.
//!
//! Not supported, on purpose: changing a database. A reader is here so that what was written can be checked, and to look into one.

use std::collections::{BTreeMap, BTreeSet};

/// The size of a page in bytes.
pub const PAGE: usize = 4096;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const PAGE_HEADER: usize = 16;
/// An element of a leaf and of a branch has the same size, before its key.
const ELEMENT: usize = 16;
const BUCKET_HEADER: usize = 16;
/// The fields of a meta page, and those of them that its checksum is of.
const META: usize = 64;
const SUMMED: usize = 56;
/// A bucket that is no larger than this, as a page, may be within its parent's.
const INLINE: usize = PAGE / 4;
/// Where data begins: after two meta pages and the freelist.
const FIRST: u64 = 3;
const FREELIST_AT: u64 = 2;
/// In place of a freelist's page, where none was written.
const NO_FREELIST: u64 = u64::MAX;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const META_FLAG: u16 = 4;
const FREELIST: u16 = 16;
/// An element of a leaf that is a bucket.
const IS_BUCKET: u32 = 1;
/// The longest key.
const MOST_KEY: usize = 32768;
/// A file larger than this is not read: containerd's have a few megabytes.
const MOST_BYTES: usize = 1 << 30;
/// Buckets in buckets, and branches over branches, that are followed.
const MOST_DEPTH: usize = 32;

/// What a bucket holds, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// A number that whoever uses the bucket counts up.
    pub sequence: u64,
    /// Its values and buckets.
    pub entries: BTreeMap<Vec<u8>, Value>,
}

/// A value of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Bytes.
    Bytes(Vec<u8>),
    /// A bucket in the bucket.
    Bucket(Bucket),
}

/// Why a database cannot be written or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BoltError {
    /// A key or value that has no place in one.
    #[error("expected {what} of {least} to {most} bytes, found {found}")]
    Size {
        /// `a key` or `a value`.
        what: &'static str,
        /// The shortest.
        least: usize,
        /// The longest.
        most: usize,
        /// What it has.
        found: usize,
    },
    /// A file that is no database.
    #[error("not a bbolt database: {0}")]
    Meta(&'static str),
    /// A page that is not what leads to it.
    #[error("page {page}: {what}")]
    Page {
        /// The page.
        page: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl Bucket {
    /// Puts bytes at `key`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.entries.insert(key.into(), Value::Bytes(value.into()));
    }

    /// Puts a bucket at `key`.
    pub fn put_bucket(&mut self, key: impl Into<Vec<u8>>, bucket: Self) {
        self.entries.insert(key.into(), Value::Bucket(bucket));
    }

    /// The bucket at the end of `path`.
    #[must_use]
    pub fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |bucket, key| match bucket.entries.get(key.as_bytes())? {
            Value::Bucket(bucket) => Some(bucket),
            Value::Bytes(_) => None,
        })
    }

    /// The bytes at `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        match self.entries.get(key.as_bytes())? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Bucket(_) => None,
        }
    }
}

/// The bytes of a database whose root bucket is `root`.
pub fn write(root: &Bucket) -> Result<Vec<u8>, BoltError> {
    let mut file = Writer { bytes: vec![0; PAGE * 3] };
    let root_page = file.tree(root)?;
    let pages = file.next();
    // a freelist of nothing
    put(&mut file.bytes, PAGE * 2, &page_header(FREELIST_AT, FREELIST, 0, 0));
    for transaction in [0, 1] {
        let meta = meta(root_page, root.sequence, pages, transaction);
        let at = if transaction == 0 { 0 } else { PAGE };
        put(&mut file.bytes, at, &page_header(transaction, META_FLAG, 0, 0));
        put(&mut file.bytes, at + PAGE_HEADER, &meta);
    }
    Ok(file.bytes)
}

/// The root bucket of the database in `bytes`, all of which is checked: sums, orders, and that each page is either of one
/// bucket or free.
pub fn read(bytes: &[u8]) -> Result<Bucket, BoltError> {
    if bytes.len() > MOST_BYTES {
        return Err(BoltError::Meta("it is larger than 1 GiB"));
    }
    let meta = newest(bytes)?;
    let mut reader = Reader { bytes, pages: meta.pages, seen: BTreeSet::from([0, 1]), left: bytes.len() };
    let entries = reader.tree(meta.root, 0)?;
    if meta.freelist != NO_FREELIST {
        reader.free(meta.freelist)?;
        if reader.seen.len() as u64 != meta.pages {
            return Err(BoltError::Meta("a page that is neither used nor free"));
        }
    }
    Ok(Bucket { sequence: meta.sequence, entries })
}

/// An element of a page before it has a place: flags or page, key, value.
struct Item {
    tag: u64,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Item {
    fn size(&self) -> usize {
        ELEMENT + self.key.len() + self.value.len()
    }
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The number of the next page.
    fn next(&self) -> u64 {
        (self.bytes.len() / PAGE) as u64
    }

    /// Writes the pages of a bucket, those of its buckets first; the number of its topmost one.
    fn tree(&mut self, bucket: &Bucket) -> Result<u64, BoltError> {
        let items = self.items(bucket)?;
        let mut level = self.pages(LEAF, items)?;
        while level.len() > 1 {
            level = self.pages(BRANCH, level)?;
        }
        // a bucket has at least one page
        Ok(level.first().map_or(FIRST, |item| item.tag))
    }

    /// The elements of a bucket's leaves.
    fn items(&mut self, bucket: &Bucket) -> Result<Vec<Item>, BoltError> {
        let mut items = Vec::with_capacity(bucket.entries.len());
        for (key, value) in &bucket.entries {
            let most = MOST_KEY;
            if !(1..=most).contains(&key.len()) {
                return Err(BoltError::Size { what: "a key", least: 1, most, found: key.len() });
            }
            let (tag, value) = match value {
                Value::Bytes(bytes) => (0, bytes.clone()),
                Value::Bucket(bucket) => (IS_BUCKET.into(), self.bucket(bucket)?),
            };
            let most = MOST_BYTES;
            if value.len() > most {
                return Err(BoltError::Size { what: "a value", least: 0, most, found: value.len() });
            }
            items.push(Item { tag, key: key.clone(), value });
        }
        Ok(items)
    }

    /// A bucket as the value of its parent.
    fn bucket(&mut self, bucket: &Bucket) -> Result<Vec<u8>, BoltError> {
        let is_flat = bucket.entries.values().all(|value| matches!(value, Value::Bytes(_)));
        let mut value = vec![0; BUCKET_HEADER];
        put(&mut value, 8, &bucket.sequence.to_le_bytes());
        if is_flat {
            let items = self.items(bucket)?;
            if PAGE_HEADER + items.iter().map(Item::size).sum::<usize>() <= INLINE {
                value.extend(page(0, LEAF, &items)?);
                return Ok(value);
            }
        }
        let root = self.tree(bucket)?;
        put(&mut value, 0, &root.to_le_bytes());
        Ok(value)
    }

    /// Writes the pages that `items` need; an element for each, for the branch above.
    fn pages(&mut self, flag: u16, items: Vec<Item>) -> Result<Vec<Item>, BoltError> {
        let mut above = Vec::new();
        for group in groups(flag, items) {
            let number = self.next();
            let mut bytes = page(number, flag, &group)?;
            bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
            let overflow = number32(bytes.len() / PAGE - 1)?;
            put(&mut bytes, 12, &overflow.to_le_bytes());
            self.bytes.extend(bytes);
            let key = group.into_iter().next().map(|item| item.key).unwrap_or_default();
            above.push(Item { tag: number, key, value: Vec::new() });
        }
        Ok(above)
    }
}

/// What goes into one page each: as much as fits, but of a branch no single one.
fn groups(flag: u16, items: Vec<Item>) -> Vec<Vec<Item>> {
    let least = if flag == BRANCH { 2 } else { 1 };
    let mut groups = vec![Vec::new()];
    let mut size = PAGE_HEADER;
    for item in items {
        let is_full = |last: &Vec<Item>| last.len() >= least && size + item.size() > PAGE;
        if groups.last().is_some_and(is_full) {
            groups.push(Vec::new());
            size = PAGE_HEADER;
        }
        size += item.size();
        if let Some(last) = groups.last_mut() {
            last.push(item);
        }
    }
    if groups.len() > 1
        && groups.last().is_some_and(|last| last.len() < least)
        && let Some(rest) = groups.pop()
        && let Some(last) = groups.last_mut()
    {
        last.extend(rest);
    }
    groups
}

/// A page without the zeros after it.
fn page(number: u64, flag: u16, items: &[Item]) -> Result<Vec<u8>, BoltError> {
    // a leaf with so many elements is far larger than a page
    let count = u16::try_from(items.len());
    let count = count.map_err(|_| BoltError::Page { page: number, what: "too many elements" })?;
    let mut bytes = page_header(number, flag, count, 0).to_vec();
    bytes.resize(PAGE_HEADER + ELEMENT * items.len(), 0);
    for (index, item) in items.iter().enumerate() {
        let element = PAGE_HEADER + ELEMENT * index;
        let at = number32(bytes.len() - element)?.to_le_bytes();
        let key = number32(item.key.len())?.to_le_bytes();
        if flag == BRANCH {
            put(&mut bytes, element, &at);
            put(&mut bytes, element + 4, &key);
            put(&mut bytes, element + 8, &item.tag.to_le_bytes());
        } else {
            let value = number32(item.value.len())?.to_le_bytes();
            put(&mut bytes, element, &number32(usize::try_from(item.tag).unwrap_or(0))?.to_le_bytes());
            put(&mut bytes, element + 4, &at);
            put(&mut bytes, element + 8, &key);
            put(&mut bytes, element + 12, &value);
        }
        bytes.extend_from_slice(&item.key);
        bytes.extend_from_slice(&item.value);
    }
    Ok(bytes)
}

fn page_header(number: u64, flag: u16, count: u16, overflow: u32) -> [u8; PAGE_HEADER] {
    let mut header = [0; PAGE_HEADER];
    put(&mut header, 0, &number.to_le_bytes());
    put(&mut header, 8, &flag.to_le_bytes());
    put(&mut header, 10, &count.to_le_bytes());
    put(&mut header, 12, &overflow.to_le_bytes());
    header
}

fn meta(root: u64, sequence: u64, pages: u64, transaction: u64) -> [u8; META] {
    let mut meta = [0; META];
    for (at, number) in [(0, MAGIC), (4, VERSION), (8, 4096), (12, 0)] {
        put(&mut meta, at, &number.to_le_bytes());
    }
    for (at, number) in [(16, root), (24, sequence), (32, FREELIST_AT), (40, pages), (48, transaction)] {
        put(&mut meta, at, &number.to_le_bytes());
    }
    let sum = fnv1a(&meta[..SUMMED]);
    put(&mut meta, SUMMED, &sum.to_le_bytes());
    meta
}

/// FNV-1a with 64 bits, as of draft-eastlake-fnv.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

fn number32(number: usize) -> Result<u32, BoltError> {
    let most = MOST_BYTES;
    u32::try_from(number).map_err(|_| BoltError::Size { what: "a page", least: 0, most, found: number })
}

/// What a meta page says.
struct Meta {
    root: u64,
    sequence: u64,
    freelist: u64,
    pages: u64,
    transaction: u64,
}

/// The valid meta page of the higher transaction.
fn newest(bytes: &[u8]) -> Result<Meta, BoltError> {
    let metas = [0, 1].map(|number| parse_meta(bytes, number));
    let why = match &metas {
        [Err(why), _] => *why,
        _ => "no meta page is valid",
    };
    let newest = metas.into_iter().flatten().max_by_key(|meta| meta.transaction);
    let meta = newest.ok_or(BoltError::Meta(why))?;
    if meta.pages < FIRST || meta.pages > (bytes.len() / PAGE) as u64 {
        return Err(BoltError::Meta("it is shorter than its pages"));
    }
    Ok(meta)
}

fn parse_meta(bytes: &[u8], number: usize) -> Result<Meta, &'static str> {
    let at = number * PAGE + PAGE_HEADER;
    let meta = bytes.get(at..at + META).ok_or("it is too short")?;
    let field32 = |at| number_at::<4>(meta, at).map(u32::from_le_bytes);
    let field = |at| number_at::<8>(meta, at).map(u64::from_le_bytes).unwrap_or_default();
    if field32(0) != Some(MAGIC) {
        return Err("it has no magic number");
    }
    if field32(4) != Some(VERSION) {
        return Err("its version is not 2");
    }
    if field32(8) != Some(4096) {
        return Err("its pages do not have 4096 bytes");
    }
    if field(SUMMED) != fnv1a(&meta[..SUMMED]) {
        return Err("its checksum is wrong");
    }
    Ok(Meta {
        root: field(16),
        sequence: field(24),
        freelist: field(32),
        pages: field(40),
        transaction: field(48),
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    pages: u64,
    /// The pages that were looked at: each belongs to one.
    seen: BTreeSet<u64>,
    /// What elements, keys and values may still take: together they are no larger than the file, where none is within another.
    left: usize,
}

impl<'a> Reader<'a> {
    /// Takes the bytes of an element with its key, and its value if that is not a bucket.
    fn pay(&mut self, page: u64, key: &[u8], value: &[u8]) -> Result<(), BoltError> {
        if key.len() > MOST_KEY {
            return Err(BoltError::Page { page, what: "a key that is too long" });
        }
        let left = self.left.checked_sub(ELEMENT + key.len() + value.len());
        self.left = left.ok_or(BoltError::Page { page, what: "its elements overlap" })?;
        Ok(())
    }

    /// A page with its overflow, that nobody has looked at.
    fn take(&mut self, number: u64) -> Result<&'a [u8], BoltError> {
        let wrong = |what| BoltError::Page { page: number, what };
        if number >= self.pages {
            return Err(wrong("there is no such page"));
        }
        let at = usize::try_from(number).ok().and_then(|number| number.checked_mul(PAGE));
        let at = at.ok_or_else(|| wrong("there is no such page"))?;
        let rest = self.bytes.get(at..).unwrap_or_default();
        if number_at::<8>(rest, 0).map(u64::from_le_bytes) != Some(number) {
            return Err(wrong("it has the number of another page"));
        }
        let overflow = number_at::<4>(rest, 12).map_or(0, u32::from_le_bytes);
        let end = number + u64::from(overflow);
        if end >= self.pages {
            return Err(wrong("it goes on after the last page"));
        }
        for page in number..=end {
            if !self.seen.insert(page) {
                return Err(wrong("it is used twice"));
            }
        }
        let length = usize::try_from(overflow).unwrap_or(usize::MAX).saturating_add(1).saturating_mul(PAGE);
        rest.get(..length).ok_or_else(|| wrong("it is cut"))
    }

    /// The entries of the bucket whose topmost page is `number`.
    fn tree(&mut self, number: u64, depth: usize) -> Result<BTreeMap<Vec<u8>, Value>, BoltError> {
        let mut entries = BTreeMap::new();
        self.node(number, None, depth, &mut entries)?;
        Ok(entries)
    }

    /// Adds what is in a page and below it; `first` is the key that the branch above has for it.
    fn node(
        &mut self,
        number: u64,
        first: Option<&[u8]>,
        depth: usize,
        entries: &mut BTreeMap<Vec<u8>, Value>,
    ) -> Result<(), BoltError> {
        let wrong = |what| BoltError::Page { page: number, what };
        if depth > MOST_DEPTH {
            return Err(wrong("it is too deep"));
        }
        let page = self.take(number)?;
        let flags = number_at::<2>(page, 8).map_or(0, u16::from_le_bytes);
        match flags {
            LEAF => self.leaf(number, page, first, depth, entries),
            BRANCH => {
                for index in 0..count(page) {
                    let element = PAGE_HEADER + ELEMENT * index;
                    let key =
                        key_at(page, element, element, element + 4).ok_or_else(|| wrong("a bad element"))?;
                    let child = number_at::<8>(page, element + 8).map(u64::from_le_bytes);
                    let child = child.ok_or_else(|| wrong("a bad element"))?;
                    self.pay(number, key, &[])?;
                    if index == 0 && first.is_some_and(|first| first != key) {
                        return Err(wrong("its first key is not that of the branch above"));
                    }
                    self.node(child, Some(key), depth + 1, entries)?;
                }
                Ok(())
            }
            _ => Err(wrong("neither a leaf nor a branch")),
        }
    }

    fn leaf(
        &mut self,
        number: u64,
        page: &[u8],
        first: Option<&[u8]>,
        depth: usize,
        entries: &mut BTreeMap<Vec<u8>, Value>,
    ) -> Result<(), BoltError> {
        let wrong = |what| BoltError::Page { page: number, what };
        for index in 0..count(page) {
            let element = PAGE_HEADER + ELEMENT * index;
            let bad = || wrong("a bad element");
            let key = key_at(page, element, element + 4, element + 8).ok_or_else(bad)?;
            let flags = number_at::<4>(page, element).map(u32::from_le_bytes).ok_or_else(bad)?;
            let at = size_at(page, element + 4).and_then(|at| at.checked_add(element + key.len()));
            let value =
                at.zip(size_at(page, element + 12)).and_then(|(at, size)| page.get(at..)?.get(..size));
            let value = value.ok_or_else(bad)?;
            self.pay(number, key, if flags == 0 { value } else { &[] })?;
            if index == 0 && first.is_some_and(|first| first != key) {
                return Err(wrong("its first key is not that of the branch above"));
            }
            if key.is_empty() || entries.last_key_value().is_some_and(|(last, _)| last.as_slice() >= key) {
                return Err(wrong("its keys are not in order"));
            }
            let value = match flags {
                0 => Value::Bytes(value.to_vec()),
                IS_BUCKET => Value::Bucket(self.bucket(number, value, depth)?),
                _ => return Err(wrong("an element of an unknown type")),
            };
            entries.insert(key.to_vec(), value);
        }
        Ok(())
    }

    fn bucket(&mut self, number: u64, value: &[u8], depth: usize) -> Result<Bucket, BoltError> {
        let wrong = |what| BoltError::Page { page: number, what };
        let field =
            |at| number_at::<8>(value, at).map(u64::from_le_bytes).ok_or_else(|| wrong("a bad bucket"));
        let (root, sequence) = (field(0)?, field(8)?);
        if root != 0 {
            return Ok(Bucket { sequence, entries: self.tree(root, depth + 1)? });
        }
        let mut entries = BTreeMap::new();
        let page = &value[BUCKET_HEADER..];
        if depth >= MOST_DEPTH || number_at::<2>(page, 8).map(u16::from_le_bytes) != Some(LEAF) {
            return Err(wrong("a bad inline bucket"));
        }
        self.leaf(number, page, None, depth + 1, &mut entries)?;
        Ok(Bucket { sequence, entries })
    }

    /// Marks what the freelist names.
    fn free(&mut self, number: u64) -> Result<(), BoltError> {
        let wrong = |what| BoltError::Page { page: number, what };
        let page = self.take(number)?;
        if number_at::<2>(page, 8).map(u16::from_le_bytes) != Some(FREELIST) {
            return Err(wrong("expected the freelist"));
        }
        // a list that is too long for the field has its length first
        let (count, first) = match count(page) {
            0xffff => (size_at(page, PAGE_HEADER).unwrap_or(0), PAGE_HEADER + 8),
            count => (count, PAGE_HEADER),
        };
        for index in 0..count {
            let at = index.checked_mul(8).and_then(|at| at.checked_add(first));
            let free = at.and_then(|at| number_at::<8>(page, at)).map(u64::from_le_bytes);
            let free = free.ok_or_else(|| wrong("it is cut"))?;
            if free >= self.pages || !self.seen.insert(free) {
                return Err(wrong("a free page that is used, or is not there"));
            }
        }
        Ok(())
    }
}

fn count(page: &[u8]) -> usize {
    number_at::<2>(page, 10).map_or(0, |count| u16::from_le_bytes(count).into())
}

fn number_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(number_at(bytes, at)?)).ok()
}

/// The key of the element at `element`, whose place and size are at these places.
fn key_at(page: &[u8], element: usize, at: usize, size: usize) -> Option<&[u8]> {
    let at = size_at(page, at)?.checked_add(element)?;
    page.get(at..)?.get(..size_at(page, size)?)
}

#[cfg(test)]
mod tests;
