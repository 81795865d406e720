//! Where cloud-init looks for what an instance is told: ds-identify of Debian 13 with the configuration of `base`, on machines
//! as the clouds make them. What it does not find disables cloud-init: no key, no user-data.

use anyhow::Result;
use bake::recipe::Body;
use std::fs;
use tests::recipes::recipe;
use tests::trixie::Tree;
use xshell::{Shell, cmd};

/// ds-identify with what asks the running machine replaced: virtualization and block devices are said by the case.
const RUN: &str = r#"
DI_MAIN=noop
. "$IDENTIFY"
detect_virt() { _RET=$VIRT; }
is_container() { return 1; }
blkid() { printf '%s\n' "$BLOCKS"; }
main --force
"#;

/// What is chosen on a machine of which `files` are known; nothing where cloud-init is disabled.
fn chosen(tree: &Tree, virt: &str, blocks: &str, files: &[(&str, &str)]) -> Result<Option<String>> {
    let machine = tempfile::tempdir()?;
    let root = machine.path();
    let put = |path: &str, text: &[u8]| -> Result<()> {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        Ok(fs::write(path, text)?)
    };
    put("proc/cmdline", b"root=PARTUUID=1 rw\n")?;
    put("proc/1/environ", b"")?;
    put("proc/uptime", b"1.0 1.0\n")?;
    put("sys/class/dmi/id/product_name", b"\n")?;
    put("etc/cloud/cloud.cfg", &fs::read(tree.path().join("etc/cloud/cloud.cfg"))?)?;
    for ((path, _), file) in &recipe("base")?.files {
        if let (true, Body::Bytes(bytes)) = (path.as_str().starts_with("/etc/cloud/"), &file.body) {
            put(path.as_str().trim_start_matches('/'), bytes)?;
        }
    }
    for (path, text) in files {
        put(path, text.as_bytes())?;
    }
    let identify = tree.path().join("usr/lib/cloud-init/ds-identify");
    let shell = Shell::new()?;
    let run = cmd!(shell, "sh -c {RUN}").env("IDENTIFY", identify).env("PATH_ROOT", root).env("VIRT", virt);
    let run = run.env("BLOCKS", blocks).quiet().ignore_status().output()?;
    let text = fs::read_to_string(root.join("run/cloud-init/cloud.cfg")).unwrap_or_default();
    Ok(run.status.success().then(|| first_list(&text)))
}

fn first_list(text: &str) -> String {
    let list = text.lines().find_map(|line| line.strip_prefix("datasource_list: "));
    list.unwrap_or_default().to_owned()
}

#[test]
fn each_cloud_that_an_image_is_made_for_is_recognized() -> Result<()> {
    let tree = Tree::new()?;
    let dmi = "sys/class/dmi/id";
    let (tag, vendor) = (format!("{dmi}/chassis_asset_tag"), format!("{dmi}/sys_vendor"));
    let (product, serial, uuid) =
        (format!("{dmi}/product_name"), format!("{dmi}/product_serial"), format!("{dmi}/product_uuid"));
    let ec2 = "ec2e1916-9099-7caf-fd21-012345abcdef\n";
    for (cloud, virt, blocks, files) in [
        ("Azure", "microsoft", "", vec![(tag.as_str(), "7783-7084-3265-9085-8269-3286-77\n")]),
        ("OVF", "vmware", "DEVNAME=/dev/sr0\nLABEL=OVF ENV\nTYPE=iso9660", vec![]),
        ("NoCloud", "kvm", "DEVNAME=/dev/sr0\nLABEL=cidata\nTYPE=iso9660", vec![]),
        ("NoCloud", "vmware", "DEVNAME=/dev/sr0\nLABEL=cidata\nTYPE=iso9660", vec![]),
        ("GCE", "kvm", "", vec![(product.as_str(), "Google Compute Engine\n")]),
        (
            "Ec2",
            "amazon",
            "",
            vec![(serial.as_str(), ec2), (uuid.as_str(), ec2), (vendor.as_str(), "Amazon EC2\n")],
        ),
    ] {
        let found = chosen(&tree, virt, blocks, &files)?;
        assert_eq!(found, Some(format!("[ {cloud}, None ]")), "{cloud} on {virt}");
    }
    Ok(())
}

#[test]
fn a_machine_that_is_told_nothing_leaves_cloud_init_out() -> Result<()> {
    let tree = Tree::new()?;
    assert_eq!(chosen(&tree, "kvm", "", &[])?, None);
    Ok(())
}
