//! Reading a hostile directory, and judging what was read.

use super::judge::{Installed, installed, judge};
use super::record::Record;
use super::take::{KEYS, RECV, TRIGGER, Taken, disarm, is_same, is_sound, take};
use super::{generation, settings, table};
use crate::accounts::{Accounts, Ids};
use crate::layers::{Layer, Layers};
use crate::names::Role::{self, ControlPlane, Worker};
use crate::plan::Plan;
use crate::refusal::Class;
use crate::root::Root;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const P256: &[u8] = include_bytes!("../../../../tests/fixtures/certificates/p256.crt");
const P256_KEY: &[u8] = include_bytes!("../../../../tests/fixtures/certificates/p256.key");
const P256_PUB: &[u8] = include_bytes!("../../../../tests/fixtures/certificates/p256.pub");
const ED25519: &[u8] = include_bytes!("../../../../tests/fixtures/certificates/ed25519.crt");
const ED25519_KEY: &[u8] = include_bytes!("../../../../tests/fixtures/certificates/ed25519.key");

/// A folder with the agent's directories, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("configure-receive-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        for directory in [RECV, KEYS, "/etc"] {
            std::fs::create_dir_all(path.join(&directory[1..])).expect("a folder");
        }
        Self(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        std::fs::write(self.at(path), bytes).expect("a file");
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    fn take(&self) -> Result<Taken, String> {
        let root = Root::open(&self.0).expect("a root");
        take(&root, ControlPlane, &ids()).map_err(|refusal| refusal.to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The agent is whoever runs this.
fn ids() -> Ids {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let passwd = format!("root:x:{uid}:{gid}::/:/bin/sh\nnstance-agent:x:{uid}:{gid}::/:/bin/false\n");
    Accounts { passwd, group: format!("root:x:{gid}:\n"), ..Accounts::default() }.ids()
}

#[test]
fn plain_files_are_read_and_nothing_else_is_touched() {
    let folder = Folder::new("plain");
    folder.put(&format!("{RECV}/ca.crt"), P256);
    folder.put(&format!("{RECV}/kubelet.client.crt"), b"");
    folder.put(&format!("{RECV}/\u{1b}[2Jnope"), b"x");
    folder.put(&format!("{KEYS}/kubelet.client.key"), P256_KEY);
    folder.put(&format!("{KEYS}/other.key"), b"x");
    let taken = folder.take().expect("a delivery");
    assert_eq!(taken.recv.keys().collect::<Vec<_>>(), ["ca.crt"]);
    assert_eq!(taken.keys.keys().collect::<Vec<_>>(), ["kubelet.client.key"]);
    // neither the trigger nor the directory itself
    folder.put(&format!("{RECV}/{TRIGGER}"), b"");
    let again = folder.take().expect("the same");
    let note = format!("passed over in {RECV}, as a node of this kind takes no such file: \\u{{1b}}[2Jnope");
    assert_eq!(again.notes, [note]);
    assert_eq!((taken.name(), taken.name().len()), (again.name(), 64));
    // by its content, and by what is where
    let name = |recv: &[(&str, &[u8])], keys: &[(&str, &[u8])]| {
        let map = |files: &[(&str, &[u8])]| {
            files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
        };
        Taken { recv: map(recv), keys: map(keys), notes: Vec::new() }.name()
    };
    let names = [
        name(&[], &[]),
        name(&[("a", b"1")], &[]),
        name(&[("a", b"2")], &[]),
        name(&[], &[("a", b"1")]),
        name(&[("a", b"1"), ("b", b"")], &[]),
    ];
    assert_eq!(std::collections::BTreeSet::from(names).len(), 5);
}

#[test]
fn sixteen_names_that_are_passed_over_are_told_and_no_more() {
    for (count, told, more) in [(16, 16, false), (17, 16, true), (40, 16, true)] {
        let folder = Folder::new(&format!("names-{count}"));
        for n in 0..count {
            folder.put(&format!("{RECV}/n{n:02}"), b"x");
        }
        let notes = folder.take().expect("a delivery").notes.concat();
        let (_, names) = notes.split_once("no such file: ").expect("names");
        assert_eq!(names.split(", ").count(), told, "{notes}");
        assert_eq!(notes.ends_with(" and others"), more, "{notes}");
    }
}

#[test]
fn links_pipes_and_second_names_are_refused_all_at_once() {
    let folder = Folder::new("links");
    folder.put("/etc/shadow", b"hunter2");
    // what the link leads to is good in every other way: it must not be followed
    folder.put("/etc/secret", P256);
    symlink(folder.at("/etc/secret"), folder.at(&format!("{RECV}/ca.crt"))).expect("a link");
    symlink(folder.at("/etc/secret"), folder.at(&format!("{KEYS}/kubelet.client.key"))).expect("a link");
    std::fs::hard_link(folder.at("/etc/shadow"), folder.at(&format!("{RECV}/ca.pub"))).expect("a name");
    let fifo = folder.at(&format!("{KEYS}/netsy.client.key"));
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .expect("a pipe");
    std::fs::create_dir(folder.at(&format!("{RECV}/mutable.env"))).expect("a directory");
    folder.put(&format!("{RECV}/kubelet.client.crt"), &vec![b'x'; 64 * 1024 + 1]);
    let said = folder.take().err().expect("a refusal");
    for (name, why) in [
        ("ca.crt", "a link or a socket"),
        ("kubelet.client.key", "a link or a socket"),
        ("ca.pub", "a file of one name"),
        ("netsy.client.key", "a plain file"),
        ("mutable.env", "a plain file"),
        ("kubelet.client.crt", "at most 65536 bytes"),
    ] {
        let line = said.lines().find(|line| line.contains(&format!("/{name}: ")));
        assert!(line.is_some_and(|line| line.contains(why)), "{name}: {said}");
    }
    assert!(!said.contains("hunter2"));
    // 64 KiB are taken
    folder.put(&format!("{RECV}/kubelet.client.crt"), &vec![b'x'; 64 * 1024]);
    assert!(!folder.take().err().expect("a refusal").contains("kubelet.client.crt"));
}

#[test]
fn a_file_is_whole_when_neither_it_nor_its_length_has_changed() {
    let folder = Folder::new("same");
    let path = folder.at("/etc/file");
    let written = |bytes: &[u8], at: u64| {
        std::fs::write(&path, bytes).expect("a file");
        let file = std::fs::File::options().write(true).open(&path).expect("a file");
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(at)).expect("a time");
        rustix::fs::stat(&path).expect("a file")
    };
    let (before, other) = (written(b"abc", 1), written(b"xyz", 2));
    assert!(is_same(&other, &rustix::fs::stat(&path).expect("a file"), 3));
    // written to, also when as much was read as it has; cut, or longer than what was read
    assert!(!is_same(&before, &other, 3));
    assert!(!is_same(&other, &other, 2) && !is_same(&other, &other, 4));
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    let folder = Folder::new("file-owner");
    folder.put(&format!("{RECV}/ca.crt"), P256);
    let path = folder.at(&format!("{RECV}/ca.crt"));
    let stat = rustix::fs::stat(&path).expect("a file");
    let other = [Some(stat.st_uid + 1), Some(stat.st_uid + 2)];
    assert!(is_sound(&stat, &other).is_err_and(|rule| rule.contains("somebody else's")));
    // an account that is not there is nobody's
    assert!(is_sound(&stat, &[None, None]).is_err());
    assert_eq!(is_sound(&stat, &[None, Some(stat.st_uid)]), Ok(()));
    // as root a file can be given away
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(65_534), None).expect("given away");
        let said = folder.take().err().expect("a refusal");
        assert!(said.contains("ca.crt: ") && said.contains("somebody else's"), "{said}");
    }
}

