//! The plan as a manifest: what an image was made from, in Podplane's schema.

use super::Plan;
use crate::manifest::{Entry, Form, Manifest, Pin};

/// The manifest of what `plan` takes: its components as they are pinned, and Debian's packages with their place in
/// the snapshot archive, where a package never goes away; those of an archive without one with their place there. A component and a package of one name cannot be told apart in this schema: the component's
/// line stays.
#[must_use]
pub fn resolved(plan: &Plan) -> Manifest {
    let mut components = std::collections::BTreeMap::new();
    for (package, requirement) in plan.packages.iter().zip(plan.requirements()) {
        let url = match requirement.source {
            super::Source::Project { path } => Some(format!("file:{path}")),
            super::Source::Upstream { url } => Some(url),
            // no package is of one
            super::Source::Registry { .. } => None,
            super::Source::Debian { archive, file, date } => {
                // where an archive keeps no past states, its package is where it is as long as it is there
                let suite = plan.suites.iter().find(|suite| suite.archive == archive);
                let root = suite.and_then(|suite| suite.mirror.as_deref());
                let here = || root.map(|root| format!("{}/{file}", root.trim_end_matches('/')));
                plan.snapshots.url(&archive, date, &file).or_else(here)
            }
        };
        // a plan has no package of an archive that is not known
        let Some(url) = url else { continue };
        let pin = Pin {
            version: package.version.clone(),
            url,
            form: Form::Deb,
            digest: requirement.digest,
            size: requirement.size,
            providers: Vec::new(),
        };
        components.insert(package.name.clone(), Entry::Pinned(pin));
    }
    for component in &plan.components {
        components.insert(component.name.clone(), Entry::Pinned(component.pin.clone()));
    }
    Manifest {
        version: plan.version.clone(),
        kind: plan.kind.clone(),
        os: plan.os.clone(),
        arch: plan.arch,
        stock: None,
        boot: None,
        components,
        images: plan.images.clone(),
    }
}
