//! What a server does, and what must come of it.

use super::{PATH, SIZE, body};
use std::time::Duration;
use tests::server::{Reply, Step, head};
use tree::refusal::Class;

/// What a case must come to.
pub(crate) enum Outcome {
    Fetched,
    Refused(Class, &'static str),
}
pub(crate) use Outcome::{Fetched, Refused};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) replies: Vec<Reply>,
    pub(crate) fresh: Outcome,
    /// With the right first half there from an earlier run.
    pub(crate) resumed: Outcome,
    /// At most so many requests.
    pub(crate) requests: usize,
}

fn case(name: &'static str, replies: Vec<Reply>, requests: usize, fresh: Outcome, resumed: Outcome) -> Case {
    Case { name, replies, fresh, resumed, requests }
}

pub(crate) fn hops(n: usize) -> Reply {
    Reply::redirect(&format!("/hop/{n}"))
}

#[allow(clippy::too_many_lines, reason = "a table")]
pub(crate) fn cases() -> Vec<Case> {
    use Class::{Network, Verification};
    let all = body();
    let len = SIZE.to_string();
    let longer = [all.clone(), vec![0]].concat();
    let other: Vec<u8> = all.iter().map(|byte| byte ^ 1).collect();
    let sized = |body: &[u8]| ok(&[("Content-Length", &len)], body);
    let chunked = |chunks: &[u8]| ok(&[("Transfer-Encoding", "chunked")], chunks);
    let file = || Reply::File(all.clone());
    let status = |status: &str| Reply::raw(status, &[("Content-Length", "0")], b"");
    let partial = |range: &str, body: &[u8]| {
        Reply::raw(
            "206 Partial Content",
            &[("Content-Range", range), ("Content-Length", &body.len().to_string())],
            body,
        )
    };
    let raw = |steps: Vec<Step>| vec![Reply::Raw(steps)];
    let ms = Duration::from_millis;
    vec![
        case("a good server", vec![file()], 1, Fetched, Fetched),
        case(
            "d01 cut each time",
            vec![sized(&all[..10])],
            4,
            Refused(Network, "received 10 of 100000 bytes"),
            Refused(Network, "received 10 of"),
        ),
        case("d01 cut once", vec![sized(&all[..70_000]), file()], 2, Fetched, Fetched),
        case(
            "d01 nothing after the headers",
            vec![sized(b"")],
            4,
            Refused(Network, "received 0 of 100000"),
            Refused(Network, "received 0 of"),
        ),
        case(
            "d02 no length, early end",
            vec![ok(&[], &all[..10])],
            4,
            Refused(Verification, "expected a size of 100000, found 10"),
            Refused(Verification, "found 10"),
        ),
        case("d02 no length, whole", vec![ok(&[], &all)], 1, Fetched, Fetched),
        case(
            "d03 endless",
            raw(vec![Step::Send(head("200 OK", &[])), Step::Endless(vec![7; 65536])]),
            1,
            Refused(Verification, "found more"),
            Refused(Verification, "found more"),
        ),
        case(
            "d03 endless chunks",
            raw(vec![
                Step::Send(head("200 OK", &[("Transfer-Encoding", "chunked")])),
                Step::Endless(b"4\r\nabcd\r\n".repeat(1000)),
            ]),
            1,
            Refused(Verification, "found more"),
            Refused(Verification, "found more"),
        ),
        case(
            "d03 one byte more",
            vec![ok(&[], &longer)],
            1,
            Refused(Verification, "found more"),
            Refused(Verification, "found more"),
        ),
        case(
            "d03 one byte more, as announced",
            vec![ok(&[("Content-Length", "100001")], &longer)],
            1,
            Refused(Verification, "expected a size of 100000, found 100001"),
            Refused(Verification, "100001"),
        ),
        case("d03 more than announced", vec![sized(&longer)], 1, Fetched, Fetched),
        case(
            "d04 a byte now and then",
            raw(vec![
                Step::Send(head("200 OK", &[("Content-Length", &len)])),
                Step::Drip(vec![0; 150], ms(20)),
            ]),
            2,
            Refused(Network, "too slow"),
            Refused(Network, "too slow"),
        ),
        case(
            "d04 headers that never end",
            raw(vec![
                Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
                Step::Drip(b"x: y\r\n".repeat(30), ms(20)),
            ]),
            2,
            Refused(Network, "too slow"),
            Refused(Network, "too slow"),
        ),
        case(
            "d04 silence",
            raw(vec![Step::Wait(ms(2000))]),
            2,
            Refused(Network, "too slow"),
            Refused(Network, "too slow"),
        ),
        case(
            "d04 a flood of headers",
            raw(vec![
                Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
                Step::Endless(b"x: yyyyyyyyyyyyyyy\r\n".repeat(100)),
            ]),
            4,
            Refused(Network, "invalid response"),
            Refused(Network, "invalid response"),
        ),
        case(
            "d04 a flood of early hints",
            raw(vec![Step::Endless(b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10))]),
            4,
            Refused(Network, "too slow"),
            Refused(Network, "too slow"),
        ),
        case(
            "d05 a redirect to itself",
            vec![Reply::redirect(PATH)],
            6,
            Refused(Network, "more than 5"),
            Refused(Network, "more than 5"),
        ),
        case(
            "d05 six hops",
            vec![hops(5)],
            6,
            Refused(Network, "more than 5"),
            Refused(Network, "more than 5"),
        ),
        case("d05 five hops", vec![hops(4)], 6, Fetched, Fetched),
        case(
            "d05 to a file",
            vec![Reply::redirect("file:///etc/passwd")],
            1,
            Refused(Network, "to `file`"),
            Refused(Network, "to `file`"),
        ),
        case(
            "d05 to ftp",
            vec![Reply::redirect("ftp://127.0.0.1/x")],
            1,
            Refused(Network, "to `ftp`"),
            Refused(Network, "to `ftp`"),
        ),
        case(
            "d05 to nowhere",
            vec![Reply::raw("302 Found", &[("Content-Length", "0")], b"")],
            1,
            Refused(Network, "no Location header"),
            Refused(Network, "no Location header"),
        ),
        case("d07 the range is ignored", vec![sized(&all)], 1, Fetched, Fetched),
        case(
            "d07 another range",
            vec![partial("bytes 10-99999/100000", &all[10..]), file()],
            2,
            Refused(Network, "206"),
            Fetched,
        ),
        case(
            "d07 another size",
            vec![partial("bytes 50000-99998/99999", &all[50_000..99_999]), file()],
            2,
            Refused(Network, "206"),
            Fetched,
        ),
        case(
            "d07 a part for the whole",
            vec![partial("bytes 0-99999/100000", &all)],
            2,
            Refused(Network, "206"),
            Refused(Network, "206"),
        ),
        case(
            "d07 the range is of another file",
            vec![partial("bytes 50000-99999/100000", &other[50_000..]), file()],
            2,
            Refused(Network, "206"),
            Fetched,
        ),
        case(
            "d07 nothing is satisfiable",
            vec![status("416 Range Not Satisfiable"), file()],
            2,
            Refused(Network, "status 416"),
            Fetched,
        ),
        case(
            "d08 length and chunks",
            vec![ok(&[("Content-Length", &len), ("Transfer-Encoding", "chunked")], b"0\r\n\r\n")],
            1,
            Refused(Network, "both Content-Length"),
            Refused(Network, "both Content-Length"),
        ),
        case(
            "d08 two lengths",
            vec![ok(&[("Content-Length", &len), ("Content-Length", "5")], &all)],
            4,
            Refused(Network, "invalid response"),
            Refused(Network, "invalid response"),
        ),
        case(
            "d08 gzip",
            vec![ok(&[("Content-Encoding", "gzip"), ("Content-Length", &len)], &all)],
            1,
            Refused(Verification, "found `gzip`"),
            Refused(Verification, "found `gzip`"),
        ),
        case(
            "d08 gzip as a transfer encoding",
            vec![ok(&[("Transfer-Encoding", "gzip, chunked")], b"0\r\n\r\n")],
            1,
            Refused(Verification, "gzip"),
            Refused(Verification, "gzip"),
        ),
        case(
            "d09 a page for everything",
            vec![ok(&[("Content-Type", "text/html; charset=utf-8")], b"<html>log in</html>")],
            4,
            Refused(Verification, "size"),
            Refused(Verification, "size"),
        ),
        case(
            "d10 another file of this size",
            vec![Reply::File(other.clone())],
            2,
            Refused(Verification, "expected digest"),
            Refused(Verification, "expected digest"),
        ),
        case(
            "an error, always",
            vec![status("500 Oh")],
            4,
            Refused(Network, "HTTP status 500"),
            Refused(Network, "HTTP status 500"),
        ),
        case(
            "an error, three times",
            vec![status("503 Oh"), status("429 Slow"), status("500 Oh"), file()],
            4,
            Fetched,
            Fetched,
        ),
        case(
            "not there",
            vec![status("404 No")],
            1,
            Refused(Network, "not found"),
            Refused(Network, "not found"),
        ),
        case(
            "forbidden",
            vec![status("403 No")],
            1,
            Refused(Network, "HTTP status 403"),
            Refused(Network, "HTTP status 403"),
        ),
        case(
            "bursts with pauses",
            raw(vec![
                Step::Send(head("200 OK", &[("Content-Length", &len)])),
                Step::Send(all[..2000].to_vec()),
                Step::Wait(ms(1900)),
                Step::Send(all[2000..].to_vec()),
            ]),
            1,
            Fetched,
            Fetched,
        ),
        case(
            "no content",
            vec![status("204 None")],
            1,
            Refused(Network, "HTTP status 204"),
            Refused(Network, "HTTP status 204"),
        ),
        case(
            "no HTTP",
            raw(vec![Step::Send(all.clone())]),
            4,
            Refused(Network, "invalid response"),
            Refused(Network, "invalid response"),
        ),
        case(
            "closed at once",
            raw(vec![]),
            4,
            Refused(Network, "invalid response"),
            Refused(Network, "invalid response"),
        ),
        case(
            "a length beyond all numbers",
            vec![ok(&[("Content-Length", "99999999999999999999999")], b"")],
            4,
            Refused(Network, "invalid response"),
            Refused(Network, "invalid response"),
        ),
        case(
            "a length of 2^63",
            vec![ok(&[("Content-Length", "9223372036854775808")], b"")],
            1,
            Refused(Verification, "found 9223372036854775808"),
            Refused(Verification, "found 9223372036854775808"),
        ),
        case(
            "a chunk beyond all numbers",
            vec![chunked(b"FFFFFFFFFFFFFFFFFF\r\n")],
            4,
            Refused(Network, "received 0 of"),
            Refused(Network, "received 0 of"),
        ),
        case(
            "chunks without an end",
            vec![chunked(b"5\r\nabc")],
            4,
            Refused(Network, "received 3 of"),
            Refused(Network, "received 3 of"),
        ),
    ]
}

fn ok(headers: &[(&str, &str)], body: &[u8]) -> Reply {
    Reply::raw("200 OK", headers, body)
}
