//! Emits a test image: `emit-sample sample|small STORE OUTPUT JOBS keep|no-keep FORMAT,…`. Tests run it in other surroundings, with
//! system calls that fail, and kill it.

use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, image, store, output, jobs, keep, formats] = arguments.as_slice() else {
        anyhow::bail!("expected six arguments")
    };
    let store = tests::keyed::open(&PathBuf::from(store))?;
    let (tree, _) =
        if image == "small" { tests::image::small(&store)? } else { tests::image::sample(&store)? };
    let formats = formats.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?;
    let (jobs, keep_frames) = (jobs.parse()?, keep == "keep");
    let options = bake::emit::Options { jobs, keep_frames, published: bake::emit::NOWHERE };
    let plan = tests::image::plan()?;
    let prepared = tests::image::with_hint(bake::emit::prepare(&tree, &plan, &formats))?;
    tests::image::with_hint(prepared.write(&store, &PathBuf::from(output), options, |_| {}))?;
    Ok(())
}
