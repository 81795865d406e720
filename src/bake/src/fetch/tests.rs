//! Fetching from directories and from a server on the loopback that says what a test needs.

use super::fault::Fault;
use super::hosts::Hosts;
use super::places::{Location, Of};
use super::*;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use store::{Begun, Key};
use tree::digest::Sha256;

/// A store, and a folder of files.
struct Bench {
    store: Store,
    place: tempfile::TempDir,
    events: Events,
}

/// What was said, a line an event of those that name places.
#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Progress for Events {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::Cached { count, bytes } => format!("cached {count} {bytes}"),
            Event::Begin { count, bytes } => format!("begin {count} {bytes}"),
            Event::NextPlace { name, why, .. } => format!("next {name}: {why}"),
            Event::Retry { why, .. } => format!("retry: {why}"),
            Event::Restart { .. } => "restart".to_owned(),
            Event::Start { at, .. } => format!("start at {at}"),
            Event::Snapshot { count, of } => format!("snapshot {count} of {of}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Events {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Bench {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let options = store::Options { key: Some(Key::new([7; 32])), ..Default::default() };
        let store = Store::open_with(&place.path().join("store"), &options).unwrap();
        Self { store, place, events: Events::default() }
    }

    /// Puts a file of `requirement` into the mirror `mirror`.
    fn put(&self, mirror: &str, requirement: &Requirement, bytes: &[u8]) -> PathBuf {
        let path =
            self.place.path().join(mirror).join(format!("{}/{}/file", requirement.name, requirement.version));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Options with these mirrors: folders of the bench, or URLs.
    fn options(&self, mirrors: &[&str]) -> Options {
        let mirror = |name: &&str| {
            let here = self.place.path().join(name);
            if name.contains("://") { name.parse().unwrap() } else { Place::Directory(here) }
        };
        let (short, no) = (Duration::from_secs(5), Duration::from_millis(1));
        let deadlines = Deadlines {
            connect: short,
            slow: short,
            slow_bytes: 1,
            backoff: no,
            patience: no,
            ..Deadlines::default()
        };
        Options { mirrors: mirrors.iter().map(mirror).collect(), deadlines, jobs: 2, ..Options::default() }
    }

    fn fetch(&self, requirements: &[Requirement], options: &Options) -> Result<Fetched> {
        fetch(&self.store, requirements, options, &self.events)
    }

    /// What is on its way in the store.
    fn incoming(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.store.root().join("incoming")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// A component `name` of these bytes, whose upstream does not answer.
fn requirement(name: &str, bytes: &[u8]) -> Requirement {
    Requirement {
        name: name.parse().unwrap(),
        version: "1".to_owned(),
        digest: Sha256::of(bytes).into(),
        size: bytes.len() as u64,
        source: Source::Upstream { url: format!("https://127.0.0.1:1/{name}/file") },
    }
}

/// A component `name` of these bytes, at `url`.
fn requirement_at(name: &str, bytes: &[u8], url: &str) -> Requirement {
    Requirement { source: Source::Upstream { url: url.to_owned() }, ..requirement(name, bytes) }
}

#[test]
fn a_file_of_the_project_is_fetched_and_none_that_a_link_of_it_leads_to() {
    use std::os::unix::fs::symlink;
    let bench = Bench::new();
    let (project, home) = (bench.place.path().join("project"), bench.place.path().join("home"));
    std::fs::create_dir_all(project.join("parts")).unwrap();
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(project.join("parts/tool-1"), b"of the project").unwrap();
    std::fs::write(home.join("key-1"), b"secret").unwrap();
    symlink(home.join("key-1"), project.join("parts/absolute-1")).unwrap();
    symlink("../../home/key-1", project.join("parts/above-1")).unwrap();
    symlink(&home, project.join("home")).unwrap();
    symlink("parts/tool-1", project.join("inside-1")).unwrap();
    let options = Options { project, ..bench.options(&[]) };
    for url in ["file:parts/absolute-1", "file:parts/above-1", "file:home/key-1"] {
        let refusal = bench.fetch(&[requirement_at("secret", b"secret", url)], &options).unwrap_err();
        assert!(refusal.to_string().contains("a symbolic link leads out of the project"), "{url}: {refusal}");
        assert_eq!(refusal.class, Class::Io);
        let named = (&"secret".parse().unwrap(), "1", url);
        let refusal = unpinned(&bench.store, named, &options, &bench.events).unwrap_err();
        assert!(refusal.to_string().contains("a symbolic link leads out of the project"), "{url}: {refusal}");
    }
    assert!(!bench.store.has(&Sha256::of(b"secret").into(), 6).unwrap());
    // a link within the project is a file of it; an absolute path is the word of the manifest, and `plan` says so
    bench.fetch(&[requirement_at("tool", b"of the project", "file:inside-1")], &options).unwrap();
    let absolute = format!("file://{}", home.join("key-1").display());
    bench.fetch(&[requirement_at("secret", b"secret", &absolute)], &options).unwrap();
}

#[test]
fn nothing_is_told_of_a_file_of_the_machine_that_a_pin_names() {
    let bench = Bench::new();
    let key = bench.place.path().join("key-1");
    std::fs::write(&key, b"secret").unwrap();
    let url = format!("file://{}", key.display());
    for bytes in [&b"x"[..], b"longer than it", b"guess1"] {
        let refusal = bench.fetch(&[requirement_at("key", bytes, &url)], &bench.options(&[])).unwrap_err();
        let expected = format!("key: fetch: it is another file than the pinned one (`{}`)", key.display());
        assert_eq!((refusal.to_string(), refusal.class), (expected, Class::Verification));
    }
    // whoever names a directory on the command line is told what is there
    let mirror = bench.place.path().join("mirror/key/1");
    std::fs::create_dir_all(&mirror).unwrap();
    std::fs::write(mirror.join("key-1"), b"secret").unwrap();
    let options = bench.options(&[bench.place.path().join("mirror").to_str().unwrap()]);
    let refusal =
        bench.fetch(&[requirement_at("key", b"guess1", "https://127.0.0.1:1/key-1")], &options).unwrap_err();
    assert!(refusal.to_string().contains(&Sha256::of(b"secret").to_string()), "{refusal}");
}

/// A server: what it answers to each path with the offset of the range that was asked for, and the paths that were asked for.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Server {
    fn start(answer: impl Fn(&str, u64) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<(String, u64)>>> = Arc::default();
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (mut connection, log, answer) =
                    (connection.unwrap(), Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
                    let Some(Ok(first)) = lines.next() else { return };
                    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    let mut from = 0;
                    for line in lines.map_while(std::io::Result::ok).take_while(|line| !line.is_empty()) {
                        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                            from = range.trim_end_matches('-').parse().unwrap();
                        }
                    }
                    log.lock().unwrap().push((path.clone(), from));
                    let _ = connection.write_all(&answer(&path, from));
                });
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn what_is_fetched_is_in_the_store_and_not_fetched_again() {
    let bench = Bench::new();
    let (a, b) = (requirement("a", b"first"), requirement("b", b"more than one"));
    let requirements = [a.clone(), b.clone(), a.clone()];
    bench.put("mirror", &a, b"first");
    bench.put("mirror", &b, b"more than one");
    let fetched = bench.fetch(&requirements, &bench.options(&["mirror"])).unwrap();
    assert_eq!((fetched.transferred(), fetched.bytes()), (18, 18));
    assert_eq!(bench.events.take()[..2], ["cached 0 0", "begin 2 18"]);
    let mut bytes = Vec::new();
    fetched.open(&bench.store, &b.digest).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"more than one");
    let other: Digest = Sha256::of(b"other").into();
    assert!(fetched.contains(&a.digest) && !fetched.contains(&other));
    assert!(fetched.open(&bench.store, &other).unwrap_err().to_string().contains("did not request it"));
    // without any place
    let again = bench.fetch(&requirements, &Options { offline: true, ..bench.options(&[]) }).unwrap();
    assert_eq!((again.transferred(), again.bytes()), (0, 18));
    assert_eq!(bench.events.take(), ["cached 2 18"]);
    // what was damaged meanwhile is
    std::fs::write(bench.store.blob_path(&a.digest), b"fjrst").unwrap();
    let again = bench.fetch(&requirements, &bench.options(&["mirror"])).unwrap();
    assert_eq!(again.transferred(), 5);
    assert!(bench.store.verify_blob(&a.digest).unwrap());
    assert_eq!(bench.incoming(), Vec::<PathBuf>::new());
}

