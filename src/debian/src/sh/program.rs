//! Programs of the tree: those whose work is known here, text filters, and shell scripts.

use super::builtins::{self, option};
use super::open::Kind;
use super::state::{Call, Shell, Stop};
use crate::failure::Reason;
use crate::files::{self, Bytes, absolute, base_name, join};
use crate::{commands, filters};

const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Shell<'_> {
    /// The program that a name without slash stands for, by PATH.
    pub(crate) fn search(&self, name: &[u8], executable: bool) -> Option<Bytes> {
        let path = self.s.vars.get(b"PATH").cloned().unwrap_or_else(|| PATH.to_vec());
        path.split(|b| *b == b':').map(|dir| join(if dir.is_empty() { b"." } else { dir }, name)).find(|at| {
            let meta = self.files.stat(&absolute(&self.s.cwd, at));
            meta.is_some_and(|m| m.kind == files::Kind::File && (!executable || m.mode & 0o111 != 0))
        })
    }

    /// Runs a program.
    pub(crate) fn program(&mut self, words: &[Bytes]) -> Result<u8, Stop> {
        self.step()?;
        let Some(name) = words.first() else { return Ok(0) };
        let shown = String::from_utf8_lossy(name).into_owned();
        let found = if name.contains(&b'/') { Some(name.clone()) } else { self.search(name, true) };
        let Some(path) = found else {
            if is_confmodule(self, name) {
                return crate::debconf::call(self, words);
            }
            self.complain(&format!("{shown}: not found"))?;
            return Ok(127);
        };
        let whole = absolute(&self.s.cwd, &path);
        let real = match self.files.resolve(&whole, true) {
            Ok(real) => real,
            Err(errno) => {
                self.complain(&format!("{shown}: {errno}"))?;
                return Ok(127);
            }
        };
        let Some(meta) = self.files.meta(&real) else {
            self.complain(&format!("{shown}: not found"))?;
            return Ok(127);
        };
        if meta.kind != files::Kind::File || meta.mode & 0o111 == 0 {
            self.complain(&format!("{shown}: Permission denied"))?;
            return Ok(126);
        }
        // by the name it was called, then by the name of what a link leads to
        for name in [base_name(&path), base_name(&real)] {
            let name = String::from_utf8_lossy(name).into_owned();
            if !is_place_of_programs(&whole)
                && !is_place_of_programs(&real)
                && !self.is_library_program(&real, &name)
            {
                break;
            }
            if let Some(status) = self.known(&name, words)? {
                return Ok(status);
            }
        }
        self.script(&real, &whole, words)
    }

    /// Whether a program of a package's own directory is the one that is known here by that name: not a script that has a
    /// common name, such as `install`.
    fn is_library_program(&self, real: &[u8], name: &str) -> bool {
        let place = [&b"/usr/lib/"[..], b"/usr/share/"].iter().any(|place| real.starts_with(place));
        let own = name.contains(['-', '_']) && filters::find(name).is_none();
        let shell = |text: &[u8]| {
            let first = text.split(|b| *b == b'\n').next().unwrap_or_default();
            first.starts_with(b"#!") && (first.windows(3).any(|part| part == b"/sh" || part == b"ash"))
        };
        place && own && self.files.content(real).is_ok_and(|text| !shell(&text))
    }

    /// Runs a program whose work is known here.
    fn known(&mut self, name: &str, words: &[Bytes]) -> Result<Option<u8>, Stop> {
        let args = words.get(1..).unwrap_or_default();
        match name {
            "sh" | "dash" => return self.sh(words, false).map(Some),
            // a program by its path is that program
            "bash" if args.first().is_some_and(|first| first.starts_with(b"/")) => {
                return self.program(args).map(Some);
            }
            "bash" => return self.sh(words, true).map(Some),
            "test" | "[" | "echo" | "printf" | "true" | "false" | "pwd" | "kill" => {
                let mut words = words.to_vec();
                if let Some(first) = words.first_mut() {
                    *first = name.as_bytes().to_vec();
                }
                return match builtins::find(name.as_bytes()) {
                    Some(builtin) => builtin(self, &words, false).map(Some),
                    None => Ok(None),
                };
            }
            _ => {}
        }
        if let Some(run) = commands::find(name) {
            let mut call = Call { sh: self, name, args, out: Vec::new(), err: Vec::new() };
            let status = run(&mut call)?;
            let written = call.flush()?;
            return Ok(Some(if written { status } else { status.max(1) }));
        }
        if matches!(name, "grep" | "egrep" | "fgrep") {
            let mut call = Call { sh: self, name, args, out: Vec::new(), err: Vec::new() };
            if let Some(status) = commands::grep(&mut call, name)? {
                call.flush()?;
                return Ok(Some(status));
            }
        }
        match filters::find(name) {
            Some(filter) => self.filter(name, filter, args).map(Some),
            None => Ok(None),
        }
    }

    /// The failure of the filter called `name`.
    pub(super) fn failed(&self, name: &str, failure: filters::Failure) -> Stop {
        match failure {
            filters::Failure::Unsupported(what) => self.unsupported(format!("`{name}`: {what}")),
            filters::Failure::Limit(what) => self.fail(Reason::Limit(what)),
        }
    }

    fn filter(&mut self, name: &str, filter: filters::Filter, args: &[Bytes]) -> Result<u8, Stop> {
        let stdin = if commands::reads_input(name, args) { self.read_all(0) } else { Vec::new() };
        let env = self.s.vars.environment();
        // the names of the environment, which ucf asks for: their order is none that a script can rely on
        if name == "awk" && matches!(args, [text] if text == b"BEGIN{for(v in ENVIRON) print v}") {
            let names: Vec<u8> = env.iter().flat_map(|(name, _)| [&name[..], b"\n"].concat()).collect();
            self.write_fd(1, &names)?;
            return Ok(0);
        }
        // the pattern's classes that only gawk knows mean letters to mawk
        if name == "awk"
            && self.files.resolve(b"/usr/bin/awk", true).is_ok_and(|at| base_name(&at) == b"gawk")
        {
            let gawks: [&[u8]; 6] = [b"\\s", b"\\S", b"\\w", b"\\W", b"\\y", b"\\B"];
            if args.iter().any(|arg| gawks.iter().any(|class| arg.windows(2).any(|two| two == *class))) {
                return Err(self.unsupported("a pattern of gawk"));
            }
        }
        // GNU's cat and grep read no file that they write to, as they would never come to its end
        let written = matches!(name, "cat" | "grep" | "egrep" | "fgrep").then(|| self.open_at(1)).flatten();
        if written.is_some() && !stdin.is_empty() && self.open_at(0) == written {
            return Err(self.unsupported(format!("`{name}` of the file that it writes to")));
        }
        let (files, cwd, steps) = (&self.files, &self.s.cwd, &mut self.steps);
        let mut read = |path: &[u8]| match path {
            b"/dev/null" => Ok(Vec::new()),
            b"/dev/stdin" => Ok(stdin.clone()),
            path => {
                let path = absolute(cwd, path);
                let bytes = files.read(&path).map_err(|errno| errno.to_string())?;
                if written.is_some() && !bytes.is_empty() && files.resolve(&path, true).ok() == written {
                    return Err("input file is output file".to_owned());
                }
                Ok(bytes.to_vec())
            }
        };
        let mut input = filters::Input { args, stdin: &stdin, read: &mut read, env: &env, steps };
        let output = filter(&mut input).map_err(|failure| self.failed(name, failure))?;
        let mut status = output.status;
        for (path, bytes) in output.writes {
            match &path[..] {
                b"/dev/null" => {}
                b"/dev/stderr" => {
                    self.write_fd(2, &bytes)?;
                }
                b"/dev/stdout" => {
                    self.write_fd(1, &bytes)?;
                }
                path => {
                    let mode = 0o666 & !self.s.umask;
                    if let Err(errno) = self.files.write(&absolute(&self.s.cwd, path), bytes, mode) {
                        if errno == files::Errno::Limit {
                            return Err(self.limit_or(errno, name));
                        }
                        self.complain(&format!("{name}: {}: {errno}", String::from_utf8_lossy(path)))?;
                        status = 1;
                    }
                }
            }
        }
        if !self.write_fd(1, &output.stdout)? {
            status = status.max(1);
        }
        self.write_fd(2, &output.stderr)?;
        Ok(status)
    }

    /// The path of the regular file that a descriptor stands for.
    fn open_at(&self, fd: u32) -> Option<Bytes> {
        match &self.s.fds.get(&fd)?.kind {
            Kind::File { path, .. } | Kind::ReadFile { path } => self.files.resolve(path, true).ok(),
            _ => None,
        }
    }

    /// Runs a script of the tree.
    fn script(&mut self, real: &[u8], path: &[u8], words: &[Bytes]) -> Result<u8, Stop> {
        let shown = || Reason::Program(String::from_utf8_lossy(path).into_owned());
        let text = self.files.content(real).map_err(|errno| self.limit_or(errno, "reading a program"))?;
        let Some(line) = text.strip_prefix(b"#!") else { return Err(self.fail(shown())) };
        let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
        let mut parts = line.split(|b| matches!(b, b' ' | b'\t' | b'\r')).filter(|part| !part.is_empty());
        match parts.next() {
            Some(
                b"/bin/sh" | b"/usr/bin/sh" | b"/bin/dash" | b"/usr/bin/dash" | b"/bin/bash"
                | b"/usr/bin/bash",
            ) => {}
            _ => return Err(self.fail(shown())),
        }
        let mut flags = Vec::new();
        for part in parts {
            match part {
                [b'-', letters @ ..] => flags.extend_from_slice(letters),
                _ => return Err(self.fail(shown())),
            }
        }
        self.fresh_script(
            &text,
            path,
            words.get(1..).unwrap_or_default(),
            &flags,
            super::state::is_bash(&text),
        )
    }

    /// Runs a text as a shell of its own, which inherits what a program does.
    fn fresh_script(
        &mut self,
        text: &[u8],
        name: &[u8],
        args: &[Bytes],
        flags: &[u8],
        bash: bool,
    ) -> Result<u8, Stop> {
        let script = String::from_utf8_lossy(name).into_owned();
        let outer = std::mem::replace(&mut self.files.origin.script, script);
        let status = self.deeper(|shell| {
            shell.subshell(|shell| {
                shell.s.vars.only_exported();
                for (name, value) in [(&b"IFS"[..], &b" \t\n"[..]), (b"OPTIND", b"1"), (b"PPID", b"4242")] {
                    let _ = shell.s.vars.set(name, value.to_vec());
                }
                shell.s.functions.clear();
                shell.s.aliases.clear();
                shell.s.args = args.to_vec();
                shell.s.name = name.to_vec();
                shell.s.traps.clear();
                shell.s.options = super::state::Options::default();
                shell.s.loops = 0;
                shell.s.functions_entered = 0;
                shell.s.optchar = 0;
                shell.s.status = 0;
                shell.s.confmodule = false;
                shell.s.bash = bash;
                for letter in flags {
                    option(shell, *letter, true)?;
                }
                shell.eval_text(text, 1, false)
            })
        })?;
        self.files.origin.script = outer;
        Ok(status)
    }

    /// `sh` itself: `sh -c TEXT`, `sh FILE`, `sh -e FILE`.
    fn sh(&mut self, words: &[Bytes], bash: bool) -> Result<u8, Stop> {
        let mut flags = Vec::new();
        let mut command = false;
        let mut rest = words.get(1..).unwrap_or_default();
        while let Some((word, tail)) = rest.split_first() {
            match &word[..] {
                b"--" => {
                    rest = tail;
                    break;
                }
                [b'-', letters @ ..] if !letters.is_empty() => {
                    command |= letters.contains(&b'c');
                    if letters.iter().any(|l| !b"ceuxvfan".contains(l)) {
                        return Err(self.unsupported(format!("`sh {}`", String::from_utf8_lossy(word))));
                    }
                    flags.extend(letters.iter().filter(|l| **l != b'c'));
                    rest = tail;
                }
                _ => break,
            }
        }
        let (first, args) = match rest.split_first() {
            Some((first, args)) => (first.clone(), args),
            None if command => return Ok(2),
            None => {
                let text = self.read_all(0);
                return self.fresh_script(&text, b"sh", &[], &flags, bash);
            }
        };
        if command {
            let (name, args) =
                args.split_first().map_or((b"sh".to_vec(), args), |(name, args)| (name.clone(), args));
            return self.fresh_script(&first, &name, args, &flags, bash);
        }
        match self.files.read(&absolute(&self.s.cwd, &first)) {
            Ok(text) => self.fresh_script(&text, &first, args, &flags, bash),
            Err(_) => {
                self.complain(&format!("cannot open {}: No such file", String::from_utf8_lossy(&first)))?;
                Ok(2)
            }
        }
    }
}

fn is_confmodule(shell: &Shell<'_>, name: &[u8]) -> bool {
    shell.s.confmodule && name.starts_with(b"db_")
}

/// Whether a path is in a directory of programs, where a known name is that program.
fn is_place_of_programs(path: &[u8]) -> bool {
    let places: [&[u8]; 4] = [b"/bin/", b"/sbin/", b"/usr/bin/", b"/usr/sbin/"];
    places.iter().any(|place| path.starts_with(place))
}
