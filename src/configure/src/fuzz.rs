//! What fuzzers call: each reader of what others write, with what must hold of anything that it takes.
//!
//! Nothing in the program calls this, and the linker leaves it out.

use crate::layers::{Layer, Layers};
use crate::names::Role;
use crate::plan::Plan;
use crate::receive::judge::{Installed, judge as judged};
use crate::receive::take::Taken;
use crate::{bootstrap, certificate, delivery, envfile, install, json, policy, settings};

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
        let image = install::Image {
            kind: kind.to_owned(),
            role,
            pause: "registry.k8s.io/pause:1".to_owned(),
            cache: install::Cache::Zot,
        };
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
        let merged = delivery::merge(&none, &none, &delivered.settings);
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

/// Certificates, public keys and private keys, in PEM and without it: a file is not two of them at once.
pub fn certificates(bytes: &[u8]) {
    let is_certificate = certificate::of_certificate(bytes).is_ok();
    let is_key = certificate::of_private_key(bytes).is_ok();
    let are_public = certificate::of_public_keys(bytes).is_ok_and(|keys| !keys.is_empty());
    assert!(!(is_certificate && is_key), "a private key would be where all may read");
    assert!(!(are_public && is_key), "a private key would be where all may read");
    assert!(!is_certificate || are_public, "each certificate has its public key");
    let _ = certificate::of_der(bytes);
    if let Some(signed) = certificate::Signed::of(bytes) {
        for key in certificate::of_der(bytes).into_iter().flatten() {
            let _ = signed.is_by(&key);
        }
    }
    let is_pem = crate::pem::read(bytes).is_ok();
    assert!(crate::authority::certificates(bytes, bytes).is_ok() == is_pem, "what is present follows itself");
}

/// A delivered certificate, a key that was made, an installed certificate and its key, with a NUL between them: what comes
/// out is a pair that works, or what was there.
pub fn judge(bytes: &[u8]) {
    const PATHS: [&str; 2] = ["/opt/crt/kubelet.client.crt", "/opt/key/kubelet/kubelet.client.key"];
    let mut parts = bytes.splitn(4, |byte| *byte == 0);
    let mut next = |name: &str| {
        let part = parts.next().filter(|part| !part.is_empty());
        part.map(|part| (name.to_owned(), part.to_vec())).into_iter().collect::<Installed>()
    };
    let taken =
        Taken { recv: next("kubelet.client.crt"), keys: next("kubelet.client.key"), ..Taken::default() };
    let mut installed = next(PATHS[0]);
    installed.append(&mut next(PATHS[1]));
    let works = |crt: &[u8], key: &[u8]| {
        certificate::of_private_key(key)
            .is_ok_and(|key| certificate::of_certificate(crt).is_ok_and(|crt| crt == key))
    };
    let whole = |files: &Installed| match PATHS.map(|path| files.get(path)) {
        [Some(crt), Some(key)] => works(crt, key),
        _ => false,
    };
    let mut plan = Plan::default();
    let faults = judged(Role::Worker, &taken, &installed, Some("as the policy says"), &mut plan);
    assert!(faults.iter().all(|fault| !fault.to_string().contains(char::is_control)), "a fault is one line");
    if !faults.is_empty() {
        return;
    }
    let mut after = installed.clone();
    after.extend(plan.files.iter().map(|file| (file.path.clone(), file.bytes.clone())));
    assert!(!whole(&installed) || whole(&after), "a pair that works is replaced by one that does not");
    let is_placed = |path: &str| plan.files.iter().any(|file| file.path == path);
    assert!(!is_placed(PATHS[1]) || whole(&after), "a key that does not belong to its certificate");
}

/// The image's policy: what is taken says the same when it is written again.
pub fn policy(bytes: &[u8]) {
    let text = |policy: &policy::Policy| {
        let word = |change| if change == policy::Change::UserData { "user-data" } else { "live" };
        let line = |line: &policy::Line| format!("{} = \"{}\"\n", line.name, word(line.change));
        policy.lines().map(line).collect::<String>()
    };
    match policy::parse(bytes, "policy.toml") {
        Ok(policy) => {
            let once = text(&policy);
            let again = policy::parse(once.as_bytes(), "policy.toml").unwrap_or_default();
            assert_eq!(text(&again), once);
        }
        Err(faults) => {
            let lines = |fault: &crate::refusal::Fault| fault.to_string().contains(char::is_control);
            assert!(!faults.is_empty() && !faults.iter().any(lines), "a fault is one line");
        }
    }
}
