//! The readers of the baker.

use ::bake::archive::decompress::{self, Form, Limits};
use ::bake::archive::tar::{self, Policy, Shape};
use ::bake::archive::{ar, deb, elf};
use ::bake::fetch::{Proxies, Proxy, apt};
use ::bake::{deb822, debian, lock, manifest, recipe, stage};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use tree::merged;
use tree::name::{Arch, ImagePath};

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
    if let Ok(stream) = deb::stream(&mut input, layout.data, Limits::of_files(OUTPUT)) {
        read_tar(stream, Policy::DEBIAN);
    }
}

/// A tar; its first byte chooses the policy.
pub fn tar(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let open = Policy { pax: true, devices: true, xattrs: true, ..Policy::DEBIAN };
    read_tar(rest, [Policy::DEBIAN, Policy::UPSTREAM, open, Policy::LAYER][usize::from(*first) % 4]);
}

/// A compressed stream; its first byte chooses the form.
pub fn decompress(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let forms = [Form::Plain, Form::Gzip, Form::Xz, Form::Zstd, Form::GzipMembers, Form::ZstdFrames];
    let form = forms[usize::from(*first) % forms.len()];
    let Ok(mut reader) = decompress::reader(form, rest, Limits { output: OUTPUT, ratio: 200, free: 4096 })
    else {
        return;
    };
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

/// A kernel module, of which the indexes of modules and the initrd's table are made: lines and words of text.
pub fn kernel_module(bytes: &[u8]) {
    let Some(said) = stage::module_says(bytes) else { return };
    assert!(said.iter().all(|text| text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control())));
}

/// Fields of Debian's control files: no name twice, none empty.
pub fn deb822(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for paragraph in deb822::paragraphs(text).map_while(Result::ok) {
        assert!(paragraph.fields().len() <= deb822::MAX_FIELDS);
        for (name, value) in paragraph.fields() {
            assert!(!name.is_empty() && paragraph.get(name) == Some(value));
        }
    }
}

/// A Packages file.
pub fn index(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    use debian::index::Layout;
    for layout in [Layout::Pool, Layout::Anywhere, Layout::Flat] {
        if let Ok(offers) = debian::index::parse_as(text, 0, Arch::Amd64, layout) {
            assert!(offers.len() <= text.len());
            assert!(offers.iter().all(|offer| debian::index::is_deb_path(offer.file)));
        }
    }
}

/// A signed message, and the Release in it: what is signed is of the input, and holds no second message.
pub fn inrelease(bytes: &[u8]) {
    use debian::inrelease::Headers;
    // a Release beside its signature: the one ends where the other begins
    let begin = b"-----BEGIN PGP SIGNATURE-----";
    let middle = bytes.windows(begin.len()).position(|part| part == begin).unwrap_or(bytes.len());
    if let Ok(message) = debian::inrelease::detached(&bytes[..middle], &bytes[middle..]) {
        _ = debian::release::parse(message.text);
    }
    // what is right without headers is right where there may be some
    let lenient = debian::inrelease::split_with(bytes, Headers::Program);
    assert!(lenient.is_ok() || debian::inrelease::split(bytes).is_err());
    let Ok(message) = debian::inrelease::split(bytes) else { return };
    assert!(message.signed().len() <= 2 * bytes.len());
    assert!(bytes.ends_with(message.signatures.as_bytes()));
    // whatever it says, it is an answer
    _ = debian::release::parse(&message.text());
}

/// A manifest: what is printed of one is read as the same.
pub fn manifest(bytes: &[u8]) {
    if let Ok(read) = manifest::parse("fuzz", bytes) {
        assert_eq!(manifest::parse("fuzz", manifest::print(&read).as_bytes()).ok(), Some(read));
    }
}

/// A `recipe.toml`.
pub fn recipe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // whatever it says, it is an answer
    _ = recipe::parse("fuzz", text);
}

/// A lock: what is printed of one is read as the same.
pub fn lock(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(read) = lock::parse(text) {
        assert_eq!(lock::parse(&lock::print(&read)).ok(), Some(read));
    }
}

/// A machine's apt sources in both styles, its lists of mirrors, and its apt.conf.
pub fn apt_sources(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for sources in [apt::sources::parse_sources(&text), apt::sources::parse_list(&text)] {
        let roots = apt::sources::roots(&sources);
        assert!(roots.debian.len().max(roots.debian_security.len()) <= sources.len());
    }
    assert!(apt::sources::parse_mirrors(&text).iter().all(|uri| !uri.is_empty()));
    let settings = apt::config::settings([text.into_owned()]);
    let any = Proxies::from(Proxy::Direct) == apt::config::proxies(&settings, Proxy::Direct);
    assert!(any || settings.keys().any(|name| name.contains("proxy")));
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
            assert!(
                seen.get(&directory).is_none_or(|shape| *shape == Shape::Directory),
                "below what is not a directory"
            );
            above = directory.parent();
        }
        match &entry.shape {
            Shape::Hardlink(target) => {
                let target = if policy.merged { merged(target) } else { target.clone() };
                assert!(
                    matches!(seen.get(&target), Some(Shape::File { .. })),
                    "a hard link to no file before it"
                );
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
