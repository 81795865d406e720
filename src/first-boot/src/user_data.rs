//! User-data and vendor-data: what they are made of, and the cloud-config that they come to.

use crate::{encoding, mime, yaml};
use serde_json::{Map, Value};

/// How deep archives and compressed parts may be nested.
const MOST_DEPTH: usize = 4;

/// What user-data asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserData {
    /// All cloud-configs, a later one's keys in the place of an earlier one's.
    pub config: Map<String, Value>,
    /// Scripts, in their order.
    pub scripts: Vec<Script>,
    /// Scripts that run before all else, at each boot.
    pub boothooks: Vec<Vec<u8>>,
    /// What could not be read, or is not supported: one clause each.
    pub faults: Vec<String>,
}

/// A script that runs once an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The name of its file, without a directory.
    pub name: String,
    /// What it is.
    pub body: Vec<u8>,
    /// `per-boot`, `per-instance` or `per-once`, where its type says so.
    pub when: Option<&'static str>,
}

/// Takes user-data apart. What cannot be read becomes a fault, and all else counts.
#[must_use]
pub fn read(bytes: &[u8]) -> UserData {
    let mut read = UserData::default();
    let mut count = 0;
    take(bytes, None, None, 0, &mut count, &mut read);
    read
}

/// Takes one part, whose type may be known.
fn take(
    bytes: &[u8],
    kind: Option<&str>,
    name: Option<&str>,
    depth: usize,
    count: &mut usize,
    read: &mut UserData,
) {
    if bytes.trim_ascii().is_empty() {
        return;
    }
    if depth > MOST_DEPTH {
        read.faults.push(format!("user-data: expected at most {MOST_DEPTH} levels"));
        return;
    }
    if encoding::is_gzip(bytes) {
        match encoding::gunzip(bytes) {
            Ok(plain) => take(&plain, None, name, depth + 1, count, read),
            Err(what) => read.faults.push(format!("user-data: {what}")),
        }
        return;
    }
    // types that say nothing: the content decides
    let known = kind
        .filter(|kind| !matches!(*kind, "text/plain" | "text/x-not-multipart" | "application/octet-stream"));
    let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let by_content = content_type(unmarked);
    let kind = known.or(by_content).unwrap_or_default();
    if kind == MESSAGE {
        match mime::parts(unmarked) {
            Ok(parts) => {
                for part in parts {
                    if !part.headers.is_empty() {
                        let headers = part.headers.join("`, `");
                        read.faults.push(format!("user-data: header `{headers}` is not supported"));
                    }
                    take(&part.body, Some(&part.kind), part.file_name.as_deref(), depth + 1, count, read);
                }
            }
            Err(what) => read.faults.push(format!("user-data: {what}")),
        }
        return;
    }
    *count += 1;
    let number = *count;
    match kind {
        "text/cloud-config" => cloud_config(unmarked, read),
        "text/x-shellscript" => script(unmarked, name, number, None, read),
        "text/x-shellscript-per-boot" => script(unmarked, name, number, Some("per-boot"), read),
        "text/x-shellscript-per-instance" => script(unmarked, name, number, Some("per-instance"), read),
        "text/x-shellscript-per-once" => script(unmarked, name, number, Some("per-once"), read),
        "text/cloud-boothook" => {
            let body = unmarked.strip_prefix(b"#cloud-boothook").map_or(unmarked, <[u8]>::trim_ascii_start);
            read.boothooks.push(unix(body));
        }
        "text/cloud-config-archive" => archive(unmarked, depth, count, read),
        "" if depth == 0 && encoding::base64(unmarked).is_ok_and(|plain| is_known(&plain)) => {
            *count -= 1;
            let plain = encoding::base64(unmarked).unwrap_or_default();
            take(&plain, None, name, depth + 1, count, read);
        }
        "" => {
            let start: String = String::from_utf8_lossy(unmarked).chars().take(20).collect();
            let what = format!("user-data: unknown format, begins with `{}`", start.escape_debug());
            read.faults.push(what);
        }
        other => {
            read.faults
                .push(format!("user-data: parts of type `{}` are not supported", other.escape_debug()));
        }
    }
}

/// Whether `bytes` begin as something that is understood.
fn is_known(bytes: &[u8]) -> bool {
    encoding::is_gzip(bytes) || content_type(bytes).is_some()
}

/// What stands for a message of several parts.
const MESSAGE: &str = "multipart/mixed";

/// The type that the first line says.
fn content_type(bytes: &[u8]) -> Option<&'static str> {
    let starts = [
        (&b"#!"[..], "text/x-shellscript"),
        (b"#cloud-config-archive", "text/cloud-config-archive"),
        (b"#cloud-config", "text/cloud-config"),
        (b"#cloud-boothook", "text/cloud-boothook"),
        (b"#include-once", "text/x-include-once-url"),
        (b"#include", "text/x-include-url"),
        (b"#part-handler", "text/part-handler"),
        (b"#upstart-job", "text/upstart-job"),
        (b"## template: jinja", "text/jinja2"),
        (b"## template:jinja", "text/jinja2"),
    ];
    let found = starts.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, kind)| *kind);
    found.or_else(|| mime::is_message(bytes).then_some(MESSAGE))
}

