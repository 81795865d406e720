//! `pin`: another version of a component, in every manifest that has it.

use crate::console::{self, size};
use crate::places::{PlaceArgs, StoreArgs};
use crate::progress::ShowArgs;
use crate::project::{Project, label};
use crate::relock;
use bake::fetch;
use bake::manifest::{Entry, Manifest, Pin, agree, without_epoch};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tree::digest::Digest;
use tree::name::{Arch, Name};
use tree::refusal::{Class, Refusal, Stage};

/// Pin another version of a component in every manifest that has it: version, url, digest and size
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The new URL is the old one with the version replaced. The file is fetched once for each architecture, to \
compute its digest and size. Nothing vouches for it: compare the printed digests with those that its publisher signs.")]
pub struct Args {
    /// The component to pin
    name: Name,
    /// Its new version
    version: String,
    /// The folder with image-recipes and manifests [default: the nearest one, searching upwards]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Serialize)]
struct Report {
    name: Name,
    version: String,
    pins: Vec<New>,
    /// The manifests that have it now.
    manifests: Vec<PathBuf>,
}

/// What is pinned for one architecture.
#[derive(Serialize)]
struct New {
    arch: Arch,
    url: String,
    digest: Digest,
    size: u64,
}

/// Runs it: either all manifests have the new version afterwards, or none was touched.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let Args { name, version, .. } = args;
    let show = args.show.show();
    let project = Project::find_own(args.project.as_deref())?;
    let mut found = manifests(&project, name)?;
    for (_, manifest) in &mut found {
        if let Some(Entry::Pinned(pin)) = manifest.components.get_mut(name) {
            pin.url = pin.url.replace(without_epoch(&pin.version), without_epoch(version));
            pin.version.clone_from(version);
        }
    }
    // what no manifest can have is told before anything is fetched
    let mut urls: BTreeMap<&str, Arch> = BTreeMap::new();
    for (path, manifest) in &found {
        bake::manifest::parse(&label(path), bake::manifest::print(manifest).as_bytes())?;
        let Some(Entry::Pinned(pin)) = manifest.components.get(name) else { continue };
        agree(name, pin, manifest.arch).map_err(|error| {
            let what = format!("`{name}`: {error}");
            Refusal::new(Class::Usage, label(path), Stage::Parse, what)
                .hint("more than the version differs in its URL; edit the manifest by hand")
        })?;
        urls.insert(&pin.url, manifest.arch);
    }
    let relock = "pass `--mirror URL|DIR` with a mirror that has it".to_owned();
    let options = args.places.options(&project, &project.sources()?, relock)?;
    let store = args.store.open_with_known_key()?;
    let mut pins = Vec::new();
    for (url, arch) in urls {
        let (digest, size) = fetch::unpinned(&store, (name, version, url), &options, &show)?;
        pins.push(New { arch, url: url.to_owned(), digest, size });
    }
    for (_, manifest) in &mut found {
        if let Some(Entry::Pinned(pin)) = manifest.components.get_mut(name) {
            renew(pin, &pins);
        }
    }
    for (path, manifest) in &found {
        relock::write_text(path, &bake::manifest::print(manifest))?;
    }
    let manifests = found.into_iter().map(|(path, _)| path).collect();
    let report = Report { name: name.clone(), version: version.clone(), pins, manifests };
    if args.show.json {
        return console::json(&report);
    }
    for New { arch, url, digest, size: bytes } in &report.pins {
        console::line(format!("{name} {version} on {arch}: {}, {digest}", size(*bytes)));
        console::line(format!("  {url}"));
    }
    for path in &report.manifests {
        console::line(label(path));
    }
    show.note("compare the digests with those that the publisher signs");
    Ok(())
}

/// The manifests of the project that pin `name`.
fn manifests(project: &Project, name: &Name) -> anyhow::Result<Vec<(PathBuf, Manifest)>> {
    let (mut found, mut known) = (Vec::new(), Vec::new());
    for kind in project.kinds()? {
        for arch in Arch::ALL {
            let path = project.manifest_path(&kind, arch);
            if !path.exists() {
                continue;
            }
            let manifest = project.manifest(&path)?;
            known.extend(manifest.components.keys().cloned());
            if let Some(Entry::Pinned(_)) = manifest.components.get(name) {
                found.push((path, manifest));
            }
        }
    }
    if found.is_empty() {
        let refusal = Refusal::new(Class::Usage, name.as_str(), Stage::Parse, "no manifest pins it");
        let meant = tree::near::nearest(name.as_str(), known.iter().map(Name::as_str));
        return Err(match meant {
            Some(meant) if meant != name.as_str() => refusal.hint(format!("did you mean `{meant}`?")),
            _ => refusal
                .hint("to add a component, add an entry to `dependencies`, with its url, digest and size"),
        }
        .into());
    }
    Ok(found)
}

fn renew(pin: &mut Pin, pins: &[New]) {
    if let Some(new) = pins.iter().find(|new| new.url == pin.url) {
        (pin.digest, pin.size) = (new.digest.clone(), new.size);
    }
}
