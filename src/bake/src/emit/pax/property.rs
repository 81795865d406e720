//! Any entry that is written is read alike by another reader of tars.

use super::{BLOCK, Shape, header, padding};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tree::Meta;
use tree::name::ImagePath;

fn paths() -> impl Strategy<Value = ImagePath> {
    vec("[a-zA-Z0-9 ._+é%=\\\\-]{1,60}", 1..9)
        .prop_filter_map("no path", |parts| format!("/{}", parts.join("/")).parse().ok())
}

fn metas() -> impl Strategy<Value = Meta> {
    // no line feed: this reader takes it for the end of a record, where GNU tar and Python count its bytes
    let byte = any::<u8>().prop_filter("line feed", |byte| *byte != b'\n');
    let xattrs = btree_map("(user|security)\\.[a-z.]{1,20}", vec(byte, 0..40), 0..3);
    (0..0o10000_u16, any::<u32>(), any::<u32>(), any::<i64>(), any::<bool>(), xattrs).prop_map(
        |(mode, uid, gid, mtime, small, xattrs)| match small {
            true => {
                Meta { mode, uid: uid % 70_000, gid: gid % 70_000, mtime: mtime.rem_euclid(1 << 32), xattrs }
            }
            false => Meta { mode, uid, gid, mtime, xattrs },
        },
    )
}

/// What stands in the records before an entry, or else in its header.
fn either(records: &BTreeMap<String, Vec<u8>>, keyword: &str, plain: u64) -> i128 {
    records.get(keyword).map_or(plain.into(), |value| std::str::from_utf8(value).unwrap().parse().unwrap())
}

proptest! {
    #[test]
    fn another_reader_reads_what_was_written(
        path in paths(),
        meta in metas(),
        target in "[a-zé./]{1,300}",
        other in paths(),
        sort in 0..7_u8,
        numbers in (0..1_u32 << 21, 0..1_u32 << 21),
        content in vec(any::<u8>(), 0..2000),
    ) {
        let shape = match sort {
            0 => Shape::Directory,
            1 => Shape::File(content.len() as u64),
            2 => Shape::Symlink(&target),
            3 => Shape::Hardlink(&other),
            4 => Shape::Character(numbers.0, numbers.1),
            5 => Shape::Block(numbers.0, numbers.1),
            _ => Shape::Fifo,
        };
        let mut bytes = header(&path, &meta, shape).unwrap();
        if sort == 1 {
            bytes.extend(&content);
            bytes.resize(bytes.len() + padding(content.len() as u64), 0);
        }
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        let records: BTreeMap<String, Vec<u8>> = match entry.pax_extensions().unwrap() {
            None => BTreeMap::new(),
            Some(all) => all.map(|one| one.unwrap()).map(|one| (one.key().unwrap().to_owned(), one.value_bytes().to_vec())).collect(),
        };
        let slash = if sort == 0 { "/" } else { "" };
        prop_assert_eq!(entry.path_bytes().into_owned(), format!(".{path}{slash}").into_bytes());
        let link = match sort {
            2 => Some(target.into_bytes()),
            3 => Some(format!(".{other}").into_bytes()),
            _ => None,
        };
        prop_assert_eq!(entry.link_name_bytes().map(std::borrow::Cow::into_owned), link);
        let head = entry.header().clone();
        prop_assert_eq!(head.mode().unwrap(), u32::from(meta.mode));
        prop_assert_eq!(either(&records, "uid", head.uid().unwrap()), i128::from(meta.uid));
        prop_assert_eq!(either(&records, "gid", head.gid().unwrap()), i128::from(meta.gid));
        prop_assert_eq!(either(&records, "mtime", head.mtime().unwrap()), i128::from(meta.mtime));
        if sort == 4 || sort == 5 {
            let device = (head.device_major().unwrap(), head.device_minor().unwrap());
            prop_assert_eq!(device, (Some(numbers.0), Some(numbers.1)));
        }
        if sort != 3 {
            for (name, value) in &meta.xattrs {
                prop_assert_eq!(records.get(&format!("SCHILY.xattr.{name}")), Some(value));
            }
        }
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut read).unwrap();
        prop_assert_eq!(read, if sort == 1 { content } else { Vec::new() });
        prop_assert!(entries.next().is_none());
    }
}
