//! What can be wrong with one try at one place.

use std::time::Duration;
use tree::digest::Digest;
use tree::refusal::{Class, Refusal};

/// Why a try has failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("not found (HTTP status {0})")]
    Missing(u16),
    #[error("not there")]
    NoFile,
    #[error("HTTP status {status}")]
    Status {
        status: u16,
        /// When it says to come back.
        after: Option<Duration>,
    },
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("the connection is not trusted: {0}")]
    Untrusted(String),
    #[error("invalid response: {0}")]
    Broken(String),
    #[error("received {got} of {expected} bytes: {why}")]
    Cut { expected: u64, got: u64, why: String },
    #[error("expected a size of {expected}, found {got}")]
    Short { expected: u64, got: u64 },
    #[error("expected a size of {expected}, found {got}")]
    Size { expected: u64, got: String, page: bool },
    #[error("expected digest {expected}, found {got}")]
    Digest { expected: Digest, got: Digest, page: bool },
    #[error("it is another file than the pinned one")]
    Another,
    #[error("too slow: {got} bytes in {seconds:.1} s, expected {expected}", seconds = .window.as_secs_f64())]
    Slow { got: u64, expected: u64, window: Duration },
    #[error("it could not be reached for other files")]
    Unreachable,
    #[error("timed out")]
    Late,
    #[error("redirect: {0}")]
    Redirect(String),
    #[error("expected content encoding `identity`, found `{0}`")]
    Encoded(String),
    #[error("ambiguous response: {0}")]
    Ambiguous(&'static str),
    #[error("the transfer cannot be resumed: {0}")]
    Resume(String),
    #[error("not a regular file")]
    NotPlain,
    #[error("cannot read: {0}")]
    Read(std::io::Error),
    #[error("cannot write: {0}")]
    Write(std::io::Error),
    #[error("{0}")]
    Store(Box<Refusal>),
    #[error("canceled, as another transfer failed")]
    Stopped,
}

impl Fault {
    /// How often a place that fails like this is tried in all.
    pub(super) fn tries(&self) -> u32 {
        match self {
            Self::Cut { .. } | Self::Short { .. } | Self::Broken(_) | Self::Resume(_) => 4,
            Self::Status { status: 408 | 425 | 429 | 500..=599, .. } => 4,
            // each of these has cost a deadline already
            Self::Connect(_) | Self::Slow { .. } => 2,
            _ => 1,
        }
    }

    /// Whether a place may fail like this because it is asked for too much.
    pub(super) fn is_throttling(&self) -> bool {
        matches!(
            self,
            Self::Status { status: 408 | 425 | 429 | 500..=599, .. }
                | Self::Connect(_)
                | Self::Cut { .. }
                | Self::Broken(_)
                | Self::Slow { .. }
        )
    }

    /// Whether nothing came of the place at all.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Slow { got: 0, .. })
    }

    /// When the place says to come back.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { after, .. } = self { *after } else { None }
    }

    /// Whether no other place can do better.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Write(_) | Self::Store(_) | Self::Stopped | Self::Late)
    }

    /// Whether the place just does not have the file.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::NoFile)
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Short { .. }
            | Self::Size { .. }
            | Self::Digest { .. }
            | Self::Another
            | Self::Encoded(_) => Class::Verification,
            Self::Read(_) | Self::Write(_) | Self::NotPlain => Class::Io,
            Self::Store(refusal) => refusal.class,
            _ => Class::Network,
        }
    }

    /// The way out, where one can be told from the fault alone.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Size { page: true, .. } | Self::Digest { page: true, .. } => {
                Some("the response is a web page; it looks like a captive portal")
            }
            Self::Another => Some("`stat -c %s FILE` and `sha256sum FILE` tell what to pin"),
            Self::Untrusted(_) => {
                Some("check the clock, the system's CA certificates, and whether a proxy is in between")
            }
            _ => None,
        }
    }
}
