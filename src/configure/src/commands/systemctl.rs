//! The door to the only other program there is: `systemctl`, which is the running system's.
//!
//! Where the root is another one than `/` there is no system to ask: what would be asked is said, and nobody's services are
//! touched. Who wants it asked all the same names the program (`--systemctl FILE`).

use crate::refusal::Result;
use crate::root::Root;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Who is asked.
#[derive(Debug, Clone)]
pub struct Systemctl {
    program: Option<PathBuf>,
}

/// How it did not do what it was asked.
pub(super) enum No {
    /// It said no.
    Ended(ExitStatus),
    /// It could not be run at all.
    Unasked(std::io::Error),
}

/// Units that an image may come without, also where the settings want them: its manifest did not have the component.
const OPTIONAL: [&str; 1] = ["kube2iam"];

impl Systemctl {
    /// For the root `root`: `given`, or the running system's own when it is that system's.
    #[must_use]
    pub fn of(root: &Path, given: Option<&Path>) -> Self {
        let own = || (root == Path::new("/")).then(|| PathBuf::from("systemctl"));
        Self { program: given.map(Path::to_owned).or_else(own) }
    }

    /// Whether anybody is asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.program.is_some()
    }

    /// Asks `words`; without anybody to ask they are only said. A no to a needless request is none, and what is said of it is
    /// not told.
    pub(super) fn ask(&self, root: &Root, words: &[&str]) -> std::result::Result<(), No> {
        let Some(program) = &self.program else {
            crate::console::say(&format!(
                "not asked, as the root is not `/`: systemctl {}\n",
                words.join(" ")
            ));
            return Ok(());
        };
        // where that cannot be told the request matters
        let needless = is_needless(root, words).unwrap_or(false);
        #[expect(
            clippy::disallowed_methods,
            reason = "one program with fixed words; nothing else belongs into the image"
        )]
        let mut command = Command::new(program);
        if needless {
            command.stderr(Stdio::null());
        }
        match command.args(words).stdin(Stdio::null()).status() {
            Ok(status) if status.success() || needless => Ok(()),
            Ok(status) => Err(No::Ended(status)),
            Err(error) => Err(No::Unasked(error)),
        }
    }
}

/// Whether these words are about a unit that the image lacks, and switch it off or are about an optional one. It is asked
/// for all the same, as the unit may stand elsewhere, but that systemd knows none is no fault. Any other unit that is wanted
/// and missing is one.
fn is_needless(root: &Root, words: &[&str]) -> Result<bool> {
    match words {
        ["disable" | "stop", unit] => lacks(root, unit),
        ["enable" | "restart", unit] if OPTIONAL.contains(unit) => lacks(root, unit),
        _ => Ok(false),
    }
}

/// Whether the image has no such unit.
fn lacks(root: &Root, unit: &str) -> Result<bool> {
    Ok(!root.exists(&format!("/etc/systemd/system/{unit}.service"))?)
}
