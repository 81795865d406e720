//! One store, several processes: some are stopped, some are killed, some may not write.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "processes that are stopped and killed are not a command line to be read"
)]

use bake::fetch::{Deadlines, Options, Place, Silent, fetch};
use bake::plan::{Requirement, Source};
use rustix::process::{Pid, Signal};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, SystemTime};
use store::Store;
use tests::keyed;
use tests::server::{Reply, Server};
use tree::digest::{Digest, Sha256};
use tree::refusal::{Class, Remedy};

const ACTOR: &str = env!("CARGO_BIN_EXE_store-actor");

/// Another process; killed when it is dropped.
struct Actor(Child);

impl Actor {
    /// Starts a deed and waits until it says `ready`.
    fn ready(arguments: &[&str]) -> Self {
        let mut child =
            Command::new(ACTOR).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn requirement(bytes: &[u8], n: usize) -> Requirement {
    let (name, version) = ("thing".parse().unwrap(), format!("{n}"));
    let source = Source::Upstream { url: "https://127.0.0.1:9/thing.bin".to_owned() };
    Requirement { name, version, digest: Sha256::of(bytes).into(), size: bytes.len() as u64, source }
}

fn options(mirror: &str) -> Options {
    Options { mirrors: vec![mirror.parse::<Place>().unwrap()], ..Options::default() }
}

fn incoming(root: &Path) -> usize {
    root.join("incoming").read_dir().unwrap().count()
}

#[test]
fn sixteen_bakes_on_one_empty_store_fetch_each_digest_once() {
    let blobs: Vec<Vec<u8>> = (0..6_u8).map(|n| vec![n; 100_000 + usize::from(n)]).collect();
    let requirements: Vec<Requirement> =
        blobs.iter().enumerate().map(|(n, bytes)| requirement(bytes, n)).collect();
    for _ in 0..5 {
        let server = Server::start().unwrap();
        for (n, bytes) in blobs.iter().enumerate() {
            server.at(&format!("/vmconfig/artifacts/thing/{n}/thing.bin"), vec![Reply::File(bytes.clone())]);
        }
        let place = tempfile::tempdir().unwrap();
        let (root, options) = (place.path().join("store"), options(&server.url()));
        let bake = || fetch(&Store::open(&root).unwrap(), &requirements, &options, &Silent).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(bake);
            }
        });
        assert_eq!(server.requests().len(), blobs.len());
        assert_eq!(incoming(&root), 0);
        let checked = Store::open(&root).unwrap().verify_all().unwrap();
        assert_eq!((checked.good, checked.set_aside.len()), (6, 0));
    }
}

#[test]
fn bakes_of_other_processes_some_of_them_killed_leave_a_store_that_is_whole() {
    let bytes = vec![7; 5_000_000];
    let (hex, size) = (Sha256::of(&bytes).hex(), bytes.len().to_string());
    let server = Server::start().unwrap();
    server.at("/vmconfig/artifacts/thing/1/thing.bin", vec![Reply::File(bytes.clone())]);
    for round in 0..5 {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("store");
        let arguments = ["fetch", root.to_str().unwrap(), &server.url(), &hex, &size];
        let mut children: Vec<Child> = (0..8)
            .map(|_| Command::new(ACTOR).args(arguments).stdout(Stdio::null()).spawn().unwrap())
            .collect();
        for child in children.iter_mut().take(4) {
            std::thread::sleep(Duration::from_millis(3 * round));
            child.kill().unwrap();
        }
        let passed =
            children.iter_mut().filter_map(|child| child.wait().ok()).filter(ExitStatus::success).count();
        assert!(passed >= 4, "those that were not killed pass");
        let mut store = Store::open(&root).unwrap();
        assert_eq!((store.verify_all().unwrap().good, incoming(&root)), (1, 0));
    }
}

