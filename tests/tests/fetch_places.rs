//! Fetch over several places, connections that must not be trusted, and what the store has already.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

use bake::debian::resolve::Archive as _;
use bake::fetch::{Archives, Deadlines, Event, Options, Place, Progress, Proxy, Silent, apt, fetch};
use bake::plan::{Requirement, Source};
use bake::sources::{Snapshots, Suite, Where};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::Store;
use tests::identity::identity;
use tests::server::{Reply, Server, Step, head};
use tree::digest::{Digest, Sha256};
use tree::refusal::Class;

const DEB: &str = "pool/main/t/thing/thing_1_all.deb";

fn body(seed: u8) -> Vec<u8> {
    (0..=250).cycle().map(|n: u8| seed.wrapping_add(n)).take(50_000).collect()
}

fn requirement(bytes: &[u8]) -> Requirement {
    let source = Source::Debian {
        archive: "debian".to_owned(),
        file: DEB.to_owned(),
        date: "2026-09-12T20:00:00Z".parse().unwrap(),
    };
    let (name, version) = ("thing".parse().unwrap(), "1".to_owned());
    Requirement { name, version, digest: Sha256::of(bytes).into(), size: bytes.len() as u64, source }
}

fn options(places: &[&str]) -> Options {
    let deadlines = Deadlines {
        connect: Duration::from_secs(3),
        slow: Duration::from_secs(2),
        backoff: Duration::from_millis(5),
        ..Deadlines::default()
    };
    let debian = places.iter().map(|place| place.parse().unwrap()).collect();
    Options { debian, deadlines, relock_hint: "lock anew".into(), ..Options::default() }
}

fn serve(bytes: &[u8]) -> Server {
    let server = Server::start().unwrap();
    server.at(&format!("/{DEB}"), vec![Reply::File(bytes.to_vec())]);
    server
}

fn store() -> (tempfile::TempDir, Store) {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    (place, store)
}

/// Keeps events as text.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Progress for Log {
    fn event(&self, event: Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

#[test]
fn a_place_with_wrong_bytes_is_left_for_the_next_and_both_are_named() {
    let (good, evil) = (serve(&body(0)), serve(&body(1)));
    let (_place, store) = store();
    let log = Log::default();
    fetch(&store, &[requirement(&body(0))], &options(&[&evil.url(), &good.url()]), &log).unwrap();
    assert!(store.verify_blob(&Sha256::of(&body(0)).into()).unwrap());
    let log = log.0.into_inner().unwrap();
    let next = log.iter().find(|event| event.starts_with("NextPlace")).unwrap();
    assert!(
        next.contains(&evil.url()) && next.contains(&good.url()) && next.contains("expected digest"),
        "{next}"
    );
}

#[test]
fn the_bytes_of_another_want_are_refused_and_stored_under_no_name() {
    let (a, b) = (body(0), body(1));
    let server = serve(&b);
    let (_place, store) = store();
    let refusal = fetch(&store, &[requirement(&a)], &options(&[&server.url()]), &Silent).unwrap_err();
    assert_eq!(refusal.class, Class::Verification);
    for bytes in [&a, &b] {
        assert!(!store.has(&Sha256::of(bytes).into(), bytes.len() as u64).unwrap());
    }
    assert_eq!(store.root().join("incoming").read_dir().unwrap().count(), 0);
}

#[test]
fn a_page_has_its_hint_also_where_its_size_fits() {
    let mut page = b"<!DOCTYPE html>".to_vec();
    page.resize(50_000, b' ');
    let server = serve(&page);
    let (_place, store) = store();
    let refusal = fetch(&store, &[requirement(&body(0))], &options(&[&server.url()]), &Silent).unwrap_err();
    assert_eq!(refusal.class, Class::Verification);
    assert!(refusal.hint.unwrap().contains("captive portal"));
}

#[test]
fn a_transfer_goes_on_where_it_was_cut_while_the_file_is_the_same() {
    let bytes = body(0);
    let cut = |etag: &str| {
        let headers = [("Content-Length", "50000"), ("ETag", etag), ("Connection", "close")];
        Reply::Raw(vec![Step::Send(head("200 OK", &headers)), Step::Send(bytes[..20_000].to_vec())])
    };
    let good = serve(&bytes);
    let (_place, other_store) = store();
    fetch(&other_store, &[requirement(&bytes)], &options(&[&good.url()]), &Silent).unwrap();
    for (etag, first) in [("\"other\"", 0), ("W/\"weak\"", 20_000)] {
        let server = Server::start().unwrap();
        server.at(&format!("/{DEB}"), vec![cut(etag), Reply::File(bytes.clone())]);
        let (_place, store) = store();
        let log = Log::default();
        fetch(&store, &[requirement(&bytes)], &options(&[&server.url()]), &log).unwrap();
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "{etag}");
        assert_eq!(requests[1].headers["range"], "bytes=20000-", "{etag}");
        // a strong tag guards the range, and where it has changed the whole comes
        assert_eq!(requests[1].headers.contains_key("if-range"), first == 0, "{etag}");
        let restarts = log.0.lock().unwrap().iter().filter(|event| event.starts_with("Restart")).count();
        assert_eq!(restarts, usize::from(first == 0), "{etag}");
    }
}

