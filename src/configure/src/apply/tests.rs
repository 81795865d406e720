//! Applying in a folder, with the accounts of whoever runs the test: numbers are looked up, never assumed.

use super::{affected, apply, difference, owner_of, recover, replace};
use crate::accounts::{Accounts, Ids};
use crate::keys::Output;
use crate::names::STAGING;
use crate::plan::{Mend, Plan, PlannedDirectory, PlannedFile, PlannedMend};
use crate::refusal::Class;
use crate::root::Root;
use crate::services::Service;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// A folder below the target directory of cargo, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("configure-apply-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        for directory in ["etc", "opt/env", "opt/podplane/etc"] {
            std::fs::create_dir_all(path.join(directory)).expect("a folder");
        }
        Self(path)
    }

    fn root(&self) -> Root {
        Root::open(&self.0).expect("a root")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).expect("a file")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `root` is whoever runs this: an ordinary user can give files to nobody else.
fn ids() -> Ids {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let accounts = Accounts {
        passwd: format!("root:x:{uid}:{gid}::/:/bin/sh\n"),
        group: format!("root:x:{gid}:\n"),
        ..Accounts::default()
    };
    accounts.ids()
}

const OWN: (&str, &str) = ("root", "root");

fn plan(content: &str) -> Plan {
    let mut plan = Plan::default();
    plan.file("/opt/env/zot.env", 0o640, OWN, content.into(), Some(Output::ZotEnv));
    plan.file("/etc/other", 0o600, OWN, content.into(), None);
    plan
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().expect("a file").mode() & 0o7777
}

#[test]
fn files_get_content_and_mode_and_their_services_are_named() {
    let folder = Folder::new("files");
    let applied = apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    assert_eq!(
        applied.changed.iter().map(String::as_str).collect::<Vec<_>>(),
        ["/etc/other", "/opt/env/zot.env"]
    );
    assert_eq!(applied.services.into_iter().collect::<Vec<_>>(), [Service::Zot]);
    assert_eq!(
        (folder.read("/opt/env/zot.env"), mode(&folder.path("/opt/env/zot.env"))),
        ("a".to_owned(), 0o640)
    );
    assert_eq!(mode(&folder.path("/etc/other")), 0o600);
    assert!(!folder.path(STAGING).exists());
}

#[test]
fn what_is_right_keeps_its_inode() {
    let folder = Folder::new("inode");
    apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    let before = folder.path("/opt/env/zot.env").metadata().expect("a file");
    let changed = || {
        let above = folder.path(STAGING).parent().map(Path::to_path_buf).expect("a directory");
        let above = above.metadata().expect("a directory");
        (above.ctime(), above.ctime_nsec())
    };
    let untouched = changed();
    // longer than the clock of a file system needs for its next tick
    std::thread::sleep(std::time::Duration::from_millis(20));
    let applied = apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    let after = folder.path("/opt/env/zot.env").metadata().expect("a file");
    assert!(applied.changed.is_empty() && applied.services.is_empty());
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    assert_eq!(changed(), untouched, "nothing is staged where nothing differs");
}

#[test]
fn a_link_a_fifo_and_a_wide_mode_are_replaced_and_a_directory_is_refused() {
    let folder = Folder::new("kinds");
    let target = folder.path("/opt/env/zot.env");
    std::fs::write(folder.path("/etc/victim"), "victim").expect("a file");
    symlink("/etc/victim", &target).expect("a link");
    apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    assert!(target.symlink_metadata().expect("a file").is_file());
    assert_eq!(folder.read("/etc/victim"), "victim");

    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o666)).expect("a mode");
    apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    assert_eq!(mode(&target), 0o640);

    std::fs::remove_file(&target).expect("removed");
    rustix::fs::mkfifoat(rustix::fs::CWD, &target, rustix::fs::Mode::RUSR).expect("a fifo");
    apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    assert_eq!(folder.read("/opt/env/zot.env"), "a");

    std::fs::remove_file(&target).expect("removed");
    std::fs::create_dir(&target).expect("a directory");
    let refusal = apply(&folder.root(), &plan("b"), &ids()).expect_err("refused");
    assert_eq!(refusal.faults[0].to_string(), "/opt/env/zot.env: expected a plain file, found a directory");
    assert_eq!(folder.read("/etc/other"), "a");
}

