//! update-shells(8): `/etc/shells` from what packages list, and `/var/lib/shells.state`, which says which of its lines are
//! theirs.
//!
//! Each shell is listed as its package spells it and as it is on a merged system (`/bin/bash`, `/usr/bin/bash`).
//! Source: debianutils, `update-shells`.

use super::super::image_path;
use super::draft::Draft;
use crate::name::ImagePath;
use crate::refusal::Result;
use crate::tree::merged;

const TEMPLATE: &str = "/usr/share/debianutils/shells";
const LISTS: &str = "/usr/share/debianutils/shells.d";

/// Makes both files, unless a recipe brings `/etc/shells`.
pub(super) fn apply(draft: &mut Draft<'_>) -> Result<()> {
    if draft.has(&image_path("/etc/shells")?) {
        return Ok(());
    }
    let template = draft.needed(TEMPLATE)?;
    let mut texts = vec![template.clone()];
    for list in draft.files_in(LISTS)? {
        texts.extend(draft.text(&list)?);
    }
    let mut shells: Vec<String> = Vec::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        let shell = line.split('#').next().unwrap_or_default();
        // what is no path is listed as it is
        let real =
            shell.parse::<ImagePath>().map_or_else(|_| shell.to_owned(), |path| merged(&path).to_string());
        for shell in [shell.to_owned(), real] {
            if !shell.is_empty() && !shells.contains(&shell) {
                shells.push(shell);
            }
        }
    }
    let line = |shell: &String| format!("{shell}\n");
    let own = |shell: &&String| !template.lines().any(|line| line == **shell);
    let listed = template.clone() + &shells.iter().filter(own).map(line).collect::<String>();
    draft.file("shells", "/etc/shells", listed)?;
    draft.file("shells", "/var/lib/shells.state", shells.iter().map(line).collect::<String>())
}
