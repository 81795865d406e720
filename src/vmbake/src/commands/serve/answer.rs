//! The answer to a request: which status, which headers, which bytes (RFC 9110: conditional requests and ranges).

use super::request::Request;
use super::routes::Found;
use std::fmt::Write as _;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// What follows the head.
    pub(super) body: Body,
}

/// What follows the head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// Nothing.
    None,
    /// A line for a person.
    Text(&'static str),
    /// So many bytes of what was found, from there on.
    Range(u64, u64),
}

/// The answer where `found` is what the request's path leads to.
pub(super) fn answer(request: &Request, found: Option<&Found>) -> Answer {
    let Some(found) = found else { return Answer::of(404).without_body(request.is_head) };
    let about = || {
        let mut headers =
            vec![("Accept-Ranges", "bytes".to_owned()), ("Cache-Control", "no-cache".to_owned())];
        headers.extend(found.tag.iter().map(|tag| ("ETag", tag.clone())));
        headers.extend(found.modified.iter().map(|date| ("Last-Modified", date.clone())));
        headers
    };
    if is_known(request, found) {
        return Answer { status: 304, headers: about(), body: Body::None };
    }
    let mut headers = about();
    headers.push(("Content-Type", found.sort.to_owned()));
    let (status, from, len) = match range(request, found) {
        Ranged::Whole => (200, 0, found.len),
        Ranged::Part(from, len) => {
            headers.push(("Content-Range", format!("bytes {from}-{}/{}", from + len - 1, found.len)));
            (206, from, len)
        }
        Ranged::Beyond => {
            let mut answer = Answer::of(416).without_body(request.is_head);
            answer.headers.push(("Content-Range", format!("bytes */{}", found.len)));
            return answer;
        }
    };
    headers.push(("Content-Length", len.to_string()));
    Answer { status, headers, body: Body::Range(from, len) }.without_body(request.is_head)
}

impl Answer {
    /// One without a file.
    pub(super) fn of(status: u16) -> Self {
        let text = reason(status);
        let mut headers = vec![("Content-Type", "text/plain".to_owned())];
        headers.push(("Content-Length", text.len().to_string()));
        if status == 405 {
            headers.push(("Allow", "GET, HEAD".to_owned()));
        }
        Self { status, headers, body: Body::Text(text) }
    }

    /// The same without its body where `is_head`; its length stays.
    fn without_body(mut self, is_head: bool) -> Self {
        if is_head {
            self.body = Body::None;
        }
        self
    }

    /// Its head, as it is sent.
    pub(super) fn head(&self, keeps: bool) -> String {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            // writing to a string cannot fail
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if !keeps {
            text.push_str("Connection: close\r\n");
        }
        text.push_str("\r\n");
        text
    }
}

/// Whether the client has it already.
fn is_known(request: &Request, found: &Found) -> bool {
    match (&request.if_none_match, &request.if_modified_since) {
        (Some(tags), _) => {
            let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            tags.trim() == "*" || tags.split(',').any(|tag| found.tag.as_ref() == Some(&weak(tag)))
        }
        // clients say again what they were told: to compare the text is enough, and never says that an old file is new
        (None, Some(date)) => found.modified.as_ref() == Some(date),
        (None, None) => false,
    }
}

enum Ranged {
    Whole,
    Part(u64, u64),
    Beyond,
}

