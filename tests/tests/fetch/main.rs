//! Fetch against servers that misbehave. Names of tests are claims; ids are those of the project's fault list.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

mod cases;

use bake::fetch::{Deadlines, Options, Silent, fetch};
use bake::plan::{Requirement, Source};
use cases::{Case, Fetched, Refused, cases, hops};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use store::Store;
use tests::server::{Reply, Server};
use tree::digest::{Digest, Sha256};
use tree::refusal::Refusal;

const NAME: &str = "thing";
const SIZE: usize = 100_000;
const PATH: &str = "/thing/1/thing.bin";

fn body() -> Vec<u8> {
    (0..=250).cycle().take(SIZE).collect()
}

fn requirement(bytes: &[u8]) -> Requirement {
    let source = Source::Upstream { url: "https://127.0.0.1:9/down/thing.bin".to_owned() };
    Requirement {
        name: NAME.parse().unwrap(),
        version: "1".to_owned(),
        digest: Sha256::of(bytes).into(),
        size: bytes.len() as u64,
        source,
    }
}

fn deb(bytes: &[u8], file: &str) -> Requirement {
    let date = "2026-09-12T20:00:00Z".parse().unwrap();
    let source = Source::Debian { archive: "debian".to_owned(), file: file.to_owned(), date };
    Requirement { source, ..requirement(bytes) }
}

/// Deadlines that a test can wait for; Debian's archive, since there is no upstream behind it that would be tried, too.
fn options(servers: &[&Server]) -> Options {
    let deadlines = Deadlines {
        connect: Duration::from_secs(3),
        slow: Duration::from_millis(1500),
        slow_bytes: 1500,
        total: Duration::from_secs(8),
        backoff: Duration::from_millis(5),
        patience: Duration::from_millis(5),
        stalled: Duration::from_millis(600),
    };
    let debian = servers.iter().map(|server| server.url().parse().unwrap()).collect();
    Options { debian, deadlines, ..Options::default() }
}

fn get(store: &Store, bytes: &[u8], options: &Options) -> Result<(), Refusal> {
    fetch(store, &[deb(bytes, &PATH[1..])], options, &Silent)
        .map(|fetched| assert!(fetched.contains(&Sha256::of(bytes).into())))
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn each_misbehaviour_of_a_server_ends_as_it_must_fresh_and_resumed() {
    let cases = cases();
    assert!(cases.len() >= 30);
    let begun = Instant::now();
    // those that wait for a deadline take nearly all of the time, and none of the processor
    let queue = Mutex::new(cases.iter().flat_map(|case| [(case, false), (case, true)]));
    let next = || queue.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((case, resumed)) = next() {
                    check(case, resumed);
                }
            });
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(60));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 256 << 10, "at most 256 MiB, found {peak} kB");
}

/// One server, one store, one try; then a good server, which must bring it to its end whatever has been.
fn check(case: &Case, resumed: bool) {
    let all = body();
    let name = format!("{} ({})", case.name, if resumed { "resumed" } else { "fresh" });
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let incoming = store.root().join("incoming");
    let digest = Digest::from(Sha256::of(&all));
    if resumed {
        std::fs::write(incoming.join(format!("sha256-{}.part", digest.hex())), &all[..SIZE / 2]).unwrap();
    }
    let server = Server::start().unwrap();
    server.at(PATH, case.replies.clone()).at("/hop/0", vec![Reply::File(all.clone())]);
    for n in 1..6 {
        server.at(&format!("/hop/{n}"), vec![hops(n - 1)]);
    }
    let begun = Instant::now();
    let result = get(&store, &all, &options(&[&server]));
    assert!(begun.elapsed() < Duration::from_secs(12), "{name}: {:?}", begun.elapsed());
    match (if resumed { &case.resumed } else { &case.fresh }, result) {
        (Fetched, Ok(())) => assert_eq!(std::fs::read(store.blob_path(&digest)).unwrap(), all, "{name}"),
        (Refused(class, text), Err(refusal)) => {
            assert_eq!(refusal.class, *class, "{name}: {refusal}");
            assert!(refusal.to_string().contains(text), "{name}: expected `{text}`, found `{refusal}`");
            assert!(!store.blob_path(&digest).exists(), "{name}");
            for left in files(&incoming) {
                let size = incoming.join(&left).metadata().unwrap().len();
                assert!(left.ends_with(".part") && size <= SIZE as u64, "{name}: {left} of {size} bytes");
            }
        }
        (Fetched, Err(refusal)) => panic!("{name}: expected it fetched, found `{refusal}`"),
        (Refused(_, text), Ok(())) => panic!("{name}: expected `{text}`, found it fetched"),
    }
    let made = server.requests().len();
    assert!(made <= case.requests, "{name}: expected at most {} requests, found {made}", case.requests);
    server.at(PATH, vec![Reply::File(all.clone())]);
    get(&store, &all, &options(&[&server])).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    assert_eq!(files(&incoming), [""; 0], "{name}");
}
