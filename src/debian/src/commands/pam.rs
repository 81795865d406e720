//! pam-auth-update(8): `/etc/pam.d/common-*` from the profiles in `/usr/share/pam-configs`, and what it remembers of them
//! in `/var/lib/pam`.
//!
//! Every profile with `Default: yes` is enabled, and those that `--enable` names, the highest priority first, of equal ones the
//! last by name. A template's "Primary" block gets the primary modules, each jump `end` replaced by the number of lines after
//! it; its "Additional" block the others. Profiles that exclude each other are refused.

use std::collections::BTreeMap;

use super::options::parse as options;
use crate::files::join;
use crate::sh::{Call, Stop};

/// The files, by the names in which profiles speak of them.
const TYPES: [(&str, &str); 5] = [
    ("account", "Account"),
    ("auth", "Auth"),
    ("password", "Password"),
    ("session", "Session"),
    ("session-noninteractive", "Session-noninteractive"),
];
const PRIMARY: &str = "# here are the per-package modules (the \"Primary\" block)";
const FALLBACK: &str = "# here's the fallback if no module succeeds";
const ADDITIONAL: &str = "# and here are more per-package modules (the \"Additional\" block)";
const END: &str = "# end of pam-auth-update config";

/// A profile: its file name, and its fields, those of several lines with line ends.
struct Profile {
    name: String,
    fields: BTreeMap<String, String>,
}

pub(super) fn update(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [
        ("package", b'p'),
        ("enable", b'e'),
        ("disable", b'd'),
        ("remove", b'r'),
        ("force", b'f'),
        ("root", b'R'),
    ];
    let options = options(call, "pedrfR:", &long)?;
    if options.value(b'R').is_some_and(|root| !root.is_empty() && root != b"/") {
        return Err(call.option(b"--root"));
    }
    if options.has(b'r') || options.has(b'd') {
        let gone: Vec<String> =
            options.operands.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        call.sh.system.pam.retain(|name| !gone.contains(name));
    } else if options.has(b'e') {
        let named = options.operands.iter().map(|name| String::from_utf8_lossy(name).into_owned());
        call.sh.system.pam.extend(named);
    }
    let text = |call: &Call<'_, '_>, path: &[u8]| {
        call.sh.files.read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let directory = b"/usr/share/pam-configs";
    let mut profiles = Vec::new();
    for name in call.sh.files.list(directory).unwrap_or_default() {
        if let Some(text) = text(call, &join(directory, &name)) {
            profiles
                .push(Profile { name: String::from_utf8_lossy(&name).into_owned(), fields: parse(&text) });
        }
    }
    if options.has(b'r') {
        profiles.retain(|profile| !options.operands.iter().any(|name| name == profile.name.as_bytes()));
    }
    let priority = |profile: &Profile| profile.get("Priority").parse::<i64>().unwrap_or(0);
    profiles.sort_by(|a, b| priority(b).cmp(&priority(a)).then_with(|| b.name.cmp(&a.name)));
    let chosen =
        |profile: &&Profile| profile.get("Default") == "yes" || call.sh.system.pam.contains(&profile.name);
    let enabled: Vec<&Profile> = profiles.iter().filter(chosen).collect();
    for profile in &enabled {
        if let Some(other) =
            enabled.iter().find(|other| profile.get("Conflicts").split(", ").any(|name| name == other.name))
        {
            return Err(call.unsupported(format!(
                "profiles that exclude each other, {} and {},",
                profile.name, other.name
            )));
        }
    }
    let mut files = Vec::new();
    for (file, name) in TYPES {
        let Some(template) = text(call, format!("/usr/share/pam/common-{file}").as_bytes()) else {
            return Ok(1);
        };
        let path = format!("/etc/pam.d/common-{file}");
        let old = text(call, path.as_bytes());
        let Some(new) = fill(old.as_deref().unwrap_or(&template), file, name, &enabled) else {
            return Err(call.unsupported("a file without its markers"));
        };
        files.push((path, new));
        files.push((format!("/var/lib/pam/{file}"), remembered(name, &enabled)));
    }
    let seen = profiles.iter().map(|profile| format!("{}\n", profile.name)).collect();
    files.push(("/var/lib/pam/seen".to_owned(), seen));
    for (path, text) in files {
        let path = path.into_bytes();
        if call.sh.files.read(&path).is_ok_and(|old| *old == text.as_bytes()) {
            continue;
        }
        super::remove::make_parents(call, crate::files::parent(&path), 0o755)?;
        call.sh
            .files
            .write(&path, text.into_bytes(), 0o644)
            .map_err(|errno| call.sh.limit_or(errno, "pam-auth-update"))?;
    }
    Ok(0)
}

impl Profile {
    fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    /// Its lines for `name`; the first of a block may have others.
    fn lines(&self, name: &str, position: usize) -> &str {
        match self.get(&format!("{name}-Initial")) {
            initial if position == 0 && !initial.is_empty() => initial,
            _ => self.get(name),
        }
    }
}

/// The profiles of one block in their order, each with its lines.
fn block<'p>(
    enabled: &'p [&Profile],
    name: &'p str,
    primary: bool,
) -> impl Iterator<Item = (&'p str, &'p str)> {
    let wanted = move |profile: &&&Profile| match profile.get(&format!("{name}-Type")) {
        "" => false,
        block => (block == "Primary") == primary,
    };
    let chosen = enabled.iter().filter(wanted).enumerate();
    chosen.map(move |(position, profile)| (profile.name.as_str(), profile.lines(name, position)))
}

