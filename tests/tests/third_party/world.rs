//! A project whose sources are archives of the test: Debian's as a folder, a third party's on the loopback.

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::PathBuf;
use tests::apt_archive::{self, Files, Package, Signer, Suite};
use tests::run::{Ended, Run};
use tests::server::{Reply, Server};
use tests::workspace;
use tree::release::OS;

/// What Debian's Release says.
pub(crate) const TRIXIE: &str = "Origin: Debian\nSuite: stable\nCodename: trixie\n";
/// What that of the third party says.
pub(crate) const VENDOR: &str = "Origin: Vendor\nSuite: trixie-vendor\nCodename: trixie-vendor\n";

/// The project, its archives and their keys.
pub(crate) struct World {
    folder: tempfile::TempDir,
    server: Server,
    pub(crate) debian: Signer,
    pub(crate) vendor: Signer,
}

/// A time so many days ago.
pub(crate) fn ago(days: i64) -> Timestamp {
    let hours = SignedDuration::from_hours(24 * days);
    Timestamp::now().checked_sub(hours).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Debian's packages: one that is essential, and one that the third party has as well.
pub(crate) fn debians() -> Result<Vec<Package>> {
    Ok(vec![
        Package::empty("base-files", "13", "Essential: yes\nPriority: required")?,
        Package::empty("libssl", "3.0-1", "Priority: optional")?,
    ])
}

/// The third party's: an agent with a library that Debian lacks, and names that Debian has, too.
pub(crate) fn vendors() -> Result<Vec<Package>> {
    Ok(vec![
        Package::empty("agent", "2.0-1", "Depends: libagent (>= 2), libssl")?
            .at("dists/x/pool/agent_2.0-1_all.deb"),
        Package::empty("base-files", "99", "Essential: yes\nPriority: required")?,
        Package::empty("essential-agent", "1", "Essential: yes\nPriority: required")?,
        Package::empty("libagent", "2.0-1", "Provides: libcurl")?,
        Package::empty("libssl", "9.0-1", "")?,
    ])
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        let world = Self {
            folder: tempfile::tempdir()?,
            server: Server::start()?,
            debian: Signer::new(ago(300), None)?,
            vendor: Signer::new(ago(300), None)?,
        };
        fs::create_dir_all(world.path("manifests/trust"))?;
        world.key("debian", &world.debian)?;
        world.key("vendor", &world.vendor)?;
        world.sources("", "")?;
        fs::write(
            world.path("manifests/policy.toml"),
            fs::read(workspace::root().join("manifests/policy.toml"))?,
        )?;
        let manifest = r#"{"vmconfig": {"version": "1", "kind": "base", "os": {"name": "OS", "arch": "amd64"},
            "dependencies": {}, "images": []}}"#;
        fs::write(
            world.path(tree::of_release!("manifests/base.", ".amd64.json")),
            manifest.replace("\"OS\"", &format!("\"{OS}\"")),
        )?;
        world.recipe("\"agent\" = { from = \"vendor\" }")?;
        world.debian_has(debians()?)?;
        world.vendor_has(&world.suite()?.signed(&world.vendor)?);
        Ok(world)
    }

    /// A path in the project.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("project").join(path)
    }

    fn key(&self, name: &str, signer: &Signer) -> Result<()> {
        Ok(fs::write(self.path(&format!("manifests/trust/{name}.asc")), signer.certificate()?)?)
    }

    /// Trusts `signer` for the third party.
    pub(crate) fn trust(&mut self, signer: Signer) -> Result<()> {
        self.vendor = signer;
        self.key("vendor", &self.vendor)?;
        self.sources("", "")
    }

    /// Writes sources.toml: `vendor` stands in the suite of the third party in place of its folder and components, `more`
    /// at the end.
    pub(crate) fn sources(&self, vendor: &str, more: &str) -> Result<()> {
        let usual = "path = \"trixie-vendor\"\ncomponents = [\"main\"]\norigin = \"Vendor\"\ncodename = \"trixie-vendor\"";
        let vendor = if vendor.is_empty() { usual } else { vendor };
        let (debian, key, url) = (&self.debian.fingerprint, &self.vendor.fingerprint, self.server.url());
        let text = format!(
            "[[archive]]\nname = \"debian\"\nmirror = \"http://127.0.0.1:1/debian\"\nsnapshot = \"https://127.0.0.1:1/\"\n\n\
             [[archive]]\nname = \"vendor\"\nmirror = \"{url}/apt\"\n\n\
             [[suite]]\nname = \"trixie\"\narchive = \"debian\"\ncodename = \"trixie\"\nsuites = [\"stable\"]\n\
             component = \"main\"\nmax-age-days = 150\nkeys = [\"{debian}\"]\n\n\
             [[suite]]\nname = \"vendor\"\narchive = \"vendor\"\n{vendor}\nmax-age-days = 30\nkeys = [\"{key}\"]\n\n\
             {more}\n\
             [[key]]\nfingerprint = \"{debian}\"\nfile = \"trust/debian.asc\"\n\n\
             [[key]]\nfingerprint = \"{key}\"\nfile = \"trust/vendor.asc\"\n"
        );
        Ok(fs::write(self.path("manifests/sources.toml"), text)?)
    }

    /// Writes the recipe, with these lines in `[packages]`.
    pub(crate) fn recipe(&self, packages: &str) -> Result<()> {
        let folder = self.path("image-recipes/base");
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join("recipe.toml"), format!("[recipe]\n[packages]\n{packages}\n"))?)
    }

    /// Debian's suite with these packages, and no other.
    pub(crate) fn debian_has(&self, packages: Vec<Package>) -> Result<()> {
        self.debian_is(&Suite::new("trixie", TRIXIE, ago(2), packages))
    }

    /// Debian's suite.
    pub(crate) fn debian_is(&self, suite: &Suite) -> Result<()> {
        apt_archive::write(&self.folder.path().join("debian"), &suite.signed(&self.debian)?)
    }

    /// The third party's suite with its usual packages, of yesterday.
    pub(crate) fn suite(&self) -> Result<Suite> {
        Ok(Suite::new("trixie-vendor", VENDOR, ago(1), vendors()?))
    }

    /// What the third party has from now on, and nothing else.
    pub(crate) fn vendor_has(&self, files: &Files) {
        self.server.clear();
        for (path, bytes) in files {
            self.server.at(&format!("/apt/{path}"), vec![Reply::File(bytes.clone())]);
        }
    }

    /// Where the third party's archive is.
    pub(crate) fn vendor_url(&self) -> String {
        format!("{}/apt", self.server.url())
    }

    /// What the third party was asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.server.requests().into_iter().map(|request| request.path).collect()
    }

    /// A run of `command` in the project.
    pub(crate) fn run(&self, command: &str) -> Result<Run> {
        self.run_in(command, "store")
    }

    /// A run of `command` in the project, with another store.
    pub(crate) fn run_in(&self, command: &str, store: &str) -> Result<Run> {
        let folder = self.folder.path();
        let run =
            Run::new(&workspace::program()?, &self.path(""), [command]).option("--store", folder.join(store));
        Ok(run.env("XDG_STATE_HOME", folder.join("state")).args(["--kind", "base", "--arch", "amd64"]))
    }

    /// A run of `lock`.
    pub(crate) fn lock(&self) -> Result<Run> {
        Ok(self.run("lock")?.option("--debian-mirror", self.folder.path().join("debian")))
    }

    /// Locks.
    pub(crate) fn locked(&self) -> Result<bake::lock::Lock> {
        self.lock()?.done()?;
        let text = fs::read_to_string(self.lock_path())?;
        bake::lock::parse(&text).context(text)
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.path(tree::of_release!("manifests/base.", ".amd64.lock.toml"))
    }

    /// Locks, which is refused with this exit code; nothing is written.
    pub(crate) fn refused(&self, code: i32, says: &str) -> Result<Ended> {
        let before = fs::read(self.lock_path()).ok();
        let ended = self.lock()?.refused(code)?;
        anyhow::ensure!(ended.stderr.contains(says), "expected `{says}` in\n{ended}");
        anyhow::ensure!(fs::read(self.lock_path()).ok() == before, "a lock was written\n{ended}");
        Ok(ended)
    }
}
