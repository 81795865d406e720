//! What released Podplane reads of an image: the kernel and the initrd out of the qcow2, by a reader that knows no zstd, and the
//! manifest that stands in for its own.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tests::outputs::outputs;
use tests::qcow2::Qcow2;
use tests::shared::{BASE, Image, Shared};
use tests::standin::Arch;
use tree::digest::{Digest, Hasher};
use xshell::{Shell, cmd};

const KND: Image = Image { kind: "knd", arch: Arch::Amd64 };
const KNC: Image = Image { kind: "knc", arch: Arch::Amd64 };

fn json(path: &Path) -> Result<Value> {
    serde_json::from_slice(&fs::read(path).with_context(|| path.display().to_string())?).context("JSON")
}

fn digest_of(path: &Path) -> Result<Digest> {
    let mut hasher = Hasher::sha256();
    hasher.update(&fs::read(path)?);
    Ok(hasher.finish())
}

/// Takes the files that `boot` names out of the image, and compares their digests.
fn extract(qcow2: &Path, boot: &Value, room: &Path) -> Result<()> {
    let image = Qcow2::open(qcow2)?;
    let partitions = disk::gpt::read(&image.head(1 << 20)?)?.partitions;
    let shell = Shell::new()?;
    for file in ["kernel", "initrd"] {
        let about = &boot[file];
        let number = about["partition"].as_u64().context("a partition")?;
        let partition = partitions.get(&usize::try_from(number)?).context("no such partition")?;
        let (system, to) = (room.join("partition"), room.join(file));
        image.copy(partition.offset, partition.size, &system)?;
        let request = format!("dump {} {}", about["path"].as_str().context("a path")?, to.display());
        cmd!(shell, "debugfs -R {request} {system}").env("PATH", "/usr/sbin:/sbin:/usr/bin").quiet().run()?;
        let digest = about["digest"].as_str().context("a digest")?.parse::<Digest>()?;
        ensure!(digest_of(&to)? == digest, "{file} of {} is another one", qcow2.display());
    }
    let cmdline = boot["cmdline"].as_str().context("a command line")?;
    ensure!(cmdline.starts_with("root=PARTUUID="), "{cmdline}");
    Ok(())
}

/// Both are there for a reader without zstd, as the record says.
fn check(image: Image) -> Result<()> {
    let (shared, room) = (Shared::get()?, tempfile::tempdir()?);
    let qcow2 = shared.disk(image, "qcow2")?;
    let record = json(&qcow2.with_file_name(format!("{}.record.json", image.name())))?;
    extract(&qcow2, &record["vmconfig"]["os"]["boot"], room.path())
}

#[test]
fn kernel_and_initrd_of_base_are_read_without_zstd() -> Result<()> {
    check(BASE)
}

#[test]
fn kernel_and_initrd_of_knd_are_read_without_zstd() -> Result<()> {
    check(KND)
}

#[test]
fn kernel_and_initrd_of_knc_are_read_without_zstd() -> Result<()> {
    check(KNC)
}

#[test]
fn kernel_and_initrd_of_knc_for_arm64_are_read_without_zstd() -> Result<()> {
    check(Image { kind: "knc", arch: Arch::Arm64 })
}

#[test]
fn the_drop_in_describes_the_image_and_needs_one_small_archive() -> Result<()> {
    let (shared, room) = (Shared::get()?, tempfile::tempdir()?);
    let qcow2 = shared.disk(KND, "qcow2")?;
    let folder = qcow2.parent().context("a folder")?;
    let path = folder.join(tree::of_release!("vmconfig_knd_", "_amd64.json"));
    // it is a manifest that the product reads itself, and says no more than that
    bake::manifest::parse("drop-in", &fs::read(&path)?)?;
    let manifest = json(&path)?["vmconfig"].clone();
    let (image, boot) = (&manifest["os"]["image"], &manifest["os"]["boot"]);
    let size = |value: &Value| value["size"].as_u64().context("a size");
    ensure!(image["digest"] == digest_of(&qcow2)?.to_string() && size(image)? == fs::metadata(&qcow2)?.len());
    ensure!(image["type"] == "qcow2" && image["url"].as_str().is_some_and(|url| url.ends_with(".qcow2")));
    extract(&qcow2, boot, room.path())?;
    let images = manifest["images"].as_array().context("images")?;
    ensure!(images.len() == 1 && images[0]["image"].as_str().is_some_and(|name| name.contains("/pause:")));
    let dependencies = manifest["dependencies"].as_object().context("dependencies")?;
    ensure!(dependencies.len() == 1, "{dependencies:?}");
    let archive = folder.join(format!("{}.vmconfig.tar.gz", KND.name()));
    let vmconfig = &dependencies["vmconfig"];
    ensure!(vmconfig["digest"] == digest_of(&archive)?.to_string());
    ensure!(size(vmconfig)? < 10_000 && size(vmconfig)? == fs::metadata(&archive)?.len());
    // GNU tar finds the names that are in the image, no directory, and no owner but root
    let shell = Shell::new()?;
    let listing = cmd!(shell, "tar --numeric-owner -tvzf {archive}").quiet().read()?;
    ensure!(listing.lines().count() == 6, "{listing}");
    for line in listing.lines() {
        let right = line.starts_with("lrwxrwxrwx 0/0 ") && line.contains(" opt/podplane/bin/");
        ensure!(right && line.ends_with(".sh -> configure"), "{line}");
    }
    let sums = fs::read_to_string(folder.join("SHA256SUMS"))?;
    for name in
        [tree::of_release!("vmconfig_knd_", "_amd64.json"), &format!("{}.vmconfig.tar.gz", KND.name())]
    {
        ensure!(sums.contains(name), "{sums}");
    }
    Ok(())
}

#[test]
fn a_drop_in_is_written_with_a_nodes_qcow2_alone_and_says_where_it_is_published() -> Result<()> {
    let shared = Shared::get()?;
    let base = outputs(shared.disk(BASE, "qcow2")?.parent().context("a folder")?)?;
    ensure!(!base.keys().any(|name| name.contains("vmconfig")), "{:?}", base.keys());
    let tar = outputs(&shared.reference_folder(KND)?)?;
    ensure!(!tar.keys().any(|name| name.contains("vmconfig")), "{:?}", tar.keys());
    let (scratch, store) = (shared.scratch()?, shared.warm_store(KND)?);
    let bake = shared.bake(KND, &store, scratch.path())?.args(["--format", "qcow2"]);
    bake.clone().option("--published-at", "https://images.example.org/podplane/").done()?;
    let manifest =
        json(&scratch.path().join(tree::of_release!("vmconfig_knd_", "_amd64.json")))?["vmconfig"].clone();
    let version = manifest["version"].as_str().context("a version")?;
    let of = |name: &str, file: &str| {
        let file = format!("{}.{file}", KND.name());
        format!("https://images.example.org/podplane/vmconfig/artifacts/{name}/{version}/{file}")
    };
    ensure!(manifest["os"]["image"]["url"] == of("os-image", "qcow2"), "{manifest}");
    ensure!(manifest["dependencies"]["vmconfig"]["url"] == of("vmconfig", "vmconfig.tar.gz"), "{manifest}");
    let ended = bake.option("--published-at", "http://images.example.org").refused(2)?;
    ensure!(ended.stderr.contains("hint: publish the image at an https address"), "{ended}");
    Ok(())
}
