//! A seed: the small volume that tells an instance who it is, as NoCloud's is (cloud-init's documentation, "NoCloud").
//!
//! ISO 9660 (ECMA-119) with one directory, labelled `cidata`, and Rock Ridge (IEEE P1282) for names in small letters and
//! modes: each file is its owner's alone to read.
//!
//! ```text
//! sector 16 volume │ 17 end of volumes │ 18, 19 path tables │ 20 directory │ files, each from a new sector
//! ```
//! The same files give the same bytes: no times, no random numbers. Not supported, on purpose: directories, Joliet, boot
//! records; what reads a seed is Linux.

mod record;

use record::{Both, Record, suffix};
use std::collections::BTreeMap;

/// A sector, in bytes.
const SECTOR: usize = 2048;
const PATHS: u32 = 18;
const DIRECTORY: u32 = 20;
const MOST_FILES: usize = 32;
const MOST_BYTES: usize = 1 << 20;
const LABEL: &str = "cidata";

/// Why there is no seed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SeedError {
    /// A name that does not fit into all tables.
    #[error("file name `{0}`: expected at most 28 of a-z, 0-9, `-` and one `.`, not at an end")]
    Name(String),
    /// Two names that differ in what ISO 9660 does not know.
    #[error("files `{0}` and `{1}` have the same ISO 9660 name")]
    Same(String, String),
    /// Too much.
    #[error("expected at most {MOST_FILES} files of at most {MOST_BYTES} bytes each")]
    Size,
}

/// The volume with `files`: name and content.
pub fn volume(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, SeedError> {
    if files.len() > MOST_FILES || files.values().any(|content| content.len() > MOST_BYTES) {
        return Err(SeedError::Size);
    }
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for name in files.keys() {
        if let Some(other) = names.insert(plain(name)?, name) {
            return Err(SeedError::Same(other.to_owned(), name.clone()));
        }
    }
    let sectors = |len: usize| number(len.div_ceil(SECTOR));
    // how long the directory is does not depend on where the files are
    let len = directory(&names, files, 0, 0).len();
    let first = DIRECTORY + sectors(len);
    let directory = directory(&names, files, number(len), first);
    let end = files.values().fold(first, |at, content| at + sectors(content.len()));

    let mut image = vec![0; 16 * SECTOR];
    let root =
        Record { sector: DIRECTORY, len: number(len), is_directory: true, id: &[0], more: &[] }.bytes();
    put(&mut image, &descriptor(&root, end));
    put(&mut image, b"\xffCD001\x01");
    put(&mut image, &[&[1, 0][..], &DIRECTORY.to_le_bytes(), &1_u16.to_le_bytes(), &[0, 0]].concat());
    put(&mut image, &[&[1, 0][..], &DIRECTORY.to_be_bytes(), &1_u16.to_be_bytes(), &[0, 0]].concat());
    put(&mut image, &directory);
    for name in names.values() {
        put(&mut image, files.get(*name).map(Vec::as_slice).unwrap_or_default());
    }
    Ok(image)
}

/// A name as ISO 9660 has it: `USER_DATA.ENV;1` of `user-data.env`.
fn plain(name: &str) -> Result<String, SeedError> {
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let inner = !name.starts_with(['.', '-']) && !name.ends_with('.');
    if !(1..=28).contains(&name.len()) || dots > 1 || !inner || !name.bytes().all(known) {
        return Err(SeedError::Name(name.to_owned()));
    }
    let dot = if dots == 0 { "." } else { "" };
    Ok(format!("{}{dot};1", name.to_ascii_uppercase().replace('-', "_")))
}

/// The directory's records, none over the end of a sector; `len` is its own length, `sector` where its files begin.
fn directory(
    names: &BTreeMap<String, &str>,
    files: &BTreeMap<String, Vec<u8>>,
    len: u32,
    mut sector: u32,
) -> Vec<u8> {
    let here = |id, more| Record { sector: DIRECTORY, len, is_directory: true, id, more }.bytes();
    let mut records = vec![here(&[0], &suffix::first()), here(&[1], &suffix::directory())];
    for (id, name) in names {
        let content = files.get(*name).map_or(0, Vec::len);
        let more = [suffix::file(), suffix::name(name)].concat();
        let (id, len) = (id.as_bytes(), number(content));
        records.push(Record { sector, len, is_directory: false, id, more: &more }.bytes());
        sector += number(content.div_ceil(SECTOR));
    }
    let mut bytes: Vec<u8> = Vec::new();
    for record in records {
        if bytes.len() % SECTOR + record.len() > SECTOR {
            bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        }
        bytes.extend(record);
    }
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}

/// The primary volume descriptor (ECMA-119, 8.4) of a volume of `sectors`.
fn descriptor(root: &[u8], sectors: u32) -> Vec<u8> {
    let text = |text: &str, len: usize| format!("{text:len$}").into_bytes();
    let unspecified = [b"0000000000000000".as_slice(), &[0]].concat();
    let mut bytes = b"\x01CD001\x01\0".to_vec();
    bytes.extend([text("LINUX", 32), text(LABEL, 32), vec![0; 8], sectors.both(), vec![0; 32]].concat());
    bytes.extend([1_u16.both(), 1_u16.both(), 2048_u16.both(), 10_u32.both()].concat());
    bytes.extend([PATHS.to_le_bytes(), [0; 4], (PATHS + 1).to_be_bytes(), [0; 4]].concat());
    bytes.extend(root);
    bytes.extend([text("", 128), text("", 128), text("", 128), text("VMBAKE SEED", 128)].concat());
    bytes.extend(text("", 3 * 37));
    (0..4).for_each(|_| bytes.extend(&unspecified));
    bytes.push(1);
    bytes
}

/// Adds `bytes`, up to the end of their last sector.
fn put(image: &mut Vec<u8>, bytes: &[u8]) {
    image.extend(bytes);
    image.resize(image.len().next_multiple_of(SECTOR), 0);
}

/// A count or a size, which limits keep small.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> BTreeMap<String, Vec<u8>> {
        names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect()
    }

    #[test]
    fn names_that_some_reader_would_not_know_are_refused() {
        for name in ["", ".", "a.", ".a", "-a", "a.b.c", "A", "a/b", "a_b", "ä", &"a".repeat(29)] {
            assert_eq!(volume(&files(&[name])), Err(SeedError::Name(name.to_owned())));
        }
        for name in ["a", "a.b", "a-b.c-", &"a".repeat(28)] {
            assert!(volume(&files(&[name])).is_ok(), "{name}");
        }
        assert_eq!(volume(&[("a".to_owned(), vec![0; MOST_BYTES + 1])].into()), Err(SeedError::Size));
    }

    #[test]
    fn a_volume_is_whole_sectors_and_says_how_many() {
        let names: Vec<String> = (0..MOST_FILES).map(|n| format!("a-file-with-a-long-name.{n}")).collect();
        let volume = volume(&files(&names.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
        let sectors = u32::from_le_bytes(volume[16 * SECTOR + 80..][..4].try_into().unwrap());
        assert_eq!(volume.len(), sectors as usize * SECTOR);
        // more than a sector of records, each file in a sector of its own
        assert!(sectors as usize > 21 + MOST_FILES, "{sectors}");
    }
}
