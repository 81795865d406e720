//! Disks: other programs find them whole and read in them what the tree says, in each format the same.

use super::{Bench, listing};
use bake::emit::{Emitted, Options, prepare};
use bake::inspect::{self, Damage, verify};
use bake::plan::Plan;
use disk::Format;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use tree::name::ImagePath;
use tree::refusal::{Class, Remedy};
use tree::{Content, Node};
use xshell::{Shell, cmd};

const SAMPLE: &str = env!("CARGO_BIN_EXE_emit-sample");
const NAME: &str = tree::of_release!("base.", ".amd64");
const KERNEL: &str = "/boot/vmlinuz-6.12.57+deb13-cloud-amd64";
fn all() -> Vec<Format> {
    Format::ALL.into_iter().filter(|format| format.is_disk()).collect()
}

fn write(
    bench: &Bench,
    output: &str,
    formats: &[Format],
    jobs: usize,
    keep_frames: bool,
) -> tree::refusal::Result<Emitted> {
    write_as(
        bench,
        &bench.plan,
        output,
        formats,
        Options { jobs: NonZeroUsize::new(jobs).unwrap(), keep_frames, published: bake::emit::NOWHERE },
    )
}

fn write_as(
    bench: &Bench,
    plan: &Plan,
    output: &str,
    formats: &[Format],
    options: Options<'_>,
) -> tree::refusal::Result<Emitted> {
    prepare(&bench.tree, plan, formats)?.write(&bench.store, &bench.path(output), options, |progress| {
        assert!(progress.done <= progress.total);
    })
}

fn artifact(bench: &Bench, output: &str, format: Format) -> PathBuf {
    bench.path(output).join(format!("{NAME}.{}", format.suffix()))
}

/// What a program says when it ends well.
fn said(shell: &Shell, program: &str, args: &[&str]) -> String {
    let run = cmd!(shell, "{program} {args...}").quiet().ignore_status().output().unwrap();
    let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert!(run.status.success(), "{program} {args:?}: {said}");
    said
}

/// The bytes of a partition, in a file next to the disk.
fn partition(raw: &Path, number: usize) -> PathBuf {
    let disk = inspect::open(raw).unwrap().disk.unwrap();
    let found = &disk.partitions[number];
    let out = raw.with_extension(&found.name);
    let bytes = {
        let mut bytes = vec![0; usize::try_from(found.size).unwrap()];
        std::fs::File::open(raw).unwrap().read_exact_at(&mut bytes, found.offset).unwrap();
        bytes
    };
    std::fs::write(&out, bytes).unwrap();
    out
}

fn content(bench: &Bench, path: &str) -> Vec<u8> {
    let node = &bench.tree.get(&path.parse().unwrap()).unwrap().node;
    assert!(matches!(node, Node::File(_)), "{path} is not a file");
    let Node::File(content) = node else { return Vec::new() };
    match content {
        Content::Inline(bytes) => bytes.to_vec(),
        Content::Stored(stored) => {
            let mut bytes = vec![0; usize::try_from(stored.len).unwrap()];
            std::fs::File::open(bench.blob_path()).unwrap().read_exact_at(&mut bytes, stored.offset).unwrap();
            bytes
        }
    }
}

