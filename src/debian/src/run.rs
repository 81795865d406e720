//! Running the scripts of a set of packages, as dpkg would when it installs them on an empty root.
//!
//! 1. The essential packages, and what they depend on, are unpacked; the preinst of each runs before its files show.
//! 2. Each is configured in the order of `order`: config, when it has one, then postinst.
//! 3. The triggers that are pending are processed.
//! 4. The same for all other packages.
//!
//! preinst is called with `install`, config with `configure ""`, postinst with `configure ""` or with `triggered NAMES`.

use std::collections::{BTreeMap, BTreeSet};

use crate::failure::{Failure, Limits, Origin, Reason};
use crate::files::{Base, Bytes, Files};
use crate::order;
use crate::sh::Shell;
use crate::system::{Known, Status, System};

/// A package with its scripts.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The fields of its control file, in order.
    pub fields: Vec<(String, String)>,
    /// Its paths, absolute, directories too.
    pub files: Vec<Bytes>,
    /// The other files of its control archive: `preinst`, `templates`, `triggers`, `conffiles`.
    pub control: BTreeMap<String, Vec<u8>>,
}

impl Package {
    /// A field of its control file; empty when it is not there.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// Whether it is installed before all others.
    #[must_use]
    pub fn is_essential(&self) -> bool {
        self.field("Essential") == "yes" || self.field("Priority") == "required"
    }

    /// A maintainer script.
    #[must_use]
    pub fn script(&self, name: &str) -> Option<&Vec<u8>> {
        self.control.get(name)
    }

    /// The names of triggers, names and paths that begin with `/`, in whose lines the directive begins with `directive`:
    /// `interest` is `interest-noawait` and its like, too.
    fn triggers(&self, directive: &str) -> Vec<String> {
        let text = self.control.get("triggers").map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
        let name = |line: &str| {
            let (word, name) = line.trim().split_once(char::is_whitespace)?;
            word.starts_with(directive).then(|| name.trim().to_owned())
        };
        text.lines().filter_map(name).collect()
    }
}

/// What a run is of.
pub struct Task<'t> {
    /// All packages of the image.
    pub packages: &'t [Package],
    /// Debian's name of the architecture.
    pub architecture: &'t str,
    /// What `uname -r` says, a release that all machines of the image have at least; refused when it is not given.
    pub kernel: Option<&'t str>,
    /// The time of all changes.
    pub now: i64,
    /// Answers to questions of debconf.
    pub answers: &'t BTreeMap<String, String>,
    /// Fixed numbers of users and groups.
    pub users: &'t BTreeMap<String, u32>,
    /// Fixed numbers of groups.
    pub groups: &'t BTreeMap<String, u32>,
    /// Whether new system accounts get numbers by their names, and not the first that are free.
    pub stable_ids: bool,
    /// How far scripts are followed.
    pub limits: Limits,
}

/// A script that was not followed to its end, and what it had printed.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// Why.
    pub failure: Failure,
}

/// What a run left.
pub struct Outcome<'b> {
    /// The files, with all changes.
    pub files: Files<'b>,
    /// Packages, answers, triggers.
    pub system: System,
    /// The scripts that were not followed to their end.
    pub stopped: Vec<Stopped>,
    /// How many scripts ran to their end.
    pub finished: usize,
    /// How many steps were left.
    pub steps: u64,
}

struct Run<'t, 'b> {
    task: &'t Task<'t>,
    shell: Shell<'b>,
    stopped: Vec<Stopped>,
    finished: usize,
    pending: BTreeMap<String, BTreeSet<String>>,
}

