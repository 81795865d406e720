use super::*;
use make::{END, dir, file, header, link, long, padded, pax, with};

mod make;

fn read(bytes: &[u8], policy: Policy) -> Result<Vec<TarEntry>, TarError> {
    let mut reader = Reader::new(bytes, policy, Limits::default());
    let mut entries = Vec::new();
    while let Some(entry) = reader.next()? {
        entries.push(entry);
    }
    Ok(entries)
}

/// The entries' paths under the policy of Debian.
fn paths(parts: &[Vec<u8>]) -> Result<Vec<String>, String> {
    let entries = read(&[&parts.concat()[..], &END].concat(), Policy::DEBIAN).map_err(|e| e.to_string())?;
    Ok(entries.into_iter().map(|entry| entry.path.to_string()).collect())
}

fn refusal(parts: &[Vec<u8>]) -> String {
    refusal_under(Policy::DEBIAN, parts)
}

fn refusal_under(policy: Policy, parts: &[Vec<u8>]) -> String {
    match read(&[&parts.concat()[..], &END].concat(), policy) {
        Ok(entries) => panic!("taken: {entries:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_archive_as_dpkg_deb_makes_it_is_read() {
    let parts = [
        dir("./"),
        dir("./usr/"),
        dir("./usr/bin/"),
        file("./usr/bin/x"),
        link(b'1', "./usr/bin/y", "./usr/bin/x"),
        link(b'2', "./usr/bin/z", "../../../anywhere"),
        long(b'L', &format!("./usr/{}", "l".repeat(200))),
        file(&format!("./usr/{}", "l".repeat(94))),
    ];
    let bytes = [&parts.concat()[..], &END, &[0; 9 * 1024]].concat();
    let entries = read(&bytes, Policy::DEBIAN).unwrap();
    let shapes: Vec<_> = entries.iter().map(|e| (e.path.as_str(), &e.shape)).collect();
    let of = Shape::Hardlink("/usr/bin/x".parse().unwrap());
    assert_eq!(shapes[3], ("/usr/bin/x", &Shape::File { offset: 2048, size: 4 }));
    assert_eq!(shapes[4], ("/usr/bin/y", &of));
    assert_eq!(shapes[5], ("/usr/bin/z", &Shape::Symlink("../../../anywhere".to_owned())));
    assert_eq!(shapes[6].0.len(), 205);
    assert_eq!(shapes[0].0, "/");
    assert_eq!((entries[3].meta.mode, entries[3].meta.mtime, entries[0].meta.mode), (0o644, 15, 0o755));
}

#[test]
fn contents_are_given_whole_or_passed_over() {
    let long: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let bytes = [with("a", b'0', &long), file("b"), END.to_vec()].concat();
    let mut reader = Reader::new(&bytes[..], Policy::UPSTREAM, Limits::default());
    reader.next().unwrap();
    let mut seen = Vec::new();
    reader
        .content(|chunk| {
            seen.extend_from_slice(chunk);
            Ok(())
        })
        .unwrap();
    assert!(seen == long);
    assert_eq!(reader.next().unwrap().unwrap().path.as_str(), "/b");
    assert_eq!(reader.next().unwrap(), None);
}

#[test]
fn paths_that_leave_the_root_or_are_no_paths_refuse_the_whole_archive() {
    for name in [
        "../x",
        "/x",
        "a/../../x",
        "//x",
        "",
        ".",
        "a//b",
        "a/./b",
        "a/..",
        "./../x",
        ".//x",
        "././x",
        "..",
        "a\nb",
        "a/",
        "./",
    ] {
        refusal(&[file("good"), file(name)]);
        if !["./", "a/"].contains(&name) {
            refusal(&[dir(name)]);
        }
        refusal(&[long(b'L', name), file("x")]);
    }
    assert!(refusal(&[header(b"a\xff", b'0', 0, |_| ())]).contains("not UTF-8"));
    for name in ["a//", "/", "./.", "./a//"] {
        refusal(&[dir(name)]);
    }
}

#[test]
fn nothing_is_below_a_link_and_no_hard_link_leaves_the_archive() {
    for target in ["/etc", "..", "usr"] {
        assert!(refusal(&[link(b'2', "d", target), file("d/x")]).contains("to be a directory"));
        assert!(refusal(&[file("d/x"), link(b'2', "d", target)]).contains("to be a directory"));
    }
    for target in ["../x", "/etc/passwd", "missing", "later", "d", "s", "s/x", ""] {
        let parts = [dir("d"), link(b'2', "s", "d"), file("d/x"), link(b'1', "h", target), file("later")];
        let said = refusal(&parts);
        // what is a path of the archive, and no file of it, is named; the others are no such path
        let no_file = ["missing", "later", "d", "s", "s/x"].contains(&target);
        let expected = format!(
            "`/h` is a hard link to `/{target}`, which is not an earlier regular file of the archive"
        );
        assert_eq!(said == expected, no_file, "{target}: {said}");
    }
    let said = refusal(&[link(b'1', "h", "h")]);
    assert_eq!(said, "`/h` is a hard link to `/h`, which is not an earlier regular file of the archive");
}

#[test]
fn names_and_targets_with_characters_that_are_not_seen_are_refused() {
    for c in ['\u{202e}', '\u{200b}', '\u{feff}', '\u{2028}'] {
        let name = format!("a{c}b");
        assert!(refusal(&[file(&name)]).contains("not seen"), "{c:?}");
        assert!(refusal(&[dir(&name)]).contains("not seen"), "{c:?}");
        assert!(refusal(&[link(b'2', "l", &name)]).contains("invisible"), "{c:?}");
        assert!(refusal(&[file("f"), link(b'1', "l", &name)]).contains("not seen"), "{c:?}");
    }
}

#[test]
fn hard_links_to_hard_links_name_the_file() {
    let bytes = [file("a"), link(b'1', "b", "a"), link(b'1', "c", "./b"), END.to_vec()].concat();
    let entries = read(&bytes, Policy::DEBIAN).unwrap();
    assert_eq!(entries[2].shape, Shape::Hardlink("/a".parse().unwrap()));
    // one file cannot have two modes
    let odd = header(b"b", b'1', 0, |block| {
        block[157] = b'a';
        block[100..107].copy_from_slice(b"0000600");
    });
    assert!(refusal(&[file("a"), odd]).contains("different modes"));
}

#[test]
fn merged_directories_are_the_one_place_below_a_link() {
    assert_eq!(paths(&[link(b'2', "bin", "usr/bin"), file("bin/x"), file("usr/bin/y")]).unwrap().len(), 3);
    assert!(refusal(&[file("bin/x"), file("usr/bin/x")]).contains("duplicate path"));
    assert!(refusal(&[link(b'2', "usr/bin", "elsewhere"), file("bin/x")]).contains("to be a directory"));
    assert!(
        refusal_under(Policy::UPSTREAM, &[link(b'2', "bin", "usr/bin"), file("bin/x")])
            .contains("to be a directory")
    );
}

#[test]
fn a_link_and_a_directory_of_one_name_are_refused() {
    assert!(refusal(&[link(b'2', "d", "/victim"), dir("d/")]).contains("duplicate path"));
    assert!(refusal(&[dir("d/"), link(b'2', "d", "/victim")]).contains("duplicate path"));
}

#[test]
fn sizes_that_disagree_are_refused() {
    for (size, said) in
        [(0, "4"), (4, "0"), (4, "5"), (4, "9223372036854775807"), (4, "18446744073709551616")]
    {
        let entry =
            [header(b"f", b'0', size, |_| ()), padded(&vec![b'x'; usize::try_from(size).unwrap()])].concat();
        refusal_under(Policy::UPSTREAM, &[pax(&[("size", said)]), entry]);
    }
    let same = [pax(&[("size", "4"), ("path", "./p")]), file("f")].concat();
    assert_eq!(read(&[&same[..], &END].concat(), Policy::UPSTREAM).unwrap()[0].path.as_str(), "/p");
}

#[test]
fn chains_of_headers_are_refused() {
    let (x, l, k) = (pax(&[("path", "p")]), long(b'L', "long"), long(b'K', "long"));
    let target = || link(b'2', "s", "t");
    for chain in [
        vec![x.clone(), l.clone(), file("f")],
        vec![l.clone(), x.clone(), file("f")],
        vec![x.clone(), k.clone(), target()],
        vec![x.clone(), x.clone(), file("f")],
        vec![l.clone(), l.clone(), file("f")],
        vec![k.clone(), l.clone(), k.clone(), target()],
        vec![k.clone(), file("f")],
        vec![pax(&[("linkpath", "p")]), file("f")],
        vec![file("f"), x.clone()],
        vec![l.clone()],
        vec![with("g", b'g', b"12 comment=a\n"), file("f")],
        vec![with("x", b'x', b""), file("f")],
        vec![with("L", b'L', b"no nul"), file("f")],
        vec![with("L", b'L', b"two\0nuls\0"), file("f")],
        vec![with("L", b'L', b"\0"), file("f")],
    ] {
        refusal_under(Policy::UPSTREAM, &chain);
    }
    let both = [k, l, target(), END.to_vec()].concat();
    assert_eq!(read(&both, Policy::UPSTREAM).unwrap()[0].shape, Shape::Symlink("long".to_owned()));
    assert!(refusal(&[x, file("f")]).contains("dpkg"));
}

#[test]
fn sparse_files_and_unknown_types_are_refused() {
    for kind in [b'S', b'7', b'D', b'M', b'V', b'N', b'A', b'X', b'9', b' ', 0xff] {
        refusal(&[with("f", kind, b"")]);
    }
    refusal_under(
        Policy::UPSTREAM,
        &[pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]), file("f")],
    );
    for kind in [b'1', b'2', b'5'] {
        let content = [
            header(b"d", kind, 4, |block| block[157] = if kind == b'5' { 0 } else { b'f' }),
            padded(b"text"),
        ];
        refusal(&[vec![file("f")], content.to_vec()].concat());
    }
}

