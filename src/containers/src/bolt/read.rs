//! Reading, with all that can be checked.

use super::{
    BRANCH, BUCKET_HEADER, BoltError, Bucket, ELEMENT, FIRST, FREELIST, IS_BUCKET, LEAF, MAGIC, META,
    MOST_BYTES, MOST_DEPTH, MOST_KEY, NO_FREELIST, PAGE, PAGE_HEADER, SUMMED, VERSION, Value, fnv1a,
};
use std::collections::{BTreeMap, BTreeSet};

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

pub(super) fn count(page: &[u8]) -> usize {
    number_at::<2>(page, 10).map_or(0, |count| u16::from_le_bytes(count).into())
}

pub(super) fn number_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
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
