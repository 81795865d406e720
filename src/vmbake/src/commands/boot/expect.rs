//! What must be before a boot counts as good, and whether it is.

use anyhow::{Result, bail};
use machine::{Answer, Event, Running};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long between two looks at what does not say when it changes.
const PAUSE: Duration = Duration::from_secs(1);

/// Something that must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// A unit is in a state: `active`, `inactive`, `failed`…
    Unit(String, String),
    /// A text is on the console.
    Console(String),
    /// A command ends with 0.
    Run(String),
    /// The system is in a state of systemctl(1) `is-system-running`: `running` is a boot without a failed unit.
    System(String),
}

/// What became of an expectation.
#[derive(Debug, Serialize)]
pub struct Met {
    /// What was expected, as it was given.
    pub expectation: String,
    /// Seconds from power on; `None` where it was not met.
    pub seconds: Option<f64>,
    /// What was there instead.
    pub got: Option<String>,
}

impl FromStr for Expectation {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (what, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let rest = rest.trim();
        match (what, rest, rest.split_once(char::is_whitespace)) {
            ("unit", _, Some((name, state))) if name.contains('.') => {
                Ok(Self::Unit(name.to_owned(), state.trim().to_owned()))
            }
            ("console", text, _) if !text.is_empty() => Ok(Self::Console(text.to_owned())),
            ("run", command, _) if !command.is_empty() => Ok(Self::Run(command.to_owned())),
            ("system", state, None) if !state.is_empty() => Ok(Self::System(state.to_owned())),
            _ => bail!(
                "expected `unit NAME.service STATE`, `console TEXT`, `run COMMAND` or `system STATE`, found `{text}`"
            ),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(name, state) => write!(f, "unit {name} {state}"),
            Self::Console(text) => write!(f, "console {text}"),
            Self::Run(command) => write!(f, "run {command}"),
            Self::System(state) => write!(f, "system {state}"),
        }
    }
}

impl Expectation {
    /// Whether a shell in the machine must be asked.
    pub fn asks(&self) -> bool {
        !matches!(self, Self::Console(_))
    }

    /// The script that tells, and whether its answer is what is wanted.
    fn question(&self) -> Option<String> {
        match self {
            Self::Console(_) => None,
            Self::Unit(name, _) => Some(format!("systemctl is-active '{}'", name.replace('\'', ""))),
            Self::Run(command) => Some(command.clone()),
            Self::System(_) => Some("systemctl is-system-running".to_owned()),
        }
    }

    fn is_met(&self, answer: &Answer) -> bool {
        match self {
            Self::Console(_) => false,
            Self::Run(_) => answer.code == 0,
            Self::Unit(_, state) | Self::System(state) => answer.output.trim() == state,
        }
    }

    /// Whether waiting longer is useless: such a unit does not start again by itself.
    fn is_hopeless(&self, answer: &Answer) -> bool {
        matches!(self, Self::Unit(_, wanted) if wanted == "active" && answer.output.trim() == "failed")
            || matches!(self, Self::System(wanted) if wanted == "running" && answer.output.trim() == "degraded")
    }
}

/// What a wait ended with.
#[derive(Debug)]
pub struct Watched {
    /// Each expectation, in order.
    pub met: Vec<Met>,
    /// Seconds from power on until systemd had nothing left to start.
    pub booted: Option<f64>,
    /// What ended it before its time.
    pub stopped: Option<&'static str>,
    /// Whether that was the fault of who executes the machine, not of the machine.
    pub broken: bool,
    /// How far it got.
    pub reached: Reached,
}

/// How long the wait goes on.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until then.
    pub deadline: Instant,
    /// How long a machine may show nothing before systemd is up; without end where it is not watched for that.
    pub stall: Option<Duration>,
}

/// How far a boot got, as its console shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// Nothing was said.
    Nothing,
    /// Firmware or a boot loader.
    Firmware,
    /// The kernel.
    Kernel,
    /// The root file system is mounted.
    Root,
    /// systemd starts units.
    Systemd,
    /// systemd had nothing left to start, or someone could log in.
    End,
}

