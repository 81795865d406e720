//! pam-auth-update(8): `/etc/pam.d/common-*` from the profiles in `/usr/share/pam-configs`, and what it remembers of them
//! in `/var/lib/pam`.
//!
//! Every profile with `Default: yes` is enabled, the highest priority first, of equal ones the last by name. A template's
//! "Primary" block gets the primary modules, each jump `end` replaced by the number of lines behind it; its "Additional"
//! block the others. Deliberately absent: profiles that exclude each other, which are refused, and what a person chose.
//! Source: pam, `debian/local/pam-auth-update`.

use super::super::{image_path, refuse};
use super::draft::Draft;
use crate::refusal::{Class, Result};
use std::collections::BTreeMap;

const STEP: &str = "pam";
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

/// Makes the files, but for those that a recipe brings.
pub(super) fn apply(draft: &mut Draft<'_>) -> Result<()> {
    let mut profiles = Vec::new();
    for path in draft.files_in("/usr/share/pam-configs")? {
        let text = draft.text(&path)?.unwrap_or_default();
        profiles.push(Profile { name: path.file_name().to_owned(), fields: parse(&text) });
    }
    let priority = |profile: &Profile| profile.get("Priority").parse::<i64>().unwrap_or(0);
    profiles.sort_by(|a, b| priority(b).cmp(&priority(a)).then_with(|| b.name.cmp(&a.name)));
    let enabled: Vec<&Profile> = profiles.iter().filter(|profile| profile.get("Default") == "yes").collect();
    for profile in &enabled {
        let conflicts =
            |other: &&&Profile| profile.get("Conflicts").split(", ").any(|name| name == other.name);
        if let Some(other) = enabled.iter().find(conflicts) {
            let cause = format!("the profiles `{}` and `{}` exclude each other", profile.name, other.name);
            return Err(refuse(Class::Usage, "/usr/share/pam-configs", cause));
        }
    }
    for (file, name) in TYPES {
        let template = draft.needed(&format!("/usr/share/pam/common-{file}"))?;
        let text = fill(&template, file, name, &enabled)
            .ok_or_else(|| refuse(Class::Archive, file, "its template in /usr/share/pam lacks a marker"))?;
        if !draft.has(&image_path(&format!("/etc/pam.d/common-{file}"))?) {
            draft.file(STEP, &format!("/etc/pam.d/common-{file}"), text)?;
            draft.file(STEP, &format!("/var/lib/pam/{file}"), remembered(name, &enabled))?;
        }
    }
    let seen: String = profiles.iter().map(|profile| format!("{}\n", profile.name)).collect();
    draft.file(STEP, "/var/lib/pam/seen", seen)
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

/// `module` with the number of lines to jump over in the place of `end`.
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
