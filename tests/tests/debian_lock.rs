//! Locks over the archive that this machine's apt names, else Debian's own, beside what apt and gpgv make of the same files.
//!
//! apt gets a root of its own with trixie's suites, an empty dpkg status and the certificates of `manifests/trust`;
//! the resolver reads the InRelease that it downloaded, so that both see the archive of one moment.
//! Needs: apt-get, gpgv, base64.

#![allow(clippy::unwrap_used, clippy::panic)] // as in any test; clippy sees only the functions that are tests

use bake::debian::resolve::{Archive, Limits, Task, resolve};
use bake::debian::{inrelease, openpgp};
use bake::lock;
use bake::lock::{Lock, Request};
use bake::sources::{Sources, Suite};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tests::trixie::archive;
use tree::digest::Sha256;
use tree::name::{Arch, Name};
use tree::refusal::{Class, Refusal, Stage};
use tree::release::CODENAME;
use xshell::{Shell, cmd};

/// What a container host asks for; `ARCH` is the architecture.
const HOST: &str = "systemd systemd-sysv udev dbus iproute2 nftables iptables openssh-server sudo ca-certificates \
    systemd-resolved systemd-timesyncd cloud-init containerd runc containernetworking-plugins socat curl conntrack ethtool \
    kmod libpq5 uidmap libsubid5 linux-image-cloud-ARCH";

/// See `CASES`.
type Case = (&'static str, &'static [Arch], &'static [(&'static str, &'static str)]);

/// Requests, for which architectures, and the packages that only one of the two chooses, each with its reason.
/// Anything else is a fault.
const CASES: &[Case] = &[
    (HOST, &Arch::ALL, &[]),
    ("", &[Arch::Amd64], &[]),
    ("postgresql apache2 php mariadb-server", &[Arch::Amd64], &[]),
    // alternatives, virtual packages and conflicts by the dozen
    (
        "docker.io podman buildah libvirt-daemon-system",
        &[Arch::Amd64],
        &[
            (
                "containernetworking-plugins",
                "one of two answers to golang-github-containers-common; apt chooses it before it sees that podman \
                 needs the other, netavark, anyway",
            ),
            (
                "cron",
                "the first of logrotate's `cron | anacron | cron-daemon | systemd-sysv`; apt has chosen systemd-sysv for \
                 another choice before, we make that one after",
            ),
            ("cron-daemon-common", "cron needs it"),
        ],
    ),
];

#[test]
fn a_lock_has_the_packages_that_apt_would_install() {
    for arch in Arch::ALL {
        let apt = &Apt::new(arch);
        for (asked, _, explained) in CASES.iter().filter(|(_, arches, _)| arches.contains(&arch)) {
            let request = request(asked, arch);
            let lock = resolved(apt, &request);
            let ours: BTreeSet<(String, String)> =
                lock.packages.iter().map(|one| (one.name.to_string(), one.version.clone())).collect();
            let theirs = apt.install(&request);
            assert!(theirs.len() > 70, "apt chose only {}", theirs.len());
            let differ: BTreeSet<&str> =
                ours.symmetric_difference(&theirs).map(|(name, _)| name.as_str()).collect();
            let known: BTreeSet<&str> = explained.iter().map(|(name, _)| *name).collect();
            let (extra, missing) = (ours.difference(&theirs), theirs.difference(&ours));
            let both =
                format!("only ours {:?}, only apt's {:?}", Vec::from_iter(extra), Vec::from_iter(missing));
            assert_eq!(differ, known, "{arch} {asked}: {both}");
        }
    }
}

#[test]
fn a_lock_is_the_same_each_time_and_survives_its_text() {
    let (apt, request) = (&Apt::new(Arch::Amd64), request(HOST, Arch::Amd64));
    let one = resolved(apt, &request);
    assert_eq!(one, resolved(apt, &request));
    assert_eq!(lock::parse(&lock::print(&one)).unwrap(), one);
    assert_eq!(lock::check(&one, &request), []);
    // a lock as the one before changes nothing
    let again = resolve(
        &Task { previous: std::slice::from_ref(&one), ..task(&request) },
        &sources(),
        apt,
        &Limits::default(),
    );
    assert_eq!(again.unwrap(), one);
    let names: BTreeSet<&str> = one.packages.iter().map(|package| package.name.as_str()).collect();
    for package in &one.packages {
        assert!(!package.because.is_empty(), "{} is there for nothing", package.name);
        for reason in &package.because {
            let known = ["essential", "required", "recipe"].contains(&reason.as_str())
                || names.contains(reason.as_str());
            assert!(known, "{}: {reason}", package.name);
        }
    }
}

#[test]
fn our_verifier_and_gpgv_believe_the_same_signatures() {
    let apt = &Apt::new(Arch::Amd64);
    let sources = sources();
    for suite in &sources.suites {
        let bytes = apt.inrelease(suite).unwrap();
        let ours = |bytes: &[u8], keys: &Suite| {
            let message = inrelease::split(bytes).map_err(|error| error.to_string())?;
            openpgp::verify(&message, &sources.trusted(keys), jiff_now()).map_err(|error| error.to_string())
        };
        let good = ours(&bytes, suite).unwrap();
        assert_eq!(BTreeSet::from_iter(good), apt.gpgv(suite, &bytes).unwrap(), "{}", suite.name);
        // the same text with one letter changed
        let text = String::from_utf8(bytes.clone()).unwrap();
        let changed = text.replacen("Origin: Debian", "Origin: Debiam", 1);
        assert!(ours(changed.as_bytes(), suite).unwrap_err().contains("does not match the signature"));
        assert!(apt.gpgv(suite, changed.as_bytes()).is_err());
        // and with the keys of another suite
        let other = &sources.suites[if suite.archive == "debian" { 2 } else { 0 }];
        assert!(ours(&bytes, other).unwrap_err().contains("no signature by a pinned key"));
        assert_eq!(apt.gpgv(other, &bytes), Ok(BTreeSet::new()));
    }
}

#[test]
fn a_suite_served_for_another_is_refused() {
    struct Swapped<'a>(&'a Apt);
    impl Archive for Swapped<'_> {
        fn inrelease(&self, suite: &Suite) -> tree::refusal::Result<Vec<u8>> {
            let other = sources()
                .suites
                .into_iter()
                .find(|one| one.archive == suite.archive && one.name != suite.name);
            self.0.inrelease(&other.unwrap_or_else(|| suite.clone()))
        }
        fn detached(&self, suite: &Suite) -> tree::refusal::Result<(Vec<u8>, Vec<u8>)> {
            panic!("a Release of {} is requested", suite.name)
        }
        fn index(&self, suite: &Suite, _: &[String], _: Sha256, _: u64) -> tree::refusal::Result<Vec<u8>> {
            panic!("an index of {} is asked for before all suites are verified", suite.name)
        }
    }
    let request = request(HOST, Arch::Amd64);
    let error = resolve(&task(&request), &sources(), &Swapped(&Apt::new(Arch::Amd64)), &Limits::default())
        .unwrap_err();
    assert_eq!(error.class, Class::Verification);
    assert_eq!(
        error.to_string(),
        format!("{CODENAME} InRelease: resolve: expected codename {CODENAME}, found {CODENAME}-updates")
    );
}

