//! Runs of the real program: with which arguments, as whom, in which surroundings.
//!
//! ```text
//! strace … setpriv … unshare … sh -c 'umask …' vmbake ARGS
//! ```
//! Each wrapper is a program of the machine that replaces itself by the next; the last one is the program under test.

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use xshell::{Shell, cmd};

/// The uid and gid of a user who owns nothing.
pub const ORDINARY: u32 = 1500;

/// One run of the program, to be made or made several times.
#[derive(Debug, Clone)]
pub struct Run {
    program: PathBuf,
    args: Vec<OsString>,
    envs: Vec<(String, OsString)>,
    folder: PathBuf,
    ordinary: bool,
    umask: Option<&'static str>,
    trace: Option<PathBuf>,
    under: Vec<OsString>,
}

/// What a run ended with.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    command: String,
}

/// A program that leads a process group, with all that it started; all of it ends with the value.
#[derive(Debug)]
pub struct Group(pub Child);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) else { return };
        // once it was waited for, its number may be another's
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if waitid(WaitId::Pid(pid), look).is_ok() {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

impl Run {
    /// A run of `program` with these arguments, in an environment that holds nothing but a path, a home and cargo's.
    pub fn new<I: IntoIterator<Item: Into<OsString>>>(program: &Path, folder: &Path, args: I) -> Self {
        let keep = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"];
        let envs =
            keep.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?))).collect();
        Self {
            program: program.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            envs,
            folder: folder.to_owned(),
            ordinary: false,
            umask: None,
            trace: None,
            under: Vec::new(),
        }
    }

    /// With further arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: Into<OsString>>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// With an option and its value.
    #[must_use]
    pub fn option(self, name: &str, value: impl Into<OsString>) -> Self {
        self.args([OsString::from(name), value.into()])
    }

    /// With a variable in the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    /// From another current directory.
    #[must_use]
    pub fn from_folder(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// As uid and gid 1500, without any capability, any way to get one, or any user namespace.
    ///
    /// Where we are not root already, as ourselves with the same taken away.
    #[must_use]
    pub fn as_ordinary_user(mut self) -> Self {
        self.ordinary = true;
        self
    }

    /// With this umask, in octal.
    #[must_use]
    pub fn umask(mut self, umask: &'static str) -> Self {
        self.umask = Some(umask);
        self
    }

    /// Writes its execve and socket calls, and those of its children, to a file; see `trace`.
    #[must_use]
    pub fn traced_to(mut self, path: &Path) -> Self {
        self.trace = Some(path.to_owned());
        self
    }

    /// Under another program, which starts it in the end: `setarch -R`, `sh -c 'exec "$@"' sh`.
    #[must_use]
    pub fn under<I: IntoIterator<Item: Into<OsString>>>(mut self, words: I) -> Self {
        self.under.extend(words.into_iter().map(Into::into));
        self
    }

    /// Runs it to its end.
    pub fn end(&self) -> Result<Ended> {
        let output = self.command()?.output().with_context(|| format!("cannot start {self}"))?;
        Ok(Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            command: self.to_string(),
        })
    }

    /// Runs it to its end, which must be a good one.
    pub fn done(&self) -> Result<Ended> {
        let ended = self.end()?;
        ensure!(ended.code == Some(0), "{ended}");
        Ok(ended)
    }

    /// Runs it to its end, which must be a refusal with this exit code, said in one line of the fixed form.
    pub fn refused(&self, code: i32) -> Result<Ended> {
        let ended = self.end()?;
        ensure!(ended.code == Some(code), "expected exit code {code}\n{ended}");
        let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        ensure!(errors == 1, "expected one line `error: …`, found {errors}\n{ended}");
        let plain = |c: char| !c.is_control() || c == '\n';
        ensure!(ended.stdout.chars().chain(ended.stderr.chars()).all(plain), "a control character\n{ended}");
        Ok(ended)
    }

    /// Starts it, without output, and leaves it running; in a process group of its own, which is also its pid.
    pub fn start(&self) -> Result<Child> {
        use std::os::unix::process::CommandExt as _;
        let mut command = self.command()?;
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
        // what it says is shown with the test's own output, where that fails
        command.spawn().with_context(|| format!("cannot start {self}"))
    }

    /// Starts it and leaves it running, with its output to be read.
    pub fn start_with_output(&self) -> Result<Child> {
        let mut command = self.command()?;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().with_context(|| format!("cannot start {self}"))
    }

    fn command(&self) -> Result<Command> {
        let shell = Shell::new()?;
        shell.change_dir(&self.folder);
        let words = self.words()?;
        let (program, args) = words.split_first().context("a command has a program")?;
        Ok(cmd!(shell, "{program} {args...}").env_clear().envs(self.envs.iter().map(|(k, v)| (k, v))).into())
    }

    /// The whole command line with its wrappers.
    fn words(&self) -> Result<Vec<OsString>> {
        let mut words = self.under.clone();
        if let Some(path) = &self.trace {
            words.extend(["strace", "-f", "--seccomp-bpf", "-qq", "-s", "256", "-e"].map(Into::into));
            words.extend([crate::trace::FILTER, "-o"].map(Into::into));
            words.push(path.into());
        }
        if self.ordinary {
            words.extend(ordinary()?);
        }
        if let Some(umask) = self.umask {
            let script = format!("umask {umask} && exec \"$@\"");
            words.extend(["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()].map(Into::into));
        }
        words.push(self.program.clone().into());
        words.extend(self.args.iter().cloned());
        Ok(words)
    }
}

/// The wrapper that takes everything away. User namespaces are limited to the one that the limit itself is set in.
fn ordinary() -> Result<Vec<OsString>> {
    let id = ORDINARY.to_string();
    let mut words = Vec::new();
    if is_root()? {
        let user = [format!("--reuid={id}"), format!("--regid={id}")];
        words.extend(["setpriv".to_owned()].into_iter().chain(user));
        words.extend(["--clear-groups", "--bounding-set=-all"].map(str::to_owned));
    } else {
        words.push("setpriv".to_owned());
    }
    words.extend(["--no-new-privs", "--inh-caps=-all"].map(str::to_owned));
    let shell = Shell::new()?;
    let (setpriv, there) = (&words[0], &words[1..]);
    let allowed = cmd!(shell, "{setpriv} {there...} unshare --user true");
    let allowed = allowed.quiet().ignore_status().ignore_stderr().output()?;
    if allowed.status.success() {
        words.extend(["unshare", "--user", "--map-root-user", "sh", "-c"].map(str::to_owned));
        let me = if is_root()? { id } else { shell.cmd("id").arg("-u").quiet().read()? };
        let limit = "echo 1 >/proc/sys/user/max_user_namespaces";
        words.push(format!("{limit} && exec unshare --user --map-user={me} --map-group={me} \"$@\""));
        words.push("sh".to_owned());
    }
    Ok(words.into_iter().map(Into::into).collect())
}

/// Whether we are root. Most of what a user may do shows in `/proc/self`, which the kernel gives to its owner.
pub fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// Gives a tree to the user of `as_ordinary_user`; does nothing where that is ourselves.
pub fn give_to_ordinary_user(path: &Path) -> Result<()> {
    if is_root()? {
        let (shell, owner) = (Shell::new()?, format!("{ORDINARY}:{ORDINARY}"));
        cmd!(shell, "chown --recursive {owner} {path}").quiet().run()?;
    }
    Ok(())
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}", self.program.display())?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", arg.display()))?;
        f.write_str("`")
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr, command } = self;
        write!(
            f,
            "{command} ended with {code:?}\n--- standard output\n{stdout}\n--- standard error\n{stderr}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Run {
        Run::new(Path::new("/bin/sh"), Path::new("/"), ["-c", script])
    }

    #[test]
    fn an_ordinary_user_has_no_capability_and_gets_no_user_namespace() {
        let script =
            "id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; unshare --user true || echo refused";
        let ended = sh(script).as_ordinary_user().done().unwrap();
        let words: Vec<&str> = ended.stdout.split_whitespace().collect();
        assert_eq!(words[1..], ["CapEff:", "0000000000000000", "NoNewPrivs:", "1", "refused"], "{ended}");
        assert_eq!(words[0] == "1500", is_root().unwrap(), "{ended}");
    }

    #[test]
    fn umask_folder_and_environment_are_as_told() {
        let run = sh("umask; pwd; echo $X").umask("027").from_folder(Path::new("/usr")).env("X", "y");
        assert_eq!(run.done().unwrap().stdout, "0027\n/usr\ny\n");
    }

    #[test]
    fn a_refusal_must_have_its_code_and_its_line() {
        assert!(sh("echo 'error: a: plan: b' >&2; exit 4").refused(4).is_ok());
        assert!(sh("echo 'error: a: plan: b' >&2; exit 4").refused(3).is_err());
        assert!(sh("exit 4").refused(4).is_err());
        assert!(sh("printf 'error: a: \\033[2J\\n' >&2; exit 4").refused(4).is_err());
    }
}
