//! Bakes that are killed: nothing half-done has a final name, and a rerun converges.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use tests::outputs::{outputs, whole};
use tests::shared::{BASE, Shared};

/// How often a bake is killed. The moments are spread by a fixed sequence: a failure can be had again.
const KILLS: u32 = 20;

#[test]
fn k01_a_bake_that_is_killed_at_any_moment_leaves_only_whole_files_and_a_rerun_converges() -> Result<()> {
    let shared = Shared::get()?;
    let wanted = shared.reference(BASE)?;
    let scratch = shared.scratch()?;
    // how long an undisturbed bake takes here and now
    let (store, output) = (scratch.path().join("undisturbed"), scratch.path().join("first"));
    shared.cold_store(BASE, &store)?;
    let start = Instant::now();
    shared.bake(BASE, &store, &output)?.args(["--offline"]).done()?;
    let whole_time = start.elapsed();
    for place in [&store, &output] {
        std::fs::remove_dir_all(place)?;
    }

    let (store, output) = (scratch.path().join("store"), scratch.path().join("out"));
    let run = shared.bake(BASE, &store, &output)?.args(["--offline"]);
    let mut killed = 0;
    for number in 0..KILLS {
        if number % 5 == 0 {
            // what earlier runs derived makes later ones shorter: begin anew, to be killed early and late
            let _ = std::fs::remove_dir_all(&store);
            shared.cold_store(BASE, &store)?;
        }
        let mut child = run.start()?;
        std::thread::sleep(moment(number, whole_time));
        child.kill()?;
        killed += u32::from(child.wait()?.code().is_none());
        if output.exists() {
            for (name, digest) in outputs(&output)?.iter().filter(|(name, _)| !name.starts_with('.')) {
                ensure!(wanted.get(name) == Some(digest), "kill {number}: `{name}` is not whole");
            }
        }
    }
    ensure!(killed >= KILLS / 2, "only {killed} of {KILLS} bakes were still running when they were killed");
    run.done()?;
    ensure!(whole(&output, &BASE.name())? == wanted, "the rerun gave other bytes");
    shared.run("store").args(["verify"]).option("--store", &store).done()?;
    let left = std::fs::read_dir(store.join("incoming")).context("incoming")?.count();
    ensure!(left == 0, "{left} files are left in the store's `incoming`");
    Ok(())
}

/// The golden ratio's multiples spread any number of moments evenly over the whole time.
fn moment(number: u32, whole: Duration) -> Duration {
    whole.mul_f64((f64::from(number) * 0.618_033_988_75).fract())
}
