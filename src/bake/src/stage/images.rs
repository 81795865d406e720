//! Container images: containerd's store with them in it, as if the machine had pulled them.

use super::{image_path, refuse};
use crate::plan::Plan;
use containers::store::{self, Image, StoreError};
use tree::refusal::{Class, Result};
use tree::{Entry, Origin, Tree};

/// What of the store no image brings.
const STEP: &str = "container images";

/// Puts the store with these images into the tree; nothing where there are none.
pub(super) fn add(plan: &Plan, tree: &mut Tree, images: &[Image]) -> Result<()> {
    if images.is_empty() {
        return Ok(());
    }
    let made = Origin::Made { step: STEP.to_owned() };
    let origin = |image: Option<usize>| {
        let image = image.and_then(|number| images.get(number));
        image.map_or_else(|| made.clone(), |image| Origin::Image { name: image.reference.to_string() })
    };
    let files = store::lay_out(images.to_vec(), plan.epoch).map_err(|error| match error {
        StoreError::Layer { ref image, .. } => refuse(Class::Archive, image.clone(), error.to_string()),
        error => refuse(Class::Archive, STEP, error),
    })?;
    let root = image_path(store::ROOT)?;
    tree.make_parents(&root, &made, plan.epoch);
    for store::Stored { file, image } in files {
        let origin = origin(image);
        let placed = match file.path == root {
            // whoever else has this directory: only root enters it
            true => tree.set_directory(&file.path, file.meta, origin),
            false => {
                let entry = Entry { meta: file.meta, node: file.node, origins: [origin].into() };
                tree.insert(&file.path, entry)
            }
        };
        placed.map_err(|error| {
            refuse(Class::Archive, STEP, error).hint(
                "container images are laid out in containerd's store; remove what else puts files there",
            )
        })?;
    }
    Ok(())
}
