//! A machine that runs: what it says on its console, and a shell inside.
//!
//! Three threads read: the console, the shell's port and QEMU's monitor; all that happens comes out of one channel, so whoever waits
//! sleeps until there is something. A machine ends with its value: by the guest's own will, or by the power being cut.

use crate::monitor;
use crate::shell::{self, Answer, Said};
use crate::{Machine, argv};
use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use xshell::{Shell, cmd};

/// What is said of [`Event::Failed`].
pub const FAILED: &str = "QEMU stopped the machine: internal error";

/// How much of the console is remembered.
const CONSOLE: usize = 8 << 20;

/// A machine that was started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    began: Instant,
    events: Receiver<Raw>,
    console: String,
    port: Option<UnixStream>,
    monitor: Option<UnixStream>,
    /// When it last said something or its disks did something.
    moved: Instant,
    /// What its disks had done by then.
    operations: u64,
    ready: Option<String>,
    requests: u64,
    errors: PathBuf,
    ended: Option<ExitStatus>,
    /// Firmware's variables, the socket, credentials: gone with the machine.
    _dir: tempfile::TempDir,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// There is more on the console.
    Console,
    /// The shell inside is there, for the first time or after a reboot.
    Ready,
    /// A script has ended.
    Answer(u64, Answer),
    /// Who executes the machine cannot go on: QEMU has stopped it by an internal error.
    Failed,
    /// The machine is off.
    Ended,
}

#[derive(Debug)]
enum Raw {
    Console(Vec<u8>),
    Port(UnixStream),
    Line(String),
    Monitor(UnixStream),
    Says(monitor::Said),
    Ended,
}

/// What is typed into the console, and where its text is shown besides being remembered.
pub struct Terminal {
    /// Whether standard input is typed into the console.
    pub typed: bool,
    /// Gets every byte.
    pub show: Box<dyn Write + Send>,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("typed", &self.typed).finish_non_exhaustive()
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self { typed: false, show: Box::new(std::io::sink()) }
    }
}

impl Machine {
    /// Starts it. `dir` has what only this start needs; it is removed when the machine ends.
    pub fn start(&self, dir: tempfile::TempDir, terminal: Terminal) -> Result<Running> {
        let (socket, errors) = (dir.path().join("shell"), dir.path().join("errors"));
        let monitor = dir.path().join("monitor");
        let (send, events) = mpsc::channel();
        let listener = UnixListener::bind(&monitor).context("the socket of QEMU's monitor")?;
        let listening = send.clone();
        std::thread::spawn(move || monitor_port(&listener, &listening));
        if self.shell {
            let listener = UnixListener::bind(&socket).context("the socket of the guest's shell")?;
            let send = send.clone();
            std::thread::spawn(move || port(&listener, &send));
        }
        let mut credentials = Vec::new();
        let ours = shell::credentials();
        let ours = ours.iter().filter(|_| self.shell).map(|(name, value)| (*name, *value));
        let given = self.credentials.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        for (number, (name, value)) in ours.chain(given).enumerate() {
            let path = dir.path().join(format!("credential.{number}"));
            fs::write(&path, shell::smbios(name, value))?;
            credentials.push(path);
        }
        let sockets = argv::Sockets { shell: &socket, monitor: &monitor };
        let mut command = command(argv::program(self.arch), &argv::arguments(self, &credentials, sockets))?;
        command.stdin(if terminal.typed { Stdio::inherit() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(fs::File::create(&errors)?);
        let mut child = command.spawn().with_context(|| argv::missing(self.arch))?;
        let output = child.stdout.take().context("a console")?;
        std::thread::spawn(move || console(output, terminal.show, &send));
        Ok(Running {
            child,
            began: Instant::now(),
            events,
            console: String::new(),
            port: None,
            monitor: None,
            moved: Instant::now(),
            operations: 0,
            ready: None,
            requests: 0,
            errors,
            ended: None,
            _dir: dir,
        })
    }
}

impl Running {
    /// When it was started.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// All that was said on the console, of every boot.
    #[must_use]
    pub fn console(&self) -> &str {
        &self.console
    }

    /// The next thing that happens before `deadline`; `None` where nothing does.
    pub fn next(&mut self, deadline: Instant) -> Result<Option<Event>> {
        loop {
            if self.ended.is_some() {
                return Ok(Some(Event::Ended));
            }
            let raw = match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(raw) => raw,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => Raw::Ended,
            };
            match raw {
                Raw::Console(bytes) => {
                    self.moved = Instant::now();
                    self.remember(&bytes);
                    return Ok(Some(Event::Console));
                }
                Raw::Port(stream) => self.port = Some(stream),
                Raw::Line(line) => match shell::parse(&line)? {
                    Said::Ready(boot) => {
                        self.ready = Some(boot);
                        return Ok(Some(Event::Ready));
                    }
                    Said::Answer(number, answer) => return Ok(Some(Event::Answer(number, answer))),
                },
                Raw::Monitor(stream) => self.monitor = Some(stream),
                Raw::Says(monitor::Said::Greeting) => self.ask(monitor::BEGIN),
                // a guest that switches itself off is stopped too, before it ends
                Raw::Says(monitor::Said::Stopped) => self.ask(monitor::STATUS),
                Raw::Says(monitor::Said::Status(status)) if status == "internal-error" => {
                    return Ok(Some(Event::Failed));
                }
                Raw::Says(monitor::Said::Disks(operations)) if operations != self.operations => {
                    (self.operations, self.moved) = (operations, Instant::now());
                }
                Raw::Says(_) => {}
                Raw::Ended => {
                    let status = self.child.wait()?;
                    self.ended = Some(status);
                    let errors = fs::read_to_string(&self.errors).unwrap_or_default();
                    // 0 is a guest that switched itself off; a signal is our own doing
                    ensure!(status.success() || status.code().is_none(), "QEMU: {}", errors.trim());
                }
            }
        }
    }

    /// Sends a script to the shell; its answer is an event with this number.
    pub fn send(&mut self, script: &str) -> Result<u64> {
        let Some(port) = &mut self.port else { bail!("there is no shell in the machine") };
        self.requests += 1;
        port.write_all(shell::request(self.requests, script).as_bytes()).context("the guest's shell")?;
        Ok(self.requests)
    }

    /// How long nothing has been seen of it: no text on the console, no work of its disks as far as that was asked by
    /// [`Running::look`].
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.moved.elapsed()
    }

