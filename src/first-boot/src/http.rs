//! A client of HTTP/1.1 for metadata services: plain, bounded in time and size, and no further than one host.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// The most that a body may have.
const MOST_BYTES: usize = 32 << 20;
/// The most that the headers of an answer may have.
const MOST_HEADERS: usize = 64 << 10;
/// How many redirects are followed.
const MOST_REDIRECTS: usize = 3;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until a connection is there.
    pub connect: Duration,
    /// One request with its answer.
    pub request: Duration,
    /// All tries for one thing.
    pub total: Duration,
    /// All there is, from the first request on: later ones are tried once.
    pub whole: Duration,
    /// Between two tries, at first; doubled each time, up to sixteen times that.
    pub pause: Duration,
}

/// What services of clouds are given: their network may come up seconds after ours.
pub const USUAL: Limits = Limits {
    connect: Duration::from_secs(3),
    request: Duration::from_secs(20),
    total: Duration::from_secs(120),
    whole: Duration::from_secs(240),
    pause: Duration::from_millis(125),
};

/// What they are given by a machine that was configured before: its users wait for it.
pub const AGAIN: Limits = Limits { total: Duration::from_secs(30), whole: Duration::from_secs(60), ..USUAL };

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// `GET`, `PUT` or `POST`.
    pub method: &'static str,
    /// Where, with a query.
    pub path: &'r str,
    /// Headers, in addition to the service's own.
    pub headers: &'r [(&'r str, &'r str)],
    /// What is sent; nothing with `GET`.
    pub body: &'r [u8],
}

impl<'r> Request<'r> {
    /// What is at `path`.
    #[must_use]
    pub fn get(path: &'r str) -> Self {
        Self { method: "GET", path, headers: &[], body: &[] }
    }
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// `169.254.169.254`, `[fd00:ec2::254]` or a name; with a port where it is not 80.
    pub host: String,
    /// Headers of each request.
    pub headers: Vec<(String, String)>,
    /// How long things may take.
    pub limits: Limits,
    /// Since when it is asked.
    begun: Instant,
}

