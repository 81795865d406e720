//! Programs that change nothing in an image, each with the reason, which the effects name.

use crate::sh::{Call, Stop};

/// Why a program changes nothing.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    Some(match name {
        "deb-systemd-invoke" | "invoke-rc.d" | "service" | "udevadm" | "modprobe" | "rmmod" | "sysctl"
        | "setupcon" | "swapon" | "mount" | "umount" | "telinit" | "initctl" | "loginctl" | "dbus-send"
        | "busctl" | "nmcli" | "resolvectl" | "vgcfgbackup" | "vgscan" => "it talks to a running system",
        "apparmor_parser" | "semodule" | "restorecon" => {
            "the kernel of the machine loads its policies at boot"
        }
        "ldconfig" | "ldconfig.real" => "the cache of libraries is made of the whole tree",
        "update-initramfs" | "dracut" | "mktirfs" => "the initrd is made of the whole tree",
        "depmod" => "the indexes of modules are made of the whole tree",
        "systemd-hwdb" | "journalctl" => "the databases of hardware and messages are made of the whole tree",
        "py3compile" | "py3clean" | "pypy3compile" | "pypy3clean" => {
            "byte code is a cache, made when it is used"
        }
        "pwck" | "grpck" => "the files of users are as the packages made them",
        "mandb" => "the index of manual pages is a cache",
        "fc-cache"
        | "gtk-update-icon-cache"
        | "update-icon-caches"
        | "gdk-pixbuf-query-loaders"
        | "update-mime-database"
        | "update-desktop-database"
        | "glib-compile-schemas"
        | "gio-querymodules"
        | "update-mime" => "it makes a cache of the desktop",
        "systemd-machine-id-setup" | "dbus-uuidgen" => "each machine gets its identity at its first boot",
        "update-grub" | "update-grub2" => "the boot loader of an image is made with its disk",
        _ => return None,
    })
}

pub(super) fn quiet(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let why = reason(call.name).unwrap_or("it changes nothing");
    call.nothing(why)
}

/// What asks for processes, mounts or policies of the kernel: there are none in an image that is being made.
pub(super) fn none(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    call.nothing("nothing runs and nothing is mounted")?;
    Ok(1)
}

/// Python itself: only to compile byte code, which is a cache.
pub(super) fn python(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let compiles =
        call.args.iter().any(|arg| arg.ends_with(b"/py_compile.py") || arg.ends_with(b"/compileall.py"));
    if compiles {
        return call.nothing("byte code is a cache, made when it is used");
    }
    let shown = String::from_utf8_lossy(&call.args.join(&b' ')).into_owned();
    Err(call.sh.fail(crate::failure::Reason::Program(format!("{} {shown}", call.name))))
}

/// perl: only to see whether it works.
pub(super) fn perl(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    match call.args {
        [flag, text] if flag == b"-e" && matches!(&text[..], b"" | b"1" | b"0") => Ok(0),
        _ => Err(call.sh.fail(crate::failure::Reason::Program("perl".to_owned()))),
    }
}

/// helpztags, of directories without texts: it has nothing to index.
pub(super) fn helpztags(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    for dir in call.args {
        let at = call.sh.files.resolve(&call.path(dir), true);
        let Ok(names) = at.and_then(|at| call.sh.files.list(&at)) else { continue };
        if names.iter().any(|name| name.ends_with(b".gz") || name.ends_with(b".txt") || name.ends_with(b"x"))
        {
            return Err(call.unsupported("texts to index"));
        }
        call.out.extend_from_slice(&[b"Processing ", &dir[..], b"\n"].concat());
    }
    Ok(0)
}

/// flock of a descriptor: nobody else runs.
pub(super) fn flock(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = super::options::parse(
        call,
        "+nxsuew:",
        &[("nonblock", b'n'), ("exclusive", b'x'), ("timeout", b'w')],
    )?;
    match &options.operands[..] {
        [fd] if fd.iter().all(u8::is_ascii_digit) => Ok(0),
        _ => Err(call.unsupported("a file")),
    }
}

/// setcap: the attribute of a program.
pub(super) fn setcap(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let args: Vec<_> = call.args.iter().filter(|arg| *arg != b"-q").cloned().collect();
    let [capabilities, path] = &args[..] else { return Err(call.unsupported("these arguments")) };
    let whole = call.path(path);
    match call.sh.files.set_capabilities(&whole, &String::from_utf8_lossy(capabilities)) {
        Ok(()) => Ok(0),
        Err(errno) => call.errno("failed to set capabilities on", path, errno),
    }
}
