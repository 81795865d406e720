//! The shape of one `recipe.toml`.

use super::Access;
use crate::effects::Effects;
use containers::reference::Reference;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use tree::digest::Sha256;
use tree::name::{ImagePath, Kind, Name, Provider, Role};
use tree::privilege::Grant;
use tree::refusal::{Class, Refusal, Result, Stage, hides};

/// A recipe larger than this is refused unread.
const MOST_BYTES: usize = 1 << 20;

/// One `recipe.toml`; every table but `[recipe]` may be absent. Unknown and repeated keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    pub(super) recipe: Head,
    #[serde(default)]
    pub(super) packages: Packages,
    #[serde(default)]
    pub(super) components: BTreeMap<Name, Component>,
    #[serde(default)]
    pub(super) images: BTreeMap<Reference, Image>,
    #[serde(default)]
    pub(super) ids: BTreeMap<Account, u32>,
    #[serde(default)]
    pub(super) groups: BTreeMap<Account, Group>,
    #[serde(default)]
    pub(super) users: BTreeMap<Account, User>,
    #[serde(default)]
    pub(super) directories: BTreeMap<ImagePath, ModeAndOwner>,
    #[serde(default)]
    pub(super) links: BTreeMap<ImagePath, String>,
    #[serde(default)]
    pub(super) access: BTreeMap<ImagePath, ModeAndOwner>,
    #[serde(default)]
    pub(super) units: Units,
    #[serde(default)]
    pub(super) files: Files,
    #[serde(default)]
    pub(super) winners: BTreeMap<ImagePath, String>,
    #[serde(default)]
    pub(super) effects: Effects,
    #[serde(default)]
    pub(super) accept: BTreeMap<Name, Reason>,
    #[serde(default)]
    pub(super) debconf: BTreeMap<Question, Answer>,
    pub(super) configure: Option<Configure>,
    pub(super) initrd: Option<Initrd>,
    #[serde(default)]
    pub(super) disk: super::disk::Raw,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) extends: Option<Kind>,
    pub(super) role: Option<Role>,
    #[serde(default, rename = "first-boot")]
    pub(super) first_boot: Option<super::FirstBoot>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Packages {
    pub(super) install: Vec<Name>,
    pub(super) install_amd64: Vec<Name>,
    pub(super) install_arm64: Vec<Name>,
    pub(super) recommends_of: Vec<Name>,
    pub(super) avoid: Vec<Name>,
    pub(super) without: Vec<Name>,
    pub(super) scripts: Option<Scripts>,
    pub(super) sources: Vec<String>,
    pub(super) files: Vec<LocalFile>,
    pub(super) files_amd64: Vec<LocalFile>,
    pub(super) files_arm64: Vec<LocalFile>,
    /// All other keys: packages with where they are taken from.
    pub(super) taken: BTreeMap<Name, PackageSource>,
}

/// Which maintainer scripts a kind takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Scripts {
    /// All: those that nobody has reviewed are interpreted.
    Derived,
    /// Only those that a person has reviewed.
    Reviewed,
}

/// Where a package is taken from, and what it may grant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackageSource {
    pub(super) from: String,
    #[serde(default)]
    pub(super) privileges: Vec<Allowed>,
}

/// The path of a .deb below the project's folder.
#[derive(Debug, Clone)]
pub(super) struct LocalFile(pub(super) String);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Component {
    #[serde(default)]
    pub(super) r#static: bool,
    #[serde(default)]
    pub(super) optional: bool,
    #[serde(default, rename = "strip-components")]
    pub(super) strip: u8,
    #[serde(default)]
    pub(super) units: Vec<Unit>,
    #[serde(default)]
    pub(super) providers: Vec<Provider>,
    #[serde(default)]
    pub(super) files: Vec<Install>,
    #[serde(default)]
    pub(super) privileges: Vec<Allowed>,
}

/// A container image: one digest for all machines, or one for each.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Image {
    pub(super) digest: Option<Sha256>,
    pub(super) digest_amd64: Option<Sha256>,
    pub(super) digest_arm64: Option<Sha256>,
    pub(super) from: Option<ImageFile>,
}