impl Reached {
    /// By what is on the console.
    fn of(console: &str) -> Self {
        const SIGNS: [(&str, Reached); 6] = [
            (" login: ", Reached::End),
            ("systemd[1]: ", Reached::Systemd),
            ("Welcome to ", Reached::Systemd),
            ("vmbake: /dev/", Reached::Root),
            ("Linux version ", Reached::Kernel),
            ("vmbake: ", Reached::Kernel),
        ];
        let sign = SIGNS.iter().find(|(sign, _)| console.contains(sign));
        let otherwise = if console.trim().is_empty() { Self::Nothing } else { Self::Firmware };
        sign.map_or(otherwise, |(_, reached)| *reached)
    }

    /// In words, after "it reached".
    pub fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing: the console stayed empty",
            Self::Firmware => "the firmware or boot loader, not the kernel",
            Self::Kernel => "the kernel, not the root file system",
            Self::Root => "the root file system, not systemd",
            Self::Systemd => "systemd, which still had units to start",
            Self::End => "the end of the boot",
        }
    }
}

/// How far a boot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    /// The request that is answered when systemd has nothing left to start.
    Shell(u64),
    Booted,
}

/// Waits until all are met, one cannot be any longer, or the time is over; with `to_the_end` until the boot is over in any case.
///
/// Nothing is asked before the boot has come to its end: questions would take the time that is to be measured.
pub fn wait(
    running: &mut Running,
    wanted: &[Expectation],
    to_the_end: bool,
    patience: Patience,
) -> Result<Watched> {
    let mut watched = wait_for(running, wanted, to_the_end, patience)?;
    watched.reached = if watched.booted.is_some() { Reached::End } else { Reached::of(running.console()) };
    Ok(watched)
}

fn wait_for(
    running: &mut Running,
    wanted: &[Expectation],
    to_the_end: bool,
    Patience { deadline, stall }: Patience,
) -> Result<Watched> {
    let unmet = |wanted: &Expectation| Met { expectation: wanted.to_string(), seconds: None, got: None };
    let mut watched = Watched {
        met: wanted.iter().map(unmet).collect(),
        booted: None,
        stopped: None,
        broken: false,
        reached: Reached::Nothing,
    };
    let mut phase = Phase::Starting;
    loop {
        see(running, wanted, &mut watched.met);
        if phase == Phase::Booted && ask(running, wanted, &mut watched.met, deadline) {
            return Ok(watched);
        }
        let all = watched.met.iter().all(|met| met.seconds.is_some());
        watched.stopped = is_over(running.console());
        if watched.stopped.is_some() || (all && (phase == Phase::Booted || !to_the_end)) {
            return Ok(watched);
        }
        let watches = stall.filter(|_| is_early(phase, running.console()));
        if watches.is_some_and(|stall| running.idle() >= stall) {
            (watched.stopped, watched.broken) = (Some("the machine made no progress"), true);
            return Ok(watched);
        }
        let look = match (phase, watches) {
            (Phase::Booted, _) => deadline.min(Instant::now() + PAUSE),
            (_, Some(stall)) => deadline.min(Instant::now() + (stall / 8).max(PAUSE)),
            _ => deadline,
        };
        if watches.is_some() {
            running.look();
        }
        match running.next(look)? {
            Some(Event::Ready) => phase = Phase::Shell(running.send("systemctl is-system-running --wait")?),
            Some(Event::Answer(number, _)) if phase == Phase::Shell(number) => {
                phase = Phase::Booted;
                watched.booted = Some(since(running));
            }
            Some(Event::Failed) => {
                (watched.stopped, watched.broken) = (Some(machine::FAILED), true);
                return Ok(watched);
            }
            Some(Event::Ended) => {
                watched.stopped = Some("the machine powered off");
                see(running, wanted, &mut watched.met);
                return Ok(watched);
            }
            _ if Instant::now() >= deadline => {
                watched.stopped = Some("the time limit was reached");
                return Ok(watched);
            }
            _ => {}
        }
    }
}

/// Whether the machine has nothing to wait for yet: later a unit may wait for a network, and say nothing.
fn is_early(phase: Phase, console: &str) -> bool {
    phase == Phase::Starting && Reached::of(console) < Reached::Systemd
}

