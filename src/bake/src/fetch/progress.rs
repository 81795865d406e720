//! What a fetch says while it goes on: plain data, for a terminal, a log, or nobody.

use std::time::Duration;

/// Where events go. They come from several threads.
pub trait Progress: Sync {
    /// Something has happened.
    fn event(&self, event: Event<'_>);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

/// Something that has happened. `id` tells transfers apart. Texts are not escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// So much was in the store, and was hashed.
    Cached {
        /// How many.
        count: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// So much will be transferred.
    Begin {
        /// How many.
        count: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// A try begins.
    Start {
        /// Which transfer.
        id: usize,
        /// What.
        name: &'a str,
        /// Its version.
        version: &'a str,
        /// Its size in bytes.
        bytes: u64,
        /// The place, without user and password.
        from: &'a str,
        /// So many bytes are there from an earlier try.
        at: u64,
    },
    /// More of it is there.
    Bytes {
        /// Which transfer.
        id: usize,
        /// How much more.
        n: u64,
    },
    /// What was there of it is useless: it begins at 0 again.
    Restart {
        /// Which transfer.
        id: usize,
    },
    /// A try has failed, and the same place will be tried again.
    Retry {
        /// Which transfer.
        id: usize,
        /// The place, without user and password.
        from: &'a str,
        /// What went wrong.
        why: &'a str,
        /// How long until then.
        wait: Duration,
    },
    /// A place is given up for the next one.
    NextPlace {
        /// Which transfer.
        id: usize,
        /// What.
        name: &'a str,
        /// The place that is given up.
        left: &'a str,
        /// What went wrong there.
        why: &'a str,
        /// The place that comes now.
        next: &'a str,
    },
    /// So many packages come from the snapshot archive, as no other place has them any longer.
    Snapshot {
        /// How many.
        count: usize,
        /// Of how many packages of Debian that are wanted.
        of: usize,
    },
    /// A file of an archive that a resolver reads is asked for.
    Index {
        /// Which archive and file.
        name: &'a str,
        /// The place, without user and password.
        from: &'a str,
    },
    /// Another process transfers it; this one waits.
    Waiting {
        /// Which transfer.
        id: usize,
        /// What.
        name: &'a str,
        /// The processes, as far as they are known.
        pids: &'a [u32],
    },
    /// It is in the store.
    Done {
        /// Which transfer.
        id: usize,
    },
    /// All are.
    End,
}

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}
