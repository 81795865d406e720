use super::*;

fn folder(kind: &str, text: &str) -> Folder {
    let recipe = parse(&format!("{kind}/recipe.toml"), text).unwrap();
    Folder { kind: kind.parse().unwrap(), recipe, rootfs: Vec::new() }
}

const BASE: &str = r#"
[recipe]
role = "none"
[packages]
install = ["systemd", "containerd"]
install-amd64 = ["linux-image-cloud-amd64"]
install-arm64 = ["linux-image-cloud-arm64"]
[units]
enable = ["ssh.service"]
"#;

const WORKER: &str = r#"
[recipe]
extends = "base"
role = "worker"
[packages]
without = ["containerd"]
install = ["uidmap"]
[components.containerd]
files = [{ from = "bin/ctr", to = "/usr/local/bin/ctr", mode = "0755" }]
[users.zot]
uid = 905
home = "/opt/zot"
groups = ["podplane", "adm"]
[groups.podplane]
gid = 900
[directories]
"/opt/key" = "0710 root:podplane"
"#;

#[test]
fn a_kind_has_what_it_inherits_and_what_it_says() {
    let recipe = combine(&[folder("base", BASE), folder("knd", WORKER)]).unwrap();
    assert_eq!(recipe.role, Role::Worker);
    let names = |arch| recipe.packages_for(arch).map(Name::as_str).collect::<Vec<_>>();
    assert_eq!(names(Arch::Amd64), ["linux-image-cloud-amd64", "systemd", "uidmap"]);
    assert_eq!(names(Arch::Arm64), ["linux-image-cloud-arm64", "systemd", "uidmap"]);
    assert_eq!(recipe.users["zot"].groups, ["adm", "podplane"]);
    assert_eq!(recipe.directories[&"/opt/key".parse().unwrap()].access.mode, 0o710);
    assert_eq!(recipe.enable["ssh.service"].as_str(), "base");
}

