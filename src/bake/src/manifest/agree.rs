//! Whether a pin's URL is of the name, the version and the machine that the manifest says: a digest vouches for bytes, and
//! nothing in it says whose they are. A floor of the policy would otherwise hold for a number that someone has typed.
//!
//! ```text
//! https://github.com/opencontainers/runc/releases/download/v1.4.2/runc.amd64
//!                                                          ^^^^^^ ^^^^ ^^^^^  version, name, machine
//! ```
//! - The path names the version, and no other one; a directory may be that of a series (`2.3/` for 2.3.1).
//! - The file's name begins with the component's, or is nothing but a version below a directory of that name.
//! - Where the path names machines, they are the manifest's.
//! - A Debian package is called `NAME_VERSION_ARCH.deb`, the version without its epoch.

use super::{Form, Pin};
use tree::name::{Arch, Name};

/// What upstreams call machines, by Debian's name; those of no image are known to be others.
const MACHINES: [(&str, &[&str]); 8] = [
    ("amd64", &["amd64", "x86_64", "x86-64", "x64"]),
    ("arm64", &["arm64", "aarch64"]),
    ("i386", &["i386", "i686", "linux-386", "linux_386", "linux/386"]),
    (
        "armhf",
        &["armhf", "armel", "armv6", "armv7", "armv6l", "armv7l", "linux-arm", "linux_arm", "linux/arm"],
    ),
    ("ppc64el", &["ppc64el", "ppc64le", "powerpc64le"]),
    ("riscv64", &["riscv64", "riscv64gc"]),
    ("s390x", &["s390x"]),
    ("loong64", &["loong64", "loongarch64"]),
];

/// In what a URL is not of its pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// It does not name the version.
    #[error("the URL does not name version `{0}`")]
    NoVersion(String),
    /// It names another version.
    #[error("expected version `{pinned}`, found `{found}` in the URL")]
    Version {
        /// That of the manifest.
        pinned: String,
        /// That of the URL.
        found: String,
    },
    /// Its file is called otherwise.
    #[error("expected a file named `{0}…`, found `{1}` in the URL")]
    Name(String, String),
    /// It is for another machine.
    #[error("expected architecture `{0}`, found `{1}` in the URL")]
    Machine(Arch, String),
    /// A Debian package that is called otherwise.
    #[error("expected file `{0}`, found `{1}` in the URL")]
    Deb(String, String),
}

/// Compares the URL of `pin` with its name, its version and the manifest's machine.
pub fn agree(name: &Name, pin: &Pin, arch: Arch) -> Result<(), Disagreement> {
    let path = url::Url::parse(&pin.url).map(|url| url.path().to_owned()).unwrap_or_default();
    // the one character of a version that URLs often write otherwise
    let path = path.replace("%2B", "+").replace("%2b", "+").replace("%7E", "~").replace("%7e", "~");
    let (directories, file) = path.rsplit_once('/').unwrap_or(("", &path));
    let version = without_epoch(&pin.version);
    if pin.form == Form::Deb {
        return deb(name, version, arch, file);
    }
    machine(arch, &path)?;
    let rest = called(name, directories, file)?;
    let version = version.strip_prefix('v').unwrap_or(version);
    let of_series = directories.split('/').flat_map(versions).find(|found| !is_of(version, found, true));
    let other = of_series.or_else(|| versions(rest).find(|found| !is_of(version, found, false)));
    if let Some(found) = other {
        return Err(Disagreement::Version { pinned: version.to_owned(), found });
    }
    if contains(directories, version) || contains(rest, version) {
        return Ok(());
    }
    Err(Disagreement::NoVersion(version.to_owned()))
}

/// A version as files are named after it.
#[must_use]
pub fn without_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}

fn deb(name: &Name, version: &str, arch: Arch, file: &str) -> Result<(), Disagreement> {
    let of = |arch: &str| format!("{name}_{version}_{arch}.deb");
    if [of(arch.debian()), of("all")].iter().any(|expected| expected == file) {
        return Ok(());
    }
    Err(Disagreement::Deb(of(arch.debian()), file.to_owned()))
}

