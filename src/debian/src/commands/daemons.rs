//! What daemons are asked of their configuration, without being started.

use crate::files::{Bytes, join};
use crate::sh::{Call, Stop};

/// `chronyd -p`: the directives of its configuration, with what it includes.
pub(super) fn chronyd(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    if call.args != [b"-p".to_vec()] {
        return Err(call.unsupported("these arguments"));
    }
    let mut out = Vec::new();
    let status = directives(call, b"/etc/chrony/chrony.conf", 0, &mut out)?;
    call.out.extend_from_slice(&out);
    Ok(status)
}

fn directives(call: &mut Call<'_, '_>, path: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<u8, Stop> {
    call.sh.step()?;
    let text = match call.sh.files.read(path) {
        Ok(text) => text,
        Err(errno) => return call.errno("Could not open", path, errno),
    };
    if depth > 10 {
        return Ok(call.complain("Maximum include level reached"));
    }
    for line in text.split(|b| *b == b'\n') {
        let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let Some((first, rest)) = words.split_first() else { continue };
        if first.starts_with(b"#")
            || first.starts_with(b"!")
            || first.starts_with(b";")
            || first.starts_with(b"%")
        {
            continue;
        }
        let ending: &[u8] = match &first.to_ascii_lowercase()[..] {
            b"include" => return Err(call.unsupported("`include`")),
            b"confdir" => b".conf",
            b"sourcedir" => b".sources",
            _ => {
                out.extend_from_slice(&words.join(&b' '));
                out.push(b'\n');
                continue;
            }
        };
        let mut found: std::collections::BTreeMap<Bytes, Bytes> = std::collections::BTreeMap::new();
        for directory in rest {
            for name in call.sh.files.list(directory).unwrap_or_default() {
                if name.ends_with(ending) {
                    found.entry(name.clone()).or_insert_with(|| join(directory, &name));
                }
            }
        }
        for path in found.into_values() {
            let status = directives(call, &path, depth + 1, out)?;
            if status != 0 {
                return Ok(status);
            }
        }
    }
    Ok(0)
}
