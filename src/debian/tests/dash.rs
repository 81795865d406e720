//! The shell against the real one: generated scripts print the same, end with the same status and leave the same files.
//!
//! 1,000 cases; `VMBAKE_DASH_CASES=20000` for more, `VMBAKE_DASH_SEED=N` to begin with another one.
#![allow(clippy::disallowed_methods, reason = "runs dash, in a scratch directory")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

#[path = "dash/generate.rs"]
mod generate;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use debian::failure::{Limits, Origin};
use debian::files::{Base, Files, Kind, Meta};
use debian::sh::Shell;
use debian::system::System;

const DASH: &str = "/usr/bin/dash";

/// A tree with a working directory and the programs that scripts call.
struct Small;

const PROGRAMS: [&str; 14] = [
    "cat", "mkdir", "rmdir", "rm", "mv", "cp", "ln", "touch", "chmod", "readlink", "basename", "dirname",
    "sed", "grep",
];

impl Base for Small {
    fn lookup(&self, path: &[u8]) -> Option<Meta> {
        let directory = matches!(path, b"/" | b"/w" | b"/usr" | b"/usr/bin");
        let name = path.strip_prefix(b"/usr/bin/").and_then(|name| std::str::from_utf8(name).ok());
        let kind = match name {
            _ if directory => Kind::Directory,
            Some(name) if PROGRAMS.contains(&name) => Kind::File,
            _ => return None,
        };
        Some(Meta { kind, mode: 0o755, uid: 0, gid: 0, size: 1, mtime: 0 })
    }

    fn list(&self, path: &[u8]) -> Vec<Vec<u8>> {
        match path {
            b"/" => vec![b"w".to_vec(), b"usr".to_vec()],
            b"/usr" => vec![b"bin".to_vec()],
            b"/usr/bin" => PROGRAMS.iter().map(|name| name.as_bytes().to_vec()).collect(),
            _ => Vec::new(),
        }
    }

    fn read(&self, _: &[u8]) -> Result<Vec<u8>, String> {
        Ok(b"\x7fELF".to_vec())
    }
}

/// What a script did: status, output, files.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: i32,
    stdout: String,
    files: BTreeMap<String, String>,
}

fn ours(script: &str) -> Result<Seen, String> {
    let limits = Limits { steps: 1_000_000, ..Limits::default() };
    let mut shell = Shell::new(Files::new(&Small, 0, limits), System::default(), limits);
    let origin = Origin { package: "test".to_owned(), script: "script".to_owned(), line: 0 };
    let env = [(b"PATH".to_vec(), b"/usr/bin".to_vec()), (b"HOME".to_vec(), b"/nowhere".to_vec())];
    let script = format!("cd /w\n{script}");
    let ran = shell.run(&origin, script.as_bytes(), &[b"one".to_vec(), b"two words".to_vec()], &env);
    let ran = ran.map_err(|failure| failure.to_string())?;
    let mut files = BTreeMap::new();
    let at = |path: &[u8]| path.strip_prefix(b"/w/").map(|p| String::from_utf8_lossy(p).into_owned());
    let there: Vec<Vec<u8>> =
        shell.files.overlay().filter(|(_, node)| node.is_some()).map(|(p, _)| p.clone()).collect();
    for path in there {
        let (Some(name), Some(meta)) = (at(&path), shell.files.meta(&path)) else { continue };
        let shown = match &meta.kind {
            Kind::Directory => format!("directory {:o}", meta.mode),
            Kind::Link(target) => format!("link {}", String::from_utf8_lossy(target)),
            _ => format!(
                "file {:o} {}",
                meta.mode,
                String::from_utf8_lossy(&shell.files.content(&path).unwrap())
            ),
        };
        files.insert(name, shown);
    }
    Ok(Seen {
        status: i32::from(ran.status),
        stdout: String::from_utf8_lossy(&ran.stdout).into_owned(),
        files,
    })
}

