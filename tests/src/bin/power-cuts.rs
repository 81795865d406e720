//! Cuts the power of machines in the middle of their first boot, at random moments, and starts them again:
//! `cargo xtask survey --power-cuts`.
#![allow(clippy::print_stdout, reason = "the result is what it is for")]

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tests::first_boot::Given;
use tests::guest::{Guest, Setup, volume};
use tests::own_kind::{OwnKind, Wishes};
use tests::shared::Shared;

/// Cut the power in the middle of first boots
#[derive(Debug, Parser)]
struct Args {
    /// How many machines
    #[arg(long, default_value_t = 20)]
    count: u32,
    /// Write the result as a page in Markdown
    #[arg(long)]
    table: Option<PathBuf>,
}

/// Whether the first boot has begun.
const BEGUN: &str = "test -e /run/cloud-init/status.json";

fn main() -> Result<()> {
    let args = Args::parse();
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let room = scratch.path();
    let (given, seed, on_disk) = (Given::new(room, "one")?, room.join("seed.iso"), room.join("seed.raw"));
    given.to(shared.run("seed")).option("--output", &seed).done()?;
    volume(&fs::read(&seed)?, &on_disk)?;
    let own = OwnKind::new(&shared, room, &Wishes { native: true, ..Wishes::default() })?;
    own.bake(&room.join("dist"))?.option("--format", "qcow2").done()?;
    let image = room.join("dist").join(format!("{}.qcow2", own.image()));
    let setup = Setup { direct: true, network: true, volumes: vec![on_disk], ..Setup::default() };
    let machine = || Guest::new(&image, room, &setup);
    let checked = |guest: &mut Guest| guest.well_booted().and_then(|_| given.holds(guest));

    // how long it takes without one: a machine answers long before it looks for who it is
    let mut guest = machine()?;
    guest.start()?;
    guest.until(BEGUN)?;
    let began = Instant::now();
    guest.until("test -e /var/lib/cloud/instance/boot-finished")?;
    let whole = began.elapsed();
    checked(&mut guest)?;
    guest.cut()?;
    println!("a first boot takes {:.1} s; the power is cut at a random moment of it", whole.as_secs_f64());

    let mut rows = Vec::new();
    for number in 1..=args.count {
        let mut guest = machine()?;
        guest.start()?;
        guest.until(BEGUN)?;
        let moment = whole.mul_f64(fraction());
        std::thread::sleep(moment);
        let done = guest.sh("ls /var/lib/cloud/instance/sem 2>/dev/null | grep -vc started || true")?;
        guest.cut()?;
        guest.start()?;
        let result = checked(&mut guest);
        guest.cut()?;
        let said = match &result {
            Ok(()) => "configured".to_owned(),
            Err(error) => format!("{error:#}").lines().next().unwrap_or_default().to_owned(),
        };
        println!(
            "{number:>3}: cut after {:>5.1} s, {} modules done: {said}",
            moment.as_secs_f64(),
            done.trim()
        );
        rows.push((moment, done.trim().to_owned(), said, result.is_ok()));
    }
    if let Some(path) = &args.table {
        fs::write(path, table(&rows, whole)).with_context(|| path.display().to_string())?;
    }
    let bad = rows.iter().filter(|(.., is_good)| !is_good).count();
    ensure!(bad == 0, "{bad} of {} machines were not configured after a power cut", args.count);
    Ok(())
}

/// A number from 0 to 1: keys of maps are random in each process, and for each map.
fn fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}

fn table(rows: &[(Duration, String, String, bool)], whole: Duration) -> String {
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let mut text = format!(
        "# Power cuts during first boot\n\nMade by `cargo xtask survey --power-cuts` on {date}. Each machine is new; its power is cut at a random moment, and \
         it is started once more. A first boot without a cut took {:.0} s, from its local stage to its end, translated.\n\n\
         | cut after, s | modules done | after the next boot |\n|---:|---:|---|\n",
        whole.as_secs_f64()
    );
    for (moment, done, said, _) in rows {
        text.push_str(&format!("| {:.1} | {done} | {} |\n", moment.as_secs_f64(), said.replace('|', "\\|")));
    }
    text
}
