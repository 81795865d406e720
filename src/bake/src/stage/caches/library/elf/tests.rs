//! The tests' own program is a position-independent one, which for this is a library without a name.

use super::*;
use crate::stage::refuse;
use std::cell::RefCell;
use tree::digest::Sha256;
use tree::refusal::Class;

const HERE: Arch = if cfg!(target_arch = "aarch64") { Arch::Arm64 } else { Arch::Amd64 };
const NAMELESS: Option<Shared> = Some(Shared { soname: None, level: 0 });

fn program() -> Vec<u8> {
    std::fs::read(std::env::current_exe().unwrap()).unwrap()
}

#[test]
fn a_large_library_is_read_by_pieces() {
    // bytes after the end of a program do not change what it is; with them there are pieces that nobody has to ask for
    let mut bytes = program();
    bytes.resize(bytes.len() + 3 * usize::try_from(PIECE).unwrap(), 0);
    let len = bytes.len() as u64;
    let pieces: Vec<Sha256> = bytes.chunks(usize::try_from(PIECE).unwrap()).map(Sha256::of).collect();
    let stored = Stored { blob: Sha256::of(b""), offset: 7, len, digest: Sha256::of(&bytes), pieces };
    let asked = RefCell::new(Vec::new());
    let serve = |stored: &Stored| {
        let start = usize::try_from(stored.offset - 7).unwrap();
        let part = &bytes[start..start + usize::try_from(stored.len).unwrap()];
        assert_eq!(Sha256::of(part), stored.digest);
        asked.borrow_mut().push(stored.offset);
        Ok(part.to_vec())
    };
    assert_eq!(read(&Content::Stored(stored), HERE, &serve).unwrap(), NAMELESS);
    assert!(asked.borrow().len() as u64 <= 2, "{asked:?} of {}", len.div_ceil(PIECE));
    assert!(asked.borrow().contains(&7));
}

#[test]
fn a_library_that_cannot_be_read_is_an_error_and_not_absent() {
    let stored =
        Stored { blob: Sha256::of(b""), offset: 0, len: 99, digest: Sha256::of(b""), pieces: Vec::new() };
    let serve = |_: &Stored| Err(refuse(Class::Verification, "blob", "damaged"));
    assert_eq!(read(&Content::Stored(stored), HERE, &serve).unwrap_err().class, Class::Verification);
}

#[test]
fn what_is_cut_off_or_changed_is_no_library_and_no_panic() {
    let mut bytes = program();
    bytes.truncate(1 << 16);
    let inline = |bytes: &[u8]| Content::Inline(bytes.into());
    let never = |_: &Stored| unreachable!("it is inline");
    for len in (0..4096).chain([1 << 15, 1 << 16]) {
        let _ = read(&inline(&bytes[..len]), HERE, &never).unwrap();
    }
    for at in 0..2048 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = bytes.clone();
            changed.truncate(4096);
            changed[at] = value;
            let _ = read(&inline(&changed), HERE, &never).unwrap();
        }
    }
    let other = if HERE == Arch::Amd64 { Arch::Arm64 } else { Arch::Amd64 };
    assert_eq!(read(&inline(&program()), other, &never).unwrap(), None);
    assert_eq!(read(&inline(&program()), HERE, &never).unwrap(), NAMELESS);
}
