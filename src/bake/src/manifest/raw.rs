//! The shape of a manifest's text, with the checks that make it a `Manifest`.

use super::{ContainerImage, Entry, Form, Manifest, Pin, place};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize as De, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use tree::digest::Digest;
use tree::name::{Arch, Kind, Name, Provider};
use tree::release::OS;

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
    #[serde(deserialize_with = "or_nothing")]
    dependencies: Dependencies,
    #[serde(default, deserialize_with = "or_nothing")]
    images: Vec<ContainerImage>,
}

#[derive(De, Serialize)]
#[serde(deny_unknown_fields)]
struct Os {
    #[serde(deserialize_with = "os_name")]
    name: String,
    arch: Arch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<StockImage>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "boot")]
    boot: Option<Boot>,
}

/// A stock disk image.
#[derive(Debug, Clone, PartialEq, Eq, De, Serialize)]
#[serde(try_from = "StockText")]
pub struct StockImage {
    /// Its version.
    pub version: String,
    /// Where it is published.
    pub url: String,
    /// What it is.
    pub r#type: Form,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A stock disk image as it is written.
#[derive(De)]
#[serde(deny_unknown_fields)]
struct StockText {
    #[serde(deserialize_with = "version")]
    version: String,
    url: String,
    r#type: Form,
    digest: Digest,
    size: u64,
    #[serde(default, rename = "cached")]
    _cached: bool,
}

/// A container image as it is written.
#[derive(De)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageText {
    image: String,
    digest: Digest,
    size: u64,
    #[serde(default)]
    platform: Option<String>,
    #[serde(default)]
    index: Option<Digest>,
    #[serde(default, rename = "cached")]
    _cached: bool,
}

/// How a disk image is started without firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Boot {
    /// The kernel's command line.
    pub cmdline: String,
    /// The kernel.
    pub kernel: BootFile,
    /// The initrd.
    pub initrd: BootFile,
}

/// A file in a partition of a disk image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootFile {
    /// The partition's number, from 1.
    pub partition: u32,
    /// Its path there.
    pub path: String,
    /// Its digest.
    pub digest: Digest,
}

/// `os.boot` as it is written; a program that writes a manifest again leaves what it does not know empty.
#[derive(De)]
#[serde(deny_unknown_fields)]
struct BootText {
    cmdline: String,
    kernel: BootFileText,
    initrd: BootFileText,
}

#[derive(De)]
#[serde(deny_unknown_fields)]
struct BootFileText {
    partition: u32,
    path: String,
    digest: String,
}

/// The dependencies, each name once.
#[derive(Default)]
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
    /// Whether the file is in the cache of a machine on which `podplane deps download` was run: it says nothing of the
    /// file, here and below, and is not kept.
    #[serde(default, rename = "cached", skip_serializing)]
    _cached: bool,
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
        let Self { version, url, r#type: form, digest, size, mut providers, _cached: _ } = self;
        providers.sort_unstable();
        if providers.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("duplicate provider".to_owned());
        }
        if url.is_empty() && digest.is_empty() && size == 0 {
            return Ok(Entry::Unpinned { version, form, providers });
        }
        let digest = digest.parse::<Digest>().map_err(|error| error.to_string())?;
        place::component(&url)?;
        check_size(size)?;
        Ok(Entry::Pinned(Pin { version, url, form, digest, size, providers }))
    }

    fn of(entry: &Entry) -> Self {
        match entry.clone() {
            Entry::Pinned(Pin { version, url, form, digest, size, providers }) => {
                let digest = digest.to_string();
                Self { version, url, r#type: form, digest, size, providers, _cached: false }
            }
            Entry::Unpinned { version, form, providers } => {
                let (url, digest) = (String::new(), String::new());
                Self { version, url, r#type: form, digest, size: 0, providers, _cached: false }
            }
        }
    }
}

impl TryFrom<StockText> for StockImage {
    type Error = String;

    fn try_from(text: StockText) -> Result<Self, String> {
        let StockText { version, url, r#type, digest, size, _cached: _ } = text;
        if r#type != Form::Qcow2 {
            return Err("os.image: expected type `qcow2`".to_owned());
        }
        place::published(&url)?;
        check_size(size)?;
        Ok(Self { version, url, r#type, digest, size })
    }
}

impl TryFrom<ImageText> for ContainerImage {
    type Error = String;

    fn try_from(text: ImageText) -> Result<Self, String> {
        let ImageText { image, digest, size, platform, index, _cached: _ } = text;
        if !(1..=512).contains(&image.len()) || !image.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("`{image}` is not a valid container image name"));
        }
        check_size(size).map_err(|why| format!("image `{image}`: {why}"))?;
        Ok(Self { image, digest, size, platform, index })
    }
}

impl BootFileText {
    /// The file; none where one of its parts is empty.
    fn checked(self) -> Result<Option<BootFile>, String> {
        let Self { partition, path, digest } = self;
        if partition == 0 || path.is_empty() || digest.is_empty() {
            return Ok(None);
        }
        let digest = digest.parse::<Digest>().map_err(|error| format!("os.boot: `{path}`: {error}"))?;
        Ok(Some(BootFile { partition, path, digest }))
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
                        return Err(A::Error::custom(format!("`{name}`: duplicate key")));
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

/// `os.boot`; none where one of its parts is empty, as whoever starts a machine then starts it by firmware.
fn boot<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Boot>, D::Error> {
    let Some(BootText { cmdline, kernel, initrd }) = Option::deserialize(deserializer)? else {
        return Ok(None);
    };
    let kernel = kernel.checked().map_err(D::Error::custom)?;
    let initrd = initrd.checked().map_err(D::Error::custom)?;
    Ok(match (kernel, initrd) {
        (Some(kernel), Some(initrd)) if !cmdline.is_empty() => Some(Boot { cmdline, kernel, initrd }),
        _ => None,
    })
}

/// What some writers have as `null` is nothing.
fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn check_size(size: u64) -> Result<(), String> {
    if (1..=MOST_SIZE).contains(&size) {
        return Ok(());
    }
    Err(format!("expected a size of 1 to {MOST_SIZE} bytes, found {size}"))
}

/// A version is a part of a mirror's path.
fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+~:-".contains(&b);
    if !(1..=128).contains(&text.len()) || text.starts_with('.') || !text.bytes().all(plain) {
        let rule = "a version is letters, digits and . _ + ~ : -, does not start with `.` and has at most 128 characters";
        return Err(D::Error::custom(format!("`{text}` is not a valid version: {rule}")));
    }
    Ok(text)
}

fn os_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text != OS {
        return Err(D::Error::custom(format!("expected os `{OS}`, found `{text}`")));
    }
    Ok(text)
}