/// The one range that is asked for; several, or what cannot be understood, are answered with all of it.
fn range(request: &Request, found: &Found) -> Ranged {
    let Some(text) = &request.range else { return Ranged::Whole };
    let is_same = |mark: &String| found.tag.as_ref() == Some(mark) || found.modified.as_ref() == Some(mark);
    if !request.if_range.as_ref().is_none_or(is_same) {
        return Ranged::Whole;
    }
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let Some((from, to)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ranged::Whole;
    };
    let (from, to) = match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => (from, to.min(found.len.saturating_sub(1))),
        (Some(from), None) if to.is_empty() => (from, found.len.saturating_sub(1)),
        (None, Some(0)) if from.is_empty() => return Ranged::Beyond,
        (None, Some(last)) if from.is_empty() => {
            (found.len.saturating_sub(last), found.len.saturating_sub(1))
        }
        _ => return Ranged::Whole,
    };
    if from >= found.len { Ranged::Beyond } else { Ranged::Part(from, to - from + 1) }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::super::routes::Content;
    use super::*;

    fn found() -> Found {
        Found {
            content: Content::Bytes(b"0123456789".to_vec()),
            len: 10,
            tag: Some("\"abc\"".to_owned()),
            modified: Some("Sun, 29 Nov 2026 00:00:00 GMT".to_owned()),
            sort: "application/json",
        }
    }

    fn asked(set: impl FnOnce(&mut Request)) -> (u16, Body, Option<String>) {
        let mut request = Request { path: "/x".to_owned(), ..Request::default() };
        set(&mut request);
        let answer = answer(&request, Some(&found()));
        let range = answer.headers.iter().find(|(name, _)| *name == "Content-Range");
        (answer.status, answer.body, range.map(|(_, value)| value.clone()))
    }

    #[test]
    fn ranges_are_answered_as_rfc_9110_says() {
        for (range, status, body, said) in [
            ("bytes=0-3", 206, Body::Range(0, 4), Some("bytes 0-3/10")),
            ("bytes=5-", 206, Body::Range(5, 5), Some("bytes 5-9/10")),
            ("bytes=-3", 206, Body::Range(7, 3), Some("bytes 7-9/10")),
            ("bytes=-99", 206, Body::Range(0, 10), Some("bytes 0-9/10")),
            ("bytes=9-99", 206, Body::Range(9, 1), Some("bytes 9-9/10")),
            ("bytes=10-", 416, Body::Text("Range Not Satisfiable"), Some("bytes */10")),
            ("bytes=-0", 416, Body::Text("Range Not Satisfiable"), Some("bytes */10")),
            ("bytes=99999999999999999999-", 416, Body::Text("Range Not Satisfiable"), Some("bytes */10")),
            ("bytes=3-1", 200, Body::Range(0, 10), None),
            ("bytes=0-1,3-4", 200, Body::Range(0, 10), None),
            ("lines=0-1", 200, Body::Range(0, 10), None),
            ("bytes=-", 200, Body::Range(0, 10), None),
        ] {
            let got = asked(|request| request.range = Some(range.to_owned()));
            assert_eq!(got, (status, body, said.map(str::to_owned)), "{range}");
        }
        let resumed = |mark: &str| {
            asked(|request| {
                (request.range, request.if_range) = (Some("bytes=5-".to_owned()), Some(mark.to_owned()));
            })
        };
        assert_eq!(resumed("\"abc\"").0, 206);
        assert_eq!(resumed("\"old\"").0, 200);
    }

    #[test]
    fn what_the_client_has_is_not_sent_again_and_a_head_has_no_body() {
        for (tags, status) in [("\"abc\"", 304), ("\"x\", W/\"abc\"", 304), ("*", 304), ("\"x\"", 200)] {
            assert_eq!(asked(|request| request.if_none_match = Some(tags.to_owned())).0, status, "{tags}");
        }
        let since = |date: &str| asked(|request| request.if_modified_since = Some(date.to_owned())).0;
        assert_eq!(since("Sun, 29 Nov 2026 00:00:00 GMT"), 304);
        assert_eq!(since("Sat, 28 Nov 2026 00:00:00 GMT"), 200);
        assert_eq!(asked(|request| request.is_head = true).1, Body::None);
        let missing = answer(&Request::default(), None);
        assert!(missing.head(true).starts_with("HTTP/1.1 404 Not Found\r\n"));
        assert!(Answer::of(405).head(false).contains("Allow: GET, HEAD\r\nConnection: close\r\n\r\n"));
    }
}
