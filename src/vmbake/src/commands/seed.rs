//! `seed`: the volume that tells an instance who it is at first boot.

use crate::console;
use crate::project::label;
use anyhow::{Context as _, Result};
use configure::commands::check;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tree::digest::Sha256;
use tree::refusal::{Class, Refusal, Stage};

/// Create the volume that configures an instance at first boot
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A key to log in with, for any image:
  vmbake seed --ssh-key ~/.ssh/id_ed25519.pub --hostname one
A cloud-config or a script for cloud-init, for any image:
  vmbake seed --user-data user-data.yaml
A node of a Podplane cluster:
  vmbake seed --settings user-data.env --nonce nonce.jwt --ca ca.crt --kind knd
Attach it as a CD or a disk (`vmbake boot … --seed seed.iso`): cloud-init finds it by its label, `cidata`, as a NoCloud volume, \
and so does podplane-seed.service. A node that already has settings ignores it. The same inputs give the same bytes.")]
pub struct Args {
    /// The user data for cloud-init: a cloud-config, a script, or another of its formats
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,
    /// cloud-init's network configuration, version 1 or 2
    #[arg(long, value_name = "FILE")]
    network_config: Option<PathBuf>,
    /// Podplane's settings of the instance, lines of KEY=value
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The token with which nstance-agent registers
    #[arg(long, value_name = "FILE", requires = "settings")]
    nonce: Option<PathBuf>,
    /// The authority that nstance-agent trusts until it has registered
    #[arg(long, value_name = "FILE", requires = "settings")]
    ca: Option<PathBuf>,
    /// A public key that may log in as cloud-init's default user, `debian`; may be repeated
    #[arg(long, value_name = "FILE")]
    ssh_key: Vec<PathBuf>,
    /// The host name that cloud-init gives the machine [default: INSTANCE_HOSTNAME or INSTANCE_ID of the settings]
    #[arg(long, value_name = "NAME", conflicts_with = "meta_data")]
    hostname: Option<String>,
    /// NoCloud meta-data, instead of that generated from the other arguments; with --user-data it must contain the keys too
    #[arg(long, value_name = "FILE")]
    meta_data: Option<PathBuf>,
    /// Check the settings as a node of this kind would
    #[arg(long, requires = "settings")]
    kind: Option<String>,
    /// The role of nodes of that kind, for a kind of your own
    #[arg(long, requires = "kind", value_name = "worker|control-plane")]
    role: Option<String>,
    /// The file to write
    #[arg(long, short, value_name = "FILE", default_value = "seed.iso")]
    output: PathBuf,
}

/// Makes it. What looks wrong is a warning: the node has the last word, and tests want wrong seeds too.
pub fn run(args: &Args) -> Result<()> {
    ask(args)?;
    let mut warnings = settings(args)?;
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, path) in [
        ("user-data.env", args.settings.as_ref()),
        ("nonce.jwt", args.nonce.as_ref()),
        ("ca.crt", args.ca.as_ref()),
    ] {
        let Some(path) = path else { continue };
        let bytes = read(path)?;
        if name != "user-data.env" {
            let faults = configure::commands::seed::check(name, &path.to_string_lossy(), &bytes);
            warnings.extend(faults.err().into_iter().flatten().map(|fault| fault.to_string()));
        }
        files.insert(name.to_owned(), bytes);
    }
    for path in &args.ssh_key {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let broken = configure::rules::Rule::SshKeys.broken(text.trim_end());
        warnings.extend(broken.map(|broken| format!("{}: {}", path.display(), broken.rule)));
    }
    let keys = keys(&args.ssh_key)?;
    let mut of_meta_data = &[][..];
    let user_data = match &args.user_data {
        Some(path) => {
            of_meta_data = &keys;
            let bytes = read_any(path)?;
            must_be_for_cloud_init(path, &bytes)?;
            if has_private_key(&bytes) {
                let path = path.display();
                warnings.push(format!(
                    "{path}: contains a private key; anyone who can read the volume can read it"
                ));
            }
            bytes
        }
        None => cloud_config(&keys).into_bytes(),
    };
    files.insert("user-data".to_owned(), user_data);
    if let Some(path) = &args.network_config {
        files.insert("network-config".to_owned(), read(path)?);
    }
    for warning in warnings {
        console::note(format!("warning: {warning}"));
    }
    let meta_data = match &args.meta_data {
        Some(path) => read(path)?,
        None => {
            let settings = args.settings.as_deref().map(read).transpose()?;
            let hostname = args.hostname.clone().or_else(|| own_name(&settings?));
            meta_data(&files, hostname.as_deref(), of_meta_data)?.into_bytes()
        }
    };
    files.insert("meta-data".to_owned(), meta_data);
    write(&args.output, &bake::seed::volume(&files)?)
        .with_context(|| format!("cannot write `{}`", args.output.display()))?;
    console::line(args.output.display());
    Ok(())
}