#[test]
fn nothing_is_written_when_an_owner_is_missing() {
    let folder = Folder::new("owner");
    let mut plan = plan("a");
    plan.file("/etc/last", 0o600, ("root", "nosuch"), Vec::new(), None);
    let refusal = apply(&folder.root(), &plan, &ids()).expect_err("refused");
    assert_eq!(
        refusal.faults[0].to_string(),
        "/etc/last: expected the group `nosuch`: group `nosuch` not found"
    );
    assert!(!folder.path("/etc/other").exists() && !folder.path("/opt/env/zot.env").exists());
}

#[test]
fn no_link_is_followed_in_a_directory_that_is_written_to() {
    let folder = Folder::new("dirlink");
    std::fs::remove_dir(folder.path("/opt/env")).expect("removed");
    symlink("../etc", folder.path("/opt/env")).expect("a link");
    let refusal = apply(&folder.root(), &plan("a"), &ids()).expect_err("refused");
    assert_eq!(refusal.faults[0].to_string(), "/opt/env: expected a directory, found something else");
    assert!(!folder.path("/etc/zot.env").exists() && !folder.path("/etc/other").exists());
}

#[test]
fn a_set_that_was_committed_is_rolled_forward_and_one_that_was_not_is_cleared() {
    for (journal, expected, rolled) in [("journal", "new", true), ("journal.new", "old", false)] {
        let folder = Folder::new(journal);
        apply(&folder.root(), &plan("old"), &ids()).expect("applied");
        std::fs::create_dir(folder.path(STAGING)).expect("a directory");
        std::fs::write(folder.path(&format!("{STAGING}/0")), "new").expect("a file");
        // the first step was taken before the crash
        let text = "put 1 /etc/gone\nput 0 /opt/env/zot.env\nremove /etc/other\nend\n";
        std::fs::write(folder.path(&format!("{STAGING}/{journal}")), text).expect("a file");
        assert_eq!(recover(&folder.root()), Ok(rolled));
        assert_eq!(folder.read("/opt/env/zot.env"), expected);
        assert_eq!(folder.path("/etc/other").exists(), !rolled);
        assert!(!folder.path(STAGING).exists());
        assert_eq!(recover(&folder.root()), Ok(false));
    }
}

#[test]
fn a_set_that_was_committed_is_rolled_forward_whatever_stands_where_its_files_go() {
    let folder = Folder::new("journal-broken");
    std::fs::create_dir_all(folder.path(STAGING)).expect("a directory");
    for at in 0..3 {
        std::fs::write(folder.path(&format!("{STAGING}/{at}")), "new").expect("a file");
    }
    symlink("/etc", folder.path("/opt/linked")).expect("a link");
    std::fs::create_dir_all(folder.path("/opt/env/full/deep")).expect("a directory");
    let text =
        "put 0 /opt/linked/passwd\nput 1 /opt/env/full\nput 2 /opt/env/last\nremove /opt/linked/x\nend\n";
    std::fs::write(folder.path(&format!("{STAGING}/journal")), text).expect("a file");
    assert_eq!(recover(&folder.root()), Ok(true));
    assert_eq!(
        (folder.read("/opt/env/full"), folder.read("/opt/env/last")),
        ("new".to_owned(), "new".to_owned())
    );
    assert!(!folder.path("/etc/passwd").exists() && !folder.path(STAGING).exists());
}

#[test]
fn directories_are_made_and_mended_and_removals_spare_what_is_others() {
    let folder = Folder::new("directories");
    let mut plan = plan("a");
    for (path, mode) in [("/opt/env", 0o750), ("/opt/new", 0o700)] {
        plan.directories.push(PlannedDirectory { path: path.to_owned(), mode, owner: OWN.0, group: OWN.1 });
    }
    plan.file("/opt/new/file", 0o600, OWN, Vec::new(), None);
    apply(&folder.root(), &plan, &ids()).expect("applied");
    assert_eq!((mode(&folder.path("/opt/env")), mode(&folder.path("/opt/new"))), (0o750, 0o700));
    std::fs::write(folder.path("/opt/new/foreign"), "").expect("a file");
    let mut removal = Plan::default();
    removal.remove("/opt/new/file", None);
    removal.remove("/opt/new", None);
    apply(&folder.root(), &removal, &ids()).expect("applied");
    assert!(folder.path("/opt/new/foreign").exists() && !folder.path("/opt/new/file").exists());
}