#[test]
fn a_stopped_holder_is_named_after_the_time_out_and_a_killed_one_is_followed() {
    let bytes = vec![3; 1000];
    let digest = Digest::from(Sha256::of(&bytes));
    let server = Server::start().unwrap();
    server.at("/vmconfig/artifacts/thing/1/thing.bin", vec![Reply::File(bytes.clone())]);
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let holder = Actor::ready(&["hold", place.path().to_str().unwrap(), &digest.to_string()]);
    holder.signal(Signal::STOP);
    let deadlines = Deadlines { stalled: Duration::from_millis(500), ..Deadlines::default() };
    let hasty = Options { deadlines, ..options(&server.url()) };
    let refusal = fetch(&store, &[requirement(&bytes, 1)], &hasty, &Silent).unwrap_err();
    assert_eq!((refusal.class, refusal.class.exit_code()), (Class::Lock, 7));
    let named = format!("process {} (stopped)", holder.0.id());
    assert!(refusal.to_string().contains(&named), "expected `{named}`, found `{refusal}`");
    holder.signal(Signal::KILL);
    fetch(&store, &[requirement(&bytes, 1)], &options(&server.url()), &Silent).unwrap();
    assert_eq!(incoming(place.path()), 0);
}

#[test]
fn a_clean_up_waits_for_those_who_have_the_store_open_and_names_them() {
    let place = tempfile::tempdir().unwrap();
    let options = store::Options { lock_timeout: Duration::from_millis(200), ..store::Options::default() };
    let mut store = Store::open_with(place.path(), &options).unwrap();
    let user = Actor::ready(&["open", place.path().to_str().unwrap()]);
    let far = SystemTime::now() + Duration::from_secs(1000);
    for refusal in [store.gc(far).unwrap_err(), store.verify_all().unwrap_err()] {
        assert_eq!(refusal.class, Class::Lock);
        assert!(refusal.to_string().contains(&format!("process {}", user.0.id())), "{refusal}");
    }
    drop(user);
    store.gc(far).unwrap();
}

#[test]
fn clean_ups_beside_bakes_remove_nothing_in_use() {
    let blobs: Vec<Vec<u8>> = (0..4_u8).map(|n| vec![n; 20_000]).collect();
    let requirements: Vec<Requirement> =
        blobs.iter().enumerate().map(|(n, bytes)| requirement(bytes, n)).collect();
    let server = Server::start().unwrap();
    for (n, bytes) in blobs.iter().enumerate() {
        server.at(&format!("/vmconfig/artifacts/thing/{n}/thing.bin"), vec![Reply::File(bytes.clone())]);
    }
    let place = tempfile::tempdir().unwrap();
    let (root, options) = (place.path().join("store"), options(&server.url()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let store = Store::open(&root).unwrap();
                    let fetched = fetch(&store, &requirements, &options, &Silent).unwrap();
                    std::thread::sleep(Duration::from_millis(5));
                    for requirement in &requirements {
                        fetched.open(&store, &requirement.digest).unwrap();
                    }
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let mut store = Store::open(&root).unwrap();
                    store.gc(SystemTime::now() + Duration::from_secs(1000)).unwrap();
                    assert_eq!(store.verify_all().unwrap().set_aside, [""; 0]);
                }
            });
        }
    });
}

#[test]
fn a_store_whose_writer_was_killed_has_whole_blobs_and_no_temporaries() {
    let place = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let writer = Actor::ready(&["churn", place.path().to_str().unwrap()]);
        std::thread::sleep(Duration::from_millis(3 * round));
        writer.signal(Signal::KILL);
        drop(writer);
        let mut store = Store::open(place.path()).unwrap();
        assert_eq!(store.verify_all().unwrap().set_aside, [""; 0]);
        assert_eq!(incoming(place.path()), 0);
    }
}

/// Runs a deed after `sh`, which sets what `before` says.
fn behind(before: &str, arguments: &[&str]) -> Output {
    let script = format!("{before}; exec \"$0\" \"$@\"");
    Command::new("sh").args(["-c", &script, ACTOR]).args(arguments).output().unwrap()
}