#[test]
fn a_password_goes_to_its_own_host_and_port_only_and_is_never_shown() {
    let (bytes, other) = (body(0), serve(&body(0)));
    let server = Server::start().unwrap();
    server.at(&format!("/{DEB}"), vec![Reply::redirect("/here")]);
    server.at("/here", vec![Reply::redirect(&format!("{}/{DEB}", other.url()))]);
    let place = server.url().replace("http://", "http://user:secret@");
    let (_place, store) = store();
    let log = Log::default();
    fetch(&store, &[requirement(&bytes)], &options(&[&place]), &log).unwrap();
    for request in server.requests() {
        assert_eq!(request.headers["authorization"], "Basic dXNlcjpzZWNyZXQ=", "{}", request.path);
    }
    assert_eq!(other.requests().len(), 1);
    assert!(!other.requests()[0].headers.contains_key("authorization"));
    assert!(log.0.lock().unwrap().iter().all(|event| !event.contains("secret")));
    server.at("/here", vec![]);
    drop(store);
    let empty = tempfile::tempdir().unwrap();
    let store = Store::open(empty.path()).unwrap();
    let refusal = fetch(&store, &[requirement(&bytes)], &options(&[&place]), &log).unwrap_err();
    assert!(!refusal.to_string().contains("secret"), "{refusal}");
}

#[test]
fn a_connection_is_trusted_for_a_known_authority_a_right_name_and_a_valid_time() {
    // name, host in the certificate, expired, self-signed, authority known, trusted
    let cases = [
        ("all is right", "localhost", false, false, true, true),
        ("unknown authority", "localhost", false, false, false, false),
        ("self-signed", "localhost", false, true, true, false),
        ("another host", "elsewhere.example", false, false, true, false),
        ("expired", "localhost", true, false, true, false),
    ];
    for (name, host, expired, by_itself, known, trusted) in cases {
        let identity = identity(host, expired, by_itself).unwrap();
        let server = Server::start_tls(Arc::clone(&identity.config)).unwrap();
        server.at(&format!("/{DEB}"), vec![Reply::File(body(0))]);
        let authorities = if known { identity.authority.into_bytes() } else { Vec::new() };
        let options = Options { authorities, ..options(&[&server.url_of("localhost")]) };
        let (_place, store) = store();
        match fetch(&store, &[requirement(&body(0))], &options, &Silent) {
            Ok(_) => assert!(trusted, "{name}"),
            Err(refusal) => {
                assert!(!trusted, "{name}: {refusal}");
                assert!(refusal.to_string().contains("not trusted"), "{name}: {refusal}");
                assert_eq!((refusal.class, server.requests().len()), (Class::Network, 0), "{name}");
            }
        }
    }
}

#[test]
fn no_redirect_leads_from_https_to_http() {
    let identity = identity("localhost", false, false).unwrap();
    let (secure, plain) = (Server::start_tls(identity.config).unwrap(), serve(&body(0)));
    secure.at(&format!("/{DEB}"), vec![Reply::redirect(&format!("{}/{DEB}", plain.url()))]);
    let options =
        Options { authorities: identity.authority.into_bytes(), ..options(&[&secure.url_of("localhost")]) };
    let (_place, store) = store();
    let refusal = fetch(&store, &[requirement(&body(0))], &options, &Silent).unwrap_err();
    assert!(refusal.to_string().contains("from https to http"), "{refusal}");
    assert_eq!(plain.connections(), 0);
}

