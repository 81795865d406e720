//! Machines that tests start from disk images: a layer of the test's own over the image, a shell inside, and a power
//! switch.
//!
//! A guest outlives its machine: what is on its disk after a power cut is there at the next start.

use anyhow::{Context as _, Result, bail};
use machine::{Accel, Answer, Disk, DiskImage, Firmware, Format, Machine, Running, Start, Terminal, within};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tree::name::Arch;

/// How long anything may take. Machines are translated, and share two cores with other tests.
const LIMIT: u64 = 420;

/// How a guest is set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Start its kernel directly.
    pub direct: bool,
    /// Start it by a BIOS.
    pub bios: bool,
    /// A network card.
    pub network: bool,
    /// The size of its disk, where it is to be larger than the image.
    pub disk_size: Option<u64>,
    /// systemd credentials.
    pub credentials: BTreeMap<String, Vec<u8>>,
    /// Further disks, raw, which it may only read.
    pub volumes: Vec<PathBuf>,
}

/// A guest, on or off.
#[derive(Debug)]
pub struct Guest {
    machine: Machine,
    disk: DiskImage,
    running: Option<Running>,
    /// What it said in machines that are off now.
    past: String,
    _dir: tempfile::TempDir,
}

impl Guest {
    /// A guest of `image`, switched off. Its files are in `room`.
    pub fn new(image: &Path, room: &Path, setup: &Setup) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("guest-").tempdir_in(room)?;
        let image = DiskImage::open(image)?;
        let arch = image.partitions()?.values().find_map(disk::gpt::Entry::root_of);
        let arch = arch.context("the disk has no root partition")?;
        let firmware = (!setup.direct && !setup.bios || arch == Arch::Arm64)
            .then(|| Firmware::find(arch, dir.path()))
            .transpose()?;
        let start = match firmware {
            None if setup.bios => Start::Bios,
            Some(firmware) if !setup.direct => Start::Firmware(firmware),
            firmware => Start::Direct(machine::kernel(&image, dir.path())?, firmware),
        };
        let disk = image.overlay(&dir.path().join("disk.qcow2"), setup.disk_size)?;
        let volumes = setup.volumes.iter();
        let volumes = volumes.map(|path| Disk { path: path.clone(), format: Format::Raw, read_only: true });
        let machine = Machine {
            arch,
            // the same everywhere: what a trial of KVM says may change from one minute to the next
            accel: Accel::Tcg,
            memory: 2048,
            cpus: 1,
            start,
            disks: [disk.disk(false)].into_iter().chain(volumes).collect(),
            network: setup.network.then(Vec::new),
            credentials: setup.credentials.clone(),
            shell: true,
            restarts: false,
        };
        Ok(Self { machine, disk, running: None, past: String::new(), _dir: dir })
    }

    /// Switches it on and waits for its shell.
    pub fn start(&mut self) -> Result<()> {
        if self.running.is_some() {
            bail!("the machine is on");
        }
        let running = self.machine.start(tempfile::tempdir()?, Terminal::default())?;
        self.running.insert(running).ready(within(LIMIT))
    }

    /// Waits until systemd has nothing left to start: `running`, or `degraded` where a unit failed.
    pub fn booted(&mut self) -> Result<String> {
        Ok(self.answer("systemctl is-system-running --wait")?.output.trim().to_owned())
    }

    /// Waits for the end of a boot, at which no unit may have failed.
    pub fn well_booted(&mut self) -> Result<()> {
        let state = self.booted()?;
        if state != "running" {
            let why = "systemctl --failed --no-legend --plain; journalctl --no-pager --boot --priority=warning | tail -n 60";
            bail!("the system is `{state}`\n{}", self.answer(why)?.output);
        }
        Ok(())
    }

    /// Runs a script, which must end well, and gives what it said.
    pub fn sh(&mut self, script: &str) -> Result<String> {
        self.answer(script)?.done().with_context(|| format!("`{script}`"))
    }

    /// Runs a script to its end.
    pub fn answer(&mut self, script: &str) -> Result<Answer> {
        self.on()?.run(script, within(LIMIT))
    }

    /// Asks a script again each second until it ends well.
    pub fn until(&mut self, script: &str) -> Result<String> {
        let wait = format!("for i in $(seq 120); do ( {script} ) && exit 0; sleep 1; done; exit 1");
        self.sh(&wait)
    }

    /// Puts files into the guest, one after the other: path, mode, owner, bytes. Each appears whole.
    pub fn write(&mut self, files: &[(&str, &str, &str, &[u8])]) -> Result<()> {
        let put = |(path, mode, owner, bytes): &(&str, &str, &str, &[u8])| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            format!(
                "printf %s '{hex}' | basenc --base16 -d >'{path}.new'\nchown {owner} '{path}.new'\n\
                 chmod {mode} '{path}.new'\nmv '{path}.new' '{path}'\n"
            )
        };
        let script: String = files.iter().map(put).collect();
        self.sh(&format!("set -e\numask 077\n{script}")).map(drop)
    }

    /// Lets it start again, in order, and waits for the shell of the next boot. The reset ends QEMU, and a new one has the
    /// same disk and the same firmware's variables: in one that translates, firmware was seen to hang after a reset
    /// (QEMU 7.2).
    pub fn reboot(&mut self) -> Result<()> {
        self.end("systemctl reboot")?;
        self.start()
    }

    /// Switches it off in order.
    pub fn off(&mut self) -> Result<()> {
        self.end("systemctl poweroff")
    }

    fn end(&mut self, how: &str) -> Result<()> {
        let Some(mut running) = self.running.take() else { bail!("the machine is off") };
        running.send(how)?;
        running.off(within(LIMIT))?;
        self.past.push_str(running.console());
        Ok(())
    }

    /// Cuts its power.
    pub fn cut(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { bail!("the machine is off") };
        self.past.push_str(running.console());
        running.cut()
    }

    /// All that was said on its console.
    #[must_use]
    pub fn console(&self) -> String {
        self.past.clone() + self.running.as_ref().map_or("", Running::console)
    }

    /// Its disk; whoever looks at it switches the guest off before.
    #[must_use]
    pub fn disk(&self) -> &DiskImage {
        &self.disk
    }

    fn on(&mut self) -> Result<&mut Running> {
        self.running.as_mut().context("the machine is off")
    }
}

/// Files as a volume of whole sectors: what a guest reads as `/dev/vdb`.
pub fn volume(bytes: &[u8], at: &Path) -> Result<()> {
    let mut bytes = bytes.to_owned();
    bytes.resize(bytes.len().next_multiple_of(1 << 20), 0);
    Ok(fs::write(at, bytes)?)
}
