//! Where things come from and go to: the store, mirrors, Debian's archive.

use crate::project::Project;
use crate::{console, store_key};
use bake::fetch::{self, Place, Proxy, apt};
use bake::sources::{Sources, is_debian};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use store::{Sharing, Store};

/// Which store.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArgs {
    /// The store of inputs [default: vmbake in the user's cache directory]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Use a store that other members of its group may write to. Blobs are shared; derived data only with those who
    /// have the same key
    #[arg(long)]
    shared_store: bool,
    /// The key that authenticates what the store keeps from bake to bake, 64 hexadecimal digits [default:
    /// $VMBAKE_STORE_KEY, else vmbake/key in the user's state directory, created if missing]
    #[arg(long, value_name = "FILE")]
    store_key: Option<PathBuf>,
}

/// Which mirrors.
#[derive(Debug, Clone, clap::Args)]
pub struct PlaceArgs {
    /// A mirror of the upstream components, tried before upstream; may be repeated
    #[arg(long, value_name = "URL|DIR")]
    mirror: Vec<Place>,
    /// Debian's archive [default: those of this machine's apt, then the one that manifests/sources.toml names]
    #[arg(long, value_name = "URL|DIR")]
    debian_mirror: Vec<Place>,
    /// Debian's security archive [default: those of this machine's apt, then the one that manifests/sources.toml names]
    #[arg(long, value_name = "URL|DIR")]
    debian_security_mirror: Vec<Place>,
    /// Use no network: everything must be in the store or in a mirror directory
    #[arg(long)]
    offline: bool,
    /// The number of concurrent transfers and threads [default: 8 transfers, and one thread per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

impl StoreArgs {
    /// Where it is: `--store`, else `$XDG_CACHE_HOME/vmbake`, else `~/.cache/vmbake`.
    pub fn path(&self) -> PathBuf {
        let cache = || {
            let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
            set("XDG_CACHE_HOME")
                .or_else(|| set("HOME").map(|home| home.join(".cache")))
                .unwrap_or_else(std::env::temp_dir)
        };
        self.store.clone().unwrap_or_else(|| cache().join("vmbake"))
    }

    /// How it is opened where nothing is derived.
    pub fn options(&self) -> store::Options {
        let sharing = if self.shared_store { Sharing::Group } else { Sharing::Private };
        store::Options { sharing, ..store::Options::default() }
    }

    /// Opens it, with the key, which is made where there is none.
    pub fn open(&self) -> tree::refusal::Result<Store> {
        self.open_with(true)
    }

    /// Opens it with the key if there is one, else without.
    pub fn open_with_known_key(&self) -> tree::refusal::Result<Store> {
        self.open_with(false)
    }

    fn open_with(&self, make: bool) -> tree::refusal::Result<Store> {
        let path = self.path();
        let set =
            |name| std::env::var_os(name).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
        let key = match self.store_key.clone().or_else(|| set("VMBAKE_STORE_KEY")) {
            Some(named) => Some(store_key::named(&named, &path)?),
            None => match set("XDG_STATE_HOME").filter(|path| path.is_absolute()) {
                Some(state) => store_key::kept(&state.join("vmbake/key"), &path, make)?,
                None => match set("HOME").filter(|path| path.is_absolute()) {
                    Some(home) => store_key::kept(&home.join(".local/state/vmbake/key"), &path, make)?,
                    None => None,
                },
            },
        };
        if make && key.is_none() {
            console::note(
                "warning: no place for the store's key is configured, so derived data is not kept for the next bake; \
                 --store-key or XDG_STATE_HOME names one",
            );
        }
        Store::open_with(&path, &store::Options { key, ..self.options() })
    }
}

impl PlaceArgs {
    /// How to fetch. Debian's archives are those that options name, else those of this machine's apt and then the mirror
    /// of `sources`; in each case the snapshot archive has what they lack. Components may be files of `project`. `relock` is the way out when a package has gone
    /// from the archive.
    pub fn options(
        &self,
        project: &Project,
        sources: &Sources,
        relock: String,
    ) -> anyhow::Result<fetch::Options> {
        let apt = apt::read(Path::new("/"), Proxy::Environment);
        let places = |named: &[Place], apt: Vec<Place>, archive: &str| -> anyhow::Result<Vec<Place>> {
            if !named.is_empty() {
                return Ok(named.to_vec());
            }
            let mirror = sources.archives.get(archive).map(|archive| archive.mirror.parse()).transpose()?;
            let mut places = apt;
            places.extend(mirror.filter(|mirror| !places.contains(mirror)));
            Ok(places)
        };
        let mut archives = BTreeMap::new();
        for (name, archive) in sources.archives.iter().filter(|(name, _)| !is_debian(name)) {
            archives.insert(name.clone(), vec![archive.mirror.parse()?]);
        }
        Ok(fetch::Options {
            archives,
            jobs: self.jobs.map_or(8, usize::from),
            mirrors: self.mirror.clone(),
            debian: places(&self.debian_mirror, apt.debian, "debian")?,
            debian_security: places(&self.debian_security_mirror, apt.debian_security, "debian-security")?,
            snapshots: sources.snapshots(),
            project: project.root.clone(),
            offline: self.offline,
            proxy: Proxy::Environment,
            debian_proxies: apt.proxies,
            relock_hint: relock.into(),
            ..fetch::Options::default()
        })
    }

    /// The words that say where Debian's archive is to another run of this program.
    pub fn debian_words(&self) -> Vec<OsString> {
        let place = |place: &Place| match place {
            Place::Url(url) => OsString::from(url.as_str()),
            Place::Directory(path) => path.into(),
        };
        let mut words = Vec::new();
        for (name, places) in [
            ("--debian-mirror", &self.debian_mirror),
            ("--debian-security-mirror", &self.debian_security_mirror),
        ] {
            words.extend(places.iter().flat_map(|one| [OsString::from(name), place(one)]));
        }
        words.extend(self.offline.then(|| "--offline".into()));
        words
    }

    /// How many threads work at once: what was asked for, else the number of cores.
    pub fn threads(&self) -> usize {
        self.jobs.map_or_else(rayon::current_num_threads, usize::from)
    }
}
