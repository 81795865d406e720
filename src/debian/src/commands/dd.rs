//! `dd`: blocks of one file to another.

use crate::failure::Reason;
use crate::files::{Bytes, absolute};
use crate::sh::{Call, Stop};

/// A number of bytes or blocks: `512`, `4k`, `1M`.
fn number(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)? {
        "" | "c" => 1,
        "b" => 512,
        "k" | "K" | "kB" => {
            if text.ends_with('B') {
                1000
            } else {
                1024
            }
        }
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(factor)
}

pub(super) fn dd(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let (mut input, mut output, mut size, mut count, mut skip) = (None, None, 512, None, 0);
    for arg in call.args {
        let text = String::from_utf8_lossy(arg).into_owned();
        let Some((name, value)) = text.split_once('=') else { return Err(call.option(arg)) };
        match (name, number(value)) {
            ("if", _) => input = Some(value.as_bytes().to_vec()),
            ("of", _) => output = Some(value.as_bytes().to_vec()),
            ("bs" | "ibs" | "obs", Some(value)) if value > 0 => size = value,
            ("count", Some(value)) => count = Some(value),
            ("skip", Some(value)) => skip = value,
            ("status", _) => {}
            ("conv", _) if matches!(value, "fsync" | "fdatasync") => {}
            _ => return Err(call.option(arg)),
        }
    }
    let most = count.and_then(|count: usize| count.checked_mul(size));
    let whole = input.as_ref().map(|path| absolute(&call.sh.s.cwd, path));
    let bytes: Bytes = match whole.as_deref() {
        None | Some(b"/dev/stdin") => call.sh.read_all(0),
        Some(b"/dev/null") => Vec::new(),
        Some(b"/dev/zero") => match most.filter(|most| *most <= 1 << 24) {
            Some(most) => vec![0; most],
            None => return Err(call.sh.fail(Reason::Limit("the bytes of a file"))),
        },
        Some(path) if path.starts_with(b"/dev/") => {
            return Err(call.sh.fail(Reason::Running(String::from_utf8_lossy(path).into_owned())));
        }
        Some(path) => match call.sh.files.read(path) {
            Ok(bytes) => bytes.to_vec(),
            Err(errno) => return call.errno("failed to open", &input.unwrap_or_default(), errno),
        },
    };
    let from =
        if whole.as_deref() == Some(b"/dev/zero") { 0 } else { skip.saturating_mul(size).min(bytes.len()) };
    let mut part = bytes.get(from..).unwrap_or_default();
    if let Some(most) = most {
        part = part.get(..most.min(part.len())).unwrap_or_default();
    }
    match output {
        None => call.out.extend_from_slice(part),
        Some(path) if path == b"/dev/null" => {}
        Some(path) => {
            let (whole, mode) = (call.path(&path), 0o666 & !call.sh.s.umask);
            if let Err(errno) = call.sh.files.write(&whole, part.to_vec(), mode) {
                return call.errno("failed to open", &path, errno);
            }
        }
    }
    let (full, rest) = (part.len() / size, usize::from(!part.len().is_multiple_of(size)));
    call.err.extend_from_slice(format!("{full}+{rest} records in\n{full}+{rest} records out\n").as_bytes());
    Ok(0)
}
