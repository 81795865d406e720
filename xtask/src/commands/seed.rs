//! `seed`: the volume that tells an instance who it is at first boot.

use crate::console;
use anyhow::{Context as _, Result};
use bake::digest::Sha256;
use configure::commands::check;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Make the volume that tells an instance who it is at first boot
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Attach it as a CD or a disk: cloud-init finds it by its label, `cidata`, and so does podplane-seed.service. A node that \
has user-data already takes nothing from it. The same inputs give the same bytes.")]
pub(crate) struct Args {
    /// The instance's settings, lines of KEY=value
    #[arg(long, value_name = "FILE")]
    user_data: PathBuf,
    /// The token that nstance-agent registers with
    #[arg(long, value_name = "FILE")]
    nonce: Option<PathBuf>,
    /// The authority that nstance-agent trusts until it has registered
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A public key that may log in as Debian's first user; may be given several times
    #[arg(long, value_name = "FILE")]
    ssh_key: Vec<PathBuf>,
    /// The instance's name
    #[arg(long, value_name = "NAME", conflicts_with = "meta_data")]
    hostname: Option<String>,
    /// NoCloud's meta-data, in place of what is made of the other arguments
    #[arg(long, value_name = "FILE")]
    meta_data: Option<PathBuf>,
    /// Say what a node of this kind would find wrong with the settings
    #[arg(long)]
    kind: Option<String>,
    /// What nodes of that kind do, for a kind of your own
    #[arg(long, requires = "kind", value_name = "worker|control-plane")]
    role: Option<String>,
    /// Where to put it
    #[arg(long, short, value_name = "FILE", default_value = "seed.iso")]
    output: PathBuf,
}

/// Makes it. What looks wrong is a warning: the node has the last word, and tests want wrong seeds too.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut warnings = settings(args)?;
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, path) in [
        ("user-data.env", Some(&args.user_data)),
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
    for warning in warnings {
        console::note(format!("warning: {warning}"));
    }
    files.insert("user-data".to_owned(), cloud_config(&args.ssh_key)?.into_bytes());
    let meta_data = match &args.meta_data {
        Some(path) => read(path)?,
        None => meta_data(&files, args.hostname.as_deref())?.into_bytes(),
    };
    files.insert("meta-data".to_owned(), meta_data);
    write(&args.output, &bake::seed::volume(&files)?)
        .with_context(|| format!("cannot write `{}`", args.output.display()))?;
    console::line(args.output.display());
    Ok(())
}

/// What a node would say of the settings, as far as that can be told.
fn settings(args: &Args) -> Result<Vec<String>> {
    let Some(kind) = &args.kind else {
        let parsed = configure::bootstrap::parse_user_data(&read(&args.user_data)?);
        return Ok(parsed.err().into_iter().flatten().map(|fault| fault.to_string()).collect());
    };
    let files = check::Files { user_data: &args.user_data, mutable: None, policy: None };
    match check::check(&files, kind, args.role.as_deref()) {
        Ok(told) => Ok(told.faults.iter().map(ToString::to_string).chain(told.notes).collect()),
        Err(refusal) => anyhow::bail!("{}", refusal.to_string().trim_end()),
    }
}

/// cloud-init's own part: who may log in.
fn cloud_config(keys: &[PathBuf]) -> Result<String> {
    let mut lines = Vec::new();
    for path in keys {
        let text = String::from_utf8(read(path)?).with_context(|| path.display().to_string())?;
        lines.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    // JSON is YAML, and no key can end a string of it
    let config = if lines.is_empty() {
        serde_json::json!({})
    } else {
        serde_json::json!({ "ssh_authorized_keys": lines })
    };
    Ok(format!("#cloud-config\n{config}\n"))
}

/// An instance of its own for each content: cloud-init does its first-boot work once an instance.
fn meta_data(files: &BTreeMap<String, Vec<u8>>, hostname: Option<&str>) -> Result<String> {
    let mut all = hostname.unwrap_or_default().as_bytes().to_vec();
    for (name, content) in files {
        all.extend(format!("\n{name} {}\n", content.len()).bytes());
        all.extend(content);
    }
    let digest = Sha256::of(&all).hex();
    let id = format!("seed-{}", digest.get(..16).context("a digest is longer")?);
    let mut meta = BTreeMap::from([("instance-id", id.as_str())]);
    meta.extend(hostname.map(|name| ("local-hostname", name)));
    Ok(format!("{}\n", serde_json::to_string(&meta)?))
}

/// Reads what goes into a seed: a private key does not, as whoever holds the volume would have it.
fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    if bytes.windows(PRIVATE.len()).any(|part| part == PRIVATE) {
        anyhow::bail!(
            "`{}` has a private key, and a seed must have none: give the public one",
            path.display()
        );
    }
    Ok(bytes)
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