#[test]
fn a_link_in_the_place_of_the_directory_is_not_followed() {
    let folder = Folder::new("directory");
    std::fs::remove_dir(folder.at(RECV)).expect("removed");
    symlink(folder.at("/etc"), folder.at(RECV)).expect("a link");
    assert!(folder.take().is_err());
    let root = Root::open(&folder.0).expect("a root");
    folder.put(&format!("/etc/{TRIGGER}"), b"x");
    assert!(disarm(&root).is_err());
    assert!(folder.at(&format!("/etc/{TRIGGER}")).exists());
}

#[test]
fn the_trigger_goes_whatever_it_is() {
    let folder = Folder::new("trigger");
    let root = Root::open(&folder.0).expect("a root");
    let path = folder.at(&format!("{RECV}/{TRIGGER}"));
    let gone = |path: &Path| path.symlink_metadata().is_err();
    disarm(&root).expect("none is none");
    std::fs::write(&path, b"x").expect("a file");
    assert!(disarm(&root).is_ok() && gone(&path));
    std::fs::create_dir(&path).expect("a directory");
    assert!(disarm(&root).is_ok() && gone(&path));
    std::fs::create_dir(&path).expect("a directory");
    std::fs::write(path.join("in it"), b"x").expect("a file");
    assert!(disarm(&root).is_ok() && gone(&path));
    assert_eq!(std::fs::read_dir(folder.at(RECV)).expect("a directory").count(), 1, "it is kept beside");
    folder.put("/etc/passwd", b"x");
    symlink(folder.at("/etc/passwd"), &path).expect("a link");
    assert!(disarm(&root).is_ok() && gone(&path) && folder.at("/etc/passwd").exists());
}

