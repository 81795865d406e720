//! Tars by hand, so that each byte of a header can be wrong.

use super::BLOCK;
use std::fmt::Write as _;

/// A header with its checksum; `edit` changes it before that is computed.
pub(super) fn header(name: &[u8], kind: u8, size: u64, edit: impl FnOnce(&mut [u8; BLOCK])) -> Vec<u8> {
    let mut block = [0; BLOCK];
    let length = name.len().min(100);
    block[..length].copy_from_slice(&name[..length]);
    let mode = if kind == b'5' { "0000755\0" } else { "0000644\0" };
    for (at, text) in
        [(100, mode), (108, "0000000\0"), (116, "0000000\0"), (136, "00000000017\0"), (257, "ustar  \0")]
    {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[156] = kind;
    edit(&mut block);
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.to_vec()
}

pub(super) fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

pub(super) fn with(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    [header(name.as_bytes(), kind, content.len() as u64, |_| ()), padded(content)].concat()
}

pub(super) fn file(name: &str) -> Vec<u8> {
    with(name, b'0', b"text")
}

pub(super) fn dir(name: &str) -> Vec<u8> {
    with(name, b'5', b"")
}

pub(super) fn link(kind: u8, name: &str, target: &str) -> Vec<u8> {
    header(name.as_bytes(), kind, 0, |block| {
        block[157..157 + target.len()].copy_from_slice(target.as_bytes());
    })
}

pub(super) fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (1..6).map(|digits| rest + digits).find(|n| rest + n.to_string().len() == *n).unwrap();
        writeln!(text, "{length} {key}={value}").unwrap();
    }
    with("PaxHeaders/x", b'x', text.as_bytes())
}

pub(super) fn long(kind: u8, name: &str) -> Vec<u8> {
    with("././@LongLink", kind, format!("{name}\0").as_bytes())
}

pub(super) const END: [u8; 1024] = [0; 1024];
