//! What the fuzzers in `fuzz/` call, one function a target; also run over the committed corpora by a plain test.
//!
//! Each takes any bytes. It ends in bounded time and memory, and it checks what holds for everything that the reader
//! accepts, so that a fuzzer finds more than panics.

use crate::archive::decompress::{self, Form, Limits};
use crate::archive::tar::{self, Policy, Shape};
use crate::archive::{ar, deb, elf};
use crate::name::{Arch, ImagePath};
use crate::tree::merged;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// The structure of a `.deb`: its parts lie within the file, one after the other.
pub fn ar(bytes: &[u8]) {
    let length = bytes.len() as u64;
    if let Ok(layout) = ar::layout(&mut Cursor::new(bytes), length) {
        let end = |part: ar::Part| part.offset + part.size;
        assert!(end(layout.control) <= layout.data.offset && end(layout.data) <= length);
    }
}

/// A whole `.deb`.
pub fn package(bytes: &[u8]) {
    let mut input = Cursor::new(bytes);
    let Ok((layout, control)) = deb::control(&mut input, bytes.len() as u64) else { return };
    assert!(control.iter().any(|file| file.name == "control"));
    if let Ok(stream) = deb::stream(&mut input, layout.data, Limits::up_to(OUTPUT)) {
        read_tar(stream, Policy::DEBIAN);
    }
}

/// A tar; its first byte chooses the policy.
pub fn tar(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let open = Policy { pax: true, devices: true, xattrs: true, ..Policy::DEBIAN };
    read_tar(rest, [Policy::DEBIAN, Policy::UPSTREAM, open][usize::from(*first) % 3]);
}

/// A compressed stream; its first byte chooses the form.
pub fn decompress(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let form = [Form::Plain, Form::Gzip, Form::Xz, Form::Zstd][usize::from(*first) % 4];
    let Ok(mut reader) = decompress::reader(form, rest, Limits { output: OUTPUT, ratio: 200, free: 4096 }) else { return };
    let (mut buffer, mut total) = ([0; 4096], 0_u64);
    while let Ok(got @ 1..) = reader.read(&mut buffer) {
        total += got as u64;
        assert!(total <= OUTPUT && total <= (200 * rest.len() as u64).max(4096));
    }
}

/// A program.
pub fn elf(bytes: &[u8]) {
    for arch in Arch::ALL {
        let strict = elf::check(Cursor::new(bytes), arch, true).is_ok();
        assert!(!strict || elf::check(Cursor::new(bytes), arch, false).is_ok());
    }
}

/// What a target may decompress to.
const OUTPUT: u64 = 1 << 20;

/// Reads all of a tar and checks what later stages rely on.
fn read_tar<R: Read>(input: R, policy: Policy) {
    let mut archive = tar::Reader::new(input, policy, tar::Limits::default());
    let mut seen: BTreeMap<ImagePath, Shape> = BTreeMap::new();
    while let Ok(Some(entry)) = archive.next() {
        let key = if policy.merged { merged(&entry.path) } else { entry.path.clone() };
        let mut above = key.parent();
        while let Some(directory) = above {
            assert!(seen.get(&directory).is_none_or(|shape| *shape == Shape::Directory), "below what is no directory");
            above = directory.parent();
        }
        match &entry.shape {
            Shape::Hardlink(target) => {
                let target = if policy.merged { merged(target) } else { target.clone() };
                assert!(matches!(seen.get(&target), Some(Shape::File { .. })), "a hard link to no file before it");
            }
            Shape::File { size, .. } => {
                let mut length = 0;
                let whole = archive.content(|chunk| {
                    length += chunk.len() as u64;
                    Ok(())
                });
                assert!(whole.is_err() || length == *size);
            }
            _ => {}
        }
        assert!(policy.special_bits || entry.meta.mode <= 0o777);
        assert!(policy.xattrs || entry.meta.xattrs.is_empty());
        assert!(seen.insert(key, entry.shape).is_none(), "a path twice");
    }
}