/// Runs all scripts over `base`, which has the files of all packages. With `go_on`, a script that stops does not stop the run, so
/// that all of them can be counted.
///
/// # Errors
/// The first script that cannot be followed to its end, unless `go_on`.
pub fn run<'b>(task: &Task<'_>, base: &'b dyn Base, go_on: bool) -> Result<Outcome<'b>, Box<Failure>> {
    let mut files = Files::new(base, task.now, task.limits);
    let system = System {
        architecture: task.architecture.to_owned(),
        kernel: task.kernel.map(str::to_owned),
        users: task.users.clone(),
        groups: task.groups.clone(),
        stable_ids: task.stable_ids,
        packages: task.packages.iter().map(|package| (package.name.clone(), known(package))).collect(),
        debconf: crate::debconf::Debconf::with(task.answers.clone()),
        ..System::default()
    };
    let (order, first) = order::order(task.packages);
    let (essential, others) = order.split_at_checked(first).unwrap_or((&order, &[]));
    let of = |list: &[usize]| list.iter().filter_map(|i| task.packages.get(*i)).collect::<Vec<_>>();
    let (essential, others) = (of(essential), of(others));
    // a directory or file that an essential package has too stays
    let early: BTreeSet<&Bytes> = essential.iter().flat_map(|package| &package.files).collect();
    files
        .hide(others.iter().flat_map(|package| &package.files).filter(|path| !early.contains(path)).cloned());
    let shell = Shell::new(files, system, task.limits);
    let mut run = Run { task, shell, stopped: Vec::new(), finished: 0, pending: BTreeMap::new() };
    for round in [&essential, &others] {
        run.round(round, go_on)?;
    }
    let Run { mut shell, stopped, finished, .. } = run;
    shell.files.origin = Origin { package: "debconf".to_owned(), script: "database".to_owned(), line: 0 };
    let mut debconf = std::mem::take(&mut shell.system.debconf);
    debconf.forget(crate::commands::own::has_mark);
    let written = debconf.write(&mut shell.files);
    shell.system.debconf = debconf;
    let mut stopped = stopped;
    if let Err(failure) = crate::commands::own::finish(&mut shell.files, &shell.system) {
        if !go_on {
            return Err(failure);
        }
        stopped.push(Stopped { failure: *failure });
    }
    if written.is_err() {
        let origin = shell.files.origin.clone();
        return Err(Box::new(Failure {
            origin,
            words: String::new(),
            reason: Reason::Limit("the bytes or changes of files"),
        }));
    }
    let steps = shell.steps;
    Ok(Outcome { files: shell.files, system: shell.system, stopped, finished, steps })
}

fn known(package: &Package) -> Known {
    let conffiles = package.control.get("conffiles").map(|text| {
        let lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| line.starts_with(b"/")).map(<[u8]>::to_vec).collect()
    });
    Known {
        fields: package.fields.clone(),
        files: package.files.clone(),
        conffiles: conffiles.unwrap_or_default(),
        control: package.control.keys().cloned().collect(),
        status: Status::NotInstalled,
    }
}

impl Run<'_, '_> {
    fn round(&mut self, packages: &[&Package], go_on: bool) -> Result<(), Box<Failure>> {
        for package in packages {
            self.script(package, "preinst", &[b"install".to_vec()], go_on)?;
            self.shell.files.reveal(&package.files);
            self.status(&package.name, Status::Unpacked);
        }
        for package in packages {
            self.activated_by_files(package);
        }
        for package in packages {
            if let Some(templates) = package.control.get("templates") {
                self.shell.system.debconf.load(&package.name, templates);
            }
            let configure = [b"configure".to_vec(), Vec::new()];
            self.script(package, "config", &configure, go_on)?;
            self.status(&package.name, Status::HalfConfigured);
            self.script(package, "postinst", &configure, go_on)?;
            self.status(&package.name, Status::Installed);
            // what is pending for a package is done with when it is configured
            self.pending.remove(&package.name);
            let mut activated = std::mem::take(&mut self.shell.system.triggers);
            activated.extend(package.triggers("activate"));
            self.activate(&activated);
        }
        self.triggers(go_on)
    }

    fn status(&mut self, name: &str, status: Status) {
        if let Some(package) = self.shell.system.packages.get_mut(name) {
            package.status = status;
        }
    }

    /// The triggers of paths that a package brings.
    fn activated_by_files(&mut self, package: &Package) {
        for other in self.task.packages {
            for interest in
                other.triggers("interest").into_iter().filter(|interest| interest.starts_with('/'))
            {
                let below = format!("{interest}/").into_bytes();
                if package.files.iter().any(|path| path.starts_with(&below) || path == interest.as_bytes()) {
                    self.pending.entry(other.name.clone()).or_default().insert(interest);
                }
            }
        }
    }

    fn activate(&mut self, names: &BTreeSet<String>) {
        for package in self.task.packages {
            for interest in package.triggers("interest") {
                let hit = names.iter().any(|name| {
                    *name == interest
                        || (interest.starts_with('/') && name.starts_with(&format!("{interest}/")))
                });
                if hit {
                    self.pending.entry(package.name.clone()).or_default().insert(interest);
                }
            }
        }
    }

