//! One requirement, from the first place that has it.

use super::Unavailable;
use super::fault::Fault;
use super::hosts::Hosts;
use super::places::{Location, Of, locations};
use super::progress::{Event, Progress};
use super::tries::{Tries, pause};
use super::web::{RangeRequest, Web};
use super::{Options, is_present, local};
use crate::plan::{Requirement, Source};
use crate::sources::is_debian;
use std::fmt::Display;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use store::{Begun, Store, Transfer};
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};

/// Pause between two looks at what another process does.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
/// A try that brings so much has not been in vain: the count of tries starts over.
const WORTH: u64 = 1 << 20;

/// One transfer and all that it needs.
pub(super) struct Job<'a> {
    pub(super) id: usize,
    pub(super) requirement: &'a Requirement,
    pub(super) store: &'a Store,
    pub(super) options: &'a Options,
    pub(super) web: &'a Web<'a>,
    pub(super) progress: &'a dyn Progress,
    pub(super) stop: &'a AtomicBool,
    pub(super) hosts: &'a Hosts,
}

/// What was wrong with each place.
pub(super) type Failures = Vec<(Location, Fault)>;

/// Brings one requirement into the store, from any place but the snapshot archive; what was wrong with those, where that archive
/// may have it.
pub(super) fn transfer(job: &Job<'_>) -> Result<Option<Failures>> {
    let places = locations(job.requirement, job.options)?;
    if places.is_empty() {
        let (why, remedy) = if job.options.offline {
            ("this run is offline", Remedy::Online)
        } else {
            ("no mirror is configured that could have it", Remedy::NameArchive)
        };
        let cause = format!("it is not in the store, and {why}");
        return Err(
            Refusal::new(Class::Network, job.requirement.name.as_str(), Stage::Fetch, cause).remedy(remedy)
        );
    }
    let (snapshots, near): (Vec<_>, Vec<_>) = places.into_iter().partition(Location::is_snapshot);
    if near.is_empty() {
        return Ok(Some(Vec::new()));
    }
    fetched(job, &near, Vec::new(), snapshots.is_empty())
}

/// Brings one requirement into the store from the snapshot archive, after all other places have failed.
pub(super) fn from_snapshot(job: &Job<'_>, failures: Failures) -> Result<()> {
    let places: Vec<_> =
        locations(job.requirement, job.options)?.into_iter().filter(Location::is_snapshot).collect();
    fetched(job, &places, failures, true).map(drop)
}

/// Brings one requirement into the store from the first of `places` that has it. Where none has, and these are not the last
/// ones, what was wrong with them.
fn fetched(job: &Job<'_>, places: &[Location], earlier: Failures, last: bool) -> Result<Option<Failures>> {
    if let Some(mut part) = claim(job)? {
        let until = Instant::now() + job.options.deadlines.total;
        if let Err(mut failures) = from_all(job, &mut part, places, earlier, last, until) {
            if !last && !failures.last().is_some_and(|(_, fault)| fault.is_final()) {
                return Ok(Some(failures));
            }
            let name = job.requirement.name.as_str();
            return Err(match failures.pop() {
                Some((_, Fault::Store(refusal))) => *refusal,
                Some((_, Fault::Write(error))) => {
                    // it is the disk that fails, so leave as much of it free as there was
                    part.discard();
                    Refusal::io(name, Stage::Fetch, "write to the store", &error)
                }
                last => {
                    failures.extend(last);
                    nowhere(job, &failures)
                }
            });
        }
    }
    job.progress.event(Event::Done { id: job.id });
    Ok(None)
}

