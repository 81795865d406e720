//! Homes of the recipe's users who can log in: what `adduser` makes of `/etc/skel`, their keys, and who may use sudo.
//!
//! What a recipe or a package has at one of these paths stays as it is.

use super::refuse;
use crate::plan::Plan;
use crate::recipe::User;
use tree::name::ImagePath;
use tree::refusal::{Class, Result};
use tree::{Content, Entry, Meta, Node, Origin, Tree};

/// Puts homes, keys and sudo's files into the tree.
pub(super) fn apply(plan: &Plan, tree: &mut Tree) -> Result<()> {
    let origin = Origin::Made { step: "homes".to_owned() };
    for (name, user) in &plan.users {
        for (path, meta, node) in home(plan, tree, user)?.into_iter().chain(sudo(plan, tree, name, user)?) {
            if tree.get(&path).is_some() {
                continue;
            }
            tree.make_parents(&path, &origin, plan.epoch);
            let entry = Entry { meta, node, origins: [origin.clone()].into() };
            tree.insert(&path, entry).map_err(|error| refuse(Class::Archive, path.as_str(), error))?;
        }
    }
    Ok(())
}

type HomeEntry = (ImagePath, Meta, Node);

/// The home of a user who can log in, with what is in it.
fn home(plan: &Plan, tree: &Tree, user: &User) -> Result<Vec<HomeEntry>> {
    if !user.logs_in() {
        return Ok(Vec::new());
    }
    let own = |mode: u16| Meta { uid: user.uid, gid: user.uid, ..Meta::root(mode, plan.epoch) };
    let mut made = vec![(user.home.clone(), own(0o700), Node::Directory)];
    let skel: ImagePath = super::image_path("/etc/skel")?;
    for (path, entry) in tree.within(&skel).filter(|(path, _)| **path != skel) {
        let below = path.as_str().strip_prefix("/etc/skel").unwrap_or_default();
        let to = super::image_path(&format!("{}{below}", user.home))?;
        let meta = Meta { uid: user.uid, gid: user.uid, ..entry.meta.clone() };
        made.push((to, meta, entry.node.clone()));
    }
    if !user.ssh_authorized_keys.is_empty() {
        let ssh = format!("{}/.ssh", user.home);
        let keys: String = user.ssh_authorized_keys.iter().map(|key| format!("{key}\n")).collect();
        let node = Node::File(Content::Inline(keys.as_bytes().into()));
        made.push((super::image_path(&ssh)?, own(0o700), Node::Directory));
        made.push((super::image_path(&format!("{ssh}/authorized_keys"))?, own(0o600), node));
    }
    Ok(made)
}

/// Nobody has a password, so sudo asks for none.
fn sudo(plan: &Plan, tree: &Tree, name: &str, user: &User) -> Result<Option<HomeEntry>> {
    if !user.sudo {
        return Ok(None);
    }
    if tree.get(&super::image_path("/usr/bin/sudo")?).is_none() {
        let cause = format!("user `{name}` may use sudo, but the image has no `/usr/bin/sudo`");
        return Err(refuse(Class::Usage, format!("image-recipes/{}/recipe.toml", user.kind), cause)
            .hint("add `sudo` to [packages] install"));
    }
    let text = format!("{name} ALL=(ALL:ALL) NOPASSWD:ALL\n");
    let node = Node::File(Content::Inline(text.as_bytes().into()));
    Ok(Some((super::image_path(&format!("/etc/sudoers.d/50-{name}"))?, Meta::root(0o440, plan.epoch), node)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, path};
    use crate::recipe::User;
    use tree::{Content, Node};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC7dZ3nT1xq0yVb9m0cS4xk2gHf8sJ6wQe5uRr1tYp0L me";

    fn case(shell: &str, keys: &[&str], sudo: bool) -> Case {
        let mut case = Case::new();
        case.package("bash", "", &["/etc/skel/.profile=p", "/etc/skel/.config/x=y"]);
        let user = User {
            kind: case.plan.kind.clone(),
            uid: 1000,
            gecos: String::new(),
            home: path("/home/ada"),
            shell: path(shell),
            groups: Vec::new(),
            ssh_authorized_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            sudo,
        };
        case.plan.users.insert("ada".into(), user);
        case
    }

    #[test]
    fn a_user_who_can_log_in_has_a_home_with_skel_keys_and_sudo() {
        let mut case = case("/bin/bash", &[KEY], true);
        case.package("sudo", "", &["/usr/bin/sudo=x"]);
        let tree = case.stage().unwrap();
        for (at, mode, uid, text) in [
            ("/home", 0o755, 0, None),
            ("/home/ada", 0o700, 1000, None),
            ("/home/ada/.profile", 0o644, 1000, Some("p".to_owned())),
            ("/home/ada/.config", 0o755, 1000, None),
            ("/home/ada/.config/x", 0o644, 1000, Some("y".to_owned())),
            ("/home/ada/.ssh", 0o700, 1000, None),
            ("/home/ada/.ssh/authorized_keys", 0o600, 1000, Some(format!("{KEY}\n"))),
            ("/etc/sudoers.d/50-ada", 0o440, 0, Some("ada ALL=(ALL:ALL) NOPASSWD:ALL\n".to_owned())),
        ] {
            let entry = tree.get(&path(at)).unwrap_or_else(|| panic!("no {at}"));
            assert_eq!((entry.meta.mode, entry.meta.uid, entry.meta.gid), (mode, uid, uid), "{at}");
            let content = match &entry.node {
                Node::File(Content::Inline(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
                _ => None,
            };
            assert_eq!(content, text, "{at}");
        }
    }

    #[test]
    fn services_have_no_home_and_what_a_recipe_brings_stays() {
        let tree = case("/usr/sbin/nologin", &[], false).stage().unwrap();
        assert!(tree.get(&path("/home/ada")).is_none());
        let mut own = case("/bin/bash", &[], false);
        own.file("/home/ada/.profile", "mine");
        own.directory("/home", 0o755, "root:root");
        own.directory("/home/ada", 0o755, "ada:ada");
        let tree = own.stage().unwrap();
        assert_eq!(tree.get(&path("/home/ada")).unwrap().meta.mode, 0o755);
        let Node::File(Content::Inline(bytes)) = &tree.get(&path("/home/ada/.profile")).unwrap().node else {
            panic!("no file")
        };
        assert_eq!(&bytes[..], b"mine");
    }

    #[test]
    fn sudo_without_its_package_is_refused() {
        let refusal = case("/bin/bash", &[], true).refusal();
        assert!(refusal.to_string().contains("no `/usr/bin/sudo`"), "{refusal}");
    }
}
