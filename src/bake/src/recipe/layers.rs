//! Recipes laid over each other: `base`, then `knd`, then `knc`.

use super::raw::{self, Account, Raw};
use super::{
    Access, Body, Component, Configure, Directory, File, Group, Image, Install, Link, PackageSource, Recipe,
    RequestedPackage, User,
};
use std::collections::{BTreeMap, BTreeSet};
use tree::name::{Arch, ImagePath, Kind, Name, NameError, Provider, Role};
use tree::refusal::{Class, Refusal, Result, Stage, hides};

/// A recipe's folder, read: `recipe.toml` and what is below its `rootfs` folders.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Whose it is.
    pub kind: Kind,
    /// Its `recipe.toml`.
    pub recipe: Raw,
    /// What is below `rootfs` and `rootfs.<provider>`, links and regular files only.
    pub rootfs: Vec<RootfsFile>,
}

/// A file below a `rootfs` folder.
#[derive(Debug, Clone)]
pub struct RootfsFile {
    /// Where it goes.
    pub path: ImagePath,
    /// Its path in the recipe's folder, `rootfs/etc/…`.
    pub source: String,
    /// Whether its owner may execute it there: in the image it is 0755 then, else 0644; in `/etc/sudoers.d` 0440, which
    /// sudo insists on.
    pub executable: bool,
    /// The cloud of its `rootfs.<provider>`.
    pub provider: Option<Provider>,
    /// Its bytes or target.
    pub body: Body,
}

impl Folder {
    /// The kind that this one extends.
    #[must_use]
    pub fn extends(&self) -> Option<&Kind> {
        self.recipe.recipe.extends.as_ref()
    }

    fn refuse(&self, what: String) -> Refusal {
        Refusal::new(Class::Usage, format!("image-recipes/{}/recipe.toml", self.kind), Stage::Parse, what)
    }
}

/// Lays `folders`, the root first and each extending the one before, over each other.
pub fn combine(folders: &[Folder]) -> Result<Recipe> {
    let Some(last) = folders.last() else {
        return Err(Refusal::new(Class::Usage, "recipes", Stage::Parse, "expected at least one recipe"));
    };
    let mut recipe = empty(last.kind.clone());
    for folder in folders {
        lay(&mut recipe, folder)?;
    }
    if recipe.first_boot == super::FirstBoot::Native {
        super::first_boot::replace(&mut recipe, &last.kind);
    }
    check_ids(&recipe, last)?;
    Ok(recipe)
}

fn empty(kind: Kind) -> Recipe {
    Recipe {
        kind,
        lineage: Vec::new(),
        role: Role::None,
        packages: BTreeMap::new(),
        recommends_of: BTreeMap::new(),
        avoid: BTreeMap::new(),
        taken: BTreeMap::new(),
        sources: BTreeMap::new(),
        local: BTreeMap::new(),
        components: BTreeMap::new(),
        images: BTreeMap::new(),
        ids: BTreeMap::new(),
        groups: BTreeMap::new(),
        users: BTreeMap::new(),
        directories: BTreeMap::new(),
        links: BTreeMap::new(),
        files: BTreeMap::new(),
        enable: BTreeMap::new(),
        disable: BTreeMap::new(),
        mask: BTreeMap::new(),
        exclude: Vec::new(),
        keep: Vec::new(),
        winners: BTreeMap::new(),
        effects: BTreeMap::new(),
        accept: BTreeMap::new(),
        reviewed_only: false,
        debconf: BTreeMap::new(),
        configure: None,
        first_boot: super::FirstBoot::default(),
        initrd: None,
        disk: super::Disk::default(),
    }
}

