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
fn a_later_recipe_replaces_what_disks_are_and_adds_to_the_command_line() {
    let base = format!("{BASE}[disk]\nreserve = \"1 GiB\"\nesp = \"128 MiB\"\ncmdline = [\"quiet\"]\n");
    let worker = format!(
        "{WORKER}[disk]\nsize = \"8 GiB\"\nesp = \"96 MiB\"\ncmdline = [\"a=b\"]\ncompression = \"zlib\"\n"
    );
    let disk = combine(&[folder("base", &base), folder("knd", &worker)]).unwrap().disk;
    assert_eq!((disk.reserve, disk.size, disk.esp), (1 << 30, Some(8 << 30), 96 << 20));
    assert_eq!(disk.cmdline.iter().map(Word::as_str).collect::<Vec<_>>(), ["quiet", "a=b"]);
    assert_eq!(disk.compression, DiskCompression::Zlib);
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
        ("[recipe]\n[directories]\n\"/a\" = \"0755 root\"\n", "wanted `0755 owner:group`"),
        ("[recipe]\n[units]\nenable = [\"../x.service\"]\n", "is no file name of a unit"),
        ("[recipe]\n[files]\nexclude = [\"usr/share\"]\n", "must start with `/`"),
        ("[recipe]\n[files]\nexclude = [\"/usr/[\"]\n", "line 3"),
        ("[recipe]\n[disk]\nsize = \"4 GB\"\n", "line 3 column 8: wanted a size such as"),
        ("[recipe]\n[disk]\nreserve = \"0 MiB\"\n", "wanted a size such as"),
        ("[recipe]\n[disk]\nesp = \"99999999999999 GiB\"\n", "wanted a size such as"),
        ("[recipe]\n[disk]\nsize = 4\n", "line 3"),
        ("[recipe]\n[disk]\ncmdline = [\"a b\"]\n", "wanted one word of the kernel's command line"),
        ("[recipe]\n[disk]\ncmdline = [\"root=/dev/sda\"]\n", "is not a recipe's to say"),
        ("[recipe]\n[disk]\ncompression = \"xz\"\n", "unknown variant `xz`"),
    ];
    for (text, wanted) in cases {
        let refusal = parse("x/recipe.toml", text).unwrap_err();
        assert!(refusal.to_string().contains(wanted), "{text}: {refusal}");
        assert_eq!(refusal.class, crate::Class::Usage);
    }
}

#[test]
fn layers_that_contradict_each_other_are_refused() {
    let cases = [
        ("[recipe]\n[packages]\ninstall = [\"a\"]\n", "`extends` does not name"),
        ("[recipe]\nextends = \"base\"\n[packages]\nwithout = [\"a\"]\n", "`a` is not inherited"),
        (
            "[recipe]\nextends = \"base\"\n[packages]\ninstall = [\"systemd\"]\n",
            "`systemd` is asked for twice",
        ),
        (
            "[recipe]\nextends = \"base\"\n[groups.a]\ngid = 5\n[groups.b]\ngid = 5\n",
            "group id 5 is given to `a` and to `b`",
        ),
        (
            "[recipe]\nextends = \"base\"\n[access]\n\"/etc/x\" = \"0600 root:root\"\n",
            "there is no `rootfs/etc/x`",
        ),
    ];
    for (text, wanted) in cases {
        let refusal = combine(&[folder("base", BASE), folder("knd", text)]).unwrap_err();
        assert!(refusal.to_string().contains(wanted), "{text}: {refusal}");
    }
}
