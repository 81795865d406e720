//! Packages that are asked for with one word each: their scripts are interpreted, and what they set up starts and answers.

use anyhow::{Context as _, Result};
use serde_json::Value;
use tests::own_kind::OwnKind;
use tests::schema::Schema;
use tests::shared::Shared;

#[test]
fn servers_of_a_kind_of_ones_own_answer_after_their_first_boot() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let own =
        OwnKind::new(&shared, scratch.path(), &["docker.io", "nginx", "postgresql", "qemu-guest-agent"])?;
    let output = scratch.path().join("dist");
    own.bake(&output)?.args(["--format", "raw"]).done()?;
    let disk = output.join(format!("{}.raw", own.image()));
    let claims = [
        "run curl --fail --silent --retry 30 --retry-all-errors http://localhost/ | grep -F 'Welcome to nginx'",
        // the cluster has an identifier of this machine's own: it was made at this boot
        "run for _ in $(seq 60); do runuser -u postgres -- psql -tAc 'select 1' && exit; sleep 2; done; exit 1",
        "unit docker.service active",
        "run docker version --format '{{.Server.Version}}'",
        "run test -e /usr/sbin/qemu-ga && systemctl is-enabled qemu-guest-agent.service | grep -E 'static|enabled'",
        "run systemctl is-enabled nginx.service docker.service postgresql.service",
        "run test \"$(stat -c %U /var/lib/postgresql)\" = postgres",
    ];
    let mut run = shared.run("boot").args([&disk]).args(["--direct", "--json", "--timeout", "1500"]);
    run = run.args(["--accel", "tcg"]).option("--log", scratch.path().join("console"));
    for claim in claims {
        run = run.args(["--expect", claim]);
    }
    let ended = run.end()?;
    let report: Value = Schema::load("boot")?.check(&ended.stdout)?;
    let met = report["expectations"].as_array().context("expectations")?;
    let unmet: Vec<&Value> = met.iter().filter(|one| !one["seconds"].is_number()).collect();
    assert!(met.len() == claims.len() && unmet.is_empty(), "{unmet:#?}\n{}", ended.stderr);
    assert_eq!(ended.code, Some(0), "{ended}");
    Ok(())
}
