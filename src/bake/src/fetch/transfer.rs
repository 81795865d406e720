//! One want, from the first place that has it.

use super::Gone;
use super::fault::Fault;
use super::hosts::Hosts;
use super::places::{Location, Of, locations};
use super::progress::{Event, Progress};
use super::tries::{Tries, pause};
use super::web::{Ask, Web};
use super::{Options, is_present, local};
use crate::plan::{Source, Want};
use crate::refusal::{Class, Refusal, Remedy, Result, Stage};
use crate::sources::is_debian;
use crate::store::{Begun, Store, Transfer};
use std::fmt::Display;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Pause between two looks at what another process does.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
/// A try that brings so much has not been in vain: the count of tries begins anew.
const WORTH: u64 = 1 << 20;

/// One transfer and all that it needs.
pub(super) struct One<'a> {
    pub(super) id: usize,
    pub(super) want: &'a Want,
    pub(super) store: &'a Store,
    pub(super) options: &'a Options,
    pub(super) web: &'a Web<'a>,
    pub(super) progress: &'a dyn Progress,
    pub(super) stop: &'a AtomicBool,
    pub(super) hosts: &'a Hosts,
}

/// What was wrong with each place.
pub(super) type Failures = Vec<(Location, Fault)>;

/// Brings one want into the store, from any place but the snapshot archive; what was wrong with those, where that archive
/// may have it.
pub(super) fn transfer(one: &One<'_>) -> Result<Option<Failures>> {
    let places = locations(one.want, one.options)?;
    if places.is_empty() {
        let (why, remedy) = if one.options.offline {
            ("this run is offline", Remedy::Online)
        } else {
            ("no place is named that could have it", Remedy::NameArchive)
        };
        let cause = format!("it is not in the store, and {why}");
        return Err(Refusal::new(Class::Network, one.want.name.as_str(), Stage::Fetch, cause).remedy(remedy));
    }
    let (snapshots, near): (Vec<_>, Vec<_>) = places.into_iter().partition(Location::is_snapshot);
    if near.is_empty() {
        return Ok(Some(Vec::new()));
    }
    fetched(one, &near, Vec::new(), snapshots.is_empty())
}

/// Brings one want into the store from the snapshot archive, after all other places have failed.
pub(super) fn from_snapshot(one: &One<'_>, failures: Failures) -> Result<()> {
    let places: Vec<_> =
        locations(one.want, one.options)?.into_iter().filter(Location::is_snapshot).collect();
    fetched(one, &places, failures, true).map(drop)
}

/// Brings one want into the store from the first of `places` that has it. Where none has, and these are not the last
/// ones, what was wrong with them.
fn fetched(one: &One<'_>, places: &[Location], earlier: Failures, last: bool) -> Result<Option<Failures>> {
    if let Some(mut part) = claim(one)? {
        let until = Instant::now() + one.options.deadlines.total;
        if let Err(mut failures) = from_all(one, &mut part, places, earlier, last, until) {
            if !last && !failures.last().is_some_and(|(_, fault)| fault.is_final()) {
                return Ok(Some(failures));
            }
            let name = one.want.name.as_str();
            return Err(match failures.pop() {
                Some((_, Fault::Store(refusal))) => *refusal,
                Some((_, Fault::Write(error))) => {
                    // it is the disk that fails, so leave as much of it free as there was
                    part.discard();
                    Refusal::io(name, Stage::Fetch, "write to the store", &error)
                }
                last => {
                    failures.extend(last);
                    nowhere(one, &failures)
                }
            });
        }
    }
    one.progress.event(Event::Done { id: one.id });
    Ok(None)
}

/// Takes the transfer on; none where another process has done it meanwhile.
fn claim<'a>(one: &One<'a>) -> Result<Option<Transfer<'a>>> {
    let mut seen = None;
    let mut since = Instant::now();
    loop {
        match one.store.begin(&one.want.digest)? {
            Begun::Ours(transfer) => return Ok((!is_present(one.store, one.want)?).then_some(transfer)),
            Begun::Theirs(holder) => {
                if seen.is_none() {
                    one.progress.event(Event::Waiting {
                        id: one.id,
                        name: one.want.name.as_str(),
                        pids: &holder.pids,
                    });
                }
                if seen != Some(holder.progress) {
                    (seen, since) = (Some(holder.progress), Instant::now());
                } else if since.elapsed() >= one.options.deadlines.stalled {
                    return Err(holder.refusal(one.want.name.as_str()));
                }
            }
        }
        if one.stop.load(Ordering::Relaxed) {
            return Err(nowhere(one, &[]));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Tries each place until one has it; else what was wrong with each.
fn from_all(
    one: &One<'_>,
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
            let name = one.want.name.as_str();
            one.progress.event(Event::NextPlace { id: one.id, name, left: &left, why: &why, next: &next });
        }
        let tried = match one.hosts.may_be_asked(place) || last {
            true => from_one(one, part, place, last, until),
            false => Err(Fault::Unreachable),
        };
        one.hosts.note(place, tried.as_ref().err());
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
    one: &One<'_>,
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
            one.hosts.wait_for_snapshot(until, one.stop)?;
        }
        let at = length(part)?;
        let Want { name, version, size, .. } = one.want;
        one.progress.event(Event::Start {
            id: one.id,
            name: name.as_str(),
            version,
            bytes: *size,
            from: &from,
            at,
        });
        let fault = match (once(one, part, place, &mut etag, until), place) {
            (Ok(()), _) => return Ok(()),
            (Err(fault), Location::File(local)) => local.told(fault),
            (Err(fault), Location::Url { .. }) => fault,
        };
        if place.is_snapshot() && !one.hosts.has_answered(&fault) {
            tries.lose_patience();
        }
        if length(part)? >= at.saturating_add(WORTH) {
            tries = new_tries();
        }
        let Some(wait) = tries.next(&fault, &one.options.deadlines, last) else { return Err(fault) };
        one.progress.event(Event::Retry { id: one.id, from: &from, why: &fault.to_string(), wait });
        if place.is_snapshot() {
            // what asks one transfer to wait asks all of them
            one.hosts.hold_snapshot(wait);
        }
        pause(wait, until, one.stop)?;
    }
}

