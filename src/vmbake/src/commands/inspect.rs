//! `inspect`: what is in an artifact.

use crate::console::{self, size};
use crate::places::StoreArgs;
use bake::emit::{Line, Type};
use bake::inspect::{self, Artifact, Share};
use disk::read::Disk;
use serde::Serialize;
use std::path::PathBuf;
use tree::digest::Digest;
use tree::name::ImagePath;

/// List the contents of an artifact, or show one path of it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
If PATH is a directory, its contents are listed. Sizes by owner require the files.json of the same bake next to \
the artifact. For a disk image the partitions are listed, and, with the files.json next to it, the files. For a .tar.gz or \
.deb that images are made from, the members are listed as recipes name them; if it is in the store, its digest will do.")]
pub struct Args {
    /// The artifact: dist/NAME.tar.zst, dist/NAME.qcow2, …; or an input: a .tar.gz or .deb, or sha256:… of one in the store
    artifact: PathBuf,
    /// A path in the image
    path: Option<ImagePath>,
    /// Print the content of the file at PATH, and nothing else
    #[arg(long, requires = "path", conflicts_with = "json")]
    cat: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    paths: usize,
    bytes: u64,
    /// Of a disk: its size and partitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<&'a Disk>,
    /// Of a Debian package: the names of its control files.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    control: &'a [String],
    owners: Vec<Share>,
    files: Vec<&'a Line>,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let digest = args.artifact.to_str().and_then(|text| text.parse::<Digest>().ok());
    let artifact = match digest {
        Some(digest) => inspect::open(&args.store.open_with_known_key()?.blob_path(&digest))?,
        None => inspect::open(&args.artifact)?,
    };
    match &args.path {
        Some(path) if args.cat => Ok(artifact.read(path, &mut console::Stdout)?),
        Some(path) => below(args, &artifact, path),
        None => whole(args, &artifact),
    }
}

fn whole(args: &Args, artifact: &Artifact) -> anyhow::Result<()> {
    let report = report(artifact, &ImagePath::root(), artifact.shares());
    if args.json {
        return console::json(&report);
    }
    report.files.iter().for_each(|line| print(line));
    console::line("");
    for Share { owner, files, bytes } in &report.owners {
        console::line(format!("{:>10}  {files:>6} files  {owner}", size(*bytes)));
    }
    console::line(format!("{:>10}  {:>6} paths  in all", size(report.bytes), report.paths));
    if !report.control.is_empty() {
        console::line(format!("{:>10}  control files: {}", "", report.control.join(", ")));
    }
    if let Some(disk) = report.disk {
        console::line("");
        for (partition, number) in disk.partitions.iter().zip(1..) {
            let name = tree::refusal::shown(&partition.name);
            let bytes = size(partition.size);
            console::line(format!("{bytes:>10}  partition {number}, `{name}`, PARTUUID {}", partition.id));
        }
        console::line(format!("{:>10}  disk", size(disk.size)));
    }
    Ok(())
}

fn below(args: &Args, artifact: &Artifact, path: &ImagePath) -> anyhow::Result<()> {
    let found = artifact.find(path)?;
    let top = found.path.clone();
    let report = report(artifact, &top, Vec::new());
    if args.json {
        return console::json(&report.files);
    }
    report.files.iter().for_each(|line| print(line));
    Ok(())
}

fn report<'a>(artifact: &'a Artifact, top: &ImagePath, owners: Vec<Share>) -> Report<'a> {
    let files: Vec<&Line> = artifact.paths().iter().filter(|line| line.path.is_within(top)).collect();
    let bytes = files.iter().filter_map(|line| line.size).sum();
    Report {
        paths: files.len(),
        bytes,
        disk: artifact.disk.as_ref(),
        control: &artifact.control,
        owners,
        files,
    }
}

/// A line in the manner of `ls -l`, with numeric owners: names are the image's own.
fn print(line: &Line) {
    let what = match (&line.target, line.r#type) {
        (Some(target), Type::Symlink) => format!(" -> {target}"),
        (Some(target), _) => format!(" = {target}"),
        _ => String::new(),
    };
    let letter = match line.r#type {
        Type::Directory => 'd',
        Type::File | Type::Hardlink => '-',
        Type::Symlink => 'l',
        Type::Character => 'c',
        Type::Block => 'b',
        Type::Fifo => 'p',
    };
    let bytes = line.size.map_or_else(String::new, |bytes| bytes.to_string());
    let path = tree::refusal::shown(line.path.as_str()).into_owned();
    console::line(format!("{letter} {} {:>5} {:>5} {bytes:>10} {path}{what}", line.mode, line.uid, line.gid));
}