/// A group that a file of ours can be given to: any for root, else another of ours, if there is one.
fn other_group() -> Option<u32> {
    let own = rustix::process::getegid().as_raw();
    if rustix::process::geteuid().is_root() {
        return Some(own + 7);
    }
    let groups = rustix::process::getgroups().expect("groups");
    groups.into_iter().map(rustix::fs::Gid::as_raw).find(|group| *group != own)
}

/// As [`ids`], with the group `other`, and for root the user `other`.
fn ids_with_others() -> Ids {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let other = if rustix::process::geteuid().is_root() { uid + 5 } else { uid };
    let accounts = Accounts {
        passwd: format!("root:x:{uid}:{gid}::/:/bin/sh\nother:x:{other}:{gid}::/:/bin/sh\n"),
        group: format!("root:x:{gid}:\nother:x:{}:\n", other_group().unwrap_or(gid)),
        ..Accounts::default()
    };
    accounts.ids()
}

fn owners(path: &Path) -> (u32, u32) {
    let found = path.symlink_metadata().expect("a file");
    (found.uid(), found.gid())
}

#[test]
fn each_account_has_its_own_numbers() {
    let accounts = Accounts {
        passwd: "u:x:5:6::/:/bin/sh\n".to_owned(),
        group: "g:x:7:\n".to_owned(),
        ..Accounts::default()
    };
    let ids = accounts.ids();
    assert_eq!(owner_of(&ids, "/x", "u", "g"), Ok((5, 7)));
    for (user, group, missing) in [("g", "g", "user `g`"), ("u", "u", "group `u`")] {
        let fault = owner_of(&ids, "/x", user, group).expect_err("a fault");
        assert!(fault.rule.contains(missing) && fault.hint.is_some(), "{fault}");
    }
}

#[test]
fn an_owner_or_a_group_alone_is_enough_to_write_a_file_anew() {
    let (folder, ids) = (Folder::new("owners"), ids_with_others());
    let with = |owner, group| {
        let mut plan = Plan::default();
        plan.file("/etc/owned", 0o640, (owner, group), b"same".to_vec(), None);
        plan.directories.push(PlannedDirectory { path: "/opt/owned".to_owned(), mode: 0o750, owner, group });
        plan
    };
    let mut before = None;
    for (owner, group) in [("root", "root"), ("root", "other"), ("other", "other"), ("other", "root")] {
        let expected = (ids.user(owner).expect("a user"), ids.group(group).expect("a group"));
        let applied = apply(&folder.root(), &with(owner, group), &ids).expect("applied");
        for path in ["/etc/owned", "/opt/owned"] {
            assert_eq!(owners(&folder.path(path)), expected, "{path}");
            assert_eq!(applied.changed.contains(path), before != Some(expected), "{path} {owner} {group}");
        }
        before = Some(expected);
    }
}

#[test]
fn what_would_change_is_told_without_a_change() {
    let folder = Folder::new("difference");
    apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    let mut next = plan("a");
    next.files[0].bytes = b"b".to_vec();
    next.remove("/etc/other", Some(Output::KubeletEnv));
    next.files.pop();
    let told = difference(&folder.root(), &next, &ids()).expect("told");
    assert_eq!(told.iter().map(String::as_str).collect::<Vec<_>>(), ["/etc/other", "/opt/env/zot.env"]);
    let services = affected(&folder.root(), &next, &ids()).expect("told");
    assert_eq!(services.into_iter().collect::<Vec<_>>(), [Service::Zot, Service::Kubelet]);
    assert_eq!(folder.read("/opt/env/zot.env"), "a");
    assert!(difference(&folder.root(), &plan("a"), &ids()).expect("told").is_empty());
}

#[test]
fn one_file_is_replaced_without_a_set_around_it() {
    let folder = Folder::new("replace");
    let file = |bytes: &[u8]| PlannedFile {
        path: "/etc/one".to_owned(),
        mode: 0o604,
        owner: OWN.0,
        group: OWN.1,
        bytes: bytes.to_vec(),
        output: None,
    };
    // what a crash has left of an earlier one
    std::fs::write(folder.path("/etc/.one.new"), "half").expect("a file");
    assert_eq!(replace(&folder.root(), &file(b"a"), &ids()), Ok(true));
    assert_eq!((folder.read("/etc/one").as_str(), mode(&folder.path("/etc/one"))), ("a", 0o604));
    assert!(!folder.path("/etc/.one.new").exists());
    assert_eq!(replace(&folder.root(), &file(b"a"), &ids()), Ok(false));
    assert_eq!(replace(&folder.root(), &file(b"b"), &ids()), Ok(true));
    assert_eq!(folder.read("/etc/one"), "b");
}