/// What is after the component's name in the file's, which must begin with it, or be nothing but a version below a
/// directory that is called so.
fn called<'a>(name: &Name, directories: &str, file: &'a str) -> Result<&'a str, Disagreement> {
    let ends = |rest: &&str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    if let Some(rest) = file.strip_prefix(name.as_str()).filter(ends) {
        return Ok(rest);
    }
    let digits = file.strip_prefix('v').unwrap_or(file);
    let is_version = digits.starts_with(|c: char| c.is_ascii_digit());
    if is_version && directories.split('/').any(|directory| directory == name.as_str()) {
        return Ok(file);
    }
    Err(Disagreement::Name(name.to_string(), file.to_owned()))
}

fn machine(arch: Arch, path: &str) -> Result<(), Disagreement> {
    for (machine, names) in MACHINES {
        let found = names.iter().find(|name| contains(path, name));
        if let Some(found) = found.filter(|_| machine != arch.debian()) {
            return Err(Disagreement::Machine(arch, (*found).to_owned()));
        }
    }
    Ok(())
}

/// Whether `text` has `part` as a word of its own: no letter or digit next to it, and no dot with a digit after it.
fn contains(text: &str, part: &str) -> bool {
    let word = |at: usize| {
        let before = text[..at].strip_suffix('v').unwrap_or(&text[..at]);
        let behind = &text[at + part.len()..];
        let further =
            behind.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let digits = part.ends_with(|c: char| c.is_ascii_digit()) && further;
        !before.ends_with(|c: char| c.is_ascii_alphanumeric())
            && !behind.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !digits
    };
    text.match_indices(part).any(|(at, _)| word(at))
}

/// The versions in `text`: numbers with dots between them, and what is joined to them as Semantic Versioning joins it.
fn versions(text: &str) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let begins = rest[..at].strip_suffix('v').unwrap_or(&rest[..at]);
        let begins = !begins.ends_with(|c: char| c.is_ascii_alphanumeric());
        let len = rest[at..].find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len() - at);
        let word = rest[at..at + len].trim_end_matches('.');
        rest = &rest[at + len..];
        if begins && word.contains('.') {
            // -rc.3, ~rc1, +deb13u1; not -linux, which says no version
            let tail = rest.strip_prefix(['-', '~', '+']).unwrap_or_default();
            let joined = ["alpha", "beta", "rc", "pre", "dev"].iter().any(|word| tail.starts_with(word));
            let more = if joined || rest.starts_with(['~', '+']) {
                rest[1..]
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
                    .map_or(rest.len(), |at| at + 1)
            } else {
                0
            };
            let more = rest[..more].trim_end_matches(".tgz").trim_end_matches(".tar.gz");
            found.push(format!("{word}{more}"));
            rest = &rest[more.len()..];
        }
    }
    found.into_iter()
}

