//! `bootcmd`, `runcmd` and scripts.

use super::Context;
use crate::user_data::Script;
use crate::yaml;
use serde_json::Value;

/// Where an instance's scripts are.
pub const FOLDER: &str = "/var/lib/cloud/instance/scripts";

/// Commands as a script of the shell: text as it is, a list as one command whose words are quoted.
///
/// # Errors
///
/// A command that is neither.
pub fn shell(commands: &[Value]) -> Result<String, String> {
    let mut text = "#!/bin/sh\n".to_owned();
    for (at, command) in commands.iter().enumerate() {
        match command {
            Value::Array(words) => {
                let words: Option<Vec<String>> = words.iter().map(yaml::text).collect();
                let words = words.ok_or_else(|| format!("[{at}]: expected words"))?;
                let quoted: Vec<String> =
                    words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
                text.push_str(&quoted.join(" "));
            }
            Value::Null => continue,
            Value::Object(_) => {
                return Err(format!("[{at}]: expected text or a list, found a mapping; quote the command"));
            }
            other => text.push_str(&yaml::text(other).unwrap_or_default()),
        }
        text.push('\n');
    }
    Ok(text)
}

/// Runs `bootcmd`, at each boot.
pub fn boot(context: &mut Context<'_, '_>) {
    if let Some(text) = commands(context, "bootcmd") {
        run(context, "bootcmd", text.as_bytes());
    }
}

/// The script of a key's commands; none where there are none, or where one of them cannot be one.
fn commands(context: &mut Context<'_, '_>, key: &str) -> Option<String> {
    let commands = context.list(key);
    if commands.is_empty() {
        return None;
    }
    context.report.check(shell(&commands).map_err(|what| format!("{key}{what}")))
}

/// Runs boothooks: parts of user-data that run before all else, at each boot.
pub fn hooks(context: &mut Context<'_, '_>, hooks: &[Vec<u8>]) {
    for (at, hook) in hooks.iter().enumerate() {
        let name = format!("boothook-{:03}", at + 1);
        run(context, &name, hook);
    }
}

fn run(context: &mut Context<'_, '_>, name: &str, bytes: &[u8]) {
    // not in /run, where programs may not be allowed
    let path = format!("{}/{name}", crate::state::INSTANCE);
    if context.report.check(context.root.write(&path, bytes, 0o700, None)).is_some() {
        // scripts that run later have `/var/lib/cloud/instance`
        start(context, &path, name, &[("INSTANCE_ID", &context.instance.id)]);
        context.root.remove(&path);
    }
}

fn start(context: &mut Context<'_, '_>, path: &str, name: &str, environment: &[(&str, &str)]) {
    context.report.info(format!("running `{name}`"));
    let ran = context.programs.script(context.root, path, name, environment);
    context.report.check(ran);
}

/// Puts `runcmd` among the instance's scripts, which run last.
pub fn put_commands(context: &mut Context<'_, '_>) {
    if let Some(text) = commands(context, "runcmd") {
        context.report.check(context.root.write(&format!("{FOLDER}/runcmd"), text.as_bytes(), 0o700, None));
    }
}

/// Puts user-data's scripts where they run from.
pub fn put(context: &mut Context<'_, '_>, scripts: &[Script]) {
    for script in scripts {
        let folder = match script.when {
            None => FOLDER.to_owned(),
            Some(when) => format!("/var/lib/cloud/scripts/{when}"),
        };
        context.report.check(context.root.write(
            &format!("{folder}/{}", script.name),
            &script.body,
            0o700,
            None,
        ));
    }
}

/// Puts the vendor's scripts next to them.
pub fn put_vendor(context: &mut Context<'_, '_>, scripts: &[Script]) {
    for script in scripts {
        let path = format!("{FOLDER}/vendor/{}", script.name);
        context.report.check(context.root.write(&path, &script.body, 0o700, None));
    }
}

/// Runs what is in a folder and may be executed, by name.
pub fn run_all(context: &mut Context<'_, '_>, folder: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    for name in context.root.names(folder) {
        let path = format!("{folder}/{name}");
        let found = std::fs::metadata(context.root.at(&path));
        // the name of a file that is being written begins with a dot
        if !name.starts_with('.')
            && found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        {
            start(context, &path, &name, &[]);
        }
    }
}