#[test]
fn blocks_that_readers_take_differently_are_refused() {
    let edits: &[fn(&mut [u8; BLOCK])] = &[
        |block| block[50] = b'x',
        |block| block[345] = b'p',
        |block| block[257..265].copy_from_slice(b"ustar\x0001"),
        |block| block[257] = 0,
        |block| block[510] = 1,
        |block| block[157] = b't',
        |block| block[108..116].copy_from_slice(b"-0000001"),
        |block| block[124..136].copy_from_slice(b"4          9"),
        |block| block[124..136].copy_from_slice(&[0xff; 12]),
        |block| block[124..136].copy_from_slice(b"            "),
        |block| block[100..108].copy_from_slice(b"0120644\0"),
        |block| block[136] = 0xff,
    ];
    for edit in edits {
        refusal(&[header(b"f", b'0', 0, edit)]);
    }
    let mut wrong_sum = file("f");
    wrong_sum[0] = b'g';
    assert!(refusal(&[wrong_sum]).contains("checksum"));
    let ustar = header(b"f", b'0', 0, |block| {
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[345..348].copy_from_slice(b"a/b");
    });
    assert_eq!(paths(&[ustar]).unwrap(), ["/a/b/f"]);
}

#[test]
fn path_twice_is_refused() {
    for pair in [
        [file("a"), file("a")],
        [file("a"), file("./a")],
        [file("a"), dir("a/")],
        [dir("a/"), dir("a")],
        [file("a"), file("a/b")],
        [file("a/b"), file("a")],
        [dir("./"), dir("./")],
        [file("f\u{151}"), file("fo\u{30b}")],
        [link(b'2', "a", "b"), file("a")],
    ] {
        let error = refusal(&pair);
        assert!(error.contains("duplicate path") || error.contains("to be a directory"), "{error}");
    }
    // what is only implied may be said later
    assert_eq!(paths(&[file("a/b"), dir("a/"), dir("./")]).unwrap(), ["/a/b", "/a", "/"]);
}

