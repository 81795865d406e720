//! `serve`: an output directory over HTTP, as Podplane's mirrors lay files out.
//!
//! ```text
//! /manifests/vmconfig_<kind>_debian-13_<arch>.json           what the CLI asks for
//! /vmconfig/artifacts/<dependency>/<version>/<file>          the image and its archive, as newer mirrors have them
//! /<dependency>/<version>/<file>                             as older ones have them
//! /<file>                                                    any file of the directory
//! ```
//! It is for machines of one's own: what stands in the directory is public, nothing else can be reached, and nothing can be
//! written. A manifest that does not say where it is published is given the address that it was asked for at.

mod answer;
mod request;
mod routes;

use crate::console;
use answer::{Answer, Body};
use anyhow::Context as _;
use request::Request;
use routes::Found;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tree::refusal::{Class, Refusal, Stage};

/// Connections at once; more are closed.
const MOST: usize = 256;
/// How long a client may say or take nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serve an output directory as a mirror: images, manifests and archives, for `podplane local start` and for user-data scripts
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The output directory of `bake --format qcow2`
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The address to listen on; port 0 chooses a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// Runs it until it is stopped.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if !args.dir.is_dir() {
        let dir = args.dir.display().to_string();
        return Err(Refusal::new(Class::Usage, dir, Stage::Parse, "expected a directory").into());
    }
    let listener =
        TcpListener::bind(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    console::line(format!("serving `{}` at http://{address}", args.dir.display()));
    for manifest in routes::manifests(&args.dir)? {
        console::line(format!("http://{address}/manifests/{manifest}"));
    }
    let (dir, open) = (Arc::new(args.dir.clone()), Arc::new(AtomicUsize::new(0)));
    for stream in listener.incoming() {
        // a client that has gone already is no fault of ours
        let Ok(stream) = stream else { continue };
        if open.fetch_add(1, Ordering::Relaxed) >= MOST {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (dir, open) = (Arc::clone(&dir), Arc::clone(&open));
        std::thread::spawn(move || {
            // what a client did wrong, or did not wait for, concerns nobody else
            let _ = converse(&stream, &dir);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
    Ok(())
}

/// Answers the requests of one connection.
fn converse(stream: &TcpStream, dir: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let request = match Request::read(&mut reader)? {
            None => return Ok(()),
            Some(Ok(request)) => request,
            Some(Err(status)) => return send(stream, &Answer::of(status), None, false),
        };
        let found = routes::find(dir, &request)?;
        let answer = answer::answer(&request, found.as_ref());
        send(stream, &answer, found, request.keeps)?;
        if !request.keeps {
            return Ok(());
        }
    }
}

fn send(mut stream: &TcpStream, answer: &Answer, found: Option<Found>, keeps: bool) -> io::Result<()> {
    stream.write_all(answer.head(keeps).as_bytes())?;
    match (answer.body, found) {
        (Body::Text(text), _) => stream.write_all(text.as_bytes()),
        (Body::None, _) | (_, None) => Ok(()),
        (Body::Range(from, len), Some(found)) => match found.content {
            routes::Content::Bytes(bytes) => {
                let (from, len) = (usize::try_from(from).unwrap_or(0), usize::try_from(len).unwrap_or(0));
                stream.write_all(bytes.get(from..from + len).unwrap_or_default())
            }
            routes::Content::File(file) => copy(file, from, len, stream),
        },
    }
}

fn copy(mut file: File, from: u64, len: u64, mut stream: &TcpStream) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let copied = io::copy(&mut file.take(len), &mut stream)?;
    // the length was promised: a file that has become shorter ends the connection
    if copied == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
