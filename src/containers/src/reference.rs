//! Names of images: `registry.k8s.io/pause:3.10`.
//!
//! ```text
//! name = [host[:port]/]part(/part)*[:tag]
//! ```
//! As containerd's CRI does, a name without a host is of `docker.io`, one of a single part there is below `library/`, and one without
//! a tag has the tag `latest`.
//!
//! Source: the grammar of the distribution project's `reference` package, OCI Distribution Specification 1.1 ("Pulling manifests").

use std::fmt;
use std::str::FromStr;
use tree::digest::Sha256;
use tree::name::Name;

/// The longest name without its tag.
const MOST: usize = 255;
/// The host that names without one are of, and the one that answers for it.
const DOCKER: &str = "docker.io";
const DOCKER_REGISTRY: &str = "registry-1.docker.io";

/// The whole name of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    host: String,
    repository: String,
    tag: String,
    name: Name,
}

/// Text that is no name of an image.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected the name of an image such as `registry.k8s.io/pause:3.10`, found `{got}`: {why}")]
pub struct ReferenceError {
    got: String,
    why: &'static str,
}

impl Reference {
    /// The host that the name is of: `registry.k8s.io`, `docker.io`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host that has its content, with its port.
    #[must_use]
    pub fn registry(&self) -> &str {
        if self.host == DOCKER { DOCKER_REGISTRY } else { &self.host }
    }

    /// The path of the image at that host: `pause`, `library/nginx`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The last part of that: `pause`, `nginx`.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The name that a digest has instead of a tag: `registry.k8s.io/pause@sha256:…`.
    #[must_use]
    pub fn with_digest(&self, digest: &Sha256) -> String {
        format!("{}/{}@{digest}", self.host, self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.host, self.repository, self.tag)
    }
}

impl serde::Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |why| ReferenceError { got: text.chars().take(160).collect(), why };
        if text.contains('@') {
            return Err(wrong("the digest is not part of the name"));
        }
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (text, "latest"),
        };
        if name.len() > MOST {
            return Err(wrong("it is too long"));
        }
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, rest),
            _ => (DOCKER, name),
        };
        let repository = match host == DOCKER && !path.contains('/') {
            true => format!("library/{path}"),
            false => path.to_owned(),
        };
        if !repository.split('/').all(is_part) {
            return Err(wrong("a part of it is not a-z and 0-9 with `.`, `_`, `__` or `-` in between"));
        }
        let last = repository.rsplit('/').next().unwrap_or_default();
        let own: Name = last.parse().map_err(|_| wrong("its last part is too long"))?;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let fits = (1..=128).contains(&tag.len())
            && tag.bytes().enumerate().all(|(at, byte)| is_word(byte) || (at > 0 && b".-".contains(&byte)));
        if !fits {
            return Err(wrong("its tag is not letters, digits, `_`, `.` and `-`"));
        }
        Ok(Self { host: host.to_owned(), repository, tag: tag.to_owned(), name: own })
    }
}

/// Whether the first part of a name is a host: it has a dot, a port, or is this machine.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_port =
        |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    name.split('.').all(label)
        && port.is_none_or(is_port)
        && (name == "localhost" || name.contains('.') || port.is_some())
}

/// `a-z` and `0-9`, with one `.`, one or two `_`, or any number of `-` between them.
fn is_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    let between = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    ends(part.as_bytes().first()) && ends(part.as_bytes().last()) && between.into_iter().all(is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_whole_as_cri_does() {
        for (text, whole, registry) in [
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10", "registry.k8s.io"),
            ("nginx", "docker.io/library/nginx:latest", "registry-1.docker.io"),
            ("docker.io/nginx:1", "docker.io/library/nginx:1", "registry-1.docker.io"),
            ("grafana/grafana", "docker.io/grafana/grafana:latest", "registry-1.docker.io"),
            ("localhost/a", "localhost/a:latest", "localhost"),
            ("host:5000/a/b__c-d.e:V_1.2-3", "host:5000/a/b__c-d.e:V_1.2-3", "host:5000"),
            ("a.example/x--y", "a.example/x--y:latest", "a.example"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!((reference.to_string().as_str(), reference.registry()), (whole, registry));
            assert_eq!(whole.parse().as_ref(), Ok(&reference), "{whole}");
        }
        let pause: Reference = "registry.k8s.io/pause:3.10".parse().unwrap();
        let digest = Sha256([0xab; 32]);
        assert_eq!(pause.with_digest(&digest), format!("registry.k8s.io/pause@sha256:{}", "ab".repeat(32)));
        assert_eq!((pause.repository(), pause.tag(), pause.host()), ("pause", "3.10", "registry.k8s.io"));
        assert_eq!("a.example/x/y_z:1".parse::<Reference>().unwrap().name().as_str(), "y_z");
    }

    #[test]
    fn what_leads_elsewhere_or_is_no_name_is_rejected() {
        let long = format!("a.example/{}", "x".repeat(256));
        for text in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "a.example/",
            "a.example/../b",
            "a.example/.b",
            "a.example/b.",
            "a.example/b..c",
            "a.example/b___c",
            "a.example/B",
            "a.example/b:",
            "a.example/b:.c",
            "a.example/b:c d",
            "a.example/b:c/d",
            "https://a.example/b",
            "a.example/b?c",
            "a.example/b#c",
            "u@a.example/b",
            "a b",
            "-a",
            "a.example/b@sha256:00",
            "a.example:123456/b",
            "a..example/b",
            &long,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