/// The template with the lines of all profiles; nothing when it has not all markers.
fn fill(template: &str, file: &str, name: &str, enabled: &[&Profile]) -> Option<String> {
    let keyword = file.strip_suffix("-noninteractive").unwrap_or(file);
    let mut out = String::new();
    // the marker that is looked for, and whether what comes before it stays
    let mut markers = [(PRIMARY, true), (FALLBACK, false), (ADDITIONAL, true), (END, false)].into_iter();
    let mut next = markers.next();
    for line in template.lines() {
        let Some((marker, stays)) = next else {
            out.extend([line, "\n"]);
            continue;
        };
        let found = line.starts_with(marker);
        if stays || found {
            out.extend([line, "\n"]);
        }
        if found {
            if stays {
                out.push_str(&lines(keyword, name, enabled, marker == PRIMARY));
            }
            next = markers.next();
        }
    }
    next.is_none().then_some(out)
}

/// The lines of one block.
fn lines(keyword: &str, name: &str, enabled: &[&Profile], primary: bool) -> String {
    let all: Vec<&str> = block(enabled, name, primary).flat_map(|(_, lines)| lines.lines()).collect();
    if primary && all.is_empty() {
        return format!("{keyword}\t[default=1]\t\t\tpam_permit.so\n");
    }
    // in the additional block a jump must not leave the stack
    let count = all.len() - usize::from(!primary && !all.is_empty());
    let line = |(at, line): (usize, &&str)| {
        let jump = count.saturating_sub(at);
        let (module, options) = split(line);
        format!("{keyword}\t{} {options}\n", jumping(module, jump))
    };
    all.iter().enumerate().map(line).collect()
}

/// Control and module of a line, and its options.
fn split(line: &str) -> (&str, &str) {
    let control = if line.starts_with('[') { line.find(']').map_or(line.len(), |at| at + 1) } else { 0 };
    let mut words = line[control..].char_indices().peekable();
    // with brackets one word follows, without them two: the control is the first
    for _ in 0..if control > 0 { 1 } else { 2 } {
        while words.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        while words.next_if(|(_, c)| !c.is_whitespace()).is_some() {}
    }
    let end = words.peek().map_or(line.len(), |(at, _)| control + at);
    (&line[..end], line[end..].trim())
}

/// `module` with the number of lines to jump over in place of `end`.
fn jumping(module: &str, jump: usize) -> String {
    match module.split_once(']') {
        Some((control, rest)) if control.starts_with('[') => {
            format!("{}]{rest}", control.replace("=end", &format!("={jump}")))
        }
        _ => module.to_owned(),
    }
}

/// What pam-auth-update remembers of one file.
fn remembered(name: &str, enabled: &[&Profile]) -> String {
    let lines =
        |primary| block(enabled, name, primary).map(|(name, lines)| format!("Module: {name}\n{lines}\n"));
    let primary: String = lines(true).collect();
    let stock = if primary.is_empty() { "Module: null\n[default=1]\t\t\tpam_permit.so\n" } else { "" };
    format!("{primary}{stock}{}", lines(false).collect::<String>())
}

/// Reads a profile. Unless it says otherwise, what it says of sessions is for those without a person, too.
fn parse(text: &str) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        let head = line.split_once(':').filter(|(name, value)| {
            !name.contains(char::is_whitespace) && value.starts_with(char::is_whitespace)
                || (value.is_empty() && !name.contains(char::is_whitespace))
        });
        match head {
            Some((name, value)) => {
                current = name.strip_suffix("-Final").unwrap_or(name).to_owned();
                fields.insert(current.clone(), value.trim().to_owned());
            }
            None if !line.trim().is_empty() => {
                let field = fields.entry(current.clone()).or_default();
                if !field.is_empty() {
                    field.push('\n');
                }
                field.push_str(line.trim());
            }
            None => {}
        }
    }
    if fields.get("Session-Interactive-Only").is_none_or(|only| only != "yes") {
        for suffix in ["", "-Type", "-Initial"] {
            if let Some(value) = fields.get(&format!("Session{suffix}")).cloned() {
                fields.insert(format!("Session-noninteractive{suffix}"), value);
            }
        }
    }
    fields
}