fn lay(recipe: &mut Recipe, folder: &Folder) -> Result<()> {
    let (kind, raw) = (&folder.kind, &folder.recipe);
    if raw.recipe.extends.as_ref() != recipe.lineage.last() {
        return Err(folder.refuse("`extends` does not name the recipe that this one is laid over".to_owned()));
    }
    recipe.lineage.push(kind.clone());
    recipe.role = raw.recipe.role.unwrap_or(recipe.role);
    recipe.first_boot = raw.recipe.first_boot.unwrap_or(recipe.first_boot);
    let asked = [&raw.packages.install, &raw.packages.install_amd64, &raw.packages.install_arm64];
    if recipe.first_boot == super::FirstBoot::Native && super::first_boot::is_asked_for(asked) {
        let cause = "`first-boot` is `native`, and `packages.install` has `cloud-init`".to_owned();
        return Err(folder.refuse(cause).hint(
            "remove `cloud-init` from `packages.install`, or set `first-boot = \"cloud-init\"` in `[recipe]`",
        ));
    }
    lay_packages(recipe, folder)?;
    for (name, component) in &raw.components {
        recipe.components.insert(name.clone(), self::component(kind, component));
    }
    for (name, image) in &raw.images {
        let image =
            self::image(kind, image).map_err(|what| folder.refuse(format!("images: `{name}`: {what}")))?;
        recipe.images.insert(name.clone(), image);
    }
    recipe.ids.extend(raw.ids.iter().map(|(name, id)| (name.0.clone(), *id)));
    for (name, group) in &raw.groups {
        let group = Group { kind: kind.clone(), gid: group.gid, members: sorted(&group.members) };
        recipe.groups.insert(name.0.clone(), group);
    }
    for (name, user) in &raw.users {
        let raw::User { uid, gecos, home, shell, groups, ssh_authorized_keys, sudo } = user.clone();
        if gecos.contains([':', ',']) || gecos.contains(hides) {
            return Err(folder.refuse(format!(
                "users.{}: gecos must not contain `:`, `,`, control or invisible characters",
                name.0
            )));
        }
        let wrong = |error| folder.refuse(format!("users.{}: {error}", name.0));
        let home = match home {
            Some(home) => home,
            None => format!("/home/{}", name.0).parse().map_err(|error: NameError| wrong(error))?,
        };
        // whoever is given a key or sudo is a person
        let person = sudo || !ssh_authorized_keys.is_empty();
        let shell = match shell {
            Some(shell) => shell,
            None => {
                let usual = if person { "/bin/bash" } else { "/usr/sbin/nologin" };
                usual.parse().map_err(|error: NameError| wrong(error))?
            }
        };
        let user = User {
            kind: kind.clone(),
            uid,
            gecos,
            home,
            shell,
            groups: sorted(&groups),
            ssh_authorized_keys: ssh_authorized_keys.into_iter().map(|key| key.0).collect(),
            sudo,
        };
        if person && !user.logs_in() {
            let cause =
                format!("users.{}: a key or sudo has no effect for a user with `{}`", name.0, user.shell);
            return Err(folder.refuse(cause));
        }
        recipe.users.insert(name.0.clone(), user);
    }
    for (path, access) in &raw.directories {
        let directory = Directory { kind: kind.clone(), access: access.0.clone() };
        recipe.directories.insert(path.clone(), directory);
    }
    for (path, target) in &raw.links {
        recipe.links.insert(path.clone(), Link { kind: kind.clone(), target: target.clone() });
    }
    lay_files(recipe, folder)?;
    lay_units(recipe, folder)?;
    recipe.exclude.extend(raw.files.exclude.iter().map(|glob| glob.0.clone()));
    recipe.keep.extend(raw.files.keep.iter().map(|glob| glob.0.clone()));
    recipe.winners.extend(raw.winners.clone());
    for (name, known) in &raw.effects {
        crate::effects::check(known).map_err(|what| folder.refuse(format!("effects.{name}: {what}")))?;
        recipe.effects.insert(name.clone(), known.clone());
    }
    recipe.accept.extend(raw.accept.iter().map(|(name, reason)| (name.clone(), reason.0.clone())));
    recipe
        .debconf
        .extend(raw.debconf.iter().map(|(question, answer)| (question.0.clone(), answer.0.clone())));
    if let Some(raw::Configure { path, access, links }) = raw.configure.clone() {
        recipe.configure = Some(Configure { path, access: access.0, links });
    }
    if let Some(raw::Initrd { modules, load }) = &raw.initrd {
        let initrd = recipe.initrd.get_or_insert_default();
        initrd.modules.extend(modules.iter().map(|module| module.0.clone()));
        initrd.load.extend(load.iter().map(|module| module.0.clone()));
    }
    recipe.disk.lay(&raw.disk).map_err(|what| folder.refuse(what))?;
    Ok(())
}