/// Looks for texts on the console.
fn see(running: &Running, wanted: &[Expectation], met: &mut [Met]) {
    for (wanted, met) in wanted.iter().zip(met).filter(|(_, met)| met.seconds.is_none()) {
        if matches!(wanted, Expectation::Console(text) if running.console().contains(text.as_str())) {
            met.seconds = Some(since(running));
        }
    }
}

/// Asks the shell about all that is not met yet; true where waiting longer is useless.
fn ask(running: &mut Running, wanted: &[Expectation], met: &mut [Met], deadline: Instant) -> bool {
    let mut hopeless = false;
    for (wanted, met) in wanted.iter().zip(met).filter(|(_, met)| met.seconds.is_none()) {
        let Some(question) = wanted.question() else { continue };
        match running.run(&question, deadline) {
            Ok(answer) if wanted.is_met(&answer) => (met.seconds, met.got) = (Some(since(running)), None),
            Ok(answer) => {
                hopeless |= wanted.is_hopeless(&answer);
                met.got = Some(answer.output.trim().to_owned());
            }
            Err(error) => met.got = Some(error.to_string()),
        }
    }
    hopeless
}

fn since(running: &Running) -> f64 {
    running.began().elapsed().as_secs_f64()
}

/// What on the console says that nothing comes any longer.
fn is_over(console: &str) -> Option<&'static str> {
    let signs = [
        ("Kernel panic - not syncing", "the kernel panicked"),
        ("You are in emergency mode", "systemd gave up: emergency mode"),
    ];
    signs.iter().find(|(sign, _)| console.contains(sign)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_read_and_written_alike() {
        for text in ["unit containerd.service active", "console login:", "run ctr version", "system running"]
        {
            assert_eq!(text.parse::<Expectation>().unwrap().to_string(), text);
        }
        for wrong in
            ["", "unit", "unit a", "unit containerd active", "console", "run ", "system a b", "port 22"]
        {
            assert!(wrong.parse::<Expectation>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_meets_or_rules_out() {
        let answer = |code, output: &str| Answer { code, output: output.to_owned() };
        let check = |text: &str, answer: &Answer| {
            let expected: Expectation = text.parse().unwrap();
            (expected.is_met(answer), expected.is_hopeless(answer))
        };
        assert_eq!(check("unit a.service active", &answer(0, "active\n")), (true, false));
        assert_eq!(check("unit a.service active", &answer(3, "inactive\n")), (false, false));
        assert_eq!(check("unit a.service active", &answer(3, "failed\n")), (false, true));
        assert_eq!(check("unit a.service failed", &answer(3, "failed\n")), (true, false));
        assert_eq!(check("system running", &answer(1, "degraded\n")), (false, true));
        assert_eq!(check("run true", &answer(0, "")), (true, false));
        assert_eq!(check("run false", &answer(1, "")), (false, false));
    }

    #[test]
    fn how_far_a_boot_got_is_seen_on_the_console() {
        for (console, expected) in [
            ("", Reached::Nothing),
            ("\r\n", Reached::Nothing),
            ("BdsDxe: starting Boot0001", Reached::Firmware),
            ("[    0.000000] Linux version 6.12", Reached::Kernel),
            ("vmbake: the root file system is not here", Reached::Kernel),
            ("vmbake: /dev/vda2 mounted as ext4 after 0.21 s", Reached::Root),
            ("Linux version 6\nvmbake: /dev/vda2 m\nWelcome to Debian", Reached::Systemd),
            ("[   11.0] systemd[1]: Detected virtualization", Reached::Systemd),
            ("Welcome to Debian\nlocalhost login: ", Reached::End),
        ] {
            assert_eq!(Reached::of(console), expected, "{console}");
        }
        // a unit may wait for a network: that is no stall
        assert!(is_early(Phase::Starting, "Linux version 6"));
        assert!(!is_early(Phase::Starting, "Welcome to Debian"));
        assert!(!is_early(Phase::Shell(1), "Linux version 6"));
    }

    #[test]
    fn a_panic_ends_the_wait() {
        assert_eq!(is_over("[  6.5] Kernel panic - not syncing: VFS"), Some("the kernel panicked"));
        assert_eq!(is_over("Welcome to Debian"), None);
    }
}