/// Takes the transfer on; none where another process has done it meanwhile.
fn claim<'a>(job: &Job<'a>) -> Result<Option<Transfer<'a>>> {
    let mut seen = None;
    let mut since = Instant::now();
    loop {
        match job.store.begin(&job.requirement.digest)? {
            Begun::Ours(transfer) => {
                return Ok((!is_present(job.store, job.requirement)?).then_some(transfer));
            }
            Begun::Theirs(holder) => {
                if seen.is_none() {
                    job.progress.event(Event::Waiting {
                        id: job.id,
                        name: job.requirement.name.as_str(),
                        pids: &holder.pids,
                    });
                }
                if seen != Some(holder.progress) {
                    (seen, since) = (Some(holder.progress), Instant::now());
                } else if since.elapsed() >= job.options.deadlines.stalled {
                    return Err(holder.refusal(job.requirement.name.as_str()));
                }
            }
        }
        if job.stop.load(Ordering::Relaxed) {
            return Err(nowhere(job, &[]));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Tries each place until one has it; else what was wrong with each.
fn from_all(
    job: &Job<'_>,
    part: &mut Transfer<'_>,
    places: &[Location],
    mut failures: Failures,
    last: bool,
    until: Instant,
) -> Result<(), Failures> {
    for (at, place) in places.iter().enumerate() {
        let last = last && at + 1 == places.len();
        if let Some((left, fault)) = failures.last() {
            let (left, why, next) = (left.to_string(), fault.to_string(), place.to_string());
            let name = job.requirement.name.as_str();
            job.progress.event(Event::NextPlace { id: job.id, name, left: &left, why: &why, next: &next });
        }
        let tried = match job.hosts.may_be_asked(place) || last {
            true => from_one(job, part, place, last, until),
            false => Err(Fault::Unreachable),
        };
        job.hosts.note(place, tried.as_ref().err());
        match tried {
            Ok(()) => return Ok(()),
            Err(fault) => {
                let is_final = fault.is_final();
                failures.push((place.clone(), fault));
                if is_final {
                    break;
                }
            }
        }
    }
    Err(failures)
}

/// Tries one place as often as its faults deserve.
fn from_one(
    job: &Job<'_>,
    part: &mut Transfer<'_>,
    place: &Location,
    last: bool,
    until: Instant,
) -> Result<(), Fault> {
    let from = place.to_string();
    let mut etag = None;
    let new_tries = || if place.is_snapshot() { Tries::patient() } else { Tries::default() };
    let mut tries = new_tries();
    loop {
        if place.is_snapshot() {
            job.hosts.wait_for_snapshot(until, job.stop)?;
        }
        let at = length(part)?;
        let Requirement { name, version, size, .. } = job.requirement;
        job.progress.event(Event::Start {
            id: job.id,
            name: name.as_str(),
            version,
            bytes: *size,
            from: &from,
            at,
        });
        let fault = match (once(job, part, place, &mut etag, until), place) {
            (Ok(()), _) => return Ok(()),
            (Err(fault), Location::File(local)) => local.told(fault),
            (Err(fault), Location::Url { .. }) => fault,
        };
        if place.is_snapshot() && !job.hosts.has_answered(&fault) {
            tries.lose_patience();
        }
        if length(part)? >= at.saturating_add(WORTH) {
            tries = new_tries();
        }
        let Some(wait) = tries.next(&fault, &job.options.deadlines, last) else { return Err(fault) };
        job.progress.event(Event::Retry { id: job.id, from: &from, why: &fault.to_string(), wait });
        if place.is_snapshot() {
            // what asks one transfer to wait asks all of them
            job.hosts.hold_snapshot(wait);
        }
        pause(wait, until, job.stop)?;
    }
}

/// One try: the rest of the part, then the digest of the whole.
fn once(
    job: &Job<'_>,
    part: &mut Transfer<'_>,
    place: &Location,
    etag: &mut Option<String>,
    until: Instant,
) -> Result<(), Fault> {
    let size = job.requirement.size;
    let mut at = length(part)?;
    if at > size || matches!(place, Location::File(_)) {
        restart(job, part)?;
        at = 0;
    }
    let mut page = false;
    if at < size || size == 0 {
        match place {
            Location::File(local) => local::copy(local, size, part.file(), &mut |n| announce(job, n))?,
            Location::Url { url, of } => {
                let sent = etag.clone();
                let ask = RangeRequest {
                    url,
                    of: *of,
                    at,
                    etag: sent.as_deref(),
                    size: Some(size),
                    until,
                    stop: job.stop,
                };
                let asked = job.web.ask(&ask);
                if matches!(asked, Err(Fault::Resume(_))) {
                    restart(job, part)?;
                }
                let answer = asked?;
                if answer.at == 0 && at > 0 {
                    restart(job, part)?;
                    at = 0;
                }
                if *of == Of::Snapshot {
                    job.hosts.answered();
                }
                etag.clone_from(&answer.etag);
                page = receive(job, part, &ask, answer)?;
            }
        }
    }
    match part.finish() {
        Ok(Ok(())) => Ok(()),
        // what was there from earlier may be the wrong half
        Ok(Err(_)) if at > 0 => {
            job.progress.event(Event::Restart { id: job.id });
            Err(Fault::Resume("the assembled file has another digest".to_owned()))
        }
        Ok(Err(got)) => {
            job.progress.event(Event::Restart { id: job.id });
            Err(Fault::Digest { expected: job.requirement.digest.clone(), got, page })
        }
        Err(refusal) => Err(Fault::Store(Box::new(refusal))),
    }
}

/// Writes an answer's body to the part; whether it is a web page.
fn receive(
    job: &Job<'_>,
    part: &mut Transfer<'_>,
    ask: &RangeRequest<'_>,
    answer: super::web::RangeResponse,
) -> Result<bool, Fault> {
    let file = part.file();
    file.seek(SeekFrom::Start(answer.at)).map_err(Fault::Write)?;
    let mut page = answer.page;
    let mut first = answer.at == 0;
    job.web.read(answer, ask, &mut |chunk| {
        page |= std::mem::take(&mut first) && looks_like_a_page(chunk);
        file.write_all(chunk).map_err(Fault::Write)?;
        announce(job, chunk.len() as u64)
    })?;
    Ok(page)
}

/// Whether bytes begin as HTML does.
fn looks_like_a_page(bytes: &[u8]) -> bool {
    let head = bytes.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|tag| head.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag)))
}