#[test]
fn a_place_that_has_something_else_is_left_for_the_next_one_and_named() {
    let bench = Bench::new();
    let a = requirement("a", b"right");
    for (mirror, bytes) in [("one", &b"wrong"[..]), ("two", b"longer"), ("four", b"right")] {
        bench.put(mirror, &a, bytes);
    }
    bench.fetch(std::slice::from_ref(&a), &bench.options(&["one", "two", "three", "four"])).unwrap();
    let said = bench.events.take();
    let why: Vec<&String> = said.iter().filter(|line| line.starts_with("next")).collect();
    // each mirror is asked in both of its layouts
    assert_eq!(why.len(), 7, "{said:?}");
    for expected in ["expected digest", "expected a size of 5, found 6", "not there"] {
        assert!(why.iter().any(|line| line.contains(expected)), "{expected}: {why:?}");
    }
    let bench = Bench::new();
    bench.put("one", &a, b"wrong");
    bench.put("two", &a, b"longer");
    let refusal = bench.fetch(std::slice::from_ref(&a), &bench.options(&["one", "two"])).unwrap_err();
    assert_eq!(refusal.class, Class::Verification, "wrong bytes say more than a place that is not there");
    let said = refusal.to_string();
    for expected in
        ["no mirror has it", "/one/a/1/file", "expected a size of 5, found 6", "https://127.0.0.1:1/a/file"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!bench.store.has(&a.digest, 5).unwrap());
    assert_eq!(bench.incoming(), Vec::<PathBuf>::new());
}