#[test]
fn what_is_said_of_an_inherited_unit_is_taken_back_and_may_be_said_anew() {
    let base = format!("{BASE}disable = [\"a.timer\"]\nmask = [\"b.service\"]\n");
    let units = |text: &str| {
        let own = format!("[recipe]\nextends = \"base\"\n[units]\n{text}\n");
        let recipe = combine(&[folder("base", &base), folder("own", &own)]).unwrap();
        [recipe.enable, recipe.disable, recipe.mask].map(|units| units.into_keys().collect::<Vec<_>>())
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(
        units("without = [\"ssh.service\", \"a.timer\", \"b.service\"]"),
        [none.clone(), none.clone(), none]
    );
    let [enabled, disabled, masked] = units("without = [\"b.service\"]\nenable = [\"b.service\"]");
    assert_eq!((enabled, disabled), (vec!["b.service".into(), "ssh.service".into()], vec!["a.timer".into()]));
    assert!(masked.is_empty());
}

#[test]
fn an_image_with_a_first_boot_of_its_own_has_nothing_of_cloud_init() {
    let base = BASE.replace("\"containerd\"]", "\"cloud-init\"]").replace(
        "enable = [",
        "disable = [\"cloud-init-hotplugd.socket\"]\nenable = [\"cloud-init-main.service\", ",
    ) + "[users.dhcpcd]\nuid = 988\nhome = \"/usr/lib/dhcpcd\"\n";
    let own = |first_boot: &str| {
        let own = format!("[recipe]\nextends = \"base\"\nfirst-boot = \"{first_boot}\"\n");
        combine(&[folder("base", &base), folder("own", &own)]).unwrap()
    };
    let packages =
        |recipe: &Recipe| recipe.packages_for(Arch::Amd64).map(ToString::to_string).collect::<Vec<_>>();
    let native = own("native");
    assert_eq!(packages(&native), ["linux-image-cloud-amd64", "systemd"]);
    assert!(native.users.is_empty() && native.disable.is_empty());
    assert!(!native.enable.contains_key("cloud-init-main.service"));
    assert!(FIRST_BOOT_UNITS.iter().all(|unit| native.enable[*unit].as_str() == "own"));
    let usual = own("cloud-init");
    assert_eq!(usual.first_boot, FirstBoot::CloudInit);
    assert_eq!(packages(&usual), ["cloud-init", "linux-image-cloud-amd64", "systemd"]);
    assert!(usual.users.contains_key("dhcpcd") && !usual.enable.contains_key("cloud-final.service"));
}

#[test]
fn a_recipe_says_where_packages_are_from_and_a_later_one_may_say_otherwise() {
    let base = BASE.replacen(
        "[units]",
        "files-arm64 = [\"debs/a.deb\"]\nsources = [\"vendor\"]\n\"agent\" = { from = \"vendor\", privileges = [\"cron /etc/cron.d/agent\"] }\n\
         \"a\" = { from = \"local\" }\n[units]",
        1,
    );
    let worker = WORKER.replacen(
        "install = [\"uidmap\"]",
        "install = [\"uidmap\"]\n\"systemd\" = { from = \"trixie-backports\" }",
        1,
    );
    let recipe = combine(&[folder("base", &base), folder("knd", &worker)]).unwrap();
    let request = recipe.request(Arch::Amd64);
    let from: Vec<(&str, &str)> =
        request.from.iter().map(|(name, from)| (name.as_str(), from.as_str())).collect();
    assert_eq!(from, [("agent", "vendor"), ("systemd", "trixie-backports")]);
    // named twice, asked for once; a file is asked for by its path
    let install: Vec<&str> = request.install.iter().map(Name::as_str).collect();
    assert_eq!(install, ["agent", "linux-image-cloud-amd64", "systemd", "uidmap"]);
    assert_eq!((request.files.len(), recipe.request(Arch::Arm64).files), (0, vec!["debs/a.deb".to_owned()]));
    assert_eq!(recipe.taken[&"agent".parse().unwrap()].privileges.len(), 1);
    assert_eq!(recipe.sources["vendor"].as_str(), "base");
    // what asks for nothing new asks for the same as ever
    let plain = combine(&[folder("base", BASE)]).unwrap().request(Arch::Amd64);
    let expected = "arch amd64\ninstall containerd\ninstall linux-image-cloud-amd64\ninstall systemd\n";
    assert_eq!(plain.digest(), tree::digest::Sha256::of(expected.as_bytes()));
    let without = worker.replacen("without = [\"containerd\"]", "without = [\"containerd\", \"agent\"]", 1);
    let recipe = combine(&[folder("base", &base), folder("knd", &without)]).unwrap();
    assert!(!recipe.taken.contains_key(&"agent".parse().unwrap()));
}

#[test]
fn a_key_of_packages_that_is_none_is_refused_with_its_place() {
    let said = |line: &str| {
        let text = BASE.replacen("[units]", &format!("{line}\n[units]"), 1);
        parse("base/recipe.toml", &text).unwrap_err().to_string()
    };
    for (line, expected) in [
        ("instal = [\"x\"]", "expected a known list, or where a package is from"),
        ("\"x\" = \"vendor\"", "expected a known list, or where a package is from"),
        ("\"x\" = { form = \"vendor\" }", "unknown field `form`"),
        ("\"x\" = { privileges = [] }", "missing field `from`"),
        ("\"X\" = { from = \"vendor\" }", "`X` is no name"),
        ("avoid = []\navoid = []", "key given twice"),
        ("files = [\"/debs/a.deb\"]", "expected the path of a .deb below the project's folder"),
        ("files = [\"a.rpm\"]", "expected the path of a .deb below the project's folder"),
    ] {
        let said = said(line);
        let at = format!("line {}", 7 + line.lines().count());
        assert!(said.contains(expected) && said.contains(&at), "{line}: {said}");
    }
}

#[test]
fn a_later_recipe_replaces_what_disks_are_and_adds_to_the_command_line() {
    let base = format!("{BASE}[disk]\nreserve = \"1 GiB\"\nesp = \"128 MiB\"\ncmdline = [\"quiet\"]\n");
    let worker = format!(
        "{WORKER}[disk]\nsize = \"8 GiB\"\nesp = \"96 MiB\"\ncmdline = [\"a=b\"]\ncompression = \"zlib\"\n"
    );
    let disk = combine(&[folder("base", &base), folder("knd", &worker)]).unwrap().disk;
    assert_eq!((disk.reserve, disk.size, disk.esp), (1 << 30, Some(8 << 30), 96 << 20));
    assert_eq!(disk.cmdline.iter().map(Word::as_str).collect::<Vec<_>>(), ["quiet", "a=b"]);
    assert_eq!(disk.compression, Some(::disk::Compression::Zlib));
    assert_eq!(combine(&[folder("base", BASE)]).unwrap().disk, Disk::default());
}

#[test]
fn what_a_recipe_must_not_say_is_refused_at_its_place() {
    let cases = [
        ("[recipe]\n[recipe]\n", "line 2 column 2: key given twice"),
        ("[recipe]\ncolour = 1\n", "unknown field `colour`"),
        ("[recipe]\n[packages]\ninstall = [\"../x\"]\n", "line 3 column 11: `../x` is no name"),
        ("[recipe]\n[directories]\n\"/a/../b\" = \"0755 root:root\"\n", "line 3"),
        ("[recipe]\n[directories]\n\"/a\" = \"755 root:root\"\n", "four octal digits"),
        ("[recipe]\n[directories]\n\"/a\" = \"0755 root\"\n", "expected access such as `0755 owner:group`"),
        ("[recipe]\n[units]\nenable = [\"../x.service\"]\n", "is not a valid unit file name"),
        ("[recipe]\n[files]\nexclude = [\"usr/share\"]\n", "must start with `/`"),
        ("[recipe]\n[files]\nexclude = [\"/usr/[\"]\n", "line 3"),
        ("[recipe]\n[disk]\nsize = \"4 GB\"\n", "line 3 column 8: expected a size such as"),
        ("[recipe]\n[disk]\nreserve = \"0 MiB\"\n", "expected a size such as"),
        ("[recipe]\n[disk]\nesp = \"99999999999999 GiB\"\n", "expected a size such as"),
        ("[recipe]\n[disk]\nsize = 4\n", "line 3"),
        ("[recipe]\n[disk]\ncmdline = [\"a b\"]\n", "expected one word of the kernel's command line"),
        ("[recipe]\n[disk]\ncmdline = [\"root=/dev/sda\"]\n", "cannot be set by a recipe"),
        ("[recipe]\n[disk]\ncompression = \"xz\"\n", "unknown variant `xz`"),
    ];
    for (text, wanted) in cases {
        let refusal = parse("x/recipe.toml", text).unwrap_err();
        assert!(refusal.to_string().contains(wanted), "{text}: {refusal}");
        assert_eq!(refusal.class, tree::refusal::Class::Usage);
    }
}

#[test]
fn layers_that_contradict_each_other_are_refused() {
    let cases = [
        ("[recipe]\n[packages]\ninstall = [\"a\"]\n", "`extends` does not name"),
        ("[recipe]\nextends = \"base\"\n[packages]\nwithout = [\"a\"]\n", "`a` is not inherited"),
        (
            "[recipe]\nextends = \"base\"\n[units]\nwithout = [\"a.service\"]\n",
            "units.without: `a.service` is not inherited",
        ),
        ("[recipe]\nextends = \"base\"\n[packages]\ninstall = [\"systemd\"]\n", "duplicate `systemd`"),
        (
            "[recipe]\nextends = \"base\"\n[groups.a]\ngid = 5\n[groups.b]\ngid = 5\n",
            "group ID 5 is assigned to both `a` and `b`",
        ),
        (
            "[recipe]\nextends = \"base\"\n[access]\n\"/etc/x\" = \"0600 root:root\"\n",
            "there is no `rootfs/etc/x`",
        ),
        (
            "[recipe]\nextends = \"base\"\nfirst-boot = \"native\"\n[packages]\ninstall-arm64 = [\"cloud-init\"]\n",
            "`first-boot` is `native`, and `packages.install` has `cloud-init`",
        ),
    ];
    for (text, wanted) in cases {
        let refusal = combine(&[folder("base", BASE), folder("knd", text)]).unwrap_err();
        assert!(refusal.to_string().contains(wanted), "{text}: {refusal}");
    }
}

fn with_file(path: &str, executable: bool, bytes: &[u8]) -> Folder {
    let mut folder = folder("base", BASE);
    folder.rootfs.push(RootfsFile {
        path: path.parse().unwrap(),
        source: format!("rootfs{path}"),
        executable,
        provider: None,
        body: Body::Bytes(bytes.into()),
    });
    folder
}

#[test]
fn a_file_of_a_rootfs_keeps_its_executable_bit_and_sudoers_are_as_sudo_wants_them() {
    for (path, executable, wanted) in [
        ("/usr/bin/tool", true, 0o755),
        ("/etc/tool.conf", false, 0o644),
        ("/etc/sudoers.d/ops", false, 0o440),
        ("/etc/sudoers.d/ops", true, 0o440),
    ] {
        let recipe = combine(&[with_file(path, executable, b"x")]).unwrap();
        let access = &recipe.files[&(path.parse().unwrap(), None)].access;
        assert_eq!((access.mode, access.owner.as_str()), (wanted, "root"), "{path} {executable}");
    }
    let mut own = with_file("/usr/bin/tool", true, b"x");
    own.recipe =
        parse("base/recipe.toml", &format!("{BASE}[access]\n\"/usr/bin/tool\" = \"0700 root:root\"\n"))
            .unwrap();
    let recipe = combine(&[own]).unwrap();
    assert_eq!(recipe.files[&("/usr/bin/tool".parse().unwrap(), None)].access.mode, 0o700);
}

#[test]
fn what_editors_leave_and_scripts_from_windows_are_refused_with_the_way_out() {
    for (path, bytes, cause, hint) in [
        ("/etc/hosts~", &b"x"[..], "an editor", "rm image-recipes/base/rootfs/etc/hosts~"),
        ("/etc/.DS_Store", b"x", "an editor", "rm image-recipes/base/rootfs/etc/.DS_Store"),
        ("/etc/._hosts", b"x", "an editor", "rm "),
        ("/etc/.hosts.swp", b"x", "an editor", "rm "),
        ("/etc/#hosts#", b"x", "an editor", "rm "),
        (
            "/usr/bin/x",
            b"#!/bin/sh\r\ntrue\r\n",
            "CR LF",
            "sed -i 's/\\r$//' image-recipes/base/rootfs/usr/bin/x",
        ),
    ] {
        let refusal = combine(&[with_file(path, false, bytes)]).unwrap_err();
        assert!(refusal.to_string().contains(cause), "{path}: {refusal}");
        assert!(refusal.hint.unwrap_or_default().contains(hint), "{path}");
    }
    // text that is not a script may have any line ends, and a dot any meaning
    for (path, bytes) in
        [("/etc/x.conf", &b"a\r\n"[..]), ("/etc/.hidden", b"x"), ("/usr/bin/x", b"#!/bin/sh\n")]
    {
        combine(&[with_file(path, false, bytes)]).unwrap();
    }
}

#[test]
fn a_user_with_a_key_or_sudo_is_a_person() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC7dZ3nT1xq0yVb9m0cS4xk2gHf8sJ6wQe5uRr1tYp0L me";
    let user = |text: &str| {
        let text = format!("{BASE}[users.ada]\nuid = 1000\n{text}\n");
        let folder = Folder {
            kind: "base".parse().unwrap(),
            recipe: parse("base/recipe.toml", &text)?,
            rootfs: Vec::new(),
        };
        combine(&[folder]).map(|recipe| recipe.users["ada"].clone())
    };
    let ada = user(&format!("ssh_authorized_keys = [\"{key}\"]\nsudo = true")).unwrap();
    assert_eq!((ada.home.as_str(), ada.shell.as_str(), ada.logs_in()), ("/home/ada", "/bin/bash", true));
    assert_eq!((ada.ssh_authorized_keys, ada.sudo), (vec![key.to_owned()], true));
    let service = user("").unwrap();
    assert_eq!((service.shell.as_str(), service.logs_in()), ("/usr/sbin/nologin", false));
    user(&format!("ssh_authorized_keys = ['from=\"10.0.0.0/8\" {key}']")).unwrap();
    for (text, wanted) in [
        (
            "ssh_authorized_keys = [\"-----BEGIN OPENSSH PRIVATE KEY-----\"]".to_owned(),
            "expected public keys",
        ),
        ("ssh_authorized_keys = [\"~/.ssh/id_ed25519.pub\"]".to_owned(), "expected public keys"),
        (format!("ssh_authorized_keys = [\"{key}\\n{key}\"]"), "expected public keys"),
        ("sudo = true\nshell = \"/usr/sbin/nologin\"".to_owned(), "has no effect for a user with"),
        // what a reader does not see, or sees turned around
        (format!("ssh_authorized_keys = [\"{key}\u{202e}\"]"), "expected public keys"),
        ("gecos = \"Ada \u{202e}toor\"".to_owned(), "gecos must not contain"),
        ("gecos = \"Ada\u{200b}\"".to_owned(), "gecos must not contain"),
    ] {
        let refusal = user(&text).unwrap_err();
        assert!(refusal.to_string().contains(wanted), "{text}: {refusal}");
        assert!(!refusal.to_string().contains("PRIVATE"), "{refusal}");
    }
}

