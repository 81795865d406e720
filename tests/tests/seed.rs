//! `seed` makes a volume that other readers of ISO 9660 read, that is the same each time, and that nobody else can read.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tests::run::Ended;
use tests::shared::Shared;
use xshell::{Shell, cmd};

const CA: &str = include_str!("../fixtures/certificates/p256.crt");
const TOKEN: &str = "eyJh.eyJz.c2ln\n";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f \"a\": b@c";

fn seed(shared: &Shared, folder: &Path, more: &[&str]) -> Result<Ended> {
    let (settings, output) = (folder.join("given.env"), folder.join("seed.iso"));
    shared.run("seed").option("--settings", settings).option("--output", output).args(more).done()
}

#[test]
fn a_seed_is_read_by_others_and_is_the_same_each_time() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let (folder, shell) = (scratch.path(), Shell::new()?);
    for (name, text) in [("given.env", "CLUSTER_ID=c\n"), ("nonce", TOKEN), ("ca", CA), ("key", KEY)] {
        fs::write(folder.join(name), text)?;
    }
    let path = |name: &str| folder.join(name).display().to_string();
    let (nonce, ca, key) = (path("nonce"), path("ca"), path("key"));
    let words = ["--nonce", &nonce, "--ca", &ca, "--ssh-key", &key, "--hostname", "node-1"];
    let image = folder.join("seed.iso");
    // one that was there and that all could read
    fs::write(&image, "old")?;
    let said = seed(&shared, folder, &words)?;
    ensure!(said.stderr.is_empty(), "{said}");
    let first = fs::read(&image)?;
    ensure!(fs::metadata(&image)?.permissions().mode() & 0o7777 == 0o600, "others can read it");
    seed(&shared, folder, &words)?;
    ensure!(fs::read(&image)? == first, "the same inputs give another seed");

    let label = cmd!(shell, "blkid --probe --output value --match-tag LABEL {image}").quiet().read()?;
    ensure!(label == "cidata", "label {label}");
    let to = folder.join("read");
    cmd!(shell, "xorriso -osirrox on -indev {image} -extract / {to}").quiet().ignore_stderr().run()?;
    let mut names: Vec<String> = shell.read_dir(&to)?.iter().map(|path| name_of(path)).collect();
    names.sort_unstable();
    ensure!(names == ["ca.crt", "meta-data", "nonce.jwt", "user-data", "user-data.env"], "{names:?}");
    for name in &names {
        let mode = fs::metadata(to.join(name))?.permissions().mode();
        ensure!(mode & 0o7777 == 0o400, "{name}: {mode:o}");
    }
    let text = |name: &str| fs::read_to_string(to.join(name));
    ensure!(
        text("user-data.env")? == "CLUSTER_ID=c\n" && text("nonce.jwt")? == TOKEN && text("ca.crt")? == CA
    );
    let config = text("user-data")?;
    let config: serde_json::Value =
        serde_yaml_ng::from_str(config.strip_prefix("#cloud-config\n").context("its kind")?)?;
    ensure!(config == serde_json::json!({ "ssh_authorized_keys": [KEY] }), "{config}");
    let id = instance(&text("meta-data")?)?;
    // other content is another instance, so that cloud-init does its first boot again
    fs::write(folder.join("given.env"), "CLUSTER_ID=d\n")?;
    seed(&shared, folder, &words)?;
    fs::remove_dir_all(&to)?;
    cmd!(shell, "xorriso -osirrox on -indev {image} -extract / {to}").quiet().ignore_stderr().run()?;
    ensure!(instance(&fs::read_to_string(to.join("meta-data"))?)? != id, "two instances with one id");
    Ok(())
}

#[test]
fn a_seed_names_the_machine_as_its_settings_do_unless_it_is_told_otherwise() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let (folder, shell) = (scratch.path(), Shell::new()?);
    for (settings, more, expected) in [
        ("INSTANCE_ID=knd-1\n", &[][..], Some("knd-1")),
        ("INSTANCE_ID=knd-1\nINSTANCE_HOSTNAME=worker\n", &[], Some("worker")),
        ("INSTANCE_ID=knd-1\n", &["--hostname", "other"], Some("other")),
        ("INSTANCE_ID=Not_A_Name\n", &[], None),
        ("CLUSTER_ID=c\n", &[], None),
    ] {
        fs::write(folder.join("given.env"), settings)?;
        seed(&shared, folder, more)?;
        let (image, to) = (folder.join("seed.iso"), folder.join("meta-data"));
        let extract = cmd!(shell, "xorriso -osirrox on -indev {image} -extract /meta-data {to}");
        extract.quiet().ignore_stderr().run()?;
        let meta: serde_json::Value = serde_json::from_slice(&fs::read(&to)?)?;
        ensure!(meta.get("local-hostname").and_then(|name| name.as_str()) == expected, "{settings}: {meta}");
        fs::remove_file(&to)?;
    }
    Ok(())
}

