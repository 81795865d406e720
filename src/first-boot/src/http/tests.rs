use super::*;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;

/// A service that gives one answer after the other, and the requests that it got.
pub(crate) fn service(answers: Vec<Vec<u8>>) -> (Service, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let limits = Limits {
        connect: Duration::from_secs(2),
        request: Duration::from_secs(20),
        total: Duration::from_secs(20),
        whole: Duration::from_secs(40),
        pause: Duration::from_millis(5),
    };
    let thread = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                request.push_str(&line);
            }
            let length = request.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or_default()];
            reader.read_exact(&mut body).unwrap();
            request.push_str(&String::from_utf8(body).unwrap());
            requests.push(request);
            stream.write_all(&answer).unwrap();
            if answer.ends_with(b"HANG") {
                // until the client gives up
                let _ = reader.read_line(&mut String::new());
            }
        }
        requests
    });
    (Service { limits, ..Service::new(&host) }, thread)
}

pub(crate) fn answer(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn what_comes_late_is_waited_for() {
    let (service, thread) =
        service(vec![answer(404, ""), answer(503, ""), b"garbage".to_vec(), answer(200, "i-1")]);
    assert_eq!(service.need("/id"), Ok(b"i-1".to_vec()));
    assert_eq!(thread.join().unwrap().len(), 4);
}

#[test]
fn what_is_absent_is_absent_at_once_and_what_is_refused_an_error() {
    let (service, _thread) = service(vec![answer(404, "no"), answer(403, "")]);
    assert_eq!(service.get("/user-data"), Ok(None));
    assert!(service.get("/user-data").unwrap_err().ends_with("status 403"));
}

#[test]
fn a_truncated_or_slow_answer_is_asked_for_again() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_vec();
    let slow = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nHANG".to_vec();
    let (mut service, _thread) = service(vec![cut, slow, answer(200, "whole")]);
    service.limits.request = Duration::from_secs(3);
    assert_eq!(service.need("/"), Ok(b"whole".to_vec()));
}

#[test]
fn chunks_and_bodies_without_a_length_are_read() {
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n".to_vec();
    let (service, _thread) = service(vec![chunked, b"HTTP/1.0 200 OK\r\n\r\nto the end".to_vec()]);
    assert_eq!(service.need("/"), Ok(b"abcde".to_vec()));
    assert_eq!(service.need("/"), Ok(b"to the end".to_vec()));
}

#[test]
fn redirects_stay_on_the_host() {
    let to = |place: &str| {
        format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    };
    let (mut one, thread) = service(vec![to("/other"), answer(200, "a")]);
    assert_eq!(one.need("/"), Ok(b"a".to_vec()));
    assert!(thread.join().unwrap()[1].starts_with("GET /other "));
    for place in ["http://169.254.169.254/", "//127.0.0.1/x", "https://a/", "ftp:x"] {
        (one, _) = service(vec![to(place)]);
        one.limits.total = Duration::ZERO;
        assert!(one.need("/").unwrap_err().contains("another host"), "{place}");
    }
    (one, _) = service(vec![to("/"), to("/"), to("/"), to("/")]);
    one.limits.total = Duration::ZERO;
    assert!(one.need("/").unwrap_err().contains("redirects"));
}

#[test]
fn nothing_adds_lines_to_a_request() {
    let mut one = Service::new("127.0.0.1:9");
    one.limits.total = Duration::ZERO;
    for path in ["/a\r\nX: y", "/a b", "/\u{e4}", "/a\tb"] {
        assert!(one.get(path).unwrap_err().contains("expected a host"), "{path:?}");
    }
    one.headers.push(("Token".to_owned(), "a\r\nX: y".to_owned()));
    assert!(one.get("/").unwrap_err().contains("expected a host"));
    assert!(Service::new("a\r\nb").once(&Request::get("/")).unwrap_err().contains("expected a host"));
}

#[test]
fn the_address_that_answers_is_asked() {
    let (one, _thread) = service(vec![Vec::new(), answer(200, "six")]);
    let hosts = ["127.0.0.1:1", one.host.as_str()];
    assert_eq!(Service::at_one_of(&hosts, one.limits).need("/"), Ok(b"six".to_vec()));
    let none = Limits { total: Duration::from_millis(50), ..one.limits };
    assert_eq!(Service::at_one_of(&hosts[..1], none).host, hosts[0]);
}

#[test]
fn a_service_that_is_slow_with_everything_is_given_up() {
    let (mut one, _) = service(Vec::new());
    one.limits.whole = Duration::from_millis(100);
    let start = Instant::now();
    for _ in 0..20 {
        assert!(one.get("/").is_err());
    }
    assert!(start.elapsed() < Duration::from_secs(20), "each alone is tried for twenty seconds");
}

#[test]
fn what_is_no_answer_is_an_error() {
    for bytes in [
        &b"HTTP/2 200\r\n\r\n"[..],
        b"HTTP/1.1 99999 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        &vec![b'x'; MOST_HEADERS + 1],
    ] {
        assert!(parse(bytes, true).is_err());
    }
}