impl Service {
    /// The service at `host`.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self::with(host, USUAL)
    }

    /// The same, with limits.
    #[must_use]
    pub fn with(host: &str, limits: Limits) -> Self {
        Self { host: host.to_owned(), headers: Vec::new(), limits, begun: Instant::now() }
    }

    /// The service at the first of `hosts` that takes a connection: a network may have one version of IP alone. The first one
    /// where none does for as long as one thing is tried.
    #[must_use]
    pub fn at_one_of(hosts: &[&str], limits: Limits) -> Self {
        let services: Vec<Self> = hosts.iter().map(|host| Self { limits, ..Self::new(host) }).collect();
        let start = Instant::now();
        loop {
            if let Some(found) = services.iter().find(|service| service.connect().is_ok()) {
                return found.clone();
            }
            if start.elapsed() + limits.pause >= limits.total {
                // what is left is for one more try
                let first = Self::with(hosts.first().copied().unwrap_or_default(), limits);
                return Self {
                    begun: start,
                    limits: Limits { whole: start.elapsed() + limits.connect, ..limits },
                    ..first
                };
            }
            std::thread::sleep(limits.pause);
        }
    }

    /// What is at `path`; none where the service says that there is nothing.
    ///
    /// # Errors
    ///
    /// A service that does not answer, or with anything but success and 404.
    pub fn get(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.ask(&Request::get(path), |status| status == 404)
            .map(|answer| (answer.status == 200).then_some(answer.body))
    }

    /// What is at `path` and must be there: a service may begin with 404.
    ///
    /// # Errors
    ///
    /// A service that does not answer, or without success.
    pub fn need(&self, path: &str) -> Result<Vec<u8>, String> {
        self.ask(&Request::get(path), |_| false).map(|answer| answer.body)
    }

    /// Asks again until the answer is a success or `ends`, for as long as the limits say.
    ///
    /// # Errors
    ///
    /// Why the last try failed.
    pub fn ask(&self, request: &Request<'_>, ends: impl Fn(u16) -> bool) -> Result<Answer, String> {
        let path = request.path;
        let start = Instant::now();
        let mut pause = self.limits.pause;
        loop {
            if self.begun.elapsed() >= self.limits.whole {
                return Err(format!("http://{}{path}: no time is left", self.host));
            }
            let what = match self.once(request) {
                Ok(answer) if answer.status == 200 || ends(answer.status) => return Ok(answer),
                // it will not change its mind
                Ok(Answer { status: status @ (400 | 401 | 403 | 405), .. }) => {
                    return Err(format!("http://{}{path}: status {status}", self.host));
                }
                Ok(answer) => format!("status {}", answer.status),
                Err(what) => what,
            };
            if start.elapsed() + pause >= self.limits.total || self.begun.elapsed() >= self.limits.whole {
                return Err(format!("http://{}{path}: {what}", self.host));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(self.limits.pause * 16);
        }
    }

    /// One try, with redirects on the same host.
    fn once(&self, request: &Request<'_>) -> Result<Answer, String> {
        let mut path = request.path.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let (answer, location) = self.exchange(&Request { path: &path, ..*request })?;
            if !(301..=308).contains(&answer.status) || answer.status == 304 {
                return Ok(answer);
            }
            let location = location.ok_or("a redirect without a place")?;
            let here = format!("http://{}/", self.host);
            path = match (location.starts_with("//"), location.strip_prefix(&here)) {
                (false, _) if location.starts_with('/') => location,
                (_, Some(rest)) => format!("/{rest}"),
                _ => return Err("a redirect to another host".to_owned()),
            };
        }
        Err(format!("more than {MOST_REDIRECTS} redirects"))
    }

    fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let has_port = self.host.rsplit_once(':').is_some_and(|(before, port)| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && (!before.contains(':') || before.ends_with(']'))
        });
        let place = if has_port { self.host.clone() } else { format!("{}:80", self.host) };
        place.to_socket_addrs().map(Iterator::collect).map_err(|error| format!("`{}`: {error}", self.host))
    }

    fn connect(&self) -> Result<TcpStream, String> {
        let mut last = "no address".to_owned();
        for address in self.addresses()? {
            match TcpStream::connect_timeout(&address, self.limits.connect) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }

    fn exchange(&self, request: &Request<'_>) -> Result<(Answer, Option<String>), String> {
        let Request { method, path, headers, body } = *request;
        // each is a word of the request: what comes from outside cannot add lines to it
        let own = self.headers.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> = own.chain(headers.iter().copied()).collect();
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if ![path, &self.host].into_iter().chain(headers.iter().map(|(_, value)| *value)).all(is_word) {
            return Err(
                "expected a host, a path and headers without blanks and control characters".to_owned()
            );
        }
        let until = (Instant::now() + self.limits.request).min(self.begun + self.limits.whole);
        let mut stream = self.connect()?;
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: */*\r\n",
            self.host
        );
        for (key, value) in headers {
            request.push_str(&format!("{key}: {value}\r\n"));
        }
        if method != "GET" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let request = [request.as_bytes(), body].concat();
        let wrong = |error: std::io::Error| error.to_string();
        stream.set_write_timeout(Some(self.limits.request)).map_err(wrong)?;
        stream.write_all(&request).map_err(wrong)?;
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("no whole answer within {} s", self.limits.request.as_secs()));
            }
            stream.set_read_timeout(Some(left)).map_err(wrong)?;
            match stream.read(&mut buffer) {
                Ok(0) => return parse(&bytes, true)?.ok_or_else(|| "the answer was cut off".to_owned()),
                Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(wrong(error)),
            }
            if bytes.len() > MOST_BYTES + MOST_HEADERS {
                return Err(format!("expected at most {MOST_BYTES} bytes"));
            }
            // a service may keep the connection open in spite of `Connection: close`
            if let Some(answer) = parse(&bytes, false)? {
                return Ok(answer);
            }
        }
    }
}

/// An answer with where it redirects to; none where more has to come, which `is_whole` rules out.
///
/// # Errors
///
/// What is no answer.
pub fn parse(bytes: &[u8], is_whole: bool) -> Result<Option<(Answer, Option<String>)>, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        if bytes.len() > MOST_HEADERS {
            return Err(format!("expected at most {MOST_HEADERS} bytes of headers"));
        }
        return Ok(None);
    };
    let (head, body) = (bytes.get(..end).unwrap_or_default(), bytes.get(end + 4..).unwrap_or_default());
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse::<u16>().ok());
    let status =
        status.filter(|status| (200..600).contains(status)).ok_or("expected an answer of HTTP/1.1")?;
    let header = |name: &str| {
        let found = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        found
            .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .next()
    };
    let location = header("location");
    let answer = |body: Vec<u8>| Ok(Some((Answer { status, body }, location.clone())));
    if status == 204 || status == 304 {
        return answer(Vec::new());
    }
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return match chunks(body)? {
            Some(body) => answer(body),
            None => Ok(None),
        };
    }
    match header("content-length") {
        Some(length) => {
            let length: usize = length.parse().map_err(|_| "expected a number as Content-Length")?;
            if length > MOST_BYTES {
                return Err(format!("expected at most {MOST_BYTES} bytes, found {length}"));
            }
            match body.get(..length) {
                Some(body) => answer(body.to_vec()),
                None => Ok(None),
            }
        }
        None if is_whole => answer(body.to_vec()),
        None => Ok(None),
    }
}

/// The body of chunks; none where the last one is not there.
fn chunks(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
        let line = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok().filter(|size| *size <= MOST_BYTES);
        let size = size.ok_or("expected the size of a chunk")?;
        bytes = bytes.get(end + 2..).unwrap_or_default();
        if size == 0 {
            return Ok(Some(body));
        }
        let Some(chunk) = bytes.get(..size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        match bytes.get(size..size + 2) {
            Some(b"\r\n") => bytes = bytes.get(size + 2..).unwrap_or_default(),
            Some(_) => return Err("expected the end of a chunk".to_owned()),
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