    /// Processes triggers until none is pending. A package whose processing activates its own trigger again is not run for
    /// ever: after ten rounds it is a failure.
    fn triggers(&mut self, go_on: bool) -> Result<(), Box<Failure>> {
        for _ in 0..10 {
            let ready: Vec<String> = self
                .pending
                .keys()
                .filter(|name| {
                    self.shell
                        .system
                        .packages
                        .get(*name)
                        .is_some_and(|package| package.status == Status::Installed)
                })
                .cloned()
                .collect();
            if ready.is_empty() {
                return Ok(());
            }
            for name in ready {
                let names = self.pending.remove(&name).unwrap_or_default();
                let Some(package) = self.task.packages.iter().find(|package| package.name == name) else {
                    continue;
                };
                let joined = names.into_iter().collect::<Vec<_>>().join(" ").into_bytes();
                self.script(package, "postinst", &[b"triggered".to_vec(), joined], go_on)?;
                let activated = std::mem::take(&mut self.shell.system.triggers);
                self.activate(&activated);
            }
        }
        let origin = Origin {
            package: self.pending.keys().next().cloned().unwrap_or_default(),
            script: "postinst".to_owned(),
            line: 0,
        };
        Err(Box::new(Failure {
            origin,
            words: String::new(),
            reason: Reason::Limit("ten rounds of triggers"),
        }))
    }

