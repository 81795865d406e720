//! `configure status`: what this node is, for whoever wonders.

use crate::refusal::{Class, Refusal, Result};
use crate::root::Root;
use crate::status;

/// Runs it; what stands in the way of the next run is told as that run would, and is the exit code.
pub fn run(root: &Root, json: bool) -> Result<()> {
    let status = status::look(root).map_err(as_root)?;
    let text = if json { crate::json::text(&status::json(&status)) } else { status::text(&status) };
    crate::console::say(&text);
    if status.faults.is_empty() { Ok(()) } else { Err(Refusal::input(status.faults)) }
}

/// Most of a node's files are for root's eyes only.
fn as_root(mut refusal: Refusal) -> Refusal {
    if let (Class::Io, Some(fault), false) =
        (refusal.class, refusal.faults.first_mut(), rustix::process::geteuid().is_root())
    {
        fault.hint = Some("only root may look at all of it".to_owned());
    }
    refusal
}
