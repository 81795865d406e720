//! Which source this machine has, by its disks and by what firmware says: a source that cannot be there is never waited for.

use crate::azure;
use crate::config_drive;
use crate::instance::{Instance, Source};
use crate::nocloud::{self, Hints};
use crate::report::Fault;
use crate::root::{self, Root};
use crate::volume::{self, Volume};
use std::path::Path;
use std::time::{Duration, Instant};

/// Folders that a seed may be in.
const FOLDERS: [&str; 2] = ["/var/lib/cloud/seed/nocloud", "/var/lib/cloud/seed/nocloud-net"];
/// Where systemd puts the credentials that the unit of the local stage imports.
const CREDENTIALS: &str = "/run/credentials/cloud-init-local.service";
/// How long a volume is waited for that firmware says is there.
const PROMISED: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// Nothing on this machine says who it is.
    Nothing,
    /// All of it.
    Here(Box<Instance>),
    /// Somebody who is to be asked over the network, as [`crate::fetch`] understands it, with what is known before.
    Remote(String, Option<Box<Instance>>),
}

/// Looks for a source.
///
/// # Errors
///
/// One that is there and cannot be read.
pub fn detect(root: &Root) -> Result<Found, String> {
    let line = root.text("/proc/cmdline").unwrap_or_default();
    if line.split_ascii_whitespace().any(|word| word == "cloud-init=disabled")
        || root.has("/etc/cloud/cloud-init.disabled")
    {
        return Ok(Found::Nothing);
    }
    let hints = nocloud::hints(root);
    if let Some(from) = &hints.from {
        return seed_from(root, from, &hints);
    }
    let here = |instance: Instance| Found::Here(Box::new(instance));
    for folder in FOLDERS {
        if let Some(instance) = nocloud::folder(&root.at(folder), folder, &hints)? {
            return Ok(here(instance));
        }
    }
    if let Some(instance) = credentials(root, &hints)? {
        return Ok(here(instance));
    }
    if hints.given && root.is_system() {
        wait(PROMISED, || !volume::labelled(root, "cidata").is_empty());
    }
    let read = |folder: &Path, device: &str| nocloud::folder(folder, device, &hints);
    if let Some(instance) = on_volume(root, "cidata", &read)? {
        return Ok(here(instance));
    }
    let read = |folder: &Path, device: &str| {
        let folder = folder.join(config_drive::FOLDER);
        config_drive::instance(Source::ConfigDrive, device, &|name| root::read(&folder.join(name)))
    };
    if let Some(instance) = on_volume(root, "config-2", &read)? {
        return Ok(here(instance));
    }
    if hints.given {
        // who it is, and nothing else
        let files = |name: &str| Ok(["meta-data", "user-data"].contains(&name).then(Vec::new));
        if let Some(instance) = nocloud::seed(&files, "dmi", &hints)? {
            return Ok(here(instance));
        }
    }
    let Some(source) = cloud(root) else { return Ok(Found::Nothing) };
    let known = if source == Source::Azure { azure::provisioning(root)?.map(Box::new) } else { None };
    Ok(Found::Remote(source.name().to_owned(), known))
}

/// A seed of systemd credentials, `cloud-init.user-data` and the like; without metadata the machine's own id is the instance's.
fn credentials(root: &Root, hints: &Hints) -> Result<Option<Instance>, String> {
    let read = |name: &str| root.read(&format!("{CREDENTIALS}/cloud-init.{name}"));
    let (meta_data, user_data) = (read("meta-data")?, read("user-data")?);
    if meta_data.is_none() && user_data.is_none() {
        return Ok(None);
    }
    let mut hints = hints.clone();
    hints.otherwise = root.text("/etc/machine-id");
    let files = |name: &str| match name {
        "meta-data" => Ok(Some(meta_data.clone().unwrap_or_default())),
        "user-data" => Ok(Some(user_data.clone().unwrap_or_default())),
        _ => read(name),
    };
    nocloud::seed(&files, CREDENTIALS, &hints)
}

