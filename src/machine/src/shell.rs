//! A root shell inside a machine, for whoever started it.
//!
//! ```text
//! SMBIOS type 11 ─systemd.extra-unit.…, systemd.unit-dropin.…─► vmbake-shell.service ◄─► virtio serial port ◄─► us
//! ```
//! systemd 256 and later take units out of system credentials (systemd.system-credentials(7)), so the image has no agent and
//! is not changed: whoever can give a machine its credentials owns it anyway. The service begins with
//! the first units, nothing is ordered after it, and it writes to no disk.
//!
//! A line each way, no byte of which can be mistaken: `NUMBER BASE64(script)` in, `ready BOOT-ID` once a boot and
//! `answer NUMBER BASE64(output, newline, exit code)` out. One script at a time, each with a shell of its own.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// The name of the serial port.
pub(crate) const PORT: &str = "vmbake.shell";
/// A line from the guest that is longer than this is none of ours.
pub(crate) const LONGEST_LINE: u64 = 64 << 20;

/// The unit. It waits for no device unit: those come late on a slow machine, and the port does not need udev.
const UNIT: &str = "[Unit]
Description=Shell for whoever started this machine
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ImportCredential=vmbake.shell
ExecStart=/bin/sh ${CREDENTIALS_DIRECTORY}/vmbake.shell
StandardInput=null
StandardOutput=null
Restart=always
RestartSec=100ms
";
/// What starts it.
const WANTS: &str = "[Unit]\nWants=vmbake-shell.service\n";
/// What it runs: sh, grep and coreutils, which are essential packages of Debian.
const SCRIPT: &str = r#"until port=$(grep -lx vmbake.shell /sys/class/virtio-ports/*/name 2>/dev/null); do sleep 1; done
port=${port%/name}
exec 3<>"/dev/${port##*/}"
echo "ready $(cat /proc/sys/kernel/random/boot_id)" >&3
while read -r id script <&3; do
    answer=$({ sh -c "$(printf %s "$script" | base64 -d)" </dev/null 3>&- 2>&1; printf '\n%s' "$?"; } | base64 -w0)
    echo "answer $id $answer" >&3
done
"#;

/// The credentials that bring the shell into a machine.
pub(crate) fn credentials() -> [(&'static str, &'static [u8]); 3] {
    [
        ("systemd.extra-unit.vmbake-shell.service", UNIT.as_bytes()),
        ("systemd.unit-dropin.sysinit.target~vmbake-shell", WANTS.as_bytes()),
        ("vmbake.shell", SCRIPT.as_bytes()),
    ]
}

/// The SMBIOS string that carries a credential.
pub(crate) fn smbios(name: &str, value: &[u8]) -> String {
    format!("io.systemd.credential.binary:{name}={}", STANDARD.encode(value))
}

/// The line that asks for a script to be run.
pub(crate) fn request(number: u64, script: &str) -> String {
    format!("{number} {}\n", STANDARD.encode(script))
}

/// What the shell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// A boot has got as far as starting it.
    Ready(String),
    /// A script has ended.
    Answer(u64, Answer),
}

/// What a script ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code.
    pub code: u8,
    /// Standard output and standard error.
    pub output: String,
}

impl Answer {
    /// The output of a script that must have ended well.
    pub fn done(self) -> Result<String> {
        if self.code != 0 {
            bail!("{self}");
        }
        Ok(self.output)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n{}", self.code, self.output)
    }
}

/// Reads a line of the shell's.
pub(crate) fn parse(line: &str) -> Result<Said> {
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("ready"), Some(boot), None, None) => Ok(Said::Ready(boot.to_owned())),
        (Some("answer"), Some(number), Some(answer), None) => {
            let bytes = STANDARD.decode(answer).context("an answer of the guest's shell")?;
            let text = String::from_utf8_lossy(&bytes);
            let (output, code) = text.rsplit_once('\n').context("an answer without an exit code")?;
            let answer = Answer { code: code.parse()?, output: output.to_owned() };
            Ok(Said::Answer(number.parse()?, answer))
        }
        _ => bail!("the guest's shell said `{}`", line.chars().take(80).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use xshell::{Shell, cmd};

    #[test]
    fn the_script_answers_with_output_and_exit_code() {
        let dir = tempfile::tempdir().unwrap();
        let (requests, answers) = (dir.path().join("requests"), dir.path().join("answers"));
        let mut file = std::fs::File::create(&requests).unwrap();
        for (number, script) in
            ["echo a; echo b >&2; exit 3", "printf 'no newline'", "cat; printf '\\377'", "true"]
                .iter()
                .enumerate()
        {
            file.write_all(request(number as u64, script).as_bytes()).unwrap();
        }
        // two files in place of the port
        let (from, to) = (requests.display(), answers.display());
        let opened = SCRIPT.find("exec 3").unwrap();
        let lines = SCRIPT[opened..].split_once('\n').unwrap().1.replace("\" >&3", "\" >&4");
        let script = format!("exec 3<{from} 4>{to}\n{lines}");
        let shell = Shell::new().unwrap();
        cmd!(shell, "sh -c {script}").quiet().run().unwrap();
        let said: Vec<Said> =
            std::fs::read_to_string(answers).unwrap().lines().map(|line| parse(line).unwrap()).collect();
        let answer =
            |number, code, output: &str| Said::Answer(number, Answer { code, output: output.into() });
        assert!(matches!(&said[0], Said::Ready(id) if id.len() == 36), "{said:?}");
        assert_eq!(
            said[1..],
            [answer(0, 3, "a\nb\n"), answer(1, 0, "no newline"), answer(2, 0, "\u{fffd}"), answer(3, 0, ""),]
        );
    }

    #[test]
    fn a_line_that_is_none_of_the_shells_is_refused() {
        for line in [
            "",
            "ready",
            "ready a b",
            "answer",
            "answer 1",
            "answer x MAo=",
            "answer 1 !!",
            "answer 1 MA==",
            "x y",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