    /// Asks QEMU whether the disks have done anything.
    pub fn look(&mut self) {
        self.ask(monitor::DISKS);
    }

    /// Writes to QEMU's monitor. One that is not there, or is gone, says nothing of a machine: its end is seen otherwise.
    fn ask(&mut self, request: &str) {
        if let Some(monitor) = &mut self.monitor {
            let _ = monitor.write_all(request.as_bytes());
        }
    }

    /// Waits for the shell.
    pub fn ready(&mut self, deadline: Instant) -> Result<()> {
        while self.ready.is_none() {
            match self.next(deadline)? {
                Some(Event::Ended) => bail!("the machine went off\n{}", self.tail()),
                Some(Event::Failed) => bail!("{FAILED}\n{}", self.tail()),
                None => bail!("no shell in the machine in time\n{}", self.tail()),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Runs a script in the machine and waits for its end.
    pub fn run(&mut self, script: &str, deadline: Instant) -> Result<Answer> {
        self.ready(deadline)?;
        let wanted = self.send(script)?;
        loop {
            match self.next(deadline)? {
                Some(Event::Answer(number, answer)) if number == wanted => return Ok(answer),
                Some(Event::Ended) => bail!("the machine went off during `{script}`\n{}", self.tail()),
                Some(Event::Failed) => bail!("{FAILED} during `{script}`\n{}", self.tail()),
                Some(Event::Ready) => bail!("the machine started again during `{script}`"),
                None => bail!("`{script}` did not end in time\n{}", self.tail()),
                Some(_) => {}
            }
        }
    }

    /// Waits until the guest has switched itself off.
    pub fn off(&mut self, deadline: Instant) -> Result<()> {
        loop {
            match self.next(deadline)? {
                Some(Event::Ended) => return Ok(()),
                Some(Event::Failed) => bail!("{FAILED}\n{}", self.tail()),
                None => bail!("the machine did not go off in time\n{}", self.tail()),
                Some(_) => {}
            }
        }
    }

    /// Cuts the power, now. What the disk was told to keep is kept: QEMU's caches are the host's.
    pub fn cut(mut self) -> Result<()> {
        self.end()
    }

    /// The last lines of the console.
    #[must_use]
    pub fn tail(&self) -> String {
        let lines: Vec<&str> = self.console.lines().collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }

    fn end(&mut self) -> Result<()> {
        if self.ended.is_none() {
            self.child.kill().context("cannot end QEMU")?;
            self.ended = Some(self.child.wait()?);
        }
        Ok(())
    }

    fn remember(&mut self, bytes: &[u8]) {
        self.console.push_str(&String::from_utf8_lossy(bytes));
        if self.console.len() > CONSOLE {
            let mut from = self.console.len() - CONSOLE / 2;
            while !self.console.is_char_boundary(from) {
                from += 1;
            }
            self.console.drain(..from);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // there is nobody left to tell
        let _ = self.end();
    }
}

/// The command; where there is setpriv(1), one that ends with us, however we end.
fn command(program: &str, arguments: &[std::ffi::OsString]) -> Result<Command> {
    let shell = Shell::new()?;
    let setpriv = std::path::Path::new("/usr/bin/setpriv");
    Ok(if setpriv.is_file() {
        cmd!(shell, "{setpriv} --pdeathsig TERM {program} {arguments...}").into()
    } else {
        cmd!(shell, "{program} {arguments...}").into()
    })
}

fn console(mut output: impl Read, mut show: Box<dyn Write + Send>, send: &Sender<Raw>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = output.read(&mut buffer) {
        let bytes = buffer.get(..length).unwrap_or_default();
        // a terminal that went away does not stop a machine
        let _ = show.write_all(bytes).and_then(|()| show.flush());
        if send.send(Raw::Console(bytes.to_owned())).is_err() {
            return;
        }
    }
    let _ = send.send(Raw::Ended);
}

fn port(listener: &UnixListener, send: &Sender<Raw>) {
    lines(listener, shell::LONGEST_LINE, send, Raw::Port, Raw::Line);
}

fn monitor_port(listener: &UnixListener, send: &Sender<Raw>) {
    lines(listener, monitor::LONGEST_LINE, send, Raw::Monitor, |line| Raw::Says(monitor::parse(&line)));
}

/// Waits for who connects, and passes on its lines until it is gone.
fn lines(
    listener: &UnixListener,
    longest: u64,
    send: &Sender<Raw>,
    there: fn(UnixStream) -> Raw,
    said: fn(String) -> Raw,
) {
    let Ok((stream, _)) = listener.accept() else { return };
    let Ok(writer) = stream.try_clone() else { return };
    let _ = send.send(there(writer));
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        match (&mut reader).take(longest).read_line(&mut line) {
            Ok(1..) if send.send(said(line)).is_ok() => {}
            _ => return,
        }
    }
}

/// A deadline from now.
#[must_use]
pub fn within(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}