#[test]
fn a_file_that_changes_while_it_is_read_is_never_taken_in_part() {
    let folder = Folder::new("race");
    let path = folder.at(&format!("{RECV}/ca.crt"));
    let contents: [Vec<u8>; 2] = [vec![b'a'; 60_000], vec![b'b'; 50_000]];
    std::fs::write(&path, &contents[0]).expect("a file");
    let stop = std::sync::atomic::AtomicBool::new(false);
    /// The writer ends, however the reader does.
    struct Ended<'a>(&'a std::sync::atomic::AtomicBool);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // as a careful writer: a new file under the name
            let new = folder.at("/etc/new");
            for at in (0..2).cycle() {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                std::fs::write(&new, &contents[at]).expect("written");
                std::fs::rename(&new, &path).expect("renamed");
            }
        });
        let _ended = Ended(&stop);
        for _ in 0..200 {
            match folder.take() {
                Ok(taken) => assert!(contents.contains(&taken.recv["ca.crt"])),
                Err(said) => assert!(said.contains("stays the same"), "{said}"),
            }
        }
    });
}

/// What a delivery of `recv` and `keys` over `installed` puts into place: paths, or the refusal.
fn judged(
    role: Role,
    recv: &[(&str, &[u8])],
    keys: &[(&str, &[u8])],
    installed: &[(&str, &[u8])],
) -> Result<Vec<String>, String> {
    let map = |files: &[(&str, &[u8])]| {
        files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect::<Installed>()
    };
    let taken = Taken { recv: map(recv), keys: map(keys), notes: Vec::new() };
    let mut plan = Plan::default();
    let faults = judge(role, &taken, &map(installed), None, &mut plan);
    match faults.first() {
        Some(fault) => Err(fault.to_string()),
        None => Ok(plan.files.into_iter().map(|file| file.path).collect()),
    }
}

const CRT: &str = "/opt/crt/kubelet.client.crt";
const KEY: &str = "/opt/key/kubelet/kubelet.client.key";

#[test]
fn a_working_pair_is_replaced_only_by_a_working_pair() {
    let (crt, key) = ("kubelet.client.crt", "kubelet.client.key");
    let old: &[(&str, &[u8])] = &[(CRT, P256), (KEY, P256_KEY)];
    let judged =
        |recv: &[(&str, &[u8])], keys: &[(&str, &[u8])], installed| judged(Worker, recv, keys, installed);
    let both = Ok(vec![CRT.to_owned(), KEY.to_owned()]);
    let none = Ok(Vec::new());
    assert_eq!(judged(&[(crt, P256)], &[(key, P256_KEY)], &[]), both);
    assert_eq!(judged(&[(crt, ED25519)], &[(key, ED25519_KEY)], old), both);
    // a certificate alone, before there is any key: its service waits
    assert_eq!(judged(&[(crt, P256)], &[], &[]), Ok(vec![CRT.to_owned()]));
    // the key of a renewal is there before its certificate
    assert_eq!(judged(&[], &[(key, ED25519_KEY)], old), none);
    assert_eq!(judged(&[(crt, P256)], &[(key, ED25519_KEY)], old), Ok(vec![CRT.to_owned()]));
    assert_eq!(judged(&[], &[(key, P256_KEY)], &[]), none);
    // nothing belongs together, and nothing new has come: that is told, and stays
    let parted: &[(&str, &[u8])] = &[(CRT, P256), (KEY, ED25519_KEY)];
    assert_eq!(judged(&[], &[], parted), none);
    assert_eq!(judged(&[], &[(key, ED25519_KEY)], parted), none);
    assert_eq!(judged(&[(crt, P256)], &[], parted), none);
    assert_eq!(judged(&[(crt, P256)], &[(key, b"no key")], parted), none);
    // and what belongs to nothing is refused
    assert!(judged(&[(crt, ED25519)], &[(key, P256_KEY)], old).is_err());
    assert!(judged(&[(crt, ED25519)], &[], old).is_err());
    let said = judged(&[(crt, ED25519)], &[(key, b"no key")], &[]).expect_err("a refusal");
    assert!(said.starts_with("/opt/nstance-agent/keys/kubelet.client.key: "), "{said}");
    assert!(judged(&[(crt, b"no certificate")], &[], &[]).is_err());
    assert!(judged(&[(crt, P256_KEY)], &[], &[]).is_err_and(|said| said.contains("private key")));
}