fn walk(root: &Path, at: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let meta = path.symlink_metadata().unwrap();
        let mode = meta.permissions().mode() & 0o7777;
        if meta.is_dir() {
            files.insert(name, format!("directory {mode:o}"));
            walk(root, &path, files);
        } else if meta.is_symlink() {
            files.insert(name, format!("link {}", path.read_link().unwrap().display()));
        } else {
            let content = std::fs::read(&path).unwrap();
            files.insert(name, format!("file {mode:o} {}", String::from_utf8_lossy(&content)));
        }
    }
}

/// Seconds that a script may take: on a busy machine, far more than it needs.
const PATIENCE: &str = "120";

fn theirs(script: &str) -> Seen {
    let scratch = tempfile::tempdir().unwrap();
    let work = scratch.path().join("w");
    std::fs::create_dir(&work).unwrap();
    let file = scratch.path().join("script");
    // files are made with the same modes, whoever runs the test
    std::fs::write(&file, format!("umask 022\n{script}")).unwrap();
    let mut child = Command::new("/usr/bin/timeout")
        .args([PATIENCE, DASH])
        .arg(&file)
        .args(["one", "two words"])
        .current_dir(&work)
        .env_clear()
        .env("PATH", "/usr/bin")
        .env("HOME", "/nowhere")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    let status = child.wait().unwrap().code().unwrap();
    let mut files = BTreeMap::new();
    walk(&work, &work, &mut files);
    Seen { status, stdout: String::from_utf8_lossy(&stdout).into_owned(), files }
}

/// Scripts with an error, in that of a builtin too: where the shell goes on, `echo` says so.
const ERRORS: &[&str] = &[
    // a quotation mark with nothing behind it is zero
    "printf '%d %x\\n' '\"' \"'\"",
    "read -x a",
    "read",
    "read 1a",
    "getopts",
    "printf",
    "printf -",
    "printf -- -x",
    "printf %",
    "printf a%5.",
    "printf %z",
    "printf %c ''",
    "printf 'a\\cb'",
    "printf '%b|' 'a\\cb' c",
    "printf '%*d|%.*s|' -5 3 1 abc",
    "printf '%d|' 12abc x ''",
    "echo 'a\\cb'",
    "echo '\\101 \\0101 \\x \\'",
    "cd /nope",
    "test a b",
    "command shift 9",
    "command . /nope",
    "command export 1a",
    "command eval 'shift 9'",
    "f() { shift 9; }; f",
    "f() { read; }; f",
    "eval read",
    "(shift 9)",
    "(read)",
    "x=$(shift 9; echo in)",
    "shift 9",
    ". /nope",
    "export 1a",
    "local x",
    "f() { a=1 local b; echo $a; }; f",
    "type local read",
    "set -o nope",
    "set -Y",
    "exit abc",
    "break 0",
    "readonly r; unset r",
    "readonly r=1; r=2",
    "readonly r=1; read r",
    "readonly r=1; getopts a r",
    "readonly r=1; export r=2",
    "echo $((x y))",
    "echo ${x?no}",
    "command eval 'echo ${x?no}'",
    "trap 'echo trapped' EXIT; shift 9",
    "set -e; read; echo no",
    "set -e; read || echo yes",
    "while :; do read || break; done",
];

/// What dash does and POSIX does not say.
const ODDITIES: &[&str] = &[
    // a variable of an expression is not one that has to be set
    "set -u; echo $((n + 1)) $((n += 2))",
    // the redirections of braces come in the place of those of a subshell that is alone in them
    "{ { (:); } >f1; } >f2",
    "{ { { (:); } >f1; }; } >f2",
    "{ (:) >f1; } >f2",
    "{ (:) >f1; :; } >f2",
    "{ { :; } >f1; } >f2",
    // protected characters that are each a field of their own at the end are lost
    "printf 'x y \\\\;\\n' | { read a b; echo \"[$a][$b]\"; }",
    "printf 'x \\\\;\\n' | { read a b; echo \"[$a][$b]\"; }",
    "printf 'x y  \\\\b c\\n' | { read a b; echo \"[$a][$b]\"; }",
    "printf 'x y a\\\\;\\n' | { read a b; echo \"[$a][$b]\"; }",
    "printf 'x y z \\\\b \\\\c\\n' | { read a b; echo \"[$a][$b]\"; }",
    "printf 'x y\\\\ z \\n' | { read a b; echo \"[$a][$b]\"; }",
    // programs that refuse to read what they write
    "echo a >f1; cat f1 >>f1",
    "echo a >f1; grep a f1 >>f1",
    "cat f1 >f1",
];

