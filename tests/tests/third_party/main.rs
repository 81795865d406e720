//! Packages that are not Debian's, by the real program: what is taken from whom, and archives that lie.
//!
//! Debian's archive is a folder of the test, the third party's a server on the loopback; both have throw-away keys.

mod apt;
mod images;
mod world;

use anyhow::{Context as _, Result, ensure};
use bake::lock::Lock;
use std::fs;
use tests::apt_archive::{Package, Signer, Suite, date};
use tests::schema::Schema;
use world::{TRIXIE, VENDOR, World, ago, debians, vendors};

/// Each package as `name version suite: because`.
fn packages(lock: &Lock) -> Vec<String> {
    let packages = lock.packages.iter();
    packages
        .map(|one| format!("{} {} {}: {}", one.name, one.version, one.suite, one.because.join(" ")))
        .collect()
}

#[test]
fn a_package_is_taken_from_where_the_recipe_says_and_what_it_needs_from_there_where_debian_has_none()
-> Result<()> {
    let world = World::new()?;
    let lock = world.locked()?;
    let expected = [
        "agent 2.0-1 vendor: recipe",
        "base-files 13 trixie: essential required",
        "libagent 2.0-1 vendor: agent",
        "libssl 3.0-1 trixie: agent",
    ];
    ensure!(packages(&lock) == expected, "{:?}", packages(&lock));
    let suite = &lock.suites[1];
    ensure!(suite.signed_by == [world.vendor.fingerprint.clone()], "{suite:?}");
    ensure!(suite.mirror.as_ref().is_some_and(|mirror| mirror.ends_with("/apt")), "{suite:?}");
    ensure!(suite.signature.is_none() && suite.components.is_empty(), "{suite:?}");
    // and so it is told
    let planned = world.run("plan")?.done()?.stdout;
    for line in [
        format!(
            "agent 2.0-1: from archive vendor ({}), signed by {}",
            suite.mirror.as_deref().unwrap_or_default(),
            world.vendor.fingerprint
        ),
        "the recipe takes it from there".to_owned(),
        "agent needs it, and Debian does not have it".to_owned(),
    ] {
        ensure!(planned.contains(&line), "no `{line}` in\n{planned}");
    }
    Schema::load("plan")?.check(&world.run("plan")?.args(["--json"]).done()?.stdout)?;
    // the same again, byte by byte
    let text = fs::read(world.lock_path())?;
    ensure!(world.locked()? == lock && fs::read(world.lock_path())? == text, "another lock");
    Ok(())
}

#[test]
fn an_archive_that_no_recipe_names_is_not_even_asked() -> Result<()> {
    let world = World::new()?;
    world.recipe("install = [\"libssl\"]")?;
    let lock = world.locked()?;
    ensure!(
        packages(&lock) == ["base-files 13 trixie: essential required", "libssl 3.0-1 trixie: recipe"],
        "{lock:?}"
    );
    ensure!(lock.suites.len() == 1 && world.asked().is_empty(), "{:?}", world.asked());
    Ok(())
}

#[test]
fn what_only_a_third_party_has_is_not_taken_without_a_word_and_the_refusal_has_that_word() -> Result<()> {
    let world = World::new()?;
    let way = "`vendor` has `agent`, which [packages] \"agent\" = { from = \"vendor\" } takes from there";
    world.recipe("install = [\"agent\"]")?;
    let ended = world.refused(2, "no suite has package `agent`")?;
    ensure!(ended.stderr.contains(way), "{ended}");
    // neither for Debian's packages, nor where the archive is read for another one
    let mut all = debians()?;
    all.push(Package::empty("needy", "1", "Depends: libagent")?);
    all.push(Package::empty("curly", "1", "Depends: libcurl")?);
    world.debian_has(all.clone())?;
    for name in ["needy", "curly"] {
        for beside in ["", "\"libssl\" = { from = \"vendor\" }\n"] {
            world.recipe(&format!("{beside}install = [\"{name}\"]"))?;
            let ended = world.refused(2, &format!("package `{name}` needs"))?;
            let names = name == "curly" || ended.stderr.contains("\"libagent\" = { from = \"vendor\" }");
            ensure!(names, "{ended}");
        }
    }
    // nor does what one of its packages provides answer for others, though it is in the image
    world.recipe("\"agent\" = { from = \"vendor\" }\ninstall = [\"curly\"]")?;
    world.refused(2, "package `curly` needs `libcurl`")?;
    let mut with = debians()?;
    with.push(Package::empty("curly", "1", "Depends: libcurl")?);
    with.push(Package::empty("libcurl", "8", "")?);
    world.debian_has(with)?;
    let lock = world.locked()?;
    ensure!(packages(&lock).contains(&"libcurl 8 trixie: curly".to_owned()), "{lock:?}");
    ensure!(packages(&lock).contains(&"libagent 2.0-1 vendor: agent".to_owned()), "{lock:?}");
    world.debian_has(all)?;
    // with it, all is well
    world.recipe("\"libagent\" = { from = \"vendor\" }\ninstall = [\"needy\"]")?;
    let lock = world.locked()?;
    ensure!(
        packages(&lock)[1..] == ["libagent 2.0-1 vendor: needy recipe", "needy 1 trixie: recipe"],
        "{lock:?}"
    );
    Ok(())
}

