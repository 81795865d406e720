//! What is remembered of deliveries over runs and boots: `/opt/podplane/etc/received`, root's, in the form of [`envfile`].
//!
//! | key | meaning |
//! |---|---|
//! | `AT` | when this record last changed, RFC 3339 |
//! | `DELIVERY` | the name (SHA-512, first half) of the delivery last taken |
//! | `MUTABLE` | the same of the `mutable.env` last merged: the same again is not merged again, whatever its time |
//! | `UNKNOWN` | keys in it that are not settings of this image, the first sixteen |
//! | `GENERATION` | its number, when its sender numbers them |
//! | `REFUSED` | the same of the last delivery and its refusal, until one is taken |
//! | `WHY` | the first fault of that refusal |
//! | `RESTART` | services whose files changed and that have not been restarted since |
//! | `FAILED` | services that the last delivery wanted restarted and that failed |
//!
//! It is put into place in one set with the files of the delivery, so that a crash cannot part them.
//!
//! [`envfile`]: crate::envfile

use crate::accounts::Ids;
use crate::delivery::Unknown;
use crate::layers::Layer;
use crate::plan::Plan;
use crate::refusal::{Class, Result};
use crate::root::Root;
use crate::services::Service;
use std::collections::BTreeSet;
use std::time::SystemTime;

pub use crate::names::RECEIVED as RECORD;

/// How many keys that are not settings are remembered and told.
pub const UNKNOWN: usize = 16;

/// The longest reason of a refusal that is remembered, in characters.
const REASON: usize = 2000;

/// The record.
#[derive(Clone, Default)]
pub struct Record {
    before: Layer,
    now: Layer,
}

impl Record {
    /// From `root`. One that is not a record is as none: only root can have spoilt it, and a delivery makes a new one. A disk
    /// that cannot say is another matter: restarts that wait and the number of the last delivery would be forgotten.
    pub fn read(root: &Root) -> Result<Self> {
        let before = match crate::bootstrap::layer(root, RECORD) {
            Ok(before) => before.unwrap_or_default(),
            Err(refusal) if refusal.class == Class::Input => Layer::default(),
            Err(refusal) => return Err(refusal),
        };
        Ok(Self { now: before.clone(), before })
    }

    /// The value of `key`, empty when it has none.
    #[must_use]
    pub fn get(&self, key: &str) -> &str {
        self.now.get(key).unwrap_or_default()
    }

    /// Sets `key`.
    pub fn set(&mut self, key: &str, value: &str) {
        self.now.set(key, value);
    }

    /// The services in `key`.
    #[must_use]
    pub fn services(&self, key: &str) -> BTreeSet<Service> {
        let names: Vec<&str> = self.get(key).split(',').collect();
        Service::ALL.into_iter().filter(|service| names.contains(&service.unit())).collect()
    }

    /// Sets `key` to `services`.
    pub fn set_services(&mut self, key: &str, services: &BTreeSet<Service>) {
        let names: Vec<&str> = services.iter().map(|service| service.unit()).collect();
        self.set(key, &names.join(","));
    }

    /// Remembers why a delivery was refused, as far as that is short.
    pub fn set_why(&mut self, why: &str) {
        let mut short: String = why.chars().take(REASON).collect();
        if short.len() < why.len() {
            short.push('…');
        }
        self.set("WHY", &short);
    }

    /// Remembers keys that are not settings.
    pub fn set_unknown(&mut self, unknown: &[Unknown]) {
        let mut names: Vec<&str> = unknown.iter().take(UNKNOWN).map(|one| one.key.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        self.set("UNKNOWN", &names.join(","));
    }

    /// Whether `root` has just this one: nobody has taken a delivery since it was put there.
    pub fn is_still(&self, root: &Root) -> Result<bool> {
        let found = Self::read(root)?;
        Ok(found.now.iter().map(pair).eq(self.now.iter().map(pair)))
    }

    /// Adds it to `plan`; the same record again is the same file.
    pub fn plan(&mut self, now: SystemTime, plan: &mut Plan) {
        let is_same = self.before.iter().map(pair).eq(self.now.iter().map(pair));
        if !is_same {
            self.now.set("AT", &crate::bootstrap::rfc3339(now));
        }
        // what a delivery says of itself is worth less than what later ones are held to: its number, restarts that wait
        let text = self.now.text().or_else(|| {
            self.now.set("WHY", "");
            self.now.set("UNKNOWN", "");
            self.now.text()
        });
        if let Some(text) = text {
            plan.file(RECORD, 0o600, ("root", "root"), text.into_bytes(), None);
        }
    }

    /// Writes it alone.
    pub fn write(&mut self, root: &Root, ids: &Ids, now: SystemTime) -> Result<()> {
        let mut plan = Plan::default();
        self.plan(now, &mut plan);
        crate::apply::apply(root, &plan, ids)?;
        self.before = self.now.clone();
        Ok(())
    }
}

/// Without the line.
fn pair<'a>((key, value, _): (&'a str, &'a str, u32)) -> (&'a str, &'a str) {
    (key, value)
}