#[test]
fn oddities_are_those_of_dash() {
    compare(ODDITIES);
}

#[test]
fn errors_end_what_they_end_in_dash() {
    compare(ERRORS);
}

/// Runs it with the stack that the interpreter needs.
fn with_its_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(debian::failure::STACK).spawn(run).unwrap();
    thread.join().unwrap()
}

fn compare(scripts: &'static [&'static str]) {
    let run = move || {
        let script = |error: &&str| format!("{error}\necho \"went on: $?\"\n");
        let differs = |script: String| {
            let (real, seen) = (theirs(&script), ours(&script));
            (seen.as_ref() != Ok(&real)).then(|| format!("{script}--- dash\n{real:?}\n--- ours\n{seen:?}\n"))
        };
        scripts.iter().map(script).filter_map(differs).collect::<Vec<String>>()
    };
    let wrong = with_its_stack(run);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), scripts.len(), wrong.join("\n"));
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn generated_scripts_do_what_dash_does() {
    for program in std::iter::once("dash").chain(PROGRAMS) {
        assert!(Path::new("/usr/bin").join(program).exists(), "the program `{program}` is missing");
    }
    let (cases, seed) = (number("VMBAKE_DASH_CASES", 1000), number("VMBAKE_DASH_SEED", 1));
    let run = move || {
        let (mut wrong, mut limited) = (Vec::new(), 0);
        for case in seed..seed + cases {
            let script = generate::script(case);
            let seen = ours(&script);
            // a refusal, whatever dash would do in the end: many of these never end, or double their words each time
            if seen.as_ref().is_err_and(|why| why.contains("it takes more than")) {
                limited += 1;
                continue;
            }
            let real = theirs(&script);
            // dash reads a line when it is at it, and does what is before an error; ours does nothing of such a script
            if real.status == 2 && seen.as_ref().is_err_and(|why| why.contains(": syntax: ")) {
                continue;
            }
            // a pattern has found the machine's own root, which ours has not
            if real.stdout.contains("/proc") {
                continue;
            }
            if seen.as_ref() != Ok(&real) {
                wrong.push(format!("case {case}\n{script}\n--- dash\n{real:#?}\n--- ours\n{seen:#?}"));
            }
        }
        (wrong, limited)
    };
    let (wrong, limited) = with_its_stack(run);
    assert!(limited <= 1 + cases / 500, "{limited} of {cases} scripts reach a limit");
    let heads: Vec<&str> = wrong.iter().filter_map(|one| one.lines().next()).collect();
    assert!(
        wrong.is_empty(),
        "{} of {cases} scripts differ: {}; the shortest:\n{}",
        wrong.len(),
        heads.join(", "),
        shortest(&wrong)
    );
}