/// The path of an archive or a directory below the project's folder.
#[derive(Debug, Clone)]
pub(super) struct ImageFile(pub(super) String);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Install {
    pub(super) from: String,
    pub(super) to: String,
    #[serde(default)]
    pub(super) except: Vec<String>,
    pub(super) mode: Mode,
    #[serde(default)]
    pub(super) owner: Account,
    #[serde(default)]
    pub(super) group: Account,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) gid: u32,
    #[serde(default)]
    pub(super) members: Vec<Account>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub(super) uid: u32,
    #[serde(default)]
    pub(super) gecos: String,
    pub(super) home: Option<ImagePath>,
    pub(super) shell: Option<ImagePath>,
    #[serde(default)]
    pub(super) groups: Vec<Account>,
    #[serde(default)]
    pub(super) ssh_authorized_keys: Vec<PublicKey>,
    #[serde(default)]
    pub(super) sudo: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Units {
    pub(super) enable: Vec<Unit>,
    pub(super) disable: Vec<Unit>,
    pub(super) mask: Vec<Unit>,
    pub(super) without: Vec<Unit>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Files {
    pub(super) exclude: Vec<Glob>,
    pub(super) keep: Vec<Glob>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Configure {
    pub(super) path: ImagePath,
    pub(super) access: ModeAndOwner,
    #[serde(default)]
    pub(super) links: Vec<ImagePath>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Initrd {
    pub(super) modules: Vec<Module>,
    pub(super) load: Vec<Module>,
}

/// `0755`: four octal digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode(pub(super) u16);

/// `0710 root:podplane`.
#[derive(Debug, Clone)]
pub(super) struct ModeAndOwner(pub(super) Access);

/// The name of a user or group; `root` by default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account(pub(super) String);

/// The file name of a unit.
#[derive(Debug, Clone)]
pub(super) struct Unit(pub(super) String);

/// A privilege that a package may bring.
#[derive(Debug, Clone)]
pub(super) struct Allowed(pub(super) Grant);

/// A line of `authorized_keys`.
#[derive(Debug, Clone)]
pub(super) struct PublicKey(pub(super) String);

/// Why something is as it is, for a reader.
#[derive(Debug, Clone)]
pub(super) struct Reason(pub(super) String);

/// The name of a question of debconf, such as `postfix/main_mailer_type`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question(pub(super) String);

/// The answer to a question of debconf: one line.
#[derive(Debug, Clone)]
pub(super) struct Answer(pub(super) String);

/// The name of a kernel module.
#[derive(Debug, Clone)]
pub(super) struct Module(pub(super) String);

/// A glob pattern of absolute paths.
#[derive(Debug, Clone)]
pub(super) struct Glob(pub(super) String);

/// Reads one `recipe.toml`; `artifact` names it in messages. Errors are `Class::Usage` with line and column.
pub fn parse(artifact: &str, text: &str) -> Result<Raw> {
    if text.len() > MOST_BYTES {
        let what = format!("expected at most {MOST_BYTES} bytes, found {}", text.len());
        return Err(Refusal::new(Class::Usage, artifact, Stage::Parse, what));
    }
    toml::from_str(text).map_err(|error| Refusal::toml(artifact, text, &error))
}

impl Default for Account {
    fn default() -> Self {
        Self("root".to_owned())
    }
}

fn mode(text: &str) -> Result<u16, String> {
    let octal = text.len() == 4 && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    octal
        .then(|| u16::from_str_radix(text, 8).ok())
        .flatten()
        .ok_or_else(|| format!("expected a mode of four octal digits such as `0755`, found `{text}`"))
}

fn account(text: &str) -> Result<String, String> {
    let fits = (1..=31).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
    if fits { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a valid user or group name")) }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mode(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        account(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// `0710 root:podplane` as mode and owners.
pub(crate) fn access<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Access, D::Error> {
    ModeAndOwner::deserialize(deserializer).map(|access| access.0)
}

impl<'de> Deserialize<'de> for ModeAndOwner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong =
            || D::Error::custom(format!("expected access such as `0755 owner:group`, found `{text}`"));
        let (bits, owners) = text.split_once(' ').ok_or_else(wrong)?;
        let (owner, group) = owners.split_once(':').ok_or_else(wrong)?;
        Ok(Self(Access {
            mode: mode(bits).map_err(D::Error::custom)?,
            owner: account(owner).map_err(D::Error::custom)?,
            group: account(group).map_err(D::Error::custom)?,
        }))
    }
}

impl<'de> Deserialize<'de> for Packages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PackagesVisitor)
    }
}

