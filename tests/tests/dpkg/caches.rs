//! Databases that Debian's own tools compile are what ours are, byte for byte: `ldconfig`, `systemd-hwdb` and
//! `journalctl` of the same packages, in a tree that only tar has unpacked.
//!
//! For amd64 there is one more package, of things that no good package has: names that lie, broken links, cut-off
//! libraries, variants for processors, files that replace or mask others, odd lines.

use super::ours;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tests::run::is_root;
use tests::shared::{BASE, Image, Shared};
use tests::standin::Arch;
use xshell::{Shell, cmd};

const LIBRARIES: &str = "/etc/ld.so.cache";
const HARDWARE: &str = "/usr/lib/udev/hwdb.bin";
const MESSAGES: &str = "/var/lib/systemd/catalog/database";

#[test]
fn databases_are_what_debians_tools_make() -> Result<()> {
    ensure!(is_root()?, "needs root: chroot and mount for the references");
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let mut debs: Vec<PathBuf> = shared.pool(BASE)?.into_iter().map(|(_, path)| path).collect();
    debs.push(odd_package(scratch.path())?);
    let ours = ours::stage_debs(&debs, &scratch.path().join("store"))?;
    let root = extracted(&debs, scratch.path())?;
    let shell = Shell::new()?;
    shell.set_var("PATH", "/usr/sbin:/usr/bin");
    cmd!(shell, "chroot {root} ldconfig").quiet().ignore_stderr().run()?;
    // it needs /proc to write its file
    let script = r#"mount --rbind /proc "$0/proc" && exec chroot "$0" systemd-hwdb --usr update"#;
    cmd!(shell, "unshare --mount sh -c {script} {root}").quiet().ignore_stderr().run()?;
    cmd!(shell, "chroot {root} journalctl --update-catalog").quiet().ignore_stderr().run()?;
    for path in [LIBRARIES, HARDWARE, MESSAGES] {
        same(&ours, &root, path)?;
    }
    same_links(&ours, &root, &["/usr/lib/x86_64-linux-gnu", "/usr/lib", "/opt/odd/lib"])
}

#[test]
fn the_library_cache_of_another_machine_is_what_its_ldconfig_makes() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let image = Image { kind: "base", arch: Arch::Arm64 };
    let debs: Vec<PathBuf> = shared.pool(image)?.into_iter().map(|(_, path)| path).collect();
    let ours = ours::stage_debs(&debs, &scratch.path().join("store"))?;
    let root = extracted(&debs, scratch.path())?;
    let (shell, ldconfig) = (Shell::new()?, root.join("usr/sbin/ldconfig"));
    cmd!(shell, "qemu-aarch64-static {ldconfig} -r {root}").quiet().run()?;
    same(&ours, &root, LIBRARIES)?;
    same_links(&ours, &root, &["/usr/lib/aarch64-linux-gnu", "/usr/lib"])
}

/// The packages as tar unpacks them, without the kernel, which has nothing to do with this.
fn extracted(debs: &[PathBuf], scratch: &Path) -> Result<PathBuf> {
    let root = scratch.join("root");
    fs::create_dir(&root)?;
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
    let script = r#"set -o pipefail
        for deb do case "$(dpkg-deb --field "$deb" Package)" in linux-image-*) continue; esac
        dpkg-deb --fsys-tarfile "$deb" | tar --directory "$0" --no-overwrite-dir -xpf - || exit 1; done"#;
    let shell = Shell::new()?;
    cmd!(shell, "bash -c {script} {root} {debs...}").quiet().run()?;
    Ok(root)
}

fn same(ours: &ours::Ours, root: &Path, path: &str) -> Result<()> {
    let file = root.join(&path[1..]);
    let (expected, got) = (crate::read(&file)?, ours.file(path)?);
    let first = expected.iter().zip(&got).position(|(a, b)| a != b).unwrap_or(expected.len().min(got.len()));
    let near = |bytes: &[u8]| {
        let part = &bytes[first.saturating_sub(16).min(bytes.len())..(first + 48).min(bytes.len())];
        part.escape_ascii().to_string()
    };
    ensure!(
        expected == got,
        "`{path}` differs at {first} of {} and {} bytes:\n  Debian: {}\n  ours:   {}",
        expected.len(),
        got.len(),
        near(&expected),
        near(&got)
    );
    let mode = fs::metadata(&file)?.permissions().mode() & 0o7777;
    let shown = ours.listing().remove(path).context("it is there")?;
    ensure!(
        shown.starts_with(&format!("file {mode:04o} 0:0 ")),
        "`{path}`: expected mode {mode:o}, found {shown}"
    );
    Ok(())
}

/// The links right in each of the directories lead to the same.
fn same_links(ours: &ours::Ours, root: &Path, directories: &[&str]) -> Result<()> {
    let listing = ours.listing();
    for directory in directories {
        let mut expected = BTreeMap::new();
        for entry in fs::read_dir(root.join(&directory[1..]))? {
            let path = entry?.path();
            if path.is_symlink() {
                let name = path.file_name().and_then(|name| name.to_str()).context("a name")?;
                expected.insert(name.to_owned(), format!("link 0:0 {}", fs::read_link(&path)?.display()));
            }
        }
        let here = listing.iter().filter_map(|(path, what)| {
            let (parent, name) = path.rsplit_once('/')?;
            (parent == *directory && what.starts_with("link ")).then(|| (name.to_owned(), what.clone()))
        });
        let got: BTreeMap<String, String> = here.collect();
        ensure!(expected == got, "links in `{directory}`, Debian: {expected:#?}\nours: {got:#?}");
    }
    Ok(())
}

