//! Packages that are asked for with one word each: their scripts are interpreted, and what they set up starts and answers.
//!
//! More of them boot on demand: `cargo xtask survey --boot`.

use anyhow::{Context as _, Result};
use tests::servers::{self, GATE};
use tests::shared::Shared;

#[test]
fn servers_of_a_kind_of_ones_own_answer_after_their_first_boot() -> Result<()> {
    let (shared, images) = (Shared::get()?, servers::images()?);
    let scratch = shared.scratch()?;
    let claims = [
        "run test -e /usr/sbin/qemu-ga && systemctl is-enabled qemu-guest-agent.service | grep -E 'static|enabled'",
        "run systemctl is-enabled nginx.service docker.service postgresql.service",
        "run test \"$(stat -c %U /var/lib/postgresql)\" = postgres",
        "system running",
    ];
    let image = images.get(GATE).context("the list has an image of the gate")?;
    let booted = image.boot(&shared, scratch.path(), &["qemu-guest-agent"], &claims)?;
    assert!(booted.is_good(), "{:#?}\n{:#?}\n{}", booted.asked, booted.unmet, booted.said);
    Ok(())
}
