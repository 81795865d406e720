//! sources.list(5), both the deb822 style (`.sources`) and the one-line style (`.list`); and which sources are Debian's.

use std::collections::BTreeMap;

/// One source: a root with what is taken from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// The archive's root, as it is written.
    pub uri: String,
    /// `bookworm`, `bookworm-security`; a flat repository ends with `/`.
    pub suites: Vec<String>,
    /// `main`, `contrib`.
    pub components: Vec<String>,
    /// The key that apt believes, where one is named: a path, a fingerprint or a key block.
    pub signed_by: Option<String>,
}

/// The roots of Debian's archives, each once, in the order of the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// Of `debian`.
    pub debian: Vec<String>,
    /// Of `debian-security`.
    pub debian_security: Vec<String>,
}

/// Reads the text of a `.sources` file.
#[must_use]
pub fn parse_sources(text: &str) -> Vec<AptSource> {
    let mut found = Vec::new();
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .fold(String::new(), |all, line| all + line.trim_end() + "\n");
    for paragraph in text.split("\n\n") {
        let fields = fields(paragraph);
        let words = |name: &str| -> Vec<String> {
            fields
                .get(name)
                .map(|value| value.split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default()
        };
        if fields.get("enabled").is_some_and(|value| is_no(value.trim()))
            || !words("types").iter().any(|sort| sort == "deb")
        {
            continue;
        }
        for uri in words("uris") {
            found.push(AptSource {
                uri,
                suites: words("suites"),
                components: words("components"),
                signed_by: fields.get("signed-by").map(|value| value.trim().to_owned()),
            });
        }
    }
    found
}

/// Reads the text of a `.list` file: `deb [option=value …] uri suite component…`.
#[must_use]
pub fn parse_list(text: &str) -> Vec<AptSource> {
    let line = |line: &str| {
        let line = line.split('#').next()?.trim();
        let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(str::to_owned);
        let mut words = rest.split_whitespace().map(str::to_owned);
        let (uri, suite) = (words.next()?, words.next()?);
        Some(AptSource { uri, suites: vec![suite], components: words.collect(), signed_by })
    };
    text.lines().filter_map(line).collect()
}

/// Reads the text of a mirror list: the URIs of its lines, those of the lowest `priority` first. What else a line says
/// of its mirror only narrows what apt asks it for.
#[must_use]
pub fn parse_mirrors(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let uri = words.next().filter(|uri| !uri.starts_with('#'))?;
        let priority = words.find_map(|word| word.strip_prefix("priority:")?.parse::<u64>().ok());
        Some((priority.unwrap_or(u64::MAX), uri.to_owned()))
    };
    let mut lines: Vec<(u64, String)> = text.lines().filter_map(line).collect();
    lines.sort_by_key(|(priority, _)| *priority);
    lines.into_iter().map(|(_, uri)| uri).collect()
}

impl AptSource {
    /// The path of the list that has its mirrors, where that is a file.
    #[must_use]
    pub fn mirror_list(&self) -> Option<&str> {
        let path = self.uri.strip_prefix("mirror+file:").or_else(|| self.uri.strip_prefix("mirror+copy:"))?;
        Some(path.trim_start_matches("//"))
    }
}

/// The roots among `sources` that are Debian's: `main` of a suite with a name of Debian's, signed by no other's key.
///
/// Each suite of a release has the same root, so a machine of another Debian release names the right one, too.
#[must_use]
pub fn roots(sources: &[AptSource]) -> Roots {
    let mut roots = Roots::default();
    for source in sources {
        let foreign = source
            .signed_by
            .as_ref()
            .is_some_and(|key| key.starts_with('/') && !key.contains("debian-archive"));
        let Some(place) = place(&source.uri) else { continue };
        if foreign || !source.components.iter().any(|component| component == "main") {
            continue;
        }
        for suite in &source.suites {
            let into = match debian_suite(suite) {
                Some(Sort::Main) => &mut roots.debian,
                Some(Sort::Security) => &mut roots.debian_security,
                None => continue,
            };
            if !into.contains(&place) {
                into.push(place.clone());
            }
        }
    }
    roots
}

enum Sort {
    Main,
    Security,
}

