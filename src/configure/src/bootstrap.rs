//! The inputs of a run, and what the first run adds.
//!
//! The first run finds out what the machine is, seeds the live settings from the image's defaults, and says that it is
//! done. These three files are part of the same set as all others, the marker last: there is no order in which a crash
//! could leave the marker without them, and a first run that was refused has written nothing, so that the next one
//! looks at the machine again. A marker without `detected.env` is a damaged node, and refused.

use crate::envfile::{self, FILE_LIMIT};
use crate::install::Image;
use crate::layers::{Layer, Layers, duplicates, syntax_faults};
use crate::names::{DEFAULTS, DETECT_FACTS, DETECTED, DONE, MUTABLE, USER_DATA};
use crate::plan::Plan;
use crate::refusal::{Fault, Refusal, Result};
use crate::root::Root;
use crate::settings::When;
use std::net::IpAddr;
use std::time::SystemTime;

/// The key, in what `configure detect` leaves, of the API server's addresses.
pub const ADDRESSES: &str = "KUBE_API_ADDRESSES";

/// The last key of a whole `detected.env`: it is written sorted.
const LAST: &str = "VMCONFIG_KIND";

/// The inputs of a run.
pub struct Inputs {
    /// The three files as they are, or as the first run is about to write them.
    pub layers: Layers,
    /// Whether this is the first run.
    pub when: When,
    /// Whether `configure detect` has asked the network already, with the addresses it found.
    pub asked: Option<Vec<IpAddr>>,
}

/// Reads them from `root`; nothing is written.
pub fn read(root: &Root, image: &Image) -> Result<Inputs> {
    let user_data = user_data(root)?;
    if root.exists(DONE)? {
        let hint = format!("the first run wrote it; to have it found out again, remove {DONE}");
        let gone =
            |path: &str| Refusal::from(Fault::new(path, "expected the file, found none").hint(hint.clone()));
        let detected = layer(root, DETECTED)?.ok_or_else(|| gone(DETECTED))?;
        if detected.get(LAST).is_none_or(str::is_empty) {
            return Err(Fault::new(DETECTED, "expected the whole file, found one that is cut")
                .key(LAST)
                .hint(hint)
                .into());
        }
        let mutable = layer(root, MUTABLE)?.ok_or_else(|| gone(MUTABLE))?;
        return Ok(Inputs {
            layers: Layers { user_data, detected, mutable },
            when: When::Later,
            asked: None,
        });
    }
    let seed = match layer(root, MUTABLE)? {
        Some(present) => Some(present),
        None => layer(root, DEFAULTS)?,
    };
    let mut mutable = seed.ok_or_else(|| {
        Fault::new(DEFAULTS, "expected the image's defaults, found none").hint("bake the image again")
    })?;
    if !root.exists(MUTABLE)? {
        seed_from(&user_data, &mut mutable);
    }
    let (detected, asked) = match layer(root, DETECT_FACTS)? {
        Some(facts) => handed_over(&facts),
        None => (crate::detect::detect(root, &user_data, image)?, None),
    };
    Ok(Inputs { layers: Layers { user_data, detected, mutable }, when: When::FirstRun, asked })
}

/// User-data of `root`; a key that is given twice with different values is refused.
pub fn user_data(root: &Root) -> Result<Layer> {
    let Some(bytes) = root.read(USER_DATA, FILE_LIMIT)? else {
        return Err(Fault::new(USER_DATA, "expected the instance's user-data, found no file")
            .hint("first boot writes it: `cloud-init status --long` says how far that went")
            .into());
    };
    parse_user_data(&bytes).map_err(Refusal::input)
}

/// The same of `bytes`.
pub fn parse_user_data(bytes: &[u8]) -> std::result::Result<Layer, Vec<Fault>> {
    let assignments = envfile::read(bytes).map_err(|faults| syntax_faults(USER_DATA, faults))?;
    let twice = duplicates(USER_DATA, &assignments);
    if twice.is_empty() { Ok(Layer::new(assignments)) } else { Err(twice) }
}

/// The file `path` as a layer, when there is one.
pub fn layer(root: &Root, path: &str) -> Result<Option<Layer>> {
    let Some(bytes) = root.read(path, FILE_LIMIT)? else { return Ok(None) };
    let assignments = envfile::read(&bytes).map_err(|faults| Refusal::input(syntax_faults(path, faults)))?;
    Ok(Some(Layer::new(assignments)))
}

/// Lets user-data's own values win over defaults that are not empty, which would hide them for good. Values whose
/// default is empty show through anyway, and go on doing so when a delivery clears them.
fn seed_from(user_data: &Layer, mutable: &mut Layer) {
    for key in crate::keys::KEYS.iter().filter(|key| key.is_live()) {
        let hidden = mutable.get(key.name).is_some_and(|value| !value.is_empty());
        if let Some(own) = user_data.get(key.name).filter(|own| hidden && !own.is_empty()) {
            mutable.set(key.name, own);
        }
    }
}

/// What `configure detect` left, without what is no fact of the machine.
fn handed_over(facts: &Layer) -> (Layer, Option<Vec<IpAddr>>) {
    let addresses = facts.get(ADDRESSES).unwrap_or_default();
    let addresses = addresses.split(',').filter_map(|one| one.parse().ok()).collect();
    let pairs = facts.iter().filter(|(key, _, _)| *key != ADDRESSES);
    (Layer::of(pairs.map(|(key, value, _)| (key.to_owned(), value.to_owned()))), Some(addresses))
}

/// Adds the first run's own files to `plan`: the facts, the live settings, and last of all the marker.
pub fn plan(inputs: &Inputs, now: SystemTime, plan: &mut Plan) {
    if inputs.when != When::FirstRun {
        return;
    }
    let root = ("root", "root");
    let text = |layer: &Layer| layer.text().unwrap_or_default().into_bytes();
    plan.file(DETECTED, 0o600, root, text(&inputs.layers.detected), None);
    plan.file(MUTABLE, 0o600, root, text(&inputs.layers.mutable), None);
    // of the scripts that this program replaces
    for stale in [DETECTED, MUTABLE, DONE] {
        plan.remove(&format!("{stale}.tmp"), None);
    }
    plan.file(DONE, 0o600, root, format!("completed_at={}\n", rfc3339(now)).into_bytes(), None);
}

/// `2026-11-22T15:04:05Z`; a clock before 1970 is 1970.
#[must_use]
pub fn rfc3339(now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // days from 1 March of the year 0 (Howard Hinnant's civil_from_days)
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;
    use std::time::{Duration, SystemTime};

    #[test]
    fn times_of_any_clock_are_written() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_359_875, "2026-11-22T15:04:35Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
