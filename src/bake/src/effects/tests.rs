use super::*;
use crate::unpack::ControlFile;

fn script(name: &str, text: &str) -> ControlFile {
    ControlFile { name: name.to_owned(), mode: 0o755, bytes: text.as_bytes().into() }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

const TEXT: &str = "#!/bin/sh\nset -e\n# Automatically added by dh_installdeb/13.24.2\ntrue\n# End automatically added section\n";

fn known(package: &str, text: &str) -> Effects {
    let digest = normal(&name(package), text.as_bytes()).digest;
    let text = format!(
        "[{package}]\nreviewed.postinst = [\"{digest}\"]\neffects = [{{ do = \"nothing\", why = \"it is true\" }}]\n"
    );
    parse("effects.toml", &text).unwrap()
}

#[test]
fn a_script_is_known_by_its_normal_form() {
    let effects = known("p", TEXT);
    let cases = [
        ("itself", TEXT.to_owned(), true),
        ("built by another debhelper", TEXT.replace("13.24.2", "13.30"), true),
        ("another tool", TEXT.replace("installdeb", "installinit"), false),
        ("another command", TEXT.replace("true", "false"), false),
        ("another comment", format!("{TEXT}# a comment\n"), false),
        ("a line more", format!("{TEXT}\n"), false),
        ("a section moved into a comment", TEXT.replace("13.24.2\n", "13.24.2 "), false),
        ("no line end", TEXT.trim_end().to_owned(), false),
    ];
    for (case, text, is_known) in cases {
        let found = unreviewed(&effects, &name("p"), &[script("postinst", &text)]);
        assert_eq!(found.is_empty(), is_known, "{case}");
    }
    assert!(!unreviewed(&effects, &name("q"), &[script("postinst", TEXT)]).is_empty(), "another package's");
    let found = unreviewed(&effects, &name("p"), &[script("preinst", TEXT), script("postrm", TEXT)]);
    assert_eq!(found.len(), 1, "postrm never runs in an image");
    assert!(
        found[0].to_string().starts_with("the preinst of package `p` is unknown, found sha256:"),
        "{}",
        found[0]
    );
}

#[test]
fn a_kernel_is_known_whatever_its_release() {
    let text = |release: &str| {
        format!(
            "version={release}\nimage=/boot/vmlinuz-{release}\ndoc linux-image-{}\n",
            release.replace('+', "\\+")
        )
    };
    let mut effects = known("x", "");
    let old = "6.12.117+deb13-cloud-amd64";
    let package = name(&format!("linux-image-{old}"));
    let entry = known(
        "linux-image-release",
        "version=RELEASE\nimage=/boot/vmlinuz-RELEASE\ndoc linux-image-RELEASE\n",
    );
    effects.extend(entry);
    let releases = [
        old,
        "6.12.118+deb13-cloud-arm64",
        "7.1+deb14-amd64",
        "6.12.48+deb13-amd64",
        "6.12.48+deb13-arm64",
        "6.12.48+deb13-arm64-16k",
        "6.12.48+deb13-rt-amd64",
        "6.12.48+deb13-rt-arm64",
        "6.16.3+deb13-cloud-arm64-64k",
    ];
    for release in releases {
        let package = name(&format!("linux-image-{release}"));
        assert_eq!(key(&package), name("linux-image-release"));
        assert_eq!(unreviewed(&effects, &package, &[script("postinst", &text(release))]), []);
    }
    // the first has the release of the kernel without its last word; the others are none of Debian's
    for other in
        ["6.12.48+deb13-amd64-unsigned", "6.12.48+deb13-arm64-k", "6.12.48+deb13-16k", "6.12.48-arm64"]
    {
        let package = name(&format!("linux-image-{other}"));
        assert_eq!(key(&package), package);
    }
    let changed = text(old) + "version=6.12\n";
    assert_eq!(unreviewed(&effects, &package, &[script("postinst", &changed)]).len(), 1);
    assert_eq!(key(&name("linux-image-cloud-amd64")), name("linux-image-cloud-amd64"));
    assert_eq!(normal(&name("p"), b"6.12.117+deb13-cloud-amd64").bytes, b"6.12.117+deb13-cloud-amd64");
}

#[test]
fn what_is_no_effect_is_refused_with_its_place() {
    let digest = Sha256::of(b"");
    let cases = [
        ("[p]\neffects = [{ do = \"magic\" }]\n".to_owned(), "unknown variant `magic`"),
        ("[p]\neffects = [{ do = \"nothing\" }]\n".to_owned(), "missing field `why`"),
        ("[p]\neffects = [{ do = \"nothing\", why = \" \" }]\n".to_owned(), "without a reason"),
        ("[p]\neffects = [{ do = \"user\", user = \"u\", why = \"x\" }]\n".to_owned(), "unknown field"),
        ("[p]\neffects = [{ do = \"directory\", path = \"x\" }]\n".to_owned(), "is no path"),
        (
            "[p]\neffects = [{ do = \"directory\", path = \"/x\", access = \"755\" }]\n".to_owned(),
            "expected access such as `0755 owner:group`",
        ),
        (
            format!("[p]\nreviewed.postrm = [\"{digest}\"]\neffects = [{{ do = \"user\", user = \"u\" }}]\n"),
            "unknown script `postrm`; expected one of",
        ),
        (format!("[p]\nreviewed.postinst = [\"{digest}\"]\n"), "have no effect"),
        ("[p]\nreviewed.postinst = [\"md5:00\"]\n".to_owned(), "digest"),
        ("[p]\nscripts = 1\n".to_owned(), "unknown field `scripts`"),
    ];
    for (text, expected) in cases {
        let refusal = parse("effects.toml", &text).unwrap_err().to_string();
        assert!(
            refusal.starts_with("effects.toml: parse: ") && refusal.contains(expected),
            "{text}: {refusal}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_have_a_normal_form_and_it_is_normal(bytes: Vec<u8>, release in "[0-9.+\\\\a-z-]{0,40}") {
        for package in ["p", "linux-image-6.1+deb13-amd64"].map(name) {
            let text = [&bytes[..], release.as_bytes(), b"\n# Automatically added by dh_x/1"].concat();
            let once = normal(&package, &text);
            proptest::prop_assert_eq!(normal(&package, &once.bytes), once);
        }
    }
}
