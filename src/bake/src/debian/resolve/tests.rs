use super::*;
use crate::debian::openpgp::fixture::{Binding, Key, day, message};
use crate::sources::Where;
use std::io::Read as _;
use std::sync::Mutex;
use tree::name::Arch;

/// An archive of one suite in memory, and what it was asked for.
struct Mock {
    inrelease: String,
    index: Vec<u8>,
    asked: Mutex<Vec<String>>,
}

impl Archive for Mock {
    fn inrelease(&self, suite: &Suite) -> Result<Vec<u8>> {
        self.asked.lock().unwrap().push(format!("inrelease {}", suite.name));
        Ok(self.inrelease.clone().into_bytes())
    }

    fn detached(&self, suite: &Suite) -> Result<(Vec<u8>, Vec<u8>)> {
        panic!("a Release of {} is requested", suite.name)
    }

    fn index(&self, _: &Suite, paths: &[String], digest: Sha256, size: u64) -> Result<Vec<u8>> {
        self.asked.lock().unwrap().push(format!("index {} {digest} {size}", paths.join(" or ")));
        Ok(self.index.clone())
    }
}

const PACKAGES: &str = "Package: a\nVersion: 1\nArchitecture: amd64\nEssential: yes\nDepends: b\nFilename: pool/a.deb\nSize: 1\n\
    SHA256: 0000000000000000000000000000000000000000000000000000000000000000\n\n\
    Package: b\nVersion: 2\nArchitecture: all\nPriority: required\nFilename: pool/b.deb\nSize: 2\n\
    SHA256: 0000000000000000000000000000000000000000000000000000000000000000\n\n\
    Package: c\nVersion: 3\nArchitecture: all\nDepends: b\nFilename: pool/c.deb\nSize: 3\n\
    SHA256: 0000000000000000000000000000000000000000000000000000000000000000\n";

fn xz(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    liblzma::read::XzEncoder::new(text.as_bytes(), 1).read_to_end(&mut out).unwrap();
    out
}

fn release(packed: &[u8], text: &str) -> String {
    let line = |bytes: &[u8], name: &str| {
        format!(" {} {} main/binary-amd64/{name}", Sha256::of(bytes).hex(), bytes.len())
    };
    format!(
        "Suite: stable\nCodename: trixie\nDate: Fri, 02 Jan 2026 00:00:00 UTC\nAcquire-By-Hash: yes\n\
         No-Support-for-Architecture-all: Packages\nArchitectures: all amd64\nSHA256:\n{}\n{}",
        line(text.as_bytes(), "Packages"),
        line(packed, "Packages.xz")
    )
}

fn sources() -> Sources {
    let certificate = Key::ed25519(1).certificate(Binding::default());
    let suite = Suite {
        name: "trixie".to_owned(),
        archive: "debian".to_owned(),
        place: Where::Dists("trixie".to_owned()),
        origin: None,
        codename: Some("trixie".to_owned()),
        suites: vec!["stable".to_owned()],
        components: vec!["main".to_owned()],
        by_name: false,
        max_age_days: 60,
        keys: vec![certificate.fingerprint().to_owned()],
    };
    let certificates = [(certificate.fingerprint().to_owned(), certificate)].into();
    Sources { archives: BTreeMap::new(), suites: vec![suite], certificates, texts: BTreeMap::new() }
}

/// An archive whose Release is signed by the pinned key.
fn signed(release: &str, index: Vec<u8>) -> Mock {
    let inrelease = message(release, &[Key::ed25519(1).sign(release, 1)]);
    Mock { inrelease, index, asked: Mutex::default() }
}

fn good() -> Mock {
    let packed = xz(PACKAGES);
    signed(&release(&packed, PACKAGES), packed)
}

fn request(install: &[&str]) -> Request {
    let install = install.iter().map(|name| name.parse().unwrap()).collect();
    let (from, files) = (BTreeMap::new(), vec![]);
    Request { arch: Arch::Amd64, install, recommends_of: vec![], avoid: vec![], from, files }
}

fn run(archive: &Mock, days: u32, previous: &[Lock], limits: &Limits) -> Result<Lock, String> {
    let (kind, request) = ("base".parse().unwrap(), request(&["c"]));
    let task = Task { kind: &kind, request: &request, now: day(days), previous, given: &[], files: &[] };
    resolve(&task, &sources(), archive, limits).map_err(|refusal| {
        assert_eq!(refusal.class, Class::Verification, "{refusal}");
        refusal.to_string()
    })
}