fn announce(job: &Job<'_>, n: u64) -> Result<(), Fault> {
    job.progress.event(Event::Bytes { id: job.id, n });
    if job.stop.load(Ordering::Relaxed) { Err(Fault::Stopped) } else { Ok(()) }
}

fn length(part: &mut Transfer<'_>) -> Result<u64, Fault> {
    part.file().metadata().map(|metadata| metadata.len()).map_err(Fault::Write)
}

fn restart(job: &Job<'_>, part: &mut Transfer<'_>) -> Result<(), Fault> {
    if length(part)? > 0 {
        job.progress.event(Event::Restart { id: job.id });
    }
    part.file().set_len(0).and_then(|()| part.file().rewind()).map_err(Fault::Write)
}

/// The refusal that says what was wrong with each place.
fn nowhere(job: &Job<'_>, failures: &[(Location, Fault)]) -> Refusal {
    let absent = failures.iter().any(|(_, fault)| fault.is_absence());
    let refusal = refused(job.requirement.name.as_str(), failures);
    match &job.requirement.source {
        Source::Debian { archive, .. } if !refusal.has_way_out() && absent => {
            let mut cause = refusal.cause.to_string();
            if !is_debian(archive) && !job.options.snapshots.has(archive) {
                cause.push_str(&format!(
                    "; archive `{archive}` has no snapshot service that keeps what it removes"
                ));
            }
            Refusal { cause: Unavailable(cause).into(), ..refusal }.hint(job.options.relock_hint.clone())
        }
        // a part of a container image has its digest from elsewhere
        Source::Project { path } if !refusal.has_way_out() && path.ends_with(".deb") => {
            refusal.remedy(Remedy::LockFile(path.clone()))
        }
        Source::Registry { .. } => or_from_elsewhere(job.requirement, refusal),
        _ => refusal,
    }
}

/// The way out where a registry does not have a part of an image, or gives it to users alone.
pub(super) fn or_from_elsewhere(requirement: &Requirement, refusal: Refusal) -> Refusal {
    match requirement.source {
        Source::Registry { .. } if !refusal.has_way_out() => refusal.hint(
            "check the name and the digest of the image; one that a registry gives to its users alone comes from a mirror, or from \
             the project (`from`)",
        ),
        _ => refusal,
    }
}

/// One refusal of several faults: wrong bytes say more than a place that is not there.
pub(super) fn refused<P: Display>(artifact: &str, failures: &[(P, Fault)]) -> Refusal {
    let classes = [Class::Io, Class::Verification];
    let class = classes.into_iter().find(|class| failures.iter().any(|(_, fault)| fault.class() == *class));
    let hint = failures.iter().find_map(|(_, fault)| fault.hint());
    let each: Vec<String> = failures.iter().map(|(place, fault)| format!("{fault} (`{place}`)")).collect();
    let cause = match each.len() {
        0 => "canceled, as another transfer failed".to_owned(),
        1 => each.concat(),
        _ => format!("no mirror has it: {}", each.join("; ")),
    };
    let refusal = Refusal::new(class.unwrap_or(Class::Network), artifact, Stage::Fetch, cause);
    if let Some(hint) = hint { refusal.hint(hint) } else { refusal }
}
