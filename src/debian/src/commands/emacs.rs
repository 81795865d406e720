//! emacsen-common's programs: which add-ons and which Emacs are set up, and the scripts that set one up for the other.

use std::collections::BTreeSet;

use crate::files::{Bytes, Kind, join};
use crate::sh::{Call, Stop};

const SCRIPTS: &[u8] = b"/usr/lib/emacsen-common/packages/install";
const COMPAT: &[u8] = b"/usr/lib/emacsen-common/packages/compat";
const PACKAGES: &[u8] = b"/var/lib/emacsen-common/state/package/installed";
const FLAVORS: &[u8] = b"/var/lib/emacsen-common/state/flavor/installed";

fn is_there(call: &Call<'_, '_>, directory: &[u8], name: &[u8]) -> bool {
    call.sh.files.stat(&join(directory, name)).is_some()
}

fn names(call: &Call<'_, '_>, directory: &[u8]) -> Vec<Bytes> {
    let mut names = call.sh.files.list(directory).unwrap_or_default();
    names.retain(|name| !name.starts_with(b".") && !name.ends_with(b"~"));
    names
}

/// The argument after `--preinst` or `--postinst`, and whether it is the first of them.
fn arguments(call: &Call<'_, '_>) -> Result<(bool, Bytes), Stop> {
    match call.args {
        [name] if call.name == "emacs-package-install" => Ok((false, name.clone())),
        [when, name] if when == b"--preinst" => Ok((true, name.clone())),
        [when, name] if when == b"--postinst" => Ok((false, name.clone())),
        _ => Err(call.unsupported("these arguments")),
    }
}

fn mark(call: &mut Call<'_, '_>, directory: &[u8], name: &[u8], on: bool) -> Result<(), Stop> {
    let path = join(directory, name);
    let there = call.sh.files.lstat(&path).is_some();
    let done = match (on, there) {
        (true, true) => call.sh.files.touch(&path, None),
        (true, false) => call.sh.files.make(&path, Kind::File, 0o644),
        (false, true) => call.sh.files.unlink(&path),
        (false, false) => Ok(()),
    };
    done.map_err(|errno| call.sh.limit_or(errno, "a mark of Emacs's packages"))
}

/// Add-ons in an order in which each comes after those that it depends on.
fn sorted(call: &Call<'_, '_>, of: &[Bytes]) -> Vec<Bytes> {
    let is_ready = |name: &[u8]| {
        is_there(call, SCRIPTS, name) && (!is_there(call, COMPAT, name) || is_there(call, PACKAGES, name))
    };
    let mut order: Vec<Bytes> = Vec::new();
    let mut seen: BTreeSet<Bytes> = BTreeSet::new();
    let mut stack: Vec<(Bytes, bool)> = of.iter().rev().map(|name| (name.clone(), false)).collect();
    while let Some((name, done)) = stack.pop() {
        if done {
            order.push(name);
        } else if seen.insert(name.clone()) {
            stack.push((name.clone(), true));
            let depends = call.sh.system.packages.get(&*String::from_utf8_lossy(&name));
            let depends = depends.map(|package| package.field("Depends").to_owned()).unwrap_or_default();
            let needs = depends.split([',', '|']).filter_map(|one| one.split_whitespace().next());
            let needs = needs.map(|name| name.as_bytes().to_vec()).filter(|name| is_ready(name));
            stack.extend(needs.map(|name| (name, false)));
        }
    }
    order
}

fn set_up(call: &mut Call<'_, '_>, package: &[u8], flavor: &[u8]) -> Result<u8, Stop> {
    let script = join(SCRIPTS, package);
    call.out.extend_from_slice(&[b"Install ", package, b" for ", flavor, b"\n"].concat());
    if call.sh.files.stat(&script).is_none() {
        return Ok(0);
    }
    let mut words = vec![script, flavor.to_vec()];
    if !is_there(call, COMPAT, package) {
        // of the old kind: told of all that there are
        words.extend(names(call, FLAVORS));
    }
    match call.run(&words)? {
        0 => Ok(0),
        _ => {
            call.err
                .extend_from_slice(&[b"ERROR: install script from ", package, b" package failed\n"].concat());
            Ok(2)
        }
    }
}

/// `emacs-package-install`: an add-on for every Emacs that is there.
pub(super) fn package(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let (before, name) = arguments(call)?;
    mark(call, PACKAGES, &name, !before)?;
    if before {
        return Ok(0);
    }
    for package in sorted(call, &[name]) {
        if !is_there(call, COMPAT, &package) && is_there(call, SCRIPTS, &package) {
            let status = set_up(call, &package, b"emacs")?;
            if status != 0 {
                return Ok(status);
            }
        }
        for flavor in names(call, FLAVORS) {
            let status = set_up(call, &package, &flavor)?;
            if status != 0 {
                return Ok(status);
            }
        }
    }
    Ok(0)
}

/// `emacs-package-remove --prerm`: the add-on is no longer ready.
pub(super) fn removal(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let [when, name] = call.args else { return Err(call.unsupported("these arguments")) };
    if when != b"--prerm" || !names(call, FLAVORS).is_empty() {
        return Err(call.unsupported("these arguments"));
    }
    mark(call, PACKAGES, name, false)?;
    Ok(0)
}

/// `emacs-install`: every add-on for an Emacs.
pub(super) fn flavor(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let (before, name) = match call.args {
        [name] => (false, name.clone()),
        _ => arguments(call)?,
    };
    mark(call, FLAVORS, &name, !before)?;
    if before {
        return Ok(0);
    }
    let mut ready = names(call, SCRIPTS);
    ready.retain(|name| !is_there(call, COMPAT, name) || is_there(call, PACKAGES, name));
    for package in sorted(call, &ready) {
        let status = set_up(call, &package, &name)?;
        if status != 0 {
            return Ok(status);
        }
    }
    Ok(0)
}
