//! NoCloud: files on a volume or in a folder, and what SMBIOS or the kernel's command line say.

use crate::instance::{Instance, Source, public_keys};
use crate::report::Fault;
use crate::root::{self, Root};
use crate::yaml;
use serde_json::{Map, Value};
use std::path::Path;

/// What cloud-init takes for the id where metadata has none.
const NO_ID: &str = "nocloud";

/// Reads one file of a seed; none where it is absent.
pub type Read<'r> = &'r dyn Fn(&str) -> Result<Option<Vec<u8>>, String>;

/// The seed in `folder`, where it has one: both `meta-data` and `user-data`.
///
/// # Errors
///
/// A file that cannot be read, or is not what its name says.
pub fn folder(folder: &Path, from: &str, hints: &Hints) -> Result<Option<Instance>, String> {
    seed(&|name| root::read(&folder.join(name)), from, hints)
}

/// The seed that `read` reads.
///
/// # Errors
///
/// A file that cannot be read, or is not what its name says.
pub fn seed(read: Read<'_>, from: &str, hints: &Hints) -> Result<Option<Instance>, String> {
    let (Some(meta_data), Some(user_data)) = (read("meta-data")?, read("user-data")?) else {
        return Ok(None);
    };
    let mut metadata = match document("meta-data", &meta_data)? {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => return Err("meta-data: expected a mapping".to_owned()),
    };
    for (key, value) in [("instance-id", &hints.id), ("local-hostname", &hints.hostname)] {
        if let Some(value) = value {
            // copies of one machine's files are told apart by what each is started with
            metadata.insert(key.to_owned(), Value::String(value.clone()));
        }
    }
    let text = |key: &str| metadata.get(key).filter(|value| !value.is_null()).and_then(yaml::text);
    let id = text("instance-id").or_else(|| hints.otherwise.clone());
    let mut instance = Instance::new(Source::NoCloud, from, id.unwrap_or(NO_ID.to_owned()));
    instance.hostname = text("local-hostname");
    instance.public_keys = metadata.get("public-keys").map(public_keys).unwrap_or_default();
    instance.user_data = user_data;
    // what may be absent cannot keep users and keys from a machine
    let optional = |name: &str, faults: &mut Vec<Fault>| {
        read(name).unwrap_or_else(|what| {
            faults.push(Fault::error(format!("{name}: {what}")));
            None
        })
    };
    instance.vendor_data = optional("vendor-data", &mut instance.faults).unwrap_or_default();
    if let Some(network) = optional("network-config", &mut instance.faults) {
        match document("network-config", &network) {
            Ok(Value::Null) => {}
            // the configuration may be below a key of its own
            Ok(mut value) => {
                let inner = value.get_mut("network").map(Value::take);
                instance.network = Some(inner.unwrap_or(value));
            }
            Err(what) => instance.faults.push(Fault::error(what)),
        }
    }
    if metadata.contains_key("network-interfaces") {
        let what = "meta-data: `network-interfaces` is not supported; use `network-config`";
        instance.faults.push(Fault::warning(what));
    }
    instance.metadata = metadata;
    instance.checked().map(Some)
}

fn document(name: &str, bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("{name}: expected UTF-8: {error}"))?;
    yaml::parse(text).map_err(|what| format!("{name}: {what}"))
}

/// What the machine itself says: `ds=nocloud;i=ID;h=NAME;s=FOLDER`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Whether it says NoCloud at all.
    pub given: bool,
    /// The instance's id.
    pub id: Option<String>,
    /// Its host name.
    pub hostname: Option<String>,
    /// Its id where nothing says one.
    pub otherwise: Option<String>,
    /// Where the files are: a folder, or an address over the network.
    pub from: Option<String>,
}