/// A later recipe may enable what an earlier one disables, and the other way round.
fn lay_units(recipe: &mut Recipe, folder: &Folder) -> Result<()> {
    let (kind, raw) = (&folder.kind, &folder.recipe.units);
    for unit in &raw.without {
        let said = [&mut recipe.enable, &mut recipe.disable, &mut recipe.mask];
        // all three are asked: a unit may be in more than one
        if said.map(|units| units.remove(&unit.0)).iter().all(Option::is_none) {
            return Err(folder.refuse(format!("units.without: `{}` is not inherited", unit.0)));
        }
    }
    for unit in &raw.enable {
        recipe.disable.remove(&unit.0);
        recipe.enable.insert(unit.0.clone(), kind.clone());
    }
    for unit in &raw.disable {
        if raw.enable.iter().any(|enabled| enabled.0 == unit.0) {
            return Err(folder.refuse(format!("unit `{}` is both enabled and disabled", unit.0)));
        }
        recipe.enable.remove(&unit.0);
        recipe.disable.insert(unit.0.clone(), kind.clone());
    }
    recipe.mask.extend(raw.mask.iter().map(|unit| (unit.0.clone(), kind.clone())));
    Ok(())
}

fn lay_packages(recipe: &mut Recipe, folder: &Folder) -> Result<()> {
    let (kind, raw) = (&folder.kind, &folder.recipe.packages);
    for name in &raw.without {
        let is_taken = recipe.taken.remove(name).is_some();
        if recipe.packages.remove(name).is_none() && !is_taken {
            return Err(folder.refuse(format!("packages.without: `{name}` is not inherited")));
        }
    }
    let asked = [
        (&raw.install, None),
        (&raw.install_amd64, Some(Arch::Amd64)),
        (&raw.install_arm64, Some(Arch::Arm64)),
    ];
    for (names, arch) in asked {
        for name in names {
            let asked = RequestedPackage { kind: kind.clone(), arch };
            if recipe.packages.insert(name.clone(), asked).is_some() {
                return Err(folder.refuse(format!("packages.install: duplicate `{name}`")));
            }
        }
    }
    let files =
        [(&raw.files, None), (&raw.files_amd64, Some(Arch::Amd64)), (&raw.files_arm64, Some(Arch::Arm64))];
    for (paths, arch) in files {
        for path in paths {
            let asked = RequestedPackage { kind: kind.clone(), arch };
            if recipe.local.insert(path.0.clone(), asked).is_some() {
                return Err(folder.refuse(format!("packages.files: duplicate `{}`", path.0)));
            }
        }
    }
    recipe.sources.extend(raw.sources.iter().map(|name| (name.clone(), kind.clone())));
    for (name, taken) in &raw.taken {
        let privileges = taken.privileges.iter().map(|allowed| allowed.0.clone()).collect();
        let taken = PackageSource { kind: kind.clone(), from: taken.from.clone(), privileges };
        recipe.taken.insert(name.clone(), taken);
    }
    let all = |names: &[Name]| names.iter().map(|name| (name.clone(), kind.clone())).collect::<Vec<_>>();
    recipe.reviewed_only = match raw.scripts {
        None => recipe.reviewed_only,
        Some(scripts) => scripts == raw::Scripts::Reviewed,
    };
    recipe.recommends_of.extend(all(&raw.recommends_of));
    recipe.avoid.extend(all(&raw.avoid));
    Ok(())
}

