//! `boot`: a machine from a disk image, in QEMU, and what became of it.

pub mod expect;
mod report;
mod svg;
pub mod timeline;

use crate::console;
use anyhow::{Context as _, Result, bail, ensure};
use expect::Expectation;
use machine::{Accel, DiskImage, Firmware, Format, Forward, Machine, Running, Start, Terminal};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use timeline::Timeline;
use tree::name::Arch;
use tree::refusal::{Class, Refusal, Stage};

/// Start a machine from a disk image, wait for what must become true, and say where its time went
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = tree::of_release!("\
Without expectations the console is interactive until the machine powers off; Ctrl-A X cuts its power. With them it is shown as it \
comes, and the power is cut when all are met:
  vmbake boot dist/base.", ".amd64.qcow2 --expect 'system running' --expect 'unit containerd.service active'
Expectations: `unit NAME STATE`, `console TEXT`, `run COMMAND` (exits with 0), `system STATE` (`running`: no failed unit).
The artifact is not changed unless --write is given. KVM is used where it works; a machine that KVM cannot \
run, or that shows no progress under it, is restarted under TCG."))]
pub struct Args {
    #[arg(help = IMAGE.as_str())]
    artifact: Option<PathBuf>,
    /// The disk image that is meant; found before anything else.
    #[arg(skip)]
    found: PathBuf,
    /// Boot the image's kernel directly, extracted from its EFI system partition, instead of through firmware
    #[arg(long)]
    direct: bool,
    /// Boot by a legacy BIOS instead of UEFI firmware; only for amd64
    #[arg(long, conflicts_with = "direct")]
    bios: bool,
    /// The machine's architecture [default: that of the image's root partition]
    #[arg(long, value_name = "amd64|arm64")]
    arch: Option<Arch>,
    /// The accelerator: kvm, or tcg, QEMU's emulator [default: kvm where it works]
    #[arg(long, value_name = "kvm|tcg", value_parser = accel)]
    accel: Option<Accel>,
    /// Memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(128..))]
    memory: u32,
    /// The number of processors [default: 2, or 1 without KVM]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    cpus: Option<u8>,
    /// A volume to attach read-only, such as one made by `vmbake seed`; may be repeated
    #[arg(long, value_name = "FILE")]
    seed: Vec<PathBuf>,
    /// A systemd credential to pass to the machine, with the content of a file; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    credential: Vec<String>,
    /// Forward a port of this machine's 127.0.0.1 to one of the guest; may be repeated
    #[arg(long, value_name = "HERE:GUEST")]
    forward: Vec<Forward>,
    /// Do not attach a network card
    #[arg(long, conflicts_with = "forward")]
    no_network: bool,
    /// Write to the artifact instead of a temporary overlay
    #[arg(long, conflicts_with = "disk_size")]
    write: bool,
    /// Enlarge the disk to this size: bytes, or with a suffix K, M, G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    disk_size: Option<u64>,
    /// Add nothing to the machine: no shell for expectations and the timeline
    #[arg(long)]
    no_shell: bool,
    /// What must become true; may be repeated
    #[arg(long, value_name = "WHAT")]
    expect: Vec<Expectation>,
    /// How long the whole boot may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// Under KVM: how long a machine may show no progress before systemd is up, in seconds, until it is started again
    /// under TCG
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    stall: u64,
    /// Write the console to a file instead of showing it
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Draw where the time went, as SVG; the figures go next to it, as JSON
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
    /// Fail if a milestone is reached later than this file allows
    #[arg(long, value_name = "FILE")]
    budget: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> Result<()> {
    let found = match &args.artifact {
        Some(path) => path.clone(),
        None => only_image(Path::new(DIST))?,
    };
    start(&Args { found, ..args.clone() })
}

/// How names of the disk images end that a bake writes and a machine can start from.
fn endings() -> impl Iterator<Item = &'static str> {
    let disks = disk::Format::ALL.into_iter().filter(|format| format.is_disk());
    disks.map(disk::Format::suffix).filter(|ending| machine::Format::of_ending(ending).is_some())
}

static IMAGE: LazyLock<String> = LazyLock::new(|| {
    let endings: Vec<_> = endings().collect();
    format!("The disk image: {} [default: the only one in `{DIST}`]", machine::listed_endings(&endings))
});

/// Where a bake writes when nothing else is said.
const DIST: &str = "dist";

/// The disk image of `folder`, which must have just one.
fn only_image(folder: &Path) -> Result<PathBuf> {
    let usage = |what: String| Refusal::new(Class::Usage, folder.display().to_string(), Stage::Inspect, what);
    let entries = fs::read_dir(folder).map_err(|error| {
        usage(format!("no disk image is given, and none found: {error}"))
            .hint("run `vmbake bake --format qcow2` to create one")
    })?;
    let mut images = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let extension = path.extension().and_then(std::ffi::OsStr::to_str);
        if extension.is_some_and(|extension| endings().any(|ending| ending == extension)) {
            images.push(path);
        }
    }
    images.sort_unstable();
    match &images[..] {
        [only] => Ok(only.clone()),
        [] => Err(usage("there is no disk image in it".to_owned())
            .hint("run `vmbake bake --format qcow2` to create one")
            .into()),
        several => {
            let names = several.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            let refusal = usage("there are several disk images in it".to_owned());
            Err(refusal.hint(format!("name the one to start: {names}")).into())
        }
    }
}