/// Refuses arguments that say nothing to an instance, or one thing in two places.
fn ask(args: &Args) -> tree::refusal::Result<()> {
    let refuse = |what: &'static str, hint: &'static str| {
        Err(Refusal::new(Class::Usage, "seed", Stage::Parse, what).hint(hint))
    };
    let Args { user_data, network_config, settings, ssh_key, hostname, meta_data, .. } = args;
    let says = [user_data, network_config, settings, meta_data].iter().any(|one| one.is_some());
    if !says && ssh_key.is_empty() && hostname.is_none() {
        return refuse(
            "the seed would be empty",
            "pass `--user-data` with a cloud-config or a script, `--ssh-key` with a key to log in, or `--settings` with Podplane's settings",
        );
    }
    if user_data.is_some() && meta_data.is_some() && !ssh_key.is_empty() {
        return refuse(
            "`--ssh-key` cannot be used with both `--user-data` and `--meta-data`",
            "put the keys into one of the files: `ssh_authorized_keys` of a cloud-config, `public-keys` of meta-data",
        );
    }
    Ok(())
}

/// How each format that cloud-init reads begins; jinja's header stands before another.
const CLOUD_INIT: [&str; 10] = [
    "#!",
    "#cloud-config",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "#upstart-job",
    "## template: jinja",
    "Content-Type:",
    "MIME-Version:",
    "From ",
];

/// Refuses user-data that cloud-init would not understand: it says so only in a log, on a machine that nobody gets into.
fn must_be_for_cloud_init(path: &Path, bytes: &[u8]) -> tree::refusal::Result<()> {
    let is_gzip = bytes.starts_with(&[0x1f, 0x8b]);
    if is_gzip || CLOUD_INIT.iter().any(|head| bytes.starts_with(head.as_bytes())) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(bytes);
    let assigns =
        |line: &str| line.split_once('=').is_some_and(|(key, _)| configure::keys::find(key.trim()).is_some());
    let hint = if text.lines().any(assigns) {
        "these are Podplane settings; pass them with `--settings`"
    } else {
        "a cloud-config must have `#cloud-config` as its first line"
    };
    let cause = "expected a first line such as `#cloud-config` or `#!/bin/sh`";
    Err(Refusal::new(Class::Usage, label(path), Stage::Parse, cause).hint(hint))
}

/// What a node would say of the settings, as far as that can be told.
fn settings(args: &Args) -> Result<Vec<String>> {
    let Some(settings) = &args.settings else { return Ok(Vec::new()) };
    let Some(kind) = &args.kind else {
        let parsed = configure::bootstrap::parse_user_data(&read(settings)?);
        return Ok(parsed.err().into_iter().flatten().map(|fault| fault.to_string()).collect());
    };
    let files = check::Files { user_data: settings, mutable: None, policy: None };
    match check::check(&files, kind, args.role.as_deref()) {
        Ok(told) => Ok(told.faults.iter().map(ToString::to_string).chain(told.notes).collect()),
        Err(refusal) => Err(unfit(settings, refusal.to_string().trim_end())),
    }
}

/// The public keys in files, a line each.
fn keys(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for path in files {
        let text = String::from_utf8(read(path)?).map_err(|error| unfit(path, &error.to_string()))?;
        lines.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    Ok(lines)
}

/// What cloud-init is told where there is no other user-data: who may log in.
fn cloud_config(keys: &[String]) -> String {
    // JSON is YAML, and no key can end a string of it
    let config = if keys.is_empty() {
        serde_json::json!({})
    } else {
        serde_json::json!({ "ssh_authorized_keys": keys })
    };
    format!("#cloud-config\n{config}\n")
}

/// What the settings call the machine: a node whose host has no name is not configured.
fn own_name(user_data: &[u8]) -> Option<String> {
    let settings = configure::bootstrap::parse_user_data(user_data).ok()?;
    let given = ["INSTANCE_HOSTNAME", "INSTANCE_ID"].into_iter().filter_map(|key| settings.get(key));
    given.map(str::to_owned).find(|name| configure::rules::is_hostname(name))
}

/// An instance of its own for each content: cloud-init does its first-boot work once an instance.
fn meta_data(files: &BTreeMap<String, Vec<u8>>, hostname: Option<&str>, keys: &[String]) -> Result<String> {
    let mut all = hostname.unwrap_or_default().as_bytes().to_vec();
    for (name, content) in files {
        all.extend(format!("\n{name} {}\n", content.len()).bytes());
        all.extend(content);
    }
    for key in keys {
        all.extend(format!("\nkey {key}\n").bytes());
    }
    let digest = Sha256::of(&all).hex();
    let id = format!("seed-{}", digest.get(..16).context("a digest is longer")?);
    let mut meta = serde_json::json!({ "instance-id": id });
    if let Some(name) = hostname {
        meta["local-hostname"] = name.into();
    }
    if !keys.is_empty() {
        meta["public-keys"] = keys.into();
    }
    Ok(format!("{}\n", serde_json::to_string(&meta)?))
}

/// Reads what goes into a seed: a private key does not, as whoever holds the volume would have it.
fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = read_any(path)?;
    if has_private_key(&bytes) {
        return Err(unfit(path, "expected a public key, found a private key"));
    }
    Ok(bytes)
}

/// A file that cannot go into a seed.
fn unfit(path: &Path, what: &str) -> anyhow::Error {
    Refusal::new(Class::Usage, path.display().to_string(), Stage::Parse, what).into()
}

fn read_any(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

fn has_private_key(bytes: &[u8]) -> bool {
    bytes.windows(PRIVATE.len()).any(|part| part == PRIVATE)
}

/// How each private key in PEM ends its first line.
const PRIVATE: &[u8] = b"PRIVATE KEY-----";

/// Writes a file that only its owner can read: it has secrets.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // one that was there keeps its mode otherwise
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)
}
