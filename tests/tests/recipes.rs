//! The committed recipes and manifests against the contract of a node: users, directories, where programs are, what may
//! be set, and what may not enter.

use anyhow::{Context as _, Result, bail};
use bake::manifest::Entry;
use bake::recipe::{Body, Recipe};
use std::collections::{BTreeMap, BTreeSet};
use tests::recipes::{KINDS, manifest, recipe};
use tests::workspace;
use tree::name::{Arch, ImagePath};

/// Kind, access, paths.
const DIRECTORIES: [(&str, &str, &str); 24] = [
    ("knd", "0755 root:root", "/etc/containerd /etc/containerd/certs.d /opt/podplane/bin /opt/podplane/lib"),
    ("knd", "0755 root:root", "/opt/podplane/share /opt/podplane/share/defaults"),
    ("knd", "0750 root:podplane", "/opt /opt/podplane /opt/crt /opt/pub /opt/env"),
    ("knd", "0710 root:podplane", "/opt/key"),
    ("knd", "0700 root:root", "/opt/podplane/etc /opt/bin /opt/versions /opt/cni"),
    ("knd", "0700 nstance-agent:nstance-agent", "/opt/nstance-agent /opt/nstance-agent/identity"),
    ("knd", "0700 nstance-agent:nstance-agent", "/opt/nstance-agent/keys /opt/nstance-agent/recv"),
    ("knd", "0700 fluent-bit:fluent-bit", "/opt/fluent-bit /var/lib/fluent-bit"),
    ("knd", "0700 kube2iam:kube2iam", "/opt/kube2iam"),
    ("knd", "0700 kubelet:kubelet", "/opt/kubelet"),
    ("knd", "0700 zot:zot", "/opt/zot /opt/zot/etc /opt/zot/storage"),
    ("knd", "0750 root:kube2iam", "/opt/key/kube2iam"),
    ("knd", "0750 root:kubelet", "/opt/key/kubelet"),
    ("knd", "0750 root:containerd", "/opt/key/containerd"),
    ("knd", "0750 root:zot", "/opt/key/registry"),
    ("knd", "0750 kubelet:kubelet", "/var/lib/kubelet /var/log/containers /var/log/pods"),
    ("knc", "0700 netsy:netsy", "/opt/data /opt/netsy"),
    ("knc", "0700 kube-apiserver:kube-apiserver", "/opt/kube-apiserver"),
    ("knc", "0700 kube-scheduler:kube-scheduler", "/opt/kube-scheduler"),
    ("knc", "0700 kube-controller-manager:kube-controller-manager", "/opt/kube-controller-manager"),
    ("knc", "0750 root:netsy", "/opt/netsy/etc /opt/key/netsy"),
    ("knc", "0750 root:kube-apiserver", "/opt/key/kube-apiserver"),
    ("knc", "0750 root:kube-scheduler", "/opt/key/kube-scheduler"),
    ("knc", "0750 root:kube-controller-manager", "/opt/key/kube-controller-manager"),
];

/// Kind, user, further groups.
const USERS: [(&str, &str, &str); 11] = [
    ("knd", "podplane", ""),
    ("knd", "nstance-agent", "podplane"),
    ("knd", "fluent-bit", "podplane systemd-journal"),
    ("knd", "kube2iam", "podplane"),
    ("knd", "containerd", "podplane"),
    ("knd", "kubelet", "containerd podplane"),
    ("knd", "zot", "podplane"),
    ("knc", "netsy", "podplane"),
    ("knc", "kube-apiserver", "podplane"),
    ("knc", "kube-scheduler", "podplane"),
    ("knc", "kube-controller-manager", "podplane"),
];

