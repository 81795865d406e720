//! `cargo xtask fuzz`: feeds random input to every reader.

use crate::tools;
use anyhow::{Result, ensure};
use xshell::cmd;

/// Fuzz the readers of untrusted input.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this target; all of them without it.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
}

/// Runs each target in turn with the limits that every reader promises: 10 seconds and 256 MiB for one input.
///
/// Corpora are committed, what is found is written below `fuzz/artifacts` and reported as a failure.
pub(crate) fn run(args: &Args) -> Result<()> {
    tools::extension(tools::FUZZ)?;
    let shell = tools::shell()?;
    let cargo = tools::cargo();
    // the sanitizer needs a nightly compiler; the readers have no unsafe code of their own for it to look at
    let list = cmd!(shell, "{cargo} fuzz list").quiet().read()?;
    let targets: Vec<&str> =
        list.lines().filter(|name| args.target.as_deref().is_none_or(|wanted| wanted == *name)).collect();
    ensure!(
        !targets.is_empty(),
        "no such target, expected one of: {}",
        list.split_whitespace().collect::<Vec<_>>().join(", ")
    );
    let seconds = args.seconds.to_string();
    for target in targets {
        cmd!(shell, "{cargo} fuzz run --sanitizer none {target} --")
            .args([
                format!("-max_total_time={seconds}"),
                "-timeout=10".to_owned(),
                // libFuzzer and its corpus take some of it themselves
                "-rss_limit_mb=512".to_owned(),
                "-malloc_limit_mb=256".to_owned(),
                "-print_final_stats=1".to_owned(),
            ])
            .run()?;
    }
    Ok(())
}
