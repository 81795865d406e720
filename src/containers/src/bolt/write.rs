//! Writing: the pages of a bucket, those of its buckets first.

use super::{
    BRANCH, BUCKET_HEADER, BoltError, Bucket, ELEMENT, FIRST, FREELIST, FREELIST_AT, INLINE, IS_BUCKET, LEAF,
    MAGIC, META, META_FLAG, MOST_BYTES, MOST_KEY, PAGE, PAGE_HEADER, SUMMED, VERSION, Value, fnv1a,
};

/// The bytes of a database whose root bucket is `root`.
pub fn write(root: &Bucket) -> Result<Vec<u8>, BoltError> {
    let mut file = Writer { bytes: vec![0; PAGE * 3] };
    let items = file.items(root)?;
    let root_page = file.tree(items)?;
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

    /// Writes the pages of the bucket that has these elements; the number of its topmost one.
    fn tree(&mut self, items: Vec<Item>) -> Result<u64, BoltError> {
        let mut level = self.pages(LEAF, items)?;
        while level.len() > 1 {
            level = self.pages(BRANCH, level)?;
        }
        // a bucket has at least one page
        Ok(level.first().map_or(FIRST, |item| item.tag))
    }

    /// The elements of a bucket's leaves; the pages of its buckets are written then.
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
        let items = self.items(bucket)?;
        if is_flat && PAGE_HEADER + items.iter().map(Item::size).sum::<usize>() <= INLINE {
            value.extend(page(0, LEAF, &items)?);
            return Ok(value);
        }
        let root = self.tree(items)?;
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

pub(super) fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

fn number32(number: usize) -> Result<u32, BoltError> {
    let most = MOST_BYTES;
    u32::try_from(number).map_err(|_| BoltError::Size { what: "a page", least: 0, most, found: number })
}
