//! The Packages files of a suite, by the digests of its Release.

use super::super::index::Layout;
use super::super::release::{Listed, Release, ReleaseError};
use super::{Archive, Limits, refuse};
use crate::archive::decompress::{self, DecompressError};
use crate::sources::{Suite, Where};
use std::io::Read as _;
use tree::digest::Sha256;
use tree::name::Arch;
use tree::refusal::{Class, Refusal, Result};

/// A Packages file.
pub(super) struct Index {
    /// Its component; empty in a flat archive.
    pub(super) component: String,
    /// Its path below the suite.
    pub(super) path: String,
    pub(super) text: String,
}

/// What an index of `suite` may have.
pub(super) fn layout(suite: &Suite) -> Layout {
    match (&suite.place, suite.is_third_party()) {
        (Where::Flat(_), _) => Layout::Flat,
        (Where::Dists(_), true) => Layout::Anywhere,
        (Where::Dists(_), false) => Layout::Pool,
    }
}

/// Reads indexes that a Release vouches for.
pub(super) struct Reader<'a> {
    pub(super) arch: Arch,
    pub(super) archive: &'a dyn Archive,
    pub(super) limits: &'a Limits,
}

/// How an index may be compressed, the smallest first, by the end of its name.
const FORMS: [&str; 4] = [".xz", ".zst", ".gz", ""];

impl Reader<'_> {
    /// All Packages files of `suite` for the architecture.
    pub(super) fn suite(&self, suite: &Suite, release: &Release) -> Result<Vec<Index>> {
        if suite.place_is_flat() {
            return Ok(vec![self.index(suite, release, "", "Packages")?]);
        }
        let mut all = Vec::new();
        for component in &suite.components {
            all.extend(self.component(suite, release, component)?);
        }
        Ok(all)
    }

    /// The Packages files of one component: that of the architecture, and that of all where it is apart.
    pub(super) fn component(&self, suite: &Suite, release: &Release, component: &str) -> Result<Vec<Index>> {
        let path = |arch: &str| format!("{component}/binary-{arch}/Packages");
        let own = path(self.arch.debian());
        let listed = &release.architectures;
        let says_nothing = listed.is_empty() && suite.is_third_party();
        if !says_nothing && !listed.iter().any(|known| known == self.arch.debian()) {
            let what = format!("it has no architecture {}", self.arch);
            return Err(refuse(Class::Verification, format!("{} {own}", suite.name), what));
        }
        let mut all = vec![self.index(suite, release, component, &own)?];
        let apart = path("all");
        if release.all_apart && FORMS.iter().any(|form| release.file(&format!("{apart}{form}")).is_ok()) {
            all.push(self.index(suite, release, component, &apart)?);
        }
        Ok(all)
    }

    /// The Packages file at `path` below `suite`, in the best form that is listed and there.
    fn index(&self, suite: &Suite, release: &Release, component: &str, path: &str) -> Result<Index> {
        let artifact = format!("{} {path}", suite.name);
        let wrong = |error: String| refuse(Class::Verification, artifact.clone(), error);
        // an archive may list only what it has
        let plain = release.file(path).ok();
        let size = plain.map_or(self.limits.index, |plain| plain.size);
        let mut first = None;
        for form in FORMS {
            let name = format!("{path}{form}");
            let Ok(packed) = release.file(&name) else { continue };
            let most = if form.is_empty() { self.limits.index } else { self.limits.packed };
            for (what, size, limit) in
                [("compressed", packed.size, most), ("decompressed", size, self.limits.index)]
            {
                if size > limit {
                    return Err(wrong(format!("{what} size, expected at most {limit}, found {size}")));
                }
            }
            let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            let by_hash = release.by_hash.then(|| format!("{folder}by-hash/SHA256/{}", packed.sha256.hex()));
            let paths: Vec<String> = by_hash.into_iter().chain([name]).collect();
            let bytes = match self.archive.index(suite, &paths, packed.sha256, packed.size) {
                Ok(bytes) => bytes,
                Err(refusal) if refusal.class == Class::Network => {
                    first = first.or(Some(refusal));
                    continue;
                }
                Err(refusal) => return Err(refusal),
            };
            matches(&bytes, packed).map_err(|error| wrong(format!("compressed {error}")))?;
            let text = unpack(&bytes, form, size, plain.is_some()).map_err(wrong)?;
            if let Some(plain) = plain {
                matches(&text, plain).map_err(wrong)?;
            }
            let text = String::from_utf8(text).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
            return Ok(Index { component: component.to_owned(), path: path.to_owned(), text });
        }
        Err(first.unwrap_or_else(|| self.unlisted(suite, release, path)))
    }

    /// The refusal of a suite that lists no such index, with the components that it has.
    fn unlisted(&self, suite: &Suite, release: &Release, path: &str) -> Refusal {
        let error = ReleaseError::Unlisted(format!("{path}.xz"));
        let refusal = refuse(Class::Verification, format!("{} {path}", suite.name), error);
        let components: Vec<&str> = release.components(self.arch.debian()).collect();
        if components.is_empty() {
            return refusal;
        }
        refusal.hint(format!("its components for {} are {}", self.arch, components.join(", ")))
    }
}

fn matches(bytes: &[u8], listed: Listed) -> Result<(), String> {
    if bytes.len() as u64 != listed.size {
        return Err(format!("size, expected {}, found {}", listed.size, bytes.len()));
    }
    let got = Sha256::of(bytes);
    if got != listed.sha256 {
        Err(format!("digest, expected {}, found {got}", listed.sha256))
    } else {
        Ok(())
    }
}

/// One stream, and nothing after it, of just `size` bytes, or of at most so many.
fn unpack(bytes: &[u8], form: &str, size: u64, is_exact: bool) -> Result<Vec<u8>, String> {
    let form = decompress::Form::of_extension(form).ok_or("an unknown compression format")?;
    let limits = decompress::Limits { output: size, ..decompress::Limits::up_to(size) };
    let mut text = Vec::with_capacity(usize::try_from(size.min(64 << 20)).unwrap_or_default());
    let read = decompress::reader(form, bytes, limits).and_then(|mut reader| reader.read_to_end(&mut text));
    let size_is = |more| format!("decompressed size, expected {size}, found {more}");
    match read {
        Err(error) => match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(DecompressError::Size { .. }) => Err(size_is("more")),
            _ => Err(error.to_string()),
        },
        Ok(_) if is_exact && text.len() as u64 != size => Err(size_is("less")),
        Ok(_) => Ok(text),
    }
}
