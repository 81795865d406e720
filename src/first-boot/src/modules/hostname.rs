//! `hostname`, `fqdn`, `manage_etc_hosts`.

use super::Context;
use serde_json::Value;

/// The longest name that Linux takes.
const MOST_BYTES: usize = 64;
const FILE: &str = "/etc/hostname";
/// The name that was set last.
const PREVIOUS: &str = "/var/lib/cloud/data/previous-hostname";
const HOSTS: &str = "/etc/hosts";
/// The address of a machine's own name, as Debian has it.
const OWN: &str = "127.0.1.1";

/// A host's name and its full one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The first label, or what is given.
    pub host: String,
    /// With its domain, where it has one.
    pub full: String,
}

/// The first label of a name.
#[must_use]
pub fn first(name: &str) -> String {
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The names that configuration and metadata give; none where neither does.
#[must_use]
pub fn names(context: &Context<'_, '_>) -> Option<Names> {
    let given = context.text("hostname").filter(|name| !name.is_empty());
    if let Some(full) = context.text("fqdn").filter(|name| !name.is_empty()) {
        return Some(Names { host: given.unwrap_or_else(|| first(&full)), full });
    }
    if let Some(full) = given.clone().filter(|name| name.find('.').is_some_and(|at| at > 0)) {
        return Some(Names { host: first(&full), full });
    }
    let metadata = context.instance.hostname.as_ref().map(|name| match name.parse::<std::net::Ipv4Addr>() {
        Ok(_) => format!("ip-{}", name.replace('.', "-")),
        Err(_) => name.clone(),
    });
    let full = metadata.or_else(|| given.clone())?;
    Some(Names { host: given.unwrap_or_else(|| first(&full)), full })
}

/// The name that the machine is to have.
fn chosen(context: &Context<'_, '_>) -> Option<String> {
    if context.flag("preserve_hostname") == Some(true) {
        return None;
    }
    let names = names(context)?;
    let prefers_full = context.flag("prefer_fqdn_over_hostname") == Some(true);
    Some(if prefers_full { names.full } else { names.host })
}

/// Sets a name that has changed since the last boot, unless it was changed on the machine.
pub fn update(context: &mut Context<'_, '_>) {
    let (previous, current) = (context.root.text(PREVIOUS), context.root.text(FILE));
    if previous.is_some() && previous == current && chosen(context) != current {
        set(context);
    }
}

/// Sets the name, in `/etc/hostname` and of the running kernel.
pub fn set(context: &mut Context<'_, '_>) {
    let Some(name) = chosen(context) else { return };
    let set = check(&name).and_then(|()| {
        if context.root.text(FILE).as_deref() != Some(&name) {
            context.root.write(FILE, format!("{name}\n").as_bytes(), 0o644, None)?;
        }
        if context.root.text(PREVIOUS).as_deref() != Some(&name) {
            context.root.write(PREVIOUS, format!("{name}\n").as_bytes(), 0o644, None)?;
        }
        if context.root.is_system() {
            let set = rustix::system::sethostname(name.as_bytes());
            set.map_err(|error| format!("cannot set the host name: {error}"))?;
        }
        Ok(())
    });
    if context.report.check(set).is_some() {
        context.report.info(format!("host name `{name}`"));
    }
}

fn check(name: &str) -> Result<(), String> {
    let known = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | '_');
    if name.is_empty() || name.len() > MOST_BYTES || !name.chars().all(known) || name.starts_with(['-', '.'])
    {
        let start: String = name.chars().take(MOST_BYTES).collect();
        return Err(format!(
            "hostname: expected 1 to {MOST_BYTES} letters, digits, `-` and `.`, found {start:?}"
        ));
    }
    Ok(())
}

/// Keeps `/etc/hosts`: a line of its own name, or the whole file.
pub fn hosts(context: &mut Context<'_, '_>) {
    let whole = match context.config.get("manage_etc_hosts") {
        // what the image does
        None => false,
        Some(Value::String(text)) if text == "localhost" => false,
        Some(Value::String(text)) if text == "template" => true,
        Some(value) => match super::truth(value) {
            Some(true) => true,
            Some(false) => return,
            None => {
                context.report.error("manage_etc_hosts: expected true, false or `localhost`".to_owned());
                return;
            }
        },
    };
    let Some(names) = names(context) else { return };
    let kept = check(&names.host).and_then(|()| match names.full.len() {
        1..=253 if check_domain(&names.full) => Ok(()),
        _ => Err("fqdn: expected at most 253 letters, digits, `-` and `.`".to_owned()),
    });
    if kept.is_err() {
        // the name itself was refused already, with more words
        context.report.info("/etc/hosts is left as it is");
        return;
    }
    let own = format!("{OWN} {} {}", names.full, names.host);
    let old = context.root.read(HOSTS).ok().flatten().unwrap_or_default();
    let old = String::from_utf8_lossy(&old).into_owned();
    let new = if whole {
        format!(
            "# Made by first-boot at each boot, as manage_etc_hosts is true.\n{own}\n127.0.0.1 localhost\n\n\
             # IPv6\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
        )
    } else {
        with_own(&old, &own)
    };
    if new != old {
        context.report.check(context.root.write(HOSTS, new.as_bytes(), 0o644, None));
    }
}

fn check_domain(name: &str) -> bool {
    name.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | '_'))
}

/// The file with the line of its own name instead of the one that is there, or at the end.
fn with_own(old: &str, own: &str) -> String {
    let is_own = |line: &str| line.split_ascii_whitespace().next() == Some(OWN);
    let mut lines: Vec<&str> = Vec::new();
    let mut placed = false;
    for line in old.lines() {
        match (is_own(line), placed) {
            (false, _) => lines.push(line),
            (true, false) => {
                lines.push(own);
                placed = true;
            }
            (true, true) => {}
        }
    }
    if !placed {
        lines.push(own);
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}