#[test]
fn a_second_name_and_what_was_appended_are_replaced() {
    let folder = Folder::new("names");
    apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    let (path, second) = (folder.path("/opt/env/zot.env"), folder.path("/etc/second"));
    std::fs::hard_link(&path, &second).expect("a second name");
    assert!(apply(&folder.root(), &plan("a"), &ids()).expect("applied").changed.contains("/opt/env/zot.env"));
    let inode = |path: &Path| path.metadata().expect("a file").ino();
    assert_ne!(inode(&path), inode(&second));
    for wrong in ["", "b", "a and more"] {
        std::fs::write(&path, wrong).expect("a file");
        apply(&folder.root(), &plan("a"), &ids()).expect("applied");
        assert_eq!((folder.read("/opt/env/zot.env").as_str(), mode(&path)), ("a", 0o640), "{wrong}");
    }
}

#[test]
fn every_fault_is_told_at_once_and_a_disk_that_says_no_is_another_matter() {
    let folder = Folder::new("faults");
    for path in ["/etc/other", "/opt/env/zot.env"] {
        std::fs::create_dir(folder.path(path)).expect("a directory");
    }
    let mut faulty = plan("a");
    faulty.file("/etc/last", 0o600, ("nosuch", "root"), Vec::new(), None);
    let refusal = apply(&folder.root(), &faulty, &ids()).expect_err("refused");
    assert_eq!((refusal.class, refusal.faults.len()), (Class::Input, 3), "{refusal}");

    let mut long = Plan::default();
    long.file(&format!("/etc/{}/x", "n".repeat(300)), 0o600, OWN, Vec::new(), None);
    let refusal = apply(&folder.root(), &long, &ids()).expect_err("refused");
    assert_eq!(refusal.class, Class::Io, "{refusal}");
    let mut long = Plan::default();
    long.file(&format!("/etc/{}", "n".repeat(300)), 0o600, OWN, Vec::new(), None);
    let refusal = apply(&folder.root(), &long, &ids()).expect_err("refused");
    let hint = refusal.faults[0].hint.clone().unwrap_or_default();
    assert!(refusal.class == Class::Io && hint.starts_with("nothing is half done"), "{refusal}");

    // a line of the journal is a path
    let mut broken = Plan::default();
    broken.file("/etc/a\nb", 0o600, OWN, Vec::new(), None);
    assert!(apply(&folder.root(), &broken, &ids()).is_err());
    assert!(!folder.path(STAGING).exists() && !folder.path("/etc/a\nb").exists());
}

#[test]
fn a_journal_of_many_steps_is_rolled_forward_and_a_cut_one_is_told() {
    let folder = Folder::new("journal-long");
    std::fs::create_dir(folder.path(STAGING)).expect("a directory");
    let mut text: String = (0..300).map(|n| format!("remove /etc/gone-{n}\n")).collect();
    text.push_str("put 0 /etc/kept\n");
    std::fs::write(folder.path(&format!("{STAGING}/0")), "new").expect("a file");
    // what came to its end between a copy and its name
    std::fs::write(folder.path("/etc/.kept.new"), "half").expect("a file");
    let journal = folder.path(&format!("{STAGING}/journal"));
    for cut in [&text, "end", "put 0\nend\n", "put x /etc/kept\nend\n", "move /etc/kept\nend\n"] {
        std::fs::write(&journal, cut).expect("a file");
        let refusal = recover(&folder.root()).expect_err("refused");
        assert!(refusal.to_string().contains("a whole journal"), "{cut}: {refusal}");
    }
    // a disk that says no is no reason to call it done
    let long = format!("{text}remove /etc/{}/x\nend\n", "n".repeat(300));
    std::fs::write(&journal, long).expect("a file");
    assert_eq!(recover(&folder.root()).map_err(|refusal| refusal.class), Err(Class::Io));
    assert!(journal.exists());
    std::fs::write(&journal, text + "end\n").expect("a file");
    assert_eq!(recover(&folder.root()), Ok(true));
    assert_eq!(folder.read("/etc/kept"), "new");
    assert!(!folder.path("/etc/.kept.new").exists() && !folder.path(STAGING).exists());
}