fn component(kind: &Kind, raw: &raw::Component) -> Component {
    let install = |file: &raw::Install| Install {
        from: file.from.clone(),
        to: file.to.clone(),
        except: file.except.clone(),
        access: Access { mode: file.mode.0, owner: file.owner.0.clone(), group: file.group.0.clone() },
    };
    let mut providers = raw.providers.clone();
    providers.sort_unstable();
    let files = raw.files.iter().map(install).collect();
    let units = raw.units.iter().map(|unit| unit.0.clone()).collect();
    let privileges = raw.privileges.iter().map(|allowed| allowed.0.clone()).collect();
    let raw::Component { r#static, optional, strip, .. } = *raw;
    Component { kind: kind.clone(), providers, files, strip, r#static, optional, units, privileges }
}

fn image(kind: &Kind, raw: &raw::Image) -> Result<Image, &'static str> {
    let raw::Image { digest, digest_amd64, digest_arm64, from } = raw;
    let digests: BTreeMap<Arch, _> = match (digest, digest_amd64, digest_arm64) {
        (Some(digest), None, None) => Arch::ALL.map(|arch| (arch, *digest)).into(),
        (None, None, None) => return Err("expected `digest`, or `digest-amd64` and `digest-arm64`"),
        (Some(_), ..) => return Err("expected either `digest`, or `digest-amd64` and `digest-arm64`"),
        (None, amd64, arm64) => {
            let both = [(Arch::Amd64, amd64), (Arch::Arm64, arm64)];
            both.into_iter().filter_map(|(arch, digest)| Some((arch, (*digest)?))).collect()
        }
    };
    Ok(Image { kind: kind.clone(), digests, from: from.as_ref().map(|from| from.0.clone()) })
}

fn lay_files(recipe: &mut Recipe, folder: &Folder) -> Result<()> {
    let access = &folder.recipe.access;
    let own: BTreeSet<&ImagePath> = folder.rootfs.iter().map(|file| &file.path).collect();
    if let Some(path) = access.keys().find(|path| !own.contains(path)) {
        return Err(folder.refuse(format!("access: there is no `rootfs{path}` in this recipe")));
    }
    for file in &folder.rootfs {
        check_file(folder, file)?;
        let RootfsFile { path, source, executable, provider, body } = file.clone();
        let mode = match executable {
            _ if path.as_str().starts_with("/etc/sudoers.d/") => 0o440,
            true => 0o755,
            false => 0o644,
        };
        let root = || Access { mode, owner: "root".to_owned(), group: "root".to_owned() };
        let access = access.get(&path).map_or_else(root, |access| access.0.clone());
        let key = (path, provider);
        recipe.files.insert(key, File { kind: folder.kind.clone(), source, access, body, provider });
    }
    Ok(())
}

/// Refuses what nobody means to have in an image.
fn check_file(folder: &Folder, file: &RootfsFile) -> Result<()> {
    let name = file.path.file_name();
    let is_backup = name.ends_with('~')
        || [".DS_Store", "Thumbs.db"].contains(&name)
        || name.starts_with("._")
        || (name.starts_with('.') && name.ends_with(".swp"))
        || (name.starts_with('#') && name.ends_with('#') && name.len() > 1);
    let refuse = |what: &str, hint: String| {
        let artifact = format!("image-recipes/{}/{}", folder.kind, file.source);
        Err(Refusal::new(Class::Usage, artifact, Stage::Parse, what.to_owned()).hint(hint))
    };
    if is_backup {
        return refuse(
            "a file left by an editor or file manager",
            format!("rm image-recipes/{}/{}", folder.kind, file.source),
        );
    }
    match &file.body {
        Body::Bytes(bytes) if bytes.starts_with(b"#!") && bytes.windows(2).any(|pair| pair == b"\r\n") => {
            refuse(
                "a script whose lines end with CR LF: its interpreter would not be found",
                format!("sed -i 's/\\r$//' image-recipes/{}/{}", folder.kind, file.source),
            )
        }
        _ => Ok(()),
    }
}

/// No number may be given to two users or two groups.
fn check_ids(recipe: &Recipe, last: &Folder) -> Result<()> {
    let users = recipe.users.iter().map(|(name, user)| (user.uid, name));
    let own_groups = recipe.users.iter().map(|(name, user)| (user.uid, name));
    let groups = recipe.groups.iter().map(|(name, group)| (group.gid, name)).chain(own_groups);
    for (sort, ids) in [("user", users.collect::<Vec<_>>()), ("group", groups.collect())] {
        let mut seen = BTreeMap::new();
        for (id, name) in ids.into_iter().chain(recipe.ids.iter().map(|(name, id)| (*id, name))) {
            match seen.insert(id, name) {
                Some(other) if other != name => {
                    return Err(
                        last.refuse(format!("{sort} ID {id} is assigned to both `{other}` and `{name}`"))
                    );
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn sorted(names: &[Account]) -> Vec<String> {
    let set: BTreeSet<&String> = names.iter().map(|name| &name.0).collect();
    set.into_iter().cloned().collect()
}
