//! User-data and vendor-data: their parts, and the cloud-config that is merged from them.

use crate::report::Fault;
use crate::{encoding, mime, yaml};
use serde_json::{Map, Value};

/// How deep archives and compressed parts may be nested.
const MOST_DEPTH: usize = 4;

/// What user-data asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserData {
    /// All cloud-configs, a later one's keys replace an earlier one's.
    pub config: Map<String, Value>,
    /// Scripts, in their order.
    pub scripts: Vec<Script>,
    /// Scripts that run before all else, at each boot.
    pub boothooks: Vec<Vec<u8>>,
    /// What could not be read, or is not supported.
    pub faults: Vec<Fault>,
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
    let mut reader = Reader { read: UserData::default(), parts: 0, left: encoding::MOST_BYTES };
    reader.take(bytes, None, None, 0);
    reader.read
}

/// What was read up to now.
struct Reader {
    read: UserData,
    /// How many parts that was.
    parts: usize,
    /// How many bytes may still be decompressed, of all parts together.
    left: usize,
}

impl Reader {
    /// Takes one part, whose type may be known.
    fn take(&mut self, bytes: &[u8], kind: Option<&str>, name: Option<&str>, depth: usize) {
        if bytes.trim_ascii().is_empty() {
            return;
        }
        if depth > MOST_DEPTH {
            return self.error(format!("expected at most {MOST_DEPTH} levels"));
        }
        if encoding::is_gzip(bytes) {
            return match encoding::gunzip_to(bytes, self.left) {
                Ok(plain) => {
                    self.left -= plain.len();
                    self.take(&plain, None, name, depth + 1);
                }
                Err(what) => self.error(what),
            };
        }
        // types that say nothing: the content decides
        let known = kind.filter(|kind| {
            !matches!(*kind, "text/plain" | "text/x-not-multipart" | "application/octet-stream")
        });
        let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let kind = known.or(content_type(unmarked)).unwrap_or_default();
        if kind == MESSAGE {
            return self.message(unmarked, depth);
        }
        if kind.is_empty()
            && depth == 0
            && let Ok(plain) = encoding::base64(unmarked)
            && is_known(&plain)
        {
            return self.take(&plain, None, name, depth + 1);
        }
        self.parts += 1;
        match kind {
            "text/cloud-config" => cloud_config(unmarked, &mut self.read),
            "text/x-shellscript" => self.script(unmarked, name, None),
            "text/x-shellscript-per-boot" => self.script(unmarked, name, Some("per-boot")),
            "text/x-shellscript-per-instance" => self.script(unmarked, name, Some("per-instance")),
            "text/x-shellscript-per-once" => self.script(unmarked, name, Some("per-once")),
            "text/cloud-boothook" => {
                let body =
                    unmarked.strip_prefix(b"#cloud-boothook").map_or(unmarked, <[u8]>::trim_ascii_start);
                self.read.boothooks.push(unix(body));
            }
            "text/cloud-config-archive" => self.archive(unmarked, depth),
            "" => {
                let start: String = String::from_utf8_lossy(unmarked).chars().take(20).collect();
                self.error(format!("unknown format, begins with `{}`", start.escape_debug()));
            }
            other => self.unsupported(format!("parts of type `{}` are", other.escape_debug())),
        }
    }

    fn error(&mut self, what: impl std::fmt::Display) {
        self.read.faults.push(Fault::error(format!("user-data: {what}")));
    }

    fn unsupported(&mut self, what: impl std::fmt::Display) {
        self.read.faults.push(Fault::warning(format!("user-data: {what} not supported")));
    }

    /// A message of parts.
    fn message(&mut self, bytes: &[u8], depth: usize) {
        let parts = match mime::parts(bytes) {
            Ok(parts) => parts,
            Err(what) => return self.error(what),
        };
        for part in parts {
            if !part.headers.is_empty() {
                self.unsupported(format!("header `{}` is", part.headers.join("`, `")));
            }
            self.take(&part.body, Some(&part.kind), part.file_name.as_deref(), depth + 1);
        }
    }

    fn script(&mut self, bytes: &[u8], name: Option<&str>, when: Option<&'static str>) {
        let usable = |name: &&str| {
            !name.is_empty()
                && name.len() <= 200
                && !name.starts_with('.')
                && !name.contains(['/', '\\'])
                && !name.contains(char::is_control)
        };
        let name = name.filter(usable).map_or_else(|| format!("part-{:03}", self.parts), str::to_owned);
        self.read.scripts.push(Script { name, body: unix(bytes), when });
    }

    /// `#cloud-config-archive`: a list of contents with their types.
    fn archive(&mut self, bytes: &[u8], depth: usize) {
        let parsed = std::str::from_utf8(bytes).map_err(|error| format!("expected UTF-8: {error}"));
        let list = match parsed.and_then(yaml::parse) {
            Ok(Value::Array(list)) => list,
            Ok(_) => return self.error("cloud-config-archive: expected a list"),
            Err(what) => return self.error(format!("cloud-config-archive: {what}")),
        };
        for one in list {
            match &one {
                Value::String(content) => self.take(content.as_bytes(), None, None, depth + 1),
                Value::Object(entry) => {
                    let get = |key: &str| entry.get(key).and_then(Value::as_str);
                    let content = entry.get("content").and_then(yaml::bytes).unwrap_or_default();
                    self.take(&content, get("type"), get("filename"), depth + 1);
                }
                _ => self.error("cloud-config-archive: expected text or a mapping"),
            }
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
                    read.faults.push(Fault::warning(format!("cloud-config: `{key}` is not supported")));
                }
            }
            read.config.extend(config);
        }
        Ok(Value::Null) => {}
        Ok(_) => read.faults.push(Fault::error("cloud-config: expected a mapping")),
        Err(what) => read.faults.push(Fault::error(format!("cloud-config: {what}"))),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::tests::gzip;
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
        let bomb = gzip(&vec![b' '; encoding::MOST_BYTES]);
        let part = encoding::to_base64(&bomb);
        let part = format!("--b\nContent-Transfer-Encoding: base64\n\n{part}\n");
        let bombs = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", part.repeat(3));
        assert_eq!(read(bombs.as_bytes()).faults.len(), 2, "the first takes all that there is");
        let name = "Content-Type: text/x-shellscript; name=\"../x\"\n\n#!/bin/sh\n";
        assert_eq!(read(name.as_bytes()).scripts[0].name, "part-001");
    }
}
