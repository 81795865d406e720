//! What Debian's programs leave behind, and what is refused, as cases.

use crate::failure::Reason;
use crate::testing::{Memory, at, run};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nadm:x:4:\nnogroup:x:65534:\n";

/// Files that are there, a script, and what stands at paths afterwards.
type Case = (&'static [(&'static str, &'static str)], &'static str, &'static [(&'static str, &'static str)]);

fn check(cases: &[Case]) {
    for (files, script, expected) in cases {
        let mut all =
            vec![("/etc/passwd", PASSWD), ("/etc/group", GROUP), ("/etc/shadow", ""), ("/etc/gshadow", "")];
        all.retain(|(path, _)| !files.iter().any(|(own, _)| own == path));
        all.extend_from_slice(files);
        let memory = Memory::new(&all);
        let (ran, shell) = run(&memory, script);
        let ran = ran.unwrap_or_else(|failure| panic!("{script}: {failure}"));
        assert_eq!(ran.1, 0, "{script} ended with {} and printed {}", ran.1, ran.0);
        for (path, content) in *expected {
            let found = if *path == "stdout" { ran.0.clone() } else { at(&shell, path) };
            assert_eq!(&found, content, "{path} after {script}");
        }
    }
}

#[test]
fn a_unit_is_enabled_as_deb_systemd_helper_does() {
    const UNIT: &str = "[Unit]\nDescription=x\n[Install]\nWantedBy=multi-user.target\nAlias=other.service\n";
    check(&[
        (
            &[("/usr/lib/systemd/system/x.service", UNIT)],
            "deb-systemd-helper unmask x.service\nif deb-systemd-helper --quiet was-enabled x.service; then deb-systemd-helper enable x.service; fi",
            &[
                (
                    "/etc/systemd/system/multi-user.target.wants/x.service",
                    "-> /usr/lib/systemd/system/x.service",
                ),
                ("/etc/systemd/system/other.service", "-> /usr/lib/systemd/system/x.service"),
                (
                    "/var/lib/systemd/deb-systemd-helper-enabled/x.service.dsh-also",
                    "/etc/systemd/system/other.service\n/etc/systemd/system/multi-user.target.wants/x.service\n",
                ),
                ("/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/x.service", ""),
            ],
        ),
        (
            &[
                ("/usr/lib/systemd/system/x.service", UNIT),
                ("/usr/lib/systemd/system-preset/90.preset", "disable x.*\n"),
            ],
            "deb-systemd-helper enable x.service",
            &[
                ("/etc/systemd/system/multi-user.target.wants/x.service", "nothing"),
                ("/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/x.service", ""),
            ],
        ),
        (
            &[("/usr/lib/systemd/system/x.service", UNIT)],
            "deb-systemd-helper mask x.service; systemctl daemon-reload",
            &[
                ("/etc/systemd/system/x.service", "-> /dev/null"),
                ("/var/lib/systemd/deb-systemd-helper-masked/x.service", ""),
            ],
        ),
    ]);
}

#[test]
fn users_get_the_numbers_of_the_program_that_makes_them() {
    check(&[
        (
            &[],
            "adduser --system --group --home /var/lib/x --gecos 'X daemon' --quiet x && adduser x adm && id x",
            &[
                ("stdout", "uid=100(x) gid=100(x) groups=100(x),4(adm)\n"),
                ("/var/lib/x", "directory 755 100:100"),
                ("/etc/shadow", "x:!:20000::::::\n"),
                ("/etc/gshadow", "x:!::\n"),
            ],
        ),
        (
            &[],
            "adduser --system --no-create-home --home /run/x x; getent passwd x; getent group nobody || echo none",
            &[("stdout", "x:x:100:65534::/run/x:/usr/sbin/nologin\nnone\n"), ("/run/x", "nothing")],
        ),
        (&[], "groupadd --system a; useradd -r -g a -d / a; id -u a; id -g a", &[("stdout", "999\n999\n")]),
        (
            &[("/usr/lib/sysusers.d/x.conf", "u x - \"The X\" /var/lib/x -\ng y 77\nm x adm\n")],
            "systemd-sysusers x.conf; getent passwd x; getent group adm y",
            &[
                ("stdout", "x:x:999:999:The X:/var/lib/x:/usr/sbin/nologin\nadm:x:4:x\ny:x:77:\n"),
                ("/etc/shadow", "x:!*:20000::::::\n"),
            ],
        ),
    ]);
}

#[test]
fn alternatives_are_links_and_a_file_of_dpkg() {
    check(&[
        (
            &[("/usr/bin/one", ""), ("/usr/bin/two", ""), ("/usr/share/man/one.1", "")],
            "update-alternatives --install /usr/bin/tool tool /usr/bin/one 10 --slave /usr/share/man/tool.1 tool.1 /usr/share/man/one.1\n\
             update-alternatives --install /usr/bin/tool tool /usr/bin/two 20",
            &[
                ("/usr/bin/tool", "-> /etc/alternatives/tool"),
                ("/etc/alternatives/tool", "-> /usr/bin/two"),
                ("/etc/alternatives/tool.1", "nothing"),
                (
                    "/var/lib/dpkg/alternatives/tool",
                    "auto\n/usr/bin/tool\ntool.1\n/usr/share/man/tool.1\n\n/usr/bin/one\n10\n/usr/share/man/one.1\n/usr/bin/two\n20\n\n\n",
                ),
            ],
        ),
        (
            &[("/usr/bin/one", ""), ("/usr/bin/two", "")],
            "update-alternatives --install /usr/bin/tool tool /usr/bin/one 10\nupdate-alternatives --set tool /usr/bin/one\n\
             update-alternatives --install /usr/bin/tool tool /usr/bin/two 20; update-alternatives --remove tool /usr/bin/two",
            &[
                ("/etc/alternatives/tool", "-> /usr/bin/one"),
                ("/var/lib/dpkg/alternatives/tool", "manual\n/usr/bin/tool\n\n/usr/bin/one\n10\n\n"),
            ],
        ),
    ]);
}

#[test]
fn dpkg_knows_versions_packages_diversions_and_overrides() {
    check(&[
        (
            &[],
            "dpkg --compare-versions 1.0~rc1 lt 1.0 && dpkg --compare-versions '' lt 1 && ! dpkg --compare-versions '' lt-nl 1 \
             && dpkg --compare-versions 1:0 gt 9 && dpkg --compare-versions 1.10-1 ge 1.9-2 && echo yes",
            &[("stdout", "yes\n")],
        ),
        (
            &[],
            "dpkg-query -W -f='${Package} ${Version} ${Status}\\n' thing; dpkg -L thing; dpkg -S /usr/bin/thing; dpkg -s none || dpkg --print-architecture",
            &[(
                "stdout",
                "thing 1.2-3 install ok installed\n/.\n/usr/bin/thing\nthing: /usr/bin/thing\namd64\n",
            )],
        ),
        (
            &[("/usr/bin/old", "old")],
            "dpkg-divert --package thing --add --rename --divert /usr/bin/old.real /usr/bin/old; dpkg-divert --truename /usr/bin/old",
            &[
                ("stdout", "/usr/bin/old.real\n"),
                ("/usr/bin/old", "nothing"),
                ("/usr/bin/old.real", "old"),
                ("/var/lib/dpkg/diversions", "/usr/bin/old\n/usr/bin/old.real\nthing\n"),
            ],
        ),
        (
            &[("/var/log/x/y", "")],
            "dpkg-statoverride --list /var/log/x || dpkg-statoverride --update --add root adm 02750 /var/log/x; dpkg-statoverride --list",
            &[("stdout", "root adm 2750 /var/log/x\n"), ("/var/log/x", "directory 2750 0:4")],
        ),
    ]);
}

#[test]
fn debconf_answers_with_defaults_and_writes_its_database() {
    const TEMPLATES: &str = "Template: thing/how\nType: select\nChoices: a, b\nDefault: z\nDescription: How?\n Long\n text.\n .\n More.\n";
    check(&[(
        &[("/usr/share/debconf/confmodule", ""), ("/tmp/t", TEMPLATES)],
        "set -e\n. /usr/share/debconf/confmodule\ndb_x_loadtemplatefile /tmp/t thing\ndb_input high thing/how || true\ndb_go || true\n\
         db_get thing/how\necho \"$RET\" > /tmp/out\ndb_fget thing/how seen; echo \"$RET\" >> /tmp/out\n\
         db_get thing/none || echo \"$?\" >> /tmp/out\ndb_metaget thing/how Extended_description; echo \"$RET\" >> /tmp/out; db_stop",
        &[("/tmp/out", "a\ntrue\n10\nLong text.\n\nMore.\n"), ("stdout", "")],
    )]);
}

#[test]
fn what_tmpfiles_asks_for_is_made() {
    check(&[(
        &[(
            "/usr/lib/tmpfiles.d/x.conf",
            "d /var/lib/x/y 0750 _apt adm -\nd /var/lib/x - - -\nL /var/lib/l - - - - ../x\nf+ /var/lib/x/f 0600 - - - a\\nb\n",
        )],
        "systemd-tmpfiles --create x.conf",
        &[
            ("/var/lib/x", "directory 755 0:0"),
            ("/var/lib/x/y", "directory 750 42:4"),
            ("/var/lib/l", "-> ../x"),
            ("/var/lib/x/f", "a\nb"),
        ],
    )]);
}

#[test]
fn what_is_not_known_is_refused_with_its_line_and_words() {
    let cases: [(&str, u32, &str, &str); 9] = [
        ("true\n/usr/bin/elf --now", 2, "/usr/bin/elf --now", "the program /usr/bin/elf is not supported"),
        ("cp --sparse=never a b", 1, "cp --sparse=never a b", "`cp` with `--sparse=never` is not supported"),
        ("x=1\necho ${x/1/2}", 2, "echo ${x/1/2}", "`${x/1/2}`, which dash does not know, is not supported"),
        ("f() {\n  hostname\n}\nf", 2, "hostname", "the name of the host is known only to a running machine"),
        ("uname -r", 1, "uname -r", "the release of the kernel that runs is known only to a running machine"),
        ("echo a > /dev/sda", 1, "echo a > /dev/sda", "/dev/sda is known only to a running machine"),
        ("if true; then", 1, "", "syntax: unexpected end of file"),
        ("while :; do :; done", 1, ":", "it takes more than the steps that a set of scripts may take"),
        ("f() { f; }; f", 1, "f", "it takes more than the depth of commands within commands"),
    ];
    for (script, line, words, reason) in cases {
        let memory = Memory::new(&[("/usr/bin/elf", "\u{7f}ELF")]);
        let (ran, _) = run(&memory, script);
        let failure = ran.expect_err(script);
        assert_eq!(
            (failure.origin.line, &failure.words[..], &failure.reason.to_string()[..]),
            (line, words, reason),
            "{script}"
        );
    }
}

#[test]
fn changes_are_listed_in_order_with_their_origin() {
    let memory = Memory::new(&[("/etc/a", "1")]);
    let (ran, shell) = run(
        &memory,
        "mkdir -p /var/x/y\necho 2 > /etc/a\nchmod 600 /etc/a\nrm /etc/a\nsystemctl daemon-reload",
    );
    ran.unwrap();
    let list: Vec<String> = shell.files.changes().iter().map(ToString::to_string).collect();
    let expected = [
        "make directory /var/x  (thing postinst:1)",
        "make directory /var/x/y  (thing postinst:1)",
        "write /etc/a  (thing postinst:2)",
        "mode /etc/a 0600  (thing postinst:3)",
        "remove /etc/a  (thing postinst:4)",
        "nothing: systemctl daemon-reload: it talks to a running system  (thing postinst:5)",
    ];
    assert_eq!(list, expected);
    assert!(shell.files.looked().contains(&b"/etc/a"[..]));
}

#[test]
fn the_text_alone_shows_programs_that_are_not_known() {
    let found = crate::sh::lint::lint(
        b"set -e\nfoo() { :; }\nfoo\ncp a b\nx=$(strange --opt)\n. /lib/x\necho ${y^^}\n",
        &|_| false,
    );
    let list: Vec<(u32, &str)> = found.iter().map(|finding| (finding.line, &finding.what[..])).collect();
    assert_eq!(list, [(5, "the program strange"), (7, "an expansion that dash does not know")]);
    assert!(matches!(run(&Memory::new(&[]), "x=$(").0.unwrap_err().reason, Reason::Syntax(_)));
}

#[test]
fn pam_profiles_are_stacked_by_priority() {
    let template = |name: &str| {
        format!(
            "/usr/share/pam/common-{name}\u{0}# head\n# here are the per-package modules (the \"Primary\" block)\n$p\n\
             # here's the fallback if no module succeeds\nx requisite pam_deny.so\n\
             # and here are more per-package modules (the \"Additional\" block)\n$a\n# end of pam-auth-update config\n# foot\n"
        )
    };
    let templates = ["account", "auth", "password", "session", "session-noninteractive"].map(template);
    let unix = "Name: Unix\nDefault: yes\nPriority: 256\nAuth-Type: Primary\nAuth:\n\
        \t[success=end default=ignore]\tpam_unix.so try_first_pass\nAuth-Initial:\n\t[success=end default=ignore]\tpam_unix.so\n\
        Session-Type: Additional\nSession:\n\trequired\tpam_unix.so\n";
    let other = "Name: Other\nDefault: yes\nPriority: 300\nAuth-Type: Primary\nAuth-Final:\n\
        \t[success=end default=ignore]\tpam_x.so a\n\trequired\tpam_y.so\nSession-Interactive-Only: yes\nSession-Type: Additional\nSession:\n\toptional\tpam_x.so\n";
    let off = "Name: Off\nDefault: no\nPriority: 900\nAuth-Type: Primary\nAuth:\n\trequired pam_off.so\n";
    let mut files: Vec<(&str, &str)> = templates.iter().filter_map(|text| text.split_once('\u{0}')).collect();
    files.extend([
        ("/usr/share/pam-configs/unix", unix),
        ("/usr/share/pam-configs/other", other),
        ("/usr/share/pam-configs/off", off),
    ]);
    let memory = Memory::new(&files);
    let (ran, shell) = run(&memory, "pam-auth-update --package");
    assert_eq!(ran.map(|(_, status)| status), Ok(0));
    let auth = "# head\n# here are the per-package modules (the \"Primary\" block)\nauth\t[success=3 default=ignore]\tpam_x.so a\n\
        auth\trequired\tpam_y.so \nauth\t[success=1 default=ignore]\tpam_unix.so try_first_pass\n\
        # here's the fallback if no module succeeds\nx requisite pam_deny.so\n\
        # and here are more per-package modules (the \"Additional\" block)\n# end of pam-auth-update config\n# foot\n";
    for (path, expected) in [
        ("/etc/pam.d/common-auth", auth),
        (
            "/var/lib/pam/auth",
            "Module: other\n[success=end default=ignore]\tpam_x.so a\nrequired\tpam_y.so\nModule: unix\n\
             [success=end default=ignore]\tpam_unix.so try_first_pass\n",
        ),
        (
            "/var/lib/pam/session-noninteractive",
            "Module: null\n[default=1]\t\t\tpam_permit.so\nModule: unix\nrequired\tpam_unix.so\n",
        ),
        ("/var/lib/pam/seen", "off\nother\nunix\n"),
    ] {
        assert_eq!(at(&shell, path), expected, "{path}");
    }
}
