//! The Release of a suite: who signed it, and whether it is the one that is expected, of today.

use super::super::certificate::Certificate;
use super::super::inrelease::{self, Headers};
use super::super::openpgp;
use super::super::release::{self, Release};
use super::{Archive, Task, refuse};
use crate::lock::LockedSuite;
use crate::sources::{Sources, Suite};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::error::Error;
use tree::digest::Sha256;
use tree::refusal::{Class, Result};

/// A suite whose Release was verified.
pub(super) struct Verified<'s> {
    pub(super) suite: &'s Suite,
    pub(super) release: Release,
    pub(super) locked: LockedSuite,
}

/// The Release of `suite`, verified and of today.
pub(super) fn verify<'s>(
    task: &Task<'_>,
    sources: &Sources,
    suite: &'s Suite,
    archive: &dyn Archive,
) -> Result<Verified<'s>> {
    let message = match archive.inrelease(suite) {
        Ok(bytes) => Message { file: "InRelease", bytes, signature: None },
        // some archives have no other form
        Err(refusal) if suite.is_third_party() && refusal.class == Class::Network => {
            let Ok((bytes, signature)) = archive.detached(suite) else { return Err(refusal) };
            Message { file: "Release", bytes, signature: Some(signature) }
        }
        Err(refusal) => return Err(refusal),
    };
    let wrong = |error: Box<dyn Error + Send + Sync>| {
        refuse(Class::Verification, format!("{} {}", suite.name, message.file), error)
    };
    let (text, signed_by) = message.verified(suite, &sources.trusted(suite), task.now).map_err(wrong)?;
    let release = release::parse(&text).map_err(|error| wrong(error.into()))?;
    let before = task.previous.iter().flat_map(|lock| &lock.suites).filter(|one| one.name == suite.name);
    release::check(&release, suite, task.now, before.map(|one| one.date).max())
        .map_err(|error| wrong(error.into()))?;
    let mirror = sources.archives.get(&suite.archive).filter(|_| suite.is_third_party());
    let locked = LockedSuite {
        name: suite.name.clone(),
        archive: suite.archive.clone(),
        mirror: mirror.map(|archive| archive.mirror.clone()),
        date: release.date,
        inrelease: Sha256::of(&message.bytes),
        signature: message.signature.as_deref().map(Sha256::of),
        packages: Sha256::of(b""),
        components: BTreeMap::new(),
        signed_by,
    };
    Ok(Verified { suite, release, locked })
}

/// A Release with its signatures, of one file or two.
struct Message {
    file: &'static str,
    bytes: Vec<u8>,
    signature: Option<Vec<u8>>,
}

impl Message {
    /// What is signed, and the fingerprints of the primary keys that signed it.
    fn verified(
        &self,
        suite: &Suite,
        trusted: &[&Certificate],
        now: Timestamp,
    ) -> Result<(String, Vec<String>), Box<dyn Error + Send + Sync>> {
        match &self.signature {
            Some(signature) => {
                let message = inrelease::detached(&self.bytes, signature)?;
                let signed_by = openpgp::verify_detached(&message, trusted, now)?;
                Ok((message.text.to_owned(), signed_by))
            }
            None => {
                let headers = if suite.is_third_party() { Headers::Program } else { Headers::None };
                let message = inrelease::split_with(&self.bytes, headers)?;
                let signed_by = openpgp::verify(&message, trusted, now)?;
                Ok((message.text(), signed_by))
            }
        }
    }
}