struct PackagesVisitor;

impl<'de> Visitor<'de> for PackagesVisitor {
    type Value = Packages;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a table of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Packages, A::Error> {
        let mut packages = Packages::default();
        while let Some(key) = map.next_key::<Name>()? {
            // a repeated key is refused by the reader of TOML
            match key.as_str() {
                "install" => packages.install = map.next_value()?,
                "install-amd64" => packages.install_amd64 = map.next_value()?,
                "install-arm64" => packages.install_arm64 = map.next_value()?,
                "recommends-of" => packages.recommends_of = map.next_value()?,
                "avoid" => packages.avoid = map.next_value()?,
                "without" => packages.without = map.next_value()?,
                "scripts" => packages.scripts = Some(map.next_value()?),
                "sources" => packages.sources = map.next_value()?,
                "files" => packages.files = map.next_value()?,
                "files-amd64" => packages.files_amd64 = map.next_value()?,
                "files-arm64" => packages.files_arm64 = map.next_value()?,
                _ => {
                    let OnlyTable(taken) = map.next_value()?;
                    packages.taken.insert(key, taken);
                }
            }
        }
        Ok(packages)
    }
}

/// Where a package is from, as a table: a list is that of a misspelt key.
struct OnlyTable(PackageSource);

impl<'de> Deserialize<'de> for OnlyTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TableVisitor)
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = OnlyTable;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a known list, or where a package is from: { from = \"archive\" }")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OnlyTable, A::Error> {
        PackageSource::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(OnlyTable)
    }
}

impl<'de> Deserialize<'de> for LocalFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if crate::debian::index::is_deb_path(&text) {
            Ok(Self(text))
        } else {
            let what = "expected the path of a .deb below the project's folder, such as `debs/agent.deb`";
            Err(D::Error::custom(format!("{what}, found `{}`", tree::refusal::shown(&text))))
        }
    }
}

impl<'de> Deserialize<'de> for ImageFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(hides);
        if text.split('/').all(is_part) && text.len() <= 255 {
            return Ok(Self(text));
        }
        let what = "expected the path of a .tar or of a directory below the project's folder, such as `images/agent.tar`";
        Err(D::Error::custom(format!("{what}, found `{}`", tree::refusal::shown(&text))))
    }
}

impl<'de> Deserialize<'de> for Allowed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const TYPES: [&str; 7] = ["service", "socket", "path", "timer", "target", "mount", "slice"];
        let text = String::deserialize(deserializer)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b":-_.@\\".contains(&b);
        match text.rsplit_once('.') {
            Some((stem, kind)) if !stem.is_empty() && text.bytes().all(plain) && TYPES.contains(&kind) => {
                Ok(Self(text))
            }
            _ => Err(D::Error::custom(format!("`{text}` is not a valid unit file name"))),
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const TYPES: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-"];
        let text = String::deserialize(deserializer)?;
        let words: Vec<&str> = text.split(' ').collect();
        // options may stand before the type; the key itself is base64 after it
        let is_key = words.windows(2).any(|pair| match pair {
            [kind, key] => {
                let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
                TYPES.iter().any(|known| kind.starts_with(known))
                    && key.starts_with("AAAA")
                    && key.len() >= 68
                    && key.bytes().all(base64)
            }
            _ => false,
        });
        if is_key && !text.contains(hides) {
            Ok(Self(text))
        } else {
            // what was given may be secret
            Err(D::Error::custom(
                "ssh_authorized_keys: expected public keys, such as `ssh-ed25519 AAAA… name`",
            ))
        }
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() || text.contains(hides) {
            return Err(D::Error::custom("expected a reason in one line of text"));
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for Question {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = |b: u8| b.is_ascii_graphic();
        if text.contains('/') && text.len() <= 200 && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format!(
                "expected the name of a question such as `tzdata/Areas`, found `{text}`"
            )))
        }
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains(hides) {
            return Err(D::Error::custom("expected an answer in one line of text"));
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for Module {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        if (1..=55).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format!("`{text}` is not a valid kernel module name, such as `dm_verity`")))
        }
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.starts_with('/') {
            return Err(D::Error::custom(format!("pattern `{text}` must start with `/`")));
        }
        globset::Glob::new(&text).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}
