//! Images with packages that are not Debian's: what these may grant, where `why` says that they are from, and what the image's
//! own apt is told.
//!
//! The image has no more than a tree needs: the masters of the accounts, and the links of a merged `/usr`.
//! Needs: unshare, mount, apt-get, tar.

use crate::world::{VENDOR, World, ago, debians, vendors};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use tests::apt_archive::{Package, Suite};
use tests::run::Run;
use tests::schema::Schema;
use tree::release::OS;
use xshell::{Shell, cmd};

/// Effects of nothing: the packages here have no scripts.
const PASSWD: &str = "root:*:0:0:root:/root:/bin/bash\ndaemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n";
const GROUP: &str = "root:*:0:\ndaemon:*:1:\nshadow:*:42:\n";

/// Debian's packages, of which a tree can be made.
fn whole() -> Result<Vec<Package>> {
    let mut all = debians()?;
    all[0] = Package::with_files(
        "base-files",
        "13",
        "Essential: yes\nPriority: required",
        &[
            ("bin", 0, "-> usr/bin"),
            ("lib", 0, "-> usr/lib"),
            ("sbin", 0, "-> usr/sbin"),
            ("usr/bin/x", 0o755, "x\n"),
        ],
    )?;
    all.push(Package::with_files(
        "base-passwd",
        "3",
        "Essential: yes\nPriority: required",
        &[
            ("usr/share/base-passwd/passwd.master", 0o644, PASSWD),
            ("usr/share/base-passwd/group.master", 0o644, GROUP),
        ],
    )?);
    Ok(all)
}

/// The third party's, of which two grant something.
fn granting() -> Result<Vec<Package>> {
    let mut all = vendors()?;
    all[0] = Package::with_files(
        "agent",
        "2.0-1",
        "Depends: libagent (>= 2), libssl",
        &[("usr/bin/agent", 0o4755, "x\n"), ("usr/share/agent/x", 0o644, "x\n")],
    )?;
    all[3] = Package::with_files("libagent", "2.0-1", "", &[("etc/cron.d/agent", 0o644, "x\n")])?;
    Ok(all)
}

fn world(packages: &str) -> Result<World> {
    let world = World::new()?;
    world.debian_has(whole()?)?;
    world.vendor_has(&Suite::new("trixie-vendor", VENDOR, ago(1), granting()?).signed(&world.vendor)?);
    world.recipe(packages)?;
    world.lock()?.done()?;
    Ok(world)
}

fn bake(world: &World) -> Result<Run> {
    Ok(world
        .run("bake")?
        .option("--debian-mirror", world.path("../debian"))
        .option("--output", world.path("dist")))
}

#[test]
fn what_a_third_partys_package_grants_is_refused_until_the_recipe_allows_it_and_why_says_whose_it_is()
-> Result<()> {
    let allow = |agent: &str, lib: &str| {
        format!(
            "\"agent\" = {{ from = \"vendor\", privileges = [{agent}] }}\n\"libagent\" = {{ from = \"vendor\", privileges = [{lib}] }}"
        )
    };
    let world = world(&allow("", ""))?;
    for (agent, lib, package, grant) in [
        ("", "\"cron /etc/cron.d/agent\"", "agent", "set-uid /usr/bin/agent"),
        ("\"set-uid /usr/bin/agent\"", "", "libagent", "cron /etc/cron.d/agent"),
    ] {
        world.recipe(&allow(agent, lib))?;
        let ended = bake(&world)?.refused(5)?;
        let says = format!(
            "{package}: stage: its package grants privileges that the recipe does not allow: {grant}"
        );
        ensure!(ended.stderr.contains(&says), "expected `{says}` in\n{ended}");
        let hint = format!("[packages.\"{package}\"]: from = \"vendor\", privileges = [\"{grant}\"]");
        ensure!(ended.stderr.contains(&hint), "expected `{hint}` in\n{ended}");
    }
    world.recipe(&allow("\"set-uid /usr/bin/agent\"", "\"cron /etc/cron.d/agent\""))?;
    let baked = bake(&world)?.done()?;
    for line in ["package `agent` grants set-uid /usr/bin/agent", "agent 2.0-1: from archive vendor"] {
        ensure!(baked.stderr.contains(line), "no `{line}` in\n{baked}");
    }
    for name in ["record", "files"] {
        let text = fs::read_to_string(world.path(&format!("dist/base.{OS}.amd64.{name}.json")))?;
        Schema::load(name)?.check(&text)?;
    }
    let artifact = world.path(tree::of_release!("dist/base.", ".amd64.tar.zst"));
    let why = Run::new(&tests::workspace::program()?, &world.path(""), ["why"]).args([&artifact]);
    let said = why.args(["/usr/bin/agent"]).done()?.stdout;
    let source = format!(
        "vendor pool/main/agent_2.0-1_all.deb of {}, signed by {}",
        world.vendor_url(),
        world.vendor.fingerprint
    );
    ensure!(said.contains(&source) && said.contains("agent < recipe"), "expected `{source}` in\n{said}");
    // Debian's own may not be allowed what Debian vouches for
    world.recipe(&format!(
        "{}\n\"libssl\" = {{ from = \"trixie\", privileges = [\"set-uid /x\"] }}",
        allow("", "")
    ))?;
    world.lock()?.done()?;
    let ended = world.run("plan")?.refused(2)?;
    ensure!(ended.stderr.contains("Debian vouches for its own"), "{ended}");
    Ok(())
}