#[test]
fn a_name_that_debian_has_is_debians_unless_the_recipe_says_otherwise() -> Result<()> {
    let world = World::new()?;
    world.recipe("\"agent\" = { from = \"vendor\" }\n\"libssl\" = { from = \"vendor\" }")?;
    let lock = world.locked()?;
    let expected = [
        "agent 2.0-1 vendor: recipe",
        "base-files 13 trixie: essential required",
        "libagent 2.0-1 vendor: agent",
        "libssl 9.0-1 vendor: agent recipe",
    ];
    ensure!(packages(&lock) == expected, "{:?}", packages(&lock));
    // where Debian's is too old for what needs it, the third party's is not taken silently
    let mut all = vendors()?;
    all[0] = Package::empty("agent", "2.0-1", "Depends: libagent, libssl (>= 9)")?;
    world.vendor_has(&Suite::new("trixie-vendor", VENDOR, ago(1), all).signed(&world.vendor)?);
    world.recipe("\"agent\" = { from = \"vendor\" }")?;
    let ended =
        world.refused(2, "package `agent` needs `libssl (>= 9)`, but the newest `libssl` is 3.0-1")?;
    let way =
        "`vendor` has `libssl` 9.0-1, which [packages] \"libssl\" = { from = \"vendor\" } takes from there";
    ensure!(ended.stderr.contains(way), "{ended}");
    Ok(())
}

#[test]
fn a_recipe_that_names_what_is_not_there_is_refused() -> Result<()> {
    let world = World::new()?;
    for (recipe, says) in [
        (
            "\"agent\" = { from = \"other\" }",
            "`agent` is to be taken from `other`, which sources.toml does not have",
        ),
        ("\"agent\" = { from = \"debian\" }", "which sources.toml does not have"),
        ("\"agent\" = { from = \"trixie\" }", "`trixie` has no package `agent`"),
        (
            "\"missing\" = { from = \"vendor\" }",
            "`vendor` has no package `missing`, which the recipe takes from there",
        ),
        ("\"agent\" = { form = \"vendor\" }", "unknown field `form`"),
        ("instal = [\"agent\"]", "a known list, or where a package is from"),
        ("files = [\"../x.deb\"]", "expected the path of a .deb below the project's folder"),
    ] {
        world.recipe(recipe)?;
        world.refused(2, says)?;
    }
    Ok(())
}

#[test]
fn s_an_archive_that_goes_back_is_frozen_or_ends_is_refused() -> Result<()> {
    let world = World::new()?;
    world.locked()?;
    let of = |days: i64, fields: &str| -> Result<()> {
        let suite =
            Suite { date: ago(days), fields: format!("{fields}{}", world.suite()?.fields), ..world.suite()? };
        world.vendor_has(&suite.signed(&world.vendor)?);
        Ok(())
    };
    // signed, of the right suite, younger than its limit, and older than what was there before
    of(5, "")?;
    world.refused(4, "vendor InRelease: resolve: its date, ")?;
    world.refused(4, "is earlier than the one accepted before")?;
    // neither does it come in by the other form of a Release
    let older = Suite { date: ago(5), ..world.suite()? };
    world.vendor_has(&older.signed_beside(&world.vendor)?);
    world.refused(4, "vendor Release: resolve: its date, ")?;
    world.refused(4, "is earlier than the one accepted before")?;
    fs::remove_file(world.lock_path())?;
    world.locked()?;
    fs::remove_file(world.lock_path())?;
    of(31, "")?;
    let ended = world.refused(4, "is more than 30 days ago")?;
    ensure!(ended.stderr.contains("pass `--max-age vendor=32` to accept it"), "{ended}");
    world.lock()?.args(["--max-age", "31"]).refused(4)?;
    world.lock()?.args(["--max-age", "other=32"]).refused(2)?;
    world.lock()?.args(["--max-age", "vendor=32"]).done()?;
    fs::remove_file(world.lock_path())?;
    let until = format!("Valid-Until: {}\n", date(ago(1)));
    of(2, &until)?;
    world.refused(4, "it expired at")?;
    of(-1, "")?;
    world.refused(4, "in the future")?;
    of(2, "")?;
    world.locked()?;
    Ok(())
}

