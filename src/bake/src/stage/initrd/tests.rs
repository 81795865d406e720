use crate::plan::PlannedInit;
use crate::stage::modules::fixture::{Said, module};
use crate::stage::tests::{Case, path, shown};
use std::collections::BTreeMap;
use tree::digest::Sha256;
use tree::{Content, Node};

const FOLDER: &str = "/usr/lib/modules/1.0/kernel";

fn planned(modules: &[&str], load: &[&str]) -> PlannedInit {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let bytes: std::sync::Arc<[u8]> = b"INIT".as_slice().into();
    PlannedInit {
        modules: names(modules),
        load: names(load),
        level: 3,
        digest: Sha256::of(&bytes),
        size: 4,
        bytes,
    }
}

/// A kernel with a disk driver, what that needs, and others.
fn case(init: PlannedInit) -> Case {
    let mut case = Case::new();
    let builtin = "/usr/lib/modules/1.0/modules.builtin=kernel/fs/ext4/ext4.ko\n";
    case.package("linux", "", &["/boot/vmlinuz-1.0=kernel", builtin]);
    for (file, said) in [
        ("scsi_common.ko", Said { exports: &["common"], ..Said::default() }),
        ("scsi_mod.ko", Said { exports: &["scsi"], needs: &["common"], ..Said::default() }),
        (
            "sd_mod.ko",
            Said { info: &["alias=scsi:t-0x00*", "softdep=pre: crc"], needs: &["scsi"], ..Said::default() },
        ),
        ("crc-generic.ko", Said { info: &["alias=crc"], ..Said::default() }),
        ("dm-verity.ko", Said { info: &["alias=dm-verity"], ..Said::default() }),
        ("sound.ko", Said { info: &["alias=pci:v1*"], ..Said::default() }),
    ] {
        case.bytes("linux", &format!("{FOLDER}/{file}"), module(said));
    }
    case.plan.init = Some(init);
    case
}

/// The entries of the initrd: name → mode, content.
fn unpacked(case: &Case) -> BTreeMap<String, (u32, String)> {
    let tree = case.stage().unwrap();
    let Node::File(Content::Inline(bytes)) = &tree.get(&path("/boot/initrd.img-1.0")).unwrap().node else {
        panic!("no file");
    };
    let plain = zstd::decode_all(&bytes[..]).unwrap();
    let (mut rest, mut entries) = (&plain[..], BTreeMap::new());
    loop {
        let number = |index: usize| {
            let text = std::str::from_utf8(&rest[6 + 8 * index..14 + 8 * index]).unwrap();
            usize::from_str_radix(text, 16).unwrap()
        };
        assert_eq!(&rest[..6], b"070701");
        let (mode, size, name_size) = (number(1), number(6), number(11));
        let name = std::str::from_utf8(&rest[110..110 + name_size - 1]).unwrap().to_owned();
        let start = (110 + name_size).next_multiple_of(4);
        if name == "TRAILER!!!" {
            assert_eq!(rest.len(), start);
            return entries;
        }
        let content = String::from_utf8_lossy(&rest[start..start + size]).into_owned();
        entries.insert(name, (u32::try_from(mode).unwrap(), content));
        rest = &rest[(start + size).next_multiple_of(4)..];
    }
}

#[test]
fn an_initrd_has_what_finds_disks_and_what_that_needs() {
    let entries = unpacked(&case(planned(&[], &[])));
    let names: Vec<&str> = entries.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "dev",
            "dev/console",
            "init",
            "modules",
            "modules/crc-generic.ko",
            "modules/scsi_common.ko",
            "modules/scsi_mod.ko",
            "modules/sd_mod.ko",
            "modules/table",
            "proc",
            "root",
            "run",
            "sys"
        ]
    );
    assert_eq!(entries["init"], (0o100_755, "INIT".to_owned()));
    assert_eq!(entries["dev/console"].0, 0o020_600);
    assert_eq!(
        entries["modules/table"].1,
        "vmbake-initrd 1\nmodule crc_generic crc-generic.ko\nmodule scsi_common scsi_common.ko\n\
         module scsi_mod scsi_mod.ko scsi_common\nmodule sd_mod sd_mod.ko crc_generic scsi_common scsi_mod\n\
         alias crc crc_generic\nalias scsi:t-0x00* sd_mod\n"
    );
}

#[test]
fn a_recipe_adds_modules_by_any_spelling_and_builtin_ones_are_there_already() {
    let entries = unpacked(&case(planned(&["sound", "ext4"], &["dm-verity"])));
    let table = &entries["modules/table"].1;
    assert!(table.contains("module dm_verity dm-verity.ko\n"), "{table}");
    assert!(table.contains("alias pci:v1* sound\n") && table.ends_with("load dm_verity\n"), "{table}");
}

#[test]
fn a_module_that_no_kernel_has_is_refused() {
    let refusal = case(planned(&["sount"], &[])).refusal();
    assert_eq!(
        refusal.to_string(),
        "image-recipes/base/recipe.toml: stage: [initrd] names module `sount`, but kernel `1.0` has no such module"
    );
}

#[test]
fn links_name_the_newest_kernel_and_the_one_before() {
    let link = |case: &Case, at: &str| shown(&case.stage().unwrap(), at);
    let mut case = case(planned(&[], &[]));
    for at in ["/vmlinuz", "/vmlinuz.old"] {
        assert_eq!(link(&case, at), "777 0:0 >boot/vmlinuz-1.0 by vmbake (initrd)");
    }
    case.package("other", "", &["/boot/vmlinuz-1.10=kernel", "/boot/vmlinuz-1.9=kernel"]);
    assert_eq!(link(&case, "/vmlinuz"), "777 0:0 >boot/vmlinuz-1.10 by vmbake (initrd)");
    assert_eq!(link(&case, "/initrd.img.old"), "777 0:0 >boot/initrd.img-1.9 by vmbake (initrd)");
    case.plan.init = None;
    assert_eq!(link(&case, "/initrd.img"), "nothing");
}
