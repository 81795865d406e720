//! linux-base's programs: the links to kernels, and the hooks of other packages.

use super::version::compare;
use crate::files::{Bytes, Kind, join};
use crate::sh::{Call, Stop};

/// The kernels in /boot: versions in ascending order.
fn kernels(call: &Call<'_, '_>) -> Vec<Bytes> {
    let names = call.sh.files.list(b"/boot").unwrap_or_default();
    let mut all: Vec<Bytes> =
        names.iter().filter_map(|name| name.strip_prefix(b"vmlinuz-").map(<[u8]>::to_vec)).collect();
    all.sort_by(|a, b| compare(a, b));
    all
}

fn target(call: &Call<'_, '_>, path: &[u8]) -> Option<Bytes> {
    match call.sh.files.lstat(path)?.kind {
        Kind::Link(target) => Some(target),
        _ => None,
    }
}

/// A switch of /etc/kernel-img.conf; `None` when it does not speak of it.
fn setting(call: &Call<'_, '_>, name: &str) -> Option<String> {
    let text = call.sh.files.read(b"/etc/kernel-img.conf").ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let of_line = |line: &str| {
        let (key, value) = line.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase())
    };
    text.lines().filter_map(of_line).next_back()
}

/// Links `vmlinuz`, `vmlinuz.old`, `initrd.img` and `initrd.img.old`: the newest kernel, or the one that is reinstalled, and
/// the one before it, which is the same when there is only one.
pub(super) fn symlinks(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let [change, version, _] = call.args else { return Err(call.unsupported("these arguments")) };
    if !matches!(&change[..], b"install" | b"upgrade") {
        return Err(call.option(change));
    }
    if setting(call, "do_symlinks").is_some_and(|value| matches!(&value[..], "no" | "false" | "0")) {
        return Ok(0);
    }
    let dir = setting(call, "image_dest").unwrap_or_else(|| "/".to_owned()).into_bytes();
    let mut versions = kernels(call);
    versions.retain(|known| known != version);
    if change == b"upgrade" {
        let at = versions.iter().position(|known| compare(version, known).is_lt()).unwrap_or(versions.len());
        versions.insert(at, version.clone());
    }
    for link in [&b"vmlinuz.old"[..], b"vmlinuz"] {
        if let Some(old) = target(call, &join(&dir, link)) {
            let name = crate::files::base_name(&old).strip_prefix(b"vmlinuz-").unwrap_or_default().to_vec();
            if let Some(at) = versions.iter().position(|known| *known == name) {
                let known = versions.remove(at);
                versions.push(known);
            }
        }
    }
    if change == b"install" {
        versions.push(version.clone());
    }
    let newest = versions.last().cloned().unwrap_or_default();
    let before = versions.iter().rev().nth(1).cloned().unwrap_or_else(|| newest.clone());
    let no_initrd = call.env("INITRD").is_some_and(|value| value == "No");
    let up: &[u8] = match &dir[..] {
        b"/" => b"boot/",
        b"/boot" | b"/boot/" => b"",
        _ => return Err(call.unsupported("links in another directory")),
    };
    for (suffix, kernel) in [(&b".old"[..], before), (b"", newest)] {
        let mut links = vec![(b"vmlinuz".to_vec(), b"vmlinuz-".to_vec())];
        if !no_initrd {
            links.push((b"initrd.img".to_vec(), b"initrd.img-".to_vec()));
        }
        for (link, prefix) in links {
            let at = join(&dir, &[&link[..], suffix].concat());
            let to = [up, &prefix, &kernel].concat();
            if target(call, &at).as_ref() == Some(&to) {
                continue;
            }
            let limit = |call: &Call<'_, '_>, errno| call.sh.limit_or(errno, "linux-update-symlinks");
            if call.sh.files.lstat(&at).is_some() {
                call.sh.files.unlink(&at).map_err(|errno| limit(call, errno))?;
            }
            call.sh.files.make(&at, Kind::Link(to.clone()), 0o777).map_err(|errno| limit(call, errno))?;
            let line = [b"I: ", &at[..], b" is now a symlink to ", &to, b"\n"].concat();
            call.out.extend_from_slice(&line);
        }
    }
    Ok(0)
}

/// Runs the hooks of /etc/kernel and /usr/share/kernel.
pub(super) fn hooks(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let at = call.args.iter().position(|arg| arg == b"--").unwrap_or(call.args.len());
    let (own, rest) = call.args.split_at_checked(at).unwrap_or((call.args, &[]));
    let parameters = rest.get(1..).unwrap_or_default().join(&b' ');
    let (kind, args): (Bytes, Vec<Bytes>) = match own {
        [what, script, version, image] if what == b"image" => {
            (script.clone(), vec![version.clone(), image.clone()])
        }
        [what, script, version] if what == b"headers" => {
            ([b"header_", &script[..]].concat(), vec![version.clone()])
        }
        _ => return Err(call.unsupported("these arguments")),
    };
    let mut status = 0;
    for place in [&b"/etc/kernel/"[..], b"/usr/share/kernel/"] {
        let dir = [place, &kind, b".d"].concat();
        if status != 0 || call.sh.files.stat(&dir).is_none_or(|meta| meta.kind != Kind::Directory) {
            continue;
        }
        let mut words = vec![b"env".to_vec(), [b"DEB_MAINT_PARAMS=", &parameters[..]].concat()];
        words.extend([b"run-parts".to_vec(), b"--report".to_vec(), b"--exit-on-error".to_vec()]);
        words.extend(args.iter().map(|arg| [b"--arg=", &arg[..]].concat()));
        words.push(dir);
        status = call.run(&words)?;
    }
    Ok(status)
}

/// `linux-version list`, `sort` and `compare`.
pub(super) fn version(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    match call.args {
        [what, rest @ ..] if what == b"list" && rest.iter().all(|arg| arg == b"--paths") => {
            for kernel in kernels(call) {
                let path =
                    if rest.is_empty() { Vec::new() } else { [b" /boot/vmlinuz-", &kernel[..]].concat() };
                call.out.extend_from_slice(&[&kernel[..], &path, b"\n"].concat());
            }
            Ok(0)
        }
        [what, a, op, b] if what == b"compare" => match super::version::holds(a, op, b) {
            Some(holds) => Ok(u8::from(!holds)),
            None => Err(call.option(op)),
        },
        [what, rest @ ..] if what == b"sort" => {
            let reverse = rest.first().is_some_and(|arg| arg == b"--reverse");
            let mut list = rest.get(usize::from(reverse)..).unwrap_or_default().to_vec();
            if list.is_empty() {
                let input = call.sh.read_all(0);
                list = input
                    .split(|b| *b == b'\n')
                    .filter(|line| !line.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect();
            }
            list.sort_by(|a, b| compare(a, b));
            if reverse {
                list.reverse();
            }
            for version in list {
                call.out.extend_from_slice(&[&version[..], b"\n"].concat());
            }
            Ok(0)
        }
        _ => Err(call.unsupported("these arguments")),
    }
}
