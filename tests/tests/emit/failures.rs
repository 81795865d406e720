//! Outputs appear whole or not at all, whatever fails and whenever it is killed.

use super::{ARTIFACT, Bench, FILES, RECORD, SUMS, listing};
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;
use tree::digest::Sha256;
use tree::refusal::Class;
use xshell::{Shell, cmd};

const SAMPLE: &str = env!("CARGO_BIN_EXE_emit-sample");

/// The calls that a bake makes on its output, each with its number among the calls of this name: it is made once
/// under strace, which counts for each thread, and all of these are made by the first.
fn calls_on_output(place: &Path) -> BTreeMap<&'static str, Vec<usize>> {
    let shell = Shell::new().unwrap();
    let (store, output, trace) = (place.join("store"), place.join("out"), place.join("trace"));
    let names = CALLS.join(",");
    cmd!(
        shell,
        "strace -f -y -s 0 -o {trace} -e trace={names} {SAMPLE} small {store} {output} 1 no-keep tar.zst"
    )
    .quiet()
    .run()
    .unwrap();
    std::fs::remove_dir_all(&output).unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    let first = text.split_whitespace().next().unwrap();
    let mut found: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for name in CALLS {
        let call = format!("{name}(");
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(first))
            .filter(|line| line.trim_start().starts_with(&call));
        let ours = lines.enumerate().filter(|(_, line)| line.contains(output.to_str().unwrap()));
        found.insert(name, ours.map(|(nth, _)| nth + 1).collect());
    }
    found
}

const CALLS: [&str; 6] = ["write", "fsync", "fchmod", "openat", "flock", "renameat"];

/// Emits the small image with one call disturbed; whether it ended well, and what it said.
fn disturbed(place: &Path, inject: &str) -> (bool, String) {
    let shell = Shell::new().unwrap();
    let (store, output, trace) = (place.join("store"), place.join("out"), place.join("trace"));
    let run =
        cmd!(shell, "strace -f -o {trace} -e {inject} {SAMPLE} small {store} {output} 1 no-keep tar.zst")
            .quiet()
            .ignore_status()
            .output()
            .unwrap();
    (run.status.success(), String::from_utf8(run.stderr).unwrap())
}

/// A place with a store that has all but the frames, and what an undisturbed bake leaves.
fn undisturbed() -> (tempfile::TempDir, BTreeMap<String, Sha256>) {
    let place = tempfile::tempdir().unwrap();
    let (store, whole) = (place.path().join("store"), place.path().join("whole"));
    let shell = Shell::new().unwrap();
    cmd!(shell, "{SAMPLE} small {store} {whole} 2 no-keep tar.zst").quiet().run().unwrap();
    (place, listing(&whole))
}

/// After a power cut an artifact is there whole, or not at all: its bytes are synced before it has its name, and the
/// directory after the last name.
#[test]
fn each_file_is_synced_before_its_name_and_the_directory_after_the_last_one() {
    let (place, expected) = undisturbed();
    let (store, output, trace) =
        (place.path().join("store"), place.path().join("out"), place.path().join("trace"));
    let names = "trace=fsync,renameat,renameat2";
    let shell = Shell::new().unwrap();
    cmd!(
        shell,
        "strace -f -y -s 256 -o {trace} -e {names} {SAMPLE} small {store} {output} 1 no-keep tar.zst"
    )
    .quiet()
    .run()
    .unwrap();
    let shown = output.to_str().unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    let ours: Vec<&str> = text.lines().filter(|line| line.contains(shown)).collect();
    let named: Vec<usize> = (0..ours.len()).filter(|&nth| ours[nth].contains("renameat")).collect();
    assert_eq!(named.len(), expected.len(), "{ours:#?}");
    for &nth in &named {
        // renameat(3<directory>, "part", 3<directory>, "name")
        let part = ours[nth].split('"').nth(1).unwrap();
        let synced = |line: &&str| line.contains("fsync(") && line.contains(&format!("{shown}/{part}>"));
        assert!(ours[..nth].iter().any(synced), "{part} is not synced: {ours:#?}");
    }
    let last = *named.last().unwrap();
    let directory = |line: &&str| line.contains("fsync(") && line.contains(&format!("<{shown}>"));
    assert!(ours[last + 1..].iter().any(directory), "the directory is not synced: {ours:#?}");
}

#[test]
fn a_call_that_fails_leaves_nothing_and_says_what_is_needed() {
    let (place, expected) = undisturbed();
    let output = place.path().join("out");
    for (call, numbers) in calls_on_output(place.path()) {
        assert!(numbers.len() > 3, "{call}: {numbers:?}");
        let errors: &[&str] =
            if matches!(call, "write" | "fsync") { &["ENOSPC", "EDQUOT", "EIO"] } else { &["EIO"] };
        for (error, nth) in errors.iter().flat_map(|error| numbers.iter().map(move |nth| (error, nth))) {
            let (well, said) = disturbed(place.path(), &format!("inject={call}:error={error}:when={nth}"));
            let found = listing(&output);
            if well {
                // the sweep of what others left goes on without what it cannot look at
                assert_eq!(found, expected, "{call} {error} {nth}: {said}");
            } else {
                // a name at which something stands is whole, and no part is left
                assert!(
                    found.iter().all(|(name, digest)| expected.get(name) == Some(digest)),
                    "{call} {nth}: {found:?}"
                );
                let last_steps = (call == "renameat" || call == "fsync") && nth != &numbers[0];
                assert!(found.is_empty() || last_steps, "{call} {error} {nth}: {found:?} {said}");
                assert!(said.contains("emit: cannot "), "{call} {error} {nth}: {said}");
                if call == "write" && *error != "EIO" {
                    assert!(said.contains("hint: the file needs "), "{said}");
                }
            }
            assert!(
                !(well && matches!(call, "write" | "fsync" | "fchmod" | "renameat")),
                "{call} {error} {nth} was not seen"
            );
            let _ = std::fs::remove_dir_all(&output);
        }
    }
}

