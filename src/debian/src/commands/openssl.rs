//! `openssl rehash`: the links by which OpenSSL finds certificates in a directory.

use std::collections::BTreeMap;

use super::x509::subject_hash;
use crate::failure::Reason;
use crate::files::{Bytes, Kind, join};
use crate::sh::{Call, Stop};

pub(super) fn openssl(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let words: Vec<&[u8]> = call.args.iter().map(|arg| &arg[..]).filter(|arg| *arg != b"-v").collect();
    match words[..] {
        [b"rehash", directory] => rehash(call, directory),
        [b"rand" | b"dhparam", ..] => super::own::openssl(call),
        [b"genrsa" | b"req" | b"genpkey" | b"ecparam", ..] => {
            Err(call.sh.fail(Reason::Running("a random value".to_owned())))
        }
        _ => Err(call.unsupported("these arguments")),
    }
}

/// A name that a link of OpenSSL's has: eight hexadecimal digits, a dot, a number.
fn is_hash(name: &[u8]) -> bool {
    let Some((hash, rest)) = name.split_at_checked(8) else { return false };
    let rest = rest.strip_prefix(b".r").or_else(|| rest.strip_prefix(b"."));
    hash.iter().all(u8::is_ascii_hexdigit)
        && rest.is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit))
}

fn rehash(call: &mut Call<'_, '_>, directory: &[u8]) -> Result<u8, Stop> {
    let limit = |call: &Call<'_, '_>, errno| call.sh.limit_or(errno, "openssl rehash");
    let at = match call.sh.files.resolve(&call.path(directory), true) {
        Ok(at) => at,
        Err(errno) => return call.errno("cannot open", directory, errno),
    };
    let names = call.sh.files.list(&at).map_err(|errno| limit(call, errno))?;
    let mut wanted: BTreeMap<Bytes, Bytes> = BTreeMap::new();
    let mut by_hash: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for name in names.iter().filter(|name| !is_hash(name)) {
        let known = [&b".pem"[..], b".crt", b".cer", b".crl"].iter().any(|end| name.ends_with(end));
        let Ok(bytes) = call.sh.files.read(&join(&at, name)) else { continue };
        // what holds more than one certificate, or none, has no link
        let Some((hash, certificate)) = known.then(|| subject_hash(&bytes).ok()).flatten() else { continue };
        let same = by_hash.entry(hash).or_default();
        if same.contains(&certificate) {
            continue;
        }
        wanted.insert(format!("{hash:08x}.{}", same.len()).into_bytes(), name.clone());
        same.push(certificate);
    }
    for name in names.iter().filter(|name| is_hash(name)) {
        let path = join(&at, name);
        let is_link = call.sh.files.lstat(&path).is_some_and(|meta| matches!(meta.kind, Kind::Link(_)));
        if is_link && !wanted.contains_key(name) {
            call.sh.files.unlink(&path).map_err(|errno| limit(call, errno))?;
        }
    }
    for (name, to) in wanted {
        let path = join(&at, &name);
        match call.sh.files.lstat(&path).map(|meta| meta.kind) {
            Some(Kind::Link(old)) if old == to => continue,
            Some(_) => call.sh.files.unlink(&path).map_err(|errno| limit(call, errno))?,
            None => {}
        }
        call.sh.files.make(&path, Kind::Link(to), 0o777).map_err(|errno| limit(call, errno))?;
    }
    Ok(0)
}
