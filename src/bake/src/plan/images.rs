//! Container images that are in containerd's store: those of the manifest and those of the recipe.

use super::{Remark, refuse};
use crate::manifest::{ContainerImage, Manifest};
use crate::policy::Policy;
use crate::recipe::Recipe;
use containers::reference::Reference;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tree::digest::{Digest, Sha256};
use tree::name::{Arch, Kind};
use tree::refusal::Result;

/// The version of how images are laid out in the store. A change of its bytes raises it.
const FORMAT: u32 = 1;

/// A container image to put into containerd's store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedImage {
    /// The version of how it is laid out.
    pub format: u32,
    /// Its name.
    pub image: Reference,
    /// The digest that it has by its name: of an index, a manifest, or, in an archive that `docker save` wrote, the
    /// configuration.
    pub digest: Sha256,
    /// The digest of its manifest, where that is pinned beside an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Sha256>,
    /// The file or directory of the project that has it; none where it comes from its registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whose recipe asks for it; none where the manifest does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
}

impl PlannedImage {
    /// Where it is from.
    #[must_use]
    pub fn source(&self) -> String {
        match &self.from {
            Some(path) => format!("file:{path}"),
            None => format!("{}/{}", self.image.registry(), self.image.repository()),
        }
    }
}

/// The images of an image for `arch`, by name, and what is to be said of them. One of a recipe replaces that of the manifest with
/// its name.
pub(super) fn planned(
    recipe: &Recipe,
    manifest: &Manifest,
    arch: Arch,
    policy: &Policy,
) -> Result<(Vec<PlannedImage>, Vec<Remark>)> {
    let mut images: BTreeMap<Reference, PlannedImage> = BTreeMap::new();
    for image in &manifest.images {
        let planned = of_manifest(image, arch)?;
        if let Some(other) = images.insert(planned.image.clone(), planned) {
            return Err(refuse(image.image.as_str(), format!("duplicate container image `{}`", other.image)));
        }
    }
    for (name, image) in &recipe.images {
        let Some(digest) = image.digest(arch) else { continue };
        let (kind, from) = (Some(image.kind.clone()), image.from.clone());
        let planned =
            PlannedImage { format: FORMAT, image: name.clone(), digest, manifest: None, from, kind };
        images.insert(name.clone(), planned);
    }
    let mut remarks = Vec::new();
    for image in images.values() {
        let (name, tag) = (image.image.name(), image.image.tag());
        for digest in [Some(image.digest), image.manifest].into_iter().flatten() {
            let overridden = policy.check(name, tag, &digest.into(), false)?;
            remarks.extend(overridden.map(|line| Remark::overridden(name, tag, line)));
        }
    }
    remarks.dedup();
    Ok((images.into_values().collect(), remarks))
}

fn of_manifest(image: &ContainerImage, arch: Arch) -> Result<PlannedImage> {
    let ContainerImage { image: name, digest, platform, index, .. } = image;
    let wrong = |what: String| refuse(name.as_str(), what);
    let reference: Reference = name.parse().map_err(|error| refuse(name.as_str(), error))?;
    let sha256 = |digest: &Digest| match digest {
        Digest::Sha256(digest) => Ok(*digest),
        Digest::Sha512(_) => Err(wrong(format!("expected a sha256 digest, found `{digest}`"))),
    };
    let expected = format!("linux/{arch}");
    if let Some(found) = platform.as_ref().filter(|platform| **platform != expected) {
        return Err(wrong(format!(
            "expected platform `{expected}`, found `{}`",
            tree::refusal::shown(found)
        )));
    }
    let own = sha256(digest)?;
    let (digest, manifest) = match index {
        Some(index) => (sha256(index)?, Some(own)),
        None => (own, None),
    };
    Ok(PlannedImage { format: FORMAT, image: reference, digest, manifest, from: None, kind: None })
}
