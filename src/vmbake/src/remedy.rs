//! The words for ways out that the library leaves to its user: they name commands and options.

use std::borrow::Cow;
use tree::refusal::{Refusal, Remedy};

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
        Remedy::Room => "free some space, or choose another directory with `--store`, `--output` or `TMPDIR`",
        Remedy::RoomForOutput { needs, had } => {
            return format!(
                "the file needs {needs} bytes, of which {had} were written: free some space, or choose another directory with \
                 `--output`"
            )
            .into();
        }
        Remedy::WritableOutput => "choose a writable directory with `--output`",
        Remedy::ClearOutput => "move it away, or choose another directory with `--output`",
        Remedy::FreeOutput => "wait for the other bake, or choose another directory with `--output`",
        Remedy::Publish => {
            "publish the image at an https address with a name, and pass it with `--published-at`"
        }
        Remedy::Bootable => {
            "extend a kind that has a kernel, an initrd and systemd-boot, which a disk requires, or bake `--format tar.zst`"
        }
        Remedy::LockAgain(kind, arch) => {
            return format!("run `vmbake lock --kind {kind} --arch {arch}` to lock what the archive has now")
                .into();
        }
        Remedy::LockComponents(kind, arch) => {
            return format!(
                "run `vmbake lock --kind {kind} --arch {arch}` to resolve what components depend on"
            )
            .into();
        }
        Remedy::LockFile(path) => {
            return format!("run `vmbake lock` to lock `{path}` as it is now").into();
        }
        Remedy::Members { close, input } => {
            let close = close.as_ref().map_or_else(String::new, |path| format!("it has `{path}`; "));
            return format!("{close}run `vmbake inspect {input}` to list its members").into();
        }
        Remedy::Paths => "run `vmbake inspect` without a path to list its contents",
        Remedy::Fetch => {
            "run `vmbake fetch` to fetch the inputs of a kind; do not clean the store during a bake"
        }
        Remedy::Forget(digest) => {
            return format!(
                "pin the digest that is published for this version; if it is the same, run `vmbake store forget {digest}` to \
                 fetch it from there"
            )
            .into();
        }
        Remedy::ReachArchive => {
            "pass a reachable mirror of Debian's archive with `--debian-mirror` and `--debian-security-mirror`, or omit \
             `--offline`"
        }
        Remedy::Online => {
            "run once without `--offline`, or pass a directory that has it: `--mirror`, `--debian-mirror`, \
             `--debian-security-mirror`"
        }
        Remedy::NameArchive => {
            "pass `--debian-mirror URL`; mirrors of other archives are set in manifests/sources.toml"
        }
        Remedy::WritableStore => "choose a writable directory for the store with `--store`",
        Remedy::FillStore => "bake once with a writable store, or choose another one with `--store`",
        Remedy::OtherStore => {
            "choose another directory for the store with `--store`, or remove this one: everything in it can be fetched again"
        }
        Remedy::EmptyStore => "choose an empty or a new directory for the store with `--store`",
        Remedy::PlaceOfStore => "choose another directory for the store with `--store`",
        Remedy::OwnStore => {
            "choose another directory for the store with `--store`, or pass `--shared-store` if it is shared"
        }
        Remedy::PrivateStore(path) => {
            return format!(
                "run `chmod 0700 {}`, or pass `--shared-store` if the store is shared",
                path.display()
            )
            .into();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tree::digest::Sha256;
    use tree::name::Arch;
    use tree::refusal::{Class, Stage};

    #[test]
    fn a_way_out_has_the_words_of_the_command_line() {
        let refusal = || Refusal::new(Class::Usage, "a", Stage::Plan, "wrong");
        let digest = Sha256([0; 32]);
        let close = Some("x/tool".to_owned());
        for (remedy, expected) in [
            (
                Remedy::RoomForOutput { needs: 9, had: 5 },
                "the file needs 9 bytes, of which 5 were written: free".to_owned(),
            ),
            (
                Remedy::LockAgain("knc".parse().unwrap(), Arch::Amd64),
                "run `vmbake lock --kind knc --arch amd64` to lock what the archive has now".to_owned(),
            ),
            (
                Remedy::LockFile("a.deb".to_owned()),
                "run `vmbake lock` to lock `a.deb` as it is now".to_owned(),
            ),
            (
                Remedy::Members { close, input: digest.into() },
                format!("it has `x/tool`; run `vmbake inspect {digest}` to list its members"),
            ),
            (Remedy::PrivateStore("/s".into()), "run `chmod 0700 /s`, or pass `--shared-store`".to_owned()),
        ] {
            let refusal = refusal().remedy(remedy);
            assert!(hint(&refusal).unwrap().starts_with(&expected), "{refusal:?}");
        }
        assert_eq!(hint(&refusal().remedy(Remedy::Room).hint("other")).unwrap(), "other");
        assert_eq!(hint(&refusal()), None);
    }
}
