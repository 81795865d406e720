//! Bakes that are killed: nothing half-done has a final name, and a rerun converges.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use tests::outputs::{outputs, whole};
use tests::shared::{SMALL as KIND, Shared};

/// How often a bake is killed. The moments are spread by a fixed sequence: a failure can be had again.
const KILLS: u32 = 20;

#[test]
fn a_bake_that_is_killed_at_any_moment_leaves_only_whole_files_and_a_rerun_converges() -> Result<()> {
    let shared = Shared::get()?;
    let expected = shared.reference(KIND)?;
    let scratch = shared.scratch()?;
    // how long an undisturbed bake takes here and now
    let (store, output) = (scratch.path().join("undisturbed"), scratch.path().join("first"));
    shared.cold_store(KIND, &store)?;
    let start = Instant::now();
    shared.bake(KIND, &store, &output)?.args(["--offline"]).done()?;
    let whole_time = start.elapsed();
    for place in [&store, &output] {
        std::fs::remove_dir_all(place)?;
    }

    let (store, output) = (scratch.path().join("store"), scratch.path().join("out"));
    let run = shared.bake(KIND, &store, &output)?.args(["--offline"]);
    let (mut killed, mut tried, mut longest) = (0, 0, whole_time);
    while killed < KILLS {
        ensure!(
            tried < 10 * KILLS,
            "only {killed} of {tried} bakes were still running when they were killed"
        );
        if tried % 5 == 0 {
            // what earlier runs derived makes later ones shorter: start over, to be killed early and late
            let _ = std::fs::remove_dir_all(&store);
            shared.cold_store(KIND, &store)?;
            longest = whole_time;
        }
        let mut child = run.start()?;
        let moment = moment(tried, longest);
        std::thread::sleep(moment);
        child.kill()?;
        if child.wait()?.code().is_none() {
            killed += 1;
        } else {
            // it had ended by then, and so would the next: aim into what a bake takes with this store
            longest = moment;
        }
        if output.exists() {
            for (name, digest) in outputs(&output)?.iter().filter(|(name, _)| !name.starts_with('.')) {
                ensure!(expected.get(name) == Some(digest), "kill {tried}: `{name}` is not whole");
            }
        }
        tried += 1;
    }
    run.done()?;
    ensure!(whole(&output, &KIND.name())? == expected, "the rerun gave other bytes");
    shared.run("store").args(["verify"]).option("--store", &store).done()?;
    let left = std::fs::read_dir(store.join("incoming")).context("incoming")?.count();
    ensure!(left == 0, "{left} files are left in the store's `incoming`");
    Ok(())
}

/// The golden ratio's multiples spread any number of moments evenly over the whole time.
fn moment(number: u32, whole: Duration) -> Duration {
    whole.mul_f64((f64::from(number) * 0.618_033_988_75).fract())
}