fn start(args: &Args) -> Result<()> {
    let asks = args.timeline.is_some() || args.budget.is_some() || args.expect.iter().any(Expectation::asks);
    ensure_usage(
        args,
        !(asks && args.no_shell),
        "expectations about units and a timeline require the shell that `--no-shell` leaves out",
    )?;
    let budget = args.budget.as_deref().map(timeline::Budget::load).transpose()?;
    let watched = asks || !args.expect.is_empty();
    let mut again = None;
    loop {
        let dir = tempfile::Builder::new().prefix("vmbake-boot-").tempdir()?;
        let (machine, why) = machine(args, dir.path(), again.map(|_| Accel::Tcg))?;
        for line in report::ahead(&machine, why, watched) {
            console::note(line);
        }
        let running = machine.start(dir, terminal(args, !watched, again.is_some())?)?;
        if !watched {
            if interactive(running)? {
                return Ok(());
            }
            ensure!(machine.accel == Accel::Kvm, machine::FAILED);
            again = Some(start_again(machine::FAILED));
            continue;
        }
        let ended = watch(args, &machine, running, asks)?;
        if let (true, Accel::Kvm, Some(why)) = (ended.watched.broken, machine.accel, ended.watched.stopped) {
            again = Some(start_again(why));
            continue;
        }
        return conclude(args, &machine, ended, budget.as_ref(), again);
    }
}

