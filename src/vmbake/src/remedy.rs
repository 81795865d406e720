//! The words for ways out that the library leaves to its user: they name commands and options.

use bake::{Refusal, Remedy};
use std::borrow::Cow;

/// The way out of a refusal, in words.
#[must_use]
pub fn hint(refusal: &Refusal) -> Option<Cow<'_, str>> {
    match (&refusal.hint, &refusal.remedy) {
        (Some(hint), _) => Some(Cow::Borrowed(&**hint)),
        (None, Some(remedy)) => Some(words(remedy)),
        (None, None) => None,
    }
}

fn words(remedy: &Remedy) -> Cow<'static, str> {
    Cow::Borrowed(match remedy {
        Remedy::Room => "free some space, or choose another place with --store, --output or TMPDIR",
        Remedy::RoomForOutput { needs, had } => {
            return format!(
                "the file needs {needs} bytes, of which {had} had room: free some space, or choose another place with --output"
            )
            .into();
        }
        Remedy::WritableOutput => "choose a directory that can be written to with --output",
        Remedy::ClearOutput => "move it away, or choose another place with --output",
        Remedy::FreeOutput => "let the other bake end, or choose another place with --output",
        Remedy::Publish => {
            "publish the image at an https address with a name, and say it with --published-at"
        }
        Remedy::Bootable => {
            "a disk needs a kernel, an initrd and systemd-boot in its tree: extend a kind that has them, or bake `--format tar.zst`"
        }
        Remedy::LockAgain(kind, arch) => {
            return format!("`vmbake lock --kind {kind} --arch {arch}` takes what the archive has now")
                .into();
        }
        Remedy::LockComponents(kind, arch) => {
            return format!("`vmbake lock --kind {kind} --arch {arch}` resolves what components need").into();
        }
        Remedy::LockFile(path) => {
            return format!(
                "the lock names these bytes of `{path}`: `vmbake lock` takes those that are there now"
            )
            .into();
        }
        Remedy::Members { close, input } => {
            let close = close.as_ref().map_or_else(String::new, |path| format!("it has `{path}`; "));
            return format!("{close}`vmbake inspect {input}` lists its members").into();
        }
        Remedy::Paths => "`vmbake inspect` without a path lists what it has",
        Remedy::Fetch => "`vmbake fetch` brings what a kind is made of; let no clean-up run beside a bake",
        Remedy::Forget(digest) => {
            return format!(
                "pin the digest that is published for this version; if it is the same, `vmbake store forget {digest}` has it \
                 fetched from there"
            )
            .into();
        }
        Remedy::ReachArchive => {
            "name a place of Debian's archive that can be reached with --debian-mirror and --debian-security-mirror, or do \
             without --offline"
        }
        Remedy::Online => {
            "run once without --offline, or name a directory that has it: --mirror, --debian-mirror, --debian-security-mirror"
        }
        Remedy::NameArchive => {
            "name a place of Debian's archive with --debian-mirror; those of others are in manifests/sources.toml"
        }
        Remedy::WritableStore => "choose a directory for the store that can be written to, with --store",
        Remedy::FillStore => {
            "bake once with a store that can be written to, or choose another one with --store"
        }
        Remedy::OtherStore => {
            "choose another directory for the store with --store, or remove this one: all in it can be fetched again"
        }
        Remedy::EmptyStore => {
            "choose an empty directory for the store with --store, or one that is not there yet"
        }
        Remedy::PlaceOfStore => "choose another place for the store with --store",
        Remedy::OwnStore => {
            "choose another place for the store with --store, or say that it is shared with --shared-store"
        }
        Remedy::PrivateStore(path) => {
            return format!(
                "`chmod 0700 {}`, or say that the store is shared with --shared-store",
                path.display()
            )
            .into();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bake::digest::Sha256;
    use bake::name::Arch;
    use bake::{Class, Stage};

    #[test]
    fn a_way_out_has_the_words_of_the_command_line() {
        let refusal = || Refusal::new(Class::Usage, "a", Stage::Plan, "wrong");
        let digest = Sha256([0; 32]);
        let close = Some("x/tool".to_owned());
        for (remedy, expected) in [
            (
                Remedy::RoomForOutput { needs: 9, had: 5 },
                "the file needs 9 bytes, of which 5 had room: free".to_owned(),
            ),
            (
                Remedy::LockAgain("knc".parse().unwrap(), Arch::Amd64),
                "`vmbake lock --kind knc --arch amd64` takes what the archive has now".to_owned(),
            ),
            (
                Remedy::LockFile("a.deb".to_owned()),
                "the lock names these bytes of `a.deb`: `vmbake lock`".to_owned(),
            ),
            (
                Remedy::Members { close, input: digest.into() },
                format!("it has `x/tool`; `vmbake inspect {digest}` lists its members"),
            ),
            (
                Remedy::PrivateStore("/s".into()),
                "`chmod 0700 /s`, or say that the store is shared".to_owned(),
            ),
        ] {
            let refusal = refusal().remedy(remedy);
            assert!(hint(&refusal).unwrap().starts_with(&expected), "{refusal:?}");
        }
        assert_eq!(hint(&refusal().remedy(Remedy::Room).hint("other")).unwrap(), "other");
        assert_eq!(hint(&refusal()), None);
    }
}