/// Whether a suite has a name of Debian's, and of which archive.
fn debian_suite(suite: &str) -> Option<Sort> {
    const NAMES: [&str; 12] = [
        "buster",
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "stable",
        "testing",
        "unstable",
        "oldstable",
        "oldoldstable",
    ];
    // `bullseye/updates` was the older spelling of `bullseye-security`
    let (name, rest) = suite.find(['-', '/']).map_or((suite, ""), |at| suite.split_at(at));
    match rest {
        _ if !NAMES.contains(&name) => None,
        "" | "-updates" | "-backports" | "-proposed-updates" => Some(Sort::Main),
        "-security" | "/updates" => Some(Sort::Security),
        _ => None,
    }
}

/// The root as a place: an http or https URL, or the directory of a `file:` or `copy:` one.
fn place(uri: &str) -> Option<String> {
    let path = uri.strip_prefix("file:").or_else(|| uri.strip_prefix("copy:"));
    let place = match path {
        Some(path) => format!("/{}", path.trim_start_matches('/')),
        None if uri.starts_with("http://") || uri.starts_with("https://") => uri.to_owned(),
        None => return None,
    };
    Some(place.trim_end_matches('/').to_owned())
}

/// Whether apt takes a word for no.
fn is_no(word: &str) -> bool {
    ["no", "false", "without", "off", "disable", "0"].iter().any(|no| word.eq_ignore_ascii_case(no))
}

/// The fields of one paragraph, names in lower case.
fn fields(paragraph: &str) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in paragraph.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some(value) = fields.get_mut(&last) {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            last = name.trim().to_ascii_lowercase();
            fields.insert(last.clone(), value.to_owned());
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archives_of_a_debian_machine_are_found_and_others_are_not() {
        let sources = "Types: deb\n# a remark\nURIs: http://mirror.example/debian/\nSuites: bookworm bookworm-updates\nComponents: main\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
            Types: deb deb-src\nURIs: http://mirror.example/debian-security\n http://other.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n\
            Types: deb\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\nEnabled: No\n\n\
            Types: deb-src\nURIs: http://src.example/debian\nSuites: trixie\nComponents: main\n";
        let list = "# deb http://remark.example/debian trixie main\n\
            deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] https://docker.example/linux/debian bookworm stable\n\
            deb [signed-by=/etc/apt/keyrings/x.gpg] https://third.example/debian bookworm main\n\
            deb http://ubuntu.example/ubuntu jammy main\n\
            deb file:///srv/debian trixie main # local\n\
            deb cdrom:[Debian]/ trixie main\n\
            deb http://flat.example/debian ./\n";
        let all: Vec<_> = parse_sources(sources).into_iter().chain(parse_list(list)).collect();
        let expected = Roots {
            debian: vec!["http://mirror.example/debian".to_owned(), "/srv/debian".to_owned()],
            debian_security: vec![
                "http://mirror.example/debian-security".to_owned(),
                "http://other.example/debian-security".to_owned(),
            ],
        };
        assert_eq!(roots(&all), expected);
    }

    #[test]
    fn a_list_of_mirrors_has_uris_in_the_order_of_their_priorities() {
        let text = "# a remark\nhttp://last.example/debian/\n\nhttp://second.example/debian\tpriority:2 type:deb\n\
            https://first.example/debian\tarch:amd64 arch:arm64 priority:1\nhttp://after.example/debian\tpriority:x\n";
        let expected = [
            "https://first.example/debian",
            "http://second.example/debian",
            "http://last.example/debian/",
            "http://after.example/debian",
        ];
        assert_eq!(parse_mirrors(text), expected);
        let source = |uri: &str| parse_list(&format!("deb {uri} trixie main")).remove(0);
        for uri in ["mirror+file:/etc/apt/m.list", "mirror+file:///etc/apt/m.list"] {
            assert_eq!(source(uri).mirror_list(), Some("/etc/apt/m.list"), "{uri}");
        }
        for uri in ["mirror+http://h/m.list", "mirror://h/m.list", "http://h/debian"] {
            assert_eq!(source(uri).mirror_list(), None, "{uri}");
        }
    }

    #[test]
    fn no_has_each_of_the_spellings_that_apt_knows() {
        let sources = |word: &str| {
            let text =
                format!("Types: deb\nURIs: http://h\nSuites: trixie\nComponents: main\nEnabled: {word}\n");
            parse_sources(&text).len()
        };
        for word in ["no", "No", "FALSE", "off", "without", "disable", "0"] {
            assert_eq!(sources(word), 0, "{word}");
        }
        for word in ["yes", "true", "with", "on", "enable", "1"] {
            assert_eq!(sources(word), 1, "{word}");
        }
    }
}
