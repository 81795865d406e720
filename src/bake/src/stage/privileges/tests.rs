use super::super::tests::{Case, path};
use super::*;
use crate::archive::fixture::{ar, gz};
use crate::manifest::Form;
use crate::unpack::{self, Unpacked};
use std::io::Write as _;
use store::Store;
use tree::digest::Digest;

/// What a package brings: a path (a directory ends in `/`), its mode, its text, or for a link its target.
type Data<'a> = (&'a str, u32, &'a str);

/// A real .deb of `tool` 1.0.
fn deb(control: &str, data: &[Data<'_>]) -> Vec<u8> {
    deb_of(control, &[], data)
}

/// One with more control files.
fn deb_of(control: &str, more: &[Data<'_>], data: &[Data<'_>]) -> Vec<u8> {
    let fields = format!("Package: tool\nVersion: 1.0\nArchitecture: amd64\n{control}Description: a tool\n");
    let control = gz(&tar(&[&[("/control", 0o644, fields.as_str())], more].concat()));
    ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar.gz", &gz(&tar(data)))])
}

fn tar(data: &[Data<'_>]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut known = BTreeSet::new();
    for (at, mode, text) in data {
        for (index, _) in at.match_indices('/').filter(|(index, _)| index + 1 < at.len()) {
            if known.insert(at[..=index].to_owned()) {
                append(&mut builder, &at[..=index], 0o755, "");
            }
        }
        append(&mut builder, at, *mode, text);
    }
    builder.into_inner().unwrap()
}

fn append(builder: &mut ::tar::Builder<Vec<u8>>, at: &str, mode: u32, text: &str) {
    let mut header = ::tar::Header::new_gnu();
    let name = format!(".{at}");
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(9);
    let target = text.strip_prefix("-> ");
    let body = if target.is_some() { "" } else { text };
    header.set_size(body.len() as u64);
    header.set_entry_type(match target {
        Some(_) => ::tar::EntryType::Symlink,
        None if at.ends_with('/') => ::tar::EntryType::Directory,
        None => ::tar::EntryType::Regular,
    });
    if let Some(target) = target {
        header.set_link_name(target).unwrap();
    }
    header.set_cksum();
    builder.append(&header, body.as_bytes()).unwrap();
}

/// A case with the component `tool`, a .deb that is unpacked as a bake does; and the store that has it.
fn with(control: &str, data: &[Data<'_>]) -> (Case, Store, tempfile::TempDir) {
    with_deb(&deb(control, data))
}

fn with_deb(deb: &[u8]) -> (Case, Store, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("store")).unwrap();
    let mut incoming = store.incoming().unwrap();
    incoming.write_all(deb).unwrap();
    let digest: Digest = incoming.commit().unwrap().0.into();
    let package = unpack::package(&store, &"tool".parse().unwrap(), &digest).unwrap();
    let mut case = Case::new();
    case.package(
        "base-files",
        "",
        &["/usr/lib/systemd/system/ssh.service=u", "/usr/lib/sysusers.d/b.conf=g ours 77\nu ours 77:77\n"],
    );
    case.component("tool", Unpacked::Package(package), &[]);
    case.plan.components[0].pin.form = Form::Deb;
    (case, store, place)
}

fn stage(case: &Case, store: &Store) -> Result<Tree> {
    case.stage_reading(&|stored| {
        use std::os::unix::fs::FileExt as _;
        let mut bytes = vec![0; usize::try_from(stored.len).unwrap()];
        store.open_blob(&stored.blob.into())?.read_exact_at(&mut bytes, stored.offset).unwrap();
        Ok(bytes)
    })
}

/// `case` with its component in the lock instead: as a package of the archive of a third party, or as a file of the project.
fn locked(mut case: Case, suite: &str) -> Case {
    let component = case.plan.components.remove(0);
    let Some(Unpacked::Package(package)) = case.components.remove(&component.name) else { panic!("a .deb") };
    case.package("tool", "", &[]);
    case.packages.insert(component.name.clone(), package);
    let tool = case.plan.packages.iter_mut().find(|package| package.name == component.name).unwrap();
    tool.suite = suite.to_owned();
    let vendor = case.plan.suites[0].clone();
    case.plan.suites.push(crate::lock::LockedSuite {
        name: "vendor".into(),
        archive: "vendor".into(),
        ..vendor
    });
    case.plan.allowed.insert(component.name, component.install.privileges);
    case
}

/// What the component of a tree, or the package of its name, grants.
fn granted(tree: &Tree) -> Vec<String> {
    let is_tool = |one: &&Privilege| match &one.owner {
        Origin::Component { name } | Origin::Package { name } => name.as_str() == "tool",
        _ => false,
    };
    tree.privileges().iter().filter(is_tool).map(|one| one.grant.to_string()).collect()
}

#[test]
fn what_a_package_of_a_manifest_grants_is_refused_until_its_recipe_allows_just_that() {
    let sysusers = "/usr/lib/sysusers.d/tool.conf";
    let tmpfiles = "/usr/lib/tmpfiles.d/tool.conf";
    let cases: [(Data<'_>, &[&str]); 36] = [
        (("/usr/bin/tool", 0o4755, "elf"), &["set-uid /usr/bin/tool"]),
        (("/usr/bin/tool", 0o2755, "elf"), &["set-gid /usr/bin/tool"]),
        (("/usr/bin/tool", 0o6755, "elf"), &["set-uid /usr/bin/tool", "set-gid /usr/bin/tool"]),
        (("/etc/sudoers.d/tool", 0o440, "tool ALL=(ALL) NOPASSWD: ALL"), &["sudo /etc/sudoers.d/tool"]),
        (
            (sysusers, 0o644, "u tool 500\nm tool shadow\nm tool tty\n"),
            &["member tool shadow", "member tool tty"],
        ),
        ((sysusers, 0o644, "u tool 500\nm tool root\n"), &["member tool root"]),
        ((sysusers, 0o644, "u tool 500:shadow\n"), &["member tool shadow"]),
        ((sysusers, 0o644, "u tool 500:0\n"), &["member tool root"]),
        ((sysusers, 0o644, "m ours shadow\n"), &["member ours shadow"]),
        // a group of another's package, and a user that takes the group of its name
        ((sysusers, 0o644, "u tool 500\nm tool ours\n"), &["member tool ours"]),
        ((sysusers, 0o644, "u tty 500\n"), &["member tty tty"]),
        (("/usr/share/pam-configs/tool", 0o644, "Name: x\n"), &["pam /usr/share/pam-configs/tool"]),
        (("/etc/pam.d/tool", 0o644, "auth sufficient pam_permit.so"), &["pam /etc/pam.d/tool"]),
        (
            ("/usr/lib/x86_64-linux-gnu/security/pam_tool.so", 0o644, "elf"),
            &["pam /usr/lib/x86_64-linux-gnu/security/pam_tool.so"],
        ),
        (
            ("/usr/local/share/ca-certificates/tool.crt", 0o644, "PEM"),
            &["certificate /usr/local/share/ca-certificates/tool.crt"],
        ),
        (("/etc/ssl/certs/0a1b2c3d.0", 0o777, "-> /opt/tool/ca"), &["certificate /etc/ssl/certs/0a1b2c3d.0"]),
        (("/root/.ssh/authorized_keys", 0o600, "ssh-ed25519 AAAA"), &["ssh /root/.ssh/authorized_keys"]),
        (("/root/.bashrc", 0o644, "x"), &["login /root/.bashrc"]),
        (("/home/ada/.ssh/authorized_keys2", 0o600, "x"), &["ssh /home/ada/.ssh/authorized_keys2"]),
        (
            ("/etc/ssh/sshd_config.d/a.conf", 0o600, "PermitRootLogin yes"),
            &["ssh /etc/ssh/sshd_config.d/a.conf"],
        ),
        ((tmpfiles, 0o644, "f /run/tool/sh 4755 root root\n"), &["tmpfiles f /run/tool/sh 4755 root root"]),
        (
            (tmpfiles, 0o644, "# x\nd /run/tool 0755\nf  /etc/sudoers.d/x  0440 root root - x ALL=ALL\n"),
            &["tmpfiles f /etc/sudoers.d/x 0440 root root - x ALL=ALL"],
        ),
        (
            (tmpfiles, 0o644, "z /var/lib/*/x 0777\nw /proc/sys/kernel/core_pattern - - - - |/x\n"),
            &["tmpfiles w /proc/sys/kernel/core_pattern - - - - |/x", "tmpfiles z /var/lib/*/x 0777"],
        ),
        (
            (tmpfiles, 0o644, "L+ /run/systemd/system/x.service - - - - /opt/x\n"),
            &["tmpfiles L+ /run/systemd/system/x.service - - - - /opt/x"],
        ),
        (
            ("/usr/share/polkit-1/rules.d/tool.rules", 0o644, "js"),
            &["polkit /usr/share/polkit-1/rules.d/tool.rules"],
        ),
        (("/etc/cron.d/tool", 0o644, "* * * * * root x"), &["cron /etc/cron.d/tool"]),
        (("/etc/cron.daily/tool", 0o755, "#!"), &["cron /etc/cron.daily/tool"]),
        (
            ("/usr/lib/systemd/system/multi-user.target.wants/x.service", 0o777, "-> ../x.service"),
            &["unit /usr/lib/systemd/system/multi-user.target.wants/x.service"],
        ),
        (
            ("/usr/lib/systemd/system/ssh.service.d/x.conf", 0o644, "[Service]"),
            &["unit /usr/lib/systemd/system/ssh.service.d/x.conf"],
        ),
        (("/etc/systemd/system/ssh.service", 0o644, "[Service]"), &["unit /etc/systemd/system/ssh.service"]),
        (("/usr/lib/udev/rules.d/99-x.rules", 0o644, "RUN"), &["udev /usr/lib/udev/rules.d/99-x.rules"]),
        (("/etc/modprobe.d/x.conf", 0o644, "install x /x"), &["kernel /etc/modprobe.d/x.conf"]),
        (("/etc/ld.so.preload", 0o644, "/x.so"), &["loader /etc/ld.so.preload"]),
        (("/etc/apt/trusted.gpg.d/x.gpg", 0o644, "key"), &["packages /etc/apt/trusted.gpg.d/x.gpg"]),
        (("/etc/kubernetes/manifests/x.yaml", 0o644, "pod"), &["hook /etc/kubernetes/manifests/x.yaml"]),
        (("/etc/rc2.d/S01x", 0o777, "-> ../init.d/x"), &["hook /etc/rc2.d/S01x"]),
    ];
    for (data, grants) in cases {
        let (mut case, store, _place) = with("", &[data]);
        let refusal = stage(&case, &store).expect_err(grants[0]);
        assert_eq!(
            refusal.to_string(),
            format!(
                "tool: stage: its package grants privileges that the recipe does not allow: {}",
                grants.join("; ")
            )
        );
        assert_eq!(refusal.class, Class::Archive);
        let lines: Vec<String> = grants.iter().map(|grant| format!("{grant:?}")).collect();
        let hint = refusal.hint.unwrap();
        assert!(hint.ends_with(&format!("[components.tool]: privileges = [{}]", lines.join(", "))), "{hint}");
        // another one of the same sort is not meant
        let allowed = |grant: &str| grant.parse::<Grant>().unwrap();
        case.plan.components[0].install.privileges = [allowed(&format!("{}x", grants[0]))].into();
        assert!(stage(&case, &store).is_err(), "{grants:?}");
        case.plan.components[0].install.privileges = grants.iter().map(|grant| allowed(grant)).collect();
        assert_eq!(granted(&stage(&case, &store).unwrap()), grants);
        // what a third party or nobody vouches for, likewise
        for suite in ["vendor", "local"] {
            let (case, store, _place) = with("", &[data]);
            let mut case = locked(case, suite);
            let refusal = stage(&case, &store).expect_err(grants[0]);
            assert!(refusal.to_string().ends_with(&grants.join("; ")), "{refusal}");
            let hint = refusal.hint.unwrap();
            let table =
                format!("[packages.\"tool\"]: from = \"{suite}\", privileges = [{}]", lines.join(", "));
            assert!(hint.ends_with(&table), "{hint}");
            case.plan
                .allowed
                .insert("tool".parse().unwrap(), grants.iter().map(|grant| allowed(grant)).collect());
            assert_eq!(granted(&stage(&case, &store).unwrap()), grants);
        }
        // Debian's own is Debian's word, which lists fewer sorts
        let (case, store, _place) = with("", &[data]);
        assert!(stage(&locked(case, "trixie"), &store).is_ok(), "{grants:?}");
    }
}

#[test]
fn packages_of_third_parties_that_share_a_directory_do_not_vouch_for_each_other() {
    let data = [("/etc/cron.d/", 0o777, "")];
    let (case, store, _place) = with("", &data);
    let mut case = locked(case, "vendor");
    // whatever its name is, Debian's package says the mode
    case.package("zfriend", "", &["/etc/cron.d/"]);
    let tree = stage(&case, &store).unwrap();
    let said = super::super::tests::shown(&tree, "/etc/cron.d");
    assert_eq!(said, "755 0:0 Directory by package `tool`, package `zfriend`");
    case.plan.packages.iter_mut().find(|one| one.name.as_str() == "zfriend").unwrap().suite = "vendor".into();
    let refusal = stage(&case, &store).unwrap_err();
    assert!(refusal.to_string().contains("does not allow: cron /etc/cron.d"), "{refusal}");
}

#[test]
fn what_a_service_usually_brings_grants_nothing() {
    let usual: [Data<'_>; 6] = [
        ("/usr/bin/tool", 0o755, "elf"),
        ("/usr/lib/systemd/system/tool.service", 0o644, "[Service]"),
        ("/usr/lib/sysusers.d/tool.conf", 0o644, "g files 501\nu tool 500\nm tool files\n"),
        ("/usr/lib/tmpfiles.d/tool.conf", 0o644, "d /run/tool 2755 tool tool\nd /var/lib/tool 0750\n"),
        ("/etc/tool/tool.conf", 0o644, "x"),
        ("/var/lib/tool/", 0o2755, ""),
    ];
    let (mut case, store, _place) = with("", &usual);
    // the recipe's own unit is stronger than the package's
    case.file("/etc/systemd/system/tool.service", "[Service]");
    assert_eq!(granted(&stage(&case, &store).unwrap()), [""; 0]);
}

#[test]
fn a_component_replaces_a_package_only_by_the_word_of_the_recipe() {
    for control in ["", "Replaces: base-files\n", "Replaces: base-files (<< 9)\nBreaks: base-files\n"] {
        let data = [("/usr/lib/systemd/system/ssh.service", 0o644, "[Service]")];
        let (mut case, store, _place) = with(control, &data);
        let refusal = stage(&case, &store).expect_err(control);
        assert_eq!(
            refusal.to_string(),
            "tool: stage: `/usr/lib/systemd/system/ssh.service` comes from package `base-files` and from component `tool`"
        );
        case.plan.winners.insert(path(data[0].0), "component:tool".to_owned());
        let tree = stage(&case, &store).unwrap();
        assert_eq!(granted(&tree), [format!("replaces {} of package `base-files`", data[0].0)]);
    }
}

#[test]
fn a_sysusers_file_that_lost_its_path_makes_nobody_a_member() {
    for top in ["/usr/lib", "/lib"] {
        let file = format!("{top}/sysusers.d/b.conf");
        let (mut case, store, _place) = with("", &[(&file, 0o644, "u tool 500\nm tool shadow\n")]);
        case.plan.winners.insert(path("/usr/lib/sysusers.d/b.conf"), "package:base-files".to_owned());
        let tree = stage(&case, &store).unwrap();
        assert_eq!(granted(&tree), [""; 0]);
        let groups = super::super::tests::shown(&tree, "/etc/group");
        assert!(!groups.contains("tool") && groups.contains("ours"), "{top}: {groups}");
    }
}

#[test]
fn accounts_are_those_of_the_master_that_has_its_path() {
    let master = "/usr/share/base-passwd/passwd.master";
    let data = [(master, 0o644, "root:*:0:0:root:/root:/bin/bash\neve:*:1:0::/:/bin/bash\n")];
    let (mut case, store, _place) = with("", &data);
    assert!(stage(&case, &store).is_err(), "two have it");
    case.plan.winners.insert(path(master), "package:base-passwd".to_owned());
    let tree = stage(&case, &store).unwrap();
    assert_eq!(granted(&tree), [""; 0]);
    assert!(!super::super::tests::shown(&tree, "/etc/passwd").contains("eve"));
}

#[test]
fn what_packages_and_recipes_grant_is_listed_with_its_owner() {
    let (mut case, store, _place) = with("", &[]);
    case.package("sudo", "", &["/etc/sudoers.d/README=x"]).file("/etc/cron.d/mine", "x");
    let user = crate::recipe::User {
        kind: case.plan.kind.clone(),
        uid: 900,
        gecos: String::new(),
        home: path("/nonexistent"),
        shell: path("/usr/sbin/nologin"),
        groups: vec!["shadow".to_owned()],
        ssh_authorized_keys: Vec::new(),
        sudo: false,
    };
    case.plan.users.insert("ada".to_owned(), user);
    let lines = |case: &Case| -> Vec<String> {
        let tree = stage(case, &store).unwrap();
        tree.privileges().iter().map(|one| format!("{}: {}", one.owner, one.grant)).collect()
    };
    let expected = [
        "package `sudo`: sudo /etc/sudoers.d/README",
        "recipe `base/recipe.toml`: member ada shadow",
        "recipe `base/rootfs/etc/cron.d/mine`: cron /etc/cron.d/mine",
    ];
    assert_eq!(lines(&case), expected);
}

#[test]
fn what_an_effect_grants_is_the_effects_and_not_the_packages() {
    use crate::effects::{Effect, Known};
    let (mut case, store, _place) = with("", &[]);
    case.package("dash", "", &["/usr/bin/dash=elf", "/etc/cron.d/", "/etc/cron.d/open/", "/srv/x=x"]);
    case.directory("/etc/cron.d/open", 0o777, "root:root").directory("/srv/drop", 0o1777, "root:root");
    let access = |mode| crate::recipe::Access { mode, owner: "root".to_owned(), group: "root".to_owned() };
    let file = |at: &str, mode| Effect::File { path: path(at), access: access(mode), text: "x".to_owned() };
    let give = |at: &str, mode| Effect::Access { path: path(at), access: access(mode), statoverride: false };
    let effects = vec![
        give("/bin/dash", 0o4755),
        give("/etc/cron.d", 0o777),
        give("/srv/x", 0o644),
        file("/etc/ld.so.preload", 0o644),
        file("/etc/profile.d/x.sh", 0o644),
        file("/usr/lib/systemd/system-generators/x", 0o755),
        file("/usr/bin/x", 0o2755),
    ];
    case.plan.effects.insert("dash".parse().unwrap(), Known { effects, ..Known::default() });
    let tree = stage(&case, &store).unwrap();
    let lines: Vec<String> =
        tree.privileges().iter().map(|one| format!("{}: {}", one.owner, one.grant)).collect();
    let expected = [
        "recipe `base/recipe.toml`: writable /etc/cron.d/open",
        "vmbake (effects of dash): set-uid /usr/bin/dash",
        "vmbake (effects of dash): set-gid /usr/bin/x",
        "vmbake (effects of dash): unit /usr/lib/systemd/system-generators/x",
        "vmbake (effects of dash): loader /etc/ld.so.preload",
        "vmbake (effects of dash): login /etc/profile.d/x.sh",
        "vmbake (effects of dash): writable /etc/cron.d",
    ];
    assert_eq!(lines, expected);
}

/// What others have, beside what every case has.
fn others(case: &mut Case) {
    let units = "/usr/lib/systemd/system";
    case.package(
        "systemd",
        "",
        &[
            &format!("{units}/getty@.service=[Service]\n"),
            &format!("{units}/graphical.target=[Unit]\nWants=display-manager.service \\\n  extra.service x@1.service\nAfter=later.service\n"),
            &format!("{units}/timer.timer=[Timer]\nUnit=timed.service\n"),
            &format!("{units}/a.service=[Service]\nEnvironmentFile=-/etc/default/a\n"),
            "/usr/share/dbus-1/system-services/org.x.service=[D-BUS Service]\nSystemdService=asked.service\n",
            "/usr/lib/udev/rules.d/1.rules=ACTION==\"add\", ENV{SYSTEMD_WANTS}+=\"device.service\"\n",
            "/usr/bin/ls=elf",
            "/usr/sbin/ip=elf",
            "/usr/lib/x86_64-linux-gnu/libc.so.6=elf",
            "/usr/lib/sysusers.d/u.conf=g theirs 78\ng them 79\nu them 79:79\n",
            "/var/lib/dbus/machine-id=x",
            "/usr/share/tool-kit/theirs=x",
            "/usr/lib/tmpfiles.d/theirs.conf=x /run/theirs\n",
            "/usr/lib/python3/dist-packages/yaml/nodes.py=x",
        ],
    );
}

#[test]
fn what_root_finds_of_a_package_though_it_is_at_no_place_of_its_own_is_refused_too() {
    let tmpfiles = "/usr/lib/tmpfiles.d/tool.conf";
    let sysusers = "/usr/lib/sysusers.d/00-tool.conf";
    let cases: &[(&[Data<'_>], &[&str])] = &[
        // directories that units are loaded from as well
        (
            &[("/etc/systemd/system.attached/multi-user.target.wants/x.service", 0o644, "[Service]")],
            &["unit /etc/systemd/system.attached/multi-user.target.wants/x.service"],
        ),
        (
            &[("/etc/systemd/system.control/ssh.service", 0o644, "[Service]")],
            &["unit /etc/systemd/system.control/ssh.service"],
        ),
        // a link in place of a directory that nobody else has
        (
            &[("/etc/systemd/system-generators", 0o777, "-> /opt/tool")],
            &["unit /etc/systemd/system-generators"],
        ),
        (&[("/usr/local/lib/systemd", 0o777, "-> /opt/tool")], &["unit /usr/local/lib/systemd"]),
        (&[("/etc/sudoers.d", 0o777, "-> /opt/tool")], &["sudo /etc/sudoers.d"]),
        (&[("/etc/credstore", 0o777, "-> ../opt/tool")], &["hook /etc/credstore"]),
        (&[("/etc/tmpfiles.d", 0o777, "-> /opt/tool")], &["tmpfiles /etc/tmpfiles.d"]),
        (&[("/home/ada/.ssh", 0o777, "-> /opt/tool")], &["login /home/ada/.ssh"]),
        (&[("/srv/ada/.ssh", 0o777, "-> /opt/tool")], &["ssh /srv/ada/.ssh"]),
        // one that others may write to
        (&[("/etc/cron.d/", 0o777, "")], &["cron /etc/cron.d"]),
        (&[("/etc/systemd/system-generators/", 0o757, "")], &["unit /etc/systemd/system-generators"]),
        (&[("/usr/bin/tool", 0o777, "elf")], &["writable /usr/bin/tool"]),
        (
            &[("/etc/cron.d/tool", 0o666, "* * * * * root x")],
            &["cron /etc/cron.d/tool", "writable /etc/cron.d/tool"],
        ),
        (&[("/opt/tool/", 0o777, "")], &["writable /opt/tool"]),
        // found before another's, or without being asked for
        (&[("/usr/sbin/ls", 0o755, "elf")], &["path /usr/sbin/ls"]),
        (&[("/usr/local/bin/ip", 0o755, "elf")], &["path /usr/local/bin/ip"]),
        (&[("/usr/local/lib/libc.so.6", 0o644, "elf")], &["loader /usr/local/lib/libc.so.6"]),
        (
            &[("/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v2/libc.so.6", 0o644, "elf")],
            &["loader /usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v2/libc.so.6"],
        ),
        (
            &[("/usr/lib/x86_64-linux-gnu/libnss_nis.so.2", 0o644, "elf")],
            &["loader /usr/lib/x86_64-linux-gnu/libnss_nis.so.2"],
        ),
        (
            &[("/usr/lib/python3/dist-packages/x.pth", 0o644, "import os")],
            &["loader /usr/lib/python3/dist-packages/x.pth"],
        ),
        (&[("/usr/lib/python3.13/yaml.py", 0o644, "x")], &["loader /usr/lib/python3.13/yaml.py"]),
        (&[("/etc/perl/strict.pm", 0o644, "x")], &["loader /etc/perl/strict.pm"]),
        (&[("/etc/gss/mech.d/x.conf", 0o644, "x")], &["loader /etc/gss/mech.d/x.conf"]),
        (&[("/etc/update-motd.d/x", 0o755, "#!")], &["login /etc/update-motd.d/x"]),
        (&[("/etc/default/locale", 0o644, "LD_PRELOAD=/x.so")], &["login /etc/default/locale"]),
        (&[("/etc/default/a", 0o644, "LD_PRELOAD=/x.so")], &["hook /etc/default/a"]),
        (&[("/etc/fstab", 0o644, "/opt/tool /etc none bind 0 0")], &["hook /etc/fstab"]),
        (&[("/usr/lib/repart.d/90-x.conf", 0o644, "[Partition]")], &["hook /usr/lib/repart.d/90-x.conf"]),
        (
            &[("/usr/lib/dbus-1/system-services/x.service", 0o644, "x")],
            &["dbus /usr/lib/dbus-1/system-services/x.service"],
        ),
        // units that someone else starts
        (
            &[("/usr/lib/systemd/system/display-manager.service", 0o644, "[Service]")],
            &["unit /usr/lib/systemd/system/display-manager.service"],
        ),
        (
            &[("/usr/lib/systemd/system/extra.service", 0o644, "[Service]")],
            &["unit /usr/lib/systemd/system/extra.service"],
        ),
        (
            &[("/usr/lib/systemd/system/timed.service", 0o644, "[Service]")],
            &["unit /usr/lib/systemd/system/timed.service"],
        ),
        (
            &[("/usr/lib/systemd/system/asked.service", 0o644, "[Service]")],
            &["unit /usr/lib/systemd/system/asked.service"],
        ),
        (
            &[("/usr/lib/systemd/system/device.service", 0o644, "[Service]")],
            &["unit /usr/lib/systemd/system/device.service"],
        ),
        (
            &[("/usr/lib/systemd/system/x@.service", 0o644, "[Service]")],
            &["unit /usr/lib/systemd/system/x@.service"],
        ),
        (
            &[("/usr/lib/systemd/system/getty@tty1.service", 0o644, "[Service]")],
            &["unit /usr/lib/systemd/system/getty@tty1.service"],
        ),
        (
            &[("/usr/lib/systemd/system/home.mount", 0o644, "[Mount]")],
            &["unit /usr/lib/systemd/system/home.mount"],
        ),
        (
            &[("/usr/lib/systemd/system/system-getty.slice", 0o644, "[Unit]\nWants=tool.service")],
            &["unit /usr/lib/systemd/system/system-getty.slice"],
        ),
        (
            &[("/usr/lib/systemd/system/dev-ttyS0.device", 0o644, "[Unit]\nWants=tool.service")],
            &["unit /usr/lib/systemd/system/dev-ttyS0.device"],
        ),
        // what programs of others look for without being told to
        (&[("/usr/share/perl5/strict.pm", 0o644, "x")], &["loader /usr/share/perl5/strict.pm"]),
        (
            &[("/usr/lib/python3/dist-packages/apport_python_hook.py", 0o644, "x")],
            &["elsewhere /usr/lib/python3/dist-packages/apport_python_hook.py"],
        ),
        (
            &[("/usr/lib/python3/dist-packages/yaml/__pycache__/nodes.cpython-313.pyc", 0o644, "x")],
            &["elsewhere /usr/lib/python3/dist-packages/yaml/__pycache__/nodes.cpython-313.pyc"],
        ),
        (&[("/usr/sbin/sss_cache", 0o755, "elf")], &["elsewhere /usr/sbin/sss_cache"]),
        (&[("/usr/sbin/tomoyo-init", 0o755, "elf")], &["elsewhere /usr/sbin/tomoyo-init"]),
        (&[("/usr/sbin/mount.vfat", 0o755, "elf")], &["elsewhere /usr/sbin/mount.vfat"]),
        (&[("/etc/dhcpcd.exit-hook", 0o644, "x")], &["elsewhere /etc/dhcpcd.exit-hook"]),
        (&[("/etc/default/rcS", 0o644, "x")], &["elsewhere /etc/default/rcS"]),
        (
            &[("/usr/lib/systemd/network/00-x.network", 0o644, "x")],
            &["elsewhere /usr/lib/systemd/network/00-x.network"],
        ),
        (
            &[("/usr/share/user-tmpfiles.d/x.conf", 0o644, "x")],
            &["elsewhere /usr/share/user-tmpfiles.d/x.conf"],
        ),
        (&[("/etc/tool", 0o777, "-> /opt/tool")], &["elsewhere /etc/tool"]),
        // a directory that someone else has something in, too, and a file in place of another's
        (&[("/usr/lib/toolbox/x", 0o644, "x")], &["elsewhere /usr/lib/toolbox/x"]),
        (&[("/usr/share/tool-kit/x", 0o644, "x")], &["elsewhere /usr/share/tool-kit/x"]),
        (&[("/etc/tmpfiles.d/theirs.conf", 0o644, "# none")], &["elsewhere /etc/tmpfiles.d/theirs.conf"]),
        (&[("/etc/sysusers.d/b.conf", 0o644, "# none")], &["elsewhere /etc/sysusers.d/b.conf"]),
        // lines of tmpfiles.d that are about its own, and are read by others
        (
            &[
                ("/run/userdb/", 0o755, ""),
                ("/var/lib/other/", 0o755, ""),
                (tmpfiles, 0o644, "f /run/userdb/x.user 0644 - - - {}\nf /var/lib/other/x\n"),
            ],
            &["tmpfiles f /run/userdb/x.user 0644 - - - {}", "tmpfiles f /var/lib/other/x"],
        ),
        (
            &[(tmpfiles, 0o644, "d /var/lib/tool/.ssh 0700 tool\nC /var/lib/tool/%m - - - - /opt/tool\n")],
            &["tmpfiles C /var/lib/tool/%m - - - - /opt/tool", "tmpfiles d /var/lib/tool/.ssh 0700 tool"],
        ),
        // lines of tmpfiles.d that are about its own, and lead elsewhere
        (
            &[(tmpfiles, 0o644, "L /run/tool/x - - - - /etc/sudoers\nw+ /run/tool/x - - - - x\n")],
            &["tmpfiles w+ /run/tool/x - - - - x"],
        ),
        (
            &[(tmpfiles, 0o644, "L /run/tool/e - - - - /etc\nf /run/tool/e/cron.d/x 0644 root root - x\n")],
            &["tmpfiles f /run/tool/e/cron.d/x 0644 root root - x"],
        ),
        (
            &[
                ("/var/lib/tool/e", 0o777, "-> /etc"),
                (tmpfiles, 0o644, "z /var/lib/tool/*/shadow 0666\nf /var/lib/tool/e/cron.d/x 0644\n"),
            ],
            &["tmpfiles f /var/lib/tool/e/cron.d/x 0644", "tmpfiles z /var/lib/tool/*/shadow 0666"],
        ),
        (
            &[(tmpfiles, 0o644, "C \"/run/tool/a b\" 4755 root root - /usr/bin/sh\n")],
            &["tmpfiles C \"/run/tool/a b\" 4755 root root - /usr/bin/sh"],
        ),
        (
            &[(tmpfiles, 0o644, "C /run/tool/x 0644 root root - /etc/shadow\n")],
            &["tmpfiles C /run/tool/x 0644 root root - /etc/shadow"],
        ),
        (
            &[(tmpfiles, 0o644, "b /var/lib/tool/disk 0666 root root - 8:0\n")],
            &["tmpfiles b /var/lib/tool/disk 0666 root root - 8:0"],
        ),
        (
            &[(tmpfiles, 0o644, "d /run/containerd 0777\nf /var/lib/dbus/x 0666\n")],
            &["tmpfiles d /run/containerd 0777", "tmpfiles f /var/lib/dbus/x 0666"],
        ),
        (
            &[("/opt/tool/t", 0o644, "x"), (tmpfiles, 0o777, "-> /opt/tool/t")],
            &["tmpfiles /usr/lib/tmpfiles.d/tool.conf"],
        ),
        // accounts that get their rights by their name
        (&[(sysusers, 0o644, "u debian 500 - / /bin/bash\n")], &["account debian"]),
        (&[(sysusers, 0o644, "g wheel 501\nu tool 500\nm tool wheel\n")], &["account wheel"]),
        // accounts that it brings before their owner does
        (&[(sysusers, 0o644, "g theirs 78\nu tool 500\nm tool theirs\n")], &["member tool theirs"]),
        (
            &[(sysusers, 0o644, "g them 79\nu them 79:79 - / /bin/sh\n")],
            &["account them", "member them them"],
        ),
    ];
    for (data, grants) in cases {
        let (mut case, store, _place) = with("", data);
        others(&mut case);
        let refusal = stage(&case, &store).expect_err(grants[0]);
        assert_eq!(
            refusal.to_string(),
            format!(
                "tool: stage: its package grants privileges that the recipe does not allow: {}",
                grants.join("; ")
            )
        );
        case.plan.components[0].install.privileges =
            grants.iter().map(|grant| grant.parse::<Grant>().unwrap()).collect();
        assert_eq!(granted(&stage(&case, &store).unwrap()), *grants);
    }
}

#[test]
fn what_is_a_packages_own_grants_nothing_beside_what_others_have() {
    let data: [Data<'_>; 20] = [
        ("/usr/bin/tool", 0o755, "elf"),
        ("/opt/vendor/x", 0o755, "elf"),
        ("/usr/share/doc/vendor/copyright", 0o644, "x"),
        ("/usr/share/man/man1/x.1.gz", 0o644, "x"),
        ("/usr/libexec/tool/x", 0o755, "elf"),
        ("/usr/lib/x86_64-linux-gnu/tool/plugins/x.so", 0o644, "elf"),
        ("/etc/tool-server/x.yaml", 0o644, "x"),
        // as a build with the umask 002 leaves it: root's group has nobody else in it
        ("/opt/tool/", 0o775, ""),
        ("/usr/bin/tool-set", 0o775, "elf"),
        ("/usr/lib/tool/libtool.so.1", 0o644, "elf"),
        ("/usr/lib/python3/dist-packages/tool/main.py", 0o644, "x"),
        ("/usr/lib/systemd/system/tool.service", 0o644, "[Service]"),
        ("/usr/lib/systemd/system/tool@.service", 0o644, "[Service]"),
        ("/usr/lib/systemd/system/tool@1.service", 0o644, "[Service]"),
        ("/usr/lib/systemd/system/later.service", 0o644, "[Service]"),
        ("/usr/lib/systemd/system/tool.timer", 0o644, "[Timer]\nUnit=tool.service"),
        ("/etc/default/tool", 0o644, "x"),
        ("/var/lib/tool/", 0o2775, ""),
        ("/var/lib/tool-data/", 0o755, ""),
        (
            "/usr/lib/tmpfiles.d/tool.conf",
            0o644,
            "# x\nd /run/tool 0755\nL /run/tool/x - - - - ../tool\nd /var/lib/tool-data/x 0700 - - 10d -\n\
             C /var/lib/tool/conf - - - - /etc/default/tool\nz /run/tool/sub/* 0644\n",
        ),
    ];
    let (mut case, store, _place) = with("", &data);
    others(&mut case);
    assert_eq!(granted(&stage(&case, &store).unwrap()), [""; 0]);
}

#[test]
fn no_control_file_becomes_a_program_of_roots_that_anybody_starts_or_may_change() {
    for (mode, shown) in [(0o4755, "4755"), (0o2755, "2755"), (0o777, "0777"), (0o646, "0646")] {
        let (case, store, _place) = with_deb(&deb_of("", &[("/shell", mode, "elf")], &[]));
        assert_eq!(
            stage(&case, &store).expect_err(shown).to_string(),
            format!(
                "tool: stage: its control file `shell` has mode {shown}: expected no special bits, and no write permission for others"
            )
        );
    }
    let (case, store, _place) = with_deb(&deb_of("", &[("/shell", 0o775, "elf")], &[]));
    assert!(stage(&case, &store).is_ok());
}

#[test]
fn a_name_that_root_reads_by_is_nobodys_own() {
    let (case, _store, _place) = with("", &[]);
    let tree = case.stage().unwrap();
    let owner = Origin::Component { name: "x".parse().unwrap() };
    // each is called after its package, and is a place that root looks into
    for (name, line) in [
        ("userdb", "f /run/userdb/x.user"),
        ("sysctl", "f /run/sysctl.d/x.conf"),
        ("polkit-1", "d /run/polkit-1/rules.d"),
        ("tmpfiles", "d /var/run/tmpfiles.d"),
        ("binfmt", "L /run/binfmt.d"),
        ("extensions", "d /var/lib/extensions/x"),
        ("systemd", "d /run/systemd/system"),
    ] {
        let name = name.parse().unwrap();
        let strange = tmpfiles::UntrustedLines::of(&tree, &owner, &name, &[line.to_owned()]);
        assert_eq!(strange.lines(line), [line]);
    }
}
