//! Why a path is in an image: who put it there, from which exact input, and who asked for that.

use super::Artifact;
use crate::emit::{Files, Line};
use crate::lock::LockedPackage;
use std::collections::{BTreeMap, VecDeque};
use tree::Origin;
use tree::digest::Digest;
use tree::name::{ImagePath, Name};
use tree::refusal::{Class, Refusal, Result, Stage};

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Why {
    /// The path as it is in the artifact.
    pub line: Line,
    /// Who put it there; several for a directory.
    pub owners: Vec<Owner>,
}

/// One owner of a path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Owner {
    /// Who it is.
    pub origin: Origin,
    /// The version of the package or component.
    pub version: Option<String>,
    /// The digest of the input that it came in.
    pub digest: Option<Digest>,
    /// Where that input is from: the URL of a component, the suite and path of a package.
    pub source: Option<String>,
    /// Who asked for it, from itself up to `recipe`, `essential` or `required`: the shortest way there is.
    pub asked: Vec<String>,
}

impl Artifact {
    /// Who put `path` there, and why.
    ///
    /// # Errors
    /// `Usage` where there is no such path, or no record next to the artifact.
    pub fn why(&self, path: &ImagePath) -> Result<Why> {
        let line = self.find(path)?.clone();
        let record = self.record.as_ref().ok_or_else(|| {
            Refusal::new(
                Class::Usage,
                super::shown(&self.path),
                Stage::Inspect,
                "there is no `files.json` next to it",
            )
            .hint("owners are in the `files.json` of the same bake: put it next to the artifact")
        })?;
        let owners = line.origins.iter().map(|origin| owner(record, origin)).collect();
        Ok(Why { line, owners })
    }
}

fn owner(record: &Files, origin: &Origin) -> Owner {
    let mut owner =
        Owner { origin: origin.clone(), version: None, digest: None, source: None, asked: Vec::new() };
    match origin {
        Origin::Package { name } => {
            let packages: BTreeMap<&Name, &LockedPackage> =
                record.packages.iter().map(|package| (&package.name, package)).collect();
            if let Some(package) = packages.get(name) {
                owner.version = Some(package.version.clone());
                owner.digest = Some(Digest::Sha256(package.sha256));
                owner.source = Some(source(record, package));
                owner.asked = chain(&packages, name);
            }
        }
        Origin::Component { name } => {
            if let Some(component) = record.components.iter().find(|component| component.name == *name) {
                owner.version = Some(component.version.clone());
                owner.digest = Some(component.digest.clone());
                owner.source = Some(component.url.clone());
                owner.asked = vec![name.to_string(), format!("recipe {}", component.kind)];
            }
        }
        Origin::Image { name } => {
            if let Some(image) = record.images.iter().find(|image| image.image.to_string() == *name) {
                owner.version = Some(image.image.tag().to_owned());
                owner.digest = Some(Digest::Sha256(image.digest));
                owner.source = Some(image.source());
                let by = image.kind.as_ref().map_or("manifest".to_owned(), |kind| format!("recipe {kind}"));
                owner.asked = vec![name.clone(), by];
            }
        }
        Origin::Recipe { kind, .. } => owner.asked = vec![format!("recipe {kind}")],
        Origin::Script { .. } => {
            return Owner { origin: owner.origin, ..self::owner(record, &origin.bringer()) };
        }
        Origin::Made { step } => owner.asked = vec![format!("vmbake ({step})")],
    }
    owner
}

/// Where a package is from, and, where that is not Debian's archive, who vouches for it.
fn source(record: &Files, package: &LockedPackage) -> String {
    let place = format!("{} {}", package.suite, package.file);
    let suite = record.head.suites.iter().find(|suite| suite.name == package.suite);
    match suite.and_then(|suite| Some((suite, suite.mirror.as_ref()?))) {
        Some((suite, mirror)) => format!("{place} of {mirror}, signed by {}", suite.signed_by.join(", ")),
        None => place,
    }
}

/// The shortest way from a package to what is not a package: the request itself. Packages that only ask for each
/// other, which no lock has, give the package alone.
fn chain(packages: &BTreeMap<&Name, &LockedPackage>, name: &Name) -> Vec<String> {
    let mut asked_by: BTreeMap<String, String> = BTreeMap::new();
    let mut queue = VecDeque::from([name.to_string()]);
    while let Some(at) = queue.pop_front() {
        let package = at.parse::<Name>().ok().and_then(|name| packages.get(&name).copied());
        let Some(package) = package else {
            let mut way = vec![at];
            while let Some(before) = way.last().and_then(|last| asked_by.get(last)) {
                way.push(before.clone());
            }
            way.reverse();
            return way;
        };
        for asker in &package.because {
            if asker != name.as_str() && !asked_by.contains_key(asker) {
                asked_by.insert(asker.clone(), at.clone());
                queue.push_back(asker.clone());
            }
        }
    }
    vec![name.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tree::digest::Sha256;

    fn package(name: &str, because: &[&str]) -> LockedPackage {
        LockedPackage {
            name: name.parse().unwrap(),
            version: "1".into(),
            arch: "amd64".into(),
            suite: "trixie".into(),
            file: format!("pool/main/{name}.deb"),
            size: 1,
            sha256: Sha256::of(name.as_bytes()),
            because: because.iter().map(ToString::to_string).collect(),
            scripts: BTreeMap::new(),
            triggers: Vec::new(),
            diverts: Vec::new(),
        }
    }

    #[test]
    fn the_way_is_the_shortest_one_up_to_the_request() {
        let all = [
            package("libc6", &["bash", "libgcc-s1"]),
            package("libgcc-s1", &["libc6"]),
            package("bash", &["curl", "essential"]),
            package("curl", &["recipe"]),
            package("a", &["b"]),
            package("b", &["a"]),
        ];
        let packages = all.iter().map(|package| (&package.name, package)).collect();
        for (name, expected) in [
            ("libc6", &["libc6", "bash", "essential"][..]),
            ("libgcc-s1", &["libgcc-s1", "libc6", "bash", "essential"]),
            ("curl", &["curl", "recipe"]),
            ("a", &["a"]),
        ] {
            assert_eq!(chain(&packages, &name.parse().unwrap()), expected, "{name}");
        }
    }
}
