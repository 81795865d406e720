//! Real certificates and keys in the place of the recorded ones.
//!
//! The scripts copied whatever was called `ca.crt`, so the records deliver text that only looks like PEM, and expect just
//! that. This program looks inside. Each such text, given or expected, becomes one of the same sort, of a pair that belongs
//! together; what was recorded stands behind it, where no reader of PEM looks, and keeps different files different.

use super::case::Step;

const CERTIFICATE: &str = include_str!("../../fixtures/certificates/p256.crt");
const PRIVATE: &str = include_str!("../../fixtures/certificates/p256.key");
const PUBLIC: &str = include_str!("../../fixtures/certificates/p256.pub");

/// Swaps them in `step`.
pub(super) fn swap(step: &mut Step) {
    let given = step.files.iter_mut().chain(step.during.iter_mut().flat_map(|during| &mut during.files));
    let expected = step.expect.iter_mut().flat_map(|expect| &mut expect.changes);
    let contents = given.map(|file| &mut file.content).chain(expected.map(|change| &mut change.content));
    for content in contents.flatten() {
        let real = match content.as_str() {
            text if text.contains("BEGIN CERTIFICATE") && text.contains("\nb3JhY2xlIHRlc3Qg") => CERTIFICATE,
            text if text.starts_with("-----BEGIN TEST KEY-----") => PRIVATE,
            "PUB\n" | "SAPUB\n" => PUBLIC,
            _ => continue,
        };
        let recorded: String = content.lines().filter(|line| !line.starts_with('-')).collect();
        *content = format!("{real}recorded: {recorded}\n");
    }
}
