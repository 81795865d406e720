//! `configure seed`: what an instance is told at first boot, where no cloud-init script brings it.
//!
//! ```text
//! systemd credentials  podplane.user-data  podplane.nonce  podplane.ca ┐  the first that has user-data, alone
//! volume `cidata`      user-data.env       nonce.jwt       ca.crt      ┘  ─► user-data.env, identity/
//! ```
//! Only a node without user-data takes any: what a first boot has used is never changed, and who wants another instance
//! starts another image. All of it goes into place as one set, or, with one fault in it, nothing.

use super::lock;
use crate::accounts::Accounts;
use crate::bootstrap::parse_user_data;
use crate::envfile::FILE_LIMIT;
use crate::names::{DONE, IDENTITY, USER_DATA};
use crate::plan::Plan;
use crate::refusal::{Fault, Refusal, Result};
use crate::root::Root;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Where the volume is mounted.
pub const VOLUME: &str = "/run/podplane/seed";
/// The volume itself, by a link that udev makes for a labelled one.
pub const DEVICE: &str = "/dev/podplane-seed";
/// How long a volume that is there may take until it is mounted.
const PATIENCE: Duration = Duration::from_secs(10);

const AGENT: (&str, &str) = ("nstance-agent", "nstance-agent");

const NOTHING: &str = "\
no user-data: neither systemd credentials nor a volume labelled `cidata` have it, and no service starts until it is there
hint: `cargo xtask seed` makes such a volume; or set the credential podplane.user-data; or let cloud-init write
hint: /opt/podplane/etc/user-data.env, and run /opt/podplane/bin/configure.sh and restart.sh
";

/// What there may be: credential, file of the volume, where it goes, whose it is.
const PARTS: [(&str, &str, &str, (&str, &str)); 3] = [
    ("podplane.user-data", "user-data.env", USER_DATA, ("root", "root")),
    ("podplane.nonce", "nonce.jwt", "nonce.jwt", AGENT),
    ("podplane.ca", "ca.crt", "ca.crt", AGENT),
];

/// Runs it; `credentials` is the directory that systemd says it has put them into.
pub fn run(root: &Root, credentials: Option<&str>) -> Result<()> {
    let _lock = lock::take(root)?;
    if root.exists(USER_DATA)? {
        crate::console::say("user-data is there: no seed is looked for\n");
        return Ok(());
    }
    if root.exists(DONE)? {
        let hint =
            format!("this node was configured once: put the file back, or remove {DONE} for a new instance");
        return Err(Fault::new(USER_DATA, "expected the instance's user-data, found no file")
            .hint(hint)
            .into());
    }
    let plan = match (credentials, ready(root)?) {
        (Some(directory), _) if root.exists(&format!("{directory}/podplane.user-data"))? => {
            taken(root, |(credential, ..)| format!("{directory}/{credential}"))?
        }
        (_, true) => taken(root, |(_, file, ..)| format!("{VOLUME}/{file}"))?,
        (_, false) => {
            crate::console::say(NOTHING);
            return Ok(());
        }
    };
    let applied = crate::apply::apply(root, &plan, &Accounts::read(root)?.ids())?;
    super::configure::report(&applied, &plan.notes);
    Ok(())
}

/// Whether the volume has user-data; one that is there is waited for. A volume without it may be cloud-init's alone.
fn ready(root: &Root) -> Result<bool> {
    let end = Instant::now() + PATIENCE;
    let device = root.exists(DEVICE)?;
    loop {
        let names = root.list(VOLUME)?;
        if !names.is_empty() || !device {
            return Ok(names.iter().any(|name| name == "user-data.env"));
        }
        if Instant::now() >= end {
            return Err(Fault::new(DEVICE, "expected a volume that can be mounted: ISO 9660 or FAT")
                .hint("`systemctl status run-podplane-seed.mount` says why it is not; make one with `cargo xtask seed`")
                .into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

type Part = (&'static str, &'static str, &'static str, (&'static str, &'static str));

/// The plan of what is at the places of all parts, or every fault.
fn taken(root: &Root, place: impl Fn(Part) -> String) -> Result<Plan> {
    let (mut plan, mut faults) = (Plan::default(), Vec::new());
    for part in PARTS {
        let (_, name, to, owner) = part;
        let from = place(part);
        let Some(bytes) = root.read(&from, FILE_LIMIT)? else {
            plan.notes.push(format!("no {from}: nstance-agent needs it to register"));
            continue;
        };
        faults.extend(check(name, &from, &bytes).err().into_iter().flatten());
        let to = if to.starts_with('/') { to.to_owned() } else { format!("{IDENTITY}/{to}") };
        plan.file(&to, 0o600, owner, bytes, None);
    }
    if faults.is_empty() { Ok(plan) } else { Err(Refusal::input(faults)) }
}

/// Checks a part of a seed: its name in a volume, what faults are to call its place, its bytes.
pub fn check(name: &str, place: &str, bytes: &[u8]) -> std::result::Result<(), Vec<Fault>> {
    let wrong = |rule: &str| vec![Fault::new(place, rule)];
    let found = match name {
        "user-data.env" => parse_user_data(bytes).map(drop),
        "nonce.jwt" => {
            is_token(bytes).ok_or_else(|| wrong("expected a JSON Web Token: three parts of base64url"))
        }
        _ => certificates(bytes).map_err(wrong),
    };
    found.map_err(|faults| {
        faults.into_iter().map(|fault| Fault { place: place.to_owned(), ..fault }).collect()
    })
}

fn is_token(bytes: &[u8]) -> Option<()> {
    let parts: Vec<&[u8]> = bytes.trim_ascii_end().split(|byte| *byte == b'.').collect();
    let fits = |part: &&[u8]| {
        !part.is_empty()
            && part.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (parts.len() == 3 && parts.iter().all(fits)).then_some(())
}

fn certificates(bytes: &[u8]) -> std::result::Result<(), &'static str> {
    let blocks = crate::pem::read(bytes)?;
    match blocks.iter().all(|block| block.label == "CERTIFICATE") {
        true => Ok(()),
        false => Err("expected certificates only"),
    }
}
