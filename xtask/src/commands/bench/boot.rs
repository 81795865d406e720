//! `cargo xtask bench boot`: from the start of the kernel to a machine that is configured, ours and a peer's.
//!
//! ```text
//!                         who it is comes by                 it is configured when these are there, all that it has
//! ours, by credentials    systemd credentials                podplane-configure, containerd, sshd
//! ours, by a volume       NoCloud volume, `first-boot`       the same and the last stage of the first boot
//! peer                    the same volume, cloud-init        cloud-init's last stage, containerd, sshd
//! ```
//! All start the same kernel directly, with the same board, memory, processors, network and words on the command line
//! but `root=`, each from a layer over its compressed qcow2. Times are the guests' own clocks, which begin with the kernel.

mod ours;
mod peer;
mod report;

use super::disk::Size;
use crate::tools;
use anyhow::{Context as _, Result, ensure};
use machine::{Accel, Disk, DiskImage, Format, Kernel, Machine, Start, Terminal};
use ours::Ours;
use peer::Peer;
use report::{Entry, Report};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use tree::name::Arch;
use vmbake::commands::boot::expect;
use vmbake::commands::boot::timeline::Timeline;
use vmbake::console;
use vmbake::places::PlaceArgs;

/// Boots
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Ours is `base` with the boot-time program and the units of `knd`, and Debian's containerd. It is told who it is once by \
systemd credentials, and once by a NoCloud volume, as today's clusters do it; a program of this project reads it. \
The peer has the same packages, by mmdebstrap, with cloud-init and initramfs-tools; it gets the same volume.
Needs root, for mmdebstrap; `apt-get install mmdebstrap e2fsprogs qemu-utils qemu-system-x86` brings what it takes. \
Without KVM a round takes several minutes.")]
pub(crate) struct Args {
    /// How many rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Where to work: needs about 6 GB
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    work: PathBuf,
    /// How long one boot may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
    /// Keep the console and the timeline of each boot there
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    places: PlaceArgs,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

const CREDENTIALS: &str = "ours, by credentials";
const VOLUME: &str = "ours, by a volume";
const PEER: &str = "peer";
/// Memory in MiB.
const MEMORY: u32 = 2048;
/// Points of a boot, in their order.
const POINTS: [&str; 5] = ["initrd", "user space", "multi-user", "configured", "finished"];
/// What must be there before a machine is configured, if it is started at all.
const CONFIGURED: [&str; 4] =
    ["podplane-configure.service", "cloud-final.service", "containerd.service", "ssh.service"];
/// A key that nobody has the other half of.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bench";

/// A machine that is measured.
struct Entrant {
    what: &'static str,
    disk: DiskImage,
    kernel: Kernel,
    volumes: Vec<PathBuf>,
    credentials: BTreeMap<String, Vec<u8>>,
    /// The unit without which it was not configured, and a script that must end well when it was.
    by: (&'static str, &'static str),
}

/// What a boot has found.
struct Boot {
    points: BTreeMap<&'static str, f64>,
    failed: Vec<String>,
    /// What was read of its disk until it was up, in MiB.
    read_mib: f64,
    /// Processes, threads and the kernel's own among them, that were made until then.
    forks: f64,
}

/// Both numbers, by the shell alone: what asks must not count.
const COUNTS: &str = "read -r a b sectors rest </sys/block/vda/stat; echo \"$sectors\"; \
    while read -r key number rest; do if [ \"$key\" = processes ]; then echo \"$number\"; fi; done </proc/stat";

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    tools::needs(&[
        ("mmdebstrap", "mmdebstrap"),
        ("dpkg-deb", "dpkg"),
        ("mke2fs", "e2fsprogs"),
        ("qemu-img", "qemu-utils"),
        if super::inputs::arch() == "arm64" {
            ("qemu-system-aarch64", "qemu-system-arm")
        } else {
            ("qemu-system-x86_64", "qemu-system-x86")
        },
    ])?;
    ensure!(rustix::process::geteuid().is_root(), "the peer needs root; we do not");
    let shell = tools::shell()?;
    let (whole, arch) = (std::path::absolute(&args.work)?, super::inputs::arch().parse::<Arch>()?);
    let (work, store) = (whole.join("boot"), whole.join("fetched"));
    fs::create_dir_all(&work)?;
    let ours = ours::bake(&shell, &work, &store)?;
    let peer = peer::make(&shell, &ours, &args.places, &work, &store)?;
    // what a node has to reach before it is configured: QEMU's network has our loopback at 10.0.2.2
    let server = TcpListener::bind("127.0.0.1:0").context("a server for nodes to find")?;
    let entrants = entrants(&ours, &peer, &work, server.local_addr()?.port())?;
    let (accelerator, why) = machine::choose_accelerator(arch)?;
    let cpus = if accelerator == Accel::Kvm { 2 } else { 1 };
    let mut boots: BTreeMap<&str, Vec<Boot>> = BTreeMap::new();
    for round in 1..=args.runs {
        console::note(format!("round {round} of {}", args.runs));
        for entrant in &entrants {
            let boot = boot(entrant, arch, (accelerator, cpus), args, round);
            boots.entry(entrant.what).or_default().push(boot.with_context(|| entrant.what)?);
        }
    }
    let boots: Vec<Entry> =
        entrants.iter().filter_map(|one| Some(Entry::of(one.what, boots.get(one.what)?))).collect();
    let report = Report {
        accelerator,
        why,
        memory_mib: MEMORY,
        cpus,
        runs: args.runs,
        peer_packages: peer.packages,
        sizes: sizes(&entrants)?,
        ratios: report::ratios(&boots)?,
        boots,
    };
    if args.json {
        return console::json(&report);
    }
    report.print();
    Ok(())
}

