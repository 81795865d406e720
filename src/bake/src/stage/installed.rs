//! `/opt/podplane/share/vmconfig-installed.json`: the pinned manifest that the image was made from, in Podplane's
//! schema. With it there, and `vmconfig-manifest.json` absent, a node counts as installed. Beside it `role`, one word, by
//! which nodes of a user's own kind know what they do: the manifest's schema has no place for it.
//!
//! Not supported, on purpose: the stock image and its boot entries, which this image stands in for, and Debian packages,
//! which dpkg's database names.

use super::Generated;
use crate::manifest;
use crate::plan::{Plan, resolved};
use tree::name::Role;
use tree::refusal::Result;

/// The manifest, for nodes of a cluster; nothing for others.
pub(super) fn manifest(plan: &Plan) -> Result<Vec<Generated>> {
    if plan.role == Role::None {
        return Ok(Vec::new());
    }
    let mut manifest = resolved(plan);
    manifest.components.retain(|name, _| plan.components.iter().any(|component| component.name == *name));
    let text = manifest::print(&manifest);
    Ok(vec![
        Generated::file("/opt/podplane/share/role", 0o644, format!("{}\n", plan.role))?,
        Generated::file("/opt/podplane/share/vmconfig-installed.json", 0o644, text)?,
    ])
}