#[test]
fn s_an_archive_of_another_key_or_of_an_expired_one_is_refused() -> Result<()> {
    let mut world = World::new()?;
    let other = Signer::new(ago(300), None)?;
    world.vendor_has(&world.suite()?.signed(&other)?);
    let ended = world.refused(4, "vendor InRelease: resolve: no signature by a pinned key")?;
    ensure!(
        ended.stderr.contains(&world.vendor.fingerprint) && ended.stderr.contains(&other.fingerprint),
        "{ended}"
    );
    // Debian's key vouches for Debian alone
    world.vendor_has(&world.suite()?.signed(&world.debian)?);
    world.refused(4, "no signature by a pinned key")?;
    world.vendor_has(&world.suite()?.signed_beside(&other)?);
    world.refused(4, "vendor Release: resolve: no signature by a pinned key")?;
    // a file that holds another certificate than the one that is pinned
    world.vendor_has(&world.suite()?.signed(&other)?);
    fs::write(world.path("manifests/trust/vendor.asc"), other.certificate()?)?;
    world.refused(2, "expected certificate")?;
    // it was good when it signed, and is no more
    world.trust(Signer::new(ago(20), Some(10))?)?;
    world.vendor_has(&Suite { date: ago(15), ..world.suite()? }.signed(&world.vendor)?);
    world.refused(4, "the key expired at")?;
    world.trust(Signer::new(ago(20), Some(100))?)?;
    world.vendor_has(&Suite { date: ago(15), ..world.suite()? }.signed(&world.vendor)?);
    world.locked()?;
    Ok(())
}

#[test]
fn s_an_archive_that_is_of_something_else_or_was_changed_is_refused() -> Result<()> {
    let world = World::new()?;
    for (fields, says) in [
        (VENDOR.replace("Vendor", "Debian"), "expected origin Vendor, found Debian"),
        (
            VENDOR.replace("Codename: trixie", "Codename: sid"),
            "expected codename trixie-vendor, found sid-vendor",
        ),
        (VENDOR.replace("Origin: Vendor\n", ""), "expected origin Vendor, found none"),
    ] {
        world.vendor_has(&Suite::new("trixie-vendor", &fields, ago(1), vendors()?).signed(&world.vendor)?);
        world.refused(4, says)?;
    }
    // Debian's own suite in its place, where the keys are the same
    let good = world.suite()?.signed(&world.vendor)?;
    let release = "dists/trixie-vendor/InRelease";
    let mut changed = good.clone();
    let text = String::from_utf8(good[release].clone())?;
    changed.insert(release.to_owned(), text.replacen("Origin: Vendor", "Origin: Vendr", 1).into_bytes());
    world.vendor_has(&changed);
    world.refused(4, "does not match the signature")?;
    changed.insert(release.to_owned(), format!("Origin: Vendor\n{text}").into_bytes());
    world.vendor_has(&changed);
    world.refused(4, "data outside the signed block")?;
    // an index, and a package, that the Release does not vouch for
    let index = "dists/trixie-vendor/main/binary-amd64/Packages.xz";
    let mut changed = good.clone();
    changed.get_mut(index).context("an index")?[40] ^= 1;
    world.vendor_has(&changed);
    world.refused(4, "expected digest")?;
    let mut changed = good.clone();
    changed.get_mut("pool/main/libagent_2.0-1_all.deb").context("a package")?[100] ^= 1;
    world.vendor_has(&changed);
    world.refused(4, "expected digest")?;
    world.vendor_has(&good);
    world.locked()?;
    Ok(())
}

#[test]
fn s_two_stanzas_for_one_package_are_refused_unless_they_are_one() -> Result<()> {
    let world = World::new()?;
    let with = |more: Package| -> Result<()> {
        let mut all = vendors()?;
        all.push(more);
        world.vendor_has(&Suite::new("trixie-vendor", VENDOR, ago(1), all).signed(&world.vendor)?);
        Ok(())
    };
    // the same version with other bytes, needs, or path; also of one that Debian has, and that nobody takes from here
    for (name, version, fields) in
        [("agent", "2.0-1", "Depends: libssl"), ("agent", "2.0-1", ""), ("libssl", "9.0-1", "Depends: agent")]
    {
        with(Package::empty(name, version, fields)?)?;
        world.refused(2, &format!("package `{name}` {version} is listed twice in one suite"))?;
    }
    with(vendors()?[0].clone())?;
    world.locked()?;
    // several versions are usual: the newest is taken
    with(Package::empty("agent", "2.0-3", "Depends: libssl")?)?;
    ensure!(packages(&world.locked()?)[0] == "agent 2.0-3 vendor: recipe", "not the newest");
    Ok(())
}

