//! Files of components: which member of an archive goes where, as the recipe says.

use super::accounts::Accounts;
use super::claim::Claim;
use super::exclude::pattern;
use super::{Inputs, refuse};
use crate::plan::{Plan, PlannedComponent};
use crate::recipe::Install;
use crate::unpack::{Member, Unpacked};
use globset::{GlobBuilder, GlobSetBuilder};
use tree::name::ImagePath;
use tree::refusal::{Class, Remedy, Result};
use tree::{Meta, Node, Origin};

/// The claims of components that are no .debs, in the order of their names.
pub(super) fn claims(plan: &Plan, inputs: &Inputs<'_>, accounts: &Accounts) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for component in &plan.components {
        let name = &component.name;
        let Some(Unpacked::Members(members)) = inputs.components.get(name) else { continue };
        for install in &component.install.files {
            let what = format!("component `{name}`");
            let uid = accounts.uid(&install.access.owner, &what)?;
            let gid = accounts.gid(&install.access.group, &what)?;
            for (to, member) in chosen(component, install, members)? {
                let (mode, node) = match node(members, member) {
                    Some(node @ Node::Symlink(_)) => (0o777, node),
                    Some(node) => (install.access.mode, node),
                    None => {
                        let cause = format!("`{}` of the archive is not a file", member.path.relative());
                        return Err(refuse(Class::Usage, name.as_str(), cause));
                    }
                };
                let meta = Meta { uid, gid, ..Meta::root(mode, member.meta.mtime) };
                claims.push(Claim::new(to, meta, node, Origin::Component { name: name.clone() }));
            }
        }
    }
    Ok(claims)
}

/// The members that `install` means, with where each goes: for a pattern the path without the pattern's leading
/// directories goes below `to`.
fn chosen<'a>(
    component: &PlannedComponent,
    install: &Install,
    members: &'a [Member],
) -> Result<Vec<(ImagePath, &'a Member)>> {
    let (name, strip) = (&component.name, component.install.strip);
    let named = |member: &'a Member| stripped(member.path.relative(), strip);
    let nothing = || {
        let cause = format!("its archive has no `{}`", install.from);
        let file = |path: &str| path.rsplit('/').next().map(str::to_owned);
        let is_close = |path: &&str| file(path) == file(&install.from);
        let mut close =
            members.iter().filter(|one| one.node != Node::Directory).filter_map(named).filter(is_close);
        let close = close.next().map(str::to_owned);
        let members = Remedy::Members { close, input: component.pin.digest.clone() };
        refuse(Class::Usage, name.as_str(), cause).remedy(members)
    };
    let path = |text: &str| -> Result<ImagePath> {
        text.parse().map_err(|error| refuse(Class::Usage, name.as_str(), error))
    };
    let Some(directory) = install.to.strip_suffix('/') else {
        let member = match install.from.as_str() {
            "." => members.iter().find(|member| member.node != Node::Directory),
            from => members.iter().find(|&member| named(member) == Some(from)),
        };
        return Ok(vec![(path(&install.to)?, member.ok_or_else(nothing)?)]);
    };
    let refused = |error: globset::Error| refuse(Class::Usage, name.as_str(), error);
    let wanted =
        GlobBuilder::new(&install.from).literal_separator(true).build().map_err(refused)?.compile_matcher();
    let mut except = GlobSetBuilder::new();
    for text in &install.except {
        except.add(pattern(text).map_err(refused)?);
    }
    let except = except.build().map_err(refused)?;
    let literal = install.from.find(['*', '?', '[', '{']).unwrap_or(install.from.len());
    let prefix = install.from[..literal].rfind('/').map_or(0, |at| at + 1);
    let mut chosen = Vec::new();
    for member in members.iter().filter(|member| member.node != Node::Directory) {
        let Some(from) = named(member) else { continue };
        if wanted.is_match(from) && !except.is_match(from) {
            chosen.push((path(&format!("{directory}/{}", &from[prefix..]))?, member));
        }
    }
    if chosen.is_empty() { Err(nothing()) } else { Ok(chosen) }
}

/// A path of an archive without its first `parts` parts, as a recipe names it; none where no more is left.
fn stripped(path: &str, parts: u8) -> Option<&str> {
    (0..parts).try_fold(path, |path, _| path.split_once('/').map(|(_, rest)| rest))
}

/// What a member is in the image: a file or a link. A hard link is a file of its own there, because its other
/// names may not be installed.
fn node(members: &[Member], member: &Member) -> Option<Node> {
    match &member.node {
        Node::File(_) | Node::Symlink(_) => Some(member.node.clone()),
        Node::Hardlink(target) => {
            { members.iter().find(|other| other.path == *target && matches!(other.node, Node::File(_))) }
                .map(|file| file.node.clone())
        }
        _ => None,
    }
}
