//! `py3versions`: which versions of Python the distribution has.

use super::options::parse;
use crate::files::Kind;
use crate::sh::{Call, Stop};

/// A list of /usr/share/python3/debian_defaults.
fn setting(call: &Call<'_, '_>, name: &str) -> Vec<String> {
    let text = call.sh.files.read(b"/usr/share/python3/debian_defaults").unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let value = text.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == name);
    let value = value.map(|(_, value)| value).unwrap_or_default();
    value.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

pub(super) fn versions(call: &mut Call<'_, '_>) -> Result<u8, Stop> {
    let long = [("default", b'd'), ("supported", b's'), ("installed", b'i'), ("version", b'v')];
    let options = parse(call, "dsiv", &long)?;
    if !options.operands.is_empty() {
        return Err(call.unsupported("these arguments"));
    }
    let list = match options.last_of(b"dsi") {
        Some(b'd') => setting(call, "default-version"),
        Some(b's') => setting(call, "supported-versions"),
        Some(_) => {
            let there = |name: &String| {
                let path = format!("/usr/bin/{name}");
                call.sh.files.stat(path.as_bytes()).is_some_and(|meta| meta.kind == Kind::File)
            };
            setting(call, "supported-versions").into_iter().filter(there).collect()
        }
        None => return Err(call.unsupported("these arguments")),
    };
    let bare = |name: String| {
        if options.has(b'v') { name.trim_start_matches("python").to_owned() } else { name }
    };
    let list: Vec<String> = list.into_iter().map(bare).collect();
    call.out.extend_from_slice(format!("{}\n", list.join(" ")).as_bytes());
    Ok(0)
}
