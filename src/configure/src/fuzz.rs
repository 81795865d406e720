//! What fuzzers call: each reader of what others write, with what must hold of anything that it takes.
//!
//! Nothing in the program calls this, and the linker leaves it out.

use crate::layers::{Layer, Layers};
use crate::names::Role;
use crate::{bootstrap, delivery, envfile, install, json, settings};

/// An environment file: what is read is written and read again as the same, unless it cannot be written.
pub fn envfile(bytes: &[u8]) {
    let Ok(assignments) = envfile::read(bytes) else { return };
    for one in assignments {
        let Some(text) = envfile::line(&one.key, &one.value) else { continue };
        let again = envfile::read(text.as_bytes()).unwrap_or_default();
        let same = again.first().is_some_and(|first| first.key == one.key && first.value == one.value);
        // a file of one line may be too long only when the whole one was
        assert!(
            same && again.len() == 1 || text.len() > envfile::FILE_LIMIT,
            "`{}` is read as another",
            one.key
        );
    }
}

/// User-data, and every rule of the settings on it.
pub fn user_data(bytes: &[u8]) {
    let Ok(user_data) = bootstrap::parse_user_data(bytes) else { return };
    let layers = Layers { user_data, detected: Layer::default(), mutable: Layer::default() };
    for (role, kind) in [(Role::Worker, "knd"), (Role::ControlPlane, "knc")] {
        let image =
            install::Image { kind: kind.to_owned(), role, pause: "registry.k8s.io/pause:1".to_owned() };
        let faults = settings::check(&layers, &image, settings::When::FirstRun).err().unwrap_or_default();
        for fault in faults {
            assert!(!fault.to_string().contains(char::is_control), "a fault is one line");
        }
    }
}

/// A delivery: what is taken is merged, written and read back.
pub fn delivery(bytes: &[u8]) {
    for role in [Role::Worker, Role::ControlPlane] {
        let none = Layer::default();
        let Ok(delivered) = delivery::parse(bytes, "delivered", role, &none) else { continue };
        let merged = delivery::merge(&none, &none, &delivered);
        let text = merged.text();
        // quotes may make it too long
        assert!(text.is_some() || bytes.len() > envfile::FILE_LIMIT / 4, "what is taken can be written");
        let Some(text) = text else { continue };
        let again = envfile::read(text.as_bytes()).map(Layer::new);
        assert!(again.is_ok_and(|again| merged.iter().all(|(key, value, _)| again.get(key) == Some(value))));
    }
}

/// JSON.
pub fn json(bytes: &[u8]) {
    let _ = json::read(bytes);
}

/// The installed manifest: what it names is harmless in containerd's configuration.
pub fn install(bytes: &[u8]) {
    if let Ok(image) = install::parse(bytes, None) {
        assert!(!image.pause.contains(['"', '\\', '\n']), "a name that would end the string that it is in");
    }
}
