//! What a traced run did: which programs it started, which sockets it opened.

use anyhow::{Context as _, Result, ensure};
use std::path::Path;

/// The system calls that are traced.
pub(crate) const FILTER: &str = "trace=execve,execveat,socket,socketpair,connect,bind";

/// The calls of a traced run, in their order.
#[derive(Debug, Clone)]
pub struct Trace {
    lines: Vec<String>,
}

impl Trace {
    /// Reads what `Run::traced_to` wrote.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let trace = Self::parse(&String::from_utf8_lossy(&text));
        // an empty trace would prove nothing: the start of the program itself is in it
        ensure!(!trace.started_programs().is_empty(), "the trace `{}` is empty", path.display());
        Ok(trace)
    }

    /// Reads the text of a trace: `PID CALL(…) = RESULT`.
    fn parse(text: &str) -> Self {
        let call = |line: &str| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned();
        Self { lines: text.lines().map(call).collect() }
    }

    /// The paths of programs that were started with success, or are being started as the trace ends.
    #[must_use]
    pub fn started_programs(&self) -> Vec<&str> {
        let started = |line: &&String| line.starts_with("execve") && !line.contains(" = -1 ");
        let path = |line: &&'_ String| -> Option<usize> { line.find('"') };
        let lines = self.lines.iter().filter(started);
        lines.filter_map(|line| line[path(&line)? + 1..].split('"').next()).collect()
    }

    /// The calls that made a socket or connected one, with those that failed.
    #[must_use]
    pub fn sockets(&self) -> Vec<&str> {
        let names = ["socket(", "connect(", "bind("];
        self.lines
            .iter()
            .map(String::as_str)
            .filter(|line| names.iter().any(|name| line.starts_with(name)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Run;

    #[test]
    fn programs_and_sockets_of_a_real_run_and_its_children_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let script = "import socket,subprocess; socket.socket(); subprocess.run(['/bin/echo', 'a'])";
        let run = Run::new(Path::new("/usr/bin/env"), Path::new("/"), ["python3", "-c", script]);
        run.traced_to(&path).done().unwrap();
        let trace = Trace::load(&path).unwrap();
        let started = trace.started_programs();
        assert_eq!(
            (started.first(), started.last()),
            (Some(&"/usr/bin/env"), Some(&"/bin/echo")),
            "{started:?}"
        );
        assert!(
            trace.sockets().iter().any(|line| line.starts_with("socket(AF_INET")),
            "{:?}",
            trace.sockets()
        );
    }

    #[test]
    fn a_program_that_could_not_be_started_is_not_counted() {
        let text = "12 execve(\"/a/x\", [\"x\"], 0x1 /* 2 vars */) = -1 ENOENT (No such file or directory)\n\
                    12 execve(\"/b/x\", [\"x\"], 0x1 /* 2 vars */) = 0\n13 socket(AF_UNIX, SOCK_STREAM, 0) = 3\n";
        let trace = Trace::parse(text);
        assert_eq!(trace.started_programs(), ["/b/x"]);
        assert_eq!(trace.sockets(), ["socket(AF_UNIX, SOCK_STREAM, 0) = 3"]);
    }
}