#[test]
fn a_package_that_no_archive_has_any_more_names_the_way_on() {
    let (server, snapshot) = (Server::start().unwrap(), Server::start().unwrap());
    let snapshots = Snapshots::new([("debian", format!("{}/debian", snapshot.url()))]);
    let options = Options { snapshots, ..options(&[&server.url()]) };
    let (_place, store) = store();
    let refusal = fetch(&store, &[requirement(&body(0))], &options, &Silent).unwrap_err();
    assert_eq!((refusal.class, refusal.hint.as_deref()), (Class::Network, Some("lock anew")));
    assert!(refusal.to_string().starts_with("thing: fetch: no mirror has it"), "{refusal}");
    snapshot.at(&format!("/debian/20260913T080000Z/{DEB}"), vec![Reply::File(body(0))]);
    fetch(&store, &[requirement(&body(0))], &options, &Silent).unwrap();
}

#[test]
fn the_proxy_that_apt_names_for_a_host_is_the_way_to_that_host_and_to_no_other() {
    let (proxy, direct) = (Server::start().unwrap(), Server::start().unwrap());
    let there = format!("{}/{DEB}", direct.url());
    proxy.at(&format!("http://mirror.example.test/debian/{DEB}"), vec![Reply::redirect(&there)]);
    direct.at(&format!("/{DEB}"), vec![Reply::File(body(0))]);
    let text = format!("Acquire::http::Proxy::mirror.example.test \"{}\";", proxy.url());
    let debian_proxies = apt::config::proxies(&apt::config::settings([text]), Proxy::Direct);
    let options = Options { debian_proxies, ..options(&["http://mirror.example.test/debian"]) };
    let (_place, store) = store();
    fetch(&store, &[requirement(&body(0))], &options, &Silent).unwrap();
    // the redirect leads to a host with another way
    assert_eq!((proxy.requests().len(), direct.requests().len()), (1, 1));
}

#[test]
fn offline_and_warm_no_connection_is_made_whatever_proxy_is_named() {
    let server = serve(&body(0));
    let (_place, store) = store();
    let proxy = Proxy::Fixed(server.url());
    let online = Options { proxy: proxy.clone(), debian_proxies: proxy.into(), ..options(&[&server.url()]) };
    let offline = Options { offline: true, ..online.clone() };
    let refusal = fetch(&store, &[requirement(&body(0))], &offline, &Silent).unwrap_err();
    assert_eq!((refusal.class, server.connections()), (Class::Network, 0));
    fetch(&store, &[requirement(&body(0))], &options(&[&server.url()]), &Silent).unwrap();
    let connections = server.connections();
    for options in [&offline, &online] {
        let fetched = fetch(&store, &[requirement(&body(0))], options, &Silent).unwrap();
        assert_eq!((fetched.transferred(), fetched.bytes()), (0, 50_000));
    }
    assert_eq!(server.connections(), connections, "what is there is not asked for");
}

#[test]
fn a_blob_with_a_flipped_bit_is_set_aside_and_fetched_again() {
    let server = serve(&body(0));
    let (_place, store) = store();
    let digest = Digest::from(Sha256::of(&body(0)));
    fetch(&store, &[requirement(&body(0))], &options(&[&server.url()]), &Silent).unwrap();
    let mut bytes = body(0);
    bytes[777] ^= 1;
    std::fs::write(store.blob_path(&digest), &bytes).unwrap();
    let fetched = fetch(&store, &[requirement(&body(0))], &options(&[&server.url()]), &Silent).unwrap();
    assert_eq!(fetched.transferred(), 50_000);
    assert!(store.verify_blob(&digest).unwrap());
    assert_eq!(store.root().join("aside").read_dir().unwrap().count(), 1);
}

#[test]
fn a_directory_is_a_place_also_offline_and_only_its_plain_files_are_taken() {
    let mirror = tempfile::tempdir().unwrap();
    let path = mirror.path().join(DEB);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let options = Options { offline: true, ..options(&[mirror.path().to_str().unwrap()]) };
    let (_place, store) = store();
    let refused = |expected: &str| {
        let refusal = fetch(&store, &[requirement(&body(0))], &options, &Silent).unwrap_err();
        assert!(refusal.to_string().contains(expected), "expected `{expected}`, found `{refusal}`");
        assert_eq!(store.root().join("incoming").read_dir().unwrap().count(), 0);
    };
    refused("not there");
    std::fs::write(&path, b"short").unwrap();
    refused("expected a size of 50000, found 5");
    std::fs::write(&path, body(1)).unwrap();
    refused("expected digest");
    std::fs::remove_file(&path).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, rustix::fs::Mode::from_raw_mode(0o600), 0).unwrap();
    refused("not a regular file");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, body(0)).unwrap();
    fetch(&store, &[requirement(&body(0))], &options, &Silent).unwrap();
}