/// What SMBIOS's serial number says, and the kernel's command line.
#[must_use]
pub fn hints(root: &Root) -> Hints {
    let serial = root.text("/sys/class/dmi/id/product_serial").unwrap_or_default();
    let line = root.text("/proc/cmdline").unwrap_or_default();
    let words = line.split_ascii_whitespace().chain([serial.as_str()]);
    words.fold(Hints::default(), |hints, word| if hints.given { hints } else { read_hints(word) })
}

fn read_hints(word: &str) -> Hints {
    let mut parts = word.split(';');
    let first = parts.next().unwrap_or_default();
    let name = first.strip_prefix("ds=").unwrap_or_default().to_ascii_lowercase();
    if !["nocloud", "nocloud-net"].contains(&name.as_str()) {
        return Hints::default();
    }
    let mut hints = Hints { given: true, ..Hints::default() };
    for part in parts {
        let Some((key, value)) = part.split_once('=') else { continue };
        let value = Some(value.to_owned()).filter(|value| !value.is_empty());
        match key {
            "i" | "instance-id" => hints.id = value,
            "h" | "local-hostname" => hints.hostname = value,
            "s" | "seedfrom" => hints.from = value,
            _ => {}
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn told(files: &[(&str, &str)]) -> Result<Option<Instance>, String> {
        let files: BTreeMap<_, _> = files.iter().copied().collect();
        seed(&|name| Ok(files.get(name).map(|text| text.as_bytes().to_vec())), "/dev/sr0", &Hints::default())
    }

    #[test]
    fn a_seed_is_read_whole() {
        let files = [
            ("meta-data", "instance-id: i-1\nlocal-hostname: a\npublic-keys: [ssh-ed25519 A]\n"),
            ("user-data", "#!/bin/sh\n"),
            ("network-config", "network: {version: 2}\n"),
        ];
        let instance = told(&files).unwrap().unwrap();
        assert_eq!((instance.id.as_str(), instance.hostname.as_deref()), ("i-1", Some("a")));
        assert_eq!(instance.network, Some(json!({"version": 2})));
        assert_eq!(instance.public_keys, ["ssh-ed25519 A"]);
        assert_eq!(told(&files[..1]), Ok(None));
        let nothing = told(&[("meta-data", ""), ("user-data", "")]).unwrap().unwrap();
        assert_eq!((nothing.id.as_str(), nothing.hostname), ("nocloud", None));
    }

    #[test]
    fn bad_metadata_is_an_error_and_a_bad_network_a_fault() {
        for text in ["- a", "a: [", "instance-id: ../..\n  x", "instance-id: \"a\\tb\""] {
            assert!(told(&[("meta-data", text), ("user-data", "")]).is_err(), "{text:?}");
        }
        let files = [("meta-data", "instance-id: a"), ("user-data", ""), ("network-config", "a: [")];
        assert_eq!(told(&files).unwrap().unwrap().faults.len(), 1);
    }

    #[test]
    fn what_the_machine_says_counts_before_its_files_and_bad_parts_keep_nothing_else_away() {
        let hints =
            Hints { id: Some("clone".to_owned()), otherwise: Some("x".to_owned()), ..Hints::default() };
        let read = |name: &str| match name {
            "meta-data" => Ok(Some(b"instance-id: template\nlocal-hostname: a\n".to_vec())),
            "user-data" => Ok(Some(Vec::new())),
            _ => Err("status 403".to_owned()),
        };
        let found = seed(&read, "", &hints).unwrap().unwrap();
        assert_eq!(
            (found.id.as_str(), found.hostname.as_deref(), found.faults.len()),
            ("clone", Some("a"), 2)
        );
    }

    #[test]
    fn the_machine_may_say_who_it_is() {
        let hints = read_hints("ds=nocloud;i=i-9;h=name;s=http://10.0.2.2/");
        assert_eq!((hints.id.as_deref(), hints.hostname.as_deref()), (Some("i-9"), Some("name")));
        assert_eq!(hints.from.as_deref(), Some("http://10.0.2.2/"));
        assert_eq!(read_hints("ds=ec2"), Hints::default());
        assert!(read_hints("ds=NoCloud").given);
    }
}
