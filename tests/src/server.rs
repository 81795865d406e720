//! A file server on the loopback that does as it is told, also what no server should.
//!
//! What a path answers is data: one [`Reply`] for each request in turn, the last one for all that follow. Requests are
//! kept with their headers, connections counted.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The answer to one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// As a good server does: length, strong ETag, ranges, `If-Range`; the connection stays open.
    File(Vec<u8>),
    /// Step by step what goes over the wire; then the connection is closed.
    Raw(Vec<Step>),
}

/// One thing that goes over the wire, or does not.
#[derive(Debug, Clone)]
pub enum Step {
    /// These bytes.
    Send(Vec<u8>),
    /// Nothing for a while.
    Wait(Duration),
    /// These bytes one by one, with a pause after each.
    Drip(Vec<u8>, Duration),
    /// These bytes again and again, until the other side has had enough.
    Endless(Vec<u8>),
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// With its leading `/`.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    routes: Mutex<BTreeMap<String, Vec<Reply>>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    /// How many requests are being answered, and how many were at most.
    busy: AtomicUsize,
    peak: AtomicUsize,
    done: AtomicBool,
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

impl Server {
    /// Starts one that speaks HTTP.
    pub fn start() -> io::Result<Self> {
        Self::run(None)
    }

    /// Starts one that speaks HTTPS.
    pub fn start_tls(config: Arc<rustls::ServerConfig>) -> io::Result<Self> {
        Self::run(Some(config))
    }

    fn run(tls: Option<Arc<rustls::ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, shared) = (listener.local_addr()?, Arc::new(Shared::default()));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if of_thread.done.load(Ordering::Relaxed) {
                    return;
                }
                of_thread.connections.fetch_add(1, Ordering::Relaxed);
                let (shared, tls) = (Arc::clone(&of_thread), tls.clone());
                thread::spawn(move || shared.serve(stream, tls));
            }
        });
        Ok(Self { address, scheme, shared })
    }

    /// What `path` answers, request by request.
    pub fn at(&self, path: &str, replies: Vec<Reply>) -> &Self {
        locked(&self.shared.routes).insert(path.to_owned(), replies);
        self
    }

    /// Nothing is there any longer.
    pub fn clear(&self) {
        locked(&self.shared.routes).clear();
    }

    /// Its URL for a host name that leads to it, without a `/` at the end.
    #[must_use]
    pub fn url_of(&self, host: &str) -> String {
        format!("{}://{host}:{}", self.scheme, self.address.port())
    }

    /// Its URL, without a `/` at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("127.0.0.1")
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.shared.requests).clone()
    }

    /// How many requests were answered at one time, at most.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::Relaxed)
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.done.store(true, Ordering::Relaxed);
        // wakes the listener, so that it ends
        let _ = TcpStream::connect(self.address);
    }
}

impl Reply {
    /// A status line, these headers, that the connection ends, this body, as they are.
    #[must_use]
    pub fn raw(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let headers = [headers, &[("Connection", "close")]].concat();
        Self::Raw(vec![Step::Send(head(status, &headers)), Step::Send(body.to_vec())])
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::raw("302 Found", &[("Location", to), ("Content-Length", "0")], b"")
    }
}

/// A status line and headers, with the empty line.
#[must_use]
pub fn head(status: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{lines}\r\n").into_bytes()
}

impl Shared {
    fn serve(&self, stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) {
        let _ = stream.set_nodelay(true);
        let wire: Box<dyn Wire> = match tls {
            None => Box::new(stream),
            Some(config) => match rustls::ServerConnection::new(config) {
                Ok(connection) => Box::new(rustls::StreamOwned::new(connection, stream)),
                Err(_) => return,
            },
        };
        let mut wire = BufReader::new(wire);
        // an error is the other side's end of it
        while let Ok(Some(request)) = read_request(&mut wire) {
            let busy = self.busy.fetch_add(1, Ordering::Relaxed) + 1;
            self.peak.fetch_max(busy, Ordering::Relaxed);
            let goes_on = self.answer(&mut wire, &request);
            self.busy.fetch_sub(1, Ordering::Relaxed);
            if !goes_on {
                return;
            }
        }
    }

    /// Answers; whether the connection stays open.
    fn answer(&self, wire: &mut BufReader<Box<dyn Wire>>, request: &Request) -> bool {
        match self.next_reply(request.clone()) {
            Reply::File(body) => send_file(wire.get_mut(), request, &body).is_ok(),
            Reply::Raw(steps) => {
                // an error is the other side's end of it
                steps.into_iter().all(|step| self.play(wire.get_mut(), step).is_ok());
                false
            }
        }
    }

    fn next_reply(&self, request: Request) -> Reply {
        let mut requests = locked(&self.requests);
        let earlier = requests.iter().filter(|other| other.path == request.path).count();
        let routes = locked(&self.routes);
        let replies = routes.get(&request.path).map_or(&[][..], Vec::as_slice);
        let reply = replies.get(earlier).or(replies.last()).cloned();
        requests.push(request);
        reply.unwrap_or_else(|| Reply::raw("404 Not Found", &[("Content-Length", "0")], b""))
    }

    fn play(&self, wire: &mut Box<dyn Wire>, step: Step) -> io::Result<()> {
        match step {
            Step::Send(bytes) => wire.write_all(&bytes)?,
            Step::Wait(time) => thread::sleep(time),
            Step::Drip(bytes, pause) => {
                for byte in bytes {
                    wire.write_all(&[byte])?;
                    wire.flush()?;
                    thread::sleep(pause);
                }
            }
            Step::Endless(bytes) => {
                while !self.done.load(Ordering::Relaxed) {
                    wire.write_all(&bytes)?;
                }
            }
        }
        wire.flush()
    }
}

fn send_file(wire: &mut Box<dyn Wire>, request: &Request, body: &[u8]) -> io::Result<()> {
    let etag = format!(
        "\"{:08x}\"",
        body.iter().fold(body.len(), |sum, byte| sum.wrapping_mul(31) + usize::from(*byte))
    );
    let from = request
        .headers
        .get("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
        .filter(|_| request.headers.get("if-range").is_none_or(|expected| *expected == etag));
    let (status, range, rest) = match from {
        None => ("200 OK", String::new(), body),
        Some(from) if from < body.len() => {
            let (last, size) = (body.len() - 1, body.len());
            ("206 Partial Content", format!("bytes {from}-{last}/{size}"), &body[from..])
        }
        Some(_) => ("416 Range Not Satisfiable", format!("bytes */{}", body.len()), &[][..]),
    };
    let length = rest.len().to_string();
    let mut headers = vec![("Content-Length", length.as_str()), ("ETag", &etag), ("Accept-Ranges", "bytes")];
    if !range.is_empty() {
        headers.push(("Content-Range", &range));
    }
    wire.write_all(&head(status, &headers))?;
    wire.write_all(rest)?;
    wire.flush()
}

fn read_request(wire: &mut BufReader<Box<dyn Wire>>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if wire.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        wire.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok(Some(Request { path, headers }))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
