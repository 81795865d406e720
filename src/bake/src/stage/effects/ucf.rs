//! ucf(1): configuration files that are made from a package's template.
//!
//! Its database knows each file, its package and what was installed, so that a later version can tell whether a person
//! has changed it: `hashfile` (MD5 and path), `registry` (package and path), `cache/` (the text). Source: ucf's `ucf` and
//! `ucfr`.

use super::super::image_path;
use super::draft::Draft;
use md5::{Digest as _, Md5};
use tree::name::{ImagePath, Name};
use tree::refusal::Result;
use tree::{Content, Node};

const STEP: &str = "ucf";

/// Notes that `package` has installed the file at `path`.
pub(super) fn note(draft: &mut Draft<'_>, package: &Name, path: &ImagePath) -> Result<()> {
    let bytes = draft.bytes(path)?.unwrap_or_default();
    let sum = base16ct::lower::encode_string(&Md5::digest(&bytes));
    append(draft, "/var/lib/ucf/hashfile", &format!("{sum}  {path}\n"))?;
    append(draft, "/var/lib/ucf/registry", &format!("{package} \t {path}\n"))?;
    draft.file(STEP, &format!("/var/lib/ucf/cache/{}", path.as_str().replace('/', ":")), bytes)
}

/// Adds a line to a file of the database.
fn append(draft: &mut Draft<'_>, file: &str, line: &str) -> Result<()> {
    let path = image_path(file)?;
    let text = draft.text(&path)?.unwrap_or_default() + line;
    if let Some(mut entry) = draft.tree.remove(&path) {
        entry.node = Node::File(Content::Inline(text.as_bytes().into()));
        return draft.insert(STEP, &path, entry.meta, entry.node);
    }
    draft.file(STEP, file, text)
}
