//! Where a requirement may be had, in the order of trying. Pure: nothing is asked here.

use super::Options;
use super::local::Local;
use crate::manifest::place;
use crate::plan::{Requirement, Source};
use reqwest::Url;
use std::path::PathBuf;
use std::str::FromStr;
use tree::refusal::{Class, Refusal, Result, Stage};

/// A mirror or an archive's root that the user names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `https:` or `http:`; it may carry user and password, which are sent to this host and port only.
    Url(Url),
    /// A directory.
    Directory(PathBuf),
}

/// Text that is no place.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected an http or https URL or a directory, found `{0}`")]
pub struct PlaceError(String);

/// One file at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    Url { url: Url, of: Of },
    File(Local),
}

/// Whose place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A component's upstream, or a mirror of it.
    Upstream,
    /// One of Debian's archives.
    Debian,
    /// The archive of their past states, which asks to be gone easy on.
    Snapshot,
    /// A registry of container images, which may ask for a token.
    Registry {
        /// Whether an index or a manifest is asked for.
        is_manifest: bool,
    },
}

impl Location {
    pub(super) fn is_snapshot(&self) -> bool {
        matches!(self, Self::Url { of: Of::Snapshot, .. })
    }

    /// The host that has it; none for a file of this machine.
    pub(super) fn host(&self) -> Option<String> {
        match self {
            Self::Url { url, .. } => Some(url.origin().ascii_serialization()),
            Self::File(_) => None,
        }
    }
}

/// All locations of a requirement, in the order of trying; empty offline where no directory is named.
pub(super) fn locations(requirement: &Requirement, options: &Options) -> Result<Vec<Location>> {
    let refuse = |cause: String| Refusal::new(Class::Usage, requirement.name.as_str(), Stage::Fetch, cause);
    let mut found = Vec::new();
    match &requirement.source {
        Source::Upstream { url } => {
            let itself = upstream(url, options).map_err(refuse)?;
            let base = url.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
            for mirror in &options.mirrors {
                let short = [requirement.name.as_str(), requirement.version.as_str(), base.as_str()];
                let long = [&["vmconfig", "artifacts"][..], &short[..]].concat();
                found.extend(mirror.file(&long, Of::Upstream));
                found.extend(mirror.file(&short, Of::Upstream));
            }
            found.push(itself);
        }
        Source::Debian { archive, file, date } => {
            let parts: Vec<&str> = file.split('/').collect();
            if !parts.iter().all(|part| is_part(part)) {
                return Err(refuse(format!("`{file}` is not a path within an archive")));
            }
            found.extend(roots(options, archive).iter().filter_map(|root| root.file(&parts, Of::Debian)));
            let snapshot = options.snapshots.url(archive, *date, file).and_then(|url| Url::parse(&url).ok());
            found.extend(snapshot.map(|url| Location::Url { url, of: Of::Snapshot }));
        }
        Source::Project { path } => found.push(Location::File(project(options, path))),
        Source::Registry { registry, repository, is_manifest } => {
            let (algorithm, hex) = (requirement.digest.algorithm(), requirement.digest.hex());
            let blob = ["images", "blobs", algorithm, hex.as_str()];
            found.extend(options.mirrors.iter().filter_map(|mirror| mirror.file(&blob, Of::Upstream)));
            let sort = if *is_manifest { "manifests" } else { "blobs" };
            let scheme = if is_loopback(registry) { "http" } else { "https" };
            let url = format!("{scheme}://{registry}/v2/{repository}/{sort}/{}", requirement.digest);
            let url = Url::parse(&url)
                .map_err(|error| refuse(format!("the registry's URL is invalid: {error}")))?;
            found.push(Location::Url { url, of: Of::Registry { is_manifest: *is_manifest } });
        }
    }
    if options.offline {
        found.retain(|location| matches!(location, Location::File(_)));
    }
    Ok(found)
}

