//! `write_files`.

use super::{Context, text, truth};
use crate::{encoding, yaml};
use serde_json::{Map, Value};

/// Writes the files: those that wait for users and packages where `deferred`, else all others.
pub fn write(context: &mut Context<'_, '_>, deferred: bool) {
    for (at, entry) in context.list("write_files").into_iter().enumerate() {
        let Value::Object(entry) = entry else {
            context.report.error(format!("write_files[{at}]: expected a mapping"));
            continue;
        };
        if entry.get("defer").and_then(truth).unwrap_or_default() != deferred {
            continue;
        }
        let path = text(&entry, "path").unwrap_or_default();
        let written = one(context, at, &entry, &path);
        if context.report.check(written.map_err(|what| format!("write_files[{at}]: {what}"))).is_some() {
            context.report.info(format!("wrote `{}`", path.escape_debug()));
        }
    }
}

fn one(context: &Context<'_, '_>, at: usize, entry: &Map<String, Value>, path: &str) -> Result<(), String> {
    const KEYS: [&str; 7] = ["path", "content", "encoding", "owner", "permissions", "append", "defer"];
    if let Some(key) = entry.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("`{}` is not supported", key.escape_debug()));
    }
    let absolute = absolute(path);
    let path =
        absolute.as_deref().ok_or_else(|| format!("`path`: expected an absolute path, found {path:?}"))?;
    let content = match entry.get("content") {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => yaml::bytes(value).ok_or("`content`: expected text")?,
    };
    let bytes = decoded(&content, text(entry, "encoding").as_deref())?;
    let mode = permissions(entry.get("permissions"))?;
    let owner = context.root.owner(&text(entry, "owner").unwrap_or_else(|| "root:root".to_owned()))?;
    let appends = entry.get("append").and_then(truth).unwrap_or_default();
    if !appends {
        return context.root.write(path, &bytes, mode, Some(owner));
    }
    // Written whole and renamed as well: a power cut appends all or nothing. How long the file was before is kept until all files
    // are there: who does it again begins there.
    let mut whole = context.root.read(path)?.unwrap_or_default();
    let mark = format!("{}/first-boot/append-{at}", crate::state::INSTANCE);
    let before = context.root.text(&mark).and_then(|text| text.parse().ok());
    match before.filter(|_| context.again) {
        // another entry may have appended after it: all of them do so again
        Some(length) => whole.truncate(length),
        None => context.root.write(&mark, whole.len().to_string().as_bytes(), 0o600, None)?,
    }
    whole.extend(bytes);
    context.root.write(path, &whole, mode, Some(owner))
}

/// A path without `.`, `..` and doubled slashes, by its words alone.
fn absolute(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.strip_prefix('/')?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    (!parts.is_empty() && !path.contains('\0')).then(|| format!("/{}", parts.join("/")))
}

/// Content by its encoding.
///
/// # Errors
///
/// An encoding that is not known, or damaged content.
pub fn decoded(content: &[u8], encoding: Option<&str>) -> Result<Vec<u8>, String> {
    match encoding.unwrap_or("text/plain").to_ascii_lowercase().trim() {
        "" | "text/plain" => Ok(content.to_vec()),
        "b64" | "base64" => encoding::base64(content),
        "gz" | "gzip" => encoding::gunzip(content),
        "gz+b64" | "gz+base64" | "gzip+b64" | "gzip+base64" => encoding::gunzip(&encoding::base64(content)?),
        other => Err(format!("`encoding`: unknown `{}`", other.escape_debug())),
    }
}

/// `'0640'`, or 0640 as YAML reads it; 0644 where nothing is said.
fn permissions(value: Option<&Value>) -> Result<u32, String> {
    let mode = match value {
        None | Some(Value::Null) => Some(0o644),
        Some(Value::Number(number)) => number.as_u64().and_then(|mode| u32::try_from(mode).ok()),
        Some(Value::String(text)) => u32::from_str_radix(text.trim().trim_start_matches("0o"), 8).ok(),
        Some(_) => None,
    };
    mode.filter(|mode| *mode <= 0o7777)
        .ok_or("`permissions`: expected an octal number of at most 7777".to_owned())
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn a_path_is_absolute_and_plain() {
        for (path, expected) in [
            ("/etc//a/./b/../c/", Some("/etc/a/c")),
            ("/../../a", Some("/a")),
            ("a", None),
            ("", None),
            ("/", None),
            ("/a/..", None),
            ("/a\0b", None),
        ] {
            assert_eq!(absolute(path).as_deref(), expected, "{path:?}");
        }
    }
}
