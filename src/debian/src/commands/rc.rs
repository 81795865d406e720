//! Links of System V, as update-rc.d makes them.

use crate::files::{Bytes, Errno, Kind, join};
use crate::sh::{Call, Stop};

/// The run levels of a header line of an init script.
fn levels(text: &[u8], key: &str) -> Option<Vec<u8>> {
    let prefix = format!("# {key}:").into_bytes();
    let line = text
        .split(|b| *b == b'\n')
        .find(|line| line.len() >= prefix.len() && line[..prefix.len()].eq_ignore_ascii_case(&prefix))?;
    Some(line.get(prefix.len()..)?.iter().copied().filter(|b| b.is_ascii_digit() || *b == b'S').collect())
}

/// Makes or removes the links of a script. Without insserv each gets the number 01, as update-rc.d does by itself.
pub(super) fn links(call: &mut Call<'_, '_>, name: &[u8], script: &[u8], action: &[u8]) -> Result<u8, Stop> {
    let limit = |call: &Call<'_, '_>, errno: Errno| call.sh.limit_or(errno, "update-rc.d");
    let of_level = |level: u8| [b"/etc/rc", &[level][..], b".d"].concat();
    let existing = |call: &Call<'_, '_>| {
        let mut found: Vec<Bytes> = Vec::new();
        for level in *b"0123456S" {
            let dir = of_level(level);
            for entry in call.sh.files.list(&dir).unwrap_or_default() {
                if entry.get(3..) == Some(name) && matches!(entry.first(), Some(b'S' | b'K')) {
                    found.push(join(&dir, &entry));
                }
            }
        }
        found
    };
    match action {
        b"remove" => {
            if call.sh.files.stat(script).is_none() {
                for path in existing(call) {
                    call.sh.files.unlink(&path).map_err(|errno| limit(call, errno))?;
                }
            }
            Ok(0)
        }
        b"defaults" | b"defaults-disabled" => {
            let Ok(text) = call.sh.files.read(script) else {
                return Ok(
                    call.complain(&format!("error: unable to read {}", String::from_utf8_lossy(script)))
                );
            };
            if !existing(call).is_empty() {
                return Ok(0);
            }
            let (start, stop) = (levels(&text, "Default-Start"), levels(&text, "Default-Stop"));
            let (Some(start), Some(stop)) = (start, stop) else {
                return Err(call.unsupported("a script without LSB header"));
            };
            let start_letter: &[u8] = if action == b"defaults" { b"S01" } else { b"K01" };
            for (list, letter) in [(start, start_letter), (stop, b"K01")] {
                for level in list {
                    let dir = of_level(level);
                    super::remove::make_parents(call, &dir, 0o755)?;
                    let at = join(&dir, &[letter, name].concat());
                    if call.sh.files.lstat(&at).is_none() {
                        let to = [b"../init.d/", name].concat();
                        call.sh.files.make(&at, Kind::Link(to), 0o777).map_err(|errno| limit(call, errno))?;
                    }
                }
            }
            Ok(0)
        }
        b"enable" | b"disable" => {
            for path in existing(call) {
                let (from, to) = if action == b"disable" { (b'S', b'K') } else { (b'K', b'S') };
                let mut new = path.clone();
                let at = new.len() - name.len() - 3;
                let level = path.get(at.wrapping_sub(4)).copied().unwrap_or(0);
                if new.get(at) == Some(&from) && matches!(level, b'2'..=b'5' | b'S') {
                    if let Some(letter) = new.get_mut(at) {
                        *letter = to;
                    }
                    call.sh.files.rename(&path, &new).map_err(|errno| limit(call, errno))?;
                }
            }
            Ok(0)
        }
        other => Err(call.option(other)),
    }
}
