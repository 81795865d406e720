//! What recipes bring: directories, files, links and the boot-time program.

use super::accounts::Accounts;
use super::claim::Claim;
use super::refuse;
use crate::plan::Plan;
use crate::recipe::{Access, Body};
use std::sync::Arc;
use tree::digest::Sha256;
use tree::name::{ImagePath, Kind};
use tree::refusal::{Class, Result, hides};
use tree::{Content, Meta, Node, Origin};

/// The claims of the recipes.
pub(super) fn claims(plan: &Plan, accounts: &Accounts) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for (path, directory) in &plan.directories {
        let origin = line(&directory.kind);
        let meta = meta(plan, accounts, &directory.access, &origin)?;
        claims.push(Claim::new(path.clone(), meta, Node::Directory, origin));
    }
    for file in &plan.files {
        let origin = Origin::Recipe { kind: file.kind.clone(), file: file.source.clone() };
        let (meta, node) = match &file.body {
            Body::Bytes(bytes) => {
                let node = planned(bytes, file.digest, &origin)?;
                (meta(plan, accounts, &file.access, &origin)?, node)
            }
            Body::Link(target) => {
                check_link(&file.path, target, &origin)?;
                (Meta::root(0o777, plan.epoch), Node::Symlink(target.clone()))
            }
        };
        claims.push(Claim::new(file.path.clone(), meta, node, origin));
    }
    for (path, link) in &plan.links {
        let origin = line(&link.kind);
        check_link(path, &link.target, &origin)?;
        let node = Node::Symlink(link.target.clone());
        claims.push(Claim::new(path.clone(), Meta::root(0o777, plan.epoch), node, origin));
    }
    claims.extend(configure(plan, accounts)?);
    Ok(claims)
}

/// The boot-time program and the names that it also answers to.
fn configure(plan: &Plan, accounts: &Accounts) -> Result<Vec<Claim>> {
    let Some(configure) = &plan.configure else { return Ok(Vec::new()) };
    let origin = Origin::Made { step: "configure".to_owned() };
    let install = &configure.install;
    let meta = meta(plan, accounts, &install.access, &origin)?;
    let node = planned(&configure.bytes, Some(configure.digest), &origin)?;
    let mut claims = vec![Claim::new(install.path.clone(), meta, node, origin.clone())];
    for (link, target) in install.targets() {
        let meta = Meta::root(0o777, plan.epoch);
        claims.push(Claim::new(link.clone(), meta, Node::Symlink(target.to_owned()), origin.clone()));
    }
    Ok(claims)
}

/// The origin of a line of `recipe.toml`.
fn line(kind: &Kind) -> Origin {
    Origin::Recipe { kind: kind.clone(), file: "recipe.toml".to_owned() }
}

fn meta(plan: &Plan, accounts: &Accounts, access: &Access, origin: &Origin) -> Result<Meta> {
    let what = origin.to_string();
    let (uid, gid) = (accounts.uid(&access.owner, &what)?, accounts.gid(&access.group, &what)?);
    Ok(Meta { uid, gid, ..Meta::root(access.mode, plan.epoch) })
}

/// The bytes that the plan has the digest of, and no others.
fn planned(bytes: &Arc<[u8]>, wanted: Option<Sha256>, origin: &Origin) -> Result<Node> {
    let got = Sha256::of(bytes);
    if wanted.is_some_and(|wanted| wanted != got) {
        let cause = format!("its content differs from the plan, found sha256:{}", got.hex());
        return Err(refuse(Class::Verification, super::claim::about(origin), cause));
    }
    Ok(Node::File(Content::Inline(bytes.clone())))
}

/// Refuses a link that climbs out of the image.
fn check_link(path: &ImagePath, target: &str, origin: &Origin) -> Result<()> {
    let mut depth = path
        .parent()
        .map_or(0, |parent| parent.relative().split('/').filter(|part| !part.is_empty()).count());
    let parts = if target.starts_with('/') {
        depth = 0;
        target.split('/')
    } else {
        target.split('/')
    };
    for part in parts {
        match part {
            "" | "." => {}
            ".." if depth == 0 => {
                let cause = format!("`{path}` is a link to `{target}`, outside the image");
                return Err(refuse(Class::Usage, super::claim::about(origin), cause));
            }
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    if target.is_empty() || target.contains(hides) {
        let cause = format!("`{path}` is a link to `{target}`, which is not a path");
        return Err(refuse(Class::Usage, super::claim::about(origin), cause));
    }
    Ok(())
}
