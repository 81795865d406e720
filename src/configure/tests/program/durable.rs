//! What is on the disk before what: a file before the journal that names it, the journal before the first file is put into
//! place, and every directory before the journal goes. A power cut may keep any later step from the disk.

use crate::node::Node;

/// One call of a run that has to do with durability; paths are below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Create(String),
    Write(String),
    Sync(String),
    Rename(String, String),
    Unlink(String),
}

const STAGING: &str = "opt/podplane/etc/.staging";

/// Those of `command` in a copy of `node`, in order.
fn calls(node: &Node, command: &[&str]) -> Vec<Call> {
    let node = node.again();
    let file = tempfile::NamedTempFile::new().unwrap();
    let words = node.words(command);
    let only = "trace=openat,openat2,write,fsync,fdatasync,renameat,renameat2,unlinkat,mkdirat";
    let to = file.path().to_str().unwrap();
    let mut all = vec!["strace", "-qq", "-y", "-s", "0", "-e", only, "-o", to, "--"];
    all.extend(words.iter().map(String::as_str));
    let output = node.start(&all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let root = format!("{}/", node.path().display());
    let text = std::fs::read_to_string(file.path()).unwrap();
    text.lines().filter(|line| !line.contains(" = -1 ")).filter_map(|line| call(line, &root)).collect()
}

/// `fsync(5</root/opt/x>) = 0`, `renameat(5</root/opt>, "x"..., 6</root/etc>, "y"...) = 0`.
fn call(line: &str, root: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let below = |path: &str| path.strip_prefix(root).map(str::to_owned);
    // each descriptor's path, and what comes behind it
    let at: Vec<(&str, &str)> = rest.split('<').skip(1).filter_map(|part| part.split_once('>')).collect();
    let quoted = |rest: &str| rest.split('"').nth(1).map(str::to_owned);
    match name {
        "fsync" | "fdatasync" => Some(Call::Sync(below(at.first()?.0)?)),
        "write" => Some(Call::Write(below(at.first()?.0)?)),
        "openat" | "openat2" if rest.contains("O_CREAT") => Some(Call::Create(below(at.last()?.0)?)),
        "mkdirat" => Some(Call::Create(below(&format!("{}/{}", at.first()?.0, quoted(at.first()?.1)?))?)),
        "unlinkat" => Some(Call::Unlink(below(&format!("{}/{}", at.first()?.0, quoted(at.first()?.1)?))?)),
        "renameat" | "renameat2" => {
            let [from, to] = [at.first()?, at.get(1)?];
            let path = |(directory, rest): &(&str, &str)| below(&format!("{directory}/{}", quoted(rest)?));
            Some(Call::Rename(path(from)?, path(to)?))
        }
        _ => None,
    }
}

fn parent(path: &str) -> String {
    path.rsplit_once('/').map_or("", |(above, _)| above).to_owned()
}

/// Where `expected` is, at or after `from`.
fn find(calls: &[Call], from: usize, expected: &Call) -> usize {
    let at = calls.iter().skip(from).position(|call| call == expected);
    from + at.unwrap_or_else(|| panic!("no {expected:?} after step {from} of {calls:#?}"))
}

#[test]
fn each_step_is_on_the_disk_before_the_next_one_needs_it() {
    for (node, command) in [(Node::merged(), &["configure"]), (Node::fresh(), &["configure"])] {
        let calls = calls(&node, command);
        let sync = |path: &str| Call::Sync(path.to_owned());
        let journal = format!("{STAGING}/journal");
        let commit = find(&calls, 0, &Call::Rename(format!("{journal}.new"), journal.clone()));
        let done = find(&calls, commit, &Call::Unlink(journal.clone()));
        let staged: Vec<(usize, &String)> = calls
            .iter()
            .enumerate()
            .filter_map(|(at, call)| match call {
                Call::Create(path) if parent(path) == STAGING => Some((at, path)),
                _ => None,
            })
            .collect();
        assert!(staged.len() > 3, "{calls:#?}");
        // the staging directory has its name, each file its content, and all of them theirs
        assert!(find(&calls, 0, &sync(&parent(STAGING))) < staged[0].0);
        for (created, path) in staged {
            let last = calls.iter().rposition(|call| *call == Call::Write(path.clone()));
            let last = last.unwrap_or(created);
            assert!(find(&calls, last, &sync(path)) < commit, "{path}");
        }
        let before = calls[..commit].iter().rposition(|call| *call == sync(STAGING));
        assert!(before.is_some_and(
            |at| matches!(&calls[at - 1], Call::Sync(path) if *path == format!("{journal}.new"))
        ));
        // the journal counts before anything is put into place
        let counts = find(&calls, commit, &sync(STAGING));
        let renames = calls.iter().enumerate().filter_map(|(at, call)| match call {
            Call::Rename(from, to) if parent(from) == STAGING && *to != journal => Some((at, to)),
            _ => None,
        });
        let renames: Vec<(usize, &String)> = renames.collect();
        assert!(renames.len() > 3 && renames.iter().all(|(at, _)| counts < *at && *at < done), "{calls:#?}");
        // and it goes only when every directory has what was put there
        for (at, path) in renames {
            assert!(find(&calls, at, &sync(&parent(path))) < done, "{path}");
        }
        let gone = find(&calls, done, &Call::Unlink(STAGING.to_owned()));
        find(&calls, gone, &sync(&parent(STAGING)));
    }
}
