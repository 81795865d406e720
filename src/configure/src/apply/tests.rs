//! Applying in a folder, with the accounts of whoever runs the test: numbers are looked up, never assumed.

use super::{apply, recover};
use crate::accounts::{Accounts, Ids};
use crate::keys::Output;
use crate::names::STAGING;
use crate::plan::{Plan, PlannedDirectory};
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
fn l08_what_is_right_keeps_its_inode() {
    let folder = Folder::new("inode");
    apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    let before = folder.path("/opt/env/zot.env").metadata().expect("a file");
    let applied = apply(&folder.root(), &plan("a"), &ids()).expect("applied");
    let after = folder.path("/opt/env/zot.env").metadata().expect("a file");
    assert!(applied.changed.is_empty() && applied.services.is_empty());
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
}

#[test]
fn f08_a_link_a_fifo_and_a_wide_mode_are_replaced_and_a_directory_is_refused() {
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
    assert_eq!(refusal.faults[0].to_string(), "/opt/env/zot.env: wanted a plain file, got a directory");
    assert_eq!(folder.read("/etc/other"), "a");
}

#[test]
fn f09_nothing_is_written_when_an_owner_is_missing() {
    let folder = Folder::new("owner");
    let mut plan = plan("a");
    plan.file("/etc/last", 0o600, ("root", "nosuch"), Vec::new(), None);
    let refusal = apply(&folder.root(), &plan, &ids()).expect_err("refused");
    assert_eq!(
        refusal.faults[0].to_string(),
        "/etc/last: wanted the group `nosuch`: group `nosuch` not found"
    );
    assert!(!folder.path("/etc/other").exists() && !folder.path("/opt/env/zot.env").exists());
}

#[test]
fn no_link_is_followed_in_a_directory_that_is_written_to() {
    let folder = Folder::new("dirlink");
    std::fs::remove_dir(folder.path("/opt/env")).expect("removed");
    symlink("../etc", folder.path("/opt/env")).expect("a link");
    let refusal = apply(&folder.root(), &plan("a"), &ids()).expect_err("refused");
    assert_eq!(refusal.faults[0].to_string(), "/opt/env: wanted a directory, got something else");
    assert!(!folder.path("/etc/zot.env").exists() && !folder.path("/etc/other").exists());
}

#[test]
fn a_set_that_was_committed_is_rolled_forward_and_one_that_was_not_is_cleared() {
    for (journal, wanted, rolled) in [("journal", "new", true), ("journal.new", "old", false)] {
        let folder = Folder::new(journal);
        apply(&folder.root(), &plan("old"), &ids()).expect("applied");
        std::fs::create_dir(folder.path(STAGING)).expect("a directory");
        std::fs::write(folder.path(&format!("{STAGING}/0")), "new").expect("a file");
        // the first step was taken before the crash
        let text = "put 1 /etc/gone\nput 0 /opt/env/zot.env\nremove /etc/other\nend\n";
        std::fs::write(folder.path(&format!("{STAGING}/{journal}")), text).expect("a file");
        assert_eq!(recover(&folder.root()), Ok(rolled));
        assert_eq!(folder.read("/opt/env/zot.env"), wanted);
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
