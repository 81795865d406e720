use super::super::tests::{Case, shown};

#[test]
fn a_stanza_has_dpkgs_order_and_spelling() {
    let mut case = Case::new();
    let control = "Homepage: https://example.org/\nDepends: libc6(>=2.38),b|c\nPriority: Optional\nMulti-Arch: same\nEssential: no\n\
        Source: s (1)\nX-Own: y\nMaintainer: M <m@example.org>\nFilename: pool/x\n";
    case.with_control(
        "libx",
        control,
        &["/etc/libx=text", "/etc/dir/"],
        &[
            ("conffiles", "/etc/libx\nremove-on-upgrade /etc/old\n/etc/ghost\n"),
            ("triggers", "# comment\ninterest-noawait /lib/x/\ninterest named\nactivate-noawait ldconfig\n"),
            ("prerm", "#!/bin/sh\n"),
        ],
    );
    let tree = case.stage().unwrap();
    let status = shown(&tree, "/var/lib/dpkg/status");
    let expected = "Package: libx\nStatus: install ok installed\nPriority: optional\nMaintainer: M <m@example.org>\n\
        Architecture: amd64\nMulti-Arch: same\nSource: s (1)\nVersion: 1.0\nDepends: libc6 (>= 2.38), b | c\nConffiles:\n \
        /etc/libx 1cb251ec0d568de6a929b520c4aed8d1\n /etc/old newconffile remove-on-upgrade\n /etc/ghost newconffile\n\
        Description: x\nHomepage: https://example.org/\nX-Own: y\n\n";
    assert!(status.contains(expected), "{status}");
    for (name, expected) in [
        ("info/libx:amd64.list", "644 0:0 =/.\n/etc\n/etc/libx\n/etc/dir\n"),
        ("info/libx:amd64.md5sums", "644 0:0 =1cb251ec0d568de6a929b520c4aed8d1  etc/libx\n"),
        ("info/libx:amd64.prerm", "644 0:0 =#!/bin/sh\n"),
        ("info/base-passwd.list", "644 0:0 =/.\n/usr\n"),
        ("info/format", "644 0:0 =1\n"),
        ("triggers/File", "644 0:0 =/lib/x libx:amd64/noawait\n"),
        ("triggers/named", "644 0:0 =libx:amd64\n"),
        ("available", "644 0:0 = "),
        ("lock", "640 0:0 = "),
        ("triggers/Lock", "600 0:0 = "),
        ("diversions", "nothing"),
        ("triggers/ldconfig", "nothing"),
        ("info/libx:amd64.control", "nothing"),
    ] {
        let got = shown(&tree, &format!("/var/lib/dpkg/{name}"));
        assert!(got.starts_with(expected), "{name}: {got}");
    }
}

#[test]
fn a_control_file_with_another_name_is_refused() {
    for name in ["list", "a/b", "..", "a.b", ""] {
        let mut case = Case::new();
        case.with_control("a", "", &[], &[(name, "")]);
        assert!(case.refusal().to_string().contains("is not a valid control file name"), "{name:?}");
    }
}