#[test]
fn case_twins_are_for_debian_alone() {
    for pair in [
        [file("xt_TCPMSS.ko"), file("xt_tcpmss.ko")],
        [file("A/x"), file("a/X")],
        [file("\u{d6}"), file("\u{f6}")],
    ] {
        assert!(refusal_under(Policy::UPSTREAM, &pair).contains("duplicate path"));
        assert_eq!(paths(&pair).unwrap().len(), 2);
    }
}

#[test]
fn devices_special_bits_attributes_and_odd_owners_are_refused() {
    for kind in [b'3', b'4', b'6'] {
        assert!(refusal(&[with("d", kind, b"")]).contains("device or FIFO"));
    }
    for (mode, what) in [(b"0004755", "setuid"), (b"0002755", "setuid"), (b"0001777", "setuid")] {
        let special = || header(b"f", b'0', 0, |block| block[100..107].copy_from_slice(mode));
        assert!(refusal_under(Policy::UPSTREAM, &[special()]).contains(what));
        assert!(paths(&[special()]).is_ok());
    }
    let capability = [pax(&[("SCHILY.xattr.security.capability", "x")]), file("f")];
    assert!(refusal_under(Policy::UPSTREAM, &capability).contains("`security.capability`"));
    let allowed = Policy { xattrs: true, ..Policy::UPSTREAM };
    let entries = read(&[&capability.concat()[..], &END].concat(), allowed).unwrap();
    assert_eq!(entries[0].meta.xattrs["security.capability"], b"x");
    let odd = header(b"f", b'0', 0, |block| block[108..115].copy_from_slice(b"0001750"));
    assert!(refusal(std::slice::from_ref(&odd)).contains("unexpected owner 1000"));
    let entries = read(&[&odd[..], &END].concat(), Policy::UPSTREAM).unwrap();
    assert_eq!((entries[0].meta.uid, entries[0].meta.gid), (0, 0));
}

