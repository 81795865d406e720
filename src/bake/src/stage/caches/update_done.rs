//! `/etc/.updated` and `/var/.updated`: what systemd-update-done.service(8) leaves when `/etc` and `/var` fit `/usr`.
//!
//! Units with `ConditionNeedsUpdate=` (ldconfig, hwdb, the journal's catalog, sysusers) run when `/usr` is newer than the
//! stamp. The bake has done their work, so that the first boot need not. The stamp's own time is the plan's epoch, which
//! no entry of the tree is later than; the line in it is for file systems without fractions of a second.

use crate::plan::Plan;
use crate::stage::{Generated, image_path};
use tree::Tree;
use tree::refusal::Result;

/// The stamps that nobody else brings.
pub(super) fn stamps(plan: &Plan, tree: &Tree) -> Result<Vec<Generated>> {
    let text = format!(
        "# As systemd-update-done.service(8) would write it: /etc/ and /var/ fit the /usr/ of this image.\n\
         TIMESTAMP_NSEC={}\n",
        i128::from(plan.epoch) * 1_000_000_000
    );
    let mut stamps = Vec::new();
    for path in ["/etc/.updated", "/var/.updated"] {
        if tree.get(&image_path(path)?).is_none() {
            stamps.push(Generated::file(path, 0o644, &text)?);
        }
    }
    Ok(stamps)
}