#[test]
fn an_images_own_apt_goes_on_as_the_lock_began_where_the_recipe_says_so() -> Result<()> {
    let packages = "\"agent\" = { from = \"vendor\", privileges = [\"set-uid /usr/bin/agent\"] }\n\
        \"libagent\" = { from = \"vendor\", privileges = [\"cron /etc/cron.d/agent\"] }";
    let world = world(packages)?;
    let shell = Shell::new()?;
    let tree = world.path("tree");
    let unpacked = || -> Result<()> {
        bake(&world)?.done()?;
        let artifact = world.path(tree::of_release!("dist/base.", ".amd64.tar.zst"));
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        fs::create_dir_all(&tree)?;
        Ok(cmd!(shell, "tar --extract --zstd --no-same-owner --file {artifact} --directory {tree}")
            .quiet()
            .run()?)
    };
    unpacked()?;
    ensure!(!tree.join("etc/apt").exists(), "an image that nobody asked to know the archive does");
    world.recipe(&format!("sources = [\"vendor\"]\n{packages}"))?;
    unpacked()?;
    for folder in ["apt.conf.d", "auth.conf.d", "trusted.gpg.d"] {
        fs::create_dir_all(tree.join("etc/apt").join(folder))?;
    }
    // Debian's sources are a file of the kind `base`
    let (trust, debian) = (world.path("manifests/trust/debian.asc"), world.path("../debian"));
    let line = format!("deb [signed-by={}] file:{} trixie main\n", trust.display(), debian.display());
    fs::write(tree.join("etc/apt/sources.list"), line)?;
    // a newer version of what the recipe names
    let mut all = granting()?;
    all[0] = Package::empty("agent", "3.0-1", "Depends: libagent (>= 2), libssl")?;
    world.vendor_has(&Suite::new("trixie-vendor", VENDOR, ago(0), all).signed(&world.vendor)?);
    let status = tree.join("var/lib/dpkg/status");
    let (apt, state) = (tree.join("etc/apt"), world.path("apt-state"));
    fs::create_dir_all(state.join("lists/partial"))?;
    let inside = "set -e; mount --bind \"$APT\" /etc/apt; \
        apt-get -qq -o APT::Update::Error-Mode=any $OPTIONS update; apt-cache $OPTIONS policy agent libssl libagent";
    let options = format!(
        "-o Dir::State={0} -o Dir::State::status={1} -o Dir::Cache={0} -o APT::Sandbox::User=root -o Acquire::http::Proxy=DIRECT \
         -o APT::Architecture=amd64 -o Acquire::Languages=none",
        state.display(),
        status.display()
    );
    let run = Run::new(
        std::path::Path::new("unshare"),
        &world.path(""),
        ["--user", "--map-root-user", "--mount", "sh", "-c", inside],
    );
    let said = run.env("APT", &apt).env("OPTIONS", &options).env("LC_ALL", "C").done()?.stdout;
    let of = |name: &str| -> Result<String> {
        let (_, rest) = said.split_once(&format!("{name}:\n")).with_context(|| said.clone())?;
        Ok(rest.split("\nlib").next().unwrap_or(rest).to_owned())
    };
    ensure!(
        of("agent")?.contains("Installed: 2.0-1\n  Candidate: 3.0-1") && of("agent")?.contains("3.0-1 990"),
        "{said}"
    );
    // that of Debian stays, though the third party has a newer one
    ensure!(of("libssl")?.contains("Installed: 3.0-1\n  Candidate: 3.0-1"), "{said}");
    Ok(())
}
