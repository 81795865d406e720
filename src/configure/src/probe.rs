//! Names and servers: resolving a host, and whether a server takes a connection.
//!
//! The resolver is libc's, with the machine's own `/etc/hosts` and `resolv.conf`; addresses come back sorted as text
//! and each once, so that their order in a file is no chance.

use crate::refusal::{Class, Fault, Refusal, Result};
use crate::rules::HostPort;
use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// How long a server may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The addresses of `host`; none at all when there is no such name.
#[must_use]
pub fn resolve(host: &str) -> Vec<IpAddr> {
    if let Ok(address) = host.parse() {
        return vec![address];
    }
    let mut out: Vec<IpAddr> =
        (host, 0).to_socket_addrs().map(|all| all.map(|one| one.ip()).collect()).unwrap_or_default();
    out.sort_by_key(ToString::to_string);
    out.dedup();
    out
}

/// Both servers are asked at once; each has five seconds in all. Every one that does not answer is told of.
pub fn servers(servers: &[(&str, HostPort)]) -> Result<()> {
    let threads: Vec<_> = servers
        .iter()
        .map(|(_, server)| {
            let server = server.clone();
            std::thread::Builder::new().stack_size(256 * 1024).spawn(move || answers(&server))
        })
        .collect();
    let mut faults = Vec::new();
    for ((key, server), thread) in servers.iter().zip(threads) {
        let answer = thread.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| answers(server));
        if let Err(why) = answer {
            faults.push(
                Fault::new(crate::names::USER_DATA, format!("expected a server that takes connections within 5 s: {why}"))
                    .key(*key)
                    .hint("is the server up, and may this node reach it? configure tries again when it is run again"),
            );
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal { class: Class::Network, faults }) }
}

/// Whether any of the server's addresses takes a connection in time; the reason names no address.
fn answers(server: &HostPort) -> std::result::Result<(), String> {
    let end = Instant::now() + LIMIT;
    let addresses: Vec<_> = (server.host.as_str(), server.port)
        .to_socket_addrs()
        .map_err(|_| "the name has no address".to_owned())?
        .collect();
    let mut why = "the name has no address".to_owned();
    for address in addresses {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(_) => return Ok(()),
            Err(error) => why = error.kind().to_string(),
        }
    }
    Err(why)
}
