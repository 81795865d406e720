//! Receiving: what the agent of this node was sent, into place; all of a delivery or nothing.
//!
//! ```text
//! nstance-agent ─► recv/, keys/ ─► take: read once, without following, with limits      (nothing is believed yet)
//!                                   │
//!            mutable.env ─ parse ─ merge ─► Settings ─ render ─┐
//!            certificates, keys ─ judge: a key belongs to it ──┴─► Plan ─ apply (one set) ─► restarts, in order
//!                                   │                               │
//!                                   └─ any fault: nothing changes,  └─ only services that read what changed
//!                                      told once                       one that fails does not stop the rest
//! ```
//!
//! - The trigger goes first, so that what is delivered meanwhile starts another run; what was there counts, not when it was
//!   written: a delivery is decided by its content ([`record`]).
//! - The directories are the agent's own ([`take`]); what is read there is copied into root's, never changed or given away.
//! - A certificate replaces a working one only together with a key that belongs to it ([`judge`]).
//! - Which services are to be restarted is written down in the same set as their files, so that a crash in between does not
//!   lose a restart ([`record`]).
//! - A sender that numbers its `mutable.env`, by a first line `# generation: N`, is held to it: the number only grows, so that
//!   an old one cannot come back ([`settings`]). Today's senders do not, and need not.
//! - Deliveries may come as fast as they like: what changed the node less than [`PACE`] ago is waited for, and the last one
//!   counts.
//!
//! Not supported, on purpose: signatures of deliveries (the agent's connection has proved who sends), DNS (this part of the
//! program has no network: `hosts-refresh` is asked), removal of certificates that are delivered no more.

pub mod judge;
pub mod record;
pub mod table;
pub mod take;
#[cfg(test)]
mod tests;

use crate::delivery::{self, Delivered};
use crate::layers::{Layer, Layers};
use crate::names::Role;
use crate::policy::{self, Policy};
use crate::refusal::{Fault, Refusal};
use record::Record;
use std::time::{Duration, SystemTime};
use take::{RECV, Taken};

/// The least time between two deliveries that change something.
pub const PACE: Duration = Duration::from_secs(5);

/// How long the next delivery is waited with at `now`, when the node was last changed at `last`. A clock that was set back
/// is not waited for.
#[must_use]
pub fn rest(last: Option<SystemTime>, now: SystemTime) -> Duration {
    let age = last.and_then(|last| now.duration_since(last).ok());
    age.map_or(Duration::ZERO, |age| PACE.saturating_sub(age))
}

/// The live settings after this delivery to a node that has `present`, none when it leaves them as they are; `record`
/// remembers it. A `policy` in doubt stops settings; certificates pass, but for other authorities than the present ones
/// ([`judge`]).
pub fn settings(
    role: Role,
    taken: &Taken,
    defaults: &Layer,
    present: &Layers,
    policy: &Result<Policy, Refusal>,
    record: &mut Record,
    notes: &mut Vec<String>,
) -> Result<Option<Layer>, Vec<Fault>> {
    let Some(bytes) = taken.recv.get(table::MUTABLE) else { return Ok(None) };
    let name = crate::digest::name(&[bytes]);
    if record.get("MUTABLE") == name {
        return Ok(None);
    }
    let place = format!("{RECV}/{}", table::MUTABLE);
    let delivered = delivery::parse(bytes, &place, role, defaults)?;
    // comments alone are not settings, and not "all of them as by default"
    if delivered == Delivered::default() {
        return Ok(None);
    }
    let generation = generation(bytes, &place, record.get("GENERATION")).map_err(|fault| vec![fault])?;
    let policy = policy.as_ref().map_err(|refusal| refusal.faults.clone())?;
    let fixed = policy::check(policy, present, &delivered.settings, &place);
    if !fixed.is_empty() {
        return Err(fixed);
    }
    record.set("MUTABLE", &name);
    if let Some(number) = generation {
        record.set("GENERATION", &number.to_string());
    }
    record.set_unknown(&delivered.unknown);
    notes.extend(delivered.unknown.iter().take(record::UNKNOWN).map(|one| one.note(&place)));
    Ok(Some(delivery::merge(defaults, &present.mutable, &delivered.settings)))
}

/// The number in a line `# generation: N` at the top, when the sender numbers what it sends. It only grows; a sender that
/// numbered once has to go on.
fn generation(bytes: &[u8], place: &str, accepted: &str) -> Result<Option<u64>, Fault> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let number = first
        .strip_prefix(b"# generation:")
        .map(|rest| std::str::from_utf8(rest).ok().and_then(|rest| rest.trim().parse::<u64>().ok()));
    let accepted = accepted.parse::<u64>().ok();
    let wrong = |rule: String| {
        Err(Fault::new(place, rule).line(1).hint(format!("to start over, remove {}", record::RECORD)))
    };
    match (number, accepted) {
        (Some(None), _) => wrong("expected a number after `# generation:`".to_owned()),
        (None, Some(accepted)) => {
            wrong(format!("expected a line `# generation: N` as before, above the accepted {accepted}"))
        }
        (Some(Some(number)), Some(accepted)) if number < accepted => {
            wrong(format!("generation {number} below accepted {accepted}"))
        }
        (Some(Some(number)), Some(accepted)) if number == accepted => {
            wrong(format!("generation {number} is accepted already, with other content"))
        }
        (number, _) => Ok(number.flatten()),
    }
}
