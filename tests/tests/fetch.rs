//! Fetch against servers that misbehave. Names of tests are claims; ids are those of the project's fault list.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

use bake::digest::{Digest, Sha256};
use bake::fetch::{Archives, Deadlines, Event, Options, Place, Progress, Proxy, Silent, fetch};
use bake::plan::{Source, Want};
use bake::store::Store;
use bake::{Class, Refusal};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tests::server::{Reply, Server, Step, head};

const NAME: &str = "thing";
const SIZE: usize = 100_000;
const PATH: &str = "/thing/1/thing.bin";

fn body() -> Vec<u8> {
    (0..SIZE).map(|n| (n % 251) as u8).collect()
}

fn want(bytes: &[u8]) -> Want {
    let source = Source::Upstream { url: "https://127.0.0.1:9/down/thing.bin".to_owned() };
    Want { name: NAME.parse().unwrap(), version: "1".to_owned(), digest: Sha256::of(bytes).into(), size: bytes.len() as u64, source }
}

fn deb(bytes: &[u8], file: &str) -> Want {
    let date = "2026-09-12T20:00:00Z".parse().unwrap();
    let source = Source::Debian { archive: "debian".to_owned(), file: file.to_owned(), date };
    Want { source, ..want(bytes) }
}

/// Deadlines that a test can wait for; Debian's archive, since there is no upstream behind it that would be tried, too.
fn options(servers: &[&Server]) -> Options {
    let deadlines = Deadlines {
        connect: Duration::from_millis(1500),
        slow: Duration::from_millis(900),
        slow_bytes: 900,
        total: Duration::from_secs(8),
        backoff: Duration::from_millis(5),
        stalled: Duration::from_millis(600),
    };
    let debian = servers.iter().map(|server| server.url().parse().unwrap()).collect();
    Options { debian, deadlines, ..Options::default() }
}

