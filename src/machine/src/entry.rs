//! What systemd-boot would start: entries of the Boot Loader Specification, type 1.
//!
//! Of all its rules those that images use: the `default` pattern of loader.conf, else the entry that sorts last by version;
//! `linux`, `initrd` and `options`, each key as often as it is there. Entries with counters (`+3-0`) are taken too.

/// An entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LoaderEntry {
    pub(crate) linux: String,
    pub(crate) initrd: Vec<String>,
    pub(crate) options: String,
}

/// Reads an entry; one without a kernel is none.
pub(crate) fn parse(text: &str) -> Option<LoaderEntry> {
    let mut entry = LoaderEntry::default();
    for (key, value) in lines(text) {
        match key {
            "linux" => value.clone_into(&mut entry.linux),
            "initrd" => entry.initrd.push(value.to_owned()),
            "options" if entry.options.is_empty() => value.clone_into(&mut entry.options),
            "options" => entry.options.push_str(&format!(" {value}")),
            _ => {}
        }
    }
    (!entry.linux.is_empty()).then_some(entry)
}

/// The file name, of those that are there, which `loader.conf` starts.
pub(crate) fn chosen<'n>(loader: &str, names: &[&'n str]) -> Option<&'n str> {
    let mut names: Vec<&str> = names.iter().copied().filter(|name| name.ends_with(".conf")).collect();
    names.sort_by_key(|name| version(name));
    let pattern = lines(loader).filter(|(key, _)| *key == "default").last().map(|(_, value)| value);
    let wanted = pattern.and_then(|pattern| {
        names
            .iter()
            .rev()
            .find(|name| matches(pattern, name) || matches(&format!("{pattern}.conf"), name))
            .copied()
    });
    wanted.or_else(|| names.last().copied())
}

fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(char::is_whitespace)).map(|(key, value)| (key, value.trim()))
}

/// Digits as numbers, all else as text, so that 6.12.9 comes before 6.12.107.
fn version(name: &str) -> Vec<(u64, String)> {
    let mut parts: Vec<(u64, String)> = vec![(0, String::new())];
    let mut digits = String::new();
    for c in name.chars().chain(['.']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            parts.push((digits.parse().unwrap_or(u64::MAX), String::new()));
            digits.clear();
        }
        if let Some((_, text)) = parts.last_mut() {
            text.push(c);
        }
    }
    parts
}

/// Whether a pattern of `*` and `?` matches.
fn matches(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| matches(rest, &name[at..])),
        _ => {
            let mut chars = name.chars();
            chars.next().is_some_and(|c| (first == '?' || c == first) && matches(rest, chars.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_a_kernel_and_all_its_options() {
        let text =
            "# made\ntitle Debian\nlinux\t/k\ninitrd /a\ninitrd  /b \noptions root=X ro\noptions quiet\n";
        let entry = parse(text).unwrap();
        assert_eq!((entry.linux.as_str(), entry.options.as_str()), ("/k", "root=X ro quiet"));
        assert_eq!(entry.initrd, ["/a", "/b"]);
        assert_eq!(parse("title none\n"), None);
    }

    #[test]
    fn the_default_is_taken_and_else_the_newest() {
        let names = ["base-6.12.9.conf", "base-6.12.107.conf", "old.txt", "base-6.12.30.conf"];
        for (loader, expected) in [
            ("", "base-6.12.107.conf"),
            ("timeout 0\n", "base-6.12.107.conf"),
            ("default base-6.12.9.conf\n", "base-6.12.9.conf"),
            ("default base-6.12.9\n", "base-6.12.9.conf"),
            ("default base-*\n", "base-6.12.107.conf"),
            ("default *.30.c?nf\n", "base-6.12.30.conf"),
            ("default gone\n", "base-6.12.107.conf"),
        ] {
            assert_eq!(chosen(loader, &names), Some(expected), "{loader}");
        }
        assert_eq!(chosen("", &["a.txt"]), None);
    }
}