/// The machines, in the order in which they take turns.
fn entrants(ours: &Ours, peer: &Peer, work: &Path, port: u16) -> Result<Vec<Entrant>> {
    let disk = DiskImage::open(&ours.disk)?;
    let from = work.join("ours");
    fs::create_dir_all(&from)?;
    let kernel = machine::kernel(&disk, &from)?;
    ensure!(fs::read(&kernel.kernel)? == fs::read(&peer.kernel.kernel)?, "the peer has another kernel");
    let told = told(port)?;
    let volume = work.join("seed.iso");
    fs::write(&volume, seed(&told)?)?;
    // the words of our loader's entry, with the peer's root
    let words = kernel.cmdline.split_whitespace().map(|word| match word.split_once('=') {
        Some(("root", _)) => format!("root={}", peer::ROOT),
        _ => word.to_owned(),
    });
    let cmdline = words.collect::<Vec<_>>().join(" ");
    let bootstrapped = "test -s /opt/podplane/bootstrap.done";
    let without = "test -s /opt/podplane/bootstrap.done && ! test -e /run/cloud-init/result.json";
    let cloud =
        "grep -q DataSourceNoCloud /run/cloud-init/result.json && test -s /opt/podplane/etc/user-data.env";
    let key = [("ssh.authorized_keys.root", KEY.to_owned())];
    let credentials =
        told.iter().map(|BootInput { credential, text, .. }| (*credential, text.clone())).chain(key);
    let credentials = credentials.map(|(name, text)| (name.to_owned(), text.into_bytes())).collect();
    let entrant = |what, disk: &DiskImage, kernel: &Kernel, by| Entrant {
        what,
        disk: disk.clone(),
        kernel: kernel.clone(),
        volumes: vec![volume.clone()],
        credentials: BTreeMap::new(),
        by,
    };
    let (unit, last) = ("podplane-configure.service", "cloud-final.service");
    let peer_kernel = Kernel { cmdline, ..peer.kernel.clone() };
    Ok(vec![
        Entrant { volumes: Vec::new(), credentials, ..entrant(CREDENTIALS, &disk, &kernel, (unit, without)) },
        entrant(PEER, &DiskImage::open(&peer.disk)?, &peer_kernel, (last, cloud)),
        entrant(VOLUME, &disk, &kernel, (unit, bootstrapped)),
    ])
}