#[test]
fn what_is_no_plain_file_blocks_nothing() {
    let bench = Bench::new();
    let a = requirement("a", b"right");
    let path = bench.put("one", &a, b"");
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    let refusal = bench.fetch(&[a], &bench.options(&["one"])).unwrap_err();
    assert_eq!(refusal.class, Class::Io);
    assert!(refusal.to_string().contains("not a regular file"), "{refusal}");
}

#[test]
fn offline_opens_no_connection() {
    let bench = Bench::new();
    let a = requirement("a", b"right");
    let server = Server::start(|_, _| reply("200 OK", "", b"right"));
    let offline = Options { offline: true, ..bench.options(&[&server.url]) };
    let refusal = bench.fetch(std::slice::from_ref(&a), &offline).unwrap_err();
    assert_eq!(refusal.class, Class::Network);
    assert!(refusal.to_string().contains("this run is offline"), "{refusal}");
    assert_eq!(server.asked(), []);
    bench.put("mirror", &a, b"right");
    bench.fetch(&[a], &Options { offline: true, ..bench.options(&[&server.url, "mirror"]) }).unwrap();
    assert_eq!(server.asked(), []);
}

#[test]
fn a_transfer_that_was_cut_goes_on_and_a_wrong_half_is_not_kept() {
    let whole: &[u8] = b"the whole of it";
    let a = requirement("a", whole);
    for (there, from) in [(&b"the wh"[..], 6), (b"THE WH", 6), (b"longer than all of it is", 0)] {
        let bench = Bench::new();
        let Begun::Ours(mut part) = bench.store.begin(&a.digest).unwrap() else { panic!("nobody is at it") };
        part.file().write_all(there).unwrap();
        drop(part);
        let server = Server::start(move |path, from| {
            let rest = &whole[usize::try_from(from).unwrap()..];
            match from {
                _ if path.starts_with("/vmconfig") => reply("404 Not Found", "", b""),
                0 => reply("200 OK", "", rest),
                _ => {
                    let range =
                        format!("Content-Range: bytes {from}-{}/{}\r\n", whole.len() - 1, whole.len());
                    reply("206 Partial Content", &range, rest)
                }
            }
        });
        bench.fetch(std::slice::from_ref(&a), &bench.options(&[&server.url])).unwrap();
        let asked: Vec<u64> = server
            .asked()
            .into_iter()
            .filter(|(path, _)| path == "/a/1/file")
            .map(|(_, from)| from)
            .collect();
        match there {
            b"THE WH" => assert_eq!(asked, [6, 0], "{:?}", bench.events.take()),
            _ => assert_eq!(asked, [from]),
        }
        assert!(bench.store.verify_blob(&a.digest).unwrap());
    }
}

