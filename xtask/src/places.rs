//! Where things come from and go to: the store, mirrors, Debian's archive.

use anyhow::Context as _;
use bake::fetch::{self, Place, Proxy, apt_sources};
use bake::store::{self, Sharing, Store};
use std::path::{Path, PathBuf};

/// The snapshot archive of Debian.
const SNAPSHOT: &str = "https://snapshot.debian.org/archive";

/// Which store.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StoreArgs {
    /// The store of inputs [default: vmbake in the user's cache directory]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The store is shared: take it although others of its group may write to it
    #[arg(long)]
    shared_store: bool,
}

/// Which mirrors.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlaceArgs {
    /// A mirror of the upstream components, tried before upstream; may be given several times
    #[arg(long, value_name = "URL|DIR")]
    mirror: Vec<Place>,
    /// Debian's archive [default: apt's own where that is Debian's, then the snapshot archive]
    #[arg(long, value_name = "URL|DIR")]
    debian_mirror: Vec<Place>,
    /// Debian's security archive [default: apt's own where that is Debian's, then the snapshot archive]
    #[arg(long, value_name = "URL|DIR")]
    debian_security_mirror: Vec<Place>,
    /// Open no connection: everything must be in the store or in a mirror directory
    #[arg(long)]
    offline: bool,
    /// Transfers, and threads, at once [default: 8 transfers, and the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

impl StoreArgs {
    /// Where it is: `--store`, else `$XDG_CACHE_HOME/vmbake`, else `~/.cache/vmbake`.
    pub(crate) fn path(&self) -> PathBuf {
        let cache = || {
            let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
            set("XDG_CACHE_HOME")
                .or_else(|| set("HOME").map(|home| home.join(".cache")))
                .unwrap_or_else(std::env::temp_dir)
        };
        self.store.clone().unwrap_or_else(|| cache().join("vmbake"))
    }

    /// How it is opened.
    pub(crate) fn options(&self) -> store::Options {
        let sharing = if self.shared_store { Sharing::Group } else { Sharing::Private };
        store::Options { sharing, ..store::Options::default() }
    }

    /// Opens it.
    pub(crate) fn open(&self) -> bake::Result<Store> {
        Store::open_with(&self.path(), &self.options())
    }
}

impl PlaceArgs {
    /// How to fetch, with what this machine's apt says of Debian's archive where no option does. `relock` is the way
    /// out when a package has gone from the archive.
    pub(crate) fn options(&self, relock: String) -> anyhow::Result<fetch::Options> {
        let apt = if self.debian_mirror.is_empty() || self.debian_security_mirror.is_empty() {
            apt()?
        } else {
            Apt::default()
        };
        let or = |named: &[Place], apt: Vec<Place>| if named.is_empty() { apt } else { named.to_vec() };
        Ok(fetch::Options {
            jobs: self.jobs.map_or(8, usize::from),
            mirrors: self.mirror.clone(),
            debian: or(&self.debian_mirror, apt.debian),
            debian_security: or(&self.debian_security_mirror, apt.debian_security),
            snapshot: Some(SNAPSHOT.to_owned()),
            offline: self.offline,
            proxy: Proxy::Environment,
            debian_proxy: apt.proxy.map_or(Proxy::Environment, Proxy::Fixed),
            relock_hint: relock.into(),
            ..fetch::Options::default()
        })
    }

    /// How many threads work at once: what was asked for, else the number of cores.
    pub(crate) fn threads(&self) -> usize {
        self.jobs.map_or_else(rayon::current_num_threads, usize::from)
    }
}

/// What this machine's apt says.
#[derive(Debug, Default)]
struct Apt {
    debian: Vec<Place>,
    debian_security: Vec<Place>,
    proxy: Option<String>,
}

/// Reads apt's own configuration; a machine without apt has none.
fn apt() -> anyhow::Result<Apt> {
    let etc = Path::new("/etc/apt");
    let mut sources = apt_sources::parse_list(&read(&etc.join("sources.list")));
    for path in files(&etc.join("sources.list.d")) {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => sources.extend(apt_sources::parse_sources(&read(&path))),
            Some("list") => sources.extend(apt_sources::parse_list(&read(&path))),
            _ => {}
        }
    }
    let roots = apt_sources::roots(&sources);
    let places = |roots: Vec<String>| -> anyhow::Result<Vec<Place>> {
        roots
            .iter()
            .map(|root| root.parse().with_context(|| "a source of this machine's apt".to_owned()))
            .collect()
    };
    let mut configurations = files(&etc.join("apt.conf.d"));
    configurations.push(etc.join("apt.conf"));
    let proxy = configurations.iter().rev().find_map(|path| apt_sources::http_proxy(&read(path)));
    Ok(Apt { debian: places(roots.debian)?, debian_security: places(roots.debian_security)?, proxy })
}

/// A file's text, or nothing where it cannot be read: apt's files are a convenience.
fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The files of a directory, sorted as apt reads them.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort_unstable();
    files
}