    fn script(
        &mut self,
        package: &Package,
        script: &str,
        args: &[Bytes],
        go_on: bool,
    ) -> Result<(), Box<Failure>> {
        let Some(text) = package.script(script) else { return Ok(()) };
        match self.one(package, script, text, args) {
            Ok(()) => {
                self.finished += 1;
                Ok(())
            }
            Err(failure) if go_on => {
                self.stopped.push(Stopped { failure: *failure });
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    fn one(
        &mut self,
        package: &Package,
        script: &str,
        text: &[u8],
        args: &[Bytes],
    ) -> Result<(), Box<Failure>> {
        let mut origin = Origin { package: package.name.clone(), script: script.to_owned(), line: 1 };
        let first = text.split(|b| *b == b'\n').next().unwrap_or_default();
        let fail = |origin: &Origin, reason: Reason| {
            Box::new(Failure {
                origin: origin.clone(),
                words: String::from_utf8_lossy(first).into_owned(),
                reason,
            })
        };
        let interpreter = first.strip_prefix(b"#!").map(<[u8]>::trim_ascii).unwrap_or_default();
        let mut words = interpreter.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        match words.next() {
            Some(
                b"/bin/sh" | b"/usr/bin/sh" | b"/bin/dash" | b"/usr/bin/dash" | b"/bin/bash"
                | b"/usr/bin/bash",
            ) => {}
            _ => {
                return Err(fail(
                    &origin,
                    Reason::Program(String::from_utf8_lossy(interpreter).into_owned()),
                ));
            }
        }
        let flags: Vec<u8> = words.flatten().copied().filter(|b| *b != b'-').collect();
        // dpkg runs a script by its path; its options stand in its first line
        let prefix = if flags.is_empty() { Vec::new() } else { [b"set -", &flags[..], b";"].concat() };
        let whole = [&prefix[..], text].concat();
        let env = self.environment(package, script, args);
        origin.line = 0;
        let ran = self.shell.run(&origin, &whole, args, &env)?;
        if ran.status != 0 {
            let said = String::from_utf8_lossy(&ran.stderr)
                .trim()
                .lines()
                .last()
                .map(|line| format!(": {line}"))
                .unwrap_or_default();
            origin.line = self.shell.files.origin.line;
            return Err(fail(&origin, Reason::Status(ran.status, said)));
        }
        Ok(())
    }

    fn environment(&self, package: &Package, script: &str, _: &[Bytes]) -> Vec<(Bytes, Bytes)> {
        let pairs = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
            ("DPKG_MAINTSCRIPT_NAME", script),
            ("DPKG_MAINTSCRIPT_PACKAGE", &package.name),
            ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
            ("DPKG_MAINTSCRIPT_ARCH", package.field("Architecture")),
            ("DPKG_MAINTSCRIPT_DEBUG", "0"),
            ("DPKG_RUNNING_VERSION", "1.22.21"),
            ("DPKG_ROOT", ""),
            ("DPKG_ADMINDIR", "/var/lib/dpkg"),
            ("DPKG_FORCE", "security-mac,downgrade"),
        ];
        pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, at};

    fn package(name: &str, fields: &[(&str, &str)], control: &[(&str, &str)], files: &[&str]) -> Package {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Package {
            name: name.to_owned(),
            fields: fields.iter().map(owned).collect(),
            files: files.iter().map(|path| path.as_bytes().to_vec()).collect(),
            control: control
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
                .collect(),
        }
    }

    #[test]
    fn scripts_run_in_dpkgs_order_and_see_what_is_unpacked() {
        let log = "#!/bin/sh -e\nlog() { echo \"$DPKG_MAINTSCRIPT_PACKAGE $DPKG_MAINTSCRIPT_NAME $*\" >> /tmp/log; }\n";
        let with = |text: &str| format!("{log}{text}");
        let (preinst, config) = (
            with("[ ! -e /usr/share/a ]; log \"$@\""),
            with(". /usr/share/debconf/confmodule; log \"$@\"; db_set a/q 7"),
        );
        let postinst = with(
            "log \"$1\" \"[$2]\"\nif [ \"$1\" = configure ]; then [ -e /usr/share/a ]; . /usr/share/debconf/confmodule; db_get a/q; log \"$RET\"; dpkg-trigger go; fi",
        );
        let other = with("log \"$@\"");
        let packages = [
            package(
                "a",
                &[("Depends", "b"), ("Architecture", "all")],
                &[
                    ("preinst", &preinst),
                    ("config", &config),
                    ("postinst", &postinst),
                    ("templates", "Template: a/q\nType: string\nDefault: 5\n"),
                ],
                &["/usr", "/usr/share", "/usr/share/a"],
            ),
            package(
                "b",
                &[],
                &[("postinst", &other), ("triggers", "interest-noawait go\ninterest /usr/share/a\n")],
                &["/usr"],
            ),
            package(
                "c",
                &[("Essential", "yes")],
                &[("postinst", &with("log; [ ! -e /usr/share/a ]"))],
                &["/usr", "/usr/share"],
            ),
        ];
        let memory = Memory::new(&[("/usr/share/a", ""), ("/usr/share/debconf/confmodule", "")]);
        let none = BTreeMap::new();
        let task = Task {
            packages: &packages,
            architecture: "amd64",
            kernel: None,
            now: 0,
            answers: &BTreeMap::new(),
            users: &none,
            groups: &none,
            stable_ids: false,
            limits: Limits { depth: 60, ..Limits::default() },
        };
        let outcome = run(&task, &memory, false).unwrap();
        let shell = Shell::new(outcome.files, outcome.system, task.limits);
        let expected = "c postinst \na preinst install\nb postinst configure \na config configure \na postinst configure []\na postinst 7\n\
                        b postinst triggered go\n";
        assert_eq!(at(&shell, "/tmp/log"), expected);
        assert!(
            at(&shell, "/var/cache/debconf/config.dat")
                .contains("Name: a/q\nTemplate: a/q\nValue: 7\nOwners: a\n")
        );
        assert_eq!(outcome.finished, 6);
    }

    #[test]
    fn a_script_that_fails_stops_the_run_unless_all_are_wanted() {
        let packages = [
            package("a", &[], &[("postinst", "#!/bin/sh -e\ntrue\nfalse\n")], &[]),
            package("b", &[], &[("postinst", "#!/usr/bin/perl\n")], &[]),
        ];
        let memory = Memory::new(&[]);
        let none = BTreeMap::new();
        let task = Task {
            packages: &packages,
            architecture: "amd64",
            kernel: None,
            now: 0,
            answers: &BTreeMap::new(),
            users: &none,
            groups: &none,
            stable_ids: false,
            limits: Limits { depth: 60, ..Limits::default() },
        };
        let Err(failure) = run(&task, &memory, false) else { panic!("it ran") };
        assert_eq!(failure.to_string(), "a postinst:3: `#!/bin/sh -e`: the script ended with status 1");
        let stopped = run(&task, &memory, true).unwrap().stopped;
        let list: Vec<String> = stopped.iter().map(|stopped| stopped.failure.to_string()).collect();
        assert_eq!(list[1], "b postinst:1: `#!/usr/bin/perl`: the program /usr/bin/perl is not supported");
    }
}
