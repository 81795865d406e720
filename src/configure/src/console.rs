//! Standard output and standard error: the only place that writes to them, and a closed one is no error.

use std::io::Write as _;

/// Prints `text` to standard output.
pub fn say(text: &str) {
    // whoever reads this may be gone; what was done stays done
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints `text` to standard error.
pub fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
