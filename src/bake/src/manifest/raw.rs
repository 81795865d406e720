//! The shape of a manifest's text, with the checks that make it a `Manifest`.

use super::{Entry, Form, Image, Manifest, Pin};
use crate::digest::Digest;
use crate::name::{Arch, Kind, Name, Provider};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize as De, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// More entries than this are refused: the largest real manifest has 16.
const MOST_ENTRIES: usize = 1024;
/// No single input may be larger: 8 GiB.
const MOST_SIZE: u64 = 8 << 30;

/// The whole file.
#[derive(De, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    vmconfig: Vmconfig,
}

#[derive(De, Serialize)]
#[serde(deny_unknown_fields)]
struct Vmconfig {
    #[serde(deserialize_with = "version")]
    version: String,
    kind: Kind,
    os: Os,
    dependencies: Dependencies,
    images: Vec<Image>,
}

#[derive(De, Serialize)]
#[serde(deny_unknown_fields)]
struct Os {
    #[serde(deserialize_with = "os_name")]
    name: String,
    arch: Arch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<StockImage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<Boot>,
}

/// A stock disk image.
#[derive(Debug, Clone, PartialEq, Eq, De, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StockImage {
    /// Its version.
    #[serde(deserialize_with = "version")]
    pub version: String,
    /// Where it is published.
    #[serde(deserialize_with = "url")]
    pub url: String,
    /// What it is.
    pub r#type: Form,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// How a disk image is started without firmware.
#[derive(Debug, Clone, PartialEq, Eq, De, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// The kernel's command line.
    pub cmdline: String,
    /// The kernel.
    pub kernel: BootFile,
    /// The initrd.
    pub initrd: BootFile,
}

/// A file in a partition of a disk image.
#[derive(Debug, Clone, PartialEq, Eq, De, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BootFile {
    /// The partition's number, from 1.
    pub partition: u32,
    /// Its path there.
    pub path: String,
    /// Its digest.
    pub digest: Digest,
}

/// The dependencies, each name once.
struct Dependencies(BTreeMap<Name, Entry>);

/// A dependency as it is written; an unreleased one has no url, no digest and size 0.
#[derive(De, Serialize)]
#[serde(deny_unknown_fields)]
struct Dependency {
    #[serde(deserialize_with = "version")]
    version: String,
    url: String,
    r#type: Form,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    providers: Vec<Provider>,
}

impl File {
    pub(super) fn checked(self) -> Manifest {
        let Vmconfig { version, kind, os, dependencies, images } = self.vmconfig;
        let Os { name, arch, image, boot } = os;
        Manifest { version, kind, os: name, arch, stock: image, boot, components: dependencies.0, images }
    }

    pub(super) fn of(manifest: &Manifest) -> Self {
        let m = manifest.clone();
        let os = Os { name: m.os, arch: m.arch, image: m.stock, boot: m.boot };
        let dependencies = Dependencies(m.components);
        Self { vmconfig: Vmconfig { version: m.version, kind: m.kind, os, dependencies, images: m.images } }
    }
}

impl Dependency {
    fn checked(self) -> Result<Entry, String> {
        let Self { version, url, r#type: form, digest, size, mut providers } = self;
        providers.sort_unstable();
        if providers.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("a provider is named twice".to_owned());
        }
        if url.is_empty() && digest.is_empty() && size == 0 {
            return Ok(Entry::Unpinned { version, form, providers });
        }
        let digest = digest.parse::<Digest>().map_err(|error| error.to_string())?;
        check_url(&url)?;
        if !(1..=MOST_SIZE).contains(&size) {
            return Err(format!("size, wanted 1 to {MOST_SIZE} bytes, got {size}"));
        }
        Ok(Entry::Pinned(Pin { version, url, form, digest, size, providers }))
    }

    fn of(entry: &Entry) -> Self {
        match entry.clone() {
            Entry::Pinned(Pin { version, url, form, digest, size, providers }) => {
                Self { version, url, r#type: form, digest: digest.to_string(), size, providers }
            }
            Entry::Unpinned { version, form, providers } => {
                Self { version, url: String::new(), r#type: form, digest: String::new(), size: 0, providers }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Dependencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Dependencies;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("dependencies by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dependencies, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(name) = map.next_key::<Name>()? {
                    if entries.len() == MOST_ENTRIES {
                        return Err(A::Error::custom(format!("more than {MOST_ENTRIES} dependencies")));
                    }
                    let entry = map.next_value::<Dependency>()?.checked();
                    let entry = entry.map_err(|why| A::Error::custom(format!("`{name}`: {why}")))?;
                    if entries.insert(name.clone(), entry).is_some() {
                        return Err(A::Error::custom(format!("`{name}`: key given twice")));
                    }
                }
                Ok(Dependencies(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

impl Serialize for Dependencies {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, entry)| (name, Dependency::of(entry))))
    }
}

/// Upstream publishes over HTTPS under a name, without a password, and the file has a plain name. Messages never
/// repeat the URL: it may hold a password.
fn check_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| format!("url: {error}"))?;
    if url.scheme() != "https" {
        return Err(format!("url: scheme, wanted `https`, got `{}`", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url: a user name or password has no place in it".to_owned());
    }
    if !matches!(url.host(), Some(url::Host::Domain(_))) {
        return Err("url: an address is no publisher; name the host".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("url: a query or fragment has no place in it".to_owned());
    }
    let file = text.rsplit('/').next().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+~-".contains(&b);
    if file.is_empty() || file.starts_with('.') || !file.bytes().all(plain) {
        return Err("url: its last part is no plain file name".to_owned());
    }
    Ok(())
}

/// A version is a part of a mirror's path.
fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+~:-".contains(&b);
    if !(1..=128).contains(&text.len()) || text.starts_with('.') || !text.bytes().all(plain) {
        let rule = "a version is letters, digits and . _ + ~ : -, does not start with `.` and has at most 128 characters";
        return Err(D::Error::custom(format!("`{text}` is no version: {rule}")));
    }
    Ok(text)
}

fn os_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text != "debian-13" {
        return Err(D::Error::custom(format!("os, wanted `debian-13`, got `{text}`")));
    }
    Ok(text)
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_url(&text).map_err(D::Error::custom)?;
    Ok(text)
}