/// Whether a registry, with its port, is one of this machine: it is asked without TLS, as engines do.
fn is_loopback(registry: &str) -> bool {
    let host = registry.split(':').next().unwrap_or_default();
    host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Where the URL of a pin leads.
fn upstream(url: &str, options: &Options) -> std::result::Result<Location, String> {
    if let Some(path) = place::file(url) {
        let local = match path.starts_with('/') {
            true => Local::Pinned(path.into()),
            false => project(options, path),
        };
        return Ok(Location::File(local));
    }
    let url = Url::parse(url).map_err(|error| format!("the pinned URL is invalid: {error}"))?;
    if !matches!(url.scheme(), "https" | "http") || !url.username().is_empty() || url.password().is_some() {
        return Err(
            "expected a pinned URL with scheme https, http or file, and without credentials".to_owned()
        );
    }
    Ok(Location::Url { url, of: Of::Upstream })
}

/// A file of the project.
fn project(options: &Options, path: &str) -> Local {
    Local::Project { root: options.project.clone(), path: path.into() }
}

/// The roots of an archive that the user, or `sources.toml`, names.
pub(super) fn roots<'a>(options: &'a Options, archive: &str) -> &'a [Place] {
    match archive {
        "debian" => &options.debian,
        "debian-security" => &options.debian_security,
        other => options.archives.get(other).map(Vec::as_slice).unwrap_or_default(),
    }
}

impl Place {
    /// A file below the place; `None` where a part of the path would lead elsewhere.
    pub(super) fn file(&self, parts: &[&str], of: Of) -> Option<Location> {
        if !parts.iter().all(|part| is_part(part)) {
            return None;
        }
        match self {
            Self::Directory(directory) => Some(Location::File(Local::Named(directory.join(parts.join("/"))))),
            Self::Url(url) => {
                let mut url = url.clone();
                url.path_segments_mut().ok()?.pop_if_empty().extend(parts);
                Some(Location::Url { url, of })
            }
        }
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    /// `http://…` and `https://…` are URLs; what has another scheme is refused; all else is a directory.
    fn from_str(text: &str) -> std::result::Result<Self, PlaceError> {
        if !text.contains("://") && !text.is_empty() {
            return Ok(Self::Directory(PathBuf::from(text)));
        }
        match Url::parse(text) {
            Ok(mut url) if matches!(url.scheme(), "http" | "https") => {
                url.set_query(None);
                url.set_fragment(None);
                Ok(Self::Url(url))
            }
            _ => Err(PlaceError(without_user(text))),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url { url, .. } => f.write_str(&shown(url)),
            Self::File(local) => local.fmt(f),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) => f.write_str(&shown(url)),
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A URL as messages show it: without user, password and query, which may be secrets.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if url.query().is_some() {
        url.set_query(Some("hidden"));
    }
    url.to_string()
}

/// Text that may be a URL, without what stands before an `@`.
fn without_user(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}{}", &text[..scheme + 3], &text[at + 1..]),
        _ => text.to_owned(),
    }
}

