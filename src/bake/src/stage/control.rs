//! A package as its `control` file describes it: what staging has to know of it.

use crate::deb822;
use crate::debian::relation::{self, Relation};
use crate::debian::version::Version;
use crate::unpack::Package;
use tree::Origin;

/// A package that goes into the image, from the lock or as a component.
pub(super) struct Deb<'a> {
    /// Who brings it.
    pub(super) origin: Origin,
    /// Its members and control files.
    pub(super) package: &'a Package,
    /// Its name.
    pub(super) name: &'a str,
    /// Its version.
    pub(super) version: &'a str,
    /// Its architecture, or `all`.
    pub(super) arch: &'a str,
    /// Whether more than one architecture of it may be installed, so that dpkg qualifies its name.
    pub(super) same: bool,
    /// All fields of its control file, in their order.
    pub(super) fields: Vec<(&'a str, &'a str)>,
    /// The packages whose files it may take over.
    pub(super) replaces: Vec<Vec<Relation<'a>>>,
}

/// A control file that is not as it must be.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    /// A file that each package has is absent.
    #[error("the package has no `{0}`")]
    Absent(&'static str),
    /// A field that each package has is absent.
    #[error("its control file has no `{0}`")]
    Field(&'static str),
    /// It is not text.
    #[error("its `{0}` is not UTF-8")]
    Text(String),
    /// It is not deb822.
    #[error("its control file, {0}")]
    Form(#[from] deb822::Deb822Error),
    /// A relation field that cannot be read.
    #[error("its field `{0}`: {1}")]
    Relation(String, String),
}

impl<'a> Deb<'a> {
    /// Reads the control file of `package`.
    pub(super) fn read(origin: Origin, package: &'a Package) -> Result<Self, ControlError> {
        let text = file(package, "control")?.ok_or(ControlError::Absent("control"))?;
        let paragraph = deb822::paragraph(text)?;
        let field = |name| paragraph.get(name).ok_or(ControlError::Field(name));
        let replaces = paragraph.get("Replaces").map(|value| relations("Replaces", value)).transpose()?;
        Ok(Self {
            origin,
            package,
            name: field("Package")?,
            version: field("Version")?,
            arch: field("Architecture")?,
            same: paragraph.get("Multi-Arch") == Some("same"),
            replaces: replaces.unwrap_or_default(),
            fields: paragraph.fields().collect(),
        })
    }

    /// The value of a field, case ignored.
    pub(super) fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The text of one of its control files.
    pub(super) fn control(&self, name: &str) -> Result<Option<&'a str>, ControlError> {
        file(self.package, name)
    }

    /// The name as dpkg writes it where two architectures could be meant: `libc6:amd64`, but `bash`.
    pub(super) fn qualified(&self) -> String {
        if self.same { format!("{}:{}", self.name, self.arch) } else { self.name.to_owned() }
    }

    /// Whether it may take over the files of `other`: deb-control(5), `Replaces`. It must name the package itself, not
    /// what that provides.
    pub(super) fn may_replace(&self, other: &Self) -> bool {
        let mut relations = self.replaces.iter().flatten();
        relations.any(|relation| relation.name == other.name && admits(relation, other.version))
    }
}

/// Reads a relation field.
pub(super) fn relations<'a>(name: &str, value: &'a str) -> Result<Vec<Vec<Relation<'a>>>, ControlError> {
    relation::groups(value).map_err(|error| ControlError::Relation(name.to_owned(), error.to_string()))
}

/// Whether `version` is among those that `relation` means.
pub(super) fn admits(relation: &Relation<'_>, version: &str) -> bool {
    relation.version.is_none_or(|(operator, wanted)| {
        Version::parse(version).is_ok_and(|version| operator.allows(version, wanted))
    })
}

fn file<'a>(package: &'a Package, name: &str) -> Result<Option<&'a str>, ControlError> {
    let Some(found) = package.control.iter().find(|file| file.name == name) else { return Ok(None) };
    std::str::from_utf8(&found.bytes).map(Some).map_err(|_| ControlError::Text(name.to_owned()))
}