#[test]
fn an_answer_that_is_in_doubt_is_refused_before_or_while_it_is_read() {
    let wide = |headers: &'static str, body: &'static [u8]| move || reply("200 OK", headers, body);
    type Answer = Box<dyn Fn() -> Vec<u8> + Send + Sync>;
    let endless = || {
        let mut answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        answer.resize(1 << 20, b'x');
        answer
    };
    let cases: Vec<(&str, Answer, Class)> = vec![
        ("expected a size of 5, found 6", Box::new(wide("", b"longer")), Class::Verification),
        ("expected a size of 5, found more", Box::new(endless), Class::Verification),
        ("expected digest", Box::new(wide("", b"wrong")), Class::Verification),
        ("content encoding", Box::new(wide("Content-Encoding: gzip\r\n", b"right")), Class::Verification),
        ("not found (HTTP status 410)", Box::new(|| reply("410 Unavailable", "", b"")), Class::Network),
        ("HTTP status 403", Box::new(|| reply("403 Forbidden", "", b"")), Class::Network),
        ("partial content (206)", Box::new(|| reply("206 Partial Content", "", b"right")), Class::Network),
        (
            "redirect: to `ftp`",
            Box::new(|| reply("302 Found", "Location: ftp://x/\r\n", b"")),
            Class::Network,
        ),
        ("redirect: no Location header", Box::new(|| reply("302 Found", "", b"")), Class::Network),
        (
            "redirect: more than 5",
            Box::new(|| reply("302 Found", "Location: /a/1/file\r\n", b"")),
            Class::Network,
        ),
        ("invalid response", Box::new(|| b"SSH-2.0-OpenSSH\r\n".to_vec()), Class::Network),
    ];
    for (expected, answer, class) in cases {
        let bench = Bench::new();
        let server = Server::start(move |path, _| match path {
            "/a/1/file" => answer(),
            _ => reply("404 Not Found", "", b""),
        });
        let refusal = bench.fetch(&[requirement("a", b"right")], &bench.options(&[&server.url])).unwrap_err();
        assert!(refusal.to_string().contains(expected), "{expected}: {refusal}");
        assert_eq!(refusal.class, class, "{refusal}");
        assert!(bench.incoming().is_empty() || class == Class::Network, "{expected}");
    }
}

