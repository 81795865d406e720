//! Several bakes on one store.

use anyhow::{Result, ensure};
use tests::outputs::whole;
use tests::server::Server;
use tests::shared::{BASE, Shared};

const BAKES: usize = 16;

#[test]
fn p01_sixteen_bakes_on_one_empty_store_fetch_each_file_once_and_all_give_the_same() -> Result<()> {
    let shared = Shared::get()?;
    let wanted = shared.reference(BASE)?;
    let scratch = shared.scratch()?;
    let server = Server::start(shared.pool(BASE)?)?;
    let store = scratch.path().join("store");
    let mut children = Vec::new();
    for number in 0..BAKES {
        let output = scratch.path().join(format!("out-{number}"));
        let run = shared.bake(BASE, &store, &output)?.args(["--jobs", "1"]);
        let run = run
            .option("--debian-mirror", server.url("debian"))
            .option("--debian-security-mirror", server.url("debian-security"));
        children.push((run.start()?, output));
    }
    let mut failed = 0;
    for (child, _) in &mut children {
        failed += usize::from(!child.wait()?.success());
    }
    ensure!(failed == 0, "{failed} of {BAKES} bakes failed");
    for (_, output) in &children {
        ensure!(whole(output, &BASE.name())? == wanted, "{}", output.display());
    }
    let served = server.served();
    ensure!(served.len() > 100, "only {} files were fetched", served.len());
    let more: Vec<_> = served.iter().filter(|(_, times)| **times != 1).collect();
    ensure!(more.is_empty(), "fetched more than once: {more:?}");
    Ok(())
}