/// Kind, component, where its programs are.
const PROGRAMS: [(&str, &str, &str); 13] = [
    (
        "knd",
        "containerd",
        "/usr/local/bin/containerd /usr/local/bin/containerd-shim-runc-v2 /usr/local/bin/ctr",
    ),
    ("knd", "crictl", "/usr/local/bin/crictl"),
    ("knd", "runc", "/usr/local/sbin/runc"),
    ("knd", "kubelet", "/usr/bin/kubelet"),
    ("knd", "zot", "/usr/bin/zot"),
    ("knd", "nstance-agent", "/opt/nstance-agent/bin/nstance-agent"),
    ("knd", "kube2iam", "/opt/kube2iam/bin/kube2iam"),
    ("knd", "cni-plugins", "/opt/cni/bin/"),
    ("knc", "kube-apiserver", "/usr/bin/kube-apiserver"),
    ("knc", "kube-scheduler", "/usr/bin/kube-scheduler"),
    ("knc", "kube-controller-manager", "/usr/bin/kube-controller-manager"),
    ("knc", "kubectl", "/usr/bin/kubectl"),
    ("knc", "netsy", "/opt/netsy/bin/netsy"),
];

fn body<'a>(recipe: &'a Recipe, path: &str) -> Result<&'a str> {
    let file = recipe.files.get(&(path.parse::<ImagePath>()?, None)).context("no such file")?;
    let Body::Bytes(bytes) = &file.body else { bail!("`{path}` is a link") };
    Ok(std::str::from_utf8(bytes)?)
}

#[test]
fn directories_have_the_modes_and_owners_of_the_contract() -> Result<()> {
    let recipe = recipe("knc")?;
    for (kind, access, paths) in DIRECTORIES {
        for path in paths.split(' ') {
            let got = recipe.directories.get(&path.parse()?).unwrap_or_else(|| panic!("no `{path}`"));
            let text = format!("{:04o} {}:{}", got.access.mode, got.access.owner, got.access.group);
            assert_eq!((text.as_str(), got.kind.as_str()), (access, kind), "{path}");
        }
    }
    Ok(())
}

#[test]
fn users_are_those_of_the_contract_and_keep_their_numbers() -> Result<()> {
    let recipe = recipe("knc")?;
    for (kind, name, groups) in USERS {
        let user = &recipe.users[name];
        assert_eq!((user.groups.join(" ").as_str(), user.kind.as_str()), (groups, kind), "{name}");
        assert_eq!(user.shell.as_str(), "/usr/sbin/nologin", "{name}");
        let regular = name == "kubelet";
        assert_eq!(regular, user.uid >= 1000, "{name}: {}", user.uid);
    }
    // numbers are for good: a change of this line breaks volumes that outlive an image
    let numbers: Vec<String> = USERS.iter().map(|(_, name, _)| recipe.users[*name].uid.to_string()).collect();
    assert_eq!(numbers.join(" "), "900 901 902 903 904 1900 905 906 907 908 909");
    Ok(())
}

#[test]
fn programs_are_where_the_contract_has_them() -> Result<()> {
    let recipe = recipe("knc")?;
    for (kind, name, places) in PROGRAMS {
        let component = recipe.components.get(&name.parse()?).unwrap_or_else(|| panic!("no `{name}`"));
        let got: Vec<&str> = component.files.iter().map(|file| file.to.as_str()).collect();
        assert_eq!((got.join(" ").as_str(), component.kind.as_str()), (places, kind), "{name}");
        assert!(component.files.iter().all(|file| file.access.mode == 0o755), "{name}");
    }
    let configure = recipe.configure.expect("knd has configure");
    assert_eq!(configure.path.as_str(), "/opt/podplane/bin/configure");
    let links: BTreeSet<&str> = configure.links.iter().map(ImagePath::file_name).collect();
    let scripts = "bootstrap configure install nstance-recv-watch restart update-mutable-env";
    let scripts: BTreeSet<String> = scripts.split(' ').map(|name| format!("{name}.sh")).collect();
    assert_eq!(links, scripts.iter().map(String::as_str).collect());
    Ok(())
}