fn cloud_config(bytes: &[u8], read: &mut UserData) {
    let parsed = std::str::from_utf8(bytes).map_err(|error| format!("expected UTF-8: {error}"));
    match parsed.and_then(yaml::parse) {
        Ok(Value::Object(config)) => {
            for key in ["merge_how", "merge_type"] {
                if config.contains_key(key) {
                    read.faults.push(format!("cloud-config: `{key}` is not supported"));
                }
            }
            read.config.extend(config);
        }
        Ok(Value::Null) => {}
        Ok(_) => read.faults.push("cloud-config: expected a mapping".to_owned()),
        Err(what) => read.faults.push(format!("cloud-config: {what}")),
    }
}

fn script(bytes: &[u8], name: Option<&str>, number: usize, when: Option<&'static str>, read: &mut UserData) {
    let usable = |name: &&str| {
        !name.is_empty()
            && name.len() <= 200
            && !name.starts_with('.')
            && !name.contains(['/', '\\'])
            && !name.contains(char::is_control)
    };
    let name = name.filter(usable).map_or_else(|| format!("part-{number:03}"), str::to_owned);
    read.scripts.push(Script { name, body: unix(bytes), when });
}

/// Line ends of Windows are no part of an interpreter's name.
fn unix(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if !first.ends_with(b"\r") {
        return bytes.to_vec();
    }
    let mut plain = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        if *byte != b'\r' || bytes.get(at + 1) != Some(&b'\n') {
            plain.push(*byte);
        }
    }
    plain
}

/// `#cloud-config-archive`: a list of contents with their types.
fn archive(bytes: &[u8], depth: usize, count: &mut usize, read: &mut UserData) {
    let parsed = std::str::from_utf8(bytes).map_err(|error| format!("expected UTF-8: {error}"));
    let list = match parsed.and_then(yaml::parse) {
        Ok(Value::Array(list)) => list,
        Ok(_) => {
            read.faults.push("cloud-config-archive: expected a list".to_owned());
            return;
        }
        Err(what) => {
            read.faults.push(format!("cloud-config-archive: {what}"));
            return;
        }
    };
    for one in list {
        match &one {
            Value::String(content) => take(content.as_bytes(), None, None, depth + 1, count, read),
            Value::Object(entry) => {
                let get = |key: &str| entry.get(key).and_then(Value::as_str);
                let content = get("content").unwrap_or_default();
                take(content.as_bytes(), get("type"), get("filename"), depth + 1, count, read);
            }
            _ => read.faults.push("cloud-config-archive: expected text or a mapping".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(text: &str) -> Value {
        Value::Object(read(text.as_bytes()).config)
    }

    #[test]
    fn a_script_and_a_cloud_config_are_known_by_their_first_line() {
        let told = read(b"#!/bin/sh\r\necho a\r\n");
        assert_eq!(
            told.scripts,
            [Script { name: "part-001".to_owned(), body: b"#!/bin/sh\necho a\n".to_vec(), when: None }]
        );
        assert_eq!(config("#cloud-config\nhostname: a\n"), json!({"hostname": "a"}));
        assert_eq!(config("\u{feff}#cloud-config\r\nhostname: a\r\n"), json!({"hostname": "a"}));
        assert_eq!(config("I2Nsb3VkLWNvbmZpZwpob3N0bmFt\nZTogYQo=\n"), json!({"hostname": "a"}));
        assert_eq!(read(b""), UserData::default());
    }

    #[test]
    fn later_parts_replace_keys_of_earlier_ones() {
        let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/cloud-config\n\nruncmd: [a]\nfqdn: a.b\n--b\n\
            Content-Type: text/plain\n\n#cloud-config\nruncmd: [b]\n--b\nContent-Type: text/x-shellscript; name=\"run.sh\"\n\n#!/bin/sh\n--b--\n";
        let told = read(text.as_bytes());
        assert_eq!(Value::Object(told.config), json!({"runcmd": ["b"], "fqdn": "a.b"}));
        assert_eq!(told.scripts[0].name, "run.sh");
        assert!(told.faults.is_empty());
    }

    #[test]
    fn archives_are_read() {
        let text = "#cloud-config-archive\n- |\n  #cloud-config\n  timezone: UTC\n- {type: text/x-shellscript, filename: a.sh, content: \"#!/bin/sh\\n\"}\n";
        let told = read(text.as_bytes());
        assert_eq!((told.config.len(), told.scripts.len(), told.faults.len()), (1, 1, 0));
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for text in [
            "#include\nhttp://example.test/\n",
            "#part-handler\n",
            "## template: jinja\n#cloud-config\n",
            "hello",
            "#cloud-config\n- a\n",
            "#cloud-config\na: [\n",
            "#cloud-config\nmerge_how: x\n",
            "\u{1f}\u{8b}",
        ] {
            let told = read(text.as_bytes());
            assert_eq!(told.faults.len(), 1, "{text:?}: {told:?}");
        }
        let name = "Content-Type: text/x-shellscript; name=\"../x\"\n\n#!/bin/sh\n";
        assert_eq!(read(name.as_bytes()).scripts[0].name, "part-001");
    }
}
