//! What QEMU says of a machine, next to the machine itself: the QEMU Machine Protocol, one JSON object a line.
//!
//! Two things are asked of it. Whether the machine stopped by an error of who executes it (`KVM internal error`: an
//! instruction that a nested hypervisor does not emulate); and how much its disks have done, which tells a machine that
//! says nothing from one that does nothing.

use serde_json::Value;

/// Ends the greeting; nothing else is answered before.
pub(crate) const BEGIN: &str = "{\"execute\":\"qmp_capabilities\"}\n";
/// Asks how the machine is.
pub(crate) const STATUS: &str = "{\"execute\":\"query-status\"}\n";
/// Asks what the disks have done.
pub(crate) const DISKS: &str = "{\"execute\":\"query-blockstats\"}\n";
/// A longer line is none of QEMU's.
pub(crate) const LONGEST_LINE: u64 = 4 << 20;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// QEMU is there and must be answered.
    Greeting,
    /// The machine stands still: why is not said.
    Stopped,
    /// How the machine is: `running`, `internal-error`…
    Status(String),
    /// Reads and writes of all disks so far.
    Disks(u64),
    /// What is of no interest here.
    Other,
}

/// Reads a line.
pub(crate) fn parse(line: &str) -> Said {
    let Ok(value) = serde_json::from_str::<Value>(line) else { return Said::Other };
    if value.get("QMP").is_some() {
        return Said::Greeting;
    }
    if value.get("event").and_then(Value::as_str) == Some("STOP") {
        return Said::Stopped;
    }
    match value.get("return") {
        Some(Value::Object(status)) => match status.get("status").and_then(Value::as_str) {
            Some(status) => Said::Status(status.to_owned()),
            None => Said::Other,
        },
        Some(Value::Array(disks)) => Said::Disks(disks.iter().map(operations).fold(0, u64::saturating_add)),
        _ => Said::Other,
    }
}

fn operations(disk: &Value) -> u64 {
    let count = |name: &str| disk.pointer(&format!("/stats/{name}")).and_then(Value::as_u64).unwrap_or(0);
    ["rd_operations", "wr_operations", "flush_operations"].map(count).into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_says_is_told_apart() {
        let disk =
            r#"{"device":"disk0","stats":{"rd_operations":40,"wr_operations":2,"flush_operations":1}}"#;
        for (line, expected) in [
            (r#"{"QMP": {"version": {}, "capabilities": ["oob"]}}"#.to_owned(), Said::Greeting),
            (r#"{"return": {}}"#.to_owned(), Said::Other),
            (r#"{"timestamp": {"seconds": 1}, "event": "STOP"}"#.to_owned(), Said::Stopped),
            (r#"{"timestamp": {"seconds": 1}, "event": "RESUME"}"#.to_owned(), Said::Other),
            (
                r#"{"return": {"running": false, "singlestep": false, "status": "internal-error"}}"#
                    .to_owned(),
                Said::Status("internal-error".to_owned()),
            ),
            (format!("{{\"return\": [{disk}, {disk}]}}"), Said::Disks(86)),
            ("{\"return\": [".to_owned(), Said::Other),
            (r#"{"error": {"class": "GenericError"}}"#.to_owned(), Said::Other),
        ] {
            assert_eq!(parse(&line), expected, "{line}");
        }
    }
}