#[test]
fn the_policy_that_nodes_come_with_is_the_default_spelled_out() -> Result<()> {
    use configure::keys::{Grant, KEYS};
    use configure::policy::{Change, Policy, parse};
    let recipe = recipe("knc")?;
    let text = body(&recipe, "/opt/podplane/share/policy.toml")?;
    let policy = parse(text.as_bytes(), "policy.toml").expect("a policy");
    let classes: BTreeSet<&str> = Grant::ALL.into_iter().map(Grant::name).collect();
    assert_eq!(policy.lines().map(|line| line.name).collect::<BTreeSet<_>>(), classes);
    for key in KEYS.iter().filter(|key| key.is_live()) {
        let change = |policy: &Policy| policy.of(key.name).map_or(Change::Live, |line| line.change);
        assert_eq!(change(&policy), change(&Policy::default()), "{}", key.name);
    }
    // what the comments show is right as well
    let shown: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# KUBE_")).collect();
    let shown: String = shown
        .iter()
        .filter(|line| line.ends_with(" = \"user-data\""))
        .map(|line| format!("KUBE_{line}\n"))
        .collect();
    assert_eq!(parse(shown.as_bytes(), "policy.toml").map(|policy| policy.lines().count()), Ok(2), "{shown}");
    Ok(())
}

#[test]
fn what_an_image_says_of_its_role_is_what_a_node_of_any_kind_understands() {
    use tree::name::Role;
    for (role, wanted) in [
        (Role::Worker, configure::names::Role::Worker),
        (Role::ControlPlane, configure::names::Role::ControlPlane),
    ] {
        assert_eq!(configure::install::role_of("own", Some(&role.to_string())), Some(wanted));
    }
}

