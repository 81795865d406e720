//! The judges are fsck.fat and mtools: what they say of a volume, and the bytes that they read from it.

use super::*;
use std::path::Path;
use std::process::Command;

fn volume(files: Files<'_>, size: u64) -> Vec<u8> {
    let options =
        Options { size, offset: 1 << 20, volume_id: 0x1234_abcd, label: "ESP", epoch: 1_789_199_741 };
    let Laid { image, .. } = fat32(files, &options).unwrap();
    let mut out = vec![0; usize::try_from(image.size).unwrap()];
    let mut before = 0;
    for Segment { offset, chunk } in &image.segments {
        assert!(offset.is_multiple_of(ALIGN) && *offset >= before && chunk.len > 0, "{offset}");
        before = (offset + chunk.len).next_multiple_of(ALIGN);
        let mut at = usize::try_from(*offset).unwrap();
        for part in &chunk.parts {
            let bytes = match part {
                Part::Raw(bytes) => bytes.clone(),
                Part::Range(range) => {
                    let Content::Inline(bytes) = range.content else { panic!("no such content here") };
                    let from = usize::try_from(range.offset).unwrap();
                    bytes[from..from + usize::try_from(range.len).unwrap()].to_vec()
                }
            };
            out[at..at + bytes.len()].copy_from_slice(&bytes);
            at += bytes.len();
        }
    }
    out
}

fn run(program: &str, args: &[&str]) -> (bool, Vec<u8>) {
    let run = Command::new(program).env("MTOOLS_SKIP_CHECK", "0").args(args).output().unwrap();
    (run.status.success(), [run.stdout, run.stderr].concat())
}

fn check(path: &Path) -> String {
    let (well, said) = run("fsck.fat", &["-n", "-v", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(well && is_whole(&said), "{said}");
    said
}

/// Whether fsck.fat found nothing: it exits with 0 where a copy of the boot sector differs, so what it prints decides.
fn is_whole(said: &str) -> bool {
    !["differ", "Not automatically", "rong", "ad ", "not ", "irty", "orrupt"]
        .iter()
        .any(|bad| said.contains(bad))
}

/// Demands that each part of a volume that is there twice is there twice alike.
fn copies_are_alike(volume: &[u8]) {
    let short = |at: usize| usize::from(u16::from_le_bytes([volume[at], volume[at + 1]]));
    let long =
        |at: usize| usize::try_from(u32::from_le_bytes(volume[at..at + 4].try_into().unwrap())).unwrap();
    // where the boot sector says that its copy is; that of the free space is one sector on
    let copy = short(50) * 512;
    assert_eq!((short(48), copy), (1, 6 * 512));
    assert!(
        volume[..1024] == volume[copy..copy + 1024],
        "boot sector and free space differ from their copies"
    );
    assert_eq!((&volume[510..512], &volume[512..516]), (&[0x55, 0xaa][..], &b"RRaA"[..]));
    let (first, len) = (short(14) * 512, long(36) * 512);
    assert_eq!(volume[16], 2);
    assert!(volume[first..first + len] == volume[first + len..first + 2 * len], "the two tables differ");
    assert_ne!(volume[first..first + 8], [0; 8]);
}

#[test]
fn a_bad_copy_is_told_from_what_the_checker_prints() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("esp");
    let files = || Files::from([("loader/loader.conf".to_owned(), Source::Bytes(b"timeout 0\n".to_vec()))]);
    let good = volume(files(), 34 << 20);
    copies_are_alike(&good);
    // the name in the copy of the boot sector; its signature; an entry of the second table
    let second = (128 + usize::try_from(u32::from_le_bytes(good[36..40].try_into().unwrap())).unwrap()) * 512;
    for at in [6 * 512 + 3, 6 * 512 + 510, second + 8] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let (well, said) = run("fsck.fat", &["-n", "-v", path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!well || !is_whole(&said), "{at}: {said}");
    }
}

#[test]
fn other_programs_find_it_whole_and_read_every_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("esp");
    let large: Content =
        Content::Inline((0..9_000_001_u32).map(|n| (n / 7 % 251) as u8).collect::<Vec<_>>().into());
    let (kernel, empty) = ("/boot/vmlinuz".parse().unwrap(), Content::Inline(Vec::new().into()));
    for size in [34 << 20, 64 << 20, 300 << 20] {
        let mut files = Files::new();
        files.insert("EFI/BOOT/BOOTX64.EFI".into(), Source::Bytes(vec![7; 70_000]));
        files.insert("EFI/systemd/systemd-bootx64.efi".into(), Source::Bytes(vec![8; 65_536]));
        files.insert("loader/loader.conf".into(), Source::Bytes(b"timeout 0\n".to_vec()));
        files.insert("base/6.12.57+deb13-cloud-amd64/linux".into(), Source::File(&kernel, &large));
        files.insert("empty".into(), Source::File(&kernel, &empty));
        for number in 0..200 {
            files.insert(format!("many/a file of a long name, number {number}"), Source::Bytes(vec![number]));
        }
        let volume = volume(files, size);
        copies_are_alike(&volume);
        std::fs::write(&path, volume).unwrap();
        let said = check(&path);
        assert!(said.contains("205 files") || said.contains("files, "), "{said}");
        let shown = path.to_str().unwrap();
        let read = |name: &str| run("mtype", &["-i", shown, &format!("::{name}")]);
        assert_eq!(read("EFI/BOOT/BOOTX64.EFI"), (true, vec![7; 70_000]));
        assert_eq!(read("efi/SYSTEMD/systemd-bootx64.efi"), (true, vec![8; 65_536]));
        assert_eq!(read("loader/loader.conf"), (true, b"timeout 0\n".to_vec()));
        assert_eq!(read("many/a file of a long name, number 199"), (true, vec![199]));
        assert_eq!(read("empty"), (true, Vec::new()));
        let (well, bytes) = read("base/6.12.57+deb13-cloud-amd64/linux");
        let Content::Inline(expected) = &large else { unreachable!() };
        assert!(well && bytes == **expected);
        let (_, listing) = run("mdir", &["-i", shown, "-/", "::"]);
        let listing = String::from_utf8(listing).unwrap();
        assert!(listing.contains("Volume in drive : is ESP") && listing.contains("1234-ABCD"), "{listing}");
        assert!(listing.contains("2026-09-12"), "{listing}");
    }
}