#[test]
fn a_redirect_is_followed_and_a_failing_server_is_tried_again() {
    let bench = Bench::new();
    let tries = Arc::new(Mutex::new(0));
    let server = Server::start(move |path, _| match path {
        "/a/1/file" => reply("301 Moved Permanently", "Location: /elsewhere\r\n", b""),
        "/elsewhere" => {
            *tries.lock().unwrap() += 1;
            match *tries.lock().unwrap() {
                1 => reply("503 Service Unavailable", "", b""),
                2 => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nri".to_vec(),
                _ => reply("200 OK", "", b"right"),
            }
        }
        _ => reply("404 Not Found", "", b""),
    });
    let a = requirement("a", b"right");
    bench.fetch(std::slice::from_ref(&a), &bench.options(&[&server.url])).unwrap();
    let retries: Vec<String> =
        bench.events.take().into_iter().filter(|line| line.starts_with("retry")).collect();
    assert_eq!(retries.len(), 2, "{retries:?}");
    assert!(retries[0].contains("503") && retries[1].contains("received 2 of 5 bytes"), "{retries:?}");
    assert!(bench.store.verify_blob(&a.digest).unwrap());
}

#[test]
fn a_login_page_of_the_network_is_told_as_one() {
    for (headers, body) in [("Content-Type: text/html\r\n", &b"<x> no"[..]), ("", b" <!DOCTYPE html>..")] {
        let bench = Bench::new();
        let server = Server::start(move |_, _| reply("200 OK", headers, body));
        let a = requirement("a", &vec![b'x'; body.len()]);
        let refusal = bench.fetch(&[a], &bench.options(&[&server.url])).unwrap_err();
        assert!(refusal.hint.as_deref().unwrap_or_default().contains("captive portal"), "{refusal}");
    }
}

#[test]
fn a_package_that_no_place_has_any_more_is_gone_and_one_that_is_wrong_is_not() {
    let package = |bytes: &[u8]| Requirement {
        source: Source::Debian {
            archive: "debian".to_owned(),
            file: "pool/main/a/a_1_amd64.deb".to_owned(),
            date: jiff::Timestamp::UNIX_EPOCH,
        },
        ..requirement("a", bytes)
    };
    let bench = Bench::new();
    let archive = bench.place.path().join("debian");
    let options = Options {
        debian: vec![Place::Directory(archive.clone())],
        relock_hint: "run `vmbake lock`".into(),
        ..bench.options(&[])
    };
    let refusal = bench.fetch(&[package(b"right")], &options).unwrap_err();
    assert!(is_gone(&refusal), "{refusal}");
    assert_eq!(refusal.hint.as_deref(), Some("run `vmbake lock`"));
    std::fs::create_dir_all(archive.join("pool/main/a")).unwrap();
    std::fs::write(archive.join("pool/main/a/a_1_amd64.deb"), b"wrong").unwrap();
    let refusal = bench.fetch(&[package(b"right")], &options).unwrap_err();
    assert!(!is_gone(&refusal) && refusal.class == Class::Verification, "{refusal}");
    bench.fetch(&[package(b"wrong")], &options).unwrap();
    // a component is never gone
    let refusal = bench.fetch(&[requirement("b", b"x")], &bench.options(&["none"])).unwrap_err();
    assert!(!is_gone(&refusal), "{refusal}");
}

#[test]
fn one_digest_is_one_size_name_version_and_url() {
    let bench = Bench::new();
    let a = requirement("a", b"right");
    bench.put("mirror", &a, b"right");
    let options = bench.options(&["mirror"]);
    let refused = |requirements: &[Requirement], expected: &str| {
        let refusal = bench.fetch(requirements, &options).unwrap_err();
        assert_eq!(refusal.class, Class::Usage, "{refusal}");
        assert!(refusal.to_string().contains(expected), "{expected}: {refusal}");
    };
    let newer = Requirement { version: "2".to_owned(), ..a.clone() };
    refused(&[a.clone(), Requirement { size: 6, ..a.clone() }], "another size, expected 5, found 6");
    refused(&[a.clone(), newer.clone()], "is pinned as `a` 2 from");
    assert!(!bench.store.has(&a.digest, 5).unwrap(), "nothing was fetched");
    bench.fetch(std::slice::from_ref(&a), &options).unwrap();
    refused(std::slice::from_ref(&newer), "in the store as `a` 1 from");
    let elsewhere = Source::Upstream { url: "https://127.0.0.1:1/other/file".to_owned() };
    refused(&[Requirement { source: elsewhere, ..a.clone() }], "in the store as `a` 1 from");
    bench.fetch(std::slice::from_ref(&a), &options).unwrap();
    // what a project has as a file or serves itself may move, and is the same version of the same component still
    let moved = |url: &str| Requirement { source: Source::Upstream { url: url.to_owned() }, ..a.clone() };
    for url in ["file:parts/a-1", "http://127.0.0.1:1/a-1", "http://127.0.0.1:1/b-1", "file:///srv/a-1"] {
        bench.fetch(&[moved(url)], &options).unwrap();
        refused(
            &[Requirement { version: "2".to_owned(), ..moved(url) }],
            &format!("in the store as `a` 1 from {url}"),
        );
        refused(&[Requirement { name: "b".parse().unwrap(), ..moved(url) }], "is pinned as `b` 1 from");
    }
    bench.fetch(&[a], &options).unwrap();
}

