//! What `cargo xtask` runs first: looks for what a build needs, then builds and runs xtask.
//!
//! xtask takes minutes to compile. This has no dependencies and takes a second, so that a machine that lacks a Rust target
//! or a C compiler is told so before anything else is compiled. (Without any linker rustc says so here, just as early.)
//!
//! ```text
//! cargo xtask ARGS ─► start ARGS ─► targets there? else `rustup target add` ─► C compiler? ─► cargo build --package xtask ─► xtask ARGS
//! ```
//! Neither the build nor xtask, which calls cargo again, gets the variables by which `cargo run` tells a program of its own package:
//! build scripts (ring's is one) look at them, and cargo would compile what depends on those again for each other value.
#![allow(clippy::disallowed_methods, reason = "xshell would be a dependency")]
#![allow(clippy::print_stderr, reason = "there is no console yet")]

use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Names the targets that the programs inside images are built for.
const TOOLCHAIN: &str = include_str!("../../../rust-toolchain.toml");

/// What is missing, and what brings it.
struct Missing {
    what: String,
    hint: String,
}

fn main() -> ExitCode {
    let checked = targets().and_then(|()| if is_built() { Ok(()) } else { compiler() });
    if let Err(Missing { what, hint }) = checked {
        eprintln!("error: {what}");
        eprintln!("hint: {hint}");
        return ExitCode::FAILURE;
    }
    let cargo = cargo();
    let mut build = Command::new(&cargo);
    build.arg("build").args(is_quiet(env::args_os().skip(1)).then_some("--quiet"));
    build.args(["--release", "--package", "xtask"]);
    match without_package(&mut build).status() {
        Ok(status) if status.success() => {}
        // cargo has said why
        Ok(_) => return ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: cannot run `{}`: {error}", cargo.display());
            return ExitCode::FAILURE;
        }
    }
    let Some(program) = xtask() else {
        eprintln!("error: cannot tell where this program is, and so where xtask is");
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(&program);
    command.args(env::args_os().skip(1));
    // it comes back only where it fails
    eprintln!("error: cannot run `{}`: {}", program.display(), without_package(&mut command).exec());
    ExitCode::FAILURE
}

/// xtask, which cargo puts beside this program.
fn xtask() -> Option<PathBuf> {
    Some(env::current_exe().ok()?.with_file_name("xtask"))
}

/// The command without what `cargo run` has told this program of its own package.
fn without_package(command: &mut Command) -> &mut Command {
    let is_told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_told)) {
        command.env_remove(name);
    }
    command
}

/// Whether xtask is asked to be quiet: then cargo is, too.
fn is_quiet(mut args: impl Iterator<Item = OsString>) -> bool {
    args.by_ref().take_while(|arg| arg != "--").any(|arg| arg == "-q" || arg == "--quiet")
}

/// The cargo that runs us, or the one on the path.
fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Sees to it that the toolchain has its targets.
fn targets() -> Result<(), Missing> {
    let Some(libraries) = libraries() else { return Ok(()) };
    let missing = || -> Vec<&str> {
        let is_there = |target: &&str| libraries.join(target).join("lib").is_dir();
        wanted_targets(TOOLCHAIN).into_iter().filter(|target| !is_there(target)).collect()
    };
    let first = missing();
    if first.is_empty() {
        return Ok(());
    }
    let mut words = vec!["target".to_owned(), "add".to_owned()];
    if let Ok(toolchain) = env::var("RUSTUP_TOOLCHAIN") {
        words.extend(["--toolchain".to_owned(), toolchain]);
    }
    words.extend(first.iter().map(|target| (*target).to_owned()));
    let line = format!("rustup {}", words.join(" "));
    let what = format!("the toolchain lacks {}", first.join(" and "));
    eprintln!("{what}: running `{line}`");
    match Command::new("rustup").args(&words).status() {
        Ok(_) if missing().is_empty() => Ok(()),
        Ok(_) => Err(Missing {
            what: format!("{what}, and rustup cannot install them"),
            hint: format!(
                "run `{line}` on a network that has static.rust-lang.org, or set RUSTUP_DIST_SERVER"
            ),
        }),
        Err(error) => Err(Missing {
            what: format!("{what}, and rustup cannot be run: {error}"),
            hint: format!("install rustup (https://rustup.rs), then `{line}`"),
        }),
    }
}

/// The targets that a `rust-toolchain.toml` names.
fn wanted_targets(toolchain: &str) -> Vec<&str> {
    let list = toolchain.lines().find_map(|line| line.strip_prefix("targets = [")?.strip_suffix(']'));
    list.unwrap_or_default().split(',').map(|word| word.trim().trim_matches('"')).collect()
}

/// The folder that has one folder for each target of the toolchain; none where it cannot be told.
fn libraries() -> Option<PathBuf> {
    let below = |sysroot: &Path| Some(sysroot.join("lib/rustlib")).filter(|path| path.is_dir());
    let beside = env::var_os("CARGO").map(PathBuf::from);
    if let Some(found) = beside.as_deref().and_then(|cargo| below(cargo.parent()?.parent()?)) {
        return Some(found);
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    below(Path::new(String::from_utf8(output.stdout).ok()?.trim()))
}

/// Whether xtask was built here before: what its C code needs was there then.
fn is_built() -> bool {
    xtask().is_some_and(|xtask| xtask.is_file())
}

/// Compiles a line of C with the compiler that the C libraries of xtask will be compiled with.
fn compiler() -> Result<(), Missing> {
    let cc = env::var("CC").ok().filter(|cc| !cc.trim().is_empty()).unwrap_or_else(|| "cc".to_owned());
    let compiled = compile(&cc);
    compiled.map_err(|why| Missing {
        what: format!("no C compiler that works: `{cc}`: {why}"),
        hint: "`apt-get install build-essential` (Debian, Ubuntu), `dnf install gcc` (Fedora), or the like brings one"
            .to_owned(),
    })
}

fn compile(cc: &str) -> Result<(), String> {
    let mut words = cc.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words).args(["-fsyntax-only", "-x", "c", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        // a compiler that does not read says why on its standard error
        let _ = input.write_all(b"#include <stdlib.h>\n");
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().map_or_else(|| output.status.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_is_quiet_from_the_start() {
        let quiet = |words: &[&str]| is_quiet(words.iter().map(OsString::from));
        assert!(quiet(&["bake", "-q"]) && quiet(&["bake", "--kind", "base", "--quiet"]));
        assert!(!quiet(&["bake"]) && !quiet(&["test", "--", "-q"]));
    }

    #[test]
    fn the_targets_are_those_of_the_toolchain_file() {
        assert_eq!(wanted_targets(TOOLCHAIN), ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"]);
    }
}
