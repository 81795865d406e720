//! apt.conf(5), and the proxies that it names.

use crate::fetch::proxy::{Proxies, Proxy};
use std::collections::BTreeMap;

/// The settings of a machine's apt: whole names in lower case (`acquire::http::proxy`), and values.
pub type Settings = BTreeMap<String, String>;

/// Reads the texts of apt.conf files in their order: what is said last counts.
pub fn settings(texts: impl IntoIterator<Item = String>) -> Settings {
    let mut settings = Settings::new();
    for text in texts {
        add(&mut settings, &text);
    }
    settings
}

/// The proxies among `settings`; the way to a host that they do not name is `otherwise`.
#[must_use]
pub fn proxies(settings: &Settings, otherwise: Proxy) -> Proxies {
    let mut proxies = Proxies::from(otherwise);
    for (name, value) in settings {
        let Some((scheme, rest)) = name.strip_prefix("acquire::").and_then(|rest| rest.split_once("::proxy"))
        else {
            continue;
        };
        let host = match rest.strip_prefix("::") {
            Some(host) if !host.is_empty() => Some(host),
            None if rest.is_empty() => None,
            _ => continue,
        };
        match value.as_str() {
            "" => {}
            "DIRECT" => proxies.add(scheme, host, Proxy::Direct),
            url => proxies.add(scheme, host, Proxy::Fixed(url.to_owned())),
        }
    }
    proxies
}

/// Adds what the text of one file says.
fn add(settings: &mut Settings, text: &str) {
    let mut scopes: Vec<String> = Vec::new();
    let mut name: Vec<String> = Vec::new();
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
                    settings.insert(whole.to_ascii_lowercase(), value.clone());
                }
                name.clear();
            }
            Token::Word(word) => name.push(word),
        }
    }
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

    fn way<'p>(proxies: &'p Proxies, url: &str) -> Option<&'p str> {
        match proxies.to(&url.parse().unwrap()) {
            Proxy::Fixed(proxy) => Some(proxy),
            Proxy::Direct => Some("DIRECT"),
            Proxy::Environment => None,
        }
    }

    fn read(texts: &[&str]) -> Proxies {
        proxies(&settings(texts.iter().map(|text| (*text).to_owned())), Proxy::Environment)
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
            ("Acquire::http::Proxy \"http://p:1\"; Acquire::http::Proxy \"DIRECT\";", Some("DIRECT")),
            ("Acquire::http::Proxy \"http://p:1\"; Acquire::http::Proxy \"\";", None),
            ("Acquire::http::Proxy::other \"http://p:1\"; APT::x \"y\";", None),
            ("Acquire::http::Proxy-Auto-Detect \"/bin/x\";", None),
            ("# Acquire::http::Proxy \"http://p:1\";\n", None),
            ("Acquire::http::Proxy \"unfinished", None),
            ("}}};;{{\"", None),
        ];
        for (text, expected) in cases {
            assert_eq!(way(&read(&[text]), "http://h/debian"), expected, "{text}");
        }
    }

    #[test]
    fn what_a_later_file_says_counts_and_a_host_has_its_own_way() {
        let proxies = read(&[
            "Acquire::http::Proxy \"http://first:1\";\nAcquire::http::Proxy::Near.Example \"DIRECT\";",
            "Acquire::http { Proxy \"http://second:2\"; Proxy::far.example \"http://far:3\"; };",
            "Acquire::https::Proxy \"http://secure:4\";",
        ]);
        let cases = [
            ("http://h/debian", "http://second:2"),
            ("http://near.example/debian", "DIRECT"),
            ("http://far.example:8080/debian", "http://far:3"),
            ("https://h/debian", "http://secure:4"),
            // as apt does: what is said of http for a host holds for https before what is said of https for all
            ("https://far.example/debian", "http://far:3"),
        ];
        for (url, expected) in cases {
            assert_eq!(way(&proxies, url), Some(expected), "{url}");
        }
    }
}
