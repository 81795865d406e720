//! What a bake does not do: start programs, or, offline, open a socket.

use anyhow::{Context as _, Result, ensure};
use tests::outputs::whole;
use tests::run::Run;
use tests::shared::{BASE, Image, Shared};
use tests::standin::Arch;
use tests::trace::Trace;

/// Proxies that nobody should ask: nothing listens on the discard port.
fn hostile_proxies(run: Run) -> Run {
    ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .iter()
        .fold(run, |run, name| run.env(name, "http://127.0.0.1:9/"))
}

/// Bakes `image` offline from a store with just its inputs, traced.
fn traced_offline(image: Image) -> Result<Trace> {
    let shared = Shared::get()?;
    let expected = shared.reference(image)?;
    let scratch = shared.scratch()?;
    let (store, output, trace) =
        (scratch.path().join("store"), scratch.path().join("out"), scratch.path().join("trace"));
    shared.cold_store(image, &store)?;
    let run = shared.bake(image, &store, &output)?.args(["--offline"]).traced_to(&trace);
    hostile_proxies(run).done()?;
    ensure!(whole(&output, &image.name())? == expected);
    let trace = Trace::load(&trace)?;
    ensure!(trace.started_programs() == [shared.program().to_str().context("a path in UTF-8")?], "{trace:?}");
    Ok(trace)
}

#[test]
fn an_offline_bake_opens_no_socket_and_starts_no_program() -> Result<()> {
    for image in [BASE, Image { kind: "knc", arch: Arch::Amd64 }] {
        let trace = traced_offline(image)?;
        ensure!(trace.sockets().is_empty(), "{:?}", trace.sockets());
    }
    Ok(())
}

#[test]
fn a_bake_that_has_everything_makes_no_connection_without_being_told() -> Result<()> {
    let shared = Shared::get()?;
    let (store, scratch) = (shared.warm_store(BASE)?, shared.scratch()?);
    let (output, trace) = (scratch.path().join("out"), scratch.path().join("trace"));
    hostile_proxies(shared.bake(BASE, &store, &output)?.traced_to(&trace)).done()?;
    let trace = Trace::load(&trace)?;
    let connections: Vec<_> = trace.sockets().into_iter().filter(|call| call.contains("AF_INET")).collect();
    ensure!(connections.is_empty(), "{connections:?}");
    ensure!(trace.started_programs().len() == 1, "{:?}", trace.started_programs());
    Ok(())
}

#[test]
fn building_programs_of_the_image_is_the_only_time_that_programs_are_started() -> Result<()> {
    let shared = Shared::get()?;
    let image = Image { kind: "knd", arch: Arch::Amd64 };
    let (store, scratch) = (shared.warm_store(image)?, shared.scratch()?);
    let (output, trace) = (scratch.path().join("out"), scratch.path().join("trace"));
    let (name, checkout) = (image.name(), scratch.path().join("checkout"));
    shared.copy_checkout(&checkout)?;
    let run = shared
        .run("bake")
        .args(["--kind", image.kind, "--arch", "amd64", "--offline"])
        .option("--lock", shared.lock(image)?)
        .option("--manifest", shared.manifest(image)?)
        .option("--store", store)
        .option("--output", &output);
    run.from_folder(&checkout).traced_to(&trace).done()?;
    let trace = Trace::load(&trace)?;
    let started = trace.started_programs();
    ensure!(started.iter().any(|path| path.ends_with("/cargo")), "cargo was not started: {started:?}");
    // the C compiler links what a crate of such a program asks of the machine before it is built
    let compiler = ["cc", "collect2", "ld"];
    let toolchain = ["cargo", "rustc", "rustup", "rust-lld", "ld.lld", "gcc-ld", "vmbake"];
    for path in &started {
        let name = path.rsplit('/').next().unwrap_or(path);
        // what a crate of such a program asks of the compiler before it is built is a part of that build
        if name == "build-script-build" && path.contains("/image/configure/build/") {
            continue;
        }
        ensure!(
            toolchain.contains(&name) || compiler.contains(&name),
            "`{path}` was started, which is no part of the toolchain: {started:?}"
        );
    }
    // built for the tests or by the bake itself, in this folder or in another, they are the same, and so is all else
    ensure!(whole(&output, &name)? == shared.reference(image)?);
    Ok(())
}