/// Says that a machine is started a second time, and why.
fn start_again(why: &'static str) -> &'static str {
    console::note(format!("{why} under KVM; retrying under TCG, QEMU's emulator, which is slower"));
    why
}

/// Writes and prints what became of a boot.
fn conclude(
    args: &Args,
    machine: &Machine,
    ended: report::Ended,
    budget: Option<&timeline::Budget>,
    again: Option<&'static str>,
) -> Result<()> {
    if let (Some(path), Some(timeline)) = (&args.timeline, &ended.timeline) {
        fs::write(path, svg::draw(timeline)).with_context(|| path.display().to_string())?;
        let beside = path.with_extension("json");
        fs::write(&beside, serde_json::to_string_pretty(timeline)? + "\n")?;
    }
    let over = match (budget, &ended.timeline) {
        (Some(budget), Some(timeline)) => budget.exceeded(timeline),
        _ => Vec::new(),
    };
    let report = report::Report::new(&args.found, machine, ended, over, again);
    if args.json {
        console::json(&report)?;
    } else {
        report.print();
    }
    report.tell_end();
    report.verdict()
}

/// The machine that is asked for, and why it has its accelerator.
fn machine(args: &Args, dir: &Path, second: Option<Accel>) -> Result<(Machine, &'static str)> {
    let image = DiskImage::open(&args.found).map_err(|error| usage(args, error))?;
    let arch = match args.arch {
        Some(arch) => arch,
        None => image
            .partitions()?
            .values()
            .find_map(disk::gpt::Entry::root_of)
            .context("the disk has no partition with the type of a root partition; pass `--arch` to select the machine")
            .map_err(|error| usage(args, error))?,
    };
    let (accel, why) = match (second, args.accel) {
        (Some(accel), _) => (accel, "the second start"),
        (None, Some(accel)) => (accel, "as asked"),
        (None, None) => machine::choose_accelerator(arch)?,
    };
    // firmware tells an arm64 kernel what it cannot find out: the tables in which credentials are
    let is_needed = !args.direct && !args.bios || arch == Arch::Arm64;
    let firmware = is_needed.then(|| Firmware::find(arch, dir)).transpose()?;
    let start = match (args.direct, firmware) {
        _ if args.bios && arch == Arch::Arm64 => {
            return Err(usage(args, anyhow::anyhow!("`--bios`: machines for arm64 have no BIOS")));
        }
        _ if args.bios => Start::Bios,
        (false, Some(firmware)) => Start::Firmware(firmware),
        (_, firmware) => Start::Direct(machine::kernel(&image, dir)?, firmware),
    };
    let first = if args.write {
        image.disk(false)
    } else {
        image.overlay(&dir.join("disk.qcow2"), args.disk_size)?.disk(false)
    };
    let seeds = args.seed.iter().map(|path| {
        let path = fs::canonicalize(path).with_context(|| path.display().to_string())?;
        Ok(machine::Disk { path, format: Format::Raw, read_only: true })
    });
    let mut disks = vec![first];
    disks.extend(seeds.collect::<Result<Vec<_>>>()?);
    let machine = Machine {
        arch,
        accel,
        memory: args.memory,
        cpus: args.cpus.unwrap_or(if accel == Accel::Kvm { 2 } else { 1 }),
        start,
        disks,
        network: (!args.no_network).then(|| args.forward.clone()),
        credentials: credentials(args)?,
        shell: !args.no_shell,
        restarts: true,
    };
    Ok((machine, why))
}

fn credentials(args: &Args) -> Result<BTreeMap<String, Vec<u8>>> {
    let one = |text: &String| {
        let wrong = || usage(args, anyhow::anyhow!("--credential: expected `NAME=FILE`, found `{text}`"));
        let (name, path) = text.split_once('=').ok_or_else(wrong)?;
        Ok((name.to_owned(), fs::read(path).with_context(|| path.to_owned())?))
    };
    args.credential.iter().map(one).collect()
}

/// Where the console goes.
fn terminal(args: &Args, interactive: bool, append: bool) -> Result<Terminal> {
    let mut log = File::options();
    log.create(true).write(true).append(append).truncate(!append);
    let show: Box<dyn std::io::Write + Send> = match &args.log {
        Some(path) => Box::new(log.open(path).with_context(|| path.display().to_string())?),
        // the result is what standard output is for
        None if interactive => Box::new(std::io::stdout()),
        None => Box::new(std::io::stderr()),
    };
    Ok(Terminal { typed: interactive && std::io::stdin().is_terminal(), show })
}

/// Until the guest ends, or whoever sits there ends it: false where QEMU could not go on.
fn interactive(mut running: Running) -> Result<bool> {
    let far = Duration::from_secs(60 * 60);
    loop {
        match running.next(Instant::now() + far)? {
            Some(machine::Event::Ended) => return Ok(true),
            Some(machine::Event::Failed) => return Ok(false),
            _ => {}
        }
    }
}

/// Waits for what is wanted, takes the timeline and cuts the power.
fn watch(args: &Args, machine: &Machine, mut running: Running, asks: bool) -> Result<report::Ended> {
    let deadline = running.began() + Duration::from_secs(args.timeout);
    let stall = (machine.accel == Accel::Kvm).then(|| Duration::from_secs(args.stall));
    let patience = expect::Patience { deadline, stall };
    let mut watched = expect::wait(&mut running, &args.expect, asks, patience)?;
    let mut timeline = None;
    if let (Some(booted), true) = (watched.booted, asks) {
        // a minute more: the boot was in time
        timeline = Timeline::take(&mut running, booted, deadline + Duration::from_secs(60))?;
        if timeline.is_none() {
            watched.stopped.get_or_insert("the machine did not report where its time went");
        }
    }
    let seconds = running.began().elapsed().as_secs_f64();
    let console = running.console().to_owned();
    running.cut()?;
    let needs_times = args.timeline.is_some() || args.budget.is_some();
    Ok(report::Ended { watched, timeline, needs_times, seconds, console })
}

fn usage(args: &Args, error: impl Into<anyhow::Error>) -> anyhow::Error {
    let cause: anyhow::Error = error.into();
    Refusal::new(Class::Usage, args.found.display().to_string(), Stage::Inspect, format!("{cause:#}")).into()
}

fn ensure_usage(args: &Args, holds: bool, otherwise: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(usage(args, anyhow::anyhow!(otherwise))) }
}

fn accel(text: &str) -> Result<Accel> {
    match text {
        "kvm" => Ok(Accel::Kvm),
        "tcg" => Ok(Accel::Tcg),
        _ => bail!("expected `kvm` or `tcg`"),
    }
}

/// The size of a disk, which is a number of sectors.
fn size(text: &str) -> Result<u64> {
    let bytes = console::bytes(text)?;
    ensure!(bytes % 512 == 0 && bytes > 0, "expected a multiple of 512 bytes");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn the_size_of_a_disk_is_a_number_of_sectors() {
        assert_eq!(size("20G").unwrap(), 20 << 30);
        assert_eq!(size("512").unwrap(), 512);
        for wrong in ["", "0", "513"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
