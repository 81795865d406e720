//! What is made of a kernel package: the indexes of its modules against kmod's own depmod, and the initrd against other
//! readers and the kernel's rules.

mod depmod;

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use tests::kernel::Kernel;
use tree::name::Arch;
use xshell::{Shell, cmd};

const INDEXES: [&str; 11] = [
    "modules.alias",
    "modules.alias.bin",
    "modules.builtin.alias.bin",
    "modules.builtin.bin",
    "modules.dep",
    "modules.dep.bin",
    "modules.devname",
    "modules.softdep",
    "modules.symbols",
    "modules.symbols.bin",
    "modules.weakdep",
];

/// The lines of a text behind its first, a comment, by the names of their symbols.
fn sorted(text: &[u8]) -> Result<Vec<u8>> {
    let mut lines: Vec<&str> = std::str::from_utf8(text)?.split_inclusive('\n').collect();
    let symbols = lines.get_mut(1..).context("a comment")?;
    symbols.sort_by_key(|line| line.split_whitespace().nth(1));
    Ok(lines.concat().into())
}

fn indexes_are_depmods(arch: Arch) -> Result<()> {
    let kernel = Kernel::get(arch)?;
    let folder = format!("usr/lib/modules/{}", kernel.version);
    let root = depmod::run(&kernel)?;
    let (ours, theirs) = (kernel.made().join(&folder), root.path().join(&folder));
    let written: Vec<String> = depmod::written(&kernel.modules(), &theirs)?;
    ensure!(written == INDEXES, "depmod wrote {written:?}");
    for name in INDEXES {
        let (ours, theirs) = (fs::read(ours.join(name))?, fs::read(theirs.join(name))?);
        // kmod writes it in the order of a hash table
        let theirs = if name == "modules.symbols" { sorted(&theirs)? } else { theirs };
        let at = ours.iter().zip(&theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
        ensure!(ours == theirs, "`{name}` differs from byte {at}: {} and {} bytes", ours.len(), theirs.len());
    }
    Ok(())
}

#[test]
fn indexes_of_amd64_are_those_of_depmod_but_for_the_order_of_symbols() -> Result<()> {
    indexes_are_depmods(Arch::Amd64)
}

#[test]
fn indexes_of_arm64_are_those_of_depmod_but_for_the_order_of_symbols() -> Result<()> {
    indexes_are_depmods(Arch::Arm64)
}

/// The initrd as cpio(1) reads it: path → mode, size.
fn listed(kernel: &Kernel) -> Result<BTreeMap<String, (String, u64)>> {
    let (shell, initrd) = (Shell::new()?, kernel.initrd());
    let plain = cmd!(shell, "zstd --decompress --stdout {initrd}").quiet().output()?.stdout;
    let text =
        cmd!(shell, "cpio --list --verbose --numeric-uid-gid").stdin(plain).quiet().ignore_stderr().read()?;
    let mut found = BTreeMap::new();
    for line in text.lines() {
        // MODE LINKS UID GID SIZE MONTH DAY YEAR NAME, and of a device MAJOR, MINOR for SIZE
        let words: Vec<&str> = line.split_whitespace().collect();
        let [mode, _, uid, gid, size, ..] = words.as_slice() else { anyhow::bail!("`{line}`") };
        ensure!((*uid, *gid) == ("0", "0"), "`{line}` is not root's");
        let name = words.last().context("a name")?;
        found.insert((*name).to_owned(), ((*mode).to_owned(), size.parse().unwrap_or(0)));
    }
    Ok(found)
}

#[test]
fn an_initrd_has_the_program_and_what_finds_disks_and_little_else() -> Result<()> {
    for (arch, drivers) in [
        (
            Arch::Amd64,
            ["virtio_blk", "virtio_scsi", "sd_mod", "xen-blkfront", "ahci", "hv_storvsc", "vmw_pvscsi"]
                .as_slice(),
        ),
        (
            Arch::Arm64,
            &["virtio_blk", "virtio_scsi", "sd_mod", "xen-blkfront", "ahci", "hv_storvsc", "virtio_mmio"],
        ),
    ] {
        let kernel = Kernel::get(arch)?;
        let size = fs::metadata(kernel.initrd())?.len();
        ensure!(size <= 1_500_000, "the initrd for {arch} has {size} bytes");
        let entries = listed(&kernel)?;
        let mode = |name: &str| entries.get(name).map(|(mode, _)| mode.as_str());
        assert_eq!(mode("init"), Some("-rwxr-xr-x"));
        assert_eq!(mode("dev/console"), Some("crw-------"));
        for folder in ["dev", "modules", "proc", "root", "sys"] {
            assert_eq!(mode(folder), Some("drwxr-xr-x"), "{folder}");
        }
        for driver in drivers {
            ensure!(
                entries.contains_key(&format!("modules/{driver}.ko.xz")),
                "no `{driver}` for {arch}: {entries:?}"
            );
        }
        ensure!(entries.len() < 40, "{} entries: {:?}", entries.len(), entries.keys());
        ensure!(
            kernel
                .made()
                .join("initrd.img")
                .read_link()?
                .ends_with(kernel.initrd().file_name().context("a name")?)
        );
    }
    Ok(())
}

#[test]
fn the_programs_table_names_each_module_behind_what_modprobe_would_load_before_it() -> Result<()> {
    let kernel = Kernel::get(Arch::Amd64)?;
    let (shell, initrd) = (Shell::new()?, kernel.initrd());
    let plain = cmd!(shell, "zstd --decompress --stdout {initrd}").quiet().output()?.stdout;
    let text = cmd!(shell, "cpio --extract --to-stdout modules/table")
        .stdin(plain)
        .quiet()
        .ignore_stderr()
        .read()?;
    let table = init::table::parse(&text).map_err(anyhow::Error::msg)?;
    let root = depmod::run(&kernel)?;
    ensure!(table.modules.len() >= 10, "{table:?}");
    for (name, module) in &table.modules {
        let (version, root) = (&kernel.version, root.path());
        let shown = cmd!(
            shell,
            "modprobe --dirname {root} --set-version {version} --show-depends --ignore-install {name}"
        );
        let expected: Vec<String> = shown
            .quiet()
            .read()?
            .lines()
            .filter_map(|line| line.strip_prefix("insmod ")?.split_whitespace().next()?.rsplit('/').next())
            .map(str::to_owned)
            .collect();
        let file = |name: &String| table.modules.get(name).map(|module| module.file.clone());
        let mut ours: Vec<String> = module.needed.iter().filter_map(file).collect();
        ours.push(module.file.clone());
        ensure!(ours == expected, "`{name}`: {ours:?}, modprobe loads {expected:?}");
    }
    Ok(())
}

#[test]
fn facts_that_were_kept_give_the_same_indexes() -> Result<()> {
    // the first staging of this run kept them; another one in the same store takes them
    let kernel = Kernel::get(Arch::Amd64)?;
    let before = kernel.made().join(format!("usr/lib/modules/{}/modules.symbols.bin", kernel.version));
    let again = kernel.stage_again()?;
    let path = format!("/usr/lib/modules/{}/modules.symbols.bin", kernel.version);
    let entry = again.get(&path.parse()?).context("an index")?;
    let tree::Node::File(tree::Content::Inline(bytes)) = &entry.node else { anyhow::bail!("{entry:?}") };
    ensure!(fs::read(before)? == bytes[..]);
    Ok(())
}