#[test]
fn a_component_is_found_in_either_layout_of_a_mirror() {
    for layout in ["vmconfig/artifacts/thing/1/thing.bin", "thing/1/thing.bin"] {
        let server = Server::start().unwrap();
        server.at(&format!("/m/{layout}"), vec![Reply::File(body(0))]);
        let mirrors: Vec<Place> = vec![format!("{}/m/", server.url()).parse().unwrap()];
        let url = "https://127.0.0.1:9/v1/thing.bin".to_owned();
        let mut hasher = format!("sha512:{}", "0".repeat(128)).parse::<Digest>().unwrap().hasher();
        hasher.update(&body(0));
        let requirement = Requirement {
            source: Source::Upstream { url },
            digest: hasher.finish(),
            ..requirement(&body(0))
        };
        let (_place, store) = store();
        let fetched =
            fetch(&store, std::slice::from_ref(&requirement), &Options { mirrors, ..options(&[]) }, &Silent)
                .unwrap();
        assert!(
            fetched.contains(&requirement.digest)
                && store.blob_path(&requirement.digest).starts_with(store.root().join("blobs/sha512"))
        );
    }
}

#[test]
fn what_was_refused_is_not_kept_and_a_later_run_succeeds() {
    let server = Server::start().unwrap();
    let release = |text: &str| ok(text.as_bytes());
    server.at("/dists/trixie/InRelease", vec![release("forged"), release("good")]);
    let index = "main/binary-amd64/Packages.xz";
    server.at(&format!("/dists/trixie/{index}"), vec![ok(&body(1)), ok(&body(0))]);
    let (_place, store) = store();
    let options = options(&[&server.url()]);
    let paths = ["main/binary-amd64/by-hash/SHA256/x".to_owned(), index.to_owned()];
    let digest = Sha256::of(&body(0));
    let suite = Suite {
        name: "trixie".to_owned(),
        archive: "debian".to_owned(),
        place: Where::Dists("trixie".to_owned()),
        origin: None,
        codename: Some("trixie".to_owned()),
        suites: vec!["stable".to_owned()],
        components: vec!["main".to_owned()],
        by_name: false,
        max_age_days: 1,
        keys: Vec::new(),
    };
    let ask = || {
        let archives = Archives::new(&store, &options, &Silent);
        (archives.inrelease(&suite).unwrap(), archives.index(&suite, &paths, digest, 50_000))
    };
    let (inrelease, index) = ask();
    assert_eq!(inrelease, b"forged");
    assert_eq!(index.unwrap_err().class, Class::Verification);
    assert!(!store.has(&Sha256::of(&body(1)).into(), 50_000).unwrap());
    let (inrelease, index) = ask();
    assert_eq!((inrelease, index.unwrap()), (b"good".to_vec(), body(0)));
    let asked = server.requests().len();
    let (_, index) = ask();
    assert_eq!(index.unwrap(), body(0));
    assert_eq!(server.requests().len(), asked + 1, "the index is in the store, the InRelease is not");
}

fn ok(body: &[u8]) -> Reply {
    Reply::raw("200 OK", &[("Content-Length", &body.len().to_string())], body)
}

/// A package of its own file, that the snapshot archive has under `files`.
fn numbered(n: u8, bytes: &[u8]) -> Requirement {
    let source = Source::Debian {
        archive: "debian".to_owned(),
        file: format!("pool/main/t/thing/thing_{n}_all.deb"),
        date: "2026-09-12T20:00:00Z".parse().unwrap(),
    };
    Requirement { name: format!("thing{n}").parse().unwrap(), source, ..requirement(bytes) }
}

/// Where the snapshot archive has a package.
fn in_snapshot(n: u8) -> String {
    format!("/debian/20260913T080000Z/pool/main/t/thing/thing_{n}_all.deb")
}

fn with_snapshot(near: &[&str], snapshot: &Server) -> Options {
    let snapshots = Snapshots::new([("debian", format!("{}/debian", snapshot.url()))]);
    let mut options = Options { jobs: 8, snapshots, ..options(near) };
    options.deadlines.patience = Duration::from_millis(200);
    options
}