/// A package whose files only a test has.
fn odd_package(scratch: &Path) -> Result<PathBuf> {
    let (root, deb) = (scratch.join("odd"), scratch.join("odd.deb"));
    let write = |path: &str, text: &str| -> Result<()> {
        let path = root.join(path);
        fs::create_dir_all(path.parent().context("a directory")?)?;
        Ok(fs::write(path, text)?)
    };
    write(
        "DEBIAN/control",
        "Package: odd\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\nDescription: odd\n",
    )?;
    for (path, text) in TEXTS {
        write(path, text)?;
    }
    let shell = Shell::new()?;
    let library = |path: &str, flags: &[&str]| -> Result<()> {
        write(path, "")?;
        let to = root.join(path);
        Ok(cmd!(shell, "cc -shared -nostdlib -x c /dev/null -o {to} {flags...}").quiet().run()?)
    };
    for (path, soname) in LIBRARY {
        library(&format!("opt/odd/{path}"), &[&format!("-Wl,-soname,{soname}")])?;
    }
    library("opt/odd/lib/libnameless.so.5", &[])?;
    for level in ["v2", "v3"] {
        let path = format!("opt/odd/lib/glibc-hwcaps/x86-64-{level}/libodd.so.1");
        library(&path, &["-Wl,-soname,libodd.so.1", &format!("-Wl,-z,x86-64-{level}")])?;
    }
    let lib = root.join("opt/odd/lib");
    for directory in ["glibc-hwcaps/x86-64-v4", "glibc-hwcaps/.hidden", "libdirectory.so.1"] {
        fs::create_dir(lib.join(directory))?;
    }
    let whole = crate::read(&lib.join("libodd-1.9.so"))?;
    fs::write(lib.join("libshort.so.1"), &whole[..200])?;
    fs::copy(lib.join("libodd-1.9.so"), lib.join("libx.so.1.dpkg-new"))?;
    fs::hard_link(lib.join("libhard-1.0.so"), lib.join("libhard.so.1"))?;
    for (path, target) in LINKS {
        symlink(target, root.join(path)).with_context(|| path.to_string())?;
    }
    cmd!(shell, "dpkg-deb --root-owner-group --build {root} {deb}").quiet().ignore_stdout().run()?;
    Ok(deb)
}

/// Libraries below `/opt/odd` with the names that they say they have.
const LIBRARY: [(&str, &str); 7] = [
    ("lib/libodd-1.9.so", "libodd.so.1"),
    ("lib/libodd-1.10.so", "libodd.so.1"),
    ("lib/libwrong.so.1.1", "libwrong.so.1"),
    ("lib/libwrong.so.1.2", "libwrong.so.1"),
    ("lib/libhard-1.0.so", "libhard.so.1"),
    ("more/libodd-2.so", "libodd.so.1"),
    ("more/libmore.so.6", "libmore.so.6"),
];

const LINKS: [(&str, &str); 7] = [
    ("opt/link", "odd/lib"),
    ("opt/odd/lib/libodd.so", "libodd.so.1"),
    ("opt/odd/lib/libgone.so.3", "libgone.so.3.1"),
    ("opt/odd/lib/libwrong.so.1", "libwrong.so.1.1"),
    ("opt/odd/lib/libnamed.so.9", "/opt/odd/more/libmore.so.6"),
    ("opt/odd/lib/libmore.so", "../more/libmore.so.6"),
    ("etc/udev/hwdb.d/20-sdio-classes.hwdb", "/dev/null"),
];

const TEXTS: [(&str, &str); 10] = [
    (
        "etc/ld.so.conf.d/odd.conf",
        "/opt/odd/lib/ # a comment\n\t/opt/link\nhwcap 0 nosegneg\n\n/opt/odd/lib=libc6\n\
         include /opt/odd/*.conf /opt/odd/none.conf\n/opt/missing\n",
    ),
    ("opt/odd/more.conf", "/opt/odd/more//\n"),
    ("opt/odd/.hidden.conf", "/opt/odd/hidden\n"),
    ("opt/odd/lib/libscript.so", "/* GNU ld script */\nGROUP ( libc.so.6 )\n"),
    ("opt/odd/lib/libempty.so.1", ""),
    (
        "etc/udev/hwdb.d/61-odd.hwdb",
        " INDENTED=first\nodd:*\nodd:two:*\n  SPACES=1 # comment\n KEY=\n SPACES=2\n\todd:tab\n KEY=lost\n\n\
         odd:\u{e9}*\n# whole line\n \t TAB= both \n  NONE\n =empty\nodd:late\n LOST=1\n\nodd:alone\n\n\
         odd:o\n O=a=b\n\nod\n ODD:CASE=1\nodd:last\n LAST=1",
    ),
    ("etc/udev/hwdb.d/60-seat.hwdb", "odd:seat\n REPLACED=1\n"),
    (
        "usr/local/lib/systemd/catalog/a.catalog",
        "# comment\n-- f77379a8490b408bbe5f6940505a777b\nDocumentation: man:odd(1)\n\n; comment\nFirst.\n\n\n\
         -- no id\nSecond.\n\n-- F77379A8490B408BBE5F6940505A777C de\nSubject: eins\n\nText.\n\n\
         -- f77379a8490b408bbe5f6940505a777c fr\nSubject: un\n",
    ),
    (
        "usr/lib/systemd/catalog/z.catalog",
        "-- f77379a8490b408bbe5f6940505a777b\nSupport: odd\n\n-- f77379a8490b408bbe5f6940505a777c de\n\
         Subject: zwei\n\nAnders.\n",
    ),
    ("usr/local/lib/systemd/catalog/systemd.de.catalog", "-- f77379a8490b408bbe5f6940505a777d\nNur das.\n"),
];
