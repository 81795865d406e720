//! Another process at a store, for tests that stop it, kill it, or take its rights away.
//!
//! `store-actor <deed> <store> [<argument>…]`; says `ready` on a line of its own, and the refusal where there is one.

use anyhow::{Context as _, Result, bail};
use bake::fetch::{Options, Silent, fetch};
use bake::plan::{Requirement, Source};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use store::Begun;
use tree::digest::Sha256;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match act(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let refusal = error.downcast_ref::<tree::refusal::Refusal>();
            let _ = writeln!(
                std::io::stdout(),
                "{}",
                refusal.map_or_else(|| format!("{error:#}"), ToString::to_string)
            );
            refusal.map_or(ExitCode::FAILURE, |refusal| ExitCode::from(refusal.class.exit_code()))
        }
    }
}

fn act(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [deed, root, rest @ ..] = &arguments[..] else { bail!("expected a deed and a store") };
    let store = tests::keyed::open(Path::new(root)).map_err(whole)?;
    match (*deed, rest) {
        // keeps the store open
        ("open", []) => wait(),
        // holds the transfer of a digest
        ("hold", [digest]) => {
            let Begun::Ours(mut transfer) = store.begin(&digest.parse()?).map_err(whole)? else {
                bail!("not ours")
            };
            transfer.file().write_all(b"some of it")?;
            wait()
        }
        // writes so many bytes of a derived blob, and a note
        ("commit", [size]) => {
            let bytes = vec![b'x'; size.parse()?];
            let mut incoming = store.incoming().map_err(whole)?;
            let written = incoming.write_all(&bytes).and_then(|()| incoming.flush());
            written.map_err(|error| {
                whole(tree::refusal::Refusal::io("blob", tree::refusal::Stage::Store, "write", &error))
            })?;
            let (digest, _) = incoming.commit().map_err(whole)?;
            store.put_note("actor-1", &digest, b"noted").map_err(whole)
        }
        // writes until it is killed
        ("churn", []) => {
            say_ready()?;
            for n in 0_u64.. {
                let mut incoming = store.incoming().map_err(whole)?;
                incoming.write_all(&n.to_le_bytes().repeat(100_000))?;
                let (digest, _) = incoming.commit().map_err(whole)?;
                store.put_note("actor-1", &digest, &n.to_le_bytes()).map_err(whole)?;
            }
            Ok(())
        }
        // fetches `<mirror> <sha256> <size>` as component `thing` 1
        ("fetch", [mirror, digest, size]) => {
            let options = Options {
                mirrors: vec![mirror.parse()?],
                offline: *mirror == "/nowhere",
                ..Options::default()
            };
            let digest = Sha256::from_hex(digest)?.into();
            let source = Source::Upstream { url: "https://127.0.0.1:9/thing.bin".to_owned() };
            let requirement = Requirement {
                name: "thing".parse()?,
                version: "1".to_owned(),
                digest,
                size: size.parse()?,
                source,
            };
            fetch(&store, &[requirement], &options, &Silent).map(|_| ()).map_err(whole)
        }
        _ => bail!("unknown deed `{deed}`"),
    }
}

/// A refusal as an error that keeps its class.
fn whole(refusal: tree::refusal::Refusal) -> anyhow::Error {
    anyhow::Error::new(refusal)
}

fn say_ready() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "ready").and_then(|()| out.flush()).context("nobody listens")
}

/// Says `ready`, then waits for the end of its input.
fn wait() -> Result<()> {
    say_ready()?;
    let _ = std::io::stdin().read(&mut [0])?;
    Ok(())
}
