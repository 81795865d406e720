//! `/etc/ld.so.cache` as bytes: the format `glibc-ld.so.cache1.1` (glibc, `sysdeps/generic/dl-cache.h`).
//!
//! ```text
//! magic, version │ libraries n │ strings len │ 2: little endian │ offset of extensions    48 bytes
//! n × { flags, name, path, 0, extension bit │ level │ index of the directory's name }     24 bytes each
//! strings, each with a NUL; one that another ends in is a part of that
//! extensions: magic, how many, { tag, 0, offset, len }…, names of directories, generator
//! ```
//! Numbers are little endian on both architectures. Names and paths are offsets from the start of the file.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use tree::name::Arch;

/// The bit that says that the rest of the number is a level and an index.
const EXTENSION: u64 = 1 << 62;
const EXTENSIONS_MAGIC: u32 = 0xeaa4_2174;
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// What programs may ask for, and what they get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Library {
    /// The name that they ask for.
    pub(super) soname: String,
    /// The file.
    pub(super) path: String,
    /// The directory's name below `glibc-hwcaps`, which says which processors may use it.
    pub(super) variant: Option<String>,
    /// The level of processor that the file itself asks for.
    pub(super) level: u32,
}

/// The file, of the given libraries in the order in which they were found; `variants` are all directories below
/// `glibc-hwcaps`, also those without a library.
pub(super) fn bytes(
    mut libraries: Vec<Library>,
    variants: &BTreeSet<String>,
    arch: Arch,
    generator: &str,
) -> Vec<u8> {
    libraries.sort_by(order);
    let used: BTreeSet<&str> = libraries.iter().filter_map(|library| library.variant.as_deref()).collect();
    let mut all: BTreeSet<&str> = variants.iter().map(String::as_str).chain(used.iter().copied()).collect();
    all.extend(libraries.iter().flat_map(|library| [library.soname.as_str(), library.path.as_str()]));
    let start = HEADER + ENTRY * libraries.len();
    let (strings, places) = table(all, start);
    let extensions = (start + strings.len()).next_multiple_of(4);
    let place = |text: &str| number(places.get(text).copied().unwrap_or_default());

    let mut file = b"glibc-ld.so.cache1.1".to_vec();
    for value in [number(libraries.len()), number(strings.len()), 2, number(extensions), 0, 0, 0] {
        file.extend(value.to_le_bytes());
    }
    for library in &libraries {
        let flags: u32 = match arch {
            Arch::Amd64 => 0x0303,
            Arch::Arm64 => 0x0a03,
        };
        for value in [flags, place(&library.soname), place(&library.path), 0] {
            file.extend(value.to_le_bytes());
        }
        file.extend(choice(library, &used).to_le_bytes());
    }
    file.extend(&strings);
    file.resize(extensions, 0);
    let names: Vec<u8> = used.iter().flat_map(|name| place(name).to_le_bytes()).collect();
    extend(&mut file, &names, generator.as_bytes());
    file
}

/// The extensions: who made the file, and the names of directories where there are any.
fn extend(file: &mut Vec<u8>, names: &[u8], generator: &[u8]) {
    let count = if names.is_empty() { 1 } else { 2 };
    let start = file.len() + 8 + 16 * count;
    let mut words = vec![EXTENSIONS_MAGIC, number(count)];
    words.extend([0, 0, number(start + names.len()), number(generator.len())]);
    if !names.is_empty() {
        words.extend([1, 0, number(start), number(names.len())]);
    }
    file.extend(words.into_iter().flat_map(u32::to_le_bytes));
    file.extend(names);
    file.extend(generator);
}

fn choice(library: &Library, used: &BTreeSet<&str>) -> u64 {
    let Some(variant) = &library.variant else { return 0 };
    let index = used.iter().position(|name| name == variant).unwrap_or_default();
    EXTENSION | u64::from(library.level) << 32 | u64::from(number(index))
}

/// All strings, and where in the file each is, the table beginning at `start`: the order is that of the strings read
/// backwards, the last first, so that each comes after one that it may be the end of.
fn table(strings: BTreeSet<&str>, start: usize) -> (Vec<u8>, BTreeMap<&str, usize>) {
    let mut strings: Vec<&str> = strings.into_iter().collect();
    strings.sort_unstable_by(|a, b| b.bytes().rev().cmp(a.bytes().rev()));
    let mut bytes = Vec::new();
    let mut places = BTreeMap::new();
    let mut longer = "";
    for string in strings {
        if !longer.ends_with(string) || bytes.is_empty() {
            bytes.extend(string.bytes());
            bytes.push(0);
            longer = string;
        }
        places.insert(string, start + bytes.len() - 1 - string.len());
    }
    (bytes, places)
}

/// The order in which the loader searches: names downwards, and of one name those for better processors first.
fn order(a: &Library, b: &Library) -> Ordering {
    compare(&b.soname, &a.soname).then_with(|| match (&a.variant, &b.variant) {
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    })
}

/// The loader's order of names, in which numbers count by their value (`_dl_cache_libcmp`).
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a.split_first(), b.split_first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some((x, _)), Some((y, _))) if x.is_ascii_digit() && y.is_ascii_digit() => {
                match digits(&mut a).wrapping_sub(digits(&mut b)).cmp(&0) {
                    Ordering::Equal => {}
                    other => return other,
                }
            }
            (Some((x, _)), _) if x.is_ascii_digit() => return Ordering::Greater,
            (_, Some((y, _))) if y.is_ascii_digit() => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some((x, rest_a)), Some((y, rest_b))) => {
                if x != y {
                    return x.cmp(y);
                }
                (a, b) = (rest_a, rest_b);
            }
        }
    }
}

/// The number that `text` begins with, which is taken off it; as C's `int` it goes round.
fn digits(text: &mut &[u8]) -> i32 {
    let mut value: i32 = 0;
    while let Some((digit, rest)) = text.split_first().filter(|(digit, _)| digit.is_ascii_digit()) {
        value = value.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'));
        *text = rest;
    }
    value
}

/// A count or an offset: `library` lets no more in than fits.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_by_value() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, expected) in [
            ("libx.so.9", "libx.so.10", Less),
            ("libx.so.1", "libx.so.01", Equal),
            ("libx.so.1", "libx.so", Greater),
            ("libx", "libx1", Less),
            ("lib1", "liba", Greater),
            ("libx-1.so", "libx.so", Less),
            ("libx.so.4294967297", "libx.so.1", Equal),
        ] {
            assert_eq!(compare(a, b), expected, "{a} {b}");
            assert_eq!(compare(b, a), expected.reverse(), "{b} {a}");
        }
    }
}