#[test]
fn a_lock_says_what_vouches_for_each_package_and_what_asked_for_it() {
    let archive = good();
    let lock = run(&archive, 2, &[], &Limits::default()).unwrap();
    let packages: Vec<String> = lock
        .packages
        .iter()
        .map(|one| format!("{} {} {}: {}", one.name, one.version, one.arch, one.because.join(" ")))
        .collect();
    assert_eq!(packages, ["a 1 amd64: essential", "b 2 all: a c required", "c 3 all: recipe"]);
    let suite = &lock.suites[0];
    assert_eq!(suite.inrelease, Sha256::of(archive.inrelease.as_bytes()));
    assert_eq!(suite.packages, Sha256::of(PACKAGES.as_bytes()));
    assert_eq!(suite.signed_by, [Key::ed25519(1).primary()]);
    let (digest, size) = (Sha256::of(&archive.index), archive.index.len());
    let folder = "main/binary-amd64";
    let asked =
        format!("index {folder}/by-hash/SHA256/{} or {folder}/Packages.xz {digest} {size}", digest.hex());
    assert_eq!(*archive.asked.lock().unwrap(), ["inrelease trixie".to_owned(), asked]);
}

#[test]
fn nothing_is_asked_for_that_a_refused_inrelease_names() {
    let text = release(&xz(PACKAGES), PACKAGES);
    let unsigned = message(&text, &[Key::ed25519(2).sign(&text, 1)]);
    let archive = Mock { inrelease: unsigned, ..good() };
    let error = run(&archive, 2, &[], &Limits::default()).unwrap_err();
    assert!(error.starts_with("trixie InRelease: resolve: no signature by a pinned key"), "{error}");
    assert_eq!(*archive.asked.lock().unwrap(), ["inrelease trixie"]);
    // the good one after it succeeds
    assert!(run(&good(), 2, &[], &Limits::default()).is_ok());
}

#[test]
fn text_around_the_signed_block_is_refused_by_the_resolver() {
    let inrelease = format!("Codename: trixie\n{}", good().inrelease);
    let error = run(&Mock { inrelease, ..good() }, 2, &[], &Limits::default()).unwrap_err();
    assert_eq!(error, "trixie InRelease: resolve: data outside the signed block: text before it");
}

#[test]
fn an_archive_that_is_frozen_or_turned_back_is_refused() {
    let lock = run(&good(), 2, &[], &Limits::default()).unwrap();
    assert_eq!(run(&good(), 61, std::slice::from_ref(&lock), &Limits::default()).unwrap(), lock);
    let error = run(&good(), 62, &[], &Limits::default()).unwrap_err();
    assert!(error.contains("is more than 60 days ago"), "{error}");
    let mut newer = lock.clone();
    newer.suites[0].date = day(2);
    // of several locks, the newest
    for previous in [vec![newer.clone()], vec![lock.clone(), newer.clone()], vec![newer, lock]] {
        let error = run(&good(), 3, &previous, &Limits::default()).unwrap_err();
        assert!(error.contains("is earlier than the one accepted before (2026-01-03T00:00:00Z)"), "{error}");
    }
}