/// Whether `found` is `version`, or in a directory that of its series.
fn is_of(version: &str, found: &str, series: bool) -> bool {
    let begins = version.strip_prefix(found).is_some_and(|rest| {
        rest.is_empty()
            // what is joined to a version is not always recognised in a file's name: that it is there, is checked apart
            || rest.starts_with(['-', '~', '+'])
            || (series && rest.starts_with('.'))
    });
    // an ending such as `.amd64` is taken for a part of what is joined
    let ending = found.strip_prefix(version).and_then(|rest| rest.strip_prefix('.'));
    begins || ending.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tree::digest::Sha256;

    fn check(name: &str, version: &str, form: Form, url: &str) -> Result<(), String> {
        let pin = Pin {
            version: version.to_owned(),
            url: url.to_owned(),
            form,
            digest: Sha256([0; 32]).into(),
            size: 1,
            providers: Vec::new(),
        };
        agree(&name.parse().unwrap(), &pin, Arch::Amd64).map_err(|error| error.to_string())
    }

    #[test]
    fn urls_of_all_sorts_of_upstreams_agree() {
        for (name, version, url) in [
            ("runc", "1.4.2", "https://github.com/opencontainers/runc/releases/download/v1.4.2/runc.amd64"),
            (
                "runc",
                "1.4.0-rc.3",
                "https://github.com/opencontainers/runc/releases/download/v1.4.0-rc.3/runc.amd64",
            ),
            (
                "cni-plugins",
                "1.9.1",
                "https://github.com/x/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz",
            ),
            ("kubelet", "1.37.0", "https://dl.k8s.io/release/v1.37.0/bin/linux/amd64/kubelet"),
            (
                "registry",
                "0.1.0",
                "https://github.com/podplane/registry/releases/download/v0.1.0/registry_0.1.0_linux_amd64.tar.gz",
            ),
            ("tool", "1.2.3", "https://example.org/tool/1.2/tool-1.2.3-x86_64.tar.gz"),
            ("tool", "v1.2.3", "https://github.com/o/tool/archive/refs/tags/v1.2.3.tar.gz"),
            ("tool", "1.2.3+k3s1", "https://example.org/v1.2.3%2Bk3s1/tool"),
            ("python3.13", "3.13.5", "https://example.org/python3.13-3.13.5.tgz"),
            ("tool", "20260512-2476", "https://example.org/20260512-2476/tool-amd64-20260512-2476.tgz"),
            ("tool", "7", "https://example.org/v7/tool"),
            ("tool", "1.2.3-rc.1", "https://example.org/tool-1.2.3-rc.1.amd64"),
            ("arm-tool", "0.386", "https://example.org/0.386/arm-tool"),
        ] {
            assert_eq!(check(name, version, Form::TarGz, url), Ok(()), "{name} {version} {url}");
        }
        for (version, file) in [("5.0.5", "f_5.0.5_amd64.deb"), ("1:5.0.5-1+b2", "f_5.0.5-1+b2_all.deb")] {
            let url = format!("https://example.org/debian/trixie/pool/main/f/f9-1.7/{file}");
            assert_eq!(check("f", version, Form::Deb, &url), Ok(()), "{url}");
        }
    }

    #[test]
    fn a_url_of_another_version_name_or_machine_is_told() {
        for (name, version, url, said) in [
            (
                "runc",
                "1.4.2",
                "https://example.org/v1.1.0/runc.amd64",
                "expected version `1.4.2`, found `1.1.0`",
            ),
            (
                "runc",
                "1.4.2",
                "https://example.org/v1.4.2/runc-1.1.0.amd64",
                "expected version `1.4.2`, found `1.1.0`",
            ),
            (
                "runc",
                "1.4.2",
                "https://example.org/v1.1.0/runc-1.4.2.amd64",
                "expected version `1.4.2`, found `1.1.0`",
            ),
            (
                "runc",
                "1.4.0",
                "https://example.org/v1.4.0-rc.3/runc.amd64",
                "expected version `1.4.0`, found `1.4.0-rc.3`",
            ),
            ("runc", "1.4.2", "https://example.org/v1.4.20/runc.amd64", "found `1.4.20`"),
            ("runc", "1.4.20", "https://example.org/v1.4.2/runc.amd64", "found `1.4.2`"),
            ("runc", "1.4", "https://example.org/v1.4.2/runc.amd64", "found `1.4.2`"),
            ("runc", "1.4.2", "https://example.org/latest/runc.amd64", "does not name version `1.4.2`"),
            ("runc", "1.4.2", "https://example.org/1.4/runc.amd64", "does not name version `1.4.2`"),
            ("kubelet", "1.37.0", "https://example.org/v1.37.0/kubectl", "expected a file named `kubelet…`"),
            ("kube", "1.37.0", "https://example.org/v1.37.0/kubelet", "found `kubelet`"),
            (
                "runc",
                "1.4.2",
                "https://example.org/v1.4.2/runc.arm64",
                "expected architecture `amd64`, found `arm64`",
            ),
            ("kubelet", "1.37.0", "https://example.org/v1.37.0/linux/aarch64/kubelet", "found `aarch64`"),
            ("kubelet", "1.37.0", "https://example.org/v1.37.0/linux/s390x/kubelet", "found `s390x`"),
        ] {
            let got = check(name, version, Form::TarGz, url).unwrap_err();
            assert!(got.contains(said), "{url}: {got}");
        }
        for (version, file) in [
            ("5.0.5", "f_5.0.4_amd64.deb"),
            ("5.0.5", "g_5.0.5_amd64.deb"),
            ("5.0.5", "f_5.0.5_arm64.deb"),
            ("5.0.5", "f-5.0.5.deb"),
        ] {
            let got = check("f", version, Form::Deb, &format!("https://example.org/{file}")).unwrap_err();
            assert!(got.contains("expected file `f_5.0.5_amd64.deb`"), "{file}: {got}");
        }
    }
}
