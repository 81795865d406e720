//! Several bakes on one store.

use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use tests::outputs::whole;
use tests::server::{Reply, Server};
use tests::shared::{SMALL as KIND, Shared};

const BAKES: usize = 16;

#[test]
fn sixteen_bakes_on_one_empty_store_fetch_each_file_once_and_all_give_the_same() -> Result<()> {
    let shared = Shared::get()?;
    let expected = shared.reference(KIND)?;
    let scratch = shared.scratch()?;
    let server = Server::start()?;
    let pool = shared.pool(KIND)?;
    for (path, file) in &pool {
        server.at(&format!("/{path}"), vec![Reply::File(std::fs::read(file)?)]);
    }
    let store = scratch.path().join("store");
    let mut children = Vec::new();
    for number in 0..BAKES {
        let output = scratch.path().join(format!("out-{number}"));
        let run = shared.bake(KIND, &store, &output)?.args(["--jobs", "1"]);
        let run = run
            .option("--debian-mirror", format!("{}/debian", server.url()))
            .option("--debian-security-mirror", format!("{}/debian-security", server.url()));
        children.push((run.start()?, output));
    }
    let mut failed = 0;
    for (child, _) in &mut children {
        failed += usize::from(!child.wait()?.success());
    }
    ensure!(failed == 0, "{failed} of {BAKES} bakes failed");
    for (_, output) in &children {
        ensure!(whole(output, &KIND.name())? == expected, "{}", output.display());
    }
    let mut served = BTreeMap::new();
    for request in server.requests() {
        *served.entry(request.path).or_insert(0) += 1;
    }
    let expected: BTreeMap<_, _> = pool.iter().map(|(path, _)| (format!("/{path}"), 1)).collect();
    ensure!(served == expected, "each file once, expected {expected:#?}, found {served:#?}");
    Ok(())
}