#[test]
fn other_programs_find_every_disk_whole_and_all_formats_the_same() {
    let bench = Bench::new();
    write(&bench, "out", &all(), 2, false).unwrap();
    let shell = Shell::new().unwrap();
    let raw = artifact(&bench, "out", Format::Raw);
    let shown = |path: &Path| path.to_str().unwrap().to_owned();
    // they exit with 0 where one copy of two is bad, so what they print decides
    let finds_nothing = |program: &str, args: &[&str], good: &str| {
        let said = said(&shell, program, args);
        let rest = said.replace(good, "").to_lowercase();
        let bad = ["error", "corrupt", "caution", "warning", "problem", "invalid", "differ"];
        assert!(said.contains(good) && !bad.iter().any(|word| rest.contains(word)), "{program}: {said}");
    };
    finds_nothing("sfdisk", &["--verify", &shown(&raw)], "No errors detected");
    finds_nothing("sgdisk", &["-v", &shown(&raw)], "No problems found");
    let (esp, root) = (partition(&raw, 0), partition(&raw, 1));
    finds_nothing("fsck.fat", &["-n", &shown(&esp)], " files, ");
    finds_nothing("e2fsck", &["-fn", &shown(&root)], "Pass 5");
    for (driver, format) in [("qcow2", Format::Qcow2), ("vpc", Format::Vhd), ("vmdk", Format::Vmdk)] {
        let other = shown(&artifact(&bench, "out", format));
        said(&shell, "qemu-img", &["compare", "-f", "raw", "-F", driver, &shown(&raw), &other]);
        if format != Format::Vhd {
            let said = said(&shell, "qemu-img", &["check", "-f", driver, &other]);
            assert!(said.contains("No errors were found"), "{said}");
        }
    }
    let there = bench.path("untar");
    std::fs::create_dir(&there).unwrap();
    said(&shell, "tar", &["-C", &shown(&there), "-xzf", &shown(&artifact(&bench, "out", Format::Gce))]);
    said(&shell, "cmp", &[&shown(&there.join("disk.raw")), &shown(&raw)]);
    said(&shell, "7z", &["t", &shown(&artifact(&bench, "out", Format::Vhd))]);

    // what starts it, and some of the tree, by programs that know the file systems
    let entry = said(&shell, "mtype", &["-i", &shown(&esp), "::loader/entries/base.conf"]);
    let found = inspect::open(&raw).unwrap().disk.unwrap().partitions[1].clone();
    assert!(
        entry.contains(&format!("options root=PARTUUID={} rw console=tty0 console=ttyS0,115200\n", found.id)),
        "{entry}"
    );
    assert_eq!((found.name.as_str(), found.attributes), ("root", 1 << 59));
    let copy = bench.path("copy");
    for line in entry.lines().filter_map(|line| line.strip_prefix("linux /")) {
        said(&shell, "mcopy", &["-i", &shown(&esp), &format!("::{line}"), &shown(&copy)]);
        assert!(std::fs::read(&copy).unwrap() == content(&bench, KERNEL));
    }
    for path in [KERNEL, "/usr/lib/two-pieces", "/usr/bin/perl5.40", "/etc/zeros"] {
        let _ = std::fs::remove_file(&copy);
        said(&shell, "debugfs", &["-R", &format!("dump {path} {}", shown(&copy)), &shown(&root)]);
        let path = if path.ends_with("perl5.40") { "/usr/bin/perl" } else { path };
        assert!(std::fs::read(&copy).unwrap() == content(&bench, path), "{path}");
    }
}

#[test]
fn each_way_to_compress_qcow2_is_read_by_qemu() {
    let bench = Bench::new();
    write(&bench, "out", &[Format::Raw], 2, false).unwrap();
    let (shell, raw) = (Shell::new().unwrap(), artifact(&bench, "out", Format::Raw));
    let mut sizes = Vec::new();
    for compression in [disk::Compression::Zstd, disk::Compression::Zlib, disk::Compression::None] {
        let mut draft = bench.plan.clone().into_draft();
        draft.disk.compression = compression;
        // another plan has other identifiers, so it is compared with a raw one of its own
        let formats = [Format::Raw, Format::Qcow2];
        let jobs = NonZeroUsize::MIN;
        let options = Options { jobs, keep_frames: false, published: bake::emit::NOWHERE };
        write_as(&bench, &draft.seal(), "out", &formats, options).unwrap();
        let qcow2 = artifact(&bench, "out", Format::Qcow2);
        cmd!(shell, "qemu-img check -q {qcow2}").quiet().run().unwrap();
        cmd!(shell, "qemu-img compare -q -f raw -F qcow2 {raw} {qcow2}").quiet().run().unwrap();
        verify(&qcow2).unwrap();
        sizes.push(std::fs::metadata(&qcow2).unwrap().len());
    }
    assert!(sizes[0] < sizes[2] && sizes[1] < sizes[2], "{sizes:?}");
}

#[test]
fn jobs_kept_segments_and_other_formats_do_not_show() {
    let bench = Bench::new();
    let disks = |output: &str| -> BTreeMap<String, tree::digest::Sha256> {
        let all = listing(&bench.path(output)).into_iter();
        // the list of files, and so that of sums, names the formats that were written
        all.filter(|(name, _)| !name.ends_with(".files.json") && name != "SHA256SUMS").collect()
    };
    write(&bench, "first", &all(), 1, false).unwrap();
    let expected = disks("first");
    assert_eq!(expected.len(), 5 + 2);
    for (jobs, keep) in [(2, true), (16, true), (1, true)] {
        let emitted = write(&bench, "again", &all(), jobs, keep).unwrap();
        assert!(disks("again") == expected, "{jobs} jobs");
        for (format, pieces) in &emitted.disks {
            match format {
                Format::Raw | Format::Vhd => assert_eq!(pieces.kept, 0, "{format}"),
                // boot loader and kernel are on both partitions: even at first some are known
                _ if jobs == 2 => assert!(pieces.kept < pieces.count / 2, "{format} {pieces:?}"),
                _ => assert_eq!(pieces.kept, pieces.count, "{format}"),
            }
        }
    }
    for format in [Format::Qcow2, Format::Gce] {
        write(&bench, "alone", &[format], 2, false).unwrap();
        let alone = disks("alone");
        assert!(alone.iter().all(|(name, digest)| expected.get(name) == Some(digest)), "{format}");
        std::fs::remove_dir_all(bench.path("alone")).unwrap();
    }
}