#[test]
fn signing_keys_are_among_those_that_check() {
    let (key, public) = (table::SIGNING_KEY, table::SIGNING_PUB);
    let paths = Ok(vec![
        "/opt/pub/service-accounts.pub".to_owned(),
        "/opt/key/kube-apiserver/service-accounts.key".to_owned(),
    ]);
    assert_eq!(judged(ControlPlane, &[(key, P256_KEY), (public, P256_PUB)], &[], &[]), paths);
    assert!(judged(ControlPlane, &[(key, ED25519_KEY), (public, P256_PUB)], &[], &[]).is_err());
    assert!(
        judged(ControlPlane, &[(key, ED25519_KEY)], &[], &[("/opt/pub/service-accounts.pub", P256_PUB)])
            .is_err()
    );
    assert_eq!(judged(Worker, &[(public, P256_PUB)], &[], &[]).map(|paths| paths.len()), Ok(1));
    // a worker gets no private key, whatever is sent
    assert_eq!(judged(Worker, &[(key, P256_KEY)], &[], &[]), Ok(Vec::new()));
    // the key that is there has to be among the new ones
    let there = "/opt/key/kube-apiserver/service-accounts.key";
    assert!(judged(ControlPlane, &[(public, P256_PUB)], &[], &[(there, ED25519_KEY)]).is_err());
    assert!(judged(ControlPlane, &[(public, P256_PUB)], &[], &[(there, P256_KEY)]).is_ok());
    assert_eq!(judged(ControlPlane, &[], &[], &[(there, ED25519_KEY)]), Ok(Vec::new()));
}

#[test]
fn what_goes_into_place_is_for_root_and_one_group_and_restarts_who_reads_it() {
    use crate::keys::Output;
    use crate::services::Service;
    let recv = [("kubelet.client.crt".to_owned(), P256.to_vec())].into_iter().collect();
    let keys = [("kubelet.client.key".to_owned(), P256_KEY.to_vec())].into_iter().collect();
    let mut plan = Plan::default();
    assert!(
        judge(Worker, &Taken { recv, keys, notes: vec![] }, &Installed::new(), None, &mut plan).is_empty()
    );
    let expected = [(CRT, "podplane", P256), (KEY, "kubelet", P256_KEY)];
    assert_eq!(plan.files.len(), expected.len());
    for (file, (path, group, bytes)) in plan.files.iter().zip(expected) {
        let output = Some(Output::Delivered(&[Service::Kubelet]));
        assert_eq!((file.path.as_str(), file.group, file.owner, file.mode), (path, group, "root", 0o640));
        assert!(file.bytes == bytes && file.output == output, "{path}");
    }
}

#[test]
fn what_is_installed_is_read_by_its_paths_up_to_a_megabyte() {
    let folder = Folder::new("installed");
    let paths = [
        CRT,
        KEY,
        "/opt/pub/service-accounts.pub",
        "/opt/key/kube-apiserver/service-accounts.key",
        "/opt/crt/ca.crt",
    ];
    for path in paths {
        std::fs::create_dir_all(folder.at(path).parent().expect("a directory")).expect("directories");
        folder.put(path, &vec![b'x'; 500_000]);
    }
    folder.put("/opt/crt/oidc-ca.pem", b"not delivered");
    let root = Root::open(&folder.0).expect("a root");
    let found = installed(&root, ControlPlane).expect("files");
    assert_eq!(found.keys().collect::<std::collections::BTreeSet<_>>().len(), paths.len());
    assert!(paths.iter().all(|path| found.get(*path).is_some_and(|bytes| bytes.len() == 500_000)));
}

