//! Which of the delivered certificates and keys go into place: pure, given what was read and what is installed.
//!
//! No pair that works is replaced by one that does not. While an agent renews a certificate its new key is there first:
//! then the installed pair stays until the certificate comes. A certificate that no key at hand belongs to is refused, and
//! with it the whole delivery. Where the policy fixes authorities, only what the present ones vouch for takes their place
//! ([`crate::authority`]); the first ones are taken as they come.

use super::table::{CA_PUB, CRT, KEY, PAIRS, PUB, Pair, SIGNING, SIGNING_KEY, SIGNING_PUB};
use super::take::{KEYS, RECV, Taken};
use crate::authority;
use crate::certificate::{PublicKey, of_certificate, of_private_key, of_public_keys};
use crate::keys::Output;
use crate::names::Role;
use crate::plan::Plan;
use crate::refusal::{Fault, Result};
use crate::root::Root;
use crate::services::Service;
use std::collections::BTreeMap;

/// The most bytes of an installed file.
const LIMIT: usize = 1024 * 1024;

/// What is installed, by path.
pub type Installed = BTreeMap<String, Vec<u8>>;

/// Reads what is installed of all that a node of `role` may be delivered.
pub fn installed(root: &Root, role: Role) -> Result<Installed> {
    let mut paths = vec![format!("{PUB}/{SIGNING_PUB}"), format!("{PUB}/{CA_PUB}"), signing_key()];
    for pair in &PAIRS {
        paths.push(certificate_path(pair));
        paths.extend(pair.key_on(role).map(|(path, _)| path));
    }
    let mut out = Installed::new();
    for path in paths {
        if let Some(bytes) = root.read(&path, LIMIT)? {
            out.insert(path, bytes);
        }
    }
    Ok(out)
}

/// Adds what goes into place to `plan`, or tells every fault. `fixed` says why the policy lets no authority follow that the
/// present one does not vouch for; none where any may.
pub fn judge(
    role: Role,
    taken: &Taken,
    installed: &Installed,
    fixed: Option<&str>,
    plan: &mut Plan,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(because) = fixed {
        faults.extend(not_vouched(taken, installed, because));
    }
    for pair in &PAIRS {
        if let Err(fault) = judge_pair(pair, role, taken, installed, plan) {
            faults.push(fault);
        }
    }
    if let Some(bytes) = taken.recv.get(CA_PUB) {
        match of_public_keys(bytes) {
            Err(rule) if !is_ssh(bytes) => faults.push(Fault::new(format!("{RECV}/{CA_PUB}"), rule)),
            _ => put(plan, &format!("{PUB}/{CA_PUB}"), "podplane", bytes, &[]),
        }
    }
    if let Err(fault) = judge_signing(role, taken, installed, plan) {
        faults.push(fault);
    }
    faults
}

/// What of the delivered authorities the present ones do not vouch for. Of what is not there yet the first is taken.
fn not_vouched(taken: &Taken, installed: &Installed, because: &str) -> Vec<Fault> {
    let present = |path: String| installed.get(&path).map(Vec::as_slice).filter(|bytes| !bytes.is_empty());
    let (old_ca, old_ca_pub) = (present(format!("{CRT}/ca.crt")), present(format!("{PUB}/{CA_PUB}")));
    let (old_key, old_pub) = (present(signing_key()), present(format!("{PUB}/{SIGNING_PUB}")));
    let delivered = |name: &str| taken.recv.get(name).map(Vec::as_slice);
    let mut faults = Vec::new();
    let mut fault = |name: &str, rule: &str, hint: &str| {
        faults.push(Fault::new(format!("{RECV}/{name}"), format!("{rule}, {because}")).hint(hint));
    };
    if let (Some(new), Some(old)) = (delivered("ca.crt"), old_ca)
        && let Err(rule) = authority::certificates(old, new)
    {
        fault("ca.crt", rule, "have the new authority signed by the present one, or start new instances");
    }
    if let (Some(new), Some(old)) = (delivered(CA_PUB), old_ca_pub)
        && new != old
    {
        let authorities = [Some(old), old_ca, delivered("ca.crt")];
        let old: Vec<PublicKey> = authorities.into_iter().flatten().flat_map(keys_of).collect();
        if let Err(rule) = of_public_keys(new).and_then(|new| authority::keys(&old, &new)) {
            fault(CA_PUB, rule, "it has the keys of the authorities in ca.crt");
        }
    }
    if old_key.is_some() || old_pub.is_some() {
        let mut old: Vec<PublicKey> = old_pub.map(keys_of).unwrap_or_default();
        old.extend(old_key.and_then(|key| of_private_key(key).ok()));
        let hint = "keys of service accounts are those of the first delivery: start new instances for others";
        let publics = delivered(SIGNING_PUB).map(of_public_keys);
        if let Some(Err(rule)) = publics.map(|new| new.and_then(|new| authority::keys(&old, &new))) {
            fault(SIGNING_PUB, rule, hint);
        }
        let private = delivered(SIGNING_KEY).map(of_private_key);
        if let Some(Err(rule)) = private.map(|new| new.and_then(|new| authority::keys(&old, &[new]))) {
            fault(SIGNING_KEY, rule, hint);
        }
    }
    faults
}

