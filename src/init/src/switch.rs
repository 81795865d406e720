//! Mounting the root file system and becoming its init, as Linux, Documentation/filesystems/ramfs-rootfs-initramfs.rst,
//! and switch_root(8) have it: what is in the initrd is deleted, as it would take memory as long as the machine runs.

use crate::disks::Device;
use crate::options;
use crate::settings::Settings;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

/// Where the root file system is mounted before it is the root.
pub const TARGET: &str = "/root";
/// What was mounted for ourselves, and the next init wants too.
const KEPT: [&str; 3] = ["/dev", "/proc", "/sys"];
/// What the kernel tries when `init=` was not given: `kernel_init` in init/main.c.
const USUAL: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];
/// `RAMFS_MAGIC` and `TMPFS_MAGIC` of include/uapi/linux/magic.h: what an initrd is unpacked to.
const IN_MEMORY: [u64; 2] = [0x8584_58F6, 0x0102_1994];

/// Mounts the kernel's own file systems; `/dev` first, so that there is somewhere to complain to.
pub fn mount_kernel() {
    for (kind, at, flags) in [
        ("devtmpfs", "/dev", MountFlags::NOSUID),
        ("proc", "/proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC),
        ("sysfs", "/sys", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC),
    ] {
        match rustix::mount::mount(kind, at, kind, flags, None) {
            // the kernel itself may have mounted it
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) => crate::console::complain(&format!("cannot mount {at}: {error}")),
        }
    }
}

/// Mounts `device` as the settings say, by the first of `types` that goes; says which, or why none does.
pub fn mount<'a>(device: &Device, types: &[&'a str], settings: &Settings) -> Result<&'a str, String> {
    let (flags, own) = options::split(&settings.flags, settings.is_writable);
    let own = CString::new(own).map_err(|_| "rootflags has a NUL".to_owned())?;
    let path = device.path();
    let try_with = |kind: &str, flags| rustix::mount::mount(&path, TARGET, kind, flags, own.as_c_str());
    let mut faults = Vec::new();
    for kind in types {
        let mounted = match try_with(kind, flags) {
            // a device that cannot be written to is mounted all the same, as the kernel does
            Err(Errno::ACCESS | Errno::ROFS) => try_with(kind, flags | MountFlags::RDONLY),
            other => other,
        };
        match mounted {
            Ok(()) => return Ok(kind),
            Err(Errno::NODEV) => faults.push(format!("{kind}: the kernel does not know this file system")),
            Err(error) => faults.push(format!("{kind}: {error}")),
        }
    }
    Err(faults.join("; "))
}

/// The init that is to be started, and is there.
pub fn find_init(asked: Option<&str>) -> Result<String, String> {
    let usual = USUAL.map(str::to_owned);
    let wanted: Vec<String> = asked.map_or_else(|| usual.to_vec(), |path| vec![path.to_owned()]);
    match wanted.iter().find(|path| is_program(path)) {
        Some(path) => Ok(path.clone()),
        None => Err(format!("the root file system has no program {}", wanted.join(", "))),
    }
}

/// Whether `path` is a program, links being those of the new root.
fn is_program(path: &str) -> bool {
    let root =
        rustix::fs::openat(CWD, TARGET, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let Ok(root) = root else { return false };
    let relative = path.trim_start_matches('/');
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match rustix::fs::openat2(&root, relative, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
        Ok(file) => rustix::fs::fstat(&file).is_ok_and(|found| {
            FileType::from_raw_mode(found.st_mode).is_file() && found.st_mode & 0o111 != 0
        }),
        Err(_) => false,
    }
}

/// Makes what is mounted at `TARGET` the root and becomes `init`, with the arguments and the environment that the kernel
/// gave to us, which are those that it would have given to that. Returns only an error.
pub fn become_init(init: &str) -> Result<Infallible, String> {
    for path in KEPT {
        let to = format!("{TARGET}{path}");
        if rustix::mount::mount_move(path, &to).is_err() {
            // a root without this folder: init sees to it itself
            let _ = rustix::mount::unmount(path, UnmountFlags::DETACH);
        }
    }
    delete_initrd();
    let fault = |what: &'static str| move |error: Errno| format!("cannot {what}: {error}");
    rustix::process::chdir(TARGET).map_err(fault("enter the root file system"))?;
    rustix::mount::mount_move(".", "/").map_err(fault("move the root file system"))?;
    rustix::process::chroot(".").map_err(fault("make it the root"))?;
    rustix::process::chdir("/").map_err(fault("enter the root"))?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    #[expect(clippy::disallowed_methods, reason = "this is what the program is for; it replaces itself")]
    let error = std::process::Command::new(init).args(arguments).exec();
    Err(format!("cannot start `{init}`: {error}"))
}

/// Deletes what the kernel unpacked, and nothing where that is not a file system in memory.
fn delete_initrd() {
    let is_in_memory = rustix::fs::statfs("/")
        .is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|magic| IN_MEMORY.contains(&magic)));
    if let (true, Ok(root)) = (is_in_memory, fs::symlink_metadata("/")) {
        delete_below(Path::new("/"), root.dev());
    }
}

/// Deletes all in `folder` that is of the device `device`: other file systems are mounted there. The initrd's own folders
/// are two deep.
fn delete_below(folder: &Path, device: u64) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if found.dev() != device {
            continue;
        }
        // what cannot be deleted only takes memory
        if found.is_dir() {
            delete_below(&path, device);
            let _ = fs::remove_dir(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
    }
}
