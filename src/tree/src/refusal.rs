//! Why a stage stopped: the one shape in which every stage says no.
//!
//! Leaf readers (tar, ar, deb822, a lock) have small error enums of their own that know nothing of names.
//! A stage wraps them here with the artifact and the stage, so that the command line can print one line
//! `error: <artifact>: <stage>: <what>` and choose an exit code, and nothing else has to know how.

use crate::digest::Digest;
use crate::name::{Arch, Kind};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// The kinds of refusal; each is one exit code of the command line, fixed for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Wrong use, or a manifest or recipe that is wrong: exit 2.
    Usage,
    /// A network that does not answer, or answers what HTTP does not allow: exit 3.
    Network,
    /// A size, digest or signature that is not what was promised: exit 4.
    Verification,
    /// An archive, or a set of them, whose meaning is in doubt or not allowed: exit 5.
    Archive,
    /// A disk that is full, a file that cannot be read or written: exit 6.
    Io,
    /// A lock that is held by another process for too long: exit 7.
    Lock,
    /// Boot-time input that is refused: exit 8.
    Input,
}

impl Class {
    /// The exit code of the command line for this class.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Network => 3,
            Self::Verification => 4,
            Self::Archive => 5,
            Self::Io => 6,
            Self::Lock => 7,
            Self::Input => 8,
        }
    }
}

/// The stage that refused: the arrows of ARCHITECTURE.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Reading a manifest, a recipe, a lock or a policy.
    Parse,
    /// Making a lock from Debian's archive.
    Resolve,
    /// Deciding what a bake will do.
    Plan,
    /// Bringing pins into the store.
    Fetch,
    /// Reading or writing the store.
    Store,
    /// Reading an archive.
    Unpack,
    /// Laying out the tree.
    Stage,
    /// Writing artifacts.
    Emit,
    /// Reading an artifact back.
    Inspect,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parse => "parse",
            Self::Resolve => "resolve",
            Self::Plan => "plan",
            Self::Fetch => "fetch",
            Self::Store => "store",
            Self::Unpack => "unpack",
            Self::Stage => "stage",
            Self::Emit => "emit",
            Self::Inspect => "inspect",
        })
    }
}

/// A refusal: what stopped, where, why, and the way out.
#[derive(Debug)]
pub struct Refusal {
    /// Which exit code.
    pub class: Class,
    /// The file, component or package that it is about; shown escaped.
    pub artifact: String,
    /// Which stage refused.
    pub stage: Stage,
    /// What is wrong: lower case, names in backticks, `expected X, found Y` where there are two sides.
    pub cause: Box<dyn Error + Send + Sync>,
    /// The way out, where there is one, in words that hold wherever the library is used.
    pub hint: Option<Cow<'static, str>>,
    /// The way out that whoever uses the library has words for, in the place of a hint.
    pub remedy: Option<Box<Remedy>>,
}

/// A way out whose words are those of the program that uses the library: its commands and options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Room on the disk, or another place for what is written.
    Room,
    /// Room for an output: the bytes that it needs, and those that had room.
    RoomForOutput {
        /// What the file needs.
        needs: u64,
        /// What was written of it.
        had: u64,
    },
    /// An output directory that can be written to.
    WritableOutput,
    /// What is in the way is moved, or another output directory is chosen.
    ClearOutput,
    /// The other bake ends, or another output directory is chosen.
    FreeOutput,
    /// An address for the published image that its manifest can have.
    Publish,
    /// A kind that has what a disk needs, or an archive instead of a disk.
    Bootable,
    /// A lock of what the archive has now.
    LockAgain(Kind, Arch),
    /// A lock with what components need.
    LockComponents(Kind, Arch),
    /// A lock of the file of the project as it is now.
    LockFile(String),
    /// What is in an input: its members, after the one of that name elsewhere in it.
    Members {
        /// A member with the same file name.
        close: Option<String>,
        /// The input.
        input: Digest,
    },
    /// The paths of an artifact.
    Paths,
    /// What a kind is made of, brought into the store.
    Fetch,
    /// The digest that its publisher gives, or the input forgotten by the store.
    Forget(Digest),
    /// A place of Debian's archive that can be reached, or a network.
    ReachArchive,
    /// A network, or a directory that has the input.
    Online,
    /// A place of Debian's archive.
    NameArchive,
    /// A store that can be written to, for its directory cannot be made.
    WritableStore,
    /// A store that could be written to once, or another one.
    FillStore,
    /// Another store, or this one emptied.
    OtherStore,
    /// An empty directory for the store.
    EmptyStore,
    /// Another place for the store.
    PlaceOfStore,
    /// Another place for the store, or a word that it is shared.
    OwnStore,
    /// A directory that only its owner may write to, or a word that the store is shared.
    PrivateStore(PathBuf),
}

