//! What fuzzers call: each reader of what others write, with what must hold of anything that it takes.
//!
//! Nothing in the program calls this, and the linker leaves it out.

use crate::nocloud::Hints;
use crate::{http, mime, network, nocloud, user_data, volume, yaml};

/// YAML: what is read is written as JSON, and read from it, as one stage hands it to the next.
pub fn yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(value) = yaml::parse(text) else { return };
    let again: Result<serde_json::Value, _> = serde_json::from_str(&value.to_string());
    // the last digit of a fraction may differ
    assert!(again.is_ok(), "a value is written as JSON");
}

/// User-data: names of scripts are names of files.
pub fn user_data(bytes: &[u8]) {
    let told = user_data::read(bytes);
    for script in told.scripts {
        assert!(!script.name.contains('/') && !script.name.starts_with('.') && !script.name.is_empty());
    }
    let _ = mime::parts(bytes);
}

/// Network configuration: no value can write a line or a path of its own.
pub fn network(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(value) = yaml::parse(text) else { return };
    let Ok(config) = network::read(&value) else { return };
    for file in config.files() {
        assert!(!file.name.contains('/') && file.name.starts_with("10-cloud-init-"), "{}", file.name);
        for line in file.text.lines().filter(|line| !line.is_empty()) {
            let is_section = line.starts_with('[') && line.ends_with(']');
            assert!(is_section || line.contains('='), "{line}");
        }
    }
}

/// A seed: an id is the name of a folder.
pub fn seed(bytes: &[u8]) {
    let read = |name: &str| Ok(matches!(name, "meta-data" | "user-data").then(|| bytes.to_vec()));
    if let Ok(Some(instance)) = nocloud::seed(&read, "", &Hints::default()) {
        assert!(!instance.id.contains('/') && !instance.id.starts_with('.') && !instance.id.is_empty());
    }
}

/// An answer of a metadata service: what is whole stays so with what comes after.
pub fn http(bytes: &[u8]) {
    let whole = http::parse(bytes, true);
    if let Ok(Some(answer)) = http::parse(bytes, false) {
        assert_eq!(whole, Ok(Some(answer)));
    }
}

/// A disk: its label.
pub fn label(bytes: &[u8]) {
    let _ = volume::label(&mut std::io::Cursor::new(bytes));
}