/// What stands for parameters where there are none, or empty ones.
const PARAMETERS: &[&str] = &[
    "set --",
    "set -- ''",
    "set -- '' ''",
    "set -- a",
    "set -- 'a  b' c",
    "IFS=; set -- a b",
    "IFS=,; set -- '' a",
];
const EXPANSIONS: &[&str] = &[
    "$@",
    "$*",
    "\"$@\"",
    "\"$*\"",
    "\"$@$*\"",
    "\"$*$@\"",
    "\"$@$@\"",
    "\"$*$*\"",
    "\"$@\"$n",
    "$n\"$@\"",
    "\"$@\"\"$@\"",
    "\"$@$n\"",
    "\"$n$@\"",
    "\"$@\"\"\"",
    "''\"$@\"",
    "x\"$@\"",
    "\"x$@\"",
    "\"${@}\"",
    "${*-w}",
    "${@-w}",
    "\"${*-w}\"",
    "\"${@-w}\"",
    "${*:-w}",
    "${@:-w}",
    "\"${*:-w}\"",
    "\"${@:-w}\"",
    "${*+w}",
    "${@+w}",
    "\"${@+w}\"",
    "${*:+w}",
    "\"${@:+w}\"",
    "${*+\"$@\"}",
    "${n-\"$@\"}",
    "\"${n-$@}\"",
    "${1+\"$@\"}",
    "\"${1-$@}\"",
    "${#}",
    "$#",
    "$n$*",
    "\"\"$@",
    "$@\"\"",
];

#[test]
fn parameters_become_the_fields_of_dash() {
    let case = |set: &str, word: &str| {
        format!(
            "{set}\nf() {{ printf '%d:' $#; printf '[%s]' \"$@\"; echo; }}\nf {word}\na={word}; f \"$a\"\nfor i in {word}; do f \"$i\"; done\n"
        )
    };
    let run = move || {
        let all = PARAMETERS.iter().flat_map(|set| EXPANSIONS.iter().map(move |word| (set, word)));
        all.filter_map(|(set, word)| {
            let script = case(set, word);
            let (real, seen) = (theirs(&script), ours(&script));
            (seen.as_ref() != Ok(&real)).then(|| {
                format!("{set}; {word}: dash {:?}, ours {:?}", real.stdout, seen.map(|seen| seen.stdout))
            })
        })
        .collect::<Vec<_>>()
    };
    let wrong = with_its_stack(run);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Words of `test` that are operators, or look like them.
const TEST_WORDS: [&str; 14] =
    ["!", "'('", "')'", "=", "!=", "-eq", "-o", "-a", "-n", "-z", "-d", "x", "''", "1"];

/// Each list of up to four of the words, and as many longer ones, in an order that is always the same.
fn test_expressions() -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..4 {
        last = last.iter().flat_map(|head| TEST_WORDS.map(|word| format!("{head} {word}"))).collect();
        all.extend_from_slice(&last);
    }
    let mut chance = generate::Chance(1);
    for _ in 0..all.len() {
        let length = 5 + chance.next(5);
        all.push((0..length).map(|_| format!(" {}", chance.of(&TEST_WORDS))).collect());
    }
    // dash reads past the words of these, and may crash
    let past =
        |words: &String| ["-o", "-a"].contains(&words.trim_end_matches(" ')'").rsplit(' ').next().unwrap());
    all.retain(|words| !past(words));
    all
}

#[test]
fn test_gives_the_status_of_dash_for_any_words() {
    let run = || {
        let script = |expressions: &[String]| -> String {
            expressions.iter().map(|words| format!("test{words} 2>/dev/null; echo $?\n")).collect()
        };
        let expressions = test_expressions();
        let real = theirs(&script(&expressions));
        let lines: Vec<&str> = real.stdout.lines().collect();
        assert_eq!(lines.len(), expressions.len(), "dash ended early");
        let mut wrong = Vec::new();
        // in parts, each within the limits of a script
        for (words, status) in expressions.chunks(500).zip(lines.chunks(500)) {
            let seen = ours(&script(words)).unwrap();
            let pairs = words.iter().zip(status).zip(seen.stdout.lines());
            wrong.extend(
                pairs
                    .filter(|((_, real), seen)| *real != seen)
                    .map(|((words, real), seen)| format!("test{words}: dash {real}, ours {seen}")),
            );
        }
        (expressions.len(), wrong)
    };
    let (count, mut wrong) = with_its_stack(run);
    wrong.sort_by_key(String::len);
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}

fn shortest(wrong: &[String]) -> String {
    let mut wrong = wrong.to_vec();
    wrong.sort_by_key(String::len);
    wrong.truncate(3);
    wrong.join("\n==========\n")
}