fn get(store: &Store, bytes: &[u8], options: &Options) -> Result<(), Refusal> {
    fetch(store, &[deb(bytes, &PATH[1..])], options, &Silent).map(|fetched| assert!(fetched.contains(&Sha256::of(bytes).into())))
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        directory.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn ok(headers: &[(&str, &str)], body: &[u8]) -> Reply {
    Reply::raw("200 OK", headers, body)
}

/// What a case must come to.
enum Outcome {
    Fetched,
    Refused(Class, &'static str),
}
use Outcome::{Fetched, Refused};

struct Case {
    name: &'static str,
    replies: Vec<Reply>,
    fresh: Outcome,
    /// With the right first half there from an earlier run.
    resumed: Outcome,
    /// At most so many requests.
    requests: usize,
}

fn case(name: &'static str, replies: Vec<Reply>, requests: usize, fresh: Outcome, resumed: Outcome) -> Case {
    Case { name, replies, fresh, resumed, requests }
}

fn hops(n: usize) -> Reply {
    Reply::redirect(&format!("/hop/{n}"))
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    use Class::{Network, Verification};
    let all = body();
    let len = SIZE.to_string();
    let longer = [all.clone(), vec![0]].concat();
    let other: Vec<u8> = all.iter().map(|byte| byte ^ 1).collect();
    let sized = |body: &[u8]| ok(&[("Content-Length", &len)], body);
    let chunked = |chunks: &[u8]| ok(&[("Transfer-Encoding", "chunked")], chunks);
    let file = || Reply::File(all.clone());
    let status = |status: &str| Reply::raw(status, &[("Content-Length", "0")], b"");
    let partial = |range: &str, body: &[u8]| {
        Reply::raw("206 Partial Content", &[("Content-Range", range), ("Content-Length", &body.len().to_string())], body)
    };
    let raw = |steps: Vec<Step>| vec![Reply::Raw(steps)];
    let ms = Duration::from_millis;
    vec![
        case("a good server", vec![file()], 1, Fetched, Fetched),
        case("d01 cut each time", vec![sized(&all[..10])], 4, Refused(Network, "got 10 of 100000 bytes"), Refused(Network, "got 10 of")),
        case("d01 cut once", vec![sized(&all[..70_000]), file()], 2, Fetched, Fetched),
        case("d01 nothing after the headers", vec![sized(b"")], 4, Refused(Network, "got 0 of 100000"), Refused(Network, "got 0 of")),
        case("d02 no length, early end", vec![ok(&[], &all[..10])], 4, Refused(Verification, "size, wanted 100000, got 10"), Refused(Verification, "got 10")),
        case("d02 no length, whole", vec![ok(&[], &all)], 1, Fetched, Fetched),
        case("d03 endless", raw(vec![Step::Send(head("200 OK", &[])), Step::Endless(vec![7; 65536])]), 1, Refused(Verification, "got more"), Refused(Verification, "got more")),
        case("d03 endless chunks", raw(vec![Step::Send(head("200 OK", &[("Transfer-Encoding", "chunked")])), Step::Endless(b"4\r\nabcd\r\n".repeat(1000))]), 1, Refused(Verification, "got more"), Refused(Verification, "got more")),
        case("d03 one byte more", vec![ok(&[], &longer)], 1, Refused(Verification, "got more"), Refused(Verification, "got more")),
        case("d03 one byte more, as announced", vec![ok(&[("Content-Length", "100001")], &longer)], 1, Refused(Verification, "size, wanted 100000, got 100001"), Refused(Verification, "100001")),
        case("d03 more than announced", vec![sized(&longer)], 1, Fetched, Fetched),
        case("d04 a byte now and then", raw(vec![Step::Send(head("200 OK", &[("Content-Length", &len)])), Step::Drip(vec![0; 150], ms(20))]), 2, Refused(Network, "too slow"), Refused(Network, "too slow")),
        case("d04 headers that never end", raw(vec![Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Drip(b"x: y\r\n".repeat(30), ms(20))]), 2, Refused(Network, "too slow"), Refused(Network, "too slow")),
        case("d04 silence", raw(vec![Step::Wait(ms(2000))]), 2, Refused(Network, "too slow"), Refused(Network, "too slow")),
        case("d04 a flood of headers", raw(vec![Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Endless(b"x: yyyyyyyyyyyyyyy\r\n".repeat(100))]), 4, Refused(Network, "broken answer"), Refused(Network, "broken answer")),
        case("d04 a flood of early hints", raw(vec![Step::Endless(b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10))]), 4, Refused(Network, "too slow"), Refused(Network, "too slow")),
        case("d05 a redirect to itself", vec![Reply::redirect(PATH)], 6, Refused(Network, "more than 5"), Refused(Network, "more than 5")),
        case("d05 six hops", vec![hops(5)], 6, Refused(Network, "more than 5"), Refused(Network, "more than 5")),
        case("d05 five hops", vec![hops(4)], 6, Fetched, Fetched),
        case("d05 to a file", vec![Reply::redirect("file:///etc/passwd")], 1, Refused(Network, "to `file`"), Refused(Network, "to `file`")),
        case("d05 to ftp", vec![Reply::redirect("ftp://127.0.0.1/x")], 1, Refused(Network, "to `ftp`"), Refused(Network, "to `ftp`")),
        case("d05 to nowhere", vec![Reply::raw("302 Found", &[("Content-Length", "0")], b"")], 1, Refused(Network, "without a place"), Refused(Network, "without a place")),
        case("d07 the range is ignored", vec![sized(&all)], 1, Fetched, Fetched),
        case("d07 another range", vec![partial("bytes 10-99999/100000", &all[10..]), file()], 2, Refused(Network, "206"), Fetched),
        case("d07 another size", vec![partial("bytes 50000-99998/99999", &all[50_000..99_999]), file()], 2, Refused(Network, "206"), Fetched),
        case("d07 a part for the whole", vec![partial("bytes 0-99999/100000", &all)], 2, Refused(Network, "206"), Refused(Network, "206")),
        case("d07 the range is of another file", vec![partial("bytes 50000-99999/100000", &other[50_000..]), file()], 2, Refused(Network, "206"), Fetched),
        case("d07 nothing is satisfiable", vec![status("416 Range Not Satisfiable"), file()], 2, Refused(Network, "status 416"), Fetched),
        case("d08 length and chunks", vec![ok(&[("Content-Length", &len), ("Transfer-Encoding", "chunked")], b"0\r\n\r\n")], 1, Refused(Network, "both Content-Length"), Refused(Network, "both Content-Length")),
        case("d08 two lengths", vec![ok(&[("Content-Length", &len), ("Content-Length", "5")], &all)], 4, Refused(Network, "broken answer"), Refused(Network, "broken answer")),
        case("d08 gzip", vec![ok(&[("Content-Encoding", "gzip"), ("Content-Length", &len)], &all)], 1, Refused(Verification, "got `gzip`"), Refused(Verification, "got `gzip`")),
        case("d08 gzip as a transfer encoding", vec![ok(&[("Transfer-Encoding", "gzip, chunked")], b"0\r\n\r\n")], 1, Refused(Verification, "gzip"), Refused(Verification, "gzip")),
        case("d09 a page for everything", vec![ok(&[("Content-Type", "text/html; charset=utf-8")], b"<html>log in</html>")], 4, Refused(Verification, "size"), Refused(Verification, "size")),
        case("d10 another file of this size", vec![Reply::File(other.clone())], 2, Refused(Verification, "digest, wanted"), Refused(Verification, "digest, wanted")),
        case("an error, always", vec![status("500 Oh")], 4, Refused(Network, "HTTP status 500"), Refused(Network, "HTTP status 500")),
        case("an error, three times", vec![status("503 Oh"), status("429 Slow"), status("500 Oh"), file()], 4, Fetched, Fetched),
        case("not there", vec![status("404 No")], 1, Refused(Network, "not there"), Refused(Network, "not there")),
        case("forbidden", vec![status("403 No")], 1, Refused(Network, "HTTP status 403"), Refused(Network, "HTTP status 403")),
        case("no content", vec![status("204 None")], 1, Refused(Network, "HTTP status 204"), Refused(Network, "HTTP status 204")),
        case("no HTTP", raw(vec![Step::Send(all.clone())]), 4, Refused(Network, "broken answer"), Refused(Network, "broken answer")),
        case("closed at once", raw(vec![]), 4, Refused(Network, "broken answer"), Refused(Network, "broken answer")),
        case("a length beyond all numbers", vec![ok(&[("Content-Length", "99999999999999999999999")], b"")], 4, Refused(Network, "broken answer"), Refused(Network, "broken answer")),
        case("a length of 2^63", vec![ok(&[("Content-Length", "9223372036854775808")], b"")], 1, Refused(Verification, "got 9223372036854775808"), Refused(Verification, "got 9223372036854775808")),
        case("a chunk beyond all numbers", vec![chunked(b"FFFFFFFFFFFFFFFFFF\r\n")], 4, Refused(Network, "got 0 of"), Refused(Network, "got 0 of")),
        case("chunks without an end", vec![chunked(b"5\r\nabc")], 4, Refused(Network, "got 3 of"), Refused(Network, "got 3 of")),
    ]
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
            scope.spawn(|| while let Some((case, resumed)) = next() { check(case, resumed) });
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(60));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 256 << 10, "at most 256 MiB, got {peak} kB");
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
    assert!(begun.elapsed() < Duration::from_secs(9), "{name}: {:?}", begun.elapsed());
    match (if resumed { &case.resumed } else { &case.fresh }, result) {
        (Fetched, Ok(())) => assert_eq!(std::fs::read(store.blob_path(&digest)).unwrap(), all, "{name}"),
        (Refused(class, text), Err(refusal)) => {
            assert_eq!(refusal.class, *class, "{name}: {refusal}");
            assert!(refusal.to_string().contains(text), "{name}: wanted `{text}`, got `{refusal}`");
            assert!(!store.blob_path(&digest).exists(), "{name}");
            for left in files(&incoming) {
                let size = incoming.join(&left).metadata().unwrap().len();
                assert!(left.ends_with(".part") && size <= SIZE as u64, "{name}: {left} of {size} bytes");
            }
        }
        (Fetched, Err(refusal)) => panic!("{name}: wanted it fetched, got `{refusal}`"),
        (Refused(_, text), Ok(())) => panic!("{name}: wanted `{text}`, got it fetched"),
    }
    let made = server.requests().len();
    assert!(made <= case.requests, "{name}: wanted at most {} requests, got {made}", case.requests);
    server.at(PATH, vec![Reply::File(all.clone())]);
    get(&store, &all, &options(&[&server])).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    assert_eq!(files(&incoming), [""; 0], "{name}");
}