/// Reads the instance of a folder, of which the device is known.
type Read<'r> = &'r dyn Fn(&Path, &str) -> Result<Option<Instance>, String>;

/// The first volume of this label that has an instance; that there are more is a fault of it.
fn on_volume(root: &Root, label: &str, read: Read<'_>) -> Result<Option<Instance>, String> {
    let volumes = volume::labelled(root, label);
    let (mut found, mut failed) = (None, None);
    for volume in &volumes {
        let Volume { device, .. } = volume;
        let instance = volume::with(root, volume, |folder| read(folder, device)).flatten();
        match instance {
            Ok(instance) => found = instance,
            Err(what) => failed = failed.or(Some(format!("`{device}`: {what}"))),
        }
        if found.is_some() {
            break;
        }
    }
    match (&mut found, failed) {
        (None, Some(what)) => return Err(what),
        (Some(instance), Some(what)) => instance.faults.push(Fault::warning(what)),
        (_, None) => {}
    }
    if let (Some(instance), true) = (&mut found, volumes.len() > 1) {
        let devices: Vec<&str> = volumes.iter().map(|volume| volume.device.as_str()).collect();
        let what = format!(
            "{} volumes are labelled `{label}` ({}); `{}` is used",
            volumes.len(),
            devices.join(", "),
            instance.from
        );
        instance.faults.push(Fault::warning(what));
    }
    Ok(found)
}

fn seed_from(root: &Root, from: &str, hints: &Hints) -> Result<Found, String> {
    if from.starts_with("http://") {
        let mut what = format!("NoCloud {from}");
        for (key, value) in [("i", &hints.id), ("h", &hints.hostname)] {
            if let Some(value) = value {
                what.push_str(&format!(" {key}={value}"));
            }
        }
        return Ok(Found::Remote(what, None));
    }
    let folder = from.strip_prefix("file://").unwrap_or(from);
    if !folder.starts_with('/') {
        return Err(format!("seedfrom: expected `http://…` or a folder, found {from:?}"));
    }
    let found = nocloud::folder(&root.at(folder), folder, hints)?;
    let instance = found.ok_or_else(|| format!("seedfrom: `{folder}` has no meta-data and user-data"))?;
    Ok(Found::Here(Box::new(instance)))
}

/// The cloud that firmware says this is.
fn cloud(root: &Root) -> Option<Source> {
    let dmi = |name: &str| root.text(&format!("/sys/class/dmi/id/{name}")).unwrap_or_default();
    let product = dmi("product_name");
    if product == "Google Compute Engine" || dmi("product_serial").starts_with("GoogleCloud-") {
        return Some(Source::Google);
    }
    if dmi("chassis_asset_tag") == azure::ASSET_TAG {
        return Some(Source::Azure);
    }
    let hypervisor = root.text("/sys/hypervisor/uuid").unwrap_or_default();
    let is_ec2 = |text: &str| text.to_ascii_lowercase().starts_with("ec2");
    if dmi("sys_vendor") == "Amazon EC2"
        || is_ec2(&hypervisor)
        || (is_ec2(&dmi("product_uuid")) && is_ec2(&dmi("product_serial")))
    {
        return Some(Source::Aws);
    }
    let tags = ["OpenTelekomCloud", "SAP CCloud VM", "HUAWEICLOUD", "Samsung Cloud Platform"];
    let is_openstack = ["OpenStack Nova", "OpenStack Compute"].contains(&product.as_str());
    (is_openstack || tags.contains(&dmi("chassis_asset_tag").as_str())).then_some(Source::OpenStack)
}

