//! `fetch`: everything that an image is made of into the store, for a bake without a network.

use crate::console::{self, size};
use crate::pipeline;
use crate::places::{PlaceArgs, StoreArgs};
use crate::progress::ShowArgs;
use crate::selection::Selection;

/// Fetch everything that an image is made of into the store
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(serde::Serialize)]
struct Report {
    inputs: usize,
    bytes: u64,
    transferred: u64,
    seconds: f64,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let show = args.show.show();
    let (inputs, plan) = args.selection.planned(&show)?;
    let options = args.places.options(&inputs.project, &inputs.sources, args.selection.way_out(&inputs))?;
    let store = args.store.open_with_known_key()?;
    let _rejected = console::Rejected(&store);
    let fetched = pipeline::fetch_all(&plan, &store, &options, &show)?;
    let report = Report {
        inputs: fetched.count(),
        bytes: fetched.bytes(),
        transferred: fetched.transferred(),
        seconds: show.seconds(),
    };
    if args.show.json {
        return console::json(&report);
    }
    console::line(format!(
        "{} inputs ({}) are in the store; {} were transferred",
        report.inputs,
        size(report.bytes),
        size(report.transferred)
    ));
    Ok(())
}
