//! update-ca-certificates(8): which certificate authorities the image trusts, for all libraries.
//!
//! ```text
//! /etc/ca-certificates.conf             a line a certificate of /usr/share/ca-certificates, all of them chosen
//! /etc/ssl/certs/NAME.pem               ─► the certificate
//! /etc/ssl/certs/HASH.N                 ─► NAME.pem; openssl looks a subject up by its hash (`x509`)
//! /etc/ssl/certs/ca-certificates.crt    all of them, one behind the other
//! ```
//! Certificates that a recipe puts below `/usr/local/share/ca-certificates` are trusted, too: behind the others, by name.
//! Source: ca-certificates, `sbin/update-ca-certificates` and `debian/{config,postinst}`; OpenSSL, `apps/rehash.c`.
//! Deliberately absent: Java's key store, which has a package of its own.

use super::super::{image_path, refuse};
use super::draft::Draft;
use super::x509;
use crate::digest::Sha256;
use crate::name::ImagePath;
use crate::refusal::{Class, Result};
use crate::tree::{Node, merged};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const STEP: &str = "certificates";
const SHARED: &str = "/usr/share/ca-certificates";
const LOCAL: &str = "/usr/local/share/ca-certificates";
const TRUSTED: &str = "/etc/ssl/certs";

/// Makes the files; `head` is what `/etc/ca-certificates.conf` begins with.
pub(super) fn apply(draft: &mut Draft<'_>, head: &str) -> Result<()> {
    let shared = certificates(draft, SHARED)?;
    let mut conf = head.to_owned();
    for path in &shared {
        let relative = path.as_str().strip_prefix(SHARED).unwrap_or_default().trim_start_matches('/');
        // writing to a String cannot fail
        let _ = writeln!(conf, "{relative}");
    }
    draft.file(STEP, "/etc/ca-certificates.conf", conf)?;
    let mut bundle = Vec::new();
    let mut hashes: BTreeMap<u32, Vec<(Sha256, String)>> = BTreeMap::new();
    for path in shared.into_iter().chain(certificates(draft, LOCAL)?) {
        let bytes = draft.bytes(&path)?.unwrap_or_default();
        let (hash, fingerprint) = x509::subject_hash(&bytes).map_err(|error| {
            refuse(Class::Archive, path.as_str(), format!("it is no certificate: {error}"))
        })?;
        bundle.extend_from_slice(&bytes);
        if !bytes.ends_with(b"\n") {
            bundle.push(b'\n');
        }
        let name = pem(&path);
        draft.link(STEP, &image_path(&format!("{TRUSTED}/{name}"))?, path.as_str(), false)?;
        let known = hashes.entry(hash).or_default();
        if known.iter().all(|(other, _)| *other != fingerprint) {
            known.push((fingerprint, name));
        }
    }
    for (hash, names) in hashes {
        for (number, (_, name)) in names.iter().enumerate() {
            let path = image_path(&format!("{TRUSTED}/{hash:08x}.{number}"))?;
            draft.link(STEP, &path, name, false)?;
        }
    }
    draft.file(STEP, &format!("{TRUSTED}/ca-certificates.crt"), bundle)
}

/// The `.crt` files below a directory, in the order of their paths.
fn certificates(draft: &Draft<'_>, directory: &str) -> Result<BTreeSet<ImagePath>> {
    let directory = merged(&image_path(directory)?);
    let below = draft.tree.within(&directory);
    let files =
        below.filter(|(path, entry)| matches!(entry.node, Node::File(_)) && path.as_str().ends_with(".crt"));
    Ok(files.map(|(path, _)| path.clone()).collect())
}

/// The name of a certificate among the trusted ones.
fn pem(path: &ImagePath) -> String {
    let stem = path.file_name().strip_suffix(".crt").unwrap_or(path.file_name());
    format!("{}.pem", stem.replace([' ', ','], "_").replace(['(', ')'], "="))
}
