//! What gives an instance its identity instead of cloud-init: the program, its units, and the names of cloud-init that
//! scripts call it by.

use super::claim::Claim;
use crate::plan::Plan;
use std::sync::Arc;
use tree::digest::Sha256;
use tree::refusal::{Class, Result};
use tree::{Content, Meta, Node, Origin};

/// Where the program is; its units name it.
const PROGRAM: &str = "/usr/lib/vmbake/first-boot";
/// Names that it answers to.
const LINKS: [&str; 2] = ["/usr/bin/cloud-id", "/usr/bin/cloud-init"];
/// Where its units are, and what enables them.
const FOLDERS: [&str; 2] = ["/usr/lib/systemd/system", "/usr/lib/systemd/system-preset"];
/// Its units and their preset, which are next to its sources.
const UNITS: [(&str, &[u8]); 7] = [
    ("40-first-boot.preset", include_bytes!("../../../first-boot/units/40-first-boot.preset")),
    ("cloud-config.service", include_bytes!("../../../first-boot/units/cloud-config.service")),
    ("cloud-config.target", include_bytes!("../../../first-boot/units/cloud-config.target")),
    ("cloud-final.service", include_bytes!("../../../first-boot/units/cloud-final.service")),
    ("cloud-init-local.service", include_bytes!("../../../first-boot/units/cloud-init-local.service")),
    ("cloud-init-network.service", include_bytes!("../../../first-boot/units/cloud-init-network.service")),
    ("cloud-init.target", include_bytes!("../../../first-boot/units/cloud-init.target")),
];

/// The units and their preset by their names.
pub(crate) fn units() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    UNITS.into_iter()
}

/// The claims of the program, where the plan has it.
pub(super) fn claims(plan: &Plan) -> Result<Vec<Claim>> {
    let Some(planned) = &plan.first_boot else { return Ok(Vec::new()) };
    let origin = Origin::Made { step: "first-boot".to_owned() };
    let mut claims = Vec::new();
    let mut file = |path: &str, mode: u16, bytes: Arc<[u8]>, digest: Option<Sha256>| -> Result<()> {
        if digest != Some(Sha256::of(&bytes)) {
            let cause = format!("the content of `{path}` differs from the plan");
            return Err(super::refuse(Class::Verification, "first-boot", cause));
        }
        let node = Node::File(Content::Inline(bytes));
        claims.push(Claim::new(super::image_path(path)?, Meta::root(mode, plan.epoch), node, origin.clone()));
        Ok(())
    };
    file(PROGRAM, 0o755, planned.bytes.clone(), Some(planned.digest))?;
    for (name, bytes) in units() {
        let [units, presets] = FOLDERS;
        let folder = if name.ends_with(".preset") { presets } else { units };
        file(&format!("{folder}/{name}"), 0o644, bytes.into(), planned.units.get(name).copied())?;
    }
    for link in LINKS {
        let node = Node::Symlink(PROGRAM.to_owned());
        claims.push(Claim::new(
            super::image_path(link)?,
            Meta::root(0o777, plan.epoch),
            node,
            origin.clone(),
        ));
    }
    Ok(claims)
}
