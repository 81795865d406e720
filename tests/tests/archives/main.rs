//! Our readers of archives beside those of the field: GNU tar, Python's tarfile, dpkg-deb.
//!
//! What ours accepts, all of them must take in the same way; where they disagree, with each other or with ours, ours
//! must have refused. And what Debian ships must be accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

mod generate;
mod readers;

use bake::archive::deb;
use bake::archive::decompress::Limits;
use bake::archive::tar::Policy;
use generate::Random;
use readers::{Told, dpkg_deb, gnu_tar, ours, python, write};
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};
use tree::release::CODENAME;
use xshell::{Shell, cmd};

/// How many archives are made; VMBAKE_DIFFERENTIAL names more for a long run.
fn rounds() -> usize {
    std::env::var("VMBAKE_DIFFERENTIAL").map_or(3000, |text| text.parse().unwrap())
}

#[test]
fn a_tar_is_taken_only_where_gnu_tar_and_python_take_it_alike() {
    let shell = Shell::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut accepted: Vec<(PathBuf, Vec<Told>)> = Vec::new();
    for seed in 0..rounds() {
        let bytes = generate::tar(&mut Random::new(seed as u64));
        for policy in [Policy::DEBIAN, Policy::UPSTREAM] {
            if let Ok(told) = ours(&bytes, policy) {
                let name = format!("{seed}-{}", if policy.pax { "upstream" } else { "debian" });
                accepted.push((write(folder.path(), &name, &bytes), told));
            }
        }
    }
    // of two policies; a generator whose archives are all wrong or all right would show nothing
    let share = accepted.len() * 100 / (2 * rounds());
    assert!((15..=85).contains(&share), "{share} % accepted");
    let paths: Vec<_> = accepted.iter().map(|(path, _)| path.clone()).collect();
    for ((path, told), python) in accepted.iter().zip(python(&shell, &paths)) {
        assert_eq!(python.as_ref(), Some(told), "python and {}", path.display());
        let (listed, contents) =
            gnu_tar(&shell, path).unwrap_or_else(|| panic!("GNU tar refuses {}", path.display()));
        assert_eq!(contents, told.iter().map(|t| t.content.as_str()).collect::<String>());
        let without_content = told.iter().map(|t| Told { content: String::new(), ..t.clone() });
        assert_eq!(listed, without_content.collect::<Vec<_>>(), "GNU tar and {}", path.display());
    }
}

#[test]
fn a_package_is_taken_only_where_dpkg_deb_takes_it_alike() {
    let shell = Shell::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let control = control_archive(&shell, folder.path());
    let (mut accepted, rounds) = (0, rounds() / 3);
    for seed in 0..rounds {
        let mut random = Random::new(1 << 40 | seed as u64);
        let data = generate::tar(&mut random);
        let package = generate::deb(&mut random, &control, &data);
        if let Ok((ours_control, ours_data)) = unpacked(&package) {
            let path = write(folder.path(), "package.deb", &package);
            let (theirs_control, theirs_data) =
                dpkg_deb(&shell, &path).unwrap_or_else(|| panic!("dpkg-deb refuses {seed}"));
            assert_eq!(theirs_control, control);
            assert_eq!(theirs_data, ours_data);
            assert_eq!(ours_control, b"Package: x\n");
            accepted += 1;
        }
    }
    assert!((15..=85).contains(&(accepted * 100 / rounds)), "{accepted} of {rounds} accepted");
}

/// The content of `control`, and the data archive decompressed, of a package that ours accepts.
fn unpacked(package: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let mut input = Cursor::new(package);
    let (layout, control) =
        deb::control(&mut input, package.len() as u64).map_err(|error| error.to_string())?;
    let mut data = Vec::new();
    let stream = deb::stream(&mut input, layout.data, Limits::up_to(1 << 30));
    stream.and_then(|mut stream| stream.read_to_end(&mut data)).map_err(|error| error.to_string())?;
    Ok((control[0].bytes.to_vec(), data))
}

fn control_archive(shell: &Shell, folder: &Path) -> Vec<u8> {
    write(folder, "control", b"Package: x\n");
    let args = ["--owner=root:0", "--group=root:0", "--mode=644", "--format=gnu"];
    cmd!(shell, "tar -C {folder} {args...} -cf - ./control").quiet().output().unwrap().stdout
}

/// Packages with something to them: setgid and setuid files, other owners, hard links, links, long names, twins in
/// letter case, names that are not ASCII, and the largest.
const REAL: [&str; 12] = [
    "at",
    "base-files",
    "ca-certificates",
    "git",
    "iproute2",
    "libpam-modules-bin",
    "man-db",
    "passwd",
    "perl-base",
    "sudo",
    "systemd",
    "tzdata",
];

#[test]
fn packages_of_debian_hold_what_dpkg_deb_unpacks() {
    let shell = Shell::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let packages = download(&shell, folder.path(), &REAL);
    assert_eq!(packages.len(), REAL.len() + 1, "{packages:?}");
    for path in packages {
        let package = std::fs::read(&path).unwrap();
        let (_, data) = unpacked(&package).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let told = ours(&data, Policy::DEBIAN).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let tar = write(folder.path(), "data.tar", &data);
        let (theirs_control, theirs) = dpkg_deb(&shell, &path).unwrap();
        assert!(theirs == data && !theirs_control.is_empty(), "dpkg-deb and {}", path.display());
        let (listed, contents) = gnu_tar(&shell, &tar).unwrap();
        assert!(
            contents == told.iter().map(|t| t.content.as_str()).collect::<String>(),
            "{}",
            path.display()
        );
        let without_content = told.iter().map(|t| Told { content: String::new(), ..t.clone() });
        assert_eq!(listed, without_content.collect::<Vec<_>>(), "{}", path.display());
    }
}

/// Debian 13's `names` and its kernel, from the archive that the machine's apt names; by an apt of its own, so that the
/// machine's is as it was. Nothing is installed, so nobody has to trust the packages.
fn download(shell: &Shell, folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    let root = folder.join("apt");
    for part in ["lists/partial", "archives/partial"] {
        std::fs::create_dir_all(root.join(part)).unwrap();
    }
    let debian = tests::trixie::archive("debian").unwrap();
    write(&root, "sources.list", format!("deb [trusted=yes] {debian} {CODENAME} main\n").as_bytes());
    write(&root, "status", b"");
    let settings = format!(
        "Dir::State \"{root}\";\nDir::State::status \"{root}/status\";\nDir::Cache \"{root}\";\n\
         Dir::Etc::sourcelist \"{root}/sources.list\";\nDir::Etc::sourceparts \"-\";\nAPT::Architecture \"amd64\";\n\
         APT::Architectures \"amd64\";\nAPT::Sandbox::User \"\";\nAcquire::Languages \"none\";\n",
        root = root.display()
    );
    let config = write(&root, "apt.conf", settings.as_bytes());
    let _here = shell.push_dir(folder);
    let _config = shell.push_env("APT_CONFIG", config);
    cmd!(shell, "apt-get -q update").quiet().ignore_stdout().run().unwrap();
    let depends = cmd!(shell, "apt-cache depends linux-image-cloud-amd64").quiet().read().unwrap();
    let kernel = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: ")).unwrap();
    cmd!(shell, "apt-get -q download {names...} {kernel}").quiet().ignore_stdout().run().unwrap();
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "deb")).collect()
}
