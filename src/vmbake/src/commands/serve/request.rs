//! A request: the head of HTTP/1.1 (RFC 9112), as far as it matters here. No body is read: whoever sends one is told no.

use std::io::{self, BufRead, Read as _};

/// The longest head.
const MOST: u64 = 16 << 10;

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// Whether only the head of the answer is wanted.
    pub(super) is_head: bool,
    /// The path, without a query.
    pub(super) path: String,
    /// `Host`.
    pub(super) host: String,
    /// `Range`.
    pub(super) range: Option<String>,
    /// `If-Range`.
    pub(super) if_range: Option<String>,
    /// `If-None-Match`.
    pub(super) if_none_match: Option<String>,
    /// `If-Modified-Since`.
    pub(super) if_modified_since: Option<String>,
    /// Whether another request may follow on this connection.
    pub(super) keeps: bool,
}

impl Request {
    /// Reads one; none at the end of the connection, and the status of the answer where it is no such request.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Result<Self, u16>>> {
        let mut head = Vec::new();
        let mut limited = reader.take(MOST);
        loop {
            let before = head.len();
            limited.read_until(b'\n', &mut head)?;
            match &head[before..] {
                [] if head.is_empty() => return Ok(None),
                [] => return Ok(Some(Err(if head.len() as u64 == MOST { 431 } else { 400 }))),
                // empty lines before a request are passed over
                b"\r\n" | b"\n" if before == 0 => head.clear(),
                b"\r\n" | b"\n" => break,
                _ => {}
            }
        }
        Ok(Some(std::str::from_utf8(&head).map_err(|_| 400).and_then(Self::parse)))
    }

    fn parse(head: &str) -> Result<Self, u16> {
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(400);
        };
        let keeps = match version {
            "HTTP/1.1" => true,
            "HTTP/1.0" => false,
            _ => return Err(505),
        };
        if !matches!(method, "GET" | "HEAD") {
            return Err(405);
        }
        // a proxy is asked with the whole URL
        let path = target
            .strip_prefix("http://")
            .map_or(target, |rest| &rest[rest.find('/').unwrap_or(rest.len())..]);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let mut request = Self { is_head: method == "HEAD", path: path.to_owned(), keeps, ..Self::default() };
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(400_u16)?;
            let value = value.trim().to_owned();
            match name.to_ascii_lowercase().as_str() {
                "host" => request.host = value,
                "range" => request.range = Some(value),
                "if-range" => request.if_range = Some(value),
                "if-none-match" => request.if_none_match = Some(value),
                "if-modified-since" => request.if_modified_since = Some(value),
                "connection" if value.eq_ignore_ascii_case("close") => request.keeps = false,
                "content-length" if value != "0" => return Err(413),
                "transfer-encoding" => return Err(413),
                _ => {}
            }
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Result<Request, u16>> {
        Request::read(&mut text.as_bytes()).unwrap()
    }

    #[test]
    fn requests_are_read_and_what_is_none_is_told_so() {
        let text = "\r\nHEAD /a/b?c=d HTTP/1.1\r\nHOST: x:1\r\nRange:bytes=0-1\r\nConnection: Close\r\n\r\n";
        let request = read(text).unwrap().unwrap();
        assert_eq!((request.path.as_str(), request.host.as_str(), request.is_head), ("/a/b", "x:1", true));
        assert_eq!((request.range.as_deref(), request.keeps), (Some("bytes=0-1"), false));
        assert_eq!(read("GET http://h/p HTTP/1.0\n\n").unwrap().unwrap().path, "/p");
        assert_eq!(read(""), None);
        for (text, status) in [
            ("GET /\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n", 400),
            ("GET / HTTP/2\r\n\r\n", 505),
            ("PUT /a HTTP/1.1\r\n\r\n", 405),
            ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 413),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
            (&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000)), 431),
        ] {
            assert_eq!(read(text), Some(Err(status)), "{}", &text[..text.len().min(60)]);
        }
    }
}
