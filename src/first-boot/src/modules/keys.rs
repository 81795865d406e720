//! Keys that may log in: `~/.ssh/authorized_keys`, and the host's own.

use super::{Context, text, truth};
use crate::root::{Owner, Root};
use serde_json::{Value, json};

/// Adds `keys` to those of a user, each with `prefix` before it.
///
/// # Errors
///
/// What the system says, or a user without a home.
pub fn authorize(root: &Root, user: &str, keys: &[String], prefix: &str) -> Result<(), String> {
    let users = root.users();
    let fields = users.get(user).ok_or_else(|| format!("unknown user `{user}`"))?;
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
    let (Some(uid), Some(gid), Some(home)) = (number(2), number(3), fields.get(5)) else {
        return Err(format!("/etc/passwd: user `{user}` has no home"));
    };
    if home.is_empty() || !root.has(home) {
        return Err(format!("user `{user}` has no home for its keys"));
    }
    let owner = Owner { uid: Some(uid), gid: Some(gid) };
    let folder = format!("{}/.ssh", home.trim_end_matches('/'));
    let path = format!("{folder}/authorized_keys");
    let is_link = |path: &str| root.at(path).symlink_metadata().is_ok_and(|found| found.is_symlink());
    if is_link(&folder) || is_link(&path) {
        // it leads wherever its owner wants, and root would follow
        return Err(format!("`{path}`: expected no symbolic link"));
    }
    if root.at(&path).symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return Err(format!("`{path}`: expected a regular file"));
    }
    root.directory(&folder, 0o700)?;
    root.own(&folder, 0o700, owner)?;
    let old = root.read(&path)?.unwrap_or_default();
    let mut lines: Vec<String> = String::from_utf8_lossy(&old).lines().map(str::to_owned).collect();
    for key in keys {
        let line = if prefix.is_empty() { key.clone() } else { format!("{prefix} {key}") };
        match lines.iter().position(|old| body(old).is_some() && body(old) == body(key)) {
            Some(at) => {
                if let Some(old) = lines.get_mut(at) {
                    *old = line;
                }
            }
            None => lines.push(line),
        }
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    root.write(&path, text.as_bytes(), 0o600, Some(owner))
}

/// The part of a line that is the key itself: the word after the type.
fn body(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let is_type = |word: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|start| word.starts_with(start));
    words.windows(2).find(|pair| is_type(pair[0]) && pair[1].starts_with("AAAA")).map(|pair| pair[1])
}

/// Keys of a list or of text, a line each; what cannot be a line of the file is said.
pub fn lines(value: &Value, whose: &str, context: &mut Context<'_, '_>) -> Vec<String> {
    let all = crate::instance::public_keys(value);
    let (fine, bad): (Vec<String>, Vec<String>) =
        all.into_iter().partition(|key| !key.contains(char::is_control) && key.len() < 16_384);
    if !bad.is_empty() {
        context.report.error(format!("{whose}: expected keys of one line each"));
    }
    fine
}

/// Keys of the default user and, with a word to use another user, of root.
pub fn default_user(context: &mut Context<'_, '_>, user: Option<&str>) {
    let given = context.config.get("ssh_authorized_keys").cloned().unwrap_or_default();
    let mut keys = lines(&json!(context.instance.public_keys), "public keys of the metadata", context);
    keys.extend(lines(&given, "ssh_authorized_keys", context));
    // without keys the files are there too, for who appends to them
    if let Some(user) = user {
        context.report.check(authorize(context.root, user, &keys, ""));
    }
    let prefix = if context.flag("disable_root") == Some(false) {
        String::new()
    } else {
        let usual = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command=\"echo 'Please login as the user \
                     \\\"$USER\\\" rather than the user \\\"$DISABLE_USER\\\".';echo;sleep 10;exit 142\"";
        let options = context.text("disable_root_opts").unwrap_or_else(|| usual.to_owned());
        options.replace("$USER", user.unwrap_or("NONE")).replace("$DISABLE_USER", "root")
    };
    context.report.check(authorize(context.root, "root", &keys, &prefix));
}

/// The host's own keys: those of another instance are removed, given ones written, and sshd-keygen makes the rest.
pub fn host(context: &mut Context<'_, '_>) {
    const FOLDER: &str = "/etc/ssh";
    if context.flag("ssh_deletekeys") != Some(false) {
        for name in context.root.names(FOLDER) {
            if name.starts_with("ssh_host_") && name.contains("key") {
                context.root.remove(&format!("{FOLDER}/{name}"));
            }
        }
    }
    let Some(Value::Object(given)) = context.config.get("ssh_keys").cloned() else { return };
    for name in given.keys() {
        let (kind, suffix) = name.rsplit_once('_').unwrap_or((name, ""));
        let (end, mode) = match suffix {
            "private" => ("", 0o600),
            "public" => (".pub", 0o644),
            "certificate" => ("-cert.pub", 0o644),
            _ => ("?", 0),
        };
        let key = text(&given, name).filter(|_| ["rsa", "ecdsa", "ed25519"].contains(&kind) && mode > 0);
        let Some(key) = key else {
            context.report.warn(format!("ssh_keys: `{}` is not supported", name.escape_debug()));
            continue;
        };
        let path = format!("{FOLDER}/ssh_host_{kind}_key{end}");
        let line = format!("{}\n", key.trim_end());
        context.report.check(context.root.write(&path, line.as_bytes(), mode, None));
        if end == "-cert.pub" {
            let line = format!("HostCertificate {path}\n");
            let file = format!("{FOLDER}/sshd_config.d/51-cloud-init-{kind}.conf");
            context.report.check(context.root.write(&file, line.as_bytes(), 0o600, None));
        }
    }
}

/// `ssh_pwauth`: whether sshd asks for passwords. A file that sorts earlier and says otherwise counts, as everywhere with sshd.
pub fn password_authentication(context: &mut Context<'_, '_>) {
    let Some(value) = context.config.get("ssh_pwauth").filter(|value| **value != Value::Null) else { return };
    if value.as_str() == Some("unchanged") {
        return;
    }
    let word = match truth(value) {
        Some(true) => "yes",
        Some(false) => "no",
        None => {
            context.report.error("ssh_pwauth: expected true or false".to_owned());
            return;
        }
    };
    let line = format!("PasswordAuthentication {word}\n");
    context.report.check(context.root.write(
        "/etc/ssh/sshd_config.d/50-cloud-init.conf",
        line.as_bytes(),
        0o600,
        None,
    ));
}
