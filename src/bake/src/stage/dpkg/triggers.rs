//! Who is interested in which trigger: deb-triggers(5), and dpkg's `doc/spec/triggers.txt`.

use super::super::control::{ControlError, Deb};
use std::collections::BTreeMap;

/// The files of `triggers/` by name: `File` for triggers that are paths, and one for each other trigger.
pub(super) fn interests<'a, 'd>(
    debs: &[&'a Deb<'d>],
) -> Result<BTreeMap<String, String>, (&'a Deb<'d>, ControlError)> {
    let mut files = BTreeMap::from([("File".to_owned(), String::new())]);
    for deb in debs {
        let text = deb.control("triggers").map_err(|error| (*deb, error))?.unwrap_or_default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let Some((directive, trigger)) = line.split_once(|c: char| c.is_ascii_whitespace()) else {
                continue;
            };
            let suffix = match directive {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                // what a package activates is known to dpkg from its `triggers` file
                _ => continue,
            };
            let trigger = trigger.trim_start();
            let line = format!("{}{suffix}\n", deb.qualified());
            if trigger.starts_with('/') {
                let path = trigger.trim_end_matches('/');
                files.entry("File".to_owned()).or_default().push_str(&format!("{path} {line}"));
            } else {
                files.entry(trigger.to_owned()).or_default().push_str(&line);
            }
        }
    }
    Ok(files)
}
