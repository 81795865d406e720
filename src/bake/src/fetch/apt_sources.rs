//! Which of a machine's apt sources are Debian's own archives, and which proxy apt goes through.
//!
//! Formats: sources.list(5), both the deb822 style (`.sources`) and the one-line style (`.list`), and apt.conf(5). Reading
//! is lenient, as a source that is not understood is only a place less to try: what comes from a place is believed for
//! its signatures and digests alone.

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
        let off = fields.get("enabled").is_some_and(|value| {
            matches!(value.trim(), "no" | "false" | "0" | "off" | "without" | "disable")
        });
        if off || !words("types").iter().any(|sort| sort == "deb") {
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

/// The value of `Acquire::http::Proxy` in the text of an apt.conf file; none where it is not set, or `DIRECT`.
#[must_use]
pub fn http_proxy(text: &str) -> Option<String> {
    let mut scopes: Vec<String> = Vec::new();
    let mut name: Vec<String> = Vec::new();
    let mut proxy = None;
    for token in tokens(text) {
        match token {
            Token::Open => scopes.push(name.pop().unwrap_or_default()),
            Token::Close => {
                scopes.pop();
                name.clear();
            }
            Token::End => {
                if let [name, value] = &name[..] {
                    let whole = scopes.iter().chain([name]).cloned().collect::<Vec<_>>().join("::");
                    if whole.eq_ignore_ascii_case("acquire::http::proxy") {
                        proxy = (!value.is_empty() && value != "DIRECT").then(|| value.clone());
                    }
                }
                name.clear();
            }
            Token::Word(word) => name.push(word),
        }
    }
    proxy
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

enum Token {
    Word(String),
    Open,
    Close,
    End,
}

/// The tokens of an apt.conf text, without comments.
fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = |rest: &str, end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
        let length = match first {
            _ if rest.starts_with("//") || first == '#' => skipped(rest, "\n"),
            _ if rest.starts_with("/*") => skipped(rest, "*/"),
            '{' | '}' | ';' => {
                found.push(match first {
                    '{' => Token::Open,
                    '}' => Token::Close,
                    _ => Token::End,
                });
                1
            }
            '"' => {
                let end = rest[1..].find('"').map_or(rest.len(), |at| at + 1);
                found.push(Token::Word(rest[1..end].to_owned()));
                rest.len().min(end + 1)
            }
            space if space.is_whitespace() => space.len_utf8(),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
                found.push(Token::Word(rest[..end].to_owned()));
                end
            }
        };
        rest = &rest[length..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archives_of_a_debian_machine_are_found_and_others_are_not() {
        let sources = "Types: deb\n# a remark\nURIs: http://mirror.example/debian/\nSuites: bookworm bookworm-updates\nComponents: main\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
            Types: deb deb-src\nURIs: http://mirror.example/debian-security\n http://other.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n\
            Types: deb\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\nEnabled: no\n\n\
            Types: deb-src\nURIs: http://src.example/debian\nSuites: trixie\nComponents: main\n";
        let list = "# deb http://remark.example/debian trixie main\n\
            deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] https://docker.example/linux/debian bookworm stable\n\
            deb [signed-by=/etc/apt/keyrings/x.gpg] https://third.example/debian bookworm main\n\
            deb http://ubuntu.example/ubuntu jammy main\n\
            deb file:///srv/debian trixie main # local\n\
            deb cdrom:[Debian]/ trixie main\n\
            deb http://flat.example/debian ./\n";
        let all: Vec<_> = parse_sources(sources).into_iter().chain(parse_list(list)).collect();
        let wanted = Roots {
            debian: vec!["http://mirror.example/debian".to_owned(), "/srv/debian".to_owned()],
            debian_security: vec![
                "http://mirror.example/debian-security".to_owned(),
                "http://other.example/debian-security".to_owned(),
            ],
        };
        assert_eq!(roots(&all), wanted);
    }

    #[test]
    fn the_proxy_of_apt_is_read_in_each_of_its_spellings() {
        let cases = [
            ("Acquire::http::Proxy \"http://p:3128\";", Some("http://p:3128")),
            ("Acquire { http { Proxy \"http://p:1/\"; }; };", Some("http://p:1/")),
            (
                "// x\nAcquire::http { proxy \"http://p:2\"; }; /* Acquire::http::Proxy \"no\"; */",
                Some("http://p:2"),
            ),
            ("Acquire::http::Proxy \"http://p:1\"; Acquire::http::Proxy \"DIRECT\";", None),
            ("Acquire::http::Proxy::host \"http://p:1\"; APT::x \"y\";", None),
            ("# Acquire::http::Proxy \"http://p:1\";\n", None),
            ("Acquire::http::Proxy \"unfinished", None),
            ("}}};;{{\"", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(http_proxy(text).as_deref(), wanted, "{text}");
        }
    }
}
