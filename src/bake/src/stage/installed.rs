//! `/opt/podplane/share/vmconfig-installed.json`: the pinned manifest that the image was made from, in Podplane's
//! schema. With it there, and `vmconfig-manifest.json` absent, a node counts as installed.
//!
//! Deliberately absent: the stock image and its boot entries, which this image stands in for, and Debian packages,
//! which dpkg's database names.

use super::{Made, refuse};
use crate::digest::Digest;
use crate::manifest::{Form, Image};
use crate::name::{Arch, Kind, Name, Provider, Role};
use crate::plan::Plan;
use crate::refusal::{Class, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// The manifest, for nodes of a cluster; nothing for others.
pub(super) fn manifest(plan: &Plan) -> Result<Vec<Made>> {
    if plan.role == Role::None {
        return Ok(Vec::new());
    }
    let dependencies = plan.components.iter().map(|component| {
        let pin = &component.pin;
        let entry = Dependency {
            version: &pin.version,
            url: &pin.url,
            form: pin.form,
            digest: &pin.digest,
            size: pin.size,
            providers: &pin.providers,
        };
        (&component.name, entry)
    });
    let vmconfig = Vmconfig {
        version: &plan.version,
        kind: &plan.kind,
        os: Os { name: &plan.os, arch: plan.arch },
        dependencies: dependencies.collect(),
        images: &plan.images,
    };
    let mut text = serde_json::to_string_pretty(&Installed { vmconfig })
        .map_err(|error| refuse(Class::Io, "vmconfig-installed.json", error))?;
    text.push('\n');
    Ok(vec![Made::file("/opt/podplane/share/vmconfig-installed.json", 0o644, text)?])
}

#[derive(Serialize)]
struct Installed<'a> {
    vmconfig: Vmconfig<'a>,
}

#[derive(Serialize)]
struct Vmconfig<'a> {
    version: &'a str,
    kind: &'a Kind,
    os: Os<'a>,
    dependencies: BTreeMap<&'a Name, Dependency<'a>>,
    images: &'a [Image],
}

#[derive(Serialize)]
struct Os<'a> {
    name: &'a str,
    arch: Arch,
}

#[derive(Serialize)]
struct Dependency<'a> {
    version: &'a str,
    url: &'a str,
    #[serde(rename = "type")]
    form: Form,
    digest: &'a Digest,
    size: u64,
    #[serde(skip_serializing_if = "<[Provider]>::is_empty")]
    providers: &'a [Provider],
}