#[test]
fn every_component_is_declared_for_both_architectures_and_the_other_way_round() -> Result<()> {
    for kind in KINDS {
        let recipe = recipe(kind)?;
        // no manifest of upstream's has kube2iam, and a bake for aws says that it is left out; of the two registry caches
        // the pins have zot
        let placed = recipe.components.keys().map(tree::name::Name::as_str);
        let expected: BTreeSet<&str> =
            placed.filter(|name| !["kube2iam", "registry"].contains(name)).collect();
        for arch in Arch::ALL {
            let manifest = manifest(kind, arch)?;
            let found = manifest.components.keys().map(tree::name::Name::as_str);
            // Podplane's own, unreleased package of scripts: no artifact, and nothing of it is in an image
            let found: BTreeSet<&str> = found.filter(|name| *name != "vmconfig").collect();
            assert_eq!(found, expected, "{kind} {arch}");
            for (name, entry) in &manifest.components {
                let unpinned = name.as_str() == "vmconfig";
                assert_eq!(matches!(entry, Entry::Unpinned { .. }), unpinned, "{kind} {arch} {name}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_policy_lets_the_committed_pins_through_and_nothing_older() -> Result<()> {
    let text = std::fs::read_to_string(workspace::root().join("manifests/policy.toml"))?;
    let mut policy = bake::policy::parse("manifests/policy.toml", &text)?;
    let manifest = manifest("knc", Arch::Amd64)?;
    for (name, entry) in &manifest.components {
        if let Entry::Pinned(pin) = entry {
            policy.check(name, &pin.version, &pin.digest, true)?;
        }
    }
    let (runc, containerd) = ("runc".parse()?, "containerd".parse()?);
    let overridden = |name: &tree::name::Name, version: &str| {
        let Some(Entry::Pinned(pin)) = manifest.components.get(name) else { panic!("{name} is pinned") };
        policy.check(name, version, &pin.digest, true).map(|told| told.map(|told| told.refused))
    };
    // the one override there is says what it sets aside
    assert!(overridden(&containerd, "2.3.1")?.expect("an override").contains("CVE-2026-53488"));
    assert_eq!(overridden(&runc, "1.4.2")?, None);
    let Some(Entry::Pinned(pin)) = manifest.components.get(&runc) else { panic!("runc is pinned") };
    for version in ["1.1.15", "1.2.7", "1.3.2", "1.4.0-rc.2"] {
        let refused = policy.check(&runc, version, &pin.digest, true).expect_err(version);
        assert!(refused.to_string().contains("CVE-2025-31133"), "{refused}");
    }
    // without its reviewed line the pinned containerd is refused: the floor is real
    policy.r#override.clear();
    let refused = policy.check(&containerd, "2.3.1", &pin.digest, true).expect_err("2.3.1");
    assert!(refused.to_string().contains("below policy floor"), "{refused}");
    policy.check(&containerd, "2.3.2", &pin.digest, true)?;
    Ok(())
}

#[test]
fn presets_enable_what_recipes_enable_and_nothing_else() -> Result<()> {
    let recipe = recipe("knc")?;
    let mut enabled = BTreeSet::new();
    // those of optional components come and go with them; a preset for a unit that is not there has no effect
    enabled.extend(recipe.components.values().flat_map(|component| component.units.iter().cloned()));
    enabled.extend(recipe.enable.keys().map(|unit| unit.replace("getty@tty1.", "getty@.")));
    let own = std::fs::read_to_string(workspace::root().join("src/first-boot/units/40-first-boot.preset"))?;
    let mut presets = BTreeMap::from([("40-first-boot.preset".to_owned(), own)]);
    for ((path, _), file) in &recipe.files {
        let Some(name) = path.as_str().strip_prefix("/usr/lib/systemd/system-preset/") else { continue };
        let Body::Bytes(bytes) = &file.body else { panic!("`{path}` is a link") };
        presets.insert(name.to_owned(), std::str::from_utf8(bytes)?.to_owned());
    }
    let mut verbs: BTreeMap<&str, &str> = BTreeMap::new();
    for (verb, unit) in presets.values().flat_map(|text| text.lines()).filter_map(|line| line.split_once(' '))
    {
        if ["enable", "disable"].contains(&verb) {
            verbs.entry(unit).or_insert(verb);
        }
    }
    let listed =
        verbs.into_iter().filter(|(_, verb)| *verb == "enable").map(|(unit, _)| unit.to_owned()).collect();
    let names: Vec<String> = presets.keys().cloned().collect();
    assert_eq!(enabled, listed);
    // the first match counts, files in the order of their names; Debian's is 90-systemd.preset
    assert_eq!(names.last().map(String::as_str), Some("89-rest.preset"), "{names:?}");
    Ok(())
}

#[test]
fn no_number_of_base_is_among_those_of_nodes() -> Result<()> {
    let base = recipe("base")?;
    let numbers = base.ids.values().copied().chain(base.users.values().map(|user| user.uid));
    for number in numbers.chain(base.groups.values().map(|group| group.gid)) {
        assert!((950..1000).contains(&number), "{number}: 900 to 949 are those of nodes");
    }
    Ok(())
}

#[test]
fn who_runs_on_workers_asks_the_api_server_by_the_name_in_its_certificate() -> Result<()> {
    let recipe = recipe("knc")?;
    let server = |name: &str| -> Result<String> {
        let text = body(&recipe, &format!("/opt/{name}/etc/kubeconfig"))?;
        let mut servers = text.lines().filter_map(|line| line.trim().strip_prefix("server: "));
        let one = servers.next().context("a server")?;
        assert_eq!(servers.next(), None, "{name}");
        Ok(one.to_owned())
    };
    for (name, wanted) in [
        ("kubelet", "https://kube-apiserver.podplane.internal:6443"),
        ("kube2iam", "https://kube-apiserver.podplane.internal:6443"),
        ("kube-controller-manager", "https://localhost:6443"),
        ("kube-scheduler", "https://localhost:6443"),
    ] {
        assert_eq!(server(name)?, wanted, "{name}");
    }
    Ok(())
}