#[test]
fn a_seed_that_a_node_would_refuse_is_made_with_warnings() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    fs::write(scratch.path().join("given.env"), "CLUSTER_ID=s3cr3t value\n")?;
    let said = seed(&shared, scratch.path(), &[])?.stderr;
    ensure!(said.starts_with("warning: ") && !said.contains("s3cr3t"), "{said}");
    fs::write(scratch.path().join("given.env"), "PROVIDER_KIND=moon\n")?;
    ensure!(seed(&shared, scratch.path(), &[])?.stderr.is_empty());
    let said = seed(&shared, scratch.path(), &["--kind", "knd"])?.stderr;
    ensure!(said.contains("PROVIDER_KIND") && said.contains("NSTANCE_SERVER_AGENT_ADDR"), "{said}");
    // the token and the authority, as the node judges them
    for (name, text) in [("nonce", "s3cr3t"), ("ca", "s3cr3t")] {
        fs::write(scratch.path().join(name), text)?;
    }
    let path = |name: &str| scratch.path().join(name).to_string_lossy().into_owned();
    let said = seed(&shared, scratch.path(), &["--nonce", &path("nonce"), "--ca", &path("ca")])?.stderr;
    ensure!(said.lines().filter(|line| line.starts_with("warning: ")).count() == 2, "{said}");
    ensure!(said.contains("expected a JSON Web Token") && said.contains("/ca: "), "{said}");
    ensure!(!said.contains("s3cr3t"), "{said}");
    ensure!(scratch.path().join("seed.iso").is_file());
    Ok(())
}

#[test]
fn a_private_key_never_gets_into_a_seed() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let path = |name: &str| scratch.path().join(name).to_string_lossy().into_owned();
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cr3t\n-----END OPENSSH PRIVATE KEY-----\n";
    for (env, key) in
        [("CLUSTER_ID=c\n".to_owned(), private), (format!("SSH_AUTHORIZED_KEY='{private}'\n"), KEY)]
    {
        fs::write(scratch.path().join("given.env"), env)?;
        fs::write(scratch.path().join("key"), key)?;
        let run = shared.run("seed").option("--settings", path("given.env"));
        let said = run.option("--output", path("seed.iso")).option("--ssh-key", path("key")).end()?;
        ensure!(said.code != Some(0) && said.stderr.contains("private key"), "{said}");
        ensure!(!said.stderr.contains("s3cr3t") && !scratch.path().join("seed.iso").exists(), "{said}");
    }
    // what is not a key at all is reported, and nobody could log in by it
    fs::write(scratch.path().join("given.env"), "CLUSTER_ID=c\n")?;
    fs::write(scratch.path().join("key"), "https://example.com/me.keys\n")?;
    let said = seed(&shared, scratch.path(), &["--ssh-key", &path("key")])?.stderr;
    ensure!(
        said.starts_with("warning: ") && said.contains("/key: expected a comment, or an SSH public key"),
        "{said}"
    );
    Ok(())
}

#[test]
fn user_data_of_ones_own_makes_a_seed_for_any_image() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let (folder, shell) = (scratch.path(), Shell::new()?);
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let script = "#!/bin/sh\necho hello\n";
    let network = "version: 2\nethernets: {}\n";
    for (name, text) in [("script", script), ("key", KEY), ("net", network), ("given.env", "CLUSTER_ID=c\n")]
    {
        fs::write(folder.join(name), text)?;
    }
    let seed =
        |words: &[&str]| shared.run("seed").option("--output", path("seed.iso")).args(words.iter().copied());
    let (key, net) = (path("key"), path("net"));
    let words =
        ["--user-data", &path("script"), "--ssh-key", &key, "--network-config", &net, "--hostname", "node-1"];
    let said = seed(&words).done()?;
    ensure!(said.stderr.is_empty(), "{said}");
    let (image, to) = (folder.join("seed.iso"), folder.join("read"));
    cmd!(shell, "xorriso -osirrox on -indev {image} -extract / {to}").quiet().ignore_stderr().run()?;
    let text = |name: &str| fs::read_to_string(to.join(name));
    ensure!(
        text("user-data")? == script
            && text("network-config")? == network
            && !to.join("user-data.env").exists()
    );
    let meta_data = text("meta-data")?;
    instance(&meta_data)?;
    // a script has no place for keys: cloud-init takes them from meta-data, too
    let meta: serde_json::Value = serde_yaml_ng::from_str(&meta_data)?;
    ensure!(meta["public-keys"] == serde_json::json!([KEY]), "{meta}");
    // a key alone is a seed
    seed(&["--ssh-key", &key]).done()?;
    // settings in place of user-data would do nothing, and nobody would know why
    let said = seed(&["--user-data", &path("given.env")]).refused(2)?.stderr;
    ensure!(said.contains("given.env: parse: expected a first line such as `#cloud-config`"), "{said}");
    ensure!(said.contains("hint: these are Podplane settings; pass them with `--settings`"), "{said}");
    fs::write(folder.join("plain"), "users: []\n")?;
    let said = seed(&["--user-data", &path("plain")]).refused(2)?.stderr;
    ensure!(said.contains("hint: a cloud-config must have `#cloud-config` as its first line"), "{said}");
    let said = seed(&[]).refused(2)?.stderr;
    ensure!(said.contains("hint: pass `--user-data` with a cloud-config"), "{said}");
    Ok(())
}

fn instance(meta_data: &str) -> Result<String> {
    let meta: serde_json::Value = serde_yaml_ng::from_str(meta_data)?;
    ensure!(meta["local-hostname"] == "node-1", "{meta}");
    Ok(meta["instance-id"].as_str().context("an instance's id")?.to_owned())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
