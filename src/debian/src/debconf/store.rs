//! The files of debconf: templates of packages, and the database.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Debconf, Question};
use crate::files::{Errno, Files};

/// The templates of a file, each with its fields as the database has them.
pub(super) fn parse_templates(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    text.split("\n\n").filter_map(parse_stanza).collect()
}

fn parse_stanza(stanza: &str) -> Option<(String, BTreeMap<String, String>)> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let (mut name, mut last) = (None, String::new());
    for line in stanza.lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if let Some(continued) = line.strip_prefix(' ') {
            let key = match last.split_once('-') {
                Some((field, language)) => format!("Extended_{}-{language}", field.to_lowercase()),
                None => format!("Extended_{}", last.to_lowercase()),
            };
            extend(fields.entry(key).or_default(), continued);
            continue;
        }
        let (key, value) = line.split_once(':')?;
        let value = value.trim();
        if key.eq_ignore_ascii_case("template") {
            name = Some(value.to_owned());
            continue;
        }
        let (field, language) =
            key.split_once('-').map_or((key, None), |(field, language)| (field, Some(language)));
        let mut field = field.to_lowercase();
        if let Some(first) = field.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        last = match language {
            Some(language) => format!("{field}-{}", language.to_lowercase()),
            None => field,
        };
        // a mark of translators, which is not part of the value
        let value = if last.starts_with("Default") {
            value.split("[ ").next().unwrap_or_default().trim()
        } else {
            value
        };
        fields.insert(last.clone(), value.to_owned());
    }
    for value in fields.values_mut() {
        value.truncate(value.trim_end().len());
    }
    fields.retain(|key, value| !key.starts_with("Extended_") || !value.is_empty());
    Some((name?, fields))
}

/// Adds a line of an extended description: `.` is an empty line, two blanks keep a line as it is.
fn extend(text: &mut String, line: &str) {
    if line.trim() == "." {
        text.truncate(text.trim_end_matches(' ').len());
        text.push_str("\n\n");
    } else if line.starts_with(' ') {
        if !text.is_empty() && !text.ends_with('\n') {
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        let _ = writeln!(text, "{line}");
    } else {
        let _ = write!(text, "{} ", line.trim_end());
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n")
}

impl Debconf {
    fn is_password(&self, question: &Question) -> bool {
        let kind = self.templates.get(&question.template).and_then(|template| template.fields.get("Type"));
        kind.is_some_and(|kind| kind == "password")
    }

    fn questions_text(&self, passwords: bool) -> String {
        let mut out = String::new();
        for (name, question) in self.questions.iter().filter(|(_, q)| self.is_password(q) == passwords) {
            let _ = writeln!(out, "Name: {name}\nTemplate: {}", question.template);
            if let Some(value) = &question.value {
                let _ = writeln!(out, "Value: {}", escape(value));
            }
            let _ =
                writeln!(out, "Owners: {}", question.owners.iter().cloned().collect::<Vec<_>>().join(", "));
            if !question.flags.is_empty() {
                let _ =
                    writeln!(out, "Flags: {}", question.flags.iter().cloned().collect::<Vec<_>>().join(", "));
            }
            if !question.variables.is_empty() {
                out.push_str("Variables:\n");
                for (key, value) in &question.variables {
                    let _ = writeln!(out, " {key} = {}", escape(value));
                }
            }
            out.push('\n');
        }
        out
    }

    fn templates_text(&self) -> String {
        let mut out = String::new();
        for (name, template) in &self.templates {
            let _ = writeln!(out, "Name: {name}");
            let mut fields = template.fields.clone();
            fields
                .insert("Owners".to_owned(), template.owners.iter().cloned().collect::<Vec<_>>().join(", "));
            for (field, value) in &fields {
                let _ = writeln!(out, "{field}: {}", escape(value));
            }
            out.push('\n');
        }
        out
    }

    /// Writes the database, when there are questions.
    ///
    /// # Errors
    /// When the limits of files are reached.
    pub fn write(&self, files: &mut Files<'_>) -> Result<(), Errno> {
        if self.questions.is_empty() || files.stat(b"/var/cache/debconf").is_none() {
            return Ok(());
        }
        files.write(b"/var/cache/debconf/config.dat", self.questions_text(false).into_bytes(), 0o644)?;
        files.write(b"/var/cache/debconf/passwords.dat", self.questions_text(true).into_bytes(), 0o600)?;
        files.write(b"/var/cache/debconf/templates.dat", self.templates_text().into_bytes(), 0o644)
    }
}
