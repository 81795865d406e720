//! The same tree gives the same bytes, and a changed tree changes little.

use super::{ARTIFACT, Bench, SUMS, listing, options};
use bake::emit::prepare;
use disk::Format;
use std::os::unix::fs::PermissionsExt as _;
use tree::{Content, Node};
use xshell::{Shell, cmd};

const SAMPLE: &str = env!("CARGO_BIN_EXE_emit-sample");

#[test]
fn jobs_and_kept_frames_do_not_show() {
    let bench = Bench::new();
    let mut all = Vec::new();
    for (nth, (jobs, keep)) in
        [(1, false), (2, false), (16, false), (2, true), (1, true), (16, true)].into_iter().enumerate()
    {
        let output = bench.path(&format!("out-{nth}"));
        let mut seen = 0;
        let emitted = prepare(&bench.tree, &bench.plan, &[Format::TarZst])
            .unwrap()
            .write(&bench.store, &output, options(jobs, keep), |progress| {
                assert!(progress.done > seen || progress.done == progress.total);
                seen = progress.done;
            })
            .unwrap();
        let kept = if nth > 3 { emitted.frames.unwrap().count } else { 0 };
        assert_eq!(
            (emitted.frames.unwrap().kept, seen),
            (kept, emitted.frames.unwrap().tar),
            "{jobs} jobs, keep {keep}"
        );
        all.push(listing(&output));
    }
    assert_eq!(all[0].len(), 4);
    all.dedup();
    assert_eq!(all.len(), 1);
}

#[test]
fn umask_directory_zone_and_temporary_place_do_not_show() {
    let place = tempfile::tempdir().unwrap();
    let shell = Shell::new().unwrap();
    let mut all = Vec::new();
    for (nth, (umask, zone, from)) in
        [("022", "UTC", "/"), ("077", "Asia/Tokyo", "/tmp"), ("000", "America/Lima", "/usr")]
            .into_iter()
            .enumerate()
    {
        let (store, output) =
            (place.path().join(format!("store-{nth}")), place.path().join(format!("out-{nth}")));
        shell.change_dir(from);
        cmd!(
            shell,
            "sh -c 'umask '{umask}'; exec \"$@\"' sh {SAMPLE} sample {store} {output} 2 keep tar.zst"
        )
        .env("TZ", zone)
        .env("TMPDIR", place.path())
        .env("LANG", "tr_TR.UTF-8")
        .run()
        .unwrap();
        for entry in std::fs::read_dir(&output).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        }
        all.push(listing(&output));
    }
    assert!(all[0].contains_key(ARTIFACT) && all[0].contains_key(SUMS));
    all.dedup();
    assert_eq!(all.len(), 1);
}

#[test]
fn a_changed_file_leaves_the_frames_of_others() {
    let mut bench = Bench::new();
    let before = bench.emit("out").unwrap();
    let path = "/usr/share/doc/150".parse().unwrap();
    let mut entry = bench.tree.remove(&path).unwrap();
    entry.node = Node::File(Content::Inline(b"other".as_slice().into()));
    bench.tree.insert(&path, entry).unwrap();
    let after = bench.emit("out").unwrap();
    assert_eq!(after.frames.unwrap().count - after.frames.unwrap().kept, 1, "{before:?} {after:?}");
}

#[test]
fn lines_of_other_artifacts_stay_in_the_sums() {
    let bench = Bench::new();
    let output = bench.path("out");
    std::fs::create_dir(&output).unwrap();
    let other = format!("{}  a-file-of-another-bake\n", "0".repeat(64));
    std::fs::write(output.join(SUMS), &other).unwrap();
    bench.emit("out").unwrap();
    bench.emit("out").unwrap();
    let text = std::fs::read_to_string(output.join(SUMS)).unwrap();
    assert!(text.starts_with(&other) && text.lines().count() == 4, "{text}");
    let shell = Shell::new().unwrap();
    shell.change_dir(&output);
    std::fs::write(output.join(SUMS), text.replace(&other, "")).unwrap();
    cmd!(shell, "sha256sum --check --strict {SUMS}").ignore_stdout().run().unwrap();
}
