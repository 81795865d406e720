//! sysusers.d(5): the users and groups that packages want.
//!
//! Not supported, on purpose: specifiers (`%H` and the like, which ask the running machine) and the ranges of `r` lines;
//! ids that a line leaves open are fixed by the recipe, because numbers that depend on the order of installation
//! are not reproducible.

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// `u` and `u!`.
    User(User),
    /// `g`.
    Group {
        /// Its name.
        name: String,
        /// Its id.
        id: Id,
    },
    /// `m`.
    Member {
        /// The user.
        user: String,
        /// The group that the user is to be in.
        group: String,
    },
}

/// A `u` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// Its name.
    pub(super) name: String,
    /// Whether the account is also expired (`u!`).
    pub(super) locked: bool,
    /// Its id.
    pub(super) id: Id,
    /// Its primary group, by name or number, where it is not the one of its own name.
    pub(super) group: Option<String>,
    /// GECOS.
    pub(super) gecos: String,
    /// Home directory.
    pub(super) home: Option<String>,
    /// Shell.
    pub(super) shell: Option<String>,
}

/// An id of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Id {
    /// `-`: left open.
    Open,
    /// A number.
    Fixed(u32),
    /// That of the owner of this path.
    OwnerOf(String),
}

/// Text that is not a sysusers.d file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub(super) struct SysusersError {
    line: usize,
    what: String,
}

/// Reads a whole file.
pub(super) fn parse(text: &str) -> Result<Vec<Line>, SysusersError> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |what| SysusersError { line: index + 1, what };
        let words = words(line).map_err(at)?;
        lines.extend(read(&words).map_err(at)?);
    }
    Ok(lines)
}

fn read(words: &[String]) -> Result<Option<Line>, String> {
    if words.len() > 6 {
        return Err(format!("expected at most 6 fields, found {}", words.len()));
    }
    let field =
        |index: usize| words.get(index).map(String::as_str).filter(|word| !word.is_empty() && *word != "-");
    let kind = words[0].as_str();
    if kind == "r" {
        return Ok(None);
    }
    let name = name(field(1).unwrap_or_default())?;
    match kind {
        "u" | "u!" => {
            let (id, group) = match field(2) {
                Some(text) if !text.starts_with('/') => match text.split_once(':') {
                    Some((id, group)) => (id_of(Some(id).filter(|id| *id != "-"))?, Some(group.to_owned())),
                    None => (id_of(Some(text))?, None),
                },
                text => (id_of(text)?, None),
            };
            Ok(Some(Line::User(User {
                name,
                locked: kind == "u!",
                id,
                group,
                gecos: field(3).unwrap_or_default().to_owned(),
                home: field(4).map(str::to_owned),
                shell: field(5).map(str::to_owned),
            })))
        }
        "g" => Ok(Some(Line::Group { name, id: id_of(field(2))? })),
        "m" => Ok(Some(Line::Member { user: name, group: self::name(field(2).unwrap_or_default())? })),
        other => Err(format!("expected type `u`, `u!`, `g`, `m` or `r`, found `{other}`")),
    }
}

fn id_of(text: Option<&str>) -> Result<Id, String> {
    match text {
        None => Ok(Id::Open),
        Some(path) if path.starts_with('/') => Ok(Id::OwnerOf(path.to_owned())),
        // both have a meaning of their own in 16 and 32 bits: sysusers.d(5)
        Some(number) => match number.parse::<u32>() {
            Ok(id) if id != 65_535 && id != u32::MAX && number.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Id::Fixed(id))
            }
            _ => Err(format!("`{number}` is not a valid ID")),
        },
    }
}

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=31).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if fits { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a valid user or group name")) }
}

/// The words of a line: blanks part them, quotes hold them together, `%%` is `%`.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_ascii_whitespace() {
            chars.next();
            continue;
        }
        let quote = (c == '"' || c == '\'').then(|| chars.next()).flatten();
        let mut word = String::new();
        let mut closed = quote.is_none();
        for c in chars.by_ref() {
            match (quote, c) {
                (Some(quote), c) if c == quote => {
                    closed = true;
                    break;
                }
                (None, c) if c.is_ascii_whitespace() => break,
                (_, '\\') => return Err("escapes with `\\` are not supported".to_owned()),
                (None, '"' | '\'') => return Err("a quote within a word".to_owned()),
                (_, ':') if quote.is_some() => return Err("a field must not contain `:`".to_owned()),
                (_, c) => word.push(c),
            }
        }
        if !closed || (quote.is_some() && chars.peek().is_some_and(|c| !c.is_ascii_whitespace())) {
            return Err("a closing quote must be followed by a blank".to_owned());
        }
        if word.replace("%%", "").contains('%') {
            return Err(format!("`{word}` has a specifier, which only a running machine can expand"));
        }
        words.push(word.replace("%%", "%"));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_debian_are_read() {
        let text = "# comment\n\nu! systemd-network - \"systemd Network Management\"\nu sshd -:nogroup \"sshd user\" /run/sshd\n\
            u sync 4:65534 - /bin /bin/sync\ng sgx -\nm sshd tty\nr - 500-900\nu _x /usr/bin/x\n";
        let user = |name: &str| User {
            name: name.into(),
            locked: false,
            id: Id::Open,
            group: None,
            gecos: String::new(),
            home: None,
            shell: None,
        };
        let expected = [
            Line::User(User {
                locked: true,
                gecos: "systemd Network Management".into(),
                ..user("systemd-network")
            }),
            Line::User(User {
                group: Some("nogroup".into()),
                gecos: "sshd user".into(),
                home: Some("/run/sshd".into()),
                ..user("sshd")
            }),
            Line::User(User {
                id: Id::Fixed(4),
                group: Some("65534".into()),
                home: Some("/bin".into()),
                shell: Some("/bin/sync".into()),
                ..user("sync")
            }),
            Line::Group { name: "sgx".into(), id: Id::Open },
            Line::Member { user: "sshd".into(), group: "tty".into() },
            Line::User(User { id: Id::OwnerOf("/usr/bin/x".into()), ..user("_x") }),
        ];
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn what_is_in_doubt_is_refused_with_its_line() {
        for wrong in [
            "u 1abc -",
            "u",
            "x a -",
            "u a -1",
            "u a 65535",
            "g a 4294967295",
            "u a - \"b",
            "u a - \"b\"c",
            "u a%H -",
            "u a - a b c d e",
            "u a - 'x:y'",
            "m a",
            "u a +5",
            "g abcdefghijklmnopqrstuvwxyzabcdef -",
            "u a - a\\b",
        ] {
            assert_eq!(parse(&format!("\n{wrong}\n")).unwrap_err().line, 2, "{wrong}");
        }
    }
}