#[test]
fn the_snapshot_archive_is_asked_last_and_for_two_files_at_once() {
    let (near, snapshot) = (Server::start().unwrap(), Server::start().unwrap());
    let requirements: Vec<Requirement> = (0..14).map(|n| numbered(n, &body(n))).collect();
    for n in 0..14 {
        if n < 2 {
            near.at(&format!("/pool/main/t/thing/thing_{n}_all.deb"), vec![Reply::File(body(n))]);
        } else {
            let slow = vec![
                Step::Wait(Duration::from_millis(60)),
                Step::Send(head("200 OK", &[("Content-Length", "50000"), ("Connection", "close")])),
                Step::Send(body(n)),
            ];
            snapshot.at(&in_snapshot(n), vec![Reply::Raw(slow)]);
        }
    }
    let (_place, store) = store();
    let log = Log::default();
    fetch(&store, &requirements, &with_snapshot(&[&near.url()], &snapshot), &log).unwrap();
    assert_eq!((snapshot.requests().len(), snapshot.peak()), (12, 2));
    let log = log.0.into_inner().unwrap();
    let at = |text: &str| log.iter().position(|event| event.starts_with(text)).unwrap();
    let first = log.iter().position(|event| event.starts_with("Start") && event.contains(&snapshot.url()));
    // before the first of them, so that one knows why it takes its time
    assert!(at("Snapshot { count: 12, of: 14 }") < first.unwrap());
}

#[test]
fn the_snapshot_archive_is_waited_for_when_it_throttles_as_long_as_it_says() {
    let throttled = |headers: &[(&str, &str)]| {
        Reply::raw("429 Too Many Requests", &[&[("Content-Length", "0")], headers].concat(), b"")
    };
    // more often than any other place would be asked
    let often = [(); 5].map(|()| throttled(&[]));
    let (date, later) = ("Sat, 12 Sep 2026 20:00:00 GMT", "Sat, 12 Sep 2026 20:00:01 GMT");
    for (name, headers) in [
        ("none", vec![]),
        ("seconds", vec![("Retry-After", "1")]),
        ("a date", vec![("Date", date), ("Retry-After", later)]),
    ] {
        let (_place, store) = store();
        let begun = std::time::Instant::now();
        let path = in_snapshot(1);
        let server = Server::start().unwrap();
        let replies = if headers.is_empty() { often.to_vec() } else { vec![throttled(&headers)] };
        let count = replies.len();
        server.at(&path, [&replies[..], &[Reply::File(body(1))]].concat());
        let mut options = with_snapshot(&[], &server);
        options.deadlines.patience = Duration::from_millis(20);
        fetch(&store, &[numbered(1, &body(1))], &options, &Silent).unwrap();
        assert_eq!(server.requests().len(), count + 1, "{name}");
        let least = if headers.is_empty() { 20 * 31 } else { 1000 };
        assert!(begun.elapsed() >= Duration::from_millis(least), "{name}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_snapshot_archive_that_cannot_be_reached_at_all_is_not_waited_for() {
    let snapshot = Server::start().unwrap();
    let mut options = with_snapshot(&[], &snapshot);
    // nobody listens there any longer
    drop(snapshot);
    std::thread::sleep(Duration::from_millis(50));
    options.deadlines.patience = Duration::from_secs(60);
    let begun = std::time::Instant::now();
    let (_place, store) = store();
    fetch(&store, &[numbered(0, &body(0))], &options, &Silent).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_place_that_cannot_be_reached_is_not_asked_for_every_file() {
    let (dead, good) = (Server::start().unwrap(), Server::start().unwrap());
    let requirements: Vec<Requirement> = (0..40).map(|n| numbered(n, &body(n))).collect();
    for n in 0..40 {
        good.at(&format!("/pool/main/t/thing/thing_{n}_all.deb"), vec![Reply::File(body(n))]);
    }
    let options = Options { jobs: 2, ..options(&[&dead.url(), &good.url()]) };
    let gone = dead.url();
    drop(dead);
    std::thread::sleep(Duration::from_millis(50));
    let (_place, store) = store();
    let log = Log::default();
    fetch(&store, &requirements, &options, &log).unwrap();
    let log = log.0.into_inner().unwrap();
    let tries = log.iter().filter(|event| event.starts_with("Start") && event.contains(&gone)).count();
    // two tries for each of three files, and as many by the other transfer that had begun by then
    assert!((6..=8).contains(&tries), "{tries}");
    assert!(good.requests().len() == 40);
}
