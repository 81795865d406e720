//! Tokens of registries: what a registry says when it wants one, and what its token service answers.
//!
//! ```text
//! 401 WWW-Authenticate: Bearer realm="URL",service="…",scope="…"  ─►  GET URL?service=…&scope=…  ─►  {"token": "…"}
//! ```
//! Source: the distribution project's "Token Authentication Specification", RFC 6750 (3.), RFC 9110 (11.6.1).
//!
//! Not supported, on purpose: users and passwords. An image that not everybody may have comes from a mirror, or from a file of
//! the project.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

/// The largest answer of a token service in bytes.
pub(super) const MOST: usize = 64 << 10;

/// What a registry says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    realm: String,
    service: Option<String>,
    scope: Option<String>,
}

#[derive(serde::Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// The first challenge for a bearer token; none where there is none that can be read.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| parsed(value.to_str().ok()?))
}

fn parsed(text: &str) -> Option<Challenge> {
    let (scheme, mut rest) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service, mut scope) = (None, None, None);
    while !rest.trim().is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        // none of these values has a quote in it
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        let slot = match name.trim().to_ascii_lowercase().as_str() {
            "realm" => Some(&mut realm),
            "service" => Some(&mut service),
            "scope" => Some(&mut scope),
            _ => None,
        };
        if let Some(slot) = slot
            && slot.replace(value.to_owned()).is_some()
        {
            return None;
        }
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(Challenge { realm: realm?, service, scope })
}

impl Challenge {
    /// Where the token is, for a part of an image at `registry`: by TLS, but for a registry without it.
    pub(super) fn url(&self, registry: &Url) -> Option<Url> {
        let mut url = Url::parse(&self.realm).ok()?;
        let fits = url.scheme() == "https" || (url.scheme() == "http" && registry.scheme() == "http");
        if !fits || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let scope = self.scope.clone().or_else(|| Some(format!("repository:{}:pull", repository(registry)?)));
        for (key, value) in [("service", &self.service), ("scope", &scope)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(key, value);
            }
        }
        Some(url)
    }
}

/// The token of an answer, as a header.
pub(super) fn parse(bytes: &[u8]) -> Option<HeaderValue> {
    let Answer { token, access_token } = serde_json::from_slice(bytes).ok()?;
    let token = token.or(access_token).filter(|token| !token.is_empty())?;
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a token that was got for `url` is good for: the image at that registry.
pub(super) fn scope_of(url: &Url) -> String {
    format!("{} {}", url.origin().ascii_serialization(), repository(url).unwrap_or_default())
}

/// The image that a URL of a registry is of: `a/b` of `/v2/a/b/blobs/sha256:…`.
fn repository(url: &Url) -> Option<&str> {
    let path = url.path().strip_prefix("/v2/")?;
    let (path, _) = path.rsplit_once('/')?;
    Some(path.rsplit_once('/')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_where_the_token_is() {
        let registry: Url = "https://r.example/v2/a/b/blobs/sha256:00".parse().unwrap();
        for (text, url) in [
            (
                r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull""#,
                "https://auth.example/token?service=r.example&scope=repository%3Aa%2Fb%3Apull",
            ),
            (
                r#"bearer realm="https://auth.example/t?x=1""#,
                "https://auth.example/t?x=1&scope=repository%3Aa%2Fb%3Apull",
            ),
            (r#"Bearer realm=https://auth.example/t , scope="s""#, "https://auth.example/t?scope=s"),
        ] {
            assert_eq!(parsed(text).unwrap().url(&registry).unwrap().as_str(), url, "{text}");
        }
        for text in [
            "",
            "Bearer",
            "Bearer realm",
            "Basic realm=\"x\"",
            "Bearer service=\"x\"",
            "Bearer realm=\"x",
            "Bearer realm=\"x\" service=\"y\"",
            "Bearer realm=\"x\",realm=\"y\"",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
        for realm in ["http://auth.example/t", "https://u:p@auth.example/t", "file:///etc/passwd", "x"] {
            let challenge = Challenge { realm: realm.to_owned(), service: None, scope: None };
            assert_eq!(challenge.url(&registry), None, "{realm}");
        }
    }

    #[test]
    fn a_token_is_for_one_image_of_one_registry() {
        let scope = |url: &str| scope_of(&url.parse().unwrap());
        let a = scope("https://r.example/v2/a/b/blobs/sha256:00");
        assert_eq!(a, scope("https://r.example/v2/a/b/manifests/sha256:01"));
        for other in ["https://r.example/v2/a/c/blobs/sha256:00", "https://s.example/v2/a/b/blobs/sha256:00"]
        {
            assert_ne!(a, scope(other));
        }
    }

    #[test]
    fn an_answer_has_a_token_by_either_name() {
        for text in [r#"{"token": "x"}"#, r#"{"access_token": "x", "expires_in": 300}"#] {
            assert_eq!(parse(text.as_bytes()).unwrap(), "Bearer x");
        }
        for text in ["", "{}", r#"{"token": ""}"#, r#"{"token": "a\nb"}"#, r#"{"token": 1}"#] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
