//! `cargo xtask dist`: what a release is made of, the same bytes wherever it is built.
//!
//! ```text
//! configure, init ─both architectures─► programs ─VMBAKE_PROGRAMS─► vmbake, static ─┬─► vmbake-VERSION-ARCH.tar.gz, SHA256SUMS
//!                                   man pages, completions ──────────────────────────┴─► vmbake-VERSION.oci.tar
//! ```
//! C libraries are compiled by Zig's clang, which has the headers of musl for both architectures: a pinned package of
//! PyPI, put below `target/` where it is not there. All else is the toolchain's.

mod archive;
mod oci;
mod zig;

use crate::cli::NAME;
use crate::tools;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tree::digest::Sha256;
use tree::name::Arch;
use vmbake::console::{self, size};
use vmbake::programs::{self, Program};
use vmbake::progress::{self, Show, ShowArgs};
use vmbake::project::Project;
use xshell::cmd;

/// Build a release: static programs, archives, checksums, manual pages, completions and a container image
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The files of a release carry the time of the last commit, or SOURCE_DATE_EPOCH. --check builds all of it a second time, from a \
copy of the checkout elsewhere, and compares.")]
pub(crate) struct Args {
    /// Where the files go
    #[arg(long, short, value_name = "DIR", default_value = "dist/release")]
    output: PathBuf,
    /// For which machines, several with commas between [default: both]
    #[arg(long, value_name = "amd64|arm64", value_delimiter = ',')]
    arch: Vec<Arch>,
    /// Build a second time, in another folder, and fail where a byte differs
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    show: ShowArgs,
}

/// The files of a release by their names.
type Files = BTreeMap<String, Vec<u8>>;

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let show = args.show.show();
    let arches = if args.arch.is_empty() { Arch::ALL.to_vec() } else { args.arch.clone() };
    let epoch = epoch()?;
    let root = tools::root();
    let zig = zig::Zig::get(&show)?;
    let files = release(root, &arches, epoch, &zig, &show)?;
    if args.check {
        let elsewhere = tempfile::Builder::new().prefix("vmbake-dist-").tempdir()?;
        copy_checkout(root, elsewhere.path())?;
        let again = release(elsewhere.path(), &arches, epoch, &zig, &show)?;
        for (name, bytes) in &files {
            ensure!(again.get(name) == Some(bytes), "`{name}` differs from that of a second build");
        }
        show.note("a second build, in another folder, gives the same bytes");
    }
    fs::create_dir_all(&args.output)?;
    let mut made = Vec::new();
    for (name, bytes) in files {
        fs::write(args.output.join(&name), &bytes).with_context(|| format!("write `{name}`"))?;
        made.push(ReleaseFile { name, size: bytes.len() as u64, sha256: Sha256::of(&bytes) });
    }
    let sums: String =
        made.iter().map(|ReleaseFile { name, sha256, .. }| format!("{}  {name}\n", sha256.hex())).collect();
    fs::write(args.output.join("SHA256SUMS"), sums)?;
    if args.show.json {
        return console::json(&made);
    }
    for ReleaseFile { name, size: bytes, sha256 } in &made {
        console::line(format!("{}  {:>8}  {name}", sha256.hex(), size(*bytes)));
    }
    Ok(())
}

/// A file of a release.
#[derive(serde::Serialize)]
struct ReleaseFile {
    name: String,
    size: u64,
    sha256: Sha256,
}

/// The time of the files: SOURCE_DATE_EPOCH, else that of the last commit; seconds since 1970.
fn epoch() -> Result<u64> {
    if let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") {
        return text.to_str().and_then(|text| text.parse().ok()).context("SOURCE_DATE_EPOCH is not a number");
    }
    let shell = tools::shell()?;
    let text = cmd!(shell, "git log -1 --format=%ct").quiet().read()?;
    text.trim().parse().with_context(|| format!("a time, expected seconds, found `{text}`"))
}

/// The files of a release that is built in `root`.
fn release(root: &Path, arches: &[Arch], epoch: u64, zig: &zig::Zig, show: &Show) -> Result<Files> {
    let programs = root.join("target/dist/programs");
    let project = Project { root: root.to_owned() };
    for arch in Arch::ALL {
        let folder = programs.join(arch.debian());
        fs::create_dir_all(&folder)?;
        for (program, name) in
            [(Program::Configure, "configure"), (Program::FirstBoot, "first-boot"), (Program::Init, "init")]
        {
            fs::copy(programs::program(&project, program, arch, show)?, folder.join(name))?;
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    let (mut files, mut images) = (Files::new(), Vec::new());
    for arch in arches {
        let program = build(root, *arch, &programs, zig, show)?;
        ensure_static(&program, *arch)?;
        let content = archive::Content { program: &program, root, version, epoch };
        files.insert(format!("vmbake-{version}-{arch}.tar.gz"), archive::write(&content)?);
        images.push((*arch, program));
    }
    files.insert(format!("vmbake-{version}.oci.tar"), oci::write(&images, version, epoch)?);
    Ok(files)
}

/// Builds the program for `arch`, and gives its bytes.
fn build(root: &Path, arch: Arch, programs: &Path, zig: &zig::Zig, show: &Show) -> Result<Vec<u8>> {
    let (target, folder) = (arch.musl_target(), root.join("target/dist/build"));
    let shell = xshell::Shell::new()?;
    shell.change_dir(root);
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| Ok::<_, std::env::VarError>(std::env::var("HOME")? + "/.cargo"))?;
    let remap = [(home.as_str(), "/cargo"), (&root.display().to_string(), "/vmbake")]
        .map(|(here, there)| format!("--remap-path-prefix={here}={there}"));
    let mut flags = vec!["-Clinker=rust-lld".to_owned(), "-Clink-self-contained=yes".to_owned()];
    flags.extend(remap);
    let under = target.replace('-', "_");
    let (cargo, cc) = (tools::cargo(), zig.compiler(arch));
    let build = cmd!(shell, "{cargo} build --quiet --locked --package vmbake-program --profile dist --target {target} --target-dir {folder}")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env(format!("CC_{under}"), cc)
        .env(format!("AR_{under}"), zig.archiver())
        .env(format!("CFLAGS_{under}"), format!("-ffile-prefix-map={home}=/cargo"))
        .env("VMBAKE_PROGRAMS", programs)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .quiet();
    show.during(&format!("building `vmbake` for {target}"), progress::SHORT, |_| build.run())?;
    let path = folder.join(target).join("dist/vmbake");
    fs::read(&path).with_context(|| path.display().to_string())
}

/// Demands a static program of `arch`: it runs wherever the kernel does.
fn ensure_static(program: &[u8], arch: Arch) -> Result<()> {
    bake::archive::elf::check(std::io::Cursor::new(program), arch, true)
        .map_err(|error| anyhow::anyhow!("`vmbake` for {arch}: {error}"))
}

/// Copies what is committed or changed, and no build.
fn copy_checkout(root: &Path, to: &Path) -> Result<()> {
    let shell = xshell::Shell::new()?;
    shell.change_dir(root);
    let list = cmd!(shell, "git ls-files --cached --others --exclude-standard -z").quiet().read()?;
    for name in list.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root.join(name), to.join(name));
        if !from.exists() {
            continue;
        }
        fs::create_dir_all(to.parent().context("a folder")?)?;
        fs::copy(&from, &to).with_context(|| format!("{NAME} dist: copy `{name}`"))?;
    }
    Ok(())
}
