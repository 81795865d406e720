//! The kernel as judge: it mounts the file system, finds every name in every index, and grows it while it is in use.
//!
//! Only root may mount, so these are not among the tests of every day: `cargo test -p bake -- --ignored mounted`.

use super::{EPOCH, Volume, file, options, path, tree};
use crate::disk::ext4::Options;
use crate::name::ImagePath;
use crate::tree::{Content, Meta, Node, Tree};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in use, until it is dropped.
struct Mounted {
    at: PathBuf,
}

impl Mounted {
    fn of(volume: &Volume, how: &str) -> Self {
        let at = volume.dir.path().join("mounted");
        std::fs::create_dir_all(&at).unwrap();
        run(Command::new("mount").args(["-t", "ext4", "-o", how]).arg(&volume.path).arg(&at));
        Self { at }
    }

    fn path(&self, path: &ImagePath) -> PathBuf {
        self.at.join(path.relative())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // a test beside this one that starts a program holds what is open here until that program runs
        for _ in 0..100 {
            if Command::new("umount").arg("-d").arg(&self.at).output().is_ok_and(|out| out.status.success()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert!(std::thread::panicking(), "`{}` stays mounted", self.at.display());
    }
}

fn run(command: &mut Command) {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Demands that the kernel says of each entry what the tree says, and lists nothing else.
fn holds(tree: &Tree, mounted: &Mounted) {
    for (path, entry) in tree.iter() {
        let at = mounted.path(path);
        let said = std::fs::symlink_metadata(&at).unwrap();
        let meta = &entry.meta;
        let found = (said.mode() & 0o7777, said.uid(), said.gid(), said.mtime(), said.ctime());
        assert_eq!(found, (meta.mode.into(), meta.uid, meta.gid, meta.mtime, meta.mtime), "{path}");
        match &entry.node {
            Node::Directory => {
                let count = std::fs::read_dir(&at).unwrap().map(Result::unwrap).count();
                let wanted =
                    tree.within(path).filter(|(below, _)| below.parent().as_ref() == Some(path)).count();
                assert_eq!(count, wanted + usize::from(path.as_str() == "/"), "{path}");
            }
            Node::File(Content::Inline(bytes)) => assert!(std::fs::read(&at).unwrap() == **bytes, "{path}"),
            Node::File(content) => assert_eq!(said.len(), content.len(), "{path}"),
            Node::Symlink(target) => {
                assert_eq!(std::fs::read_link(&at).unwrap(), Path::new(target), "{path}");
            }
            Node::Hardlink(target) => {
                assert_eq!(said.ino(), mounted.path(target).symlink_metadata().unwrap().ino(), "{path}");
            }
            &Node::Character { major, minor } | &Node::Block { major, minor } => {
                assert_eq!(said.rdev(), rustix::fs::makedev(major, minor), "{path}");
                assert_eq!(
                    said.file_type().is_block_device(),
                    matches!(entry.node, Node::Block { .. }),
                    "{path}"
                );
            }
            Node::Fifo => assert!(said.file_type().is_fifo(), "{path}"),
        }
        for (name, value) in &meta.xattrs {
            let mut found = vec![0; 1 << 16];
            let len = rustix::fs::lgetxattr(&at, name.as_str(), &mut found[..]).unwrap();
            assert_eq!(&found[..len], value, "{path} {name}");
        }
    }
}

fn everything() -> Tree {
    let meta = || Meta::root(0o640, EPOCH - 1);
    let mut entries: Vec<(String, Meta, Node)> = (0..60)
        .map(|nth| (format!("/data/{nth}"), Meta { uid: 70_000, ..meta() }, file(nth * nth * 3000)))
        .collect();
    entries.extend(
        (0..20_000).map(|nth| (format!("/crowd/{}-ü{nth}", "n".repeat(nth % 200)), meta(), Node::Fifo)),
    );
    entries.push(("/deep".to_owned() + &"/d".repeat(500), meta(), Node::Directory));
    entries.push(("/dev/null".to_owned(), Meta::root(0o666, 0), Node::Character { major: 1, minor: 3 }));
    entries.push((
        "/dev/far".to_owned(),
        Meta::root(0o600, 1 << 33),
        Node::Block { major: 259, minor: 70_000 },
    ));
    entries.push(("/link".to_owned(), Meta::root(0o777, -5), Node::Symlink("data/7".to_owned())));
    entries.push(("/long".to_owned(), Meta::root(0o777, -5), Node::Symlink("./".repeat(600) + "data/7")));
    entries.push(("/zz".to_owned(), meta(), Node::Hardlink(path("/data/59"))));
    let mut capable = Meta::root(0o4755, EPOCH);
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    capable.xattrs.insert("security.capability".to_owned(), capability.to_vec());
    capable.xattrs.insert("user.large".to_owned(), vec![5; 3000]);
    let mut list = vec![2, 0, 0, 0];
    for (tag, id) in [(1_u8, u32::MAX), (2, 1000), (4, u32::MAX), (0x10, u32::MAX), (0x20, u32::MAX)] {
        list.extend([tag, 0, 4, 0]);
        list.extend(id.to_le_bytes());
    }
    // the mask is the group's bits of the mode
    let mut listed = Meta::root(0o444, EPOCH);
    listed.xattrs.insert("system.posix_acl_access".to_owned(), list);
    entries.push(("/capable".to_owned(), capable, file(100)));
    entries.push(("/listed".to_owned(), listed, file(100)));
    tree(entries)
}

#[test]
#[ignore = "mounts: only root may"]
fn mounted_it_is_what_the_tree_says_and_can_be_changed() {
    let tree = everything();
    let volume = Volume::of(&tree, &Options { reserve: 200 << 20, ..options() });
    holds(&tree, &Mounted::of(&volume, "loop,ro,noatime"));
    volume.is_clean();
    change(&Mounted::of(&volume, "loop"));
    volume.is_clean();
}

#[test]
#[ignore = "mounts and resizes: only root with CAP_SYS_RESOURCE may"]
fn mounted_it_grows_in_use() {
    let tree = everything();
    let volume = Volume::of(&tree, &Options { grown: 160 << 30, ..options() });
    // as the first boot does: a larger partition, then growing under way
    volume.file.set_len(140 << 30).unwrap();
    let mounted = Mounted::of(&volume, "loop,noatime");
    let source = Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(&mounted.at).output().unwrap();
    let device = String::from_utf8(source.stdout).unwrap();
    run(Command::new("/sbin/resize2fs").arg(device.trim()));
    let size = rustix::fs::statvfs(&mounted.at).unwrap();
    assert!(size.f_blocks * size.f_frsize > 135 << 30, "{}", size.f_blocks);
    holds(&tree, &mounted);
    change(&mounted);
    drop(mounted);
    volume.is_clean();
    let features = volume.dumpe2fs().lines().find(|line| line.contains("features")).unwrap().to_owned();
    assert!(!features.contains("meta_bg"), "{features}");
}

/// Makes much that is new, and takes away and changes much of what is there.
fn change(mounted: &Mounted) {
    for nth in 0..5000 {
        std::fs::write(mounted.at.join("crowd").join(format!("new{nth}")), vec![1; 5000]).unwrap();
    }
    for nth in (0..20_000).step_by(3) {
        std::fs::remove_file(mounted.at.join("crowd").join(format!("{}-ü{nth}", "n".repeat(nth % 200))))
            .unwrap();
    }
    for nth in (0..60).step_by(2) {
        std::fs::remove_file(mounted.at.join("data").join(nth.to_string())).unwrap();
    }
    std::fs::write(mounted.at.join("capable"), vec![3; 20_000_000]).unwrap();
    std::fs::remove_dir_all(mounted.at.join("deep")).unwrap();
}