/// Public keys of what is installed; none of what is damaged, so that nothing follows it.
fn keys_of(bytes: &[u8]) -> Vec<PublicKey> {
    of_public_keys(bytes).unwrap_or_default()
}

fn judge_pair(
    pair: &Pair,
    role: Role,
    taken: &Taken,
    installed: &Installed,
    plan: &mut Plan,
) -> std::result::Result<(), Fault> {
    let (crt_name, key_name) = (format!("{}.crt", pair.name), format!("{}.key", pair.name));
    let old = installed.get(&certificate_path(pair));
    let delivered = taken.recv.get(&crt_name);
    let Some(certificate) = delivered.or(old) else { return Ok(()) };
    let parsed = of_certificate(certificate);
    if let (Some(_), Err(rule)) = (delivered, &parsed) {
        return Err(Fault::new(format!("{RECV}/{crt_name}"), *rule));
    }
    let place = |plan: &mut Plan| {
        if let Some(bytes) = delivered {
            put(plan, &certificate_path(pair), "podplane", bytes, pair.services);
        }
    };
    let Some((key_path, group)) = pair.key_on(role) else {
        place(plan);
        return Ok(());
    };
    let belongs = |key: &[u8]| Ok(of_private_key(key)? == *parsed.as_ref().map_err(|rule| *rule)?);
    let (made, present) = (taken.keys.get(&key_name), installed.get(&key_path));
    let verdict: Option<std::result::Result<bool, &'static str>> = made.map(|key| belongs(key));
    if let (Some(key), Some(Ok(true))) = (made, &verdict) {
        place(plan);
        put(plan, &key_path, group, key, pair.services);
    } else if made.is_none() && present.is_none() {
        // the service waits for the key
        place(plan);
    } else if present.is_some_and(|key| belongs(key) == Ok(true)) {
        place(plan);
        if made.is_some() {
            plan.notes.push(format!("{KEYS}/{key_name} waits for its certificate: the present key stays"));
        }
    } else if delivered.is_none() || delivered == old {
        plan.notes.push(format!("{CRT}/{crt_name} has no key that belongs to it: both stay as they are"));
    } else {
        let rule = match verdict {
            Some(Err(rule)) => return Err(Fault::new(format!("{KEYS}/{key_name}"), rule)),
            _ => "expected the certificate of the key that the agent made",
        };
        return Err(Fault::new(format!("{RECV}/{crt_name}"), rule)
            .hint("the agent asks for a new one when it starts: `systemctl restart nstance-agent`"));
    }
    Ok(())
}

/// The key of service accounts' tokens must be among those that check them.
fn judge_signing(
    role: Role,
    taken: &Taken,
    installed: &Installed,
    plan: &mut Plan,
) -> std::result::Result<(), Fault> {
    let place = |name: &str| format!("{RECV}/{name}");
    let (public_path, key_path) = (format!("{PUB}/{SIGNING_PUB}"), signing_key());
    let public = taken.recv.get(SIGNING_PUB);
    let key = taken.recv.get(SIGNING_KEY).filter(|_| role == Role::ControlPlane);
    let publics = public.map(|bytes| of_public_keys(bytes)).transpose();
    let publics = publics.map_err(|rule| Fault::new(place(SIGNING_PUB), rule))?;
    let private = key.map(|bytes| of_private_key(bytes)).transpose();
    let private = private.map_err(|rule| Fault::new(place(SIGNING_KEY), rule))?;
    let old_publics = || installed.get(&public_path).and_then(|bytes| of_public_keys(bytes).ok());
    let old_private = || installed.get(&key_path).and_then(|bytes| of_private_key(bytes).ok());
    if public.is_some() || key.is_some() {
        let publics: Option<Vec<PublicKey>> = publics.or_else(old_publics);
        if let (Some(publics), Some(private)) = (publics, private.or_else(old_private))
            && !publics.contains(&private)
        {
            let rule = format!("expected the public key of `{SIGNING_KEY}` among them");
            return Err(Fault::new(place(SIGNING_PUB), rule)
                .hint("deliver both; while keys are rotated the file may hold several"));
        }
    }
    if let Some(bytes) = public {
        put(plan, &public_path, "podplane", bytes, SIGNING);
    }
    if let Some(bytes) = key {
        put(plan, &key_path, "kube-apiserver", bytes, SIGNING);
    }
    Ok(())
}

fn certificate_path(pair: &Pair) -> String {
    format!("{CRT}/{}.crt", pair.name)
}

fn signing_key() -> String {
    format!("{KEY}/kube-apiserver/{SIGNING_KEY}")
}

fn put(plan: &mut Plan, path: &str, group: &'static str, bytes: &[u8], services: &'static [Service]) {
    plan.file(path, 0o640, ("root", group), bytes.to_vec(), Some(Output::Delivered(services)));
}

/// Lines of public keys as OpenSSH writes them.
fn is_ssh(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let is_key = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next().unwrap_or_default();
        (kind.starts_with("ssh-") || kind.starts_with("ecdsa-"))
            && words.next().and_then(crate::base64::decode).is_some_and(|blob| blob.len() > 8)
    };
    !text.is_empty() && text.lines().all(|line| is_key(line) && !line.contains(char::is_control))
}
