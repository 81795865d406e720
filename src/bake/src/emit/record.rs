//! `<name>.manifest.json`: what went into an artifact, in the schema of Podplane's manifests and nothing beyond it.
//!
//! Its readers take it for one more pinned manifest, so it has just their keys. The dependencies are the upstream
//! components as they were pinned, and each Debian package as a `deb` with the URL at which the snapshot archive
//! keeps it for ever. `os.image` and `os.boot` are left out: they describe a disk image, and this is none.

use super::files::Facts;
use crate::digest::Digest;
use crate::lock::LockedPackage;
use crate::manifest::{Form, Image};
use crate::name::Provider;
use crate::plan::Plan;
use crate::refusal::{Class, Refusal, Result, Stage};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where packages are kept for ever.
const SNAPSHOT: &str = "https://snapshot.debian.org/archive";

/// How long after the `Date` of a suite the snapshot archive surely has it: it is taken four times a day.
const TAKEN_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_hours(6);

#[derive(Serialize)]
struct Document<'a> {
    vmconfig: Config<'a>,
}

#[derive(Serialize)]
struct Config<'a> {
    version: &'a str,
    kind: &'a str,
    os: Os<'a>,
    dependencies: BTreeMap<&'a str, Dependency<'a>>,
    images: &'a [Image],
}

#[derive(Serialize)]
struct Os<'a> {
    name: &'a str,
    arch: &'a str,
}

#[derive(Serialize)]
struct Dependency<'a> {
    version: &'a str,
    url: String,
    r#type: Form,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    providers: &'a [Provider],
}

/// The name that the files of a bake begin with: `knc.debian-13.amd64`, and the cloud where it is for just one.
#[must_use]
pub fn name(plan: &Plan) -> String {
    let cloud = plan.provider.map(|provider| format!(".{provider}")).unwrap_or_default();
    format!("{}.{}.{}{cloud}", plan.kind, plan.os, plan.arch)
}

/// The manifest of what went in, as text.
///
/// # Errors
/// `Usage` where a component has the name of a package: the schema has one place for both.
pub fn manifest(facts: Facts<'_>) -> Result<String> {
    let plan = facts.plan;
    let mut dependencies: BTreeMap<&str, Dependency<'_>> = BTreeMap::new();
    for component in &plan.components {
        let pin = &component.pin;
        let dependency = Dependency {
            version: &pin.version,
            url: pin.url.clone(),
            r#type: pin.form,
            digest: pin.digest.clone(),
            size: pin.size,
            providers: &pin.providers,
        };
        dependencies.insert(component.name.as_str(), dependency);
    }
    for package in &plan.packages {
        let dependency = Dependency {
            version: &package.version,
            url: kept_at(plan, package)?,
            r#type: Form::Deb,
            digest: Digest::Sha256(package.sha256),
            size: package.size,
            providers: &[],
        };
        if dependencies.insert(package.name.as_str(), dependency).is_some() {
            let cause = "a component and a package have this name, and the manifest has one place for both";
            return Err(Refusal::new(Class::Usage, package.name.as_str(), Stage::Emit, cause)
                .hint("name it in [packages] or in [components], not in both"));
        }
    }
    let os = Os { name: &plan.os, arch: plan.arch.debian() };
    let vmconfig = Config { version: facts.version, kind: plan.kind.as_str(), os, dependencies, images: &plan.images };
    let refuse = |error| Refusal::new(Class::Io, name(plan), Stage::Emit, error);
    let mut text = serde_json::to_string_pretty(&Document { vmconfig }).map_err(|error| refuse(Box::new(error)))?;
    text.push('\n');
    Ok(text)
}

/// Where the snapshot archive keeps a package.
fn kept_at(plan: &Plan, package: &LockedPackage) -> Result<String> {
    let refuse = |cause: String| Refusal::new(Class::Usage, package.name.as_str(), Stage::Emit, cause);
    let suite = plan
        .suites
        .iter()
        .find(|suite| suite.name == package.suite)
        .ok_or_else(|| refuse(format!("its suite `{}` is not in the lock", package.suite)))?;
    let newest = plan.suites.iter().map(|suite| suite.date).max().unwrap_or(suite.date);
    let time = newest.checked_add(TAKEN_AFTER).map_err(|error| refuse(error.to_string()))?;
    Ok(format!("{SNAPSHOT}/{}/{}/{}", suite.archive, time.strftime("%Y%m%dT%H%M%SZ"), package.file))
}