#[test]
fn the_first_refusal_ends_all_transfers_and_is_the_one_that_is_told() {
    let stop = AtomicBool::new(false);
    let done = Mutex::new(Vec::new());
    let ended = on_threads(1, (0..9).collect(), &stop, |n| {
        done.lock().unwrap().push(n);
        if n == 3 { Err(Refusal::new(Class::Network, "3", Stage::Fetch, "no")) } else { Ok(()) }
    });
    assert_eq!(ended.unwrap_err().artifact, "3");
    assert_eq!(*done.lock().unwrap(), [0, 1, 2, 3]);
    assert!(stop.into_inner());
    let all = Mutex::new(Vec::new());
    on_threads(4, (0..50).collect(), &AtomicBool::new(false), |n: i32| {
        all.lock().unwrap().push(n);
        Ok(())
    })
    .unwrap();
    let mut all = all.into_inner().unwrap();
    all.sort_unstable();
    assert_eq!(all, (0..50).collect::<Vec<_>>());
}

#[test]
fn faults_have_their_class_and_as_many_tries_as_they_deserve() {
    let status = |status| Fault::Status { status, after: None };
    let digest =
        |page| Fault::Digest { expected: Sha256::of(b"a").into(), got: Sha256::of(b"b").into(), page };
    let error = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let cut = || Fault::Cut { expected: 9, got: 1, why: String::new() };
    let slow = |got| Fault::Slow { got, expected: 9, window: Duration::ZERO };
    // class, tries, throttling, unreachable, final, absence
    for (fault, class, tries, flags) in [
        (Fault::Missing(404), Class::Network, 1, "absence"),
        (Fault::NoFile, Class::Network, 1, "absence"),
        (status(403), Class::Network, 1, ""),
        (status(429), Class::Network, 4, "throttling"),
        (status(500), Class::Network, 4, "throttling"),
        (Fault::Connect(String::new()), Class::Network, 2, "throttling unreachable"),
        (Fault::Untrusted(String::new()), Class::Network, 1, ""),
        (Fault::Broken(String::new()), Class::Network, 4, "throttling"),
        (cut(), Class::Network, 4, "throttling"),
        (Fault::Short { expected: 9, got: 1 }, Class::Verification, 4, ""),
        (Fault::Size { expected: 9, got: String::new(), page: false }, Class::Verification, 1, ""),
        (digest(true), Class::Verification, 1, ""),
        (slow(0), Class::Network, 2, "throttling unreachable"),
        (slow(1), Class::Network, 2, "throttling"),
        (Fault::Late, Class::Network, 1, "final"),
        (Fault::Stopped, Class::Network, 1, "final"),
        (Fault::Redirect(String::new()), Class::Network, 1, ""),
        (Fault::Encoded(String::new()), Class::Verification, 1, ""),
        (Fault::Ambiguous(""), Class::Network, 1, ""),
        (Fault::Resume(String::new()), Class::Network, 4, ""),
        (Fault::NotPlain, Class::Io, 1, ""),
        (Fault::Read(error()), Class::Io, 1, ""),
        (Fault::Write(error()), Class::Io, 1, "final"),
        (Fault::Unreachable, Class::Network, 1, ""),
    ] {
        let flag = |name: &'static str, is: bool| if is { vec![name] } else { Vec::new() };
        let found = [
            flag("throttling", fault.is_throttling()),
            flag("unreachable", fault.is_unreachable()),
            flag("final", fault.is_final()),
            flag("absence", fault.is_absence()),
        ];
        assert_eq!((fault.class(), fault.tries()), (class, tries), "{fault:?}");
        assert_eq!(found.concat().join(" "), flags, "{fault:?}");
    }
    assert!(digest(true).hint().is_some() && digest(false).hint().is_none());
}

