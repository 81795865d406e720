//! strace: which system calls a run makes, and what happens when one of them fails or is the last.

use crate::node::Node;
use std::collections::BTreeMap;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The `nth` call, from 1, of that name in a run.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) call: String,
    pub(crate) nth: usize,
    /// The whole line.
    pub(crate) line: String,
}

impl Point {
    /// Whether the disk may be another one after it.
    pub(crate) fn changes_the_disk(&self) -> bool {
        match self.call.as_str() {
            "openat" | "openat2" | "open" => self.line.contains("O_CREAT"),
            "write" => !self.line.starts_with("write(1,") && !self.line.starts_with("write(2,"),
            "fchmod" | "fchown" | "fsync" | "fchownat" => true,
            call => ["rename", "unlink", "mkdir"].iter().any(|start| call.starts_with(start)),
        }
    }
}

/// Every system call of `command` on a copy of `node`, in order, without the start of the program.
pub(crate) fn trace(node: &Node, command: &[&str]) -> Vec<Point> {
    let node = node.again();
    let file = tempfile::NamedTempFile::new().unwrap();
    let words = node.words(command);
    let mut all = vec!["strace", "-f", "-qq", "-s", "200", "-o", file.path().to_str().unwrap(), "--"];
    all.extend(words.iter().map(String::as_str));
    let output = node.start(&all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut counts = BTreeMap::<String, usize>::new();
    let text = String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned();
    // the first process is ours; what it starts counts its calls for itself
    let own = text.split(' ').next().unwrap();
    let points: Vec<Point> = text
        .lines()
        .filter_map(|line| line.strip_prefix(own)?.strip_prefix(' '))
        .map(str::trim_start)
        .filter(|line| !line.starts_with("<..."))
        .filter_map(|line| {
            let (call, _) = line.split_once('(')?;
            let nth = counts.entry(call.to_owned()).and_modify(|count| *count += 1).or_insert(1);
            Some(Point { call: call.to_owned(), nth: *nth, line: line.to_owned() })
        })
        .filter(|point| point.call != "execve")
        .collect();
    assert!(points.len() > 100, "a run makes more system calls than {}", points.len());
    points
}

/// Runs `command` in `node` with `what` (`signal=KILL`, `error=EIO`) done to it at `point`.
pub(crate) fn inject(node: &Node, command: &[&str], point: &Point, what: &str) -> Output {
    let call = &point.call;
    let (only, rule) = (format!("trace={call}"), format!("inject={call}:{what}:when={}", point.nth));
    let words = node.words(command);
    let mut all = vec!["strace", "-qq", "-o", "/dev/null", "-e", &only, "-e", &rule, "--"];
    all.extend(words.iter().map(String::as_str));
    node.start(&all)
}

/// Does `each` for all `points`, on two processors.
pub(crate) fn for_each<T: Sync>(points: &[T], each: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(point);
                }
            });
        }
    });
}
