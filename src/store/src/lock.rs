//! Locks between processes: `flock(2)`, which the kernel drops when their holder dies, with a time-out.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

pub(super) use rustix::fs::FlockOperation as How;

/// How often a lock that is held is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes a lock now, or says that another has it.
pub(super) fn try_take(file: &File, how: How) -> std::io::Result<bool> {
    loop {
        match rustix::fs::flock(file, how) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes a lock within `timeout`, or says that another has it still.
pub(super) fn take(file: &File, how: How, timeout: Duration) -> std::io::Result<bool> {
    let begun = Instant::now();
    while !try_take(file, how)? {
        if begun.elapsed() >= timeout {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(true)
}

/// The processes that hold a lock on the file, as the kernel lists them in `/proc/locks` (proc_locks(5)); where it does
/// not, the one that has written its number into the file.
pub(super) fn holders(file: &File) -> Vec<u32> {
    let Ok(inode) = file.metadata().map(|metadata| metadata.ino()) else { return Vec::new() };
    let mut pids: Vec<u32> = std::fs::read_to_string("/proc/locks")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| holder(line, inode))
        .collect();
    if pids.is_empty() {
        let mut text = String::new();
        let _ = file.take(16).read_to_string(&mut text);
        pids.extend(text.trim().parse::<u32>());
    }
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Names processes for a message, with what the kernel says of those that do not run.
pub(super) fn described(pids: &[u32]) -> String {
    let one = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
        match state {
            Some('T' | 't') => format!("process {pid} (stopped)"),
            _ => format!("process {pid}"),
        }
    };
    match pids {
        [] => "another process".to_owned(),
        pids => pids.iter().take(4).map(one).collect::<Vec<_>>().join(", "),
    }
}

/// The process of a line like `1: FLOCK  ADVISORY  WRITE 1021 00:19:1234 0 EOF`; those that wait have `->` in front.
fn holder(line: &str, inode: u64) -> Option<u32> {
    let mut fields = line.split_whitespace().skip(1);
    if fields.next()? != "FLOCK" {
        return None;
    }
    let pid = fields.nth(2)?;
    let found: u64 = fields.next()?.rsplit(':').next()?.parse().ok()?;
    pid.parse().ok().filter(|pid| *pid > 0 && found == inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_read_from_the_kernel_s_list() {
        assert_eq!(holder("1: FLOCK  ADVISORY  WRITE 1021 00:19:1234 0 EOF", 1234), Some(1021));
        assert_eq!(holder("1: -> FLOCK  ADVISORY  WRITE 1022 00:19:1234 0 EOF", 1234), None);
        assert_eq!(holder("2: POSIX  ADVISORY  READ 7 08:01:1234 0 EOF", 1234), None);
        assert_eq!(holder("3: FLOCK  ADVISORY  READ 9 08:01:99 0 EOF", 1234), None);
        assert_eq!(holder("", 1234), None);
    }
}
