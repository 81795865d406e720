//! `lighty-enable-mod`: links from conf-enabled to conf-available.

use std::collections::BTreeMap;

use crate::files::{Bytes, Kind, join};
use crate::sh::{Call, Stop};

/// The modules of a directory: of `10-name.conf` the name, and the whole.
fn modules(call: &Call<'_, '_>, directory: &[u8]) -> BTreeMap<Bytes, Bytes> {
    let names = call.sh.files.list(directory).unwrap_or_default();
    let module = |name: Bytes| {
        let rest = name.strip_suffix(b".conf")?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let module = rest.get(digits..)?.strip_prefix(b"-")?.to_vec();
        (digits > 0 && !module.is_empty()).then_some((module, name))
    };
    names.into_iter().filter_map(module).collect()
}

/// What a module's file says it depends on or conflicts with: `# -*- depends: a, b -*-`.
fn listed(text: &str, what: &str) -> Vec<Bytes> {
    let of_line = |line: &str| {
        let (_, rest) = line.split_once(&format!("# -*- {what}: "))?;
        let (names, _) = rest.split_once(" -*-")?;
        Some(names.split(", ").map(|name| name.trim().as_bytes().to_vec()).collect::<Vec<_>>())
    };
    text.lines().filter_map(of_line).flatten().collect()
}

pub(super) fn enable(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    if call.args.is_empty() {
        return Err(call.unsupported("a question to a person"));
    }
    let (available, enabled) = (&b"/etc/lighttpd/conf-available"[..], &b"/etc/lighttpd/conf-enabled"[..]);
    let all = modules(call, available);
    let mut on = modules(call, enabled);
    let mut todo: std::collections::VecDeque<Bytes> = call.args.iter().cloned().collect();
    let mut status = 0;
    while let Some(name) = todo.pop_front() {
        call.sh.step()?;
        let shown = String::from_utf8_lossy(&name).into_owned();
        let Some(file) = all.get(&name) else {
            call.out.extend_from_slice(format!("Ignoring unknown module: {shown}\n").as_bytes());
            status = 2;
            continue;
        };
        let target = join(enabled, file);
        if call.sh.files.stat(&target).is_some() {
            call.out.extend_from_slice(b"already enabled\n");
            if status != 1 {
                status = 2;
            }
            continue;
        }
        let text = call.sh.files.read(&join(available, file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        for other in listed(&text, "depends") {
            if !all.contains_key(&other) {
                return Ok(call.complain("Unresolved dependency"));
            }
            if !on.contains_key(&other) {
                todo.push_back(other);
            }
        }
        if listed(&text, "conflicts").iter().any(|other| on.contains_key(other)) {
            return Ok(call.complain("Conflicting dependencies"));
        }
        match call.sh.files.make(&target, Kind::Link([b"../conf-available/", &file[..]].concat()), 0o777) {
            Ok(()) => {
                call.out.extend_from_slice(format!("Enabling {shown}: ok\n").as_bytes());
                on.insert(name, target);
            }
            Err(errno) => status = call.errno("cannot link", &target, errno)?,
        }
    }
    call.out.extend_from_slice(b"Run \"service lighttpd force-reload\" to enable changes\n");
    Ok(status)
}
