//! What tests need of Debian is installed also where a package that is there stands in the way.

use anyhow::Result;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tests::run::Run;
use tests::workspace;

/// A program in place of another one.
fn stub(dir: &Path, name: &str, script: &str) -> Result<()> {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// The calls of apt-get that `.ci/packages` makes where `apt` is what apt-get does and qemu-utils is there.
fn calls(apt: &str, requirements: &str, ci: &str) -> Result<(Option<i32>, Vec<String>)> {
    let dir = tempfile::tempdir()?;
    let (at, log) = (dir.path(), dir.path().join("log"));
    stub(at, "apt-get", &format!("echo \"$*\" >>{}\n{apt}", log.display()))?;
    stub(at, "sudo", "shift; exec \"$@\"")?;
    stub(at, "dpkg-query", "case \"$*\" in *qemu-utils) echo installed ;; *) exit 1 ;; esac")?;
    fs::write(at.join("requirements"), requirements)?;
    fs::write(at.join("os-release"), "VERSION_CODENAME=bookworm\n")?;
    let run = Run::new(
        &workspace::root().join(".ci/packages"),
        at,
        [at.join("requirements"), at.join("os-release")],
    );
    let ended = run.env("PATH", format!("{}:/usr/bin:/bin", at.display())).env("CI", ci).end()?;
    Ok((ended.code, fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()))
}

const REQUIREMENTS: &str =
    "# package, how it is known\nbash bash # there\nqemu-system-x86 no-such-program\nother /no/such/file\n";
const PLAIN: &str = "-q install --yes --no-install-recommends --no-remove qemu-system-x86 other";

#[test]
fn what_is_there_is_not_asked_for_and_what_is_missing_is_installed_at_once() -> Result<()> {
    assert_eq!(calls("exit 0", REQUIREMENTS, "")?, (Some(0), vec!["-q update".into(), PLAIN.into()]));
    assert_eq!(calls("exit 0", "bash bash\n", "")?, (Some(0), vec![]));
    Ok(())
}

#[test]
fn a_package_of_backports_that_is_in_the_way_gives_way_to_the_one_of_the_release() -> Result<()> {
    let apt = "case \"$*\" in *install*--allow-downgrades*|*update*) exit 0 ;; *) exit 100 ;; esac";
    let again = "-q install --yes --no-install-recommends --no-remove --allow-downgrades qemu-system-x86 other qemu-utils/bookworm";
    assert_eq!(
        calls(apt, REQUIREMENTS, "true")?,
        (Some(0), vec!["-q update".into(), PLAIN.into(), again.into()])
    );
    // no machine but one of CI has its packages downgraded
    for ci in ["", "false"] {
        assert_eq!(calls(apt, REQUIREMENTS, ci)?, (Some(1), vec!["-q update".into(), PLAIN.into()]));
    }
    Ok(())
}

#[test]
fn an_archive_that_has_not_what_is_missing_is_a_failure() -> Result<()> {
    let (code, calls) =
        calls("case \"$*\" in *update*) exit 0 ;; *) exit 100 ;; esac", REQUIREMENTS, "true")?;
    assert_eq!((code, calls.len()), (Some(100), 3));
    Ok(())
}
