//! fluent-bit's Debian package: the control fields, conffiles, scripts and paths of the one that upstream's CPack makes.
//!
//! Two things of it are deliberate traps: it brings `/lib` as a directory, which on Debian 13 is a link into `/usr`, and
//! its `postinst` leaves a mark where it is run, which it must not be; where it is interpreted there are no processes.

use super::archive::{Entry, deb};
use super::program::Program;
use anyhow::Result;
use md5::Digest as _;
use std::fmt::Write as _;

/// What the real package depends on, as `dpkg-shlibdeps` wrote it on trixie.
const DEPENDS: &str = "libc6 (>= 2.38), libcurl4t64 (>= 7.16.2), libgssapi-krb5-2 (>= 1.17), libldap2 (>= 2.6.2), \
     libpq5, libsasl2-2 (>= 2.1.28+dfsg), libssl3t64 (>= 3.0.0), libsystemd0, libyaml-0-2, libzstd1 (>= 1.5.5), \
     zlib1g (>= 1:1.1.4)";

const CONFFILES: [&str; 3] =
    ["/etc/fluent-bit/parsers.conf", "/etc/fluent-bit/plugins.conf", "/etc/fluent-bit/fluent-bit.conf"];

const UNIT: &str = "[Unit]\nDescription=Fluent Bit (stand-in)\nAfter=network.target\n\n[Service]\nType=simple\n\
     EnvironmentFile=-/etc/default/fluent-bit\nExecStart=/opt/fluent-bit/bin/fluent-bit -c /etc/fluent-bit/fluent-bit.conf\n\
     Restart=always\n\n[Install]\nWantedBy=multi-user.target\n";

/// Its one script with an effect.
pub const POSTINST: &str = "#!/bin/sh\nset -e\n# a stand-in's script leaves a mark where it is run, which it must not be\n\
     if [ \"$1\" = configure ]; then\n    [ ! -e /proc/self ] || : >/fluent-bit-postinst-was-run\n    ldconfig\nfi\n";

const PRERM: &str = "#!/bin/sh\nset -e\nexit 0\n";

/// The bytes of the package.
pub(super) fn package(version: &str, program: &Program) -> Result<Vec<u8>> {
    let mut data = ["./", "./etc/", "./etc/fluent-bit/"].map(Entry::directory).to_vec();
    for path in CONFFILES {
        data.push(Entry::file(&format!(".{path}"), format!("# {path} (stand-in)\n").as_bytes()));
    }
    data.extend(["./lib/", "./lib/systemd/", "./lib/systemd/system/"].map(Entry::directory));
    data.push(Entry::file("./lib/systemd/system/fluent-bit.service", UNIT.as_bytes()));
    data.extend(["./opt/", "./opt/fluent-bit/", "./opt/fluent-bit/bin/"].map(Entry::directory));
    data.push(Entry::program("./opt/fluent-bit/bin/fluent-bit", program.stamped("fluent-bit", version)?));
    let control = [
        Entry::directory("./"),
        Entry::file("./control", control(version, program, &data).as_bytes()),
        Entry::file("./md5sums", md5sums(&data).as_bytes()),
        Entry::file("./conffiles", (CONFFILES.join("\n") + "\n").as_bytes()),
        Entry::program("./postinst", POSTINST.as_bytes().to_vec()),
        Entry::program("./prerm", PRERM.as_bytes().to_vec()),
    ];
    deb(&control, &data)
}

/// The control file: the fields that CPack writes, in its order.
fn control(version: &str, program: &Program, data: &[Entry]) -> String {
    let kib: usize =
        data.iter().map(|entry| entry.body.as_ref().map_or(0, |body| body.len().div_ceil(1024))).sum();
    format!(
        "Architecture: {}\nDepends: {DEPENDS}\n\
         Description: Fast data collector for Linux (stand-in)\n Plays fluent-bit in tests.\n\
         Homepage: https://fluentbit.io\nInstalled-Size: {kib}\nMaintainer: Nobody <nobody@example.org>\n\
         Package: fluent-bit\nPriority: optional\nSection: devel\nVersion: {version}\n",
        program.arch
    )
}

/// `<digest>  <path without a leading slash>` for each file.
fn md5sums(data: &[Entry]) -> String {
    let mut out = String::new();
    for entry in data {
        let Some(body) = &entry.body else { continue };
        for byte in md5::Md5::digest(body) {
            // a String takes every write
            let _ = write!(out, "{byte:02x}");
        }
        let _ = writeln!(out, "  {}", entry.path.trim_start_matches("./"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::program::Arch;
    use super::*;
    use xshell::{Shell, cmd};

    #[test]
    fn dpkg_reads_the_package_as_it_would_read_the_real_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.deb");
        let program = Program::build(Arch::Arm64).unwrap();
        std::fs::write(&path, package("5.0.5", &program).unwrap()).unwrap();
        let shell = Shell::new().unwrap();
        let field = |name: &str| cmd!(shell, "dpkg-deb --field {path} {name}").read().unwrap();
        assert_eq!(
            (field("Package"), field("Version"), field("Architecture")),
            ("fluent-bit".to_owned(), "5.0.5".to_owned(), "arm64".to_owned())
        );
        assert!(field("Depends").contains("libpq5, "));
        let tree = dir.path().join("tree");
        cmd!(shell, "dpkg-deb --raw-extract {path} {tree}").quiet().run().unwrap();
        assert!(tree.join("lib/systemd/system/fluent-bit.service").is_file());
        // real dpkg agrees with the sums
        shell.change_dir(&tree);
        cmd!(shell, "md5sum --check --strict --quiet DEBIAN/md5sums").run().unwrap();
        let conffiles = shell.read_file(tree.join("DEBIAN/conffiles")).unwrap();
        assert!(
            conffiles.lines().count() == 3 && conffiles.lines().all(|file| tree.join(&file[1..]).is_file())
        );
    }
}
