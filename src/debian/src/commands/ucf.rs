//! `ucfq`: what ucf knows of configuration files, in the form that programs read.

use std::collections::{BTreeMap, BTreeSet};

use super::options::parse;
use crate::files::Bytes;
use crate::sh::{Call, Stop};

pub(super) fn ucfq(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let options = parse(call, "wdvs:", &[("with-colons", b'w'), ("state-dir", b's'), ("verbose", b'v')])?;
    if !options.has(b'w') {
        return Err(call.unsupported("a table for people"));
    }
    let state = options.value(b's').cloned().unwrap_or_else(|| b"/var/lib/ucf".to_vec());
    // lines of two words
    let pairs = |call: &Call<'_, '_>, name: &[u8]| -> Vec<(Bytes, Bytes)> {
        let text = call.sh.files.read(&crate::files::join(&state, name)).unwrap_or_default();
        let pair = |line: &[u8]| {
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            Some((words.next()?.to_vec(), words.next()?.to_vec()))
        };
        text.split(|b| *b == b'\n').filter_map(pair).collect()
    };
    let packages: BTreeMap<Bytes, Bytes> =
        pairs(call, b"registry").into_iter().map(|(package, file)| (file, package)).collect();
    let hashes: BTreeMap<Bytes, Bytes> =
        pairs(call, b"hashfile").into_iter().map(|(hash, file)| (file, hash)).collect();
    let mut files: BTreeSet<Bytes> = BTreeSet::new();
    for operand in &options.operands {
        if operand.contains(&b'/') {
            if !operand.starts_with(b"/") {
                call.complain(&format!(
                    "Need a fully qualified path name for config file \"{}\"",
                    String::from_utf8_lossy(operand)
                ));
                return Ok(0);
            }
            files.insert(operand.clone());
        } else {
            files.extend(
                packages.iter().filter(|(_, package)| *package == operand).map(|(file, _)| file.clone()),
            );
        }
    }
    for file in files {
        let there = call.sh.files.stat(&file).is_some();
        let shown = if there {
            call.sh.files.resolve(&file, true).unwrap_or_else(|_| file.clone())
        } else {
            file.clone()
        };
        let modified: &[u8] = match (there, hashes.get(&file)) {
            (true, Some(hash)) => {
                let content = call.sh.files.read(&file).unwrap_or_default();
                if crate::filters::md5_of(&content).as_bytes() == &hash[..] { b"No" } else { b"Yes" }
            }
            _ => b"",
        };
        let package = packages.get(&file).cloned().unwrap_or_default();
        let there: &[u8] = if there { b"Yes" } else { b"" };
        call.out
            .extend_from_slice(&[&shown[..], b":", &package, b":", there, b":", modified, b"\n"].concat());
    }
    Ok(0)
}
