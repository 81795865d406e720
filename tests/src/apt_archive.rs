//! Archives of packages that tests make for themselves: small packages, indexes, and Releases with throw-away keys.
//!
//! ```text
//! Package ─stanza─► Packages, .xz, .zst, .gz ─digests─► Release ─gpg─► InRelease, or Release and Release.gpg
//! ```
//! The result is files by their paths below the root of the archive, for a folder or a server on the loopback.
//! Needs: gpg, dpkg-deb.

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tree::digest::Sha256;
use xshell::{Shell, cmd};

/// Files by their paths below the root of an archive.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A key in a home of its own.
#[derive(Debug)]
pub struct Signer {
    home: tempfile::TempDir,
    /// Of its primary key, upper-case hexadecimal.
    pub fingerprint: String,
}

impl Signer {
    /// A key that is made at `made` and lives for so many days; for ever where there are none.
    pub fn new(made: Timestamp, days: Option<u32>) -> Result<Self> {
        let home = tempfile::tempdir()?;
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700))?;
        let mut signer = Self { home, fingerprint: String::new() };
        let life = days.map_or_else(|| "never".to_owned(), |days| format!("{days}d"));
        signer.gpg(
            made,
            &["--quick-generate-key", "test <test@example.org>", "ed25519", "sign", &life],
            b"",
        )?;
        let listed = signer.gpg(made, &["--with-colons", "--list-keys"], b"")?;
        let listed = String::from_utf8(listed)?;
        let line = listed.lines().find_map(|line| line.strip_prefix("fpr:")).context("a fingerprint")?;
        line.trim_matches(':').clone_into(&mut signer.fingerprint);
        Ok(signer)
    }

    /// Its certificate, in an armour.
    pub fn certificate(&self) -> Result<String> {
        Ok(String::from_utf8(self.gpg(Timestamp::now(), &["--armor", "--export"], b"")?)?)
    }

    /// `text` with a signature of the time `at` in it.
    pub fn clear(&self, text: &str, at: Timestamp) -> Result<Vec<u8>> {
        self.gpg(at, &["--clearsign"], text.as_bytes())
    }

    /// A signature of `text` alone, in an armour.
    pub fn detached(&self, text: &str, at: Timestamp) -> Result<Vec<u8>> {
        self.gpg(at, &["--armor", "--detach-sign"], text.as_bytes())
    }

    fn gpg(&self, at: Timestamp, words: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let (shell, home) = (Shell::new()?, self.home.path());
        let at = at.strftime("%Y%m%dT%H%M%S!").to_string();
        let run = cmd!(
            shell,
            "gpg --homedir {home} --batch --no-tty --quiet --passphrase '' --pinentry-mode loopback"
        );
        let output = run.args(["--faked-system-time", &at]).args(words).stdin(input).quiet().output()?;
        Ok(output.stdout)
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // the agent of this home alone
        let home = self.home.path().to_owned();
        if let Ok(shell) = Shell::new() {
            let _ = cmd!(shell, "gpgconf --homedir {home} --kill gpg-agent").quiet().ignore_stderr().run();
        }
    }
}

/// A package of an archive.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its control file.
    pub control: String,
    /// Its path below the archive.
    pub file: String,
    /// The .deb; empty where nobody asks for it.
    pub bytes: Vec<u8>,
}

impl Package {
    /// A package that is in an index alone; `fields` are further lines of its control file.
    #[must_use]
    pub fn listed(name: &str, version: &str, fields: &str) -> Self {
        let control = control(name, version, fields);
        let file = format!("pool/main/{name}_{}_all.deb", version.replace(':', "%3a"));
        Self { control, file, bytes: Vec::new() }
    }

    /// A package with these files: path, mode and text, or for a link `-> ` and its target.
    pub fn with_files(name: &str, version: &str, fields: &str, files: &[(&str, u32, &str)]) -> Result<Self> {
        let listed = Self::listed(name, version, fields);
        let bytes = deb(&listed.control, files)?;
        Ok(Self { bytes, ..listed })
    }

    /// A package without files.
    pub fn empty(name: &str, version: &str, fields: &str) -> Result<Self> {
        Self::with_files(name, version, fields, &[])
    }

    /// It at another path.
    #[must_use]
    pub fn at(self, file: &str) -> Self {
        Self { file: file.to_owned(), ..self }
    }

    /// Its paragraph of an index.
    #[must_use]
    pub fn stanza(&self) -> String {
        // apt takes no package of no size
        let (size, digest) = (self.bytes.len().max(1), Sha256::of(&self.bytes).hex());
        format!("{}Filename: {}\nSize: {size}\nSHA256: {digest}\n", self.control, self.file)
    }
}

fn control(name: &str, version: &str, fields: &str) -> String {
    let fields = if fields.is_empty() { String::new() } else { format!("{fields}\n") };
    let machine = if fields.contains("Architecture:") { "" } else { "Architecture: all\n" };
    format!(
        "Package: {name}\nVersion: {version}\n{machine}Maintainer: x <x@example.org>\n{fields}Description: a test's\n"
    )
}

