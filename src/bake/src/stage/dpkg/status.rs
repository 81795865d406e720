//! A stanza of `status`: the fields of a package in dpkg's order, `fieldinfos` of its `lib/dpkg/parse.c`.

use super::super::control::{ControlError, Deb, relations};

/// How a known field is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it stands.
    Text,
    /// Only when it is `yes`.
    Yes,
    /// In lower case.
    Lower,
    /// As a relation.
    Relation,
    /// `Status`, which no control file has.
    Status,
    /// `Conffiles`, which no control file has.
    Conffiles,
    /// Known to dpkg, and not kept for what is installed.
    Dropped,
}

/// The fields that dpkg knows, in the order of its `status`; all others follow as they come.
const FIELDS: [(&str, Form); 32] = [
    ("Package", Form::Text),
    ("Essential", Form::Yes),
    ("Protected", Form::Yes),
    ("Status", Form::Status),
    ("Priority", Form::Lower),
    ("Section", Form::Text),
    ("Installed-Size", Form::Text),
    ("Origin", Form::Text),
    ("Maintainer", Form::Text),
    ("Bugs", Form::Text),
    ("Architecture", Form::Text),
    ("Multi-Arch", Form::Text),
    ("Source", Form::Text),
    ("Version", Form::Text),
    ("Config-Version", Form::Dropped),
    ("Replaces", Form::Relation),
    ("Provides", Form::Relation),
    ("Depends", Form::Relation),
    ("Pre-Depends", Form::Relation),
    ("Recommends", Form::Relation),
    ("Suggests", Form::Relation),
    ("Breaks", Form::Relation),
    ("Conflicts", Form::Relation),
    ("Enhances", Form::Relation),
    ("Conffiles", Form::Conffiles),
    ("Filename", Form::Dropped),
    ("Size", Form::Dropped),
    ("MD5sum", Form::Dropped),
    ("MSDOS-Filename", Form::Dropped),
    ("Description", Form::Text),
    ("Triggers-Pending", Form::Dropped),
    ("Triggers-Awaited", Form::Dropped),
];

/// The stanza of `deb`, without the empty line after it; `conffiles` are the lines of that field.
pub(super) fn stanza(deb: &Deb<'_>, conffiles: &[String]) -> Result<String, ControlError> {
    let mut out = String::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            // a value that starts on its second line has no blank after the colon
            out.push_str(&if value.starts_with('\n') {
                format!("{name}:{value}\n")
            } else {
                format!("{name}: {value}\n")
            });
        }
    };
    for (name, form) in FIELDS {
        let value = deb.field(name).unwrap_or_default();
        match form {
            Form::Text => add(name, value),
            Form::Lower => add(name, &value.to_ascii_lowercase()),
            Form::Yes if value == "yes" => add(name, value),
            Form::Relation if !value.is_empty() => {
                let text = |group: &Vec<_>| {
                    group.iter().map(ToString::to_string).collect::<Vec<String>>().join(" | ")
                };
                let groups: Vec<_> = relations(name, value)?.iter().map(text).collect();
                add(name, &groups.join(", "));
            }
            Form::Status => add(name, "install ok installed"),
            Form::Conffiles if !conffiles.is_empty() => add(name, &format!("\n{}", conffiles.join("\n"))),
            Form::Yes | Form::Relation | Form::Conffiles | Form::Dropped => {}
        }
    }
    for (name, value) in &deb.fields {
        if !FIELDS.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            add(name, value);
        }
    }
    Ok(out)
}