#[test]
fn an_archive_may_be_flat_have_a_release_beside_its_signature_and_any_form_of_index() -> Result<()> {
    let world = World::new()?;
    let usual = packages(&world.locked()?);
    // (whether it is flat, its folder, the forms that are there, whether indexes are listed uncompressed)
    let cases: [(&str, &[&'static str], bool); 7] = [
        ("", &[".gz"], false),
        ("", &[""], true),
        ("", &[".zst"], true),
        ("debian/", &[".xz", ".gz"], false),
        ("dists/trixie-vendor/", &[".zst"], false),
        ("dists/trixie-vendor/", &[".gz"], true),
        ("dists/trixie-vendor/", &[""], true),
    ];
    for (nth, (folder, forms, lists_plain)) in cases.into_iter().enumerate() {
        let mut suite =
            Suite { folder: folder.to_owned(), forms: forms.to_vec(), lists_plain, ..world.suite()? };
        if !folder.starts_with("dists/") {
            let mut all = vendors()?;
            all.push(Package::listed("agent", "9", "Architecture: arm64").at("./agent_9_arm64.deb"));
            let flat = |package: Package| {
                let file = package.file.rsplit('/').next().unwrap_or_default().to_owned();
                package.at(&format!("./{file}"))
            };
            suite.indexes = [("Packages".to_owned(), all.into_iter().map(flat).collect())].into();
            // a flat archive says what it likes
            suite.fields = if nth % 2 == 0 { "Origin: Vendor\n".to_owned() } else { VENDOR.to_owned() };
            let path = if folder.is_empty() { "./" } else { folder };
            world.sources(&format!("path = \"{path}\"\norigin = \"Vendor\""), "")?;
        } else {
            world.sources("", "")?;
        }
        let beside = nth % 2 == 1;
        world.vendor_has(&if beside {
            suite.signed_beside(&world.vendor)?
        } else {
            suite.signed(&world.vendor)?
        });
        fs::remove_file(world.lock_path())?;
        let lock = world.locked()?;
        ensure!(packages(&lock) == usual, "{folder} {forms:?}: {:?}", packages(&lock));
        ensure!(lock.suites[1].signature.is_some() == beside, "{:?}", lock.suites[1]);
    }
    Ok(())
}

#[test]
fn components_are_those_that_sources_enables_and_a_refusal_names_the_one_that_has_a_package() -> Result<()> {
    let world = World::new()?;
    let debian = Suite::new("trixie", TRIXIE, ago(2), debians()?)
        .component("contrib", vec![Package::empty("firmware-tool", "1", "Depends: firmware-blob")?])
        .component("non-free-firmware", vec![Package::empty("firmware-blob", "2", "")?]);
    world.debian_is(&debian)?;
    world.recipe("install = [\"firmware-tool\"]")?;
    let ended = world.refused(2, "no suite has package `firmware-tool`")?;
    ensure!(ended.stderr.contains("`trixie` has `firmware-tool` in its component `contrib`"), "{ended}");
    let path = world.path("manifests/sources.toml");
    let text = fs::read_to_string(&path)?;
    let enable = |components: &str| fs::write(&path, text.replacen("component = \"main\"", components, 1));
    enable("components = [\"main\", \"contrib\"]")?;
    let ended = world.refused(2, "package `firmware-tool` needs `firmware-blob`")?;
    ensure!(
        ended.stderr.contains("`trixie` has `firmware-blob` in its component `non-free-firmware`"),
        "{ended}"
    );
    enable("components = [\"main\", \"contrib\", \"non-free-firmware\"]")?;
    let lock = world.locked()?;
    ensure!(
        packages(&lock)[1..] == ["firmware-blob 2 trixie: firmware-tool", "firmware-tool 1 trixie: recipe"],
        "{lock:?}"
    );
    let read: Vec<&str> = lock.suites[0].components.keys().map(String::as_str).collect();
    ensure!(read == ["contrib", "main", "non-free-firmware"], "{read:?}");
    enable("components = [\"main\", \"contribution\"]")?;
    let ended = world.refused(4, "it lists no `contribution/binary-amd64/Packages.xz`")?;
    ensure!(
        ended.stderr.contains("its components for amd64 are contrib, main, non-free-firmware"),
        "{ended}"
    );
    Ok(())
}

#[test]
fn backports_are_taken_by_name_with_what_only_they_have() -> Result<()> {
    let world = World::new()?;
    let backports = vec![
        Package::empty("libnew", "1~bpo13+1", "")?,
        Package::empty("libssl", "4.0-1~bpo13+1", "Depends: libnew")?,
        Package::empty("base-files", "14~bpo13+1", "Essential: yes\nPriority: required")?,
    ];
    let fields = "Origin: Debian\nSuite: stable-backports\nCodename: trixie-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n";
    world.debian_is(&Suite::new("trixie-backports", fields, ago(1), backports))?;
    let suite = |by_name: &str| {
        format!(
            "[[suite]]\nname = \"trixie-backports\"\narchive = \"debian\"\ncodename = \"trixie-backports\"\n\
             suites = [\"stable-backports\"]\ncomponent = \"main\"\n{by_name}max-age-days = 10\nkeys = [\"{}\"]\n",
            world.debian.fingerprint
        )
    };
    // `NotAutomatic` says the same as `by-name`
    for by_name in ["by-name = true\n", ""] {
        world.sources("", &suite(by_name))?;
        world.recipe("install = [\"libssl\"]")?;
        ensure!(packages(&world.locked()?)[1] == "libssl 3.0-1 trixie: recipe", "taken without a word");
        world.recipe("\"libssl\" = { from = \"trixie-backports\" }")?;
        let lock = world.locked()?;
        let expected = [
            "base-files 13 trixie: essential required",
            "libnew 1~bpo13+1 trixie-backports: libssl",
            "libssl 4.0-1~bpo13+1 trixie-backports: recipe",
        ];
        ensure!(packages(&lock) == expected, "{:?}", packages(&lock));
        world.recipe("install = [\"libnew\"]")?;
        let ended = world.refused(2, "no suite has package `libnew`")?;
        ensure!(ended.stderr.contains("\"libnew\" = { from = \"trixie-backports\" }"), "{ended}");
    }
    Ok(())
}

#[test]
fn a_file_of_the_project_is_a_package_whose_digest_the_lock_has() -> Result<()> {
    let world = World::new()?;
    fs::create_dir(world.path("debs"))?;
    let path = world.path("debs/agent.deb");
    let own = Package::with_files("agent", "7", "Depends: libssl", &[("usr/share/agent/x", 0o644, "x\n")])?;
    fs::write(&path, &own.bytes)?;
    world.recipe("files = [\"debs/agent.deb\"]")?;
    let lock = world.locked()?;
    let expected =
        ["agent 7 local: recipe", "base-files 13 trixie: essential required", "libssl 3.0-1 trixie: agent"];
    ensure!(packages(&lock) == expected, "{:?}", packages(&lock));
    ensure!(
        lock.packages[0].file == "debs/agent.deb"
            && lock.packages[0].sha256 == tree::digest::Sha256::of(&own.bytes)
    );
    let planned = world.run("plan")?.done()?.stdout;
    let remark = "agent 7: from debs/agent.deb of the project; only its digest vouches for it";
    ensure!(planned.contains(remark), "no `{remark}` in\n{planned}");
    ensure!(world.asked().is_empty(), "{:?}", world.asked());
    // other bytes are not what was locked
    let other = Package::with_files("agent", "7", "Depends: libssl", &[("usr/share/agent/x", 0o644, "y\n")])?;
    fs::write(&path, &other.bytes)?;
    let fresh = || world.run_in("fetch", "other-store");
    let debian = world.path("../debian");
    let ended = fresh()?.option("--debian-mirror", &debian).refused(4)?;
    ensure!(ended.stderr.contains("expected digest") && ended.stderr.contains("as it is now"), "{ended}");
    fs::write(&path, &own.bytes)?;
    fresh()?.option("--debian-mirror", &debian).done()?;
    // and what is asked for is what is locked
    world.recipe("files = [\"debs/agent.deb\", \"debs/other.deb\"]")?;
    let ended = world.run("plan")?.refused(2)?;
    ensure!(ended.stderr.contains("`debs/other.deb` is required by the recipe, but not locked"), "{ended}");
    fs::write(world.path("debs/other.deb"), &other.bytes)?;
    world.refused(5, "its package `agent` is also another file's")?;
    std::os::unix::fs::symlink("/etc/passwd", world.path("debs/link.deb"))?;
    world.recipe("files = [\"debs/link.deb\"]")?;
    world.refused(6, "leads out of the project")?;
    Ok(())
}
