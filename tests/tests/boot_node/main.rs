//! Nodes in machines, with stand-ins for upstream's programs that say how they were started.

mod knc;
mod knd;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::guest::Guest;
use tests::workspace;

const RECV: &str = "/opt/nstance-agent/recv";
const AGENT: &str = "nstance-agent:nstance-agent";
/// A token in shape.
const NONCE: &str = "eyJhbGciOiJub25lIn0.fake.nonce";

/// A service of a node that has all it needs, the port of the node on which it answers, and its user.
type Expected = (&'static str, Option<u16>, &'static str);

/// One of the committed certificates and keys.
fn fixture(name: &str) -> Result<String> {
    let path = workspace::root().join("tests/fixtures/certificates").join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Delivers settings as the agent does, the trigger last; with them certificates by name, each after the key that the agent
/// had made for it, and, where there are any, the cluster's own keys.
fn deliver(guest: &mut Guest, settings: &str, certificates: &[&str]) -> Result<()> {
    let (certificate, key, public) = (fixture("p256.crt")?, fixture("p256.key")?, fixture("p256.pub")?);
    let mut files: Vec<(String, &str, &str)> = Vec::new();
    for name in certificates {
        files.push((format!("/opt/nstance-agent/keys/{name}.key"), "0640", &key));
        files.push((format!("{RECV}/{name}.crt"), "0600", &certificate));
    }
    if !certificates.is_empty() {
        files.push((format!("{RECV}/service-accounts.key"), "0600", &key));
        files.extend(
            ["ca.pub", "service-accounts.pub"]
                .map(|name| (format!("{RECV}/{name}"), "0600", public.as_str())),
        );
    }
    files.push((format!("{RECV}/mutable.env"), "0600", settings));
    files.push((format!("{RECV}/write-files.last"), "0600", "now"));
    let files: Vec<_> =
        files.iter().map(|(path, mode, text)| (path.as_str(), *mode, AGENT, text.as_bytes())).collect();
    guest.write(&files)
}

/// Waits for services.
fn all_up(guest: &mut Guest, services: &[Expected]) -> Result<()> {
    for (name, ..) in services {
        let state = guest.until(&format!("systemctl is-active --quiet {name}.service"));
        state.with_context(|| {
            let said = guest.answer(&format!("systemctl status --no-pager --lines=30 {name}.service"));
            format!("{name} is not up: {said:?}")
        })?;
    }
    Ok(())
}

/// Demands that each service runs as its user, can read all files that it was told of, and answers on its port.
fn all_well(guest: &mut Guest, services: &[Expected]) -> Result<()> {
    for &(name, port, user) in services {
        // Debian's own program, no stand-in
        if name == "containerd" {
            guest.sh("ctr version")?;
            continue;
        }
        let said = said(guest, name, port)?;
        ensure!(said["name"] == name && said["unreadable"] == serde_json::json!([]), "{said}");
        let uid: u32 = guest.sh(&format!("id -u {user}"))?.trim().parse()?;
        ensure!(said["uid"] == uid, "{name} runs as {}, expected {user}, {uid}", said["uid"]);
    }
    Ok(())
}

/// What a service says on its port, or, where it has none, has said in the journal.
fn said(guest: &mut Guest, name: &str, port: Option<u16>) -> Result<Value> {
    let text = match port {
        Some(port) => {
            guest.sh(&format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && head -n 1 <&3'"))?
        }
        None => {
            guest.sh(&format!("journalctl --no-pager --output=cat --unit={name} | grep '^{{' | tail -n 1"))?
        }
    };
    serde_json::from_str(text.trim()).with_context(|| format!("{name} said `{text}`"))
}
