//! What an image's own apt is told of archives, where `[packages] sources` of the recipe asks for it: sources, keys and
//! preferences, so that a host that lives long gets updates from where its packages are from.
//!
//! Formats: sources.list(5), deb822 style; apt_preferences(5). They are files of the recipe, as if they stood in its `rootfs`; one
//! that does is taken instead.

use super::{PlannedFile, refuse};
use crate::recipe::{Access, Body, Recipe};
use crate::sources::{Published, Suite, Where};
use std::collections::BTreeMap;
use tree::digest::Sha256;
use tree::name::Kind;
use tree::refusal::Result;

/// The keys of Debian's own archive, as its package `debian-archive-keyring` has them.
const DEBIANS_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.pgp";

/// The files, sorted by path for each archive.
pub(super) fn files(recipe: &Recipe, published: &BTreeMap<String, Published>) -> Result<Vec<PlannedFile>> {
    let mut files = Vec::new();
    for (name, kind) in &recipe.sources {
        let Some(archive) = published.get(name) else {
            let what = format!(
                "[packages] sources: `{name}` is neither the archive of a third party nor a suite that is taken from by name, of \
                 manifests/sources.toml"
            );
            return Err(refuse(&format!("image-recipes/{kind}/recipe.toml"), what));
        };
        let mut keys = Vec::new();
        for (nth, text) in archive.certificates.values().enumerate() {
            let number = if nth == 0 { String::new() } else { format!("-{}", nth + 1) };
            let path = format!("/etc/apt/keyrings/{name}{number}.asc");
            files.push(file(kind, &path, text)?);
            keys.push(path);
        }
        if keys.is_empty() {
            keys.push(DEBIANS_KEYS.to_owned());
        }
        let signed_by = keys.join(" ");
        let stanzas: Vec<String> =
            archive.suites.iter().map(|suite| stanza(&archive.mirror, suite, &signed_by)).collect();
        files.push(file(kind, &format!("/etc/apt/sources.list.d/{name}.sources"), &stanzas.join("\n"))?);
        let preferences = preferences(recipe, archive);
        files.push(file(kind, &format!("/etc/apt/preferences.d/{name}.pref"), &preferences)?);
    }
    Ok(files)
}

/// A suite as apt reads it.
fn stanza(mirror: &str, suite: &Suite, signed_by: &str) -> String {
    let (place, components) = match &suite.place {
        Where::Dists(folder) => (folder.clone(), format!("Components: {}\n", suite.components.join(" "))),
        Where::Flat(folder) if folder.is_empty() => ("./".to_owned(), String::new()),
        Where::Flat(folder) => (format!("{folder}/"), String::new()),
    };
    format!("Types: deb\nURIs: {mirror}\nSuites: {place}\n{components}Signed-By: {signed_by}\n")
}

/// What is taken from there: what the recipe names, and what nobody else has.
fn preferences(recipe: &Recipe, archive: &Published) -> String {
    let mut text = String::new();
    for suite in &archive.suites {
        let pin = match (&suite.origin, &suite.codename) {
            (Some(origin), Some(codename)) => format!("release o={origin},n={codename}"),
            (Some(origin), None) => format!("release o={origin}"),
            (None, Some(codename)) => format!("release n={codename}"),
            (None, None) => format!("origin \"{}\"", host(&archive.mirror)),
        };
        let named = recipe.taken.iter().filter(|(_, taken)| suite.is_named(&taken.from));
        let named: Vec<&str> = named.map(|(name, _)| name.as_str()).collect();
        text.push_str(&format!("Package: *\nPin: {pin}\nPin-Priority: 100\n\n"));
        if !named.is_empty() {
            text.push_str(&format!("Package: {}\nPin: {pin}\nPin-Priority: 990\n\n", named.join(" ")));
        }
    }
    text
}

fn host(mirror: &str) -> String {
    let url = url::Url::parse(mirror).ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// A file that `[packages] sources` of `kind` stands for.
fn file(kind: &Kind, path: &str, text: &str) -> Result<PlannedFile> {
    Ok(PlannedFile {
        path: path.parse().map_err(|error: tree::name::NameError| refuse(path, error))?,
        kind: kind.clone(),
        source: "recipe.toml".to_owned(),
        access: Access { mode: 0o644, owner: "root".to_owned(), group: "root".to_owned() },
        digest: Some(Sha256::of(text.as_bytes())),
        target: None,
        body: Body::Bytes(text.as_bytes().into()),
    })
}
