//! Standard output and standard error: the one door to them.
//!
//! Results go to standard output, everything else to standard error. A reader that goes away early is no fault: what
//! cannot be written is dropped, and nothing here panics.

use bake::refusal::shown;
use serde::Serialize;
use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

/// A line of the result.
pub(crate) fn line(text: impl Display) {
    // a closed or full output must not turn a finished bake into a failed one
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// The result as one JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Standard output for bytes of the result, as they are. Here a failed write is a failure: half a file is no file.
pub(crate) struct Stdout;

impl std::io::Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stdout().lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().lock().flush()
    }
}

/// A line beside the result: what is going on, or a warning.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says at the end of a command, however it ends, what was found wrong in the store.
pub(crate) struct Rejected<'s>(pub(crate) &'s bake::store::Store);

impl Drop for Rejected<'_> {
    fn drop(&mut self) {
        for name in self.0.rejected() {
            note(format!(
                "warning: `{}` in the store was damaged or forged; it was not used, and is now in `aside`",
                shown(&name)
            ));
        }
    }
}

/// Says why a command failed, and gives its exit code: that of the refusal's class, else 1.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    let refusal = error.chain().find_map(|cause| cause.downcast_ref::<bake::Refusal>());
    let Some(refusal) = refusal else {
        note(format!("error: {}", shown(&format!("{error:#}"))));
        return ExitCode::from(if error.is::<std::io::Error>() { 6 } else { 1 });
    };
    note(format!("error: {refusal}"));
    if let Some(hint) = &refusal.hint {
        note(format!("hint: {}", shown(hint)));
    }
    ExitCode::from(refusal.class.exit_code())
}

/// Help, the version, or wrong use: 0 for what was asked for, else 2.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let asked_for = !error.use_stderr();
    let _ = error.print();
    ExitCode::from(if asked_for { 0 } else { 2 })
}

/// A number of bytes for people: `612 MB`, by thousands as disks and networks count.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (12_345, "12.3 kB"),
            (999_999, "1.00 MB"),
            (611_900_000, "612 MB"),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(size(bytes), wanted);
        }
    }
}
