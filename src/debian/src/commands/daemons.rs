//! What daemons are asked of their configuration, without being started.

use crate::failure::Reason;
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

/// `sshd -G`: the effective settings. Which host keys there are is what scripts ask.
pub(super) fn sshd(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    if call.args != [b"-G".to_vec()] {
        return Err(call.unsupported("these arguments"));
    }
    let text = match call.sh.files.read(b"/etc/ssh/sshd_config") {
        Ok(text) => text,
        Err(errno) => return call.errno("cannot open", b"/etc/ssh/sshd_config", errno),
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut keys = Vec::new();
    for line in text.lines() {
        let mut words = line.split([' ', '\t', '=', '"']).filter(|word| !word.is_empty());
        match words.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "hostkey" => keys.extend(words.next().map(str::to_owned)),
            "include" => {
                let names = call.sh.files.list(b"/etc/ssh/sshd_config.d").unwrap_or_default();
                if names.iter().any(|name| name.ends_with(b".conf")) {
                    return Err(call.unsupported("files in /etc/ssh/sshd_config.d"));
                }
            }
            _ => {}
        }
    }
    if keys.is_empty() {
        keys = ["rsa", "ecdsa", "ed25519"].map(|kind| format!("/etc/ssh/ssh_host_{kind}_key")).to_vec();
    }
    for key in keys {
        call.out.extend_from_slice(format!("hostkey {key}\n").as_bytes());
    }
    Ok(0)
}

/// ssh-keygen of a host's key, where the machine makes its own at its first boot: a key that is in an image is no secret.
pub(super) fn ssh_keygen(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let at_boot = call.sh.files.stat(b"/usr/lib/systemd/system/sshd-keygen.service").is_some();
    let of_host = call.args.iter().any(|arg| arg.starts_with(b"/etc/ssh/ssh_host_"));
    if at_boot && of_host {
        return call.nothing("each machine makes its host keys at its first boot, by sshd-keygen.service");
    }
    Err(call.sh.fail(Reason::Running("a random value".to_owned())))
}
