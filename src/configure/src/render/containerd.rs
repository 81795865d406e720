//! containerd's configuration: the sandbox image, in a file that is otherwise the image's.
//!
//! With a registry that image has a second name, and `sandbox-image.service`, whose environment is written here, gives it that in
//! containerd's store.
//!
//! The file is TOML that this project or an operator wrote; only two things in it are changed, by line: `sandbox` in
//! the table `…cri.v1.images".pinned_images`, which is added when it is not there, and an old `sandbox_image` in the
//! table above it, which is removed (containerd docs/cri/config.md).

use super::env::EnvFile;
use crate::found::Found;
use crate::keys::Output;
use crate::plan::Plan;
use crate::refusal::Fault;
use crate::settings::Settings;

const CONFIG: &str = "/etc/containerd/config.toml";
/// The unit that names the image, and its environment.
const NAMES: &str = "sandbox-image";
const NAMES_ENV: &str = "/opt/env/sandbox-image.env";
const IMAGES: &str = r#"plugins."io.containerd.cri.v1.images""#;

/// Plans it.
pub(super) fn render(settings: &Settings, found: &Found, plan: &mut Plan, faults: &mut Vec<Fault>) {
    let Some(text) = found.files.get(CONFIG) else {
        faults.push(
            Fault::new(CONFIG, "expected containerd's configuration, found none")
                .hint("the image brings it: bake it again"),
        );
        return;
    };
    let image = match &settings.registry {
        Some(registry) => format!("{}/mirror/{}", registry.hostname, settings.pause),
        None => settings.pause.clone(),
    };
    plan.file(
        CONFIG,
        0o644,
        ("root", "root"),
        with_sandbox(text, &image).into_bytes(),
        Some(Output::ContainerdConfig),
    );
    // what the unit is started with; it follows containerd, which restarts for its own configuration: nothing else has to
    if image == settings.pause {
        plan.remove(NAMES_ENV, None);
        return;
    }
    let mut env = EnvFile::default();
    env.extend([("SANDBOX_IMAGE", settings.pause.as_str()), ("SANDBOX_IMAGE_NAME", &image)]);
    env.plan(plan, NAMES, "root", None);
}

fn with_sandbox(text: &str, image: &str) -> String {
    let pinned = format!("{IMAGES}.pinned_images");
    let line = format!("sandbox = {}", crate::json::quote(image));
    let (mut out, mut table, mut done) = (String::with_capacity(text.len() + 128), String::new(), false);
    for one in text.lines() {
        let trimmed = one.trim();
        if let Some(header) = header(trimmed) {
            table = header;
            out.push_str(one);
            out.push('\n');
            if table == pinned && !done {
                let indent = one.len() - one.trim_start().len();
                out.push_str(one.get(..indent).unwrap_or_default());
                out.push_str(&line);
                out.push('\n');
                done = true;
            }
            continue;
        }
        let ours = (table == pinned && is_key(trimmed, "sandbox"))
            || (table == IMAGES && is_key(trimmed, "sandbox_image"));
        if !ours {
            out.push_str(one);
            out.push('\n');
        }
    }
    if !done {
        out.push_str(&format!("\n[{pinned}]\n{line}\n"));
    }
    out
}

/// The dotted name of a table's header, with one kind of quotes and without blanks.
fn header(line: &str) -> Option<String> {
    let inner = line.strip_prefix('[')?.split_once(']')?.0;
    (!inner.starts_with('[')).then(|| {
        inner.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '\'' { '"' } else { c }).collect()
    })
}

fn is_key(line: &str, key: &str) -> bool {
    line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::with_sandbox;

    #[test]
    fn the_sandbox_is_set_once_and_again() {
        for text in [
            "version = 3\n",
            "version = 3\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\n  sandbox = 'a'\n  other = 'keep'\n",
            "[plugins.\"io.containerd.cri.v1.images\"]\n  sandbox_image = \"old\"\n[plugins.x]\n sandbox_image = \"keep\"\n",
        ] {
            let once = with_sandbox(text, "r/pause:1");
            assert_eq!(once.matches("sandbox = \"r/pause:1\"").count(), 1, "{once}");
            assert_eq!(once.matches("keep").count(), text.matches("keep").count(), "{once}");
            assert!(!once.contains("old"), "{once}");
            assert_eq!(with_sandbox(&once, "r/pause:1"), once);
            assert_eq!(with_sandbox(&with_sandbox(&once, "x"), "r/pause:1"), once);
        }
    }
}