#[test]
fn ca_pub_may_be_openssh_s() {
    let line = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGrChqz0Xb5Dy1bA4y9rZ8cqsVt5u1n4m3J0p4q7aB2c ca\n";
    assert!(judged(Worker, &[("ca.pub", line)], &[], &[]).is_ok());
    assert!(judged(Worker, &[("ca.pub", P256_PUB)], &[], &[]).is_ok());
    let ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGrChqz0Xb5Dy1bA4y9rZ8cqsVt5u1n4m3J0p4q7aB2c";
    for wrong in [
        "neither\n".to_owned(),
        // nothing, a key of eight bytes, a kind that nobody knows, a line that would act on a terminal
        String::new(),
        "ssh-ed25519 AAAAAAAAAAA= ca\n".to_owned(),
        ed25519.replace("ssh-", "xsh-"),
        format!("{ed25519} \u{1b}[2J\n"),
        format!("{ed25519}\nneither\n"),
    ] {
        let said = judged(Worker, &[("ca.pub", wrong.as_bytes())], &[], &[]);
        assert!(said.is_err_and(|said| said.contains("recv/ca.pub: ")), "{wrong:?}");
    }
    for good in [format!("{ed25519}\n{ed25519} a\n"), ed25519.replace("ssh-ed25519", "ecdsa-sha2-nistp256")] {
        let placed = judged(Worker, &[("ca.pub", good.as_bytes())], &[], &[]);
        assert_eq!(placed, Ok(vec!["/opt/pub/ca.pub".to_owned()]), "{good}");
    }
}

#[test]
fn what_is_remembered_is_read_again_and_what_is_no_record_is_none() {
    use super::record::{RECORD, UNKNOWN};
    use crate::delivery::Unknown;
    use crate::services::Service;
    use std::collections::BTreeSet;
    use std::time::{Duration, SystemTime};
    let folder = Folder::new("record");
    std::fs::create_dir_all(folder.at("/opt/podplane/etc")).expect("directories");
    let (root, at) = (Root::open(&folder.0).expect("a root"), |seconds| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    });
    let mut record = Record::read(&root).expect("none is none");
    assert_eq!(record.get("MUTABLE"), "");
    let services = BTreeSet::from([Service::Zot, Service::Kubelet]);
    record.set("MUTABLE", "name");
    record.set_services("RESTART", &services);
    assert!(!record.is_still(&root).expect("a record"));
    record.write(&root, &ids(), at(1_000_000)).expect("written");
    assert!(record.is_still(&root).expect("a record"));
    let mut again = Record::read(&root).expect("a record");
    assert_eq!((again.get("MUTABLE"), again.get("RESTART")), ("name", "zot,kubelet"));
    assert_eq!((again.services("RESTART"), again.services("FAILED")), (services, BTreeSet::new()));
    let first = again.get("AT").to_owned();
    assert!(first.starts_with("1970-01-12T"), "{first}");
    // the same again keeps its time, another has its own
    again.write(&root, &ids(), at(2_000_000)).expect("written");
    assert_eq!(Record::read(&root).expect("a record").get("AT"), first);
    again.set("WHY", "reason");
    again.write(&root, &ids(), at(2_000_000)).expect("written");
    assert!(!record.is_still(&root).expect("a record"));
    assert!(Record::read(&root).expect("a record").get("AT").starts_with("1970-01-24T"));
    // a value alone makes another record, under the same keys
    let mut other = Record::read(&root).expect("a record");
    other.set("WHY", "another");
    assert!(!other.is_still(&root).expect("a record"));
    other.write(&root, &ids(), at(3_000_000)).expect("written");
    assert!(other.is_still(&root).expect("a record") && !again.is_still(&root).expect("a record"));
    assert!(Record::read(&root).expect("a record").get("AT").starts_with("1970-02-04T"));

    let unknown = |n: usize| Unknown { key: format!("KEY_{:02}", n % 20), line: 1 };
    record.set_unknown(&(0..30).rev().map(unknown).collect::<Vec<_>>());
    let names: Vec<&str> = record.get("UNKNOWN").split(',').collect();
    assert!(names.len() == UNKNOWN && names.is_sorted(), "{names:?}");

    folder.put(RECORD, b"no record");
    assert_eq!(Record::read(&root).expect("none").get("MUTABLE"), "");
    // a disk that cannot say is another matter
    std::fs::remove_file(folder.at(RECORD)).expect("removed");
    symlink("received", folder.at(RECORD)).expect("a link to itself");
    assert_eq!(Record::read(&root).err().map(|refusal| refusal.class), Some(Class::Io));
}

fn delivered(text: &str, record: &mut Record) -> Result<Option<Layer>, String> {
    let mut taken = Taken::default();
    taken.recv.insert("mutable.env".to_owned(), text.as_bytes().to_vec());
    let defaults = Layer::of([("KUBE_LOG_LEVEL".to_owned(), "2".to_owned())]);
    let present = Layer::of([("OIDC_ISSUER".to_owned(), "https://present".to_owned())]);
    let present = Layers { mutable: present, ..Layers::default() };
    let policy = crate::policy::parse(b"endpoints = \"user-data\"\n", "policy").expect("a policy");
    settings(ControlPlane, &taken, &defaults, &present, &Ok(policy), record, &mut Vec::new())
        .map_err(|faults| faults[0].to_string())
}