#[test]
fn modes_are_exact_under_any_umask() {
    for umask in ["000", "777", "022"] {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("cache/store");
        let output = behind(&format!("umask {umask}"), &["commit", root.to_str().unwrap(), "1000"]);
        assert!(output.status.success(), "{umask}: {output:?}");
        let mode = |path: &Path| path.symlink_metadata().unwrap().mode() & 0o7777;
        let digest = Sha256::of(&[b'x'; 1000]);
        let store = Store::open(&root).unwrap();
        let note = tests::keyed::note_path(&root, "actor-1", &digest);
        let blob = store.blob_path(&digest.into());
        for (path, expected) in [
            (&blob, 0o644),
            (&note, 0o600),
            (&root.join("layout"), 0o600),
            (&root.join("in-use.lock"), 0o600),
        ] {
            assert_eq!(mode(path), expected, "{umask} {path:?}");
        }
        for directory in [blob.parent().unwrap(), note.parent().unwrap(), &root, root.parent().unwrap()] {
            assert_eq!(mode(directory), 0o700, "{umask} {directory:?}");
        }
    }
}

#[test]
fn a_full_disk_leaves_no_blob_and_no_temporary() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().to_str().unwrap();
    // a limit of 100 blocks stands for the full disk; without the trap the kernel ends the process
    let output = behind("trap '' XFSZ; ulimit -f 100", &["commit", root, "1000000"]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let mut store = Store::open(place.path()).unwrap();
    assert_eq!((store.verify_all().unwrap().good, incoming(place.path())), (0, 0));

    let mirror = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(mirror.path().join("thing/1")).unwrap();
    let bytes = vec![5; 1_000_000];
    std::fs::write(mirror.path().join("thing/1/thing.bin"), &bytes).unwrap();
    let (hex, size) = (Sha256::of(&bytes).hex(), bytes.len().to_string());
    let arguments = ["fetch", root, mirror.path().to_str().unwrap(), &hex, &size];
    let output = behind("trap '' XFSZ; ulimit -f 100", &arguments);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert_eq!((store.verify_all().unwrap().good, incoming(place.path())), (0, 0));
    assert!(behind("true", &arguments).status.success(), "and with room it succeeds");
}