#[test]
fn no_program_of_the_host_has_a_part_in_it() {
    let place = tempfile::tempdir().unwrap();
    let shell = Shell::new().unwrap();
    let (store, output, trace) =
        (place.path().join("store"), place.path().join("out"), place.path().join("trace"));
    let formats = all().into_iter().map(Format::as_str).collect::<Vec<_>>().join(",");
    cmd!(shell, "{SAMPLE} small {store} {output} 2 no-keep {formats}").quiet().run().unwrap();
    let expected = listing(&output);
    std::fs::remove_dir_all(&output).unwrap();
    cmd!(shell, "strace -f -o {trace} -e trace=execve -E PATH=/nonexistent {SAMPLE} small {store} {output} 2 no-keep {formats}")
        .quiet()
        .run()
        .unwrap();
    assert!(listing(&output) == expected);
    let trace = std::fs::read_to_string(trace).unwrap();
    assert_eq!(trace.lines().filter(|line| line.contains("execve(")).count(), 1, "{trace}");
}

#[test]
fn a_changed_file_leaves_the_segments_of_others() {
    let mut bench = Bench::new();
    write(&bench, "out", &[Format::Qcow2], 2, true).unwrap();
    let path = "/usr/share/doc/150".parse().unwrap();
    let mut entry = bench.tree.remove(&path).unwrap();
    entry.node = Node::File(Content::Inline(b"other".as_slice().into()));
    bench.tree.insert(&path, entry).unwrap();
    let pieces = write(&bench, "out", &[Format::Qcow2], 2, true).unwrap().disks[&Format::Qcow2];
    // the file's own, and those of inodes, bitmaps and descriptors
    assert!((1..=6).contains(&(pieces.count - pieces.kept)), "{pieces:?}");
}

#[test]
fn a_changed_bit_is_found_with_its_partition_and_entry() {
    let bench = Bench::new();
    write(&bench, "out", &all(), 2, false).unwrap();
    let expected: ImagePath = "/usr/lib/two-pieces".parse().unwrap();
    for format in all() {
        let path = artifact(&bench, "out", format);
        let verified = verify(&path).unwrap();
        assert_eq!((verified.paths, verified.bytes), (bench.tree.len(), 1 << 30), "{format}");
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let len = file.metadata().unwrap().len();
        let flip = |at: u64| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 4], at).unwrap();
        };
        let mut entries = 0;
        // of those that are as large as the disk each look takes its time
        let looks = if matches!(format, Format::Raw | Format::Vhd) { 2 } else { 6 };
        for at in (0..looks).map(|nth| 70_000 + nth * (len - 70_000) / looks).chain([len - 3]) {
            flip(at);
            let error = verify(&path).unwrap_err();
            assert_eq!(error.class, Class::Verification, "{format} {at}: {error}");
            assert!(error.artifact.ends_with(path.file_name().unwrap().to_str().unwrap()), "{error}");
            entries += usize::from(error.cause.downcast_ref::<Damage>().unwrap().entry.is_some());
            flip(at);
        }
        assert!(entries > 0 || matches!(format, Format::Raw | Format::Vhd), "{format}");
        if matches!(format, Format::Raw | Format::Vhd) {
            let text = std::fs::read_to_string(bench.path("out").join(format!("{NAME}.disk.json"))).unwrap();
            let record: disk::record::Record = serde_json::from_str(&text).unwrap();
            let found = record
                .extents
                .iter()
                .find(|extent| extent.path.as_ref() == Some(&expected) && extent.from > 0);
            flip(found.unwrap().at + 7);
            let error = verify(&path).unwrap_err();
            assert_eq!(error.cause.downcast_ref::<Damage>().unwrap().entry.as_ref(), Some(&expected));
            assert!(error.to_string().contains("partition `root`"), "{error}");
            flip(found.unwrap().at + 7);
        }
        verify(&path).unwrap();
    }
}

