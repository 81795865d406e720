//! A component from an address: what it is called, what it is, and what of it goes where.
//!
//! ```text
//! URL ─name, version, form─► fetched once ─► digest and size ─► pin, in the manifest
//!                                   └─ its programs ─► files, in [components.NAME] of the recipe
//! ```

use crate::project::label;
use bake::manifest::{Form, Pin, agree};
use bake::unpack;
use std::path::Path;
use store::Store;
use tree::Node;
use tree::digest::Digest;
use tree::name::{Arch, Name};
use tree::refusal::{Class, Refusal, Stage};

/// Where programs are put that nobody says a place for.
pub(super) const PROGRAMS: &str = "/usr/local/bin/";

/// What is known of a component before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) name: Name,
    pub(super) version: String,
    pub(super) url: String,
    pub(super) form: Form,
}

/// What of a component a recipe installs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Installed {
    /// How many leading parts of its archive's paths do not count: the one folder that upstreams name after the version.
    pub(super) strip: u8,
    /// Each file: what, and where to.
    pub(super) files: Vec<(String, String)>,
}

impl Source {
    /// What an address says; `name` and `version` are what a person has said.
    pub(super) fn of(
        project: &Path,
        text: &str,
        name: Option<&Name>,
        version: Option<&str>,
    ) -> tree::refusal::Result<Self> {
        let url = address(project, text)?;
        let wrong = |what: &str, hint: &str| {
            Refusal::new(Class::Usage, text, Stage::Parse, what).hint(hint.to_owned())
        };
        let file = url.rsplit(['/', ':']).next().unwrap_or_default().replace("%2B", "+").replace("%7E", "~");
        let (stem, form) = form(&file);
        let found = if form == Form::Deb { of_deb(stem) } else { of_file(stem) };
        let told = || found.0.and_then(|found| found.parse().ok());
        let Some(name) = name.cloned().or_else(told) else {
            return Err(wrong("cannot tell the component's name from its file name", "pass `--name NAME`"));
        };
        let path =
            url.split_once("://").map_or(&url[..], |(_, rest)| rest.split_once('/').unwrap_or_default().1);
        let mut folders = path.rsplit('/').skip(1).map(|part| part.trim_start_matches('v'));
        let found = found.1.or_else(|| folders.find(|part| is_version(part)).map(str::to_owned));
        let Some(version) = version.map(str::to_owned).or(found) else {
            return Err(wrong("cannot tell the version from the URL", "pass `--version VERSION`"));
        };
        Ok(Self { name, version, url, form })
    }

    /// The pin of what was fetched. Refuses an address that is of another name, version or machine.
    pub(super) fn pin(&self, arch: Arch, digest: Digest, size: u64) -> tree::refusal::Result<Pin> {
        let pin = Pin {
            version: self.version.clone(),
            url: self.url.clone(),
            form: self.form,
            digest,
            size,
            providers: Vec::new(),
        };
        agree(&self.name, &pin, arch).map_err(|error| {
            let what = format!("`{}`: {error}", self.name);
            Refusal::new(Class::Usage, self.url.as_str(), Stage::Parse, what)
                .hint("pass `--name`, `--version` and `--arch`")
        })?;
        Ok(pin)
    }

    /// Which of its files a recipe installs, all to `to`: the program itself, or what is executable in an archive. Of a
    /// package none, as it is installed whole.
    pub(super) fn files(&self, store: &Store, digest: &Digest, to: &str) -> tree::refusal::Result<Installed> {
        match self.form {
            Form::Deb => Ok(Installed::default()),
            Form::Binary | Form::Qcow2 => {
                Ok(Installed { strip: 0, files: vec![(".".to_owned(), format!("{to}{}", self.name))] })
            }
            Form::TarGz => {
                let members = unpack::tar_gz(store, &self.name, digest)?;
                let is_program = |member: &&unpack::Member| {
                    matches!(member.node, Node::File(_)) && member.meta.mode & 0o111 != 0
                };
                let strip = u8::from(is_in_one_folder(&members));
                let stripped = |path: &str| match path.split_once('/') {
                    Some((_, rest)) if strip == 1 => rest.to_owned(),
                    _ => path.to_owned(),
                };
                let install = |member: &unpack::Member| {
                    (stripped(member.path.relative()), format!("{to}{}", member.path.file_name()))
                };
                let files: Vec<(String, String)> = members.iter().filter(is_program).map(install).collect();
                if files.is_empty() {
                    let what = "no file in the archive is executable";
                    return Err(Refusal::new(Class::Usage, self.url.as_str(), Stage::Unpack, what).hint(format!(
                        "`vmbake inspect FILE` lists it; [components.{}] of the recipe sets which files to install",
                        self.name
                    )));
                }
                Ok(Installed { strip, files })
            }
        }
    }
}

/// Whether all that an archive has is below one folder at its top.
fn is_in_one_folder(members: &[unpack::Member]) -> bool {
    let mut tops = members.iter().map(|member| member.path.relative()).filter(|path| !path.is_empty());
    let top = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let Some(first) = tops.next().map(top) else { return false };
    let is_folder =
        |member: &unpack::Member| member.path.relative() != first || matches!(member.node, Node::Directory);
    members.iter().all(is_folder) && tops.all(|path| top(path) == first)
}

