//! The one door to the network: a request, its redirects, its headers, its body, each within a deadline.
//!
//! HTTP (RFC 9110) as far as files need it: GET, `Range` with `If-Range`, redirects, identity encoding. What an answer
//! says is checked before its body is read.

use super::fault::Fault;
use super::places::{Of, shown};
use super::token::{self, Challenge};
use super::{Deadlines, Options, Proxy};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Redirects that are followed.
const HOPS: usize = 5;
/// How often a wait looks whether it is still wanted.
const TICK: Duration = Duration::from_millis(100);

/// Clients and their run time, made at the first request: without one no socket is opened, no thread started.
pub(super) struct Web<'a> {
    options: &'a Options,
    made: OnceLock<Result<Clients, String>>,
}

struct Clients {
    runtime: Runtime,
    /// One client for each way that was needed so far.
    clients: Mutex<Vec<(Proxy, Client)>>,
    /// The tokens that registries have given, by their origin and what they are for.
    tokens: Mutex<BTreeMap<String, HeaderValue>>,
}

/// What is asked for.
pub(super) struct RangeRequest<'a> {
    pub(super) url: &'a Url,
    /// Whose place it is: there may be another way to Debian's.
    pub(super) of: Of,
    /// So many bytes are there already.
    pub(super) at: u64,
    /// The strong ETag of the answer that they are from.
    pub(super) etag: Option<&'a str>,
    /// The size of the whole, where it is known.
    pub(super) size: Option<u64>,
    /// When all must be done.
    pub(super) until: Instant,
    /// Set when nobody wants it any longer.
    pub(super) stop: &'a AtomicBool,
}

/// An answer whose headers are as they must be.
pub(super) struct RangeResponse {
    response: Response,
    /// The place of its first byte in the whole.
    pub(super) at: u64,
    /// Its strong ETag.
    pub(super) etag: Option<String>,
    /// It says that it is a web page.
    pub(super) page: bool,
    /// Its body says how long it is.
    has_length: bool,
}

impl<'a> Web<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self { options, made: OnceLock::new() }
    }

    /// Asks, and follows redirects, until there is an answer with a body to be read.
    pub(super) fn ask(&self, ask: &RangeRequest<'_>) -> Result<RangeResponse, Fault> {
        let made = self.made.get_or_init(make).as_ref().map_err(|why| Fault::Connect(why.clone()))?;
        made.runtime.block_on(follow(made, self.options, ask))
    }

    /// Reads the body in pieces. The sink says no more than once.
    pub(super) fn read(
        &self,
        answer: RangeResponse,
        ask: &RangeRequest<'_>,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self.made.get() {
            Some(Ok(made)) => made.runtime.block_on(body(answer, ask, &self.options.deadlines, sink)),
            _ => Err(Fault::Broken("no request was made".to_owned())),
        }
    }
}

fn make() -> Result<Clients, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // timers are looked at after each step, so that no flood of a server puts a deadline off
        .event_interval(1)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    Ok(Clients { runtime, clients: Mutex::default(), tokens: Mutex::default() })
}

impl Clients {
    /// The token that there is for the image of `url`.
    fn token(&self, url: &Url) -> Option<HeaderValue> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&token::scope_of(url)).cloned()
    }

    fn keep_token(&self, url: &Url, token: HeaderValue) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(token::scope_of(url), token);
    }

    /// The client that takes the way to `url`.
    fn client(&self, options: &Options, of: Of, url: &Url) -> Result<Client, Fault> {
        let proxy = match of {
            Of::Upstream | Of::Registry { .. } => &options.proxy,
            Of::Debian | Of::Snapshot => options.debian_proxies.to(url),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| known == proxy) {
            return Ok(client.clone());
        }
        let client = client(options, proxy).map_err(Fault::Connect)?;
        clients.push((proxy.clone(), client.clone()));
        Ok(client)
    }
}

fn client(options: &Options, proxy: &Proxy) -> Result<Client, String> {
    // once for the process: where there is one already, it stays
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authorities =
        reqwest::Certificate::from_pem_bundle(&options.authorities).map_err(|error| text(&error))?;
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("vmbake/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(options.deadlines.connect);
        Ok::<_, String>(match proxy {
            Proxy::Direct => builder.no_proxy(),
            Proxy::Environment => builder,
            Proxy::Fixed(url) => builder.proxy(reqwest::Proxy::all(url).map_err(|error| text(&error))?),
        })
    };
    // a machine without CA certificates still reaches an archive over http, where signatures and digests decide
    builder()?
        .tls_certs_merge(authorities.clone())
        .build()
        .or_else(|_| builder()?.tls_certs_only(authorities).build().map_err(|error| text(&error)))
}