#[test]
fn an_index_that_is_not_what_the_release_says_is_refused() {
    let packed = xz(PACKAGES);
    let of = |packed: &[u8]| release(packed, PACKAGES);
    let junk = [packed.as_slice(), b"x"].concat();
    let double = [packed.as_slice(), &packed].concat();
    let longer = format!("{PACKAGES}\n");
    let bad = "not xz".as_bytes().to_vec();
    let mut flipped = packed.clone();
    flipped[40] ^= 1;
    let cases = [
        ("short", signed(&of(&packed), packed[1..].to_vec()), "compressed size, expected"),
        ("other bytes", signed(&of(&packed), flipped), "compressed digest, expected"),
        ("longer inside", signed(&of(&xz(&longer)), xz(&longer)), "decompressed size, expected"),
        ("shorter inside", signed(&release(&packed, &longer), packed.clone()), "decompressed size, expected"),
        (
            "other inside",
            signed(
                &of(&xz(&PACKAGES.replace("pool/a", "pool/z"))),
                xz(&PACKAGES.replace("pool/a", "pool/z")),
            ),
            "digest, expected",
        ),
        ("data behind", signed(&of(&junk), junk), "trailing data after the xz stream"),
        ("two streams", signed(&of(&double), double), "trailing data after the xz stream"),
        ("no xz", signed(&of(&bad), bad), "corrupt xz data"),
        (
            "not listed",
            signed(&of(&packed).replace("/Packages", "/Sources"), packed.clone()),
            "it lists no `main/binary-amd64/Packages.xz`",
        ),
        (
            "no architecture",
            signed(&of(&packed).replace("all amd64", "all arm64"), packed.clone()),
            "it has no architecture amd64",
        ),
    ];
    for (case, archive, expected) in cases {
        let error = run(&archive, 2, &[], &Limits::default()).unwrap_err();
        assert!(error.contains(expected), "{case}: {error}");
    }
}

#[test]
fn an_index_beyond_its_limits_is_not_even_asked_for() {
    for limits in [Limits { packed: 10, ..Limits::default() }, Limits { index: 10, ..Limits::default() }] {
        let archive = good();
        let error = run(&archive, 2, &[], &limits).unwrap_err();
        assert!(error.contains("compressed size, expected at most 10, found"), "{error}");
        assert_eq!(archive.asked.lock().unwrap().len(), 1);
    }
}

#[test]
fn a_package_that_another_one_of_the_recipe_conflicts_with_may_be_left_out_and_the_refusal_says_how() {
    let text = PACKAGES.replace("Architecture: all\nDepends: b\n", "Architecture: all\nConflicts: d\n")
        + "\n"
        + &PACKAGES.rsplit("\n\n").next().unwrap().replace("Package: c", "Package: d");
    let packed = xz(&text);
    let archive = signed(&release(&packed, &text), packed);
    let (kind, request) = ("base".parse().unwrap(), request(&["c", "d"]));
    let task = Task { kind: &kind, request: &request, now: day(2), previous: &[], given: &[], files: &[] };
    let refusal = resolve(&task, &sources(), &archive, &Limits::default()).unwrap_err();
    assert!(
        refusal.to_string().contains("`d` is required by the recipe, but `c` conflicts with `d`"),
        "{refusal}"
    );
    assert!(refusal.hint.as_deref().unwrap().contains("`without = [\"d\"]`"), "{:?}", refusal.hint);
}

#[test]
fn what_a_component_needs_is_in_the_lock_and_the_component_is_not() {
    let control =
        |fields: &str| format!("Package: c\nVersion: 9\nArchitecture: amd64\n{fields}Description: x\n y\n");
    let resolved = |fields: &str| {
        let (kind, request) = ("base".parse().unwrap(), request(&[]));
        let given = [Given { name: "c".parse().unwrap(), control: control(fields) }];
        let task =
            Task { kind: &kind, request: &request, now: day(3), previous: &[], given: &given, files: &[] };
        let text = PACKAGES.replace(
            "Package: b\n",
            "Package: d\nVersion: 1\nArchitecture: all\nProvides: x\n\
            Filename: pool/d.deb\nSize: 3\nSHA256: \
            0000000000000000000000000000000000000000000000000000000000000000\n\nPackage: b\n",
        );
        let packed = xz(&text);
        resolve(&task, &sources(), &signed(&release(&packed, &text), packed), &Limits::default())
    };
    // the archive has a `c` as well: the component is in its place, and the lock has none
    let lock = resolved("Depends: gone | x, b (>= 2)\n").unwrap();
    let packages: Vec<(&str, String)> =
        lock.packages.iter().map(|package| (package.name.as_str(), package.because.join(" "))).collect();
    let expected = [("a", "essential"), ("b", "a c required"), ("d", "c")]
        .map(|(name, because)| (name, because.to_owned()));
    assert_eq!(packages, expected);
    let refusal = resolved("Depends: gone\n").unwrap_err();
    assert!(refusal.to_string().contains("`gone`"), "{refusal}");
    assert!(resolved("Conflicts: a\n").is_err());
    let refusal = resolved("Package: e\n").unwrap_err();
    assert!(refusal.to_string().starts_with("c: resolve: its control file"), "{refusal}");
}