/// The address of a component: as it is, or of a file of the project, which is named below its folder.
fn address(project: &Path, text: &str) -> tree::refusal::Result<String> {
    if text.split_once(':').is_some_and(|(scheme, _)| ["https", "http", "file"].contains(&scheme)) {
        return Ok(text.to_owned());
    }
    let refuse = |what: String| Refusal::new(Class::Usage, text, Stage::Parse, what);
    let found = std::fs::canonicalize(text).map_err(|error| {
        refuse(format!("neither a URL nor a file: {error}"))
            .hint("a URL starts with `https://`, `http://` or `file:`")
    })?;
    let root = std::fs::canonicalize(project).map_err(|error| refuse(error.to_string()))?;
    let below = found.strip_prefix(&root).ok().and_then(Path::to_str).ok_or_else(|| {
        refuse(format!("it is outside the project's folder, `{}`", label(project)))
            .hint("copy it there, so that it is part of the project, or pass it as `file:///PATH`")
    })?;
    Ok(format!("file:{below}"))
}

/// The name without the ending that tells what a file is, and what it is.
fn form(file: &str) -> (&str, Form) {
    let endings = [(".tar.gz", Form::TarGz), (".tgz", Form::TarGz), (".deb", Form::Deb)];
    let known = endings.iter().find_map(|(ending, form)| Some((file.strip_suffix(ending)?, *form)));
    known.unwrap_or((file, Form::Binary))
}

/// Name and version of `NAME_VERSION_ARCH`.
fn of_deb(stem: &str) -> (Option<&str>, Option<String>) {
    let mut parts = stem.split('_');
    (parts.next().filter(|name| !name.is_empty()), parts.next().map(str::to_owned))
}

/// Name and version of `name-1.2.3-linux-amd64`, `name_v1.2_amd64`, `name.amd64`, `name-amd64`.
fn of_file(stem: &str) -> (Option<&str>, Option<String>) {
    /// Words for machines and systems: no part of a name.
    const OTHERS: [&str; 9] =
        ["amd64", "x86_64", "x86", "arm64", "aarch64", "linux", "Linux", "musl", "static"];
    let parts: Vec<&str> = stem.split(['-', '_']).collect();
    let version = parts.iter().map(|part| part.trim_start_matches('v')).find(|part| is_version(part));
    let mut end = 0;
    for part in &parts {
        let word = part.split('.').next().unwrap_or_default();
        if is_version(part.trim_start_matches('v')) || OTHERS.contains(&word) {
            break;
        }
        end += part.len() + usize::from(end > 0);
    }
    let name = stem.get(..end).unwrap_or_default();
    // `runc.amd64`
    let name = OTHERS.iter().find_map(|other| name.strip_suffix(&format!(".{other}")[..])).unwrap_or(name);
    (Some(name).filter(|name| !name.is_empty()), version.map(str::to_owned))
}

/// Whether a part of a name is a version: numbers with dots between, and what may follow.
fn is_version(part: &str) -> bool {
    let digits = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    part.split_once('.').is_some_and(|(major, rest)| {
        !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()) && digits(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_name_version_and_form() {
        let of = |url: &str| Source::of(Path::new("/"), url, None, None);
        for (url, name, version, form) in [
            ("https://e.org/r/v1.4.2/runc.amd64", "runc", "1.4.2", Form::Binary),
            ("https://e.org/tool-1.2.3-linux-amd64.tar.gz", "tool", "1.2.3", Form::TarGz),
            ("https://e.org/d/v0.9/my-tool_v0.9.1_amd64.tgz", "my-tool", "0.9.1", Form::TarGz),
            ("https://e.org/v1.34.1/bin/linux/amd64/kubectl", "kubectl", "1.34.1", Form::Binary),
            ("https://e.org/pool/a/agent_2.0-1%2Bb1_amd64.deb", "agent", "2.0-1+b1", Form::Deb),
            ("file:parts/tool-1.0-amd64.tar.gz", "tool", "1.0", Form::TarGz),
            ("http://e.org/zot-linux-amd64-2.1.0", "zot", "2.1.0", Form::Binary),
        ] {
            let found = of(url).unwrap();
            assert_eq!((found.name.as_str(), &found.version[..], found.form), (name, version, form), "{url}");
        }
        for (url, hint) in [
            ("https://e.org/latest/tool", "`--version VERSION`"),
            ("http://10.1.2.3:8080/latest/tool", "`--version VERSION`"),
            ("https://e.org/v1.0/1.0.tar.gz", "`--name NAME`"),
        ] {
            let refusal = of(url).unwrap_err();
            assert!(refusal.hint.as_ref().is_some_and(|said| said.contains(hint)), "{url}: {refusal:?}");
        }
        let (name, version) = ("other".parse().unwrap(), "3");
        let said =
            Source::of(Path::new("/"), "https://e.org/latest/tool", Some(&name), Some(version)).unwrap();
        assert_eq!((said.name.as_str(), &said.version[..]), ("other", "3"));
    }

    #[test]
    fn a_file_is_named_below_the_project() {
        let folder = tempfile::tempdir().unwrap();
        let (project, outside) = (folder.path().join("project"), folder.path().join("tool-1.0-amd64"));
        std::fs::create_dir_all(project.join("parts")).unwrap();
        std::fs::write(&outside, "x").unwrap();
        let inside = project.join("parts/tool-1.0-amd64");
        std::fs::write(&inside, "x").unwrap();
        let found = Source::of(&project, inside.to_str().unwrap(), None, None).unwrap();
        assert_eq!(found.url, "file:parts/tool-1.0-amd64");
        let refusal = Source::of(&project, outside.to_str().unwrap(), None, None).unwrap_err();
        assert!(refusal.to_string().contains("outside the project's folder"), "{refusal}");
        assert!(Source::of(&project, "tool-2.0", None, None).is_err());
    }
}