/// A .deb, as dpkg-deb makes it. A path below `DEBIAN/` is a control file.
pub fn deb(control: &str, files: &[(&str, u32, &str)]) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let (tree, deb) = (folder.path().join("tree"), folder.path().join("x.deb"));
    for (path, mode, text) in files.iter().copied().chain([("DEBIAN/control", 0o644, control)]) {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        for above in path.ancestors().skip(1).take_while(|above| above.starts_with(&tree)) {
            fs::set_permissions(above, fs::Permissions::from_mode(0o755))?;
        }
        if let Some(target) = text.strip_prefix("-> ") {
            std::os::unix::fs::symlink(target, path)?;
            continue;
        }
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    let shell = Shell::new()?;
    // the same bytes at any time
    shell.set_var("SOURCE_DATE_EPOCH", "1");
    cmd!(shell, "dpkg-deb --root-owner-group -Znone --build {tree} {deb}").quiet().ignore_stdout().run()?;
    Ok(fs::read(deb)?)
}

/// How an index is compressed: the end of its name.
pub const FORMS: [&str; 4] = [".xz", ".zst", ".gz", ""];

/// A suite, or a flat archive, before it is signed.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The folder of its Release below the archive, with a `/` at its end: `dists/trixie/`; empty for the root.
    pub folder: String,
    /// Fields of its Release but for date and digests: `Origin: x\n`.
    pub fields: String,
    /// When it is made.
    pub date: Timestamp,
    /// Its indexes, by their paths below it: `main/binary-amd64/Packages`.
    pub indexes: BTreeMap<String, Vec<Package>>,
    /// How they are compressed; each of `FORMS`.
    pub forms: Vec<&'static str>,
    /// Whether the indexes are listed uncompressed, as Debian's are, whatever is there.
    pub lists_plain: bool,
}

impl Suite {
    /// A suite of the folder `name` below `dists/` with one component, as an archive for amd64 has it.
    #[must_use]
    pub fn new(name: &str, fields: &str, date: Timestamp, packages: Vec<Package>) -> Self {
        Self {
            folder: format!("dists/{name}/"),
            fields: format!("{fields}Architectures: amd64\n"),
            date,
            indexes: [("main/binary-amd64/Packages".to_owned(), packages)].into(),
            forms: vec![".xz"],
            lists_plain: true,
        }
    }

    /// With another component.
    #[must_use]
    pub fn component(mut self, name: &str, packages: Vec<Package>) -> Self {
        self.indexes.insert(format!("{name}/binary-amd64/Packages"), packages);
        self
    }

    /// Its Release, and its indexes and packages with their paths below the archive.
    pub fn files(&self) -> Result<(String, Files)> {
        let (mut files, mut list) = (Files::new(), String::new());
        for (path, packages) in &self.indexes {
            let stanzas: Vec<String> = packages.iter().map(Package::stanza).collect();
            let text = stanzas.join("\n");
            for form in FORMS {
                let is_there = self.forms.contains(&form);
                if is_there || (form.is_empty() && self.lists_plain) {
                    let bytes = packed(text.as_bytes(), form)?;
                    let (digest, size) = (Sha256::of(&bytes).hex(), bytes.len());
                    list.push_str(&format!(" {digest} {size} {path}{form}\n"));
                    if is_there {
                        files.insert(format!("{}{path}{form}", self.folder), bytes);
                    }
                }
            }
            let debs = packages.iter().filter(|package| !package.bytes.is_empty());
            files.extend(
                debs.map(|package| (package.file.trim_start_matches("./").to_owned(), package.bytes.clone())),
            );
        }
        let release = format!("{}Date: {}\nSHA256:\n{list}", self.fields, date(self.date));
        Ok((release, files))
    }

    /// All of it, with an InRelease by `signer`.
    pub fn signed(&self, signer: &Signer) -> Result<Files> {
        let (release, mut files) = self.files()?;
        files.insert(format!("{}InRelease", self.folder), signer.clear(&release, self.date)?);
        Ok(files)
    }

    /// All of it, with a Release and a Release.gpg by `signer`.
    pub fn signed_beside(&self, signer: &Signer) -> Result<Files> {
        let (release, mut files) = self.files()?;
        let signature = signer.detached(&release, self.date)?;
        files.insert(format!("{}Release", self.folder), release.into_bytes());
        files.insert(format!("{}Release.gpg", self.folder), signature);
        Ok(files)
    }
}

/// A time as a Release has it.
#[must_use]
pub fn date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

/// Writes the files of an archive below `folder`.
pub fn write(folder: &Path, files: &Files) -> Result<()> {
    for (path, bytes) in files {
        let path: PathBuf = folder.join(path);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(path, bytes)?;
    }
    Ok(())
}

fn packed(text: &[u8], form: &str) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match form {
        ".xz" => {
            liblzma::read::XzEncoder::new(text, 1).read_to_end(&mut out)?;
        }
        ".zst" => out = zstd::encode_all(text, 3)?,
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text)?;
            out = encoder.finish()?;
        }
        _ => {
            ensure!(form.is_empty(), "{form} is none of FORMS");
            out.extend_from_slice(text);
        }
    }
    Ok(out)
}