/// An apt with a root of its own.
struct Apt {
    root: tempfile::TempDir,
    arch: Arch,
}

impl Apt {
    /// Downloads the indexes of trixie for `arch`.
    fn new(arch: Arch) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["etc/apt/preferences.d", "lists/partial", "cache/archives/partial", "lib/dpkg", "keys"]
        {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("lib/dpkg/status"), "").unwrap();
        let apt = Self { root, arch };
        let sources = sources();
        let mut list = String::new();
        for suite in &sources.suites {
            let keys: Vec<String> =
                trusted_files(suite).iter().map(|file| file.display().to_string()).collect();
            let (site, component) = (archive(&suite.archive).unwrap(), &suite.components[0]);
            list.push_str(&format!("deb [signed-by={}] {site} {} {component}\n", keys.join(","), suite.name));
        }
        fs::write(apt.root.path().join("etc/apt/sources.list"), list).unwrap();
        fs::write(apt.root.path().join("apt.conf"), apt.configuration()).unwrap();
        let shell = apt.shell();
        cmd!(shell, "apt-get -qq -o APT::Update::Error-Mode=any update").run().unwrap();
        apt
    }

    fn configuration(&self) -> String {
        let (root, arch) = (self.root.path().display(), self.arch);
        // of the machine's own settings only the way to the archive
        let shell = Shell::new().unwrap();
        let all = cmd!(shell, "apt-config dump").quiet().read().unwrap();
        let is_proxy = |line: &&str| line.starts_with("Acquire::") && line.contains("::Proxy");
        let proxies: String = all.lines().filter(is_proxy).map(|line| format!("{line}\n")).collect();
        format!(
            "Dir \"{root}\"; Dir::State \"{root}\"; Dir::Cache \"{root}/cache\"; Dir::State::status \"{root}/lib/dpkg/status\";\n\
             Dir::Etc::main \"/dev/null\"; Dir::Etc::parts \"/dev/null\"; APT::Sandbox::User \"root\";\n\
             APT::Architecture \"{arch}\"; APT::Architectures {{ \"{arch}\"; }}; Acquire::Languages \"none\";\n\
             APT::Install-Recommends \"false\";\n{proxies}"
        )
    }

    fn shell(&self) -> Shell {
        let shell = Shell::new().unwrap();
        shell.set_var("APT_CONFIG", self.root.path().join("apt.conf"));
        shell.set_var("LC_ALL", "C");
        shell
    }

    /// Names and versions of what apt would install for `request` and all that is essential or required.
    fn install(&self, request: &Request) -> BTreeSet<(String, String)> {
        let shell = self.shell();
        let names: Vec<&str> = request.install.iter().map(Name::as_str).collect();
        let text =
            cmd!(shell, "apt-get -s install ?essential ?priority(required) {names...}").read().unwrap();
        let line = |line: &str| {
            let mut words = line.strip_prefix("Inst ")?.split([' ', '(']).filter(|word| !word.is_empty());
            let name = words.next()?.split(':').next()?;
            Some((name.to_owned(), words.next()?.to_owned()))
        };
        text.lines().filter_map(line).collect()
    }

    /// The InRelease of `suite` as apt downloaded it.
    fn list(&self, suite: &Suite) -> tree::refusal::Result<Vec<u8>> {
        let end = format!("_dists_{}_InRelease", suite.name);
        let lists = fs::read_dir(self.root.path().join("lists")).unwrap();
        let mut found =
            lists.map(|entry| entry.unwrap().path()).filter(|path| path.to_string_lossy().ends_with(&end));
        let path = found.next().unwrap_or_else(|| panic!("apt has no {end}"));
        fs::read(&path).map_err(|error| Refusal::io(end, Stage::Resolve, "read", &error))
    }

    /// The primary keys whose signatures of `bytes` gpgv finds valid; an error when one is bad.
    fn gpgv(&self, suite: &Suite, bytes: &[u8]) -> Result<BTreeSet<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let (message, keyring) = (folder.path().join("InRelease"), folder.path().join("keys.gpg"));
        fs::write(&message, bytes).unwrap();
        let shell = self.shell();
        let mut keys = Vec::new();
        for file in trusted_files(suite) {
            let text = fs::read_to_string(file).unwrap();
            let lines =
                text.lines().skip_while(|line| !line.is_empty()).take_while(|line| !line.starts_with('='));
            let inner: String = lines.filter(|line| !line.starts_with('-')).collect();
            keys.extend(cmd!(shell, "base64 --decode").stdin(inner).output().unwrap().stdout);
        }
        fs::write(&keyring, keys).unwrap();
        let command = cmd!(shell, "gpgv --status-fd 1 --keyring {keyring} {message}");
        let status = command.ignore_status().ignore_stderr().quiet().read().unwrap();
        let fields = |kind: &'static str| {
            status.lines().filter_map(move |line| line.strip_prefix("[GNUPG:] ")?.strip_prefix(kind))
        };
        match fields("BADSIG ").next() {
            Some(bad) => Err(bad.to_owned()),
            None => Ok(fields("VALIDSIG ")
                .filter_map(|line| Some(line.split(' ').next_back()?.to_owned()))
                .collect()),
        }
    }
}