#[test]
fn a_host_that_could_not_be_reached_three_times_is_asked_only_where_nothing_else_is_left() {
    let hosts = Hosts::default();
    let at = |url: &str| Location::Url { url: url.parse().unwrap(), of: Of::Upstream };
    let (dead, other) = (at("https://dead.example/a"), at("https://other.example/a"));
    let away = Fault::Connect(String::new());
    for _ in 0..2 {
        hosts.note(&dead, Some(&away));
        assert!(hosts.may_be_asked(&dead));
    }
    // an answer of any kind restarts the count
    hosts.note(&dead, Some(&Fault::Missing(404)));
    for _ in 0..3 {
        assert!(hosts.may_be_asked(&dead));
        hosts.note(&dead, Some(&away));
        hosts.note(&dead, Some(&Fault::Stopped));
    }
    assert!(!hosts.may_be_asked(&dead) && hosts.may_be_asked(&other));
    assert!(!hosts.may_be_asked(&at("https://dead.example/other")), "it is the host that counts");
    assert!(hosts.may_be_asked(&at("https://dead.example:8443/a")), "with its port");
    assert!(hosts.may_be_asked(&Location::File(super::local::Local::Named("/x".into()))));
    // what asks one transfer to wait asks all of them
    let (stop, far) = (AtomicBool::new(false), Instant::now() + Duration::from_secs(60));
    hosts.wait_for_snapshot(far, &stop).unwrap();
    hosts.hold_snapshot(Duration::from_millis(30));
    hosts.hold_snapshot(Duration::ZERO);
    let begun = Instant::now();
    hosts.wait_for_snapshot(far, &stop).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(25), "{:?}", begun.elapsed());
    hosts.hold_snapshot(Duration::from_secs(50));
    assert!(matches!(hosts.wait_for_snapshot(Instant::now(), &stop), Err(Fault::Late)));
    stop.store(true, Ordering::Relaxed);
    assert!(matches!(hosts.wait_for_snapshot(far, &stop), Err(Fault::Stopped)));
}

#[test]
fn the_way_to_a_host_comes_before_that_to_all_and_http_s_holds_for_https() {
    let fixed = |name: &str| Proxy::Fixed(name.to_owned());
    let mut proxies = Proxies::from(Proxy::Environment);
    let to = |proxies: &Proxies, url: &str| proxies.to(&url.parse().unwrap()).clone();
    assert_eq!(to(&proxies, "http://a.example/"), Proxy::Environment);
    proxies.add("HTTP", None, fixed("all"));
    proxies.add("http", Some("A.example"), fixed("one"));
    proxies.add("https", Some("b.example"), Proxy::Direct);
    for (url, expected) in [
        ("http://a.example/", fixed("one")),
        ("https://A.EXAMPLE/", fixed("one")),
        ("http://b.example/", fixed("all")),
        ("https://b.example/", Proxy::Direct),
        ("https://c.example/", fixed("all")),
    ] {
        assert_eq!(to(&proxies, url), expected, "{url}");
    }
}
