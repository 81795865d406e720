//! What the image says of itself: the installed manifest.
//!
//! `{"vmconfig": {"kind": …, "images": [{"image": …}]}}`, or the same without the outer `vmconfig`. That the file is
//! there means "installed". A left-over `vmconfig-manifest.json` of an older release means nothing: its tarball may
//! have been extracted over this image.

use crate::json::{self, Json};
use crate::names::{INSTALLED, Role};
use crate::refusal::{Fault, Result};
use crate::root::Root;

/// What of the manifest matters at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its kind.
    pub kind: String,
    /// What a node of that kind does.
    pub role: Role,
    /// The sandbox image, `registry.k8s.io/pause:VERSION`.
    pub pause: String,
    /// What its registry cache is.
    pub cache: Cache,
}

/// The program that is an image's registry cache: the manifest has one of the two components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// zot, over TLS with certificates of both sides.
    Zot,
    /// Podplane's own registry, without TLS: only this machine reaches it. Where a manifest has both, it is this one.
    Podplane,
}

/// The component whose presence makes the registry Podplane's own.
const REGISTRY: &str = "registry";

/// Where a user's own kind says what its nodes do: `worker` or `control-plane`.
const ROLE: &str = "/opt/podplane/share/role";
/// Sandbox images are called this.
const PAUSE: &str = "registry.k8s.io/pause:";

/// Reads it from `root`.
pub fn load(root: &Root) -> Result<Image> {
    let bytes = root.read(INSTALLED, json::LIMIT)?.ok_or_else(|| {
        Fault::new(INSTALLED, "expected the manifest that the image was made from")
            .hint("use an image that vmbake baked")
    })?;
    let role = root.read(ROLE, 64)?.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(parse(&bytes, role.as_deref().map(str::trim))?)
}

/// Of the manifest's bytes, and the role that the image names, if it names one.
pub fn parse(bytes: &[u8], role: Option<&str>) -> std::result::Result<Image, Fault> {
    let hint = "the image is broken: bake it again";
    let wrong = |rule: &str| Fault::new(INSTALLED, rule).hint(hint);
    let whole = json::read(bytes).map_err(wrong)?;
    let manifest = whole.get("vmconfig").unwrap_or(&whole);
    let kind = manifest.get("kind").and_then(Json::text).unwrap_or_default();
    if kind.is_empty() {
        return Err(wrong("expected a kind"));
    }
    let role =
        role_of(kind, role).ok_or_else(|| wrong("expected the kind `knd` or `knc`, or a role beside it"))?;
    let own = manifest.get("dependencies").and_then(|components| components.get(REGISTRY)).is_some();
    let cache = if own { Cache::Podplane } else { Cache::Zot };
    let images = manifest.get("images").or_else(|| whole.get("images"));
    let mut pauses: Vec<&str> = images
        .map_or(&[][..], Json::list)
        .iter()
        .filter_map(|image| image.get("image").and_then(Json::text))
        .filter(|image| image.starts_with(PAUSE))
        .collect();
    pauses.sort_unstable();
    pauses.dedup();
    match pauses.as_slice() {
        [pause] if is_image(pause) => {
            Ok(Image { kind: kind.to_owned(), role, pause: (*pause).to_owned(), cache })
        }
        [] => Err(wrong("expected an image `registry.k8s.io/pause:VERSION`")),
        [_] => Err(wrong("expected a name of letters, digits and `./:@_-` for the pause image")),
        _ => Err(wrong("expected one image `registry.k8s.io/pause:VERSION`, found several")),
    }
}

/// What nodes of `kind` do: as the role beside it says, or by the names of the two kinds that everybody knows.
#[must_use]
pub fn role_of(kind: &str, role: Option<&str>) -> Option<Role> {
    match (role, kind) {
        (Some("worker"), _) | (None, "knd") => Some(Role::Worker),
        (Some("control-plane"), _) | (None, "knc") => Some(Role::ControlPlane),
        _ => None,
    }
}

fn is_image(name: &str) -> bool {
    name.len() <= 512
        && name.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b':' | b'@' | b'_' | b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::{Cache, Role, parse};

    #[test]
    fn kind_and_pause_image_come_from_the_manifest() {
        let cases = [
            (
                r#"{"vmconfig": {"kind": "knd", "images": [{"image": "registry.k8s.io/pause:3.9", "kind": "oci"}]}}"#,
                "3.9",
            ),
            (
                r#"{"kind": "knd", "images": [{"image": "registry.k8s.io/pause:3.9"}, {"image": "registry.k8s.io/pause:3.9"}]}"#,
                "3.9",
            ),
        ];
        for (text, expected) in cases {
            let image = parse(text.as_bytes(), None).expect("an image");
            assert_eq!(
                (image.role, image.pause.as_str()),
                (Role::Worker, format!("registry.k8s.io/pause:{expected}").as_str())
            );
        }
        let own = r#"{"kind": "gpu", "images": [{"image": "registry.k8s.io/pause:3.9"}]}"#;
        assert_eq!(
            parse(own.as_bytes(), Some("control-plane")).map(|image| image.role),
            Ok(Role::ControlPlane)
        );
    }

    #[test]
    fn the_component_of_the_manifest_says_which_registry_an_image_has() {
        for (components, expected) in [
            ("", Cache::Zot),
            (r#""zot": {}"#, Cache::Zot),
            (r#""registry": {}"#, Cache::Podplane),
            (r#""registry": {}, "zot": {}"#, Cache::Podplane),
        ] {
            let text = format!(
                r#"{{"vmconfig": {{"kind": "knd", "images": [{{"image": "registry.k8s.io/pause:3.9"}}], "dependencies": {{{components}}}}}}}"#
            );
            assert_eq!(parse(text.as_bytes(), None).map(|image| image.cache), Ok(expected), "{components}");
        }
    }

    #[test]
    fn a_manifest_that_leaves_a_doubt_is_refused() {
        for text in [
            r#"{"kind": ""}"#,
            r#"{"kind": "knx"}"#,
            r#"{"vmconfig": {"kind": "knd"}}"#,
            r#"{"kind": "knd", "images": [{"image": "registry.k8s.io/pause:3.9"}, {"image": "registry.k8s.io/pause:3.10"}]}"#,
            r#"{"kind": "knd", "images": [{"image": "registry.k8s.io/pause:3\"x"}]}"#,
            "{",
        ] {
            assert!(parse(text.as_bytes(), None).is_err(), "{text}");
        }
    }
}
