//! `configure status`: what this node is, for whoever wonders.

use crate::refusal::{Refusal, Result};
use crate::root::Root;
use crate::status;

/// Runs it; what stands in the way of the next run is told as that run would, and is the exit code.
pub fn run(root: &Root, json: bool) -> Result<()> {
    let status = status::look(root)?;
    let text = if json { crate::json::text(&status::json(&status)) } else { status::text(&status) };
    crate::console::say(&text);
    if status.faults.is_empty() { Ok(()) } else { Err(Refusal::input(status.faults)) }
}