#[test]
fn files_of_others_are_mended_unless_they_have_a_second_name_or_are_links() {
    let folder = Folder::new("mend");
    let mend = |path: &str, mode, group| PlannedMend { path: path.to_owned(), owner: None, group, mode };
    let all = |group| Plan {
        mends: vec![
            mend("/etc/exact", Mend::Exactly(0o640), group),
            mend("/etc/more", Mend::With(0o111), group),
            mend("/etc/linked", Mend::Exactly(0o600), group),
            mend("/etc/second", Mend::Exactly(0o600), group),
            mend("/etc/socket", Mend::Exactly(0o600), group),
            mend("/etc/directory", Mend::Exactly(0o700), group),
            mend("/etc/none", Mend::Exactly(0o600), group),
            mend("/nowhere/none", Mend::Exactly(0o600), group),
        ],
        ..Plan::default()
    };
    for name in ["exact", "more", "target", "first"] {
        let path = folder.path(&format!("/etc/{name}"));
        std::fs::write(&path, name).expect("a file");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o664)).expect("a mode");
    }
    symlink("target", folder.path("/etc/linked")).expect("a link");
    std::fs::hard_link(folder.path("/etc/first"), folder.path("/etc/second")).expect("a second name");
    std::fs::create_dir(folder.path("/etc/directory")).expect("a directory");
    let directory = mode(&folder.path("/etc/directory"));
    let _socket = std::os::unix::net::UnixListener::bind(folder.path("/etc/socket")).expect("a socket");
    let changed = |plan: &Plan, ids: &Ids| {
        let applied = apply(&folder.root(), plan, ids).expect("applied");
        assert!(applied.notes.is_empty(), "{:?}", applied.notes);
        applied.changed.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(changed(&all(Some("root")), &ids()), ["/etc/exact", "/etc/more"]);
    let modes = |names: &[&str]| -> Vec<u32> {
        names.iter().map(|name| mode(&folder.path(&format!("/etc/{name}")))).collect()
    };
    assert_eq!(
        modes(&["exact", "more", "target", "first", "directory"]),
        [0o640, 0o775, 0o664, 0o664, directory]
    );
    assert!(changed(&all(Some("root")), &ids()).is_empty());
    if let Some(other) = other_group() {
        let plan = all(Some("other"));
        assert_eq!(changed(&plan, &ids_with_others()), ["/etc/exact", "/etc/more", "/etc/socket"]);
        let own = rustix::process::getegid().as_raw();
        for (name, group) in [
            ("exact", other),
            ("more", other),
            ("socket", other),
            ("target", own),
            ("second", own),
            ("directory", own),
        ] {
            assert_eq!(owners(&folder.path(&format!("/etc/{name}"))).1, group, "{name}");
        }
        assert_eq!(modes(&["exact", "more"]), [0o640, 0o775], "a new owner takes no bit of the mode");
    }
}

#[test]
fn a_directory_that_a_crash_left_half_made_is_used_and_one_that_drifted_is_set_right() {
    let folder = Folder::new("half-made");
    let mut plan = Plan::default();
    let directory =
        |path: &str| PlannedDirectory { path: path.to_owned(), mode: 0o750, owner: OWN.0, group: OWN.1 };
    plan.directories = vec![directory("/opt/new"), directory("/opt/new/below"), directory("/opt/drifted")];
    std::fs::create_dir(folder.path("/opt/.new.new")).expect("a directory");
    std::fs::create_dir(folder.path("/opt/drifted")).expect("a directory");
    std::fs::set_permissions(folder.path("/opt/drifted"), std::fs::Permissions::from_mode(0o2777))
        .expect("a mode");
    let applied = apply(&folder.root(), &plan, &ids()).expect("applied");
    let changed: Vec<&str> = applied.changed.iter().map(String::as_str).collect();
    assert_eq!(changed, ["/opt/drifted", "/opt/new", "/opt/new/below"]);
    for path in changed {
        assert_eq!(mode(&folder.path(path)), 0o750, "{path}");
    }
    assert!(!folder.path("/opt/.new.new").exists());
    assert!(apply(&folder.root(), &plan, &ids()).expect("applied").changed.is_empty());
    // a link in the place of the half-made one is not followed: it is set aside
    std::fs::remove_dir_all(folder.path("/opt/new")).expect("removed");
    symlink(folder.path("/etc"), folder.path("/opt/.new.new")).expect("a link");
    let before = mode(&folder.path("/etc"));
    apply(&folder.root(), &plan, &ids()).expect("applied");
    let made = folder.path("/opt/new").symlink_metadata().expect("a directory");
    assert!(made.is_dir() && mode(&folder.path("/opt/new")) == 0o750 && mode(&folder.path("/etc")) == before);
}

