//! Real certificates and keys in place of the recorded ones.
//!
//! The scripts copied whatever was called `ca.crt`, and wrote whatever was given as an SSH key, so the records deliver
//! text that is neither, and expect just that. This program looks inside. What is delivered under the name of a certificate
//! or key, and expected where such are installed, becomes a real one, all of a pair that belongs together; what was
//! recorded stands after it, where no reader of PEM looks, and keeps different files different. The body of an SSH key
//! that is none becomes one of its type, another for each. Cases of our own are left as they are: what is wrong in them is
//! meant.

use super::case::Case;
use configure::rules::Rule;
use sha2::Digest as _;

const CERTIFICATE: &str = include_str!("../../fixtures/certificates/p256.crt");
const PRIVATE: &str = include_str!("../../fixtures/certificates/p256.key");
const PUBLIC: &str = include_str!("../../fixtures/certificates/p256.pub");

/// Where certificates and keys are delivered to, and where they are installed.
const PLACES: [&str; 5] =
    ["/opt/nstance-agent/recv/", "/opt/nstance-agent/keys/", "/opt/crt/", "/opt/pub/", "/opt/key/"];

/// Swaps them in a recorded case.
pub(super) fn swap(case: &mut Case) {
    if case.is_own() {
        return;
    }
    for step in &mut case.steps {
        let given = step.files.iter_mut().chain(step.during.iter_mut().flat_map(|during| &mut during.files));
        for file in given {
            text(&file.path, &mut file.content);
        }
        for change in step.expect.iter_mut().flat_map(|expect| &mut expect.changes) {
            text(&change.path, &mut change.content);
            change.env.iter_mut().flat_map(|env| env.values_mut()).for_each(ssh_keys);
        }
    }
}

fn text(path: &str, content: &mut Option<String>) {
    let Some(content) = content.as_mut().filter(|content| !content.is_empty()) else { return };
    let placed = PLACES.iter().any(|place| path.starts_with(place));
    let real = match path.rsplit_once('.') {
        Some((_, "crt")) if placed => CERTIFICATE,
        Some((_, "key")) if placed => PRIVATE,
        Some((_, "pub")) if placed => PUBLIC,
        _ => return ssh_keys(content),
    };
    let recorded: String = content.lines().filter(|line| !line.starts_with('-')).collect();
    *content = format!("{real}recorded: {recorded}\n");
}

/// The bodies of SSH keys in `text`.
fn ssh_keys(text: &mut String) {
    for kind in ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"] {
        let start = format!("{kind} ");
        let mut at = 0;
        while let Some(found) = text.get(at..).and_then(|rest| rest.find(&start)) {
            at += found + start.len();
            let rest = text.get(at..).unwrap_or_default();
            let is_body = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
            let length = rest.bytes().take_while(|byte| is_body(*byte)).count();
            let body = rest.get(..length).unwrap_or_default();
            if !body.is_empty() && !Rule::SshKeys.holds(&format!("{start}{body}")) {
                let real = body_of(kind, body);
                text.replace_range(at..at + length, &real);
                at += real.len();
            }
        }
    }
}

/// Base64 of a key of `kind` that only `recorded` makes.
fn body_of(kind: &str, recorded: &str) -> String {
    let part =
        |bytes: &[u8]| [&(u32::try_from(bytes.len()).unwrap_or_default()).to_be_bytes()[..], bytes].concat();
    let number: Vec<u8> = sha2::Sha256::digest(recorded.as_bytes()).to_vec();
    let rest = match kind {
        "ssh-ed25519" => part(&number),
        "ssh-rsa" => [part(&[1, 0, 1]), part(&[&[0, 0x80][..], &number.repeat(8)].concat())].concat(),
        _ => [part(b"nistp256"), part(&[&[4][..], &number, &number].concat())].concat(),
    };
    base64(&[part(kind.as_bytes()), rest].concat())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4usize {
            let digit = usize::try_from(word >> (18 - 6 * at) & 63).unwrap_or_default();
            out.push(if at > chunk.len() { '=' } else { char::from(DIGITS[digit]) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{PRIVATE, Rule, ssh_keys, text};

    #[test]
    fn what_is_called_a_key_becomes_one_wherever_it_is_delivered() {
        for (path, is_real) in [
            ("/opt/nstance-agent/recv/service-accounts.key", true),
            ("/opt/key/kubelet/kubelet.client.key", true),
            ("/etc/ssh/host.key", false),
        ] {
            let mut content = Some("NEWKEY\n".to_owned());
            text(path, &mut content);
            let content = content.unwrap_or_default();
            assert_eq!(content.starts_with(PRIVATE), is_real, "{path}");
            assert!(content.contains("NEWKEY"));
        }
        let mut none = Some(String::new());
        text("/opt/nstance-agent/recv/ca.crt", &mut none);
        assert_eq!(none.as_deref(), Some(""), "an empty file is one that says nothing");
    }

    #[test]
    fn ssh_keys_that_are_none_become_keys_each_another() {
        for kind in ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"] {
            let mut keys = format!("K='{kind} AAAA one\n{kind} BBBB two'");
            ssh_keys(&mut keys);
            let lines: Vec<&str> = keys.trim_start_matches("K='").trim_end_matches('\'').lines().collect();
            assert!(lines.iter().all(|line| Rule::SshKeys.holds(line)), "{keys}");
            assert_ne!(lines[0].split(' ').nth(1), lines[1].split(' ').nth(1));
            let once = keys.clone();
            ssh_keys(&mut keys);
            assert_eq!(keys, once, "a real key stays");
        }
    }
}