async fn follow(made: &Clients, options: &Options, ask: &RangeRequest<'_>) -> Result<RangeResponse, Fault> {
    let deadlines = &options.deadlines;
    let mut url = ask.url.clone();
    let mut asked_for_token = false;
    for _ in 0..=HOPS {
        let client = made.client(options, ask.of, &url)?;
        let mut request = client.get(url.clone()).header(header::ACCEPT_ENCODING, "identity");
        // a token is for the host that it was given for, and is of no use to where that redirects to
        let is_registry = matches!(ask.of, Of::Registry { .. }) && url.origin() == ask.url.origin();
        if is_registry {
            if let Some(token) = made.token(ask.url) {
                request = request.header(header::AUTHORIZATION, token);
            }
            if ask.of == (Of::Registry { is_manifest: true }) {
                request = request.header(header::ACCEPT, containers::oci::ACCEPTED.join(", "));
            }
        }
        if ask.at > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", ask.at));
            if let Some(etag) = ask.etag {
                request = request.header(header::IF_RANGE, etag);
            }
        }
        let late = || Fault::Slow { got: 0, expected: deadlines.slow_bytes, window: deadlines.slow };
        let response = match within(request.send(), Instant::now() + deadlines.slow, ask, late).await? {
            Ok(response) => response,
            Err(error) => return Err(no_answer(error)),
        };
        if response.status() == StatusCode::UNAUTHORIZED && is_registry && !asked_for_token {
            asked_for_token = true;
            let challenge = token::challenge(response.headers());
            let challenge = challenge.ok_or_else(|| Fault::Status { status: 401, after: None })?;
            let token = get_token(made, options, ask, &challenge).await?;
            made.keep_token(ask.url, token);
            continue;
        }
        if !is_redirect(response.status()) {
            return accept(response, ask);
        }
        url = next_hop(&url, response.headers())?;
    }
    Err(Fault::Redirect(format!("more than {HOPS} redirects")))
}

