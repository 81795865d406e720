//! What is left out of the image: documentation, locales and the like.
//!
//! As dpkg's `path-exclude` has it (dpkg(1)): the files are not there, and the package's list and checksums still
//! name them, so that `dpkg -V` says what is missing, as it does on Debian's own slim images. No `path-exclude` is
//! written into the image: its packages are never upgraded in place. Only what packages and components bring is
//! left out; what a recipe brings it wants.

use super::refuse;
use crate::plan::Plan;
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use tree::refusal::{Class, Result};
use tree::{Entry, Origin, Tree};

/// Leaves out what `plan.exclude` names and `plan.keep` does not.
pub(super) fn exclude(plan: &Plan, tree: &mut Tree) -> Result<()> {
    let (exclude, keep) = sets(plan)?;
    if !exclude.is_empty() {
        tree.retain(|path, entry| {
            is_wanted(entry) || !exclude.is_match(path.as_str()) || keep.is_match(path.as_str())
        });
    }
    Ok(())
}

/// What the plan leaves out, and what of it it keeps.
pub(super) fn sets(plan: &Plan) -> Result<(GlobSet, GlobSet)> {
    let refused = |error: globset::Error| refuse(Class::Usage, plan.kind.as_str(), error);
    Ok((set(&plan.exclude).map_err(refused)?, set(&plan.keep).map_err(refused)?))
}

/// A pattern of a recipe: `*` and `?` stay within one part of a path, `**` goes over all.
pub(super) fn pattern(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).build()
}

fn set(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for text in patterns {
        set.add(pattern(text)?);
    }
    set.build()
}

/// Whether a recipe, or the bake itself, says outright that it wants the entry.
fn is_wanted(entry: &Entry) -> bool {
    entry.origins.iter().any(|origin| matches!(origin, Origin::Recipe { .. } | Origin::Made { .. }))
}