/// The result of a stage.
pub type Result<T, E = Refusal> = std::result::Result<T, E>;

impl Refusal {
    /// A refusal of `artifact` by `stage` because of `cause`.
    pub fn new(
        class: Class,
        artifact: impl Into<String>,
        stage: Stage,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { class, artifact: artifact.into(), stage, cause: cause.into(), hint: None, remedy: None }
    }

    /// The same refusal with its way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        (self.hint, self.remedy) = (Some(hint.into()), None);
        self
    }

    /// The same refusal with its way out.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        (self.hint, self.remedy) = (None, Some(Box::new(remedy)));
        self
    }

    /// Whether it has a way out.
    #[must_use]
    pub fn has_way_out(&self) -> bool {
        self.hint.is_some() || self.remedy.is_some()
    }

    /// A text that is no TOML, or not of the expected shape, with its line and column.
    pub fn toml(artifact: impl Into<String>, text: &str, error: &toml::de::Error) -> Self {
        let refusal = Self::new(Class::Usage, artifact, Stage::Parse, toml(text, error));
        match crate::near::hint(error.message()) {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }

    /// A failed operation on a file: `artifact` is the path, `doing` what was tried (`write`, `rename`).
    pub fn io(artifact: impl Into<String>, stage: Stage, doing: &str, error: &std::io::Error) -> Self {
        let refusal = Self::new(Class::Io, artifact, stage, format!("cannot {doing}: {error}"));
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                refusal.remedy(Remedy::Room)
            }
            _ => refusal,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", shown(&self.artifact), self.stage, shown(&self.cause.to_string()))?;
        let mut source = self.cause.source();
        while let Some(cause) = source {
            write!(f, ": {}", shown(&cause.to_string()))?;
            source = cause.source();
        }
        Ok(())
    }
}

impl Error for Refusal {}

/// What is wrong with a text that is no TOML, or not of the expected shape, in one line: `line 3 column 2: …`.
pub fn toml(text: &str, error: &toml::de::Error) -> String {
    let (line, column) = error.span().map_or((1, 1), |span| place(text, span.start));
    let what = error.message().replace("duplicate key", "key given twice").replace('\n', " ");
    format!("line {line} column {column}: {what}")
}

/// Line and column of the byte `at`, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Whether a reader does not see `c`, or sees other text because of it: control characters, line and paragraph
/// separators, controls of the direction of text (Unicode's `Bidi_Control`), and what has no width. No path has one.
#[must_use]
pub fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // soft hyphen, Arabic letter mark, Hangul fillers, Mongolian vowel separator
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            // zero width; marks, embeddings, overrides and isolates of direction; separators
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            // annotations, and tags that spell text which is not shown
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` as it may be printed: what [`hides`] is escaped as in a Rust string. What comes from outside never reaches a
/// terminal otherwise.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hides(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Reads a record, which is JSON without a character that [`hides`]: each text of a record could stand in a line of its own,
/// and would be taken for one where it is printed.
pub fn record<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> std::result::Result<T, serde_json::Error> {
    if hides_in_json(bytes) {
        return Err(serde::de::Error::custom("a character that is not seen, which no record has"));
    }
    serde_json::from_slice(bytes)
}

/// Whether JSON has a character that [`hides`], as it is or escaped.
fn hides_in_json(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' => {}
            // of escapes only those of a quote and of a backslash stand for what is seen
            '\\' if matches!(chars.next(), Some('"' | '\\' | '/')) => {}
            '\\' => return true,
            c if hides(c) => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_character_of_json_is_found_as_it_is_and_escaped() {
        for good in ["{\"a\":\"b\"}\n", r#"{"a":"\\ \" \/ Főtanúsítvány"}"#] {
            assert!(!hides_in_json(good.as_bytes()), "{good}");
        }
        for bad in [
            r#"{"a":"\n"}"#,
            r#"{"a":"\u001b["}"#,
            r#"{"a":"\\\u202e"}"#,
            "{\"a\":\"\u{9b}2J\"}",
            "{\"a\":\"\u{202e}\"}",
            "\\",
        ] {
            assert!(hides_in_json(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(shown("a\u{1b}[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\nc\\u{202e}d");
        assert_eq!(shown("Főtanúsítvány"), "Főtanúsítvány");
    }

    #[test]
    fn a_refusal_is_one_line_that_names_artifact_and_stage() {
        let refusal =
            Refusal::new(Class::Verification, "runc\n", Stage::Fetch, "size, expected 10, found 12");
        assert_eq!(refusal.to_string(), "runc\\n: fetch: size, expected 10, found 12");
        assert_eq!(refusal.class.exit_code(), 4);
    }
}