/// A part of what a node is told: the credential that it comes by, the file that it becomes, and the text.
struct BootInput {
    credential: &'static str,
    file: &'static str,
    text: String,
}

/// Who a node is, and what its agent would register with.
fn told(port: u16) -> Result<[BootInput; 3]> {
    let certificate = tools::root().join("tests/fixtures/certificates/p256.crt");
    let ca = fs::read_to_string(&certificate).with_context(|| certificate.display().to_string())?;
    let told = |credential, file, text| BootInput { credential, file, text };
    Ok([
        told("podplane.user-data", "/opt/podplane/etc/user-data.env", user_data(port)),
        told("podplane.nonce", "/opt/nstance-agent/identity/nonce.jwt", "bm8.b25l.a25vd3M".to_owned()),
        told("podplane.ca", "/opt/nstance-agent/identity/ca.crt", ca),
    ])
}

fn user_data(port: u16) -> String {
    format!(
        "INSTANCE_ID='bench-1'\nINSTANCE_HOSTNAME='bench-1'\nINSTANCE_PROVIDER_ID='bench-1'\nCLUSTER_ID='bench'\nPROVIDER_KIND='local'\nPROVIDER_REGION='here'\nPROVIDER_ZONE='a'\n\
         PROVIDER_INSTANCE_TYPE='small'\nNSTANCE_SERVER_REGISTRATION_ADDR='10.0.2.2:{port}'\n\
         NSTANCE_SERVER_AGENT_ADDR='10.0.2.2:{port}'\nREGISTRY_ENABLED='false'\nTELEMETRY_ENABLED='false'\n"
    )
}

/// The NoCloud volume: a key for Debian's first user, and all else as files, as user-data of today has it. Without a
/// locale to be made, for which cloud-init would ask an archive for a package.
fn seed(told: &[BootInput]) -> Result<Vec<u8>> {
    let file = |told: &BootInput| json!({"path": told.file, "permissions": "0600", "content": told.text});
    let files: Vec<serde_json::Value> = told.iter().map(file).collect();
    let config = json!({
        "ssh_authorized_keys": [KEY],
        "locale": false,
        "write_files": files,
    });
    let files = BTreeMap::from([
        ("user-data".to_owned(), format!("#cloud-config\n{config}\n").into_bytes()),
        ("meta-data".to_owned(), json!({"instance-id": "bench-1"}).to_string().into_bytes()),
    ]);
    Ok(bake::seed::volume(&files)?)
}

/// One boot, from a fresh layer over the disk.
fn boot(entrant: &Entrant, arch: Arch, (accel, cpus): (Accel, u8), args: &Args, round: u32) -> Result<Boot> {
    let dir = tempfile::Builder::new().prefix("vmbake-bench-").tempdir()?;
    let firmware = (arch == Arch::Arm64).then(|| machine::Firmware::find(arch, dir.path())).transpose()?;
    let layer = entrant.disk.overlay(&dir.path().join("disk.qcow2"), None)?;
    let volumes = entrant.volumes.iter();
    let volumes = volumes.map(|path| Disk { path: path.clone(), format: Format::Raw, read_only: true });
    let machine = Machine {
        arch,
        accel,
        memory: MEMORY,
        cpus,
        start: Start::Direct(entrant.kernel.clone(), firmware),
        disks: [layer.disk(false)].into_iter().chain(volumes).collect(),
        network: Some(Vec::new()),
        credentials: entrant.credentials.clone(),
        shell: true,
        restarts: true,
    };
    let kept = |ending: &str| {
        let name = format!("{}.{round}.{ending}", entrant.what.replace([' ', ','], "-"));
        args.keep.as_ref().map(|folder| folder.join(name))
    };
    let mut terminal = Terminal::default();
    if let (Some(path), Some(folder)) = (kept("log"), &args.keep) {
        fs::create_dir_all(folder)?;
        terminal.show = Box::new(File::create(path)?);
    }
    let mut running = machine.start(dir, terminal)?;
    let deadline = machine::within(args.timeout);
    let watched = expect::wait(&mut running, &[], true, expect::Patience { deadline, stall: None })?;
    let Some(booted) = watched.booted else {
        anyhow::bail!("{}\n{}", watched.stopped.unwrap_or("it did not boot"), running.tail())
    };
    let counts = running.run(COUNTS, machine::within(120))?.done()?;
    let timeline = Timeline::take(&mut running, booted, machine::within(120))?;
    let timeline = timeline.with_context(|| format!("it did not tell its times\n{}", running.tail()))?;
    if let Some(path) = kept("json") {
        fs::write(path, serde_json::to_string_pretty(&timeline)? + "\n")?;
    }
    let (unit, script) = entrant.by;
    let answer = running.run(script, machine::within(120))?;
    ensure!(answer.code == 0, "it booted, but `{script}` says that it was not configured as it should be");
    running.cut()?;
    let (points, (read_mib, forks)) = (points(&timeline, unit)?, numbers(&counts)?);
    console::note(format!("{}: configured after {:.1} s", entrant.what, points["configured"]));
    Ok(Boot { points, failed: timeline.failed, read_mib, forks })
}

