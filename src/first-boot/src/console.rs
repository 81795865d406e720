//! Standard output and standard error: the only place that writes to them, and a closed one is no error.

use std::io::Write as _;

/// Prints `text` to standard output.
pub fn say(text: &str) {
    show(text.as_bytes());
}

/// Prints bytes to standard output.
pub fn show(bytes: &[u8]) {
    let mut output = std::io::stdout().lock();
    // whoever reads this may be gone; what was done stays done
    let _ = output.write_all(bytes).and_then(|()| output.flush());
}

/// Prints `text` to standard error.
pub fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