#[test]
fn one_bad_line_among_thirty_refuses_all_and_never_says_the_value() {
    let mut text: String = (0..30).map(|_| "KUBE_LOG_LEVEL='4'\n").collect();
    text.push_str("PATH='hunter2'\n");
    let said = delivered(&text, &mut Record::default()).err().expect("a refusal");
    assert!(said.contains("mutable.env:31: PATH") && !said.contains("hunter2"), "{said}");
}

#[test]
fn what_the_policy_fixes_refuses_the_delivery_by_its_line() {
    let mut record = Record::default();
    let text = "KUBE_LOG_LEVEL='4'\nKUBE_API_ETCD_SERVERS='https://192.0.2.1:2379'\n";
    let said = delivered(text, &mut record).err().expect("a refusal");
    assert!(
        said.contains("mutable.env:2: KUBE_API_ETCD_SERVERS") && said.contains("policy.toml:1"),
        "{said}"
    );
    assert!(record.get("MUTABLE").is_empty() && !said.contains("192.0.2.1"));
}

#[test]
fn the_same_again_nothing_and_comments_change_nothing() {
    let mut record = Record::default();
    let first = delivered("KUBE_LOG_LEVEL='4'\n", &mut record).expect("taken").expect("a change");
    assert_eq!(first.get("KUBE_LOG_LEVEL"), Some("4"));
    assert_eq!(first.get("OIDC_ISSUER"), Some("https://present"));
    assert!(delivered("KUBE_LOG_LEVEL='4'\n", &mut record).expect("taken").is_none());
    for nothing in ["", "\n\n", "# only\n# comments\n"] {
        assert!(delivered(nothing, &mut record).expect("taken").is_none(), "{nothing:?}");
    }
    assert!(delivered("KUBE_LOG_LEVEL='5'\n", &mut record).expect("taken").is_some());
}

#[test]
fn generations_only_grow() {
    let mut record = Record::default();
    let text = |number: u64, level: u8| format!("# generation: {number}\nKUBE_LOG_LEVEL='{level}'\n");
    assert!(delivered(&text(42, 4), &mut record).is_ok_and(|layer| layer.is_some()));
    assert_eq!(record.get("GENERATION"), "42");
    let said = delivered(&text(41, 3), &mut record).err().expect("a refusal");
    assert!(said.contains("generation 41 below accepted 42"), "{said}");
    assert!(delivered(&text(42, 3), &mut record).is_err_and(|said| said.contains("other content")));
    assert!(delivered("KUBE_LOG_LEVEL='3'\n", &mut record).is_err());
    assert!(delivered(&text(42, 4), &mut record).is_ok_and(|layer| layer.is_none()));
    assert!(delivered(&text(43, 3), &mut record).is_ok_and(|layer| layer.is_some()));
    for wrong in
        ["# generation:", "# generation: -1", "# generation: 99999999999999999999", "# generation: \u{ff}"]
    {
        assert!(generation(wrong.as_bytes(), "x", "").is_err(), "{wrong}");
    }
}

#[test]
fn somebody_else_s_directory_is_refused() {
    let folder = Folder::new("owner");
    let root = Root::open(&folder.0).expect("a root");
    let other = Accounts { passwd: "root:x:4294967294:0::/:/bin/sh\n".to_owned(), ..Accounts::default() };
    let refusal = take(&root, Worker, &other.ids()).err().expect("a refusal");
    assert_eq!(refusal.class, Class::Input);
}

#[test]
fn changes_are_five_seconds_apart_and_no_clock_stops_them() {
    use super::{PACE, rest};
    use std::time::{Duration, SystemTime};
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let ago = |seconds| Some(now - Duration::from_secs(seconds));
    assert_eq!(rest(None, now), Duration::ZERO);
    assert_eq!(rest(ago(0), now), PACE);
    assert_eq!(rest(ago(2), now), PACE - Duration::from_secs(2));
    assert_eq!(rest(ago(6), now), Duration::ZERO);
    assert_eq!(rest(Some(now + Duration::from_secs(1)), now), Duration::ZERO);
    assert_eq!(rest(Some(now), SystemTime::UNIX_EPOCH), Duration::ZERO);
}