impl Archive for Apt {
    fn inrelease(&self, suite: &Suite) -> tree::refusal::Result<Vec<u8>> {
        self.list(suite)
    }

    fn detached(&self, suite: &Suite) -> tree::refusal::Result<(Vec<u8>, Vec<u8>)> {
        panic!("a Release of {} is requested", suite.name)
    }

    /// By its digest, so that it is the one of apt's InRelease even when the archive moves meanwhile.
    fn index(
        &self,
        suite: &Suite,
        paths: &[String],
        digest: Sha256,
        _: u64,
    ) -> tree::refusal::Result<Vec<u8>> {
        let to = self.root.path().join(digest.hex());
        if to.exists() {
            return Ok(fs::read(&to).unwrap());
        }
        let url = format!("{}/dists/{}/{}", archive(&suite.archive).unwrap(), suite.name, paths[0]);
        let (shell, hash) = (self.shell(), format!("SHA256:{}", digest.hex()));
        cmd!(shell, "/usr/lib/apt/apt-helper -qq download-file {url} {to} {hash}").quiet().run().unwrap();
        fs::read(&to).map_err(|error| Refusal::io(url, Stage::Resolve, "read", &error))
    }
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests")
}

fn sources() -> Sources {
    bake::sources::load(&manifests()).unwrap()
}

/// The certificates of `suite` as files.
fn trusted_files(suite: &Suite) -> Vec<PathBuf> {
    let files = fs::read_dir(manifests().join("trust")).unwrap().map(|entry| entry.unwrap().path());
    let ours = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        let certificate = bake::debian::certificate::Certificate::parse(&text).unwrap();
        suite.keys.iter().any(|key| key == certificate.fingerprint())
    };
    let files: Vec<PathBuf> = files.filter(ours).collect();
    assert_eq!(files.len(), suite.keys.len(), "{}", suite.name);
    files
}

fn request(asked: &str, arch: Arch) -> Request {
    let asked = asked.replace("ARCH", arch.debian());
    let install: BTreeSet<Name> = asked.split_whitespace().map(|name| name.parse().unwrap()).collect();
    Request {
        arch,
        install: install.into_iter().collect(),
        from: BTreeMap::new(),
        files: vec![],
        recommends_of: vec![],
        avoid: vec![],
    }
}

fn task(request: &Request) -> Task<'_> {
    static KIND: LazyLock<tree::name::Kind> = LazyLock::new(|| "base".parse().unwrap());
    Task { kind: &KIND, request, now: jiff_now(), previous: &[], given: &[], files: &[] }
}

fn resolved(apt: &Apt, request: &Request) -> Lock {
    resolve(&task(request), &sources(), apt, &Limits::default()).unwrap()
}

fn jiff_now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