/// Asks whoever a registry names for a token, as nobody in particular.
async fn get_token(
    made: &Clients,
    options: &Options,
    ask: &RangeRequest<'_>,
    challenge: &Challenge,
) -> Result<HeaderValue, Fault> {
    let url = challenge.url(ask.url).ok_or_else(|| Fault::Broken("a bad address for tokens".to_owned()))?;
    let deadlines = &options.deadlines;
    let until = Instant::now() + deadlines.slow;
    let late = || Fault::Slow { got: 0, expected: deadlines.slow_bytes, window: deadlines.slow };
    let request = made.client(options, ask.of, &url)?.get(url);
    let request = request.header(header::ACCEPT_ENCODING, "identity");
    let mut response = within(request.send(), until, ask, late).await?.map_err(no_answer)?;
    if response.status() != StatusCode::OK {
        return Err(Fault::Status { status: response.status().as_u16(), after: None });
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = within(response.chunk(), until, ask, late).await?.map_err(no_answer)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > token::MOST {
            return Err(Fault::Broken(format!("a token of more than {} bytes", token::MOST)));
        }
    }
    token::parse(&bytes)
        .ok_or_else(|| Fault::Broken("no token where a registry said that there is one".to_owned()))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads, when it may lead there. User and password stay with the host and port that they are for.
fn next_hop(from: &Url, headers: &HeaderMap) -> Result<Url, Fault> {
    let place = header_text(headers, &header::LOCATION)
        .ok_or_else(|| Fault::Redirect("no Location header".to_owned()))?;
    let mut to = from.join(place).map_err(|error| Fault::Redirect(format!("not to a valid URL: {error}")))?;
    match (from.scheme(), to.scheme()) {
        ("https", "https") | ("http", "http" | "https") => {}
        ("https", "http") => return Err(Fault::Redirect(format!("from https to http, `{}`", shown(&to)))),
        (_, scheme) => return Err(Fault::Redirect(format!("to `{scheme}`, expected http or https"))),
    }
    let same = from.origin() == to.origin();
    let (user, password) = if same { (from.username(), from.password()) } else { ("", None) };
    let set = to.set_username(user).and_then(|()| to.set_password(password));
    set.map_err(|()| Fault::Redirect("to a URL without a host".to_owned()))?;
    Ok(to)
}

/// Checks status and headers against what was asked for.
fn accept(response: Response, ask: &RangeRequest<'_>) -> Result<RangeResponse, Fault> {
    let headers = response.headers();
    let page = header_text(headers, &header::CONTENT_TYPE).is_some_and(|sort| sort.starts_with("text/html"));
    let length = response.content_length();
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Fault::Ambiguous("both Content-Length and Transfer-Encoding"));
    }
    for name in [header::CONTENT_ENCODING, header::TRANSFER_ENCODING] {
        let plain = if name == header::CONTENT_ENCODING { "identity" } else { "chunked" };
        if let Some(value) =
            headers.get(&name).filter(|value| !value.as_bytes().eq_ignore_ascii_case(plain.as_bytes()))
        {
            return Err(Fault::Encoded(String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
    }
    let etag = header_text(headers, &header::ETAG).filter(|etag| etag.starts_with('"')).map(str::to_owned);
    let at = match response.status().as_u16() {
        200 => 0,
        206 if ask.at == 0 => {
            return Err(Fault::Ambiguous("partial content (206), although all of it was requested"));
        }
        206 => {
            let range = header_text(headers, &header::CONTENT_RANGE).unwrap_or_default();
            check_range(range, ask)?;
            if ask.etag.is_some() && etag.is_some() && ask.etag != etag.as_deref() {
                return Err(Fault::Resume("its ETag has changed".to_owned()));
            }
            ask.at
        }
        416 if ask.at > 0 => return Err(Fault::Resume(format!("it has no data from byte {}", ask.at))),
        status @ (404 | 410) => return Err(Fault::Missing(status)),
        status => return Err(Fault::Status { status, after: retry_after(headers) }),
    };
    if let (Some(length), Some(size)) = (length, ask.size)
        && at.checked_add(length) != Some(size)
    {
        return Err(Fault::Size { expected: size, got: at.saturating_add(length).to_string(), page });
    }
    Ok(RangeResponse { at, etag, page, has_length: length.is_some(), response })
}

/// When to come back, as `Retry-After` says: in so many seconds, or so long after the answer's own `Date`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header_text(headers, &header::RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok();
    let (until, now) = (date(text)?, date(header_text(headers, &header::DATE)?)?);
    Some(until.timestamp().duration_since(now.timestamp()).unsigned_abs()).filter(|_| until >= now)
}

/// A range must be all the rest: `bytes <at>-<size - 1>/<size or *>`.
fn check_range(range: &str, ask: &RangeRequest<'_>) -> Result<(), Fault> {
    let fits = || {
        let (span, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let size = ask.size.or_else(|| last.checked_add(1))?;
        (first == ask.at && last.checked_add(1) == Some(size) && (whole == "*" || whole.parse() == Ok(size)))
            .then_some(())
    };
    fits().ok_or_else(|| Fault::Resume(format!("range, expected `bytes {}-…`, found `{range}`", ask.at)))
}

async fn body(
    answer: RangeResponse,
    ask: &RangeRequest<'_>,
    deadlines: &Deadlines,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut response = answer.response;
    let mut got = answer.at;
    let (mut window, mut in_window) = (Instant::now(), 0);
    let slow = |got: u64| Fault::Slow { got, expected: deadlines.slow_bytes, window: deadlines.slow };
    loop {
        // a body that comes in bursts is as good as a steady one
        if window.elapsed() >= deadlines.slow && in_window >= deadlines.slow_bytes {
            (window, in_window) = (Instant::now(), 0);
        }
        let waited = within(response.chunk(), window + deadlines.slow, ask, || slow(in_window)).await;
        let chunk = match waited {
            Err(Fault::Slow { .. }) if in_window >= deadlines.slow_bytes => continue,
            waited => waited?,
        };
        let chunk = match chunk {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => {
                let why = text(&error.without_url());
                return Err(ask.size.map_or_else(
                    || Fault::Broken(why.clone()),
                    |expected| Fault::Cut { expected, got, why: why.clone() },
                ));
            }
        };
        got += chunk.len() as u64;
        in_window += chunk.len() as u64;
        if ask.size.is_some_and(|size| got > size) {
            let expected = ask.size.unwrap_or_default();
            return Err(Fault::Size { expected, got: "more".to_owned(), page: answer.page });
        }
        sink(&chunk)?;
        if window.elapsed() >= deadlines.slow && in_window < deadlines.slow_bytes {
            return Err(slow(in_window));
        }
    }
    match ask.size {
        Some(expected) if got < expected && answer.has_length => {
            Err(Fault::Cut { expected, got, why: "the end".to_owned() })
        }
        Some(expected) if got < expected => Err(Fault::Short { expected, got }),
        _ => Ok(()),
    }
}

/// Waits for a future until a moment, until all must be done, or until nobody wants it.
async fn within<T>(
    future: impl Future<Output = T>,
    moment: Instant,
    ask: &RangeRequest<'_>,
    late: impl Fn() -> Fault,
) -> Result<T, Fault> {
    let mut future = pin!(future);
    loop {
        if let Ok(done) = timeout(TICK, future.as_mut()).await {
            return Ok(done);
        }
        let now = Instant::now();
        match () {
            () if ask.stop.load(Ordering::Relaxed) => return Err(Fault::Stopped),
            () if now >= ask.until => return Err(Fault::Late),
            () if now >= moment => return Err(late()),
            () => {}
        }
    }
}

fn no_answer(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    let why = text(&error);
    match () {
        () if ["certificate", "fatal alert", "corrupt message"].iter().any(|word| why.contains(word)) => {
            Fault::Untrusted(why)
        }
        () if error.is_connect() || error.is_timeout() => Fault::Connect(why),
        () => Fault::Broken(why),
    }
}

/// An error with its causes, each said once.
fn text(error: &reqwest::Error) -> String {
    let mut said = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !said.iter().any(|text| text.contains(&cause_text)) {
            said.push(cause_text);
        }
        source = cause.source();
    }
    // the first, `error sending request`, says nothing where there is a cause
    if said.len() > 1 {
        said.remove(0);
    }
    said.join(": ")
}

fn header_text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), header::HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn a_redirect_keeps_secrets_with_their_host_and_never_leaves_https() {
        let hop = |from: &str, to: &str| {
            let next = next_hop(&from.parse().unwrap(), &headers(&[("location", to)]));
            next.map(|url| url.to_string()).map_err(|fault| fault.to_string())
        };
        for (from, to, expected) in [
            ("https://u:p@a.example/x", "/y", "https://u:p@a.example/y"),
            ("https://u:p@a.example/x", "https://a.example/y", "https://u:p@a.example/y"),
            ("https://u:p@a.example/x", "https://b.example/y", "https://b.example/y"),
            ("https://u:p@a.example/x", "https://a.example:8443/y", "https://a.example:8443/y"),
            ("https://u:p@a.example/x", "https://v:q@b.example/y", "https://b.example/y"),
            ("http://a.example/x", "https://a.example/y", "https://a.example/y"),
            ("http://a.example/x", "http://b.example/y", "http://b.example/y"),
        ] {
            assert_eq!(hop(from, to), Ok(expected.to_owned()), "{from} {to}");
        }
        for (from, to, said) in [
            ("https://a.example/", "http://a.example/", "from https to http"),
            ("http://a.example/", "file:///etc/passwd", "to `file`"),
            ("https://a.example/", "ftp://a.example/", "to `ftp`"),
            ("https://a.example/", "https://[", "not to a valid URL"),
        ] {
            assert!(hop(from, to).unwrap_err().contains(said), "{from} {to}");
        }
    }

    #[test]
    fn a_range_is_all_the_rest_and_nothing_else() {
        let (url, stop) = (Url::parse("http://a.example/").unwrap(), AtomicBool::new(false));
        let ask = |size| RangeRequest {
            url: &url,
            of: Of::Upstream,
            at: 3,
            etag: None,
            size,
            until: Instant::now(),
            stop: &stop,
        };
        for good in ["bytes 3-9/10", "bytes 3-9/*"] {
            assert!(check_range(good, &ask(Some(10))).is_ok(), "{good}");
            assert!(check_range(good, &ask(None)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "bytes",
            "bytes 3-9",
            "bytes 2-9/10",
            "bytes 4-9/10",
            "bytes 3-8/10",
            "bytes 3-10/10",
            "bytes 3-9/11",
            "bytes 3-9/x",
            "bytes 3-/10",
            "items 3-9/10",
            "bytes 3-18446744073709551615/10",
            "bytes -3-9/10",
        ] {
            assert!(check_range(bad, &ask(Some(10))).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_place_says_when_to_come_back_in_seconds_or_by_its_own_clock() {
        let after = |lines: &[(&'static str, &str)]| retry_after(&headers(lines)).map(|wait| wait.as_secs());
        let (date, later) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(after(&[("retry-after", "120")]), Some(120));
        assert_eq!(after(&[("retry-after", later), ("date", date)]), Some(30));
        assert_eq!(after(&[("retry-after", date), ("date", later)]), None, "that was before");
        assert_eq!(after(&[("retry-after", later)]), None, "its clock is not ours");
        for odd in ["", "soon", "-1", "1.5"] {
            assert_eq!(after(&[("retry-after", odd)]), None, "{odd}");
        }
        assert_eq!(after(&[]), None);
    }
}
