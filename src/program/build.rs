//! Takes into the program what comes with it, in a package of its own so that a changed recipe compiles nothing else: the kinds of `image-recipes/`, what `manifests/` pins for them, and, for a
//! release, the programs that run inside an image.
//!
//! A release has those programs in the folder that `VMBAKE_PROGRAMS` names, as ARCH/NAME; without the variable, in a
//! checkout, cargo builds each when it is needed.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a build script that fails stops the build"
)]

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folders of the repository that come with the program.
const FOLDERS: [&str; 2] = ["image-recipes", "manifests"];
/// The programs that run inside an image, and the architectures of images.
const PROGRAMS: [&str; 3] = ["configure", "first-boot", "init"];
const ARCHES: [&str; 2] = ["amd64", "arm64"];

fn main() {
    println!("cargo::rerun-if-env-changed=VMBAKE_PROGRAMS");
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).expect("the checkout").to_owned();
    let mut files = Vec::new();
    for folder in FOLDERS {
        walk(&root, Path::new(folder), &mut files);
    }
    let mut text = String::from("&[\n");
    for file in &files {
        let path = root.join(file);
        let executable = fs::metadata(&path).expect("metadata").permissions().mode() & 0o100 != 0;
        let name = file.to_str().expect("a name that is UTF-8");
        writeln!(
            text,
            "    File {{ path: {name:?}, executable: {executable}, bytes: include_bytes!({path:?}) }},"
        )
        .expect("a line");
    }
    text.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("OUT_DIR"));
    fs::write(out.join("files.rs"), text).expect("write files.rs");
    let mut text = String::from("&[\n");
    if let Some(folder) = env::var_os("VMBAKE_PROGRAMS") {
        let folder = fs::canonicalize(folder).expect("the folder that VMBAKE_PROGRAMS names");
        for (arch, name) in ARCHES.iter().flat_map(|arch| PROGRAMS.map(|name| (arch, name))) {
            let path = folder.join(arch).join(name);
            println!("cargo::rerun-if-changed={}", path.display());
            writeln!(text, "    ({arch:?}, {name:?}, include_bytes!({path:?})),").expect("a line");
        }
    }
    text.push(']');
    fs::write(out.join("programs.rs"), text).expect("write programs.rs");
}

/// The regular files below `folder`, sorted by path; anything else has no place there.
fn walk(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) {
    println!("cargo::rerun-if-changed={}", root.join(folder).display());
    let mut entries: Vec<_> =
        fs::read_dir(root.join(folder)).expect("a folder").map(|entry| entry.expect("an entry")).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            walk(root, &path, files);
        } else {
            assert!(kind.is_file(), "{}: expected a regular file", path.display());
            println!("cargo::rerun-if-changed={}", root.join(&path).display());
            files.push(path);
        }
    }
}
