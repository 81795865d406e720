//! `/etc/ld.so.conf` and what it includes: directories of libraries (ldconfig(8)).
//!
//! A line is a directory, or `include` with patterns of glob(7); `#` begins a comment. `DIRECTORY=TYPE` is an old form
//! whose type decides nothing for 64-bit libraries. `hwcap` lines have had no effect since glibc 2.33.

use super::super::follow::follow;
use crate::stage::{Read, bytes_of, refuse};
use globset::GlobBuilder;
use tree::name::ImagePath;
use tree::refusal::{Class, Result};
use tree::{Node, Tree};

const FIRST: &str = "/etc/ld.so.conf";
/// Files that include each other go on for ever.
const DEEPEST: usize = 8;
const MOST_BYTES: u64 = 64 << 10;

/// The directories, in the order of the files, as they are written.
pub(super) fn directories(tree: &Tree, read: Read<'_>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    file(tree, read, FIRST, 0, &mut found)?;
    Ok(found)
}

fn file(tree: &Tree, read: Read<'_>, path: &str, depth: usize, found: &mut Vec<String>) -> Result<()> {
    let Some((_, entry)) = path.parse().ok().and_then(|path| follow(tree, &path)) else { return Ok(()) };
    let Node::File(content) = &entry.node else { return Ok(()) };
    if depth > DEEPEST || content.len() > MOST_BYTES {
        let cause =
            format!("expected at most {MOST_BYTES} bytes and {DEEPEST} files that include one another");
        return Err(refuse(Class::Archive, path, cause));
    }
    let bytes = bytes_of(content, read)?;
    for line in String::from_utf8_lossy(&bytes).lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        match word {
            "" => {}
            "include" if !rest.is_empty() => {
                for pattern in rest.split([' ', '\t']).filter(|pattern| !pattern.is_empty()) {
                    for path in matches(tree, path, pattern)? {
                        file(tree, read, &path, depth + 1, found)?;
                    }
                }
            }
            word if word.eq_ignore_ascii_case("hwcap") && !rest.is_empty() => {}
            _ => found.push(line.split('=').next().unwrap_or_default().to_owned()),
        }
    }
    Ok(())
}

/// The files that `pattern`, of the file at `path`, stands for.
fn matches(tree: &Tree, path: &str, pattern: &str) -> Result<Vec<String>> {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let whole = if pattern.starts_with('/') { pattern.to_owned() } else { format!("{directory}/{pattern}") };
    let glob = GlobBuilder::new(&whole).literal_separator(true).backslash_escape(true).build();
    let glob = glob.map_err(|error| refuse(Class::Archive, path, error))?.compile_matcher();
    let literal = whole.split(['*', '?', '[', '{']).next().unwrap_or_default();
    let within = literal.rsplit_once('/').map_or("/", |(directory, _)| directory);
    let within = within.parse().unwrap_or_else(|_| ImagePath::root());
    let hidden = |path: &ImagePath| path.file_name().starts_with('.');
    let found = tree.within(&within).map(|(path, _)| path);
    Ok(found.filter(|path| glob.is_match(path.as_str()) && !hidden(path)).map(ToString::to_string).collect())
}
