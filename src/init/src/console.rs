//! What a person reads: lines to the kernel's log, which shows them on all of its consoles and hands them to the journal.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

/// Says how it goes; not shown on the console with `quiet`.
pub fn say(text: &str) {
    log(6, text);
}

/// Says what is wrong; shown in any case.
pub fn complain(text: &str) {
    // by default a program may log ten lines in five seconds, and the rest would be missing
    let _ = fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
    log(3, text);
}

/// One record for each line; where there is no log, the console itself.
fn log(level: u8, text: &str) {
    let log = OpenOptions::new().write(true).open("/dev/kmsg");
    for line in text.lines() {
        let written = match &log {
            Ok(log) => (&*log).write_all(format!("<{level}>vmbake: {line}\n").as_bytes()).is_ok(),
            Err(_) => false,
        };
        if !written {
            // whoever reads this may be gone, and there is nobody else to tell
            let _ = std::io::stderr().lock().write_all(format!("vmbake: {line}\n").as_bytes());
        }
    }
}
