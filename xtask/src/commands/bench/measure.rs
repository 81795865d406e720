//! Measuring a piece of work: wall time, processor time, peak memory.

use anyhow::{Context as _, Result, ensure};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a running program is looked at: the error of its wall time, and small beside seconds.
const LOOK: Duration = Duration::from_millis(4);
/// The kernel counts processor time in hundredths of a second for everybody (proc(5), `_SC_CLK_TCK`).
const TICKS: f64 = 100.0;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of all cores, with children that it waited for.
    pub(crate) cpu: f64,
    /// The most memory that was resident, in bytes; of the process itself, not of its children.
    pub(crate) peak: Option<u64>,
}

impl Sample {
    /// This and then another: the sum of their times, and the higher peak where both are known.
    pub(crate) fn then(self, next: Self) -> Self {
        let peak = self.peak.zip(next.peak).map(|(one, other)| one.max(other));
        Self { wall: self.wall + next.wall, cpu: self.cpu + next.cpu, peak }
    }
}

/// Runs a program to its good end.
pub(crate) fn program(command: impl Into<Command>) -> Result<Sample> {
    let mut command = command.into();
    let log = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    let start = Instant::now();
    let mut child =
        command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let pid = child.id();
    let mut peak = 0;
    // a program that has ended is still there to be looked at until it is waited for
    while let Some(now) = status_peak(pid) {
        peak = peak.max(now);
        std::thread::sleep(LOOK);
    }
    let wall = start.elapsed().as_secs_f64();
    let cpu = cpu_of(pid).unwrap_or_default();
    let status = child.wait()?;
    ensure!(status.success(), "{command:?} {}: {}", ended(status), tail(&log)?);
    Ok(Sample { wall, cpu, peak: Some(peak) })
}

/// Runs something in this process, on its threads.
pub(crate) fn within<T>(work: impl FnOnce() -> Result<T>) -> Result<(Sample, T)> {
    let pid = std::process::id();
    let before = cpu_of(pid).context("/proc/self/stat")?;
    let start = Instant::now();
    let result = work()?;
    let wall = start.elapsed().as_secs_f64();
    let cpu = cpu_of(pid).context("/proc/self/stat")? - before;
    Ok((Sample { wall, cpu, peak: None }, result))
}

/// `VmHWM` of a process; `None` when it has ended: then it has no memory any longer.
fn status_peak(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// User and system time of a process and of the children that it waited for, in seconds.
fn cpu_of(pid: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name may hold blanks and brackets: the fields begin after its last bracket, with the third
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks: u32 = fields.get(11..15)?.iter().map(|field| field.parse::<u32>().unwrap_or_default()).sum();
    Some(f64::from(ticks) / TICKS)
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with {code}"),
        (None, signal) => format!("was ended by signal {signal:?}"),
    }
}

/// The end of what a program said.
fn tail(mut log: &std::fs::File) -> Result<String> {
    use std::io::{Read as _, Seek as _};
    let mut text = Vec::new();
    log.rewind()?;
    log.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(12)..].join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use xshell::{Shell, cmd};

    #[test]
    fn a_program_that_works_for_a_while_is_seen_to_have_done_so() {
        let shell = Shell::new().unwrap();
        let script = "x = bytearray(64 << 20)\nimport time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass";
        let sample = program(cmd!(shell, "python3 -c {script}")).unwrap();
        assert!(sample.cpu >= 0.25 && sample.wall >= 0.25, "{sample:?}");
        assert!(sample.peak.unwrap() > 64 << 20, "{sample:?}");
    }

    #[test]
    fn a_program_that_fails_is_an_error_with_what_it_said() {
        let shell = Shell::new().unwrap();
        let script = "echo so it goes; exit 3";
        let error = program(cmd!(shell, "sh -c {script}")).unwrap_err().to_string();
        assert!(error.contains("ended with 3") && error.contains("so it goes"), "{error}");
    }
}
