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

/// Bytes of the result, as they are.
pub(crate) fn bytes(bytes: &[u8]) {
    let _ = std::io::stdout().lock().write_all(bytes);
}

/// A line beside the result: what is going on, or a warning.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
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