#[test]
fn lengths_beyond_the_limits_take_no_memory() {
    for (kind, size) in [(b'L', (1 << 33) - 1), (b'K', 65_537), (b'x', 1 << 32), (b'x', (1 << 33) - 1)] {
        assert!(refusal_under(Policy::UPSTREAM, &[header(b"x", kind, size, |_| ())]).contains("too long"));
    }
    let huge = header(b"x", b'x', 0, |block| {
        block[124..136].copy_from_slice(b"\x80\0\0\0\x80\0\0\0\0\0\0\0");
    });
    assert!(refusal_under(Policy::UPSTREAM, std::slice::from_ref(&huge)).contains("too long"));
    let mut file = huge;
    file[156] = b'0';
    let file = header(b"x", b'0', 0, |block| block.copy_from_slice(&file));
    refusal_under(Policy::UPSTREAM, &[file]);
    refusal_under(Policy::UPSTREAM, &[with("x", b'x', b"9223372036854775808 path=x\n"), self::file("f")]);
    let regions = "1,1,".repeat(10_000);
    refusal_under(Policy::UPSTREAM, &[pax(&[("GNU.sparse.map", &regions)]), self::file("f")]);
}

#[test]
fn an_archive_ends_with_two_blocks_of_zeros_and_zeros() {
    let good = file("f");
    let ends: [(&[u8], bool); 9] = [
        (&[], false),
        (&[0; 512], false),
        (&[0; 1024], true),
        (&[0; 1536], true),
        (&[0; 10240], true),
        (&[0; 1025], false),
        (&[0; 1023], false),
        (&[&[0; 1024][..], b"x"].concat(), false),
        (&[&[0; 1024][..], &file("g"), &END].concat(), false),
    ];
    for (end, fine) in ends {
        assert_eq!(read(&[&good[..], end].concat(), Policy::DEBIAN).is_ok(), fine, "{}", end.len());
    }
    let one_zero = [&good[..], &[0; 512], &file("g"), &END].concat();
    assert!(read(&one_zero, Policy::DEBIAN).unwrap_err().to_string().contains("after the end"));
    let mut padding = good.clone();
    padding[600] = 1;
    assert!(refusal(&[padding]).contains("padding"));
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let whole = [dir("./"), file("./f"), link(b'2', "l", "t"), END.to_vec()].concat();
    for cut in 0..whole.len() {
        assert!(read(&whole[..cut], Policy::DEBIAN).is_err(), "{cut}");
    }
}

#[test]
fn entries_depth_and_names_have_limits() {
    let empty = |name: &str| header(name.as_bytes(), b'0', 0, |_| ());
    let limits = Limits { entries: 1000, names: 100_000, ..Limits::default() };
    let first_error = |parts: Vec<Vec<u8>>| {
        let bytes = [&parts.concat()[..], &END].concat();
        let mut reader = Reader::new(&bytes[..], Policy::DEBIAN, limits);
        loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        }
    };
    let files = |count: u32| (0..count).map(|n| empty(&format!("f{n}"))).collect();
    assert_eq!(first_error(files(1000)), None);
    assert_eq!(first_error(files(1001)).unwrap(), "too many entries: expected at most 1000");
    let directories = vec!["n".repeat(250); 12].join("/");
    let deep = |count: u32| {
        (0..count).flat_map(|n| [long(b'L', &format!("{directories}/{n}")), empty("x")]).collect()
    };
    assert_eq!(first_error(deep(20)), None);
    assert_eq!(first_error(deep(40)).unwrap(), "too many bytes of names: expected at most 100000");
    assert_eq!(Limits::default(), Limits { entries: 200_000, depth: 64, names: 32 << 20 });
    assert!(refusal(&[long(b'L', &"d/".repeat(1000)), dir("x")]).contains("more than 64 parts"));
    assert!(refusal(&[long(b'L', &"n".repeat(256)), file("x")]).contains("255 bytes"));
    assert!(refusal(&[long(b'L', &format!("{}x", "n/".repeat(2048))), file("x")]).contains("parts"));
    let wide = vec!["n".repeat(250); 17].join("/");
    assert!(refusal(&[long(b'L', &wide), file("x")]).contains("4095 bytes"));
}