/// One try: the rest of the part, then the digest of the whole.
fn once(
    one: &One<'_>,
    part: &mut Transfer<'_>,
    place: &Location,
    etag: &mut Option<String>,
    until: Instant,
) -> Result<(), Fault> {
    let size = one.want.size;
    let mut at = length(part)?;
    if at > size || matches!(place, Location::File(_)) {
        restart(one, part)?;
        at = 0;
    }
    let mut page = false;
    if at < size || size == 0 {
        match place {
            Location::File(local) => local::copy(local, size, part.file(), &mut |n| announce(one, n))?,
            Location::Url { url, of } => {
                let sent = etag.clone();
                let ask =
                    Ask { url, of: *of, at, etag: sent.as_deref(), size: Some(size), until, stop: one.stop };
                let asked = one.web.ask(&ask);
                if matches!(asked, Err(Fault::Resume(_))) {
                    restart(one, part)?;
                }
                let answer = asked?;
                if answer.at == 0 && at > 0 {
                    restart(one, part)?;
                    at = 0;
                }
                if *of == Of::Snapshot {
                    one.hosts.answered();
                }
                etag.clone_from(&answer.etag);
                page = receive(one, part, &ask, answer)?;
            }
        }
    }
    match part.finish() {
        Ok(Ok(())) => Ok(()),
        // what was there from earlier may be the wrong half
        Ok(Err(_)) if at > 0 => {
            one.progress.event(Event::Restart { id: one.id });
            Err(Fault::Resume("together they have another digest".to_owned()))
        }
        Ok(Err(got)) => {
            one.progress.event(Event::Restart { id: one.id });
            Err(Fault::Digest { expected: one.want.digest.clone(), got, page })
        }
        Err(refusal) => Err(Fault::Store(Box::new(refusal))),
    }
}

/// Writes an answer's body to the part; whether it is a web page.
fn receive(
    one: &One<'_>,
    part: &mut Transfer<'_>,
    ask: &Ask<'_>,
    answer: super::web::Answer,
) -> Result<bool, Fault> {
    let file = part.file();
    file.seek(SeekFrom::Start(answer.at)).map_err(Fault::Write)?;
    let mut page = answer.page;
    let mut first = answer.at == 0;
    one.web.read(answer, ask, &mut |chunk| {
        page |= std::mem::take(&mut first) && looks_like_a_page(chunk);
        file.write_all(chunk).map_err(Fault::Write)?;
        announce(one, chunk.len() as u64)
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

fn announce(one: &One<'_>, n: u64) -> Result<(), Fault> {
    one.progress.event(Event::Bytes { id: one.id, n });
    if one.stop.load(Ordering::Relaxed) { Err(Fault::Stopped) } else { Ok(()) }
}

fn length(part: &mut Transfer<'_>) -> Result<u64, Fault> {
    part.file().metadata().map(|metadata| metadata.len()).map_err(Fault::Write)
}

fn restart(one: &One<'_>, part: &mut Transfer<'_>) -> Result<(), Fault> {
    if length(part)? > 0 {
        one.progress.event(Event::Restart { id: one.id });
    }
    part.file().set_len(0).and_then(|()| part.file().rewind()).map_err(Fault::Write)
}

/// The refusal that says what was wrong with each place.
fn nowhere(one: &One<'_>, failures: &[(Location, Fault)]) -> Refusal {
    let absent = failures.iter().any(|(_, fault)| fault.is_absence());
    let refusal = refused(one.want.name.as_str(), failures);
    match &one.want.source {
        Source::Debian { archive, .. } if !refusal.has_way_out() && absent => {
            let mut cause = refusal.cause.to_string();
            if !is_debian(archive) && !one.options.snapshots.has(archive) {
                cause.push_str(&format!(
                    "; archive `{archive}` has no snapshot service that keeps what it removes"
                ));
            }
            Refusal { cause: Gone(cause).into(), ..refusal }.hint(one.options.relock_hint.clone())
        }
        Source::Project { path } if !refusal.has_way_out() => refusal.remedy(Remedy::LockFile(path.clone())),
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
        0 => "ended, since another transfer has failed".to_owned(),
        1 => each.concat(),
        _ => format!("no place has it: {}", each.join("; ")),
    };
    let refusal = Refusal::new(class.unwrap_or(Class::Network), artifact, Stage::Fetch, cause);
    if let Some(hint) = hint { refusal.hint(hint) } else { refusal }
}