/// A part of a path that names something below, in a URL and in a directory alike.
fn is_part(part: &str) -> bool {
    !part.is_empty()
        && part != "."
        && part != ".."
        && !part.contains(['/', '\\', '\0'])
        && !part.contains(tree::refusal::hides)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Snapshots;

    fn requirement(version: &str, source: Source) -> Requirement {
        let digest = tree::digest::Sha256::of(b"x").into();
        Requirement { name: "runc".parse().unwrap(), version: version.to_owned(), digest, size: 1, source }
    }

    fn shown_all(requirement: &Requirement, options: &Options) -> Vec<String> {
        locations(requirement, options).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_component_is_looked_for_in_both_layouts_of_each_mirror_then_upstream() {
        let url = "https://github.com/o/r/releases/download/v1.2/runc.amd64".to_owned();
        let mirrors = vec!["http://u:p@127.0.0.1:8/m/".parse().unwrap(), "/srv/mirror".parse().unwrap()];
        let options = Options { mirrors, ..Options::default() };
        let upstream = requirement("v1.2", Source::Upstream { url: url.clone() });
        let expected = [
            "http://127.0.0.1:8/m/vmconfig/artifacts/runc/v1.2/runc.amd64",
            "http://127.0.0.1:8/m/runc/v1.2/runc.amd64",
            "/srv/mirror/vmconfig/artifacts/runc/v1.2/runc.amd64",
            "/srv/mirror/runc/v1.2/runc.amd64",
            &url,
        ];
        assert_eq!(shown_all(&upstream, &options), expected);
        let offline = Options { offline: true, ..options.clone() };
        assert_eq!(shown_all(&upstream, &offline), expected[2..4]);
        let odd = requirement("../../x", Source::Upstream { url: url.clone() });
        assert_eq!(
            shown_all(&odd, &options),
            [url.as_str()],
            "a version that would lead elsewhere is in no mirror"
        );
    }

    #[test]
    fn a_package_is_looked_for_in_the_archives_then_in_the_snapshots() {
        let options = Options {
            debian: vec!["http://127.0.0.1/debian".parse().unwrap()],
            debian_security: vec!["http://127.0.0.1/debian-security".parse().unwrap()],
            snapshots: Snapshots::new([(
                "debian-security",
                "https://snapshot.debian.org/archive/debian-security",
            )]),
            ..Options::default()
        };
        let date = "2026-09-12T20:00:00Z".parse().unwrap();
        let source = |archive: &str, file: &str| Source::Debian {
            archive: archive.to_owned(),
            file: file.to_owned(),
            date,
        };
        let file = "pool/main/g/gcc/libstdc++6_14_amd64.deb";
        assert_eq!(
            shown_all(&requirement("1", source("debian-security", file)), &options),
            [
                format!("http://127.0.0.1/debian-security/{file}"),
                format!("https://snapshot.debian.org/archive/debian-security/20260913T080000Z/{file}"),
            ]
        );
        assert!(locations(&requirement("1", source("debian", "pool/../../etc/passwd")), &options).is_err());
    }

    #[test]
    fn a_file_of_the_project_is_taken_from_its_folder_also_offline() {
        let options = Options { project: "/home/me/p".into(), offline: true, ..Options::default() };
        for (url, path) in
            [("file:parts/a-1.0", "/home/me/p/parts/a-1.0"), ("file:///srv/a-1.0", "/srv/a-1.0")]
        {
            assert_eq!(
                shown_all(&requirement("1.0", Source::Upstream { url: url.to_owned() }), &options),
                [path]
            );
        }
        let options = Options { offline: false, mirrors: vec!["/m".parse().unwrap()], ..options };
        let http = requirement("1.0", Source::Upstream { url: "http://h/a-1.0".to_owned() });
        assert_eq!(shown_all(&http, &options).last().unwrap(), "http://h/a-1.0");
        let file = requirement("1.0", Source::Upstream { url: "file:a-1.0".to_owned() });
        assert_eq!(shown_all(&file, &options)[1..], ["/m/runc/1.0/a-1.0", "/home/me/p/a-1.0"]);
    }

    #[test]
    fn a_part_of_an_image_is_looked_for_in_the_layout_of_a_mirror_before_its_registry() {
        let hex = tree::digest::Sha256::of(b"x").hex();
        let of = |registry: &str, is_manifest| {
            let (registry, repository) = (registry.to_owned(), "a/b".to_owned());
            requirement("1", Source::Registry { registry, repository, is_manifest })
        };
        let mirror = "https://m.example/x".parse().unwrap();
        let options = Options { mirrors: vec!["/m".parse().unwrap(), mirror], ..Options::default() };
        let layouts = [
            format!("/m/images/blobs/sha256/{hex}"),
            format!("https://m.example/x/images/blobs/sha256/{hex}"),
        ];
        for (registry, is_manifest, url) in [
            ("r.example", true, format!("https://r.example/v2/a/b/manifests/sha256:{hex}")),
            ("r.example:5000", false, format!("https://r.example:5000/v2/a/b/blobs/sha256:{hex}")),
            ("localhost:5000", false, format!("http://localhost:5000/v2/a/b/blobs/sha256:{hex}")),
            ("127.0.0.1:5000", false, format!("http://127.0.0.1:5000/v2/a/b/blobs/sha256:{hex}")),
        ] {
            let all = [&layouts[..], &[url]].concat();
            assert_eq!(shown_all(&of(registry, is_manifest), &options), all);
        }
        let offline = Options { offline: true, ..options };
        assert_eq!(shown_all(&of("r.example", false), &offline), layouts[..1]);
    }

    #[test]
    fn an_upstream_url_that_is_of_another_scheme_or_has_a_password_is_refused_and_not_shown() {
        for url in ["ftp://h/f", "https://user:secret@h/f", "http://user:secret@h/f", "nothing"] {
            let refusal =
                locations(&requirement("1", Source::Upstream { url: url.to_owned() }), &Options::default())
                    .unwrap_err();
            assert!(!refusal.to_string().contains("secret"), "{refusal}");
        }
    }

    #[test]
    fn a_place_is_http_or_a_directory() {
        for text in ["ftp://user:secret@h/x", "file:///x", ""] {
            let error = text.parse::<Place>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!("http://a:b@h/x?y#z".parse::<Place>().unwrap().to_string(), "http://h/x");
    }
}
