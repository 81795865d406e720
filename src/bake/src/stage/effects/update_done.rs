//! `/etc/.updated` and `/var/.updated`: what systemd-update-done.service(8) leaves when `/etc` and `/var` fit `/usr`.
//!
//! Units with `ConditionNeedsUpdate=` (ldconfig, hwdb, the journal's catalog, sysusers) run when `/usr` is newer than the
//! stamp. The bake has done their work, so that the first boot need not. The stamp's own time is the plan's epoch, which
//! no entry of the tree is later than; the line in it is for file systems without fractions of a second.

use super::draft::Draft;
use crate::refusal::Result;

/// Makes the stamps.
pub(super) fn apply(draft: &mut Draft<'_>) -> Result<()> {
    let text = format!(
        "# As systemd-update-done.service(8) would write it: /etc/ and /var/ fit the /usr/ of this image.\n\
         TIMESTAMP_NSEC={}\n",
        i128::from(draft.plan.epoch) * 1_000_000_000
    );
    draft.file("update done", "/etc/.updated", &text)?;
    draft.file("update done", "/var/.updated", &text)
}