/// Waits until `holds`, at most so long.
fn wait(most: Duration, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() && start.elapsed() < most {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root::new(dir.path());
        (dir, root)
    }

    #[test]
    fn each_cloud_is_known_by_its_firmware() {
        let ec2 = "ec2e1916-9099-7caf-fd21-012345abcdef\n";
        for (files, expected) in [
            (vec![("product_name", "Google Compute Engine\n")], Some("GCE")),
            (vec![("sys_vendor", "Amazon EC2\n")], Some("Ec2")),
            (vec![("product_uuid", ec2), ("product_serial", ec2)], Some("Ec2")),
            (vec![("product_name", "OpenStack Nova\n")], Some("OpenStack")),
            (
                vec![("sys_vendor", "Microsoft Corporation\n"), ("chassis_asset_tag", azure::ASSET_TAG)],
                Some("Azure"),
            ),
            (vec![("sys_vendor", "Microsoft Corporation\n"), ("chassis_asset_tag", "1234\n")], None),
            (vec![("chassis_asset_tag", "OpenTelekomCloud\n")], Some("OpenStack")),
            (vec![("product_name", "Standard PC (Q35 + ICH9, 2009)\n"), ("product_uuid", ec2)], None),
            (vec![], None),
        ] {
            let paths: Vec<(String, &str)> =
                files.iter().map(|(name, text)| (format!("sys/class/dmi/id/{name}"), *text)).collect();
            let paths: Vec<(&str, &str)> = paths.iter().map(|(path, text)| (path.as_str(), *text)).collect();
            let (_dir, root) = machine(&paths);
            let expected = expected.map_or(Found::Nothing, |name| Found::Remote(name.to_owned(), None));
            assert_eq!(detect(&root), Ok(expected), "{files:?}");
        }
    }

    #[test]
    fn a_seed_in_a_folder_counts_before_any_cloud() {
        let seed = [
            ("var/lib/cloud/seed/nocloud/meta-data", "instance-id: a"),
            ("var/lib/cloud/seed/nocloud/user-data", ""),
            ("sys/class/dmi/id/sys_vendor", "Amazon EC2\n"),
        ];
        let (_dir, root) = machine(&seed);
        assert!(matches!(detect(&root), Ok(Found::Here(instance)) if instance.id == "a"));
        let (_dir, root) = machine(&[seed[0], seed[1], ("proc/cmdline", "quiet cloud-init=disabled\n")]);
        assert_eq!(detect(&root), Ok(Found::Nothing));
    }

    #[test]
    fn credentials_are_a_seed_and_the_machine_id_stands_in_for_metadata() {
        let path = |name: &str| format!("run/credentials/cloud-init-local.service/cloud-init.{name}");
        let (user_data, meta_data) = (path("user-data"), path("meta-data"));
        let (_dir, root) = machine(&[(&user_data, "#!/bin/sh\n"), ("etc/machine-id", "0123456789abcdef\n")]);
        assert!(
            matches!(detect(&root), Ok(Found::Here(one)) if one.id == "0123456789abcdef" && one.user_data == b"#!/bin/sh\n")
        );
        let (_dir, root) = machine(&[(&meta_data, "instance-id: i-8"), ("etc/machine-id", "0123\n")]);
        assert!(matches!(detect(&root), Ok(Found::Here(one)) if one.id == "i-8" && one.user_data.is_empty()));
    }

    #[test]
    fn firmware_may_say_all_or_where_it_is() {
        let serial = "sys/class/dmi/id/product_serial";
        let (_dir, root) = machine(&[(serial, "ds=nocloud;i=i-7;h=name\n")]);
        assert!(
            matches!(detect(&root), Ok(Found::Here(one)) if one.id == "i-7" && one.hostname.as_deref() == Some("name"))
        );
        let (_dir, root) = machine(&[(serial, "ds=nocloud;i=i-7;s=http://10.0.2.2:8000/\n")]);
        assert_eq!(detect(&root), Ok(Found::Remote("NoCloud http://10.0.2.2:8000/ i=i-7".to_owned(), None)));
        let (_dir, root) = machine(&[
            ("proc/cmdline", "ds=nocloud;s=/seed/\n"),
            ("seed/meta-data", "{}"),
            ("seed/user-data", ""),
        ]);
        assert!(matches!(detect(&root), Ok(Found::Here(_))));
        let (_dir, root) = machine(&[(serial, "ds=nocloud;s=ftp://a/\n")]);
        assert!(detect(&root).is_err());
    }
}