#[test]
fn a_file_is_read_from_each_format() {
    let bench = Bench::new();
    write(&bench, "out", &all(), 2, false).unwrap();
    for format in all() {
        let artifact = inspect::open(&artifact(&bench, "out", format)).unwrap();
        let names: Vec<_> =
            artifact.disk.iter().flat_map(|disk| &disk.partitions).map(|found| &found.name).collect();
        assert_eq!(names, ["esp", "root"]);
        for path in [KERNEL, "/usr/lib/two-pieces", "/etc/zeros", "/etc/empty", "/usr/bin/perl"] {
            let mut read = Vec::new();
            artifact.read(&path.parse().unwrap(), &mut read).unwrap();
            assert!(read == content(&bench, path), "{format} {path}");
        }
    }
}

#[test]
fn hostile_disks_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    write(&bench, "out", &all(), 2, false).unwrap();
    for format in all() {
        let good = std::fs::read(artifact(&bench, "out", format)).unwrap();
        let path = place.path().join(format!("x.{}", format.suffix()));
        let open = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            // what a changed head leaves readable is fine; it must end, and take no memory that it says it wants
            inspect::open(&path).map(drop)
        };
        for bytes in [&b""[..], b"hello", &[0xff; 4096], &[0; 4096], &good[..200]] {
            assert!(open(bytes).is_err(), "{format}");
        }
        let head = good[..1_200_000].to_vec();
        for at in 0..112 {
            let mut changed = head.clone();
            changed[at] ^= 0x81;
            let _ = open(&changed);
        }
    }
}

#[test]
fn a_tree_that_nothing_starts_is_no_disk() {
    let mut bench = Bench::new();
    for path in [
        KERNEL,
        "/boot/initrd.img-6.12.57+deb13-cloud-amd64",
        "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
    ] {
        let path = path.parse().unwrap();
        let entry = bench.tree.remove(&path).unwrap();
        let error = write(&bench, "out", &[Format::TarZst, Format::Raw], 1, false).unwrap_err();
        assert_eq!(error.class, Class::Usage, "{error}");
        assert!(error.remedy.as_deref() == Some(&Remedy::Bootable), "{error}");
        assert!(listing(&bench.path("out")).is_empty());
        bench.tree.insert(&path, entry).unwrap();
    }
    write(&bench, "out", &[Format::Qcow2], 1, false).unwrap();
}

#[test]
fn names_that_others_made_beforehand_are_not_written_to() {
    let bench = Bench::new();
    let (output, victim) = (bench.path("out"), bench.path("victim"));
    std::fs::create_dir(&output).unwrap();
    std::fs::write(&victim, "not yours").unwrap();
    for format in all() {
        let suffix = format.suffix();
        symlink(&victim, output.join(format!("{NAME}.{suffix}"))).unwrap();
        for nth in 0..3 {
            let part = format!(".{NAME}.{suffix}.{}-{nth}.part", std::process::id());
            symlink(&victim, output.join(part)).unwrap();
        }
    }
    write(&bench, "out", &all(), 2, false).unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "not yours");
    for format in all() {
        let made = std::fs::symlink_metadata(artifact(&bench, "out", format)).unwrap();
        assert!(made.is_file() && made.mode() & 0o7777 == 0o644, "{format}");
    }
}

#[test]
fn a_directory_at_a_disks_name_is_refused_before_any_work() {
    let bench = Bench::new();
    for format in [Format::Raw, Format::Gce] {
        let output = bench.path(&format!("out-{format}"));
        std::fs::create_dir_all(output.join(format!("{NAME}.{}", format.suffix()))).unwrap();
        let error = write(&bench, output.to_str().unwrap(), &all(), 1, false).unwrap_err();
        assert!(error.class == Class::Io && error.artifact.ends_with(format.suffix()), "{error}");
        assert_eq!(std::fs::read_dir(&output).unwrap().count(), 1, "{format}");
    }
}

