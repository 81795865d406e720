//! tmpfiles.d(5), as far as it is about what lasts: the directories and links below `/etc`, `/var` and so on that
//! `systemd-tmpfiles --create` makes when a package is installed.
//!
//! Each boot applies the same files again, so that what is not done here is done there: lines for `/run`, `/dev` and
//! `/tmp`, lines with `!` (at boot only) or `^` (from a credential), with a specifier of the machine (`%m`), and access
//! lists, attributes and removals (`a A h t T r R x X`).
//!
//! Not supported, on purpose: `w`, `c`, `b`, `p`, `F` and copies, which no file of Debian's base has for what lasts: refused, so
//! that nothing is passed over in silence.

use super::super::{image_path, refuse};
use super::draft::Draft;
use crate::recipe::Access;
use tree::Node;
use tree::name::ImagePath;
use tree::refusal::{Class, Result};

const STEP: &str = "tmpfiles";
/// Where the files are, the strongest first.
const DIRECTORIES: [&str; 3] = ["/etc/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"];
/// What does not last, or is not in an image.
const ELSEWHERE: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/tmp"];

/// Applies these files in the order of their names.
pub(super) fn apply(draft: &mut Draft<'_>, files: &mut Vec<&str>) -> Result<()> {
    files.sort_unstable();
    files.dedup();
    for file in files {
        let mut text = None;
        for directory in DIRECTORIES {
            let path = image_path(&format!("{directory}/{file}"))?;
            // a link to /dev/null masks the weaker ones
            if draft.has(&path) {
                text = Some(draft.text(&path)?.unwrap_or_default());
                break;
            }
        }
        let text = text.ok_or_else(|| {
            refuse(Class::Archive, *file, "an effect applies it, but it is in no tmpfiles.d")
        })?;
        for (number, line) in text.lines().enumerate() {
            one(draft, line).map_err(|mut refusal| {
                refusal.cause = format!("tmpfiles.d line {}: {}", number + 1, refusal.cause).into();
                refusal.artifact = (*file).to_owned();
                refusal
            })?;
        }
    }
    Ok(())
}

/// Applies one line.
fn one(draft: &mut Draft<'_>, line: &str) -> Result<()> {
    let line = line.trim();
    let mut words = line.split_whitespace();
    let (Some(kind), Some(path)) = (words.next().filter(|word| !word.starts_with('#')), words.next()) else {
        return Ok(());
    };
    let mut field = || words.next().filter(|word| *word != "-");
    let (mode, user, group, _age) = (field(), field(), field(), field());
    let argument = words.collect::<Vec<_>>().join(" ");
    let (letter, modifiers) = kind.split_at(kind.chars().next().map_or(0, char::len_utf8));
    if modifiers.contains(['!', '^']) || path.contains('%') {
        return Ok(());
    }
    let path: ImagePath = path.parse().map_err(|error| refuse(Class::Archive, STEP, error))?;
    let elsewhere = |top: &&str| image_path(top).is_ok_and(|top| path != top && path.is_within(&top));
    if ELSEWHERE.iter().any(elsewhere) {
        return Ok(());
    }
    match letter {
        "d" | "D" | "v" | "q" | "Q" => directory(draft, &path, mode, user, group),
        "z" | "Z" => adjust(draft, &path, mode, user, group),
        "L" => {
            if modifiers.contains('+')
                && draft.tree.get(&path).is_some_and(|entry| entry.node != Node::Directory)
            {
                draft.tree.remove(&path);
            }
            draft.link(STEP, &path, &argument, false)
        }
        "a" | "A" | "h" | "H" | "t" | "T" | "r" | "R" | "x" | "X" => Ok(()),
        _ => Err(refuse(Class::Archive, STEP, format!("`{kind}` for `{path}` is not supported"))),
    }
}

fn directory(
    draft: &mut Draft<'_>,
    path: &ImagePath,
    mode: Option<&str>,
    user: Option<&str>,
    group: Option<&str>,
) -> Result<()> {
    if draft.has(path) {
        return adjust(draft, path, mode, user, group);
    }
    // a value with `:` is for what is made, one without for what is there, too
    let plain = |value: Option<&str>| value.map(|value| value.trim_start_matches([':', '~']).to_owned());
    let mode = plain(mode).map_or(Ok(0o755), |mode| octal(&mode))?;
    let owner = |name| plain(name).unwrap_or_else(|| "root".to_owned());
    draft.make(STEP, path, &Access { mode, owner: owner(user), group: owner(group) }, Node::Directory)
}

/// Gives what is there the mode and owner of the line, as far as it says them.
fn adjust(
    draft: &mut Draft<'_>,
    path: &ImagePath,
    mode: Option<&str>,
    user: Option<&str>,
    group: Option<&str>,
) -> Result<()> {
    let said = |value: Option<&str>| value.filter(|value| !value.starts_with(':')).map(str::to_owned);
    let mode = said(mode).filter(|mode| !mode.starts_with('~')).map(|mode| octal(&mode)).transpose()?;
    let what = format!("`{path}`");
    let uid = said(user).map(|user| draft.accounts.uid(&user, &what)).transpose()?;
    let gid = said(group).map(|group| draft.accounts.gid(&group, &what)).transpose()?;
    draft.set_meta(path, |meta| {
        meta.mode = mode.unwrap_or(meta.mode);
        meta.uid = uid.unwrap_or(meta.uid);
        meta.gid = gid.unwrap_or(meta.gid);
    });
    Ok(())
}

fn octal(mode: &str) -> Result<u16> {
    u16::from_str_radix(mode, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| refuse(Class::Archive, STEP, format!("`{mode}` is not a valid mode")))
}
