//! Whether a package's scripts are among those that were read.
//!
//! Two scripts are one when their normal forms are: what is left out cannot change what a script does.
//! - The version of debhelper in `# Automatically added by dh_installdeb/13.24.2`: a comment that each rebuild with a
//!   newer debhelper changes, while the section below it stays. All other comments count: they may be in a here-document.
//! - The kernel's release in the scripts of `linux-image-*`: it is in the name of the package, and changes with each
//!   security update. `RELEASE` stands for it, so that all releases have one text.

use super::{Effects, SCRIPTS, of};
use crate::unpack::ControlFile;
use std::borrow::Cow;
use std::collections::BTreeSet;
use tree::digest::Sha256;
use tree::name::Name;

/// The line that debhelper begins a section with.
const ADDED: &str = "# Automatically added by dh";

/// How the flavour of a kernel ends, but for the size of its pages.
const ARCHES: [&str; 2] = ["-amd64", "-arm64"];

/// The normal form of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its bytes; scripts need not be text.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Sha256,
}

/// A script that nobody has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreviewed {
    /// The package.
    pub package: Name,
    /// `preinst`, `config` or `postinst`.
    pub script: String,
    /// Its normal form.
    pub text: Text,
    /// The digests of those of this name and package that were read.
    pub known: Vec<Sha256>,
    /// The digests of their lines, as far as they are known.
    pub lines: BTreeSet<String>,
}

impl Unreviewed {
    /// The lines, with their numbers from 1, that none of the reviewed scripts has; all, where their lines are not known.
    pub fn new_lines(&self) -> impl Iterator<Item = (usize, String)> {
        let lines = self.text.bytes.split(|byte| *byte == b'\n').enumerate();
        let new = lines.filter(|(_, bytes)| !self.lines.contains(&line(bytes)));
        new.map(|(at, bytes)| (at + 1, String::from_utf8_lossy(bytes).into_owned()))
    }
}

/// The digest of a line of a script, without what is around it: the first eight digits of its SHA-256.
#[must_use]
pub fn line(bytes: &[u8]) -> String {
    Sha256::of(bytes.trim_ascii()).hex()[..8].to_owned()
}

impl std::fmt::Display for Unreviewed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { package, script, text, known, .. } = self;
        let was = if known.is_empty() { "is unknown" } else { "has changed" };
        write!(f, "the {script} of package `{package}` {was}, found {}", text.digest)
    }
}

/// The scripts of the package `name` whose normal forms are not among the reviewed ones of `effects`.
#[must_use]
pub fn unreviewed(effects: &Effects, name: &Name, control: &[ControlFile]) -> Vec<Unreviewed> {
    let mut found = Vec::new();
    for file in control.iter().filter(|file| SCRIPTS.contains(&file.name.as_str())) {
        let text = normal(name, &file.bytes);
        let entry = of(effects, name);
        let known = entry.and_then(|known| known.reviewed.get(&file.name)).cloned().unwrap_or_default();
        if !known.contains(&text.digest) {
            let lines = entry.and_then(|known| known.lines.get(&file.name));
            let lines =
                lines.into_iter().flat_map(|lines| lines.split_whitespace()).map(str::to_owned).collect();
            let (package, script) = (name.clone(), file.name.clone());
            found.push(Unreviewed { package, script, text, known, lines });
        }
    }
    found
}

/// The normal form of a script of the package `name`.
#[must_use]
pub fn normal(name: &Name, script: &[u8]) -> Text {
    let mut bytes = match std::str::from_utf8(script) {
        Ok(text) => without_versions(text).into_bytes(),
        // what is not text has no such comments
        Err(_) => script.to_vec(),
    };
    if name.as_str().starts_with("linux-image-") {
        bytes = without_releases(&bytes);
    }
    let digest = Sha256::of(&bytes);
    Text { bytes, digest }
}

/// The release in the name of a kernel's package, `6.12.117+deb13-cloud-amd64` of `linux-image-6.12.117+deb13-cloud-amd64`.
pub(crate) fn release(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("linux-image-")?;
    (is_release(rest) == rest.len()).then_some(rest)
}

fn without_versions(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let version = line.strip_prefix(ADDED).and_then(|rest| rest.find('/'));
        match version {
            Some(at) => {
                out.push_str(&line[..ADDED.len() + at]);
                out.push_str(if line.ends_with('\n') { "\n" } else { "" });
            }
            None => out.push_str(line),
        }
    }
    out
}

/// `RELEASE` in place of each kernel release.
fn without_releases(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    if matches!(text, Cow::Owned(_)) {
        return bytes.to_vec();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let len = if before.is_ascii_alphanumeric() || before == '.' { 0 } else { is_release(rest) };
        if len > 0 {
            out.push_str("RELEASE");
            before = 'E';
            rest = &rest[len..];
        } else {
            out.push(next);
            before = next;
            rest = &rest[next.len_utf8()..];
        }
    }
    out.into_bytes()
}

/// How many bytes at the start of `text` are a kernel release: `6.12.117+deb13-cloud-amd64`, with `\+` for `+` where
/// debhelper has quoted it; 0 when none is there.
fn is_release(text: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut at = digits(text);
    let mut numbers = usize::from(at > 0);
    while at > 0 && text[at..].starts_with('.') {
        let more = digits(&text[at + 1..]);
        if more == 0 {
            return 0;
        }
        at += 1 + more;
        numbers += 1;
    }
    if numbers < 2 {
        return 0;
    }
    let rest = &text[at..];
    let quoted = rest.strip_prefix('\\').unwrap_or(rest);
    let Some(plus) = quoted.strip_prefix('+') else { return 0 };
    let word = plus.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
    let flavour = &plus[..word];
    if !flavour.starts_with("deb") || !ARCHES.iter().any(|arch| without_pages(flavour).ends_with(arch)) {
        return 0;
    }
    text.len() - plus.len() + word
}

/// A flavour without the size of its pages, `deb13-arm64` of `deb13-arm64-16k`.
fn without_pages(flavour: &str) -> &str {
    let Some((before, last)) = flavour.rsplit_once('-') else { return flavour };
    let size = last.strip_suffix('k').unwrap_or_default();
    if !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit()) { before } else { flavour }
}
