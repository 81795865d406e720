//! Stores with a key: those that keep what is derived.

use std::path::{Path, PathBuf};
use store::{Key, Options, Store};
use tree::digest::Sha256;

const SECRET: [u8; 32] = [7; 32];

/// How they are opened: all with the same key.
#[must_use]
pub fn options() -> Options {
    Options { key: Some(Key::new(SECRET)), ..Options::default() }
}

/// Opens one.
pub fn open(root: &Path) -> tree::refusal::Result<Store> {
    Store::open_with(root, &options())
}

/// Where such a store has a note.
#[must_use]
pub fn note_path(root: &Path, kind: &str, input: &Sha256) -> PathBuf {
    let (key, hex) = (Key::new(SECRET), input.hex());
    root.join("notes").join(kind).join(key.id()).join(&hex[..2]).join(hex)
}