#[test]
fn a_bake_killed_at_any_call_is_made_good_by_the_next() {
    let (place, expected) = undisturbed();
    let (store, output) = (place.path().join("store"), place.path().join("out"));
    let shell = Shell::new().unwrap();
    for (call, numbers) in calls_on_output(place.path()) {
        for nth in numbers {
            let (well, said) = disturbed(place.path(), &format!("inject={call}:signal=SIGKILL:when={nth}"));
            assert!(!well, "{call} {nth}: {said}");
            let found = listing(&output);
            let mut final_names = found.iter().filter(|(name, _)| expected.contains_key(*name));
            assert!(
                final_names.all(|(name, digest)| expected.get(name) == Some(digest)),
                "{call} {nth}: {found:?}"
            );
            cmd!(shell, "{SAMPLE} small {store} {output} 2 keep tar.zst").quiet().run().unwrap();
            assert_eq!(listing(&output), expected, "{call} {nth}");
            std::fs::remove_dir_all(&output).unwrap();
        }
    }
}

#[test]
fn a_bake_killed_at_any_time_is_made_good_by_the_next() {
    let (place, expected) = undisturbed();
    let (store, output) = (place.path().join("store"), place.path().join("out"));
    for number in 0..30_u64 {
        #[expect(clippy::disallowed_methods, reason = "xshell cannot kill what it has started")]
        let mut child = std::process::Command::new(SAMPLE)
            .arg("small")
            .args([&store, &output])
            .args(["2", "keep", "tar.zst"])
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(20 + number * 13));
        let _ = child.kill();
        child.wait().unwrap();
        let found = listing(&output);
        let mut final_names = found.iter().filter(|(name, _)| expected.contains_key(*name));
        assert!(final_names.all(|(name, digest)| expected.get(name) == Some(digest)), "{found:?}");
    }
    let shell = Shell::new().unwrap();
    cmd!(shell, "{SAMPLE} small {store} {output} 2 no-keep tar.zst").run().unwrap();
    assert_eq!(listing(&output), expected);
}

#[test]
fn a_link_is_replaced_and_not_followed() {
    let bench = Bench::new();
    let (output, victim) = (bench.path("out"), bench.path("victim"));
    std::fs::create_dir(&output).unwrap();
    std::fs::write(&victim, "not yours").unwrap();
    for name in [ARTIFACT, FILES, RECORD, SUMS] {
        symlink(&victim, output.join(name)).unwrap();
    }
    bench.emit("out").unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "not yours");
    for name in [ARTIFACT, FILES, RECORD, SUMS] {
        assert!(std::fs::symlink_metadata(output.join(name)).unwrap().is_file(), "{name}");
    }
}

#[test]
fn a_directory_at_an_output_is_refused_before_any_work() {
    let bench = Bench::new();
    for name in [ARTIFACT, FILES, RECORD, SUMS] {
        let output = bench.path(&format!("out-{name}"));
        std::fs::create_dir_all(output.join(name)).unwrap();
        let error = bench.emit(output.to_str().unwrap()).unwrap_err();
        assert_eq!(error.class, Class::Io);
        assert!(error.artifact.ends_with(name) && error.has_way_out(), "{error}");
        assert_eq!(std::fs::read_dir(&output).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_to_is_refused() {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (store, output) = (place.path().join("store"), place.path().join("out"));
    std::fs::create_dir(&output).unwrap();
    std::fs::set_permissions(&output, std::fs::Permissions::from_mode(0o555)).unwrap();
    std::fs::create_dir(&store).unwrap();
    std::fs::set_permissions(&store, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(&store, Some(1500), Some(1500)).unwrap();
    // a copy that the other user may run, wherever the working tree is
    let program = place.path().join("emit-sample");
    std::fs::copy(SAMPLE, &program).unwrap();
    let shell = Shell::new().unwrap();
    let run = cmd!(
        shell,
        "setpriv --reuid=1500 --regid=1500 --clear-groups {program} small {store} {output} 2 keep tar.zst"
    )
    .ignore_status()
    .output()
    .unwrap();
    let errors = String::from_utf8(run.stderr).unwrap();
    assert!(!run.status.success());
    assert!(
        errors.contains("cannot make a file beside it: Permission denied") && errors.contains("--output"),
        "{errors}"
    );
    assert_eq!(std::fs::read_dir(&output).unwrap().count(), 0);
}

#[test]
fn a_list_of_sums_that_is_none_is_refused_before_any_work() {
    let bench = Bench::new();
    let output = bench.path("out");
    std::fs::create_dir(&output).unwrap();
    std::fs::write(output.join(SUMS), "<html>").unwrap();
    let error = bench.emit("out").unwrap_err();
    assert!(error.artifact.ends_with(SUMS) && error.to_string().contains("line 1"), "{error}");
    assert_eq!(listing(&output).len(), 1);
}