#[test]
fn what_a_service_has_put_below_its_own_directory_is_replaced_and_elsewhere_it_is_refused() {
    let (folder, ids) = (Folder::new("theirs"), ids_with_others());
    let theirs = |plan: &mut Plan, path: &str, owner| {
        plan.directories.push(PlannedDirectory { path: path.to_owned(), mode: 0o700, owner, group: OWN.1 });
    };
    let mut plan = Plan::default();
    theirs(&mut plan, "/opt/theirs", "other");
    theirs(&mut plan, "/opt/theirs/linked", "other");
    plan.file("/opt/theirs/linked/file", 0o600, OWN, b"new".to_vec(), None);
    plan.file("/opt/theirs/full", 0o600, OWN, b"new".to_vec(), None);
    plan.remove("/opt/theirs/away/victim", None);
    let mend = |path: &str| PlannedMend {
        path: path.to_owned(),
        owner: None,
        group: None,
        mode: Mend::Exactly(0o600),
    };
    plan.mends = vec![mend("/opt/theirs/away/victim")];
    std::fs::create_dir_all(folder.path("/opt/theirs/full/deep")).expect("directories");
    std::fs::write(folder.path("/etc/victim"), "victim").expect("a file");
    let before = mode(&folder.path("/etc/victim"));
    for name in ["linked", "away"] {
        symlink(folder.path("/etc"), folder.path(&format!("/opt/theirs/{name}"))).expect("a link");
    }
    let applied = apply(&folder.root(), &plan, &ids).expect("applied");
    assert_eq!(applied.notes, ["/opt/theirs/linked was no directory: it is made anew"]);
    for path in ["/opt/theirs/linked/file", "/opt/theirs/full"] {
        assert_eq!(folder.read(path), "new", "{path}");
    }
    assert!(folder.path("/opt/theirs/linked").symlink_metadata().expect("a directory").is_dir());
    assert!(!folder.path("/etc/file").exists() && mode(&folder.path("/etc/victim")) == before);
    // what was in it is kept beside
    let names = folder.path("/opt/theirs").read_dir().expect("a directory");
    let kept = names.map(|entry| entry.expect("an entry").path()).find(|path| path.join("deep").is_dir());
    assert!(kept.is_some_and(|path| path.to_string_lossy().contains("/.full.aside-")));

    // a disk that says no is no such matter
    let long = format!("/opt/theirs/{}", "n".repeat(300));
    let mut cases = vec![Plan::default(); 4];
    cases.iter_mut().for_each(|plan| theirs(plan, "/opt/theirs", "other"));
    theirs(&mut cases[0], &long, "other");
    cases[1].file(&long, 0o600, OWN, Vec::new(), None);
    cases[2].remove(&format!("{long}/x"), None);
    cases[3].mends.push(mend(&format!("{long}/x")));
    for plan in &cases {
        assert_eq!(apply(&folder.root(), plan, &ids).expect_err("refused").class, Class::Io);
    }
    // and what is root's is for root to look at
    symlink(folder.path("/etc"), folder.path("/opt/ours")).expect("a link");
    for owner in ["root", "other"] {
        let mut plan = Plan::default();
        theirs(&mut plan, "/opt/ours", owner);
        let refusal = apply(&folder.root(), &plan, &ids).expect_err("refused");
        assert_eq!(refusal.class, Class::Input, "{refusal}");
        // also where it has come since all was looked at
        let made = super::directories::make(&folder.root(), &plan, &ids, &mut Vec::new());
        assert_eq!(made.expect_err("refused").class, Class::Input);
        assert!(folder.path("/opt/ours").symlink_metadata().expect("a link").is_symlink());
    }
    let made = super::directories::make(&folder.root(), &cases[0], &ids, &mut Vec::new());
    assert_eq!(made.expect_err("refused").class, Class::Io);
}
