//! The way to a host: direct, through a proxy, or as the environment says.

use reqwest::Url;
use std::collections::BTreeMap;

/// A proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Proxy {
    /// None.
    #[default]
    Direct,
    /// What `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say: the one case in which the environment is read
    /// (by the HTTP client), and only when the caller asks for it here.
    Environment,
    /// This one, for every connection: `http://`, `https://` or `socks5://`.
    Fixed(String),
}

/// The way to each host, as apt tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// By scheme, and host where it is for just one.
    rules: BTreeMap<(String, Option<String>), Proxy>,
    otherwise: Proxy,
}

impl Proxies {
    /// Adds the way to `host`, or to all hosts, for URLs of `scheme`.
    pub fn add(&mut self, scheme: &str, host: Option<&str>, proxy: Proxy) {
        let lower = str::to_ascii_lowercase;
        self.rules.insert((lower(scheme), host.map(lower)), proxy);
    }

    /// The way to a URL. What is said of one host comes before what is said of all, and what is said of http holds for
    /// https as well, where that has no other.
    #[must_use]
    pub fn to(&self, url: &Url) -> &Proxy {
        let schemes = if url.scheme() == "https" { &["https", "http"][..] } else { &[url.scheme()] };
        let host = url.host_str().map(str::to_owned);
        let hosts = [host.clone(), None];
        let hosts = if host.is_some() { &hosts[..] } else { &hosts[1..] };
        let keys = hosts.iter().flat_map(|host| schemes.iter().map(|s| ((*s).to_owned(), host.clone())));
        keys.into_iter().find_map(|key| self.rules.get(&key)).unwrap_or(&self.otherwise)
    }
}

impl From<Proxy> for Proxies {
    fn from(otherwise: Proxy) -> Self {
        Self { rules: BTreeMap::new(), otherwise }
    }
}
