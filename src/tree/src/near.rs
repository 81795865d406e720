//! The known name that somebody has meant who wrote another one: "did you mean".

/// The name of `known` that is the nearest to `written`: where nothing differs but `-` and `_` or case, where at most a third
/// of its letters, of four or more, have to change, or where all words of `written` are words of it.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let written = plain(written);
    let most = match written.chars().count() {
        // `gid` is not `uid`
        0..=3 => 0,
        letters => (letters / 3).max(1),
    };
    let far = |name: &str| {
        let name = plain(name);
        let distance = distance(&written, &name);
        match distance <= most {
            true => Some(distance),
            false if has_words(&name, &written) => Some(most + 1),
            false => None,
        }
    };
    let near = known.into_iter().filter_map(|name| Some((far(name)?, name)));
    near.min().map(|(_, name)| name)
}

/// The hint of a message of serde's about a field, a variant or a table that is not known: it has the written name in
/// backticks, and after it all that are known.
#[must_use]
pub fn hint(message: &str) -> Option<String> {
    if !(message.contains("unknown field") || message.contains("unknown variant")) {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let written = names.next()?;
    nearest(written, names).map(|name| format!("did you mean `{name}`?"))
}

/// Whether all words of `written` are words of `name`, and there are at least two: `ssh-keys` of `ssh-authorized-keys`.
fn has_words(name: &str, written: &str) -> bool {
    let mut words = written.split('-');
    written.contains('-') && words.all(|word| name.split('-').any(|other| other == word))
}

/// How many letters have to be put in, left out, replaced, or swapped with the next one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = replaced.min(row[j] + 1).min(last[j + 1] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["recipe", "packages", "users", "units", "install-amd64", "ssh_authorized_keys", "uid"];
        for (written, meant) in [
            ("package", Some("packages")),
            ("pacakges", Some("packages")),
            ("Users", Some("users")),
            ("unit", Some("units")),
            ("install_amd64", Some("install-amd64")),
            ("ssh_keys", Some("ssh_authorized_keys")),
            ("ssh-authorized-key", Some("ssh_authorized_keys")),
            ("gid", None),
            ("firmware", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }

    #[test]
    fn distances_are_those_of_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
            ("ca", "abc", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn the_hint_of_a_message_names_what_was_meant() {
        let field = "unknown field `package`, expected one of `recipe`, `packages`";
        assert_eq!(hint(field).as_deref(), Some("did you mean `packages`?"));
        assert_eq!(
            hint("unknown field `sice`, expected `size` or `esp`").as_deref(),
            Some("did you mean `size`?")
        );
        assert_eq!(
            hint("unknown variant `workr`, expected one of `none`, `worker`").as_deref(),
            Some("did you mean `worker`?")
        );
        assert_eq!(hint("missing field `size`"), None);
        assert_eq!(hint("unknown field `quux`, expected `size`"), None);
    }
}
