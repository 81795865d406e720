//! Mount options as mount(8) has them: those that are the kernel's flags, and the rest, which is the file system's.

use rustix::mount::MountFlags;

/// The flags and the file system's own options of `options`, beginning with `ro` where it is not `is_writable`.
#[must_use]
pub fn split(options: &str, is_writable: bool) -> (MountFlags, String) {
    let mut flags = if is_writable { MountFlags::empty() } else { MountFlags::RDONLY };
    let mut own = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match flag(option) {
            Some((flag, is_set)) => flags.set(flag, is_set),
            None => own.push(option),
        }
    }
    (flags, own.join(","))
}

fn flag(option: &str) -> Option<(MountFlags, bool)> {
    Some(match option {
        "ro" => (MountFlags::RDONLY, true),
        "rw" => (MountFlags::RDONLY, false),
        "nosuid" => (MountFlags::NOSUID, true),
        "suid" => (MountFlags::NOSUID, false),
        "nodev" => (MountFlags::NODEV, true),
        "dev" => (MountFlags::NODEV, false),
        "noexec" => (MountFlags::NOEXEC, true),
        "exec" => (MountFlags::NOEXEC, false),
        "sync" => (MountFlags::SYNCHRONOUS, true),
        "async" => (MountFlags::SYNCHRONOUS, false),
        "dirsync" => (MountFlags::DIRSYNC, true),
        "noatime" => (MountFlags::NOATIME, true),
        "atime" => (MountFlags::NOATIME, false),
        "nodiratime" => (MountFlags::NODIRATIME, true),
        "diratime" => (MountFlags::NODIRATIME, false),
        "relatime" => (MountFlags::RELATIME, true),
        "strictatime" => (MountFlags::STRICTATIME, true),
        "lazytime" => (MountFlags::LAZYTIME, true),
        "nolazytime" => (MountFlags::LAZYTIME, false),
        "defaults" => (MountFlags::empty(), true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_from_a_file_systems_options() {
        for (options, is_writable, flags, own) in [
            ("", false, MountFlags::RDONLY, ""),
            ("", true, MountFlags::empty(), ""),
            ("noatime,commit=30,discard", true, MountFlags::NOATIME, "commit=30,discard"),
            ("rw", false, MountFlags::empty(), ""),
            ("ro,,nodev", true, MountFlags::RDONLY | MountFlags::NODEV, ""),
            ("subvol=@,defaults", true, MountFlags::empty(), "subvol=@"),
        ] {
            assert_eq!(split(options, is_writable), (flags, own.to_owned()), "{options}");
        }
    }
}