#[test]
fn a_read_only_store_serves_its_hits_and_says_what_it_lacks() {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (root, actor) = (place.path().join("store"), place.path().join("actor"));
    std::fs::copy(ACTOR, &actor).unwrap();
    let bytes = [b'x'; 1000];
    assert!(behind("true", &["commit", root.to_str().unwrap(), "1000"]).status.success());
    // rights bind an ordinary user only, so root becomes one
    let user = rustix::process::geteuid().is_root().then_some(1500);
    for entry in walk(&root) {
        chown(&entry, user, user).unwrap();
        let mode = if entry.is_dir() { 0o500 } else { 0o444 };
        std::fs::set_permissions(&entry, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let run = |hex: &str, size: &str| {
        let mut command = Command::new(&actor);
        command.args(["fetch", root.to_str().unwrap(), "/nowhere", hex, size]);
        if let Some(id) = user {
            command.uid(id).gid(id);
        }
        command.output().unwrap()
    };
    let hit = run(&Sha256::of(&bytes).hex(), "1000");
    assert!(hit.status.success(), "{hit:?}");
    let miss = run(&Sha256::of(b"other").hex(), "5");
    assert_eq!(miss.status.code(), Some(6), "{miss:?}");
    assert!(String::from_utf8_lossy(&miss.stdout).contains("the store is read-only and lacks"), "{miss:?}");
    for entry in walk(&root) {
        std::fs::set_permissions(&entry, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
}

fn walk(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![root.to_path_buf()];
    let mut at = 0;
    while at < found.len() {
        if found[at].is_dir() {
            found
                .extend(found[at].read_dir().unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
        }
        at += 1;
    }
    found
}

/// After a power cut a blob is there whole or not at all: its bytes are synced before it has its name, and the
/// directory that has the name afterwards.
#[test]
fn a_fetched_blob_is_synced_before_its_name_and_its_directory_after_it() {
    let place = tempfile::tempdir().unwrap();
    let (store, mirror, trace) =
        (place.path().join("store"), place.path().join("mirror"), place.path().join("trace"));
    let bytes = b"what upstream made".repeat(1000);
    let (hex, size) = (Sha256::of(&bytes).hex(), bytes.len().to_string());
    std::fs::create_dir_all(mirror.join("thing/1")).unwrap();
    std::fs::write(mirror.join("thing/1/thing.bin"), &bytes).unwrap();
    let status = Command::new("strace")
        .args(["-f", "-y", "-s", "512", "-e", "trace=fsync,rename,renameat,renameat2", "-o"])
        .args([trace.as_os_str(), ACTOR.as_ref(), "fetch".as_ref(), store.as_os_str(), mirror.as_os_str()])
        .args([&hex, &size])
        .status()
        .unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(&trace).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // the directory is open, and the name is looked up in it
    let blob = format!("/blobs/sha256/{}>, \"{hex}\")", &hex[..2]);
    let named = lines.iter().position(|line| line.contains("rename") && line.contains(&blob)).unwrap();
    let part = lines[named].split('"').nth(1).unwrap();
    let synced = |line: &&str, what: &str| line.contains("fsync(") && line.contains(&format!("{what}>"));
    assert!(lines[..named].iter().any(|line| synced(line, part)), "its bytes are not synced: {text}");
    let directory = format!("/blobs/sha256/{}", &hex[..2]);
    assert!(
        lines[named..].iter().any(|line| synced(line, &directory)),
        "its directory is not synced: {text}"
    );
}

#[test]
fn a_digest_that_is_in_the_store_as_another_version_is_refused_until_it_is_forgotten() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("store");
    let bytes = b"the bytes of version 1".to_vec();
    let server = Server::start().unwrap();
    for version in [1, 2] {
        server.at(&format!("/thing/{version}/thing.bin"), vec![Reply::File(bytes.clone())]);
    }
    let offline = Options { offline: true, ..Options::default() };
    let bring = |requirement: &Requirement, options: &Options| {
        let store = keyed::open(&root).unwrap();
        fetch(&store, std::slice::from_ref(requirement), options, &Silent)
            .map(drop)
            .map_err(|refusal| (refusal.class, refusal.to_string(), refusal.remedy))
    };
    bring(&requirement(&bytes, 1), &options(&server.url())).unwrap();
    bring(&requirement(&bytes, 1), &offline).unwrap();
    let elsewhere = |requirement: Requirement| {
        let source = Source::Upstream { url: "https://example.org/v2/thing.bin".to_owned() };
        Requirement { source, ..requirement }
    };
    // another version, another place, another name: each says what is known, and how to go on
    let named = Requirement { name: "other".parse().unwrap(), ..requirement(&bytes, 1) };
    for (other, said) in [
        (requirement(&bytes, 2), "pinned as `thing` 2 from"),
        (
            elsewhere(requirement(&bytes, 1)),
            "from https://example.org/v2/thing.bin, and in the store as `thing` 1",
        ),
        (named, "pinned as `other` 1 from"),
    ] {
        let (class, message, remedy) = bring(&other, &offline).unwrap_err();
        assert_eq!(class, Class::Usage);
        assert!(message.contains(said), "{message}");
        assert!(matches!(remedy.as_deref(), Some(Remedy::Forget(_))), "{remedy:?}");
    }
    // the refused pins have changed nothing
    bring(&requirement(&bytes, 1), &offline).unwrap();
    // the way out: the bytes are removed, and come again from where the new pin says
    let digest = requirement(&bytes, 1).digest;
    assert!(keyed::open(&root).unwrap().forget(&digest).unwrap());
    assert!(!keyed::open(&root).unwrap().forget(&digest).unwrap());
    assert_eq!(bring(&requirement(&bytes, 2), &offline).unwrap_err().0, Class::Network);
    bring(&requirement(&bytes, 2), &options(&server.url())).unwrap();
    bring(&requirement(&bytes, 2), &offline).unwrap();
    assert!(bring(&requirement(&bytes, 1), &offline).is_err());
}

#[test]
fn two_pins_of_one_digest_are_refused_before_anything_is_fetched() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("store")).unwrap();
    let bytes = b"bytes".to_vec();
    let requirements = [requirement(&bytes, 1), requirement(&bytes, 2)];
    let server = Server::start().unwrap();
    let refusal = fetch(&store, &requirements, &options(&server.url()), &Silent).unwrap_err();
    assert!(refusal.to_string().contains("pinned as `thing` 2"), "{refusal}");
    assert_eq!(refusal.class, Class::Usage);
    assert_eq!(server.requests().len(), 0);
}
