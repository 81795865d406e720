//! A machine in QEMU that starts Debian's kernel with our initrd, and its console.

use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use tests::kernel::Kernel;
use tests::standin;
use tree::name::Arch;
use xshell::{Shell, cmd};

/// What the disk of all tests is called.
pub(crate) const PART_UUID: &str = "5a0d5a0d-0001-4000-8000-000000000001";
/// The UUID of its file system.
pub(crate) const UUID: &str = "5a0d5a0d-0002-4000-8000-000000000002";
/// The last line of the stand-in for init.
const END: &str = "stand-in: that is all";
/// A machine without hardware support, on a busy host.
const PATIENCE: Duration = Duration::from_secs(400);

/// A machine to be started.
#[derive(Debug)]
pub(crate) struct Machine {
    kernel: Kernel,
    folder: tempfile::TempDir,
    board: &'static str,
    devices: Vec<String>,
}

/// One that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    output: Receiver<Vec<u8>>,
    /// All that the console has shown.
    pub(crate) text: String,
}

impl Machine {
    /// One without a disk.
    pub(crate) fn new(arch: Arch) -> Result<Self> {
        let board = match arch {
            Arch::Amd64 => "q35",
            Arch::Arm64 => "virt",
        };
        Ok(Self { kernel: Kernel::get(arch)?, folder: tempfile::tempdir()?, board, devices: Vec::new() })
    }

    /// On another board than the usual one.
    pub(crate) fn board(self, board: &'static str) -> Self {
        Self { board, ..self }
    }

    /// With a disk, by `devices`: QEMU's, in which `DISK` names the drive.
    pub(crate) fn disk(mut self, devices: &[&str]) -> Result<Self> {
        let image = make_disk(self.folder.path(), self.kernel.arch)?;
        let drive = format!("file={},format=raw,if=none,id=disk,snapshot=on", image.display());
        self.devices.extend(["-drive".to_owned(), drive]);
        for device in devices {
            self.devices.extend(["-device".to_owned(), device.replace("DISK", "drive=disk")]);
        }
        Ok(self)
    }

    /// Starts it with these words on the kernel's command line.
    pub(crate) fn start(&self, words: &str) -> Result<Running> {
        let (program, console) = match self.kernel.arch {
            Arch::Amd64 => ("qemu-system-x86_64", "ttyS0"),
            Arch::Arm64 => ("qemu-system-aarch64", "ttyAMA0"),
        };
        let board = self.board;
        let (image, initrd, devices) = (self.kernel.image(), self.kernel.initrd(), &self.devices);
        let append = format!("console={console} {words}");
        let shell = Shell::new()?;
        let call = cmd!(
            shell,
            "{program} -machine {board} -accel tcg,thread=single -cpu max -m 512 -nodefaults -display none -serial stdio
             -nic none -no-reboot -kernel {image} -initrd {initrd} -append {append} {devices...}"
        );
        let mut command: Command = call.into();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdout = child.stdout.take().context("the machine's console")?;
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(len @ 1..) = stdout.read(&mut some) {
                if sender.send(some[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Running { child, output, text: String::new() })
    }

    /// Starts it, waits until the stand-in for init has said all, and gives what the console has shown.
    pub(crate) fn console(&self, words: &str) -> Result<String> {
        let mut running = self.start(words)?;
        running.wait_for(END)?;
        Ok(running.text.clone())
    }
}

impl Running {
    /// Waits until the console has shown `expected`.
    pub(crate) fn wait_for(&mut self, expected: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.text.contains(expected) {
            // a machine that stands still shows nothing more
            for end in ["reboot: System halted", "Kernel panic"] {
                ensure!(!self.text.contains(end), "`{end}` before `{expected}`:\n{}", self.text);
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(some) => self.text.push_str(&String::from_utf8_lossy(&some)),
                Err(error) => bail!("the console did not show `{expected}` ({error}):\n{}", self.text),
            }
        }
        Ok(())
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("the machine's keyboard")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// Waits until the machine has ended by itself.
    pub(crate) fn wait_for_end(&mut self) -> Result<()> {
        while let Ok(some) = self.output.recv_timeout(PATIENCE) {
            self.text.push_str(&String::from_utf8_lossy(&some));
        }
        ensure!(self.child.wait()?.success(), "{}", self.text);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // it may have ended
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A disk with one partition: ext4 with the stand-in as its init.
fn make_disk(folder: &Path, arch: Arch) -> Result<PathBuf> {
    let (image, root, shell) = (folder.join("disk"), folder.join("root"), Shell::new()?);
    for part in ["dev", "proc", "sys", "sbin", "usr/lib/init"] {
        fs::create_dir_all(root.join(part))?;
    }
    let arch = match arch {
        Arch::Amd64 => standin::Arch::Amd64,
        Arch::Arm64 => standin::Arch::Arm64,
    };
    let program = root.join("usr/lib/init/stand-in");
    fs::write(&program, standin::Program::build(arch)?.stamped("init", "1")?)?;
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    // as in Debian: a link whose target is absolute, so that it means something only in the new root
    std::os::unix::fs::symlink("/usr/lib/init/stand-in", root.join("sbin/init"))?;
    fs::File::create(&image)?.set_len(32 << 20)?;
    let table = format!("label: gpt\nstart=2048, size=61440, uuid={PART_UUID}, name=root-here\n");
    cmd!(shell, "sfdisk --quiet {image}").stdin(table).quiet().run()?;
    cmd!(shell, "mke2fs -q -t ext4 -L root -U {UUID} -E offset=1048576 -d {root} {image} 30720k")
        .quiet()
        .run()?;
    Ok(image)
}