#[test]
fn no_more_is_written_than_was_stated_and_holes_are_never_written() {
    let bench = Bench::new();
    let stated = prepare(&bench.tree, &bench.plan, &all()).unwrap().needs();
    let before = used(&bench.path("store"));
    write(&bench, "out", &all(), 2, true).unwrap();
    let artifacts: u64 = all().into_iter().map(|format| blocks(&artifact(&bench, "out", format))).sum();
    assert!(artifacts <= stated.outputs, "{artifacts} {stated:?}");
    let kept = used(&bench.path("store")) - before;
    // a blob and its note are whole blocks
    assert!(kept <= stated.store + (1 << 20), "{kept} {stated:?}");
    let raw = std::fs::metadata(artifact(&bench, "out", Format::Raw)).unwrap();
    let one = prepare(&bench.tree, &bench.plan, &[Format::Raw]).unwrap().needs();
    assert!(raw.len() == 1 << 30 && raw.blocks() * 512 <= one.outputs + (1 << 20), "{raw:?} {one:?}");
    let unpacked: u64 = bench
        .tree
        .iter()
        .map(|(_, entry)| match &entry.node {
            Node::File(content) => content.len(),
            _ => 0,
        })
        .sum();
    assert!(one.outputs <= 3 * unpacked, "{one:?} {unpacked}");
}

fn blocks(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().blocks() * 512
}

fn used(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { used(&path) } else { blocks(&path) }).sum()
}

/// The call that writes each format.
const WRITERS: [(&str, &str); 5] =
    [("raw", "pwrite64"), ("qcow2", "pwrite64"), ("vhd", "pwrite64"), ("vmdk", "write"), ("gce", "write")];

/// The first, one in the middle, and the last of the numbers at which `call` is one on the output in each thread that comes
/// so far: strace counts for each thread, and the sample writes to its store, too.
fn times(place: &Path, format: &str, call: &str) -> [usize; 3] {
    let shell = Shell::new().unwrap();
    let (store, output, trace) = (place.join("store"), place.join("out"), place.join("trace"));
    cmd!(
        shell,
        "strace -f -y -s 0 -o {trace} -e trace={call} {SAMPLE} small {store} {output} 1 no-keep {format}"
    )
    .quiet()
    .run()
    .unwrap();
    std::fs::remove_dir_all(&output).unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    let mut threads: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for (thread, line) in text.lines().filter_map(|line| line.split_once(' ')) {
        if line.trim_start().starts_with(&format!("{call}(")) {
            threads.entry(thread).or_default().push(line.contains(output.to_str().unwrap()));
        }
    }
    let most = threads.values().map(Vec::len).max().unwrap();
    let on_output = |nth: &usize| threads.values().filter_map(|calls| calls.get(nth - 1)).all(|is| *is);
    let found: Vec<usize> = (1..=most).filter(on_output).collect();
    assert!(found.len() >= 3, "{format}: {found:?} of {threads:?}");
    [found[0], found[found.len() / 2], found[found.len() - 1]]
}

fn disturbed(place: &Path, format: &str, inject: &str) -> (bool, String) {
    let shell = Shell::new().unwrap();
    let (store, output, trace) = (place.join("store"), place.join("out"), place.join("trace"));
    let run =
        cmd!(shell, "strace -f -o {trace} -e {inject} {SAMPLE} small {store} {output} 1 no-keep {format}")
            .quiet()
            .ignore_status()
            .output()
            .unwrap();
    (run.status.success(), String::from_utf8(run.stderr).unwrap())
}

fn undisturbed(place: &Path, format: &str) -> BTreeMap<String, tree::digest::Sha256> {
    let shell = Shell::new().unwrap();
    let (store, output) = (place.join("store"), place.join("whole"));
    cmd!(shell, "{SAMPLE} small {store} {output} 2 no-keep {format}").quiet().run().unwrap();
    let found = listing(&output);
    std::fs::remove_dir_all(output).unwrap();
    found
}

#[test]
fn a_full_disk_leaves_nothing_and_says_what_is_needed() {
    let place = tempfile::tempdir().unwrap();
    for (format, call) in WRITERS {
        undisturbed(place.path(), format);
        let times = times(place.path(), format, call);
        for (nth, error) in times.into_iter().zip(["ENOSPC", "EDQUOT", "EIO"]) {
            let (well, said) =
                disturbed(place.path(), format, &format!("inject={call}:error={error}:when={nth}"));
            assert!(!well && said.contains("emit: cannot write"), "{format} {nth}: {said}");
            assert_eq!(error != "EIO", said.contains("hint: the file needs "), "{format} {nth}: {said}");
            assert!(listing(&place.path().join("out")).is_empty(), "{format} {nth}: {said}");
        }
        let (well, said) = disturbed(place.path(), format, "inject=fsync:error=EIO:when=1");
        assert!(!well && listing(&place.path().join("out")).is_empty(), "{format}: {said}");
    }
    let (well, said) = disturbed(place.path(), "raw", "inject=ftruncate:error=EFBIG:when=1");
    assert!(!well && said.contains("emit: cannot set the length"), "{said}");
    assert!(listing(&place.path().join("out")).is_empty());
}

