//! Programs of the image that are started: those that keep accounts, certificates and mounts, and given scripts.

use crate::root::Root;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Where programs are found.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What starts programs: the system, or a list of a test's.
pub trait Programs {
    /// Runs a program to its end, with `input` as its standard input.
    ///
    /// # Errors
    ///
    /// The program's name and what it said; never its other words, which may be secret.
    fn run(&self, words: &[&str], input: &str) -> Result<(), String>;

    /// What a program prints; none where the image does not have it, or where it ends badly.
    ///
    /// # Errors
    ///
    /// The program's name and what the system says.
    fn output(&self, words: &[&str]) -> Result<Option<Vec<u8>>, String>;

    /// Runs a script to its end; what it prints goes to the journal and to cloud-init's log of output.
    ///
    /// # Errors
    ///
    /// How it ended, unless well.
    fn script(&self, root: &Root, path: &str, name: &str, environment: &[(&str, &str)])
    -> Result<(), String>;
}

/// The programs of the running system.
#[derive(Debug)]
pub struct System;

/// cloud-init's log of what scripts print.
pub const OUTPUT: &str = "/var/log/cloud-init-output.log";

#[expect(clippy::disallowed_methods, reason = "the one place that starts programs of the image")]
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8").current_dir("/");
    command
}

impl Programs for System {
    fn run(&self, words: &[&str], input: &str) -> Result<(), String> {
        let (program, rest) = words.split_first().ok_or("no program")?;
        let wrong = |error: std::io::Error| format!("`{program}`: {error}");
        let mut child = command(program)
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(wrong)?;
        if let Some(mut stdin) = child.stdin.take() {
            // a program that does not read it says so by its status
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(wrong)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|one| !one.is_control())
            .take(200)
            .collect();
        Err(format!("`{program}`: {}: {said}", ended(output.status)))
    }

    fn output(&self, words: &[&str]) -> Result<Option<Vec<u8>>, String> {
        let (program, rest) = words.split_first().ok_or("no program")?;
        let output = command(program).args(rest).stdin(Stdio::null()).stderr(Stdio::null()).output();
        match output {
            Ok(output) => Ok(output.status.success().then_some(output.stdout)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("`{program}`: {error}")),
        }
    }

    fn script(
        &self,
        root: &Root,
        path: &str,
        name: &str,
        environment: &[(&str, &str)],
    ) -> Result<(), String> {
        let wrong = |error: std::io::Error| format!("`{name}`: {error}");
        root.log(OUTPUT, b"")?;
        // its own end of the file: what it leaves running may write for as long as it wants, to no pipe that breaks
        let output = File::options().append(true).open(root.at(OUTPUT)).map_err(wrong)?;
        let mut log = File::open(root.at(OUTPUT)).map_err(wrong)?;
        log.seek(SeekFrom::End(0)).map_err(wrong)?;
        let mut command = if root.has("/run/systemd/system") && root.is_system() {
            let mut command = command("systemd-run");
            let unit = format!("--unit=cloud-init-script-{}", unit_name(name));
            command.args(["--quiet", "--wait", "--collect", "--pipe", "--service-type=exec", &unit]);
            // a `$` in the name of a file is one
            command.arg("--expand-environment=no");
            // what a script starts stays, as with cloud-init
            command.args(["--property=KillMode=process", "--property=TasksMax=infinity"]);
            let set = environment.iter().chain(&[("PATH", PATH)]);
            command.args(set.map(|(key, value)| format!("--setenv={key}={value}")));
            command.arg("--");
            command.arg(path);
            command
        } else {
            let mut command = command(&root.at(path).display().to_string());
            command.envs(environment.iter().copied());
            command
        };
        let second = output.try_clone().map_err(wrong)?;
        let child = command.stdin(Stdio::null()).stdout(output).stderr(second).spawn();
        let status = follow(child.map_err(wrong)?, &mut log).map_err(wrong)?;
        if status.success() { Ok(()) } else { Err(format!("`{name}`: {}", ended(status))) }
    }
}

/// Copies what is written to the log to the journal, until the program has ended.
fn follow(mut child: Child, log: &mut File) -> std::io::Result<ExitStatus> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let ended = child.try_wait()?;
        loop {
            let count = log.read(&mut buffer)?;
            crate::console::show(buffer.get(..count).unwrap_or_default());
            if count == 0 {
                break;
            }
        }
        if let Some(status) = ended {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit status".to_owned(),
    }
}

/// A name that a unit can have.
fn unit_name(name: &str) -> String {
    let known = |one: char| if one.is_ascii_alphanumeric() || "-_.".contains(one) { one } else { '_' };
    name.chars().map(known).take(100).collect()
}
