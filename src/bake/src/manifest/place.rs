//! Where a pin may be from, by its URL.
//!
//! | URL | whose |
//! |---|---|
//! | `https://HOST/…/FILE` | anybody's |
//! | `http://HOST/…/FILE`, `file:///…/FILE`, `file:…/FILE` below the project's folder | a project's own components |
//!
//! Messages never repeat a URL: it may hold a password.

use url::{Host, Url};

/// Checks the URL of something that anybody can fetch: HTTPS, under a name, without a password, and the file has a plain name.
pub(super) fn published(text: &str) -> Result<(), String> {
    let url = web(text)?;
    if url.scheme() != "https" {
        return Err(format!("url: expected scheme `https`, found `{}`", url.scheme()));
    }
    if !matches!(url.host(), Some(Host::Domain(_))) {
        return Err("url: expected a host name, found an IP address".to_owned());
    }
    Ok(())
}

/// Checks the URL of a component: as what is published, or `http:` or `file:`.
pub(super) fn component(text: &str) -> Result<(), String> {
    match scheme(text).as_str() {
        "https" => published(text),
        "http" => web(text).map(drop),
        "file" => {
            let path = file(text)
                .ok_or("url: expected `file:///PATH`, or `file:PATH` below the project's folder")?;
            let mut parts = path.strip_prefix('/').unwrap_or(path).split('/');
            if !parts.all(|part| !part.is_empty() && part != "." && part != "..")
                || path.contains(char::is_control)
            {
                return Err("url: expected a path without `.`, `..` or empty parts".to_owned());
            }
            plain_name(text)
        }
        other => {
            let other = other.chars().take(20).collect::<String>();
            Err(format!("url: unknown scheme `{other}`; expected one of `https`, `http`, `file`"))
        }
    }
}

/// The scheme of a URL.
#[must_use]
pub fn scheme(url: &str) -> String {
    url.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase()
}

/// The path that a `file:` URL leads to: absolute, or below the project's folder. There is no escape in it: each character
/// is itself.
#[must_use]
pub fn file(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("file:")?;
    match rest.strip_prefix("//") {
        Some(path) => path.starts_with('/').then_some(path),
        None => Some(rest),
    }
}

fn web(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("url: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url: must not contain a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("url: must not contain a query or fragment".to_owned());
    }
    plain_name(text)?;
    Ok(url)
}

fn plain_name(text: &str) -> Result<(), String> {
    let file = text.rsplit(['/', ':']).next().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+~-".contains(&b);
    if file.is_empty() || file.starts_with('.') || !file.bytes().all(plain) {
        return Err("url: expected a file name as its last part".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_may_come_by_http_or_from_a_file_and_what_is_published_may_not() {
        for url in [
            "http://example.org/tool-1.0.tar.gz",
            "http://192.0.2.7:8080/tool-1.0.tar.gz",
            "file:///srv/parts/tool-1.0.tar.gz",
            "file:parts/tool-1.0.tar.gz",
            "file:tool-1.0",
        ] {
            assert_eq!(component(url), Ok(()), "{url}");
            assert!(published(url).is_err(), "{url}");
        }
        for (url, said) in [
            ("http://u:s3cret@example.org/a", "must not contain a user name or password"),
            ("http://example.org/a?b", "a query"),
            ("http://example.org/", "expected a file name as its last part"),
            ("file://host/a", "expected `file:///PATH`"),
            ("file:../a", "`..`"),
            ("file:///a/../b", "`..`"),
            ("file:a//b", "empty part"),
            ("file:", "empty part"),
            ("file:a/", "empty part"),
            ("file:.a", "expected a file name as its last part"),
            ("ftp://example.org/a", "unknown scheme `ftp`"),
            ("nothing", "unknown scheme ``"),
        ] {
            let got = component(url).unwrap_err();
            assert!(got.contains(said) && !got.contains("s3cret"), "{url}: {got}");
        }
    }

    #[test]
    fn a_file_url_is_a_path_as_it_stands() {
        assert_eq!(file("file:///srv/a%20b"), Some("/srv/a%20b"));
        assert_eq!(file("file:parts/a"), Some("parts/a"));
        assert_eq!((file("file://h/a"), file("https://h/a")), (None, None));
    }
}