#[test]
fn a_bake_killed_while_it_writes_a_disk_is_made_good_by_the_next() {
    let place = tempfile::tempdir().unwrap();
    let (store, output) = (place.path().join("store"), place.path().join("out"));
    let shell = Shell::new().unwrap();
    for (format, call) in WRITERS {
        let expected = undisturbed(place.path(), format);
        let times = times(place.path(), format, call);
        for (call, nth) in [(call, times[0]), (call, times[2]), ("renameat", 3), ("fsync", 2)] {
            let (well, said) =
                disturbed(place.path(), format, &format!("inject={call}:signal=SIGKILL:when={nth}"));
            assert!(!well, "{format} {call} {nth}: {said}");
            let found = listing(&output);
            let whole =
                |(name, digest): (&String, &_)| name.starts_with('.') || expected.get(name) == Some(digest);
            assert!(found.iter().all(whole), "{format} {call} {nth}: {found:?}");
            cmd!(shell, "{SAMPLE} small {store} {output} 2 no-keep {format}").quiet().run().unwrap();
            assert_eq!(listing(&output), expected, "{format} {call} {nth}");
            std::fs::remove_dir_all(&output).unwrap();
        }
    }
}

#[test]
fn a_disk_that_is_too_large_for_vhd_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    let mut draft = bench.plan.clone().into_draft();
    draft.disk.size = Some(2041 << 30);
    let plan = draft.seal();
    let options = Options { jobs: NonZeroUsize::MIN, keep_frames: false, published: bake::emit::NOWHERE };
    let error = write_as(&bench, &plan, "out", &[Format::Qcow2, Format::Vhd], options).unwrap_err();
    assert_eq!((error.class, &*error.artifact), (Class::Usage, "vhd"), "{error}");
    assert!(error.to_string().contains("expected at most 2040 GiB, found 2041 GiB"), "{error}");
    assert!(listing(&bench.path("out")).is_empty());
    // a format that says larger sizes takes it
    write_as(&bench, &plan, "out", &[Format::Qcow2], options).unwrap();
}

#[test]
fn a_vmdk_asks_for_the_controller_that_the_kernel_has_a_driver_for() {
    let bench = Bench::new();
    write(&bench, "out", &[Format::Vmdk], 2, false).unwrap();
    let bytes = std::fs::read(artifact(&bench, "out", Format::Vmdk)).unwrap();
    // the text that describes it: 20 sectors after the header
    let text = String::from_utf8_lossy(&bytes[512..512 * 21]).into_owned();
    assert!(text.contains("\nddb.adapterType = \"pvscsi\"\n"), "{text}");
}

/// SeaBIOS copies to the serial port what is shown on the screen.
#[test]
fn a_bios_is_told_that_the_disk_needs_uefi_and_goes_on() {
    let bench = Bench::new();
    write(&bench, "out", &[Format::Qcow2], 2, false).unwrap();
    let shell = Shell::new().unwrap();
    let disk =
        format!("file={},format=qcow2,if=ide,snapshot=on", artifact(&bench, "out", Format::Qcow2).display());
    let call = cmd!(
        shell,
        "qemu-system-x86_64 -nodefaults -machine pc,graphics=off -accel tcg,thread=single -m 64 -display none -no-reboot
         -serial stdio -nic none -drive {disk}"
    );
    let mut call: std::process::Command = call.into();
    call.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    let mut machine = call.spawn().unwrap();
    let mut output = machine.stdout.take().unwrap();
    let (send, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut all, mut some) = (Vec::new(), [0; 1024]);
        while let Ok(len @ 1..) = std::io::Read::read(&mut output, &mut some) {
            all.extend_from_slice(&some[..len]);
            let text = String::from_utf8_lossy(&all).into_owned();
            let last = text.contains("No bootable device");
            if send.send(text).is_err() || last {
                return;
            }
        }
    });
    let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
    let mut text = String::new();
    while let Ok(more) = said.recv_timeout(until.saturating_duration_since(std::time::Instant::now())) {
        text = more;
    }
    machine.kill().unwrap();
    machine.wait().unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let expected = "This disk needs UEFI firmware: switch this machine from BIOS to UEFI.";
    assert_eq!(lines.iter().filter(|line| **line == expected).count(), 1, "{text}");
    // the next device was tried, and there is none
    assert!(text.contains("No bootable device"), "{text}");
}
