//! `configure install`: there is nothing to install; today's user-data scripts ask for it all the same.
//!
//! They may have extracted a tarball of an older release over the image before: its `vmconfig-manifest.json` would mean
//! "to be installed" there, and means nothing here.

use crate::names::INSTALLED;
use crate::refusal::Result;
use crate::root::Root;

/// What an extracted tarball leaves.
const LEFT_OVER: &str = "/opt/podplane/share/vmconfig-manifest.json";

/// Runs it: a baked image says so, anything else is told what it lacks.
pub fn run(root: &Root) -> Result<()> {
    crate::console::say(&answer(root)?);
    Ok(())
}

fn answer(root: &Root) -> Result<String> {
    let image = crate::install::load(root)?;
    let kind = crate::refusal::printable(&image.kind);
    let mut out =
        format!("installed: this image was baked as `{kind}` with everything in it ({INSTALLED})\n");
    if root.exists(LEFT_OVER)? {
        out.push_str("note: a tarball was extracted over it; what it brought is not used\n");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{LEFT_OVER, answer};
    use crate::names::INSTALLED;
    use crate::node::Node;

    #[test]
    fn a_baked_image_is_installed_also_with_an_old_tarball_over_it() {
        let node = Node::new("install");
        let said = answer(&node.root()).expect("an answer");
        assert!(
            said.starts_with("installed: this image was baked as `knc`") && !said.contains("note"),
            "{said}"
        );
        node.write(LEFT_OVER, "{\"vmconfig\": {\"kind\": \"knd\"}}");
        let said = answer(&node.root()).expect("an answer");
        assert!(said.contains("`knc`") && said.contains("note: a tarball"), "{said}");
    }

    #[test]
    fn what_was_not_baked_is_not_installed() {
        let node = Node::new("install-not");
        std::fs::remove_file(node.0.join(INSTALLED.trim_start_matches('/'))).expect("the manifest");
        assert!(answer(&node.root()).is_err());
    }
}