/// The points of a boot, in seconds from the start of the kernel.
fn points(timeline: &Timeline, unit: &str) -> Result<BTreeMap<&'static str, f64>> {
    let ready = |name: &str| timeline.units.iter().find(|span| span.unit == name).map(|span| span.ready);
    ready(unit).filter(|_| !timeline.failed.iter().any(|failed| failed == unit)).with_context(|| {
        format!("`{unit}` was not started, or failed; failed units: {:?}", timeline.failed)
    })?;
    let configured = CONFIGURED.iter().filter_map(|name| ready(name)).fold(0.0, f64::max);
    let all = [
        ("initrd", timeline.init),
        ("user space", Some(timeline.userspace)),
        ("multi-user", ready("multi-user.target")),
        ("configured", Some(configured)),
        ("finished", Some(timeline.finished)),
    ];
    Ok(all.into_iter().filter_map(|(name, time)| Some((name, time?))).collect())
}

/// What was read, in MiB, and how many processes there were: of sectors of 512 bytes (Documentation/block/stat.rst).
fn numbers(counts: &str) -> Result<(f64, f64)> {
    let numbers: Vec<f64> = counts.lines().map(str::parse).collect::<Result<_, _>>().context("no numbers")?;
    match numbers.as_slice() {
        [sectors, forks] => Ok((sectors / 2048.0, *forks)),
        _ => anyhow::bail!("expected two numbers, found `{}`", counts.trim()),
    }
}

/// Disks and initrds.
fn sizes(entrants: &[Entrant]) -> Result<Vec<Size>> {
    let mut sizes = Vec::new();
    // two entrants have one image
    for entrant in entrants.iter().filter(|entrant| entrant.what != VOLUME) {
        let name = if entrant.what == PEER { PEER } else { "ours" };
        sizes.push(Size::of(&format!("{name}: disk, qcow2"), &entrant.disk.path)?);
        if let Some(initrd) = &entrant.kernel.initrd {
            sizes.push(Size::of(&format!("{name}: initrd"), initrd)?);
        }
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmbake::commands::boot::timeline::Span;

    fn timeline(failed: &[&str]) -> Timeline {
        let span = |unit: &str, ready| Span { unit: unit.to_owned(), began: 1.0, ready };
        let mut timeline = Timeline::default();
        timeline.units = vec![
            span("containerd.service", 12.0),
            span("multi-user.target", 13.0),
            span("cloud-final.service", 25.0),
        ];
        timeline.failed = failed.iter().map(|unit| (*unit).to_owned()).collect();
        timeline
    }

    #[test]
    fn a_machine_is_configured_when_the_last_of_its_services_is_there() {
        let boot = points(&timeline(&[]), "cloud-final.service").unwrap();
        assert_eq!(boot["configured"], 25.0);
        assert_eq!(boot["multi-user"], 13.0);
    }

    #[test]
    fn a_machine_that_nobody_has_configured_has_no_figures() {
        assert!(points(&timeline(&[]), "podplane-configure.service").is_err());
        assert!(points(&timeline(&["cloud-final.service"]), "cloud-final.service").is_err());
    }
}
