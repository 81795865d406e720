//! Programs that change nothing in an image, each with the reason, which the effects name.

use crate::sh::{Call, Stop};

/// Why a program changes nothing.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    Some(match name {
        "deb-systemd-invoke" | "invoke-rc.d" | "service" | "udevadm" | "modprobe" | "rmmod" | "sysctl"
        | "setupcon" | "swapon" | "mount" | "umount" | "telinit" | "initctl" | "loginctl" | "dbus-send"
        | "busctl" | "logger" | "nmcli" | "resolvectl" | "vgcfgbackup" | "vgscan" => {
            "it talks to a running system"
        }
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
        "pg_checksystem" => "it warns of the limits of a running kernel",
        "update-binfmts" => "the kernel of the machine is told at boot, by binfmt-support.service",
        "pwck" | "grpck" => "the files of users are as the packages made them",
        "mandb" => "the index of manual pages is a cache",
        "fc-cache"
        | "gtk-update-icon-cache"
        | "update-icon-caches"
        | "gdk-pixbuf-query-loaders"
        | "gtk-query-immodules-2.0"
        | "gtk-query-immodules-3.0"
        | "appstreamcli"
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

/// mountpoint: nothing but /proc is mounted.
pub(super) fn mountpoint(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    // wherever dpkg runs scripts there is a /proc, also in the root of an image: a script that asks wants to know whether
    // this is such a place, and what it reads there is refused or empty
    match call.args.last() {
        Some(path) if path == b"/proc" => Ok(0),
        _ => none(call),
    }
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
    // as python3-twisted's script does, for its side effect
    if call.args.get(1).is_some_and(|text| {
        text == b"from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))"
    }) {
        return call.nothing("the list of plug-ins is a cache, made when it is used");
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

/// start-stop-daemon: nothing runs that could be stopped, and nothing is started.
pub(super) fn start_stop(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let is = |short: &[u8], long: &[u8]| {
        let own = call.args.iter().take_while(|arg| *arg != b"--");
        own.into_iter().any(|arg| {
            arg == long || (arg.starts_with(b"-") && !arg.starts_with(b"--") && arg.ends_with(short))
        })
    };
    let status = match (is(b"S", b"--start"), is(b"K", b"--stop"), is(b"T", b"--status")) {
        (true, false, false) => 0,
        (false, true, false) => u8::from(!is(b"o", b"--oknodo")),
        (false, false, true) => 3,
        _ => return Err(call.unsupported("these arguments")),
    };
    call.nothing("it talks to a running system")?;
    Ok(status)
}

/// Emacs itself: only to compile, which makes files that it does without.
pub(super) fn emacs(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let batch = call.args.iter().any(|arg| arg == b"--batch" || arg == b"-batch");
    let compiles = call
        .args
        .iter()
        .any(|arg| arg.windows(12).any(|part| part == b"byte-compile" || part == b"byte-recompi"));
    if batch && compiles {
        return call.nothing("byte code is a cache: Emacs reads the source without it");
    }
    Err(call.sh.fail(crate::failure::Reason::Program(call.name.to_owned())))
}

/// Programs that only check a configuration: the packages' own is taken to be right, and nothing comes of the check.
pub(super) fn checks(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    if call.name == "visudo" && !call.args.iter().any(|arg| arg.starts_with(b"-c") || arg == b"--check") {
        return Err(call.unsupported("these arguments"));
    }
    if call.name == "exim4" && call.args.last().is_none_or(|last| last != b"-bV") {
        return Err(call.sh.fail(crate::failure::Reason::Program(call.name.to_owned())));
    }
    let asks_version = call.args == [b"-V".to_vec()];
    if call.name == "smartctl" && !asks_version && !call.args.iter().any(|arg| arg == b"showall") {
        return Err(call.sh.fail(crate::failure::Reason::Running("its disks and mounts".to_owned())));
    }
    call.nothing("it only checks a configuration, which is as packages bring it")
}

/// apt-get: which indexes of archives it has, of which an image that is being made has none.
pub(super) fn apt_get(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    if call.args.first().is_none_or(|first| first != b"indextargets") {
        return Err(call.unsupported("these arguments"));
    }
    let lists = call.sh.files.list(b"/var/lib/apt/lists").unwrap_or_default();
    if lists.iter().any(|name| name.ends_with(b"Release")) {
        return Err(call.unsupported("indexes of archives"));
    }
    call.nothing("there are no indexes of archives in an image that is being made")
}
