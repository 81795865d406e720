//! What a machine's apt says: which of its sources are Debian's own archives, and which proxy leads to a host.
//!
//! ```text
//! /etc/apt/sources.list, sources.list.d/ ─► sources ─mirror lists─► roots of Debian's archives
//! /etc/apt/apt.conf.d/, apt.conf         ─► settings ─► proxies
//! ```
//! Formats: sources.list(5), apt.conf(5), apt-transport-mirror(1). Reading is lenient, as a source that is not understood
//! is only a place less to try: what comes from a place is believed for its signatures and digests alone.
//!
//! Not supported, on purpose: mirror lists that would have to be transferred (`mirror+http:`), and what moves apt's own files
//! (`APT_CONFIG`, `Dir::Etc`).

pub mod config;
pub mod sources;

use super::places::Place;
use super::proxy::{Proxies, Proxy};
use sources::AptSource;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// How many bytes of a file are read.
const MAX: u64 = 1 << 20;

/// What a machine's apt says; nothing on a machine without apt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apt {
    /// The roots of Debian's archive, in the order of the sources.
    pub debian: Vec<Place>,
    /// The roots of Debian's security archive, likewise.
    pub debian_security: Vec<Place>,
    /// The way to each host.
    pub proxies: Proxies,
}

/// Reads apt's configuration of the machine whose root directory is `root`. The way to a host that it does not name is
/// `otherwise`.
#[must_use]
pub fn read(root: &Path, otherwise: Proxy) -> Apt {
    let etc = root.join("etc/apt");
    let mut found = sources::parse_list(&text(&etc.join("sources.list")));
    for path in files(&etc.join("sources.list.d")) {
        match extension(&path) {
            Some("sources") => found.extend(sources::parse_sources(&text(&path))),
            Some("list") => found.extend(sources::parse_list(&text(&path))),
            _ => {}
        }
    }
    let found: Vec<AptSource> = found.into_iter().flat_map(|source| mirrors(root, source)).collect();
    let roots = sources::roots(&found);
    let places = |roots: &[String]| roots.iter().filter_map(|root| root.parse().ok()).collect();
    let parts = files(&etc.join("apt.conf.d"));
    let parts = parts.into_iter().filter(|path| matches!(extension(path), None | Some("conf")));
    let texts = parts.chain([etc.join("apt.conf")]).map(|path| text(&path));
    Apt {
        debian: places(&roots.debian),
        debian_security: places(&roots.debian_security),
        proxies: config::proxies(&config::settings(texts), otherwise),
    }
}

/// The sources that a source stands for: one for each line of its mirror list, or itself where it names none.
fn mirrors(root: &Path, source: AptSource) -> Vec<AptSource> {
    let Some(list) = source.mirror_list() else { return vec![source] };
    let uris = sources::parse_mirrors(&text(&root.join(list.trim_start_matches('/'))));
    uris.into_iter().map(|uri| AptSource { uri, ..source.clone() }).collect()
}

/// A file's text, or nothing where it cannot be read: apt's files are a convenience.
fn text(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX).read_to_end(&mut bytes));
    read.map(|_| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The files of a directory that apt takes, in the order in which it reads them.
fn files(directory: &Path) -> Vec<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let taken = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.is_empty() && name.chars().all(plain) && !name.starts_with('.') && path.is_file()
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(taken).collect();
    files.sort_unstable();
    files
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The machine of `tests/fixtures/apt/<name>`.
    fn machine(name: &str) -> Apt {
        let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/apt"));
        read(&fixtures.join(name), Proxy::Environment)
    }

    fn shown(places: &[Place]) -> Vec<String> {
        places.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_lists_of_mirrors_of_debians_cloud_images_are_read() {
        let apt = machine("cloud-image");
        assert_eq!(shown(&apt.debian), ["https://mirror.example.test/debian"]);
        assert_eq!(shown(&apt.debian_security), ["https://mirror.example.test/debian-security"]);
    }

    #[test]
    fn a_machine_of_another_distribution_or_without_apt_names_no_archive_of_debian() {
        for name in ["ubuntu", "no-such-machine", "per-host-proxy"] {
            let apt = machine(name);
            assert_eq!((apt.debian, apt.debian_security), (Vec::new(), Vec::new()), "{name}");
        }
    }

    #[test]
    fn a_proxy_for_one_host_is_for_that_host_and_a_file_that_apt_leaves_alone_is_left_alone() {
        let apt = machine("per-host-proxy");
        let host = "http://mirror.example.test/debian".parse().unwrap();
        let other = "http://other.example.test/debian".parse().unwrap();
        assert_eq!(apt.proxies.to(&host), &Proxy::Fixed("http://127.0.0.1:18093".to_owned()));
        assert_eq!(apt.proxies.to(&other), &Proxy::Environment);
        // `01proxy.disabled`
        assert_eq!(machine("ubuntu").proxies, Proxies::from(Proxy::Environment));
    }
}
