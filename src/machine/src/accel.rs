//! Who executes the guest's instructions: the processor itself where that was seen to work, else QEMU's translator.
//!
//! That `/dev/kvm` is there says little: on machines that are virtual themselves it can be opened and even runs a few
//! instructions, and then hangs at the first interrupt or mapping of a ROM; some hang at one start and not at the next. So
//! the firmware is run a few times, each up to the point where it looks for a disk.

use crate::argv;
use anyhow::{Context as _, Result};
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tree::name::Arch;
use xshell::{Shell, cmd};

/// How many trials in a row have to succeed.
const TRIALS: usize = 5;
/// How long each may take; where KVM works it takes a fifth of a second.
const PATIENCE: Duration = Duration::from_secs(4);
/// What SeaBIOS says on its debug port when it has found its devices and looks for a disk.
const REACHED: &str = "No bootable device";

/// The ways to execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accel {
    /// The processor.
    Kvm,
    /// QEMU's translator, one thread for all processors: with several, guests stop at random places.
    Tcg,
}

/// The best that works here for `arch`, and why it is that.
pub fn choose(arch: Arch) -> Result<(Accel, &'static str)> {
    if arch.machine() != std::env::consts::ARCH {
        return Ok((Accel::Tcg, "the image is for another processor"));
    }
    if std::fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok((Accel::Tcg, "`/dev/kvm` cannot be opened"));
    }
    let works = match arch {
        Arch::Amd64 => all_succeed(TRIALS, || trial(Accel::Kvm, PATIENCE))?,
        // firmware for arm64 says nothing before a disk is found, so there is no trial, and so no KVM
        Arch::Arm64 => return Ok((Accel::Tcg, "there is no trial of KVM for arm64")),
    };
    Ok(if works {
        (Accel::Kvm, "a trial of KVM succeeded")
    } else {
        (Accel::Tcg, "a trial of KVM did not get to its end")
    })
}

/// Whether each of `count` trials succeeds; the first that does not is the last.
fn all_succeed(count: usize, mut trial: impl FnMut() -> Result<bool>) -> Result<bool> {
    for _ in 0..count {
        if !trial()? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether SeaBIOS gets as far as looking for a disk.
fn trial(accel: Accel, patience: Duration) -> Result<bool> {
    let shell = Shell::new()?;
    let (program, accel) = (argv::program(Arch::Amd64), argv::accel(accel));
    let call = cmd!(
        shell,
        "{program} -nodefaults -no-user-config -machine q35 -accel {accel} -m 64 -display none -no-reboot
         -chardev stdio,id=debug,signal=off -device isa-debugcon,iobase=0x402,chardev=debug"
    );
    let mut call: Command = call.into();
    call.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = call.spawn().with_context(|| argv::missing(Arch::Amd64))?;
    let reached = says(&mut child, REACHED, patience);
    // it is ours, and would go on looking for a disk for ever
    child.kill().and_then(|()| child.wait()).context("cannot end a trial of QEMU")?;
    Ok(reached)
}

/// Whether `child` says `text` before `patience` is over.
fn says(child: &mut Child, text: &'static str, patience: Duration) -> bool {
    let Some(mut output) = child.stdout.take() else { return false };
    let (found, result) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            said.extend_from_slice(buffer.get(..length).unwrap_or_default());
            if said.windows(text.len()).any(|window| window == text.as_bytes()) {
                // nobody listens any longer when it was too late
                let _ = found.send(());
                return;
            }
        }
    });
    result.recv_timeout(patience).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_succeeds_where_instructions_are_translated() {
        assert!(trial(Accel::Tcg, Duration::from_secs(30)).unwrap());
    }

    #[test]
    fn the_trial_ends_in_time_whatever_happens() {
        let began = std::time::Instant::now();
        assert!(!trial(Accel::Tcg, Duration::ZERO).unwrap());
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn one_trial_that_fails_is_enough() {
        let mut results = [true, true, false, true].into_iter();
        assert!(!all_succeed(4, || Ok(results.next().unwrap())).unwrap());
        assert_eq!(results.next(), Some(true), "no further one was made");
        assert!(all_succeed(3, || Ok(true)).unwrap());
    }

    #[test]
    fn an_image_for_another_processor_is_translated() {
        let other = if std::env::consts::ARCH == "aarch64" { Arch::Amd64 } else { Arch::Arm64 };
        assert_eq!(choose(other).unwrap().0, Accel::Tcg);
    }
}