#[test]
fn our_own_reader_reads_every_file_and_directory() {
    let (one, other) = ("/boot/vmlinuz".parse().unwrap(), Content::Inline(vec![9; 3_000_001].into()));
    for size in [34 << 20, 64 << 20, 300 << 20] {
        let long = "a name that takes more than one piece of thirteen units, Főtanúsítvány.conf";
        let made: BTreeMap<String, Vec<u8>> = [
            ("EFI/BOOT/BOOTX64.EFI".to_owned(), vec![7; 70_000]),
            (format!("loader/entries/{long}"), b"linux /linux\n".to_vec()),
            ("empty".to_owned(), Vec::new()),
        ]
        .into_iter()
        .chain((0..200).map(|nth| (format!("many/file number {nth}"), vec![nth; 1 + usize::from(nth) * 700])))
        .collect();
        let mut files: Files<'_> =
            made.iter().map(|(path, bytes)| (path.clone(), Source::Bytes(bytes.clone()))).collect();
        files.insert("base/linux".into(), Source::File(&one, &other));
        let bytes = volume(files, size);
        let volume = Volume::open(&bytes).unwrap();
        for (path, bytes) in &made {
            assert!(volume.read(path).unwrap() == *bytes, "{path}");
            assert!(volume.read(&path.to_lowercase().replace('/', "\\")).unwrap() == *bytes, "{path}");
        }
        assert_eq!(volume.read("/base/linux").unwrap(), [9; 3_000_001]);
        let names = |path: &str| {
            let listed = volume.list(path).unwrap().into_iter().map(|entry| entry.name);
            listed.filter(|name| !name.starts_with('.')).collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["base", "EFI", "empty", "loader", "many"]);
        assert_eq!((names("loader/entries"), names("many").len()), (vec![long.to_owned()], 200));
        assert_eq!(volume.read("many/file"), Err(VolumeError::Absent("many/file".to_owned())));
    }
}

#[test]
fn what_does_not_fit_is_refused_and_what_least_says_fits() {
    let options = Options { size: 34 << 20, offset: 1 << 20, volume_id: 1, label: "ESP", epoch: 0 };
    let files = || Files::from([("a".to_owned(), Source::Bytes(vec![1; 40 << 20]))]);
    assert!(matches!(fat32(files(), &options), Err(FatError::Full { needs, .. }) if needs > 40 << 20));
    assert!(matches!(fat32(Files::new(), &Options { size: 20 << 20, ..options }), Err(FatError::Small(_))));
    for (count, len) in [(1, 40 << 20), (3, 20_000_000), (300, 1), (900, 65_537)] {
        let file = |nth| (format!("directory/file number {nth}"), Source::Bytes(vec![1; len]));
        let files: Files<'_> = (0..count).map(file).collect();
        let size = least(count as u64, (count * len) as u64);
        fat32(files, &Options { size, ..options }).unwrap();
    }
}