#[test]
fn a_container_image_has_a_digest_for_all_machines_or_one_for_each() {
    let digest = format!("\"sha256:{}\"", "ab".repeat(32));
    let read = |table: &str| {
        let text = format!("[recipe]\n[images]\n\"a.example/x:1\" = {}\n", table.replace("DIGEST", &digest));
        let recipe = parse("base/recipe.toml", &text)?;
        combine(&[Folder { kind: "base".parse().unwrap(), recipe, rootfs: Vec::new() }])
    };
    for (table, machines) in [
        ("{ digest = DIGEST }", &Arch::ALL[..]),
        ("{ digest-amd64 = DIGEST, digest-arm64 = DIGEST, from = \"images/x.tar\" }", &Arch::ALL),
        ("{ digest-arm64 = DIGEST }", &[Arch::Arm64]),
    ] {
        let recipe = read(table).unwrap();
        let image = recipe.images.values().next().unwrap();
        assert_eq!(
            Arch::ALL.into_iter().filter(|arch| image.digest(*arch).is_some()).collect::<Vec<_>>(),
            machines
        );
    }
    for table in [
        "{}",
        "{ digest = DIGEST, digest-amd64 = DIGEST }",
        "{ digest = \"sha256:00\" }",
        "{ digest = DIGEST, tag = \"1\" }",
        "{ digest = DIGEST, from = \"/etc/x.tar\" }",
        "{ digest = DIGEST, from = \"../x.tar\" }",
        "{ digest = DIGEST, from = \"images/.git/x.tar\" }",
        "DIGEST",
    ] {
        assert!(read(table).is_err(), "{table}");
    }
}
