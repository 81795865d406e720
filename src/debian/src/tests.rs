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
        // systemctl reads drop-ins, and deb-systemd-helper notes what it reads itself
        (
            &[
                ("/usr/lib/systemd/system/x.service", UNIT),
                ("/usr/lib/systemd/system/x.service.d/more.conf", "[Install]\nAlias=more.service\n"),
            ],
            "deb-systemd-helper enable x.service",
            &[
                ("/etc/systemd/system/more.service", "-> /usr/lib/systemd/system/x.service"),
                (
                    "/var/lib/systemd/deb-systemd-helper-enabled/x.service.dsh-also",
                    "/etc/systemd/system/other.service\n/etc/systemd/system/multi-user.target.wants/x.service\n",
                ),
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
fn a_question_leaves_an_ifs_that_was_not_set_empty() {
    const CONFMODULE: &[(&str, &str)] = &[("/usr/share/debconf/confmodule", "")];
    check(&[
        (
            CONFMODULE,
            ". /usr/share/debconf/confmodule; unset IFS; db_go; for x in $(echo a b); do echo $x. >> /tmp/out; done",
            &[("/tmp/out", "a b.\n")],
        ),
        (
            CONFMODULE,
            ". /usr/share/debconf/confmodule; unset IFS; db_stop; for x in $(echo a b); do echo $x. >> /tmp/out; done",
            &[("/tmp/out", "a.\nb.\n")],
        ),
        (
            CONFMODULE,
            ". /usr/share/debconf/confmodule; db_go; for x in $(echo a b); do echo $x. >> /tmp/out; done",
            &[("/tmp/out", "a.\nb.\n")],
        ),
    ]);
}

#[test]
fn chown_of_a_whole_tree_changes_links_themselves() {
    check(&[(
        &[("/a/f", "")],
        "mkdir /a/d /a/e; ln -s ../f /a/d/l; ln -s ../f /a/e/l; chown -R 5:6 /a/d; chown 7 /a/e/l\n\
         stat -c '%n %u:%g' /a/f /a/d/l /a/e/l > /tmp/out",
        &[("/tmp/out", "/a/f 7:0\n/a/d/l 5:6\n/a/e/l 0:0\n")],
    )]);
}

#[test]
fn a_value_of_an_option_is_not_taken_for_a_file() {
    check(&[(
        &[],
        "echo a | iconv -f UTF-8 -t ASCII > /tmp/out; echo ' b' | uniq -f 1 >> /tmp/out; echo c | nl -b a -w 1 >> /tmp/out\n\
         echo d | expand -t 4 >> /tmp/out; echo e | paste -d : >> /tmp/out; echo f | base64 -w 0 >> /tmp/out",
        &[("/tmp/out", "a\n b\n1\tc\nd\ne\nZgo=")],
    )]);
}

#[test]
fn an_image_is_of_no_container() {
    check(&[(
        &[("/usr/bin/systemd-detect-virt", "")],
        "systemd-detect-virt --quiet --container || systemd-detect-virt -c > /tmp/out || echo $? >> /tmp/out",
        &[("/tmp/out", "none\n1\n")],
    )]);
}

#[test]
fn of_an_image_no_module_is_loaded() {
    check(&[(
        &[("/usr/sbin/lsmod", "")],
        "if lsmod | grep -q speakup; then echo y; else echo n; fi > /tmp/out",
        &[("/tmp/out", "n\n")],
    )]);
}

#[test]
fn what_tmpfiles_asks_for_is_made() {
    check(&[(
        &[(
            "/usr/lib/tmpfiles.d/x.conf",
            "d /var/lib/x/y 0750 _apt adm -\nd /var/lib/x - - -\nL /var/lib/l - - - - ../x\nf+ /var/lib/x/f 0600 - - - a\\nb\nf /var/lib/x/g - - - - a  'b' c\n",
        )],
        "systemd-tmpfiles --create x.conf",
        &[
            ("/var/lib/x", "directory 755 0:0"),
            ("/var/lib/x/y", "directory 750 42:4"),
            ("/var/lib/l", "-> ../x"),
            ("/var/lib/x/f", "a\nb"),
            ("/var/lib/x/g", "a  'b' c"),
        ],
    )]);
}

#[test]
fn what_is_not_known_is_refused_with_its_line_and_words() {
    let cases: [(&str, u32, &str, &str); 9] = [
        ("true\n/usr/bin/elf --now", 2, "/usr/bin/elf --now", "the program /usr/bin/elf is not supported"),
        ("cp --sparse=never a b", 1, "cp --sparse=never a b", "`cp` with `--sparse=never` is not supported"),
        ("x=1\necho ${x/1/2}", 2, "echo ${x/1/2}", "`${x/1/2}`, which dash does not know, is not supported"),
        (
            "f() {\n  hostname -d\n}\nf",
            2,
            "hostname -d",
            "the name of the host is known only to a running machine",
        ),
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

#[test]
fn a_command_of_another_user_makes_its_files_and_meets_its_permissions() {
    const WITH: &[(&str, &str)] = &[
        (
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\nweb:x:33:33::/var/www:/usr/sbin/nologin\ndb:x:40:41::/var/db:/bin/sh\n",
        ),
        ("/etc/group", "root:x:0:\nweb:x:33:\ndb:x:41:\nssl:x:50:db\n"),
        ("/etc/secret", "s"),
        ("/var/db/x", ""),
        ("/usr/bin/sh", "\u{7f}ELF"),
    ];
    check(&[
        (
            WITH,
            "chown db:db /var/db/x\n\
             ask() { su db -s /bin/sh -c \"test $1\" && printf y || printf n; }\n\
             for one in '-O /var/db/x' '-G /var/db/x' '-O /etc/secret' '-w /etc/secret' '-r /etc/secret' '-w /var/db/x'; do ask \"$one\"; done",
            &[("stdout", "yynnyy")],
        ),
        (
            WITH,
            "chown db:db /var/db; chmod 600 /etc/secret\n\
             su db -c 'echo $HOME $USER $(id -u) $(whoami) > $HOME/made'\n\
             su -s /bin/sh -c 'cat /etc/secret' db 2>/dev/null || echo refused\n\
             runuser -u db -- sh -c 'echo x > /etc/other' 2>/dev/null || echo refused\n\
             su web -c true || true\n\
             stat -c '%u:%g' /var/db/made",
            &[
                ("/var/db/made", "/var/db db 40 db\n"),
                ("stdout", "refused\nrefused\nThis account is currently not available.\n40:41\n"),
                ("/etc/other", "nothing"),
            ],
        ),
        (
            WITH,
            "chown root:ssl /etc/secret; chmod 640 /etc/secret; su - db -c 'cat /etc/secret; pwd'; pwd; whoami",
            &[("stdout", "s/var/db\n/\nroot\n")],
        ),
    ]);
}

#[test]
fn options_may_be_abbreviated_where_only_one_begins_so() {
    check(&[(
        &[("/tmp/a", "")],
        "mkdir --par /tmp/x/y; cp --pres=mode /tmp/a /tmp/b; rm --recurs /tmp/x; adduser --sys --no-create --quiet u && id -u u",
        &[("/tmp/x", "nothing"), ("/tmp/b", ""), ("stdout", "100\n")],
    )]);
    let memory = Memory::new(&[]);
    let failure = run(&memory, "ls --al --a").0.unwrap_err();
    assert!(failure.reason.to_string().contains("`--al`"), "{failure}");
}

#[test]
fn ls_sorts_versions_as_gnus_does() {
    const FILES: &[(&str, &str)] = &[
        ("/srv/v/a10", ""),
        ("/srv/v/b", ""),
        ("/srv/v/a-1.10.tar.gz", ""),
        ("/srv/v/b~", ""),
        ("/srv/v/a.9", ""),
        ("/srv/v/a-1.9.tar.gz", ""),
        ("/srv/v/a", ""),
        ("/srv/v/.b", ""),
        ("/srv/v/a9", ""),
        ("/srv/v/a-1.9~rc", ""),
        ("/srv/v/a.10", ""),
    ];
    const SORTED: &str = ".b\na\na9\na10\na-1.9~rc\na-1.9.tar.gz\na-1.10.tar.gz\na.9\na.10\nb~\nb\n";
    check(&[(FILES, "ls -1vA /srv/v", &[("stdout", SORTED)])]);
}

#[test]
fn an_alias_stands_for_words_in_the_lines_after_it() {
    check(&[(
        &[],
        "alias up=\"tr 'a-z' 'A-Z'\" say='X=1 echo'\necho abc | up\nf() { echo f | up; }; f\nsay up\n'say' 2>/dev/null || echo none\nunalias say\n\
         say 2>/dev/null || echo gone",
        &[("stdout", "ABC\nF\nup\nnone\ngone\n")],
    )]);
}

#[test]
fn find_prints_as_it_is_told_and_grep_goes_into_directories() {
    const TREE: &[(&str, &str)] =
        &[("/srv/a/one.conf", "key 1\n"), ("/srv/a/b/two.conf", "key 2\nother\n"), ("/srv/a/b/x~", "key\n")];
    check(&[
        (
            TREE,
            "find /srv/a -mindepth 1 \\! \\( -name '*~' -o -type d \\) -printf '%P|%f|%h|%d|%y|%m\\n'; cd /srv; find a -name b -printf '%p\\t%H\\n'",
            &[("stdout", "b/two.conf|two.conf|/srv/a/b|2|f|644\none.conf|one.conf|/srv/a|1|f|644\na/b\ta\n")],
        ),
        (
            TREE,
            "grep -r 'key [0-9]' /srv/a; grep -qr nothing /srv || echo none; grep -rl other /srv; cd /srv/a/b; grep -rh -e other; grep -r -e other",
            &[(
                "stdout",
                "/srv/a/b/two.conf:key 2\n/srv/a/one.conf:key 1\nnone\n/srv/a/b/two.conf\nother\ntwo.conf:other\n",
            )],
        ),
    ]);
}

#[test]
fn what_only_talks_to_a_running_system_leaves_with_the_status_of_one_that_does_not_run() {
    check(&[(
        &[
            ("/usr/lib/systemd/system/x.service", "[Service]\nExecStart=/bin/true\n"),
            (
                "/etc/init.d/x",
                "### BEGIN INIT INFO\n# Default-Start: 2 3\n# Default-Stop: 0\n### END INIT INFO\n",
            ),
        ],
        "start-stop-daemon --stop --oknodo --quiet --exec /usr/bin/x && echo ok\nstart-stop-daemon --stop --exec /usr/bin/x || echo $?\n\
         start-stop-daemon --status --exec /usr/bin/x || echo $?\nstart-stop-daemon --start --exec /usr/bin/x && echo started\n\
         deb-systemd-helper start x.service; mountpoint -q /proc && echo proc; mountpoint -q /srv || echo none; findmnt / || echo $?\n\
         update-rc.d x start 50 2 3 . stop 19 0 . ; iptables -t filter -L -n || echo $?; tty -s || echo $?",
        &[
            ("stdout", "ok\n1\n3\nstarted\nproc\nnone\n1\n1\n1\n"),
            ("/etc/rc2.d/S01x", "-> ../init.d/x"),
            ("/etc/rc0.d/K01x", "-> ../init.d/x"),
        ],
    )]);
}

#[test]
fn programs_of_packages_that_are_no_shell_scripts_do_what_theirs_do() {
    check(&[
        (
            &[
                ("/var/lib/ucf/registry", "grub /etc/default/grub\ngrub /etc/gone\n"),
                ("/var/lib/ucf/hashfile", "900150983cd24fb0d6963f7d28e17f72  /etc/default/grub\n"),
                ("/etc/default/grub", "abc"),
                ("/etc/plain", ""),
            ],
            "ucfq -w /etc/plain /etc/default/grub; ucfq --with-colons grub",
            &[(
                "stdout",
                "/etc/default/grub:grub:Yes:No\n/etc/plain::Yes:\n/etc/default/grub:grub:Yes:No\n/etc/gone:grub::\n",
            )],
        ),
        (
            &[
                ("/usr/share/sgml-base/catalog.centralized", "-- of CATALOG --\n"),
                ("/usr/share/sgml/a/catalog", "x"),
                ("/var/lib/sgml-base/keep", ""),
                ("/etc/sgml/bad.cat", "CATALOG \"missing\"\n"),
            ],
            "update-catalog --quiet --add /etc/sgml/a.cat /usr/share/sgml/a/catalog; update-catalog --quiet --update-super",
            &[
                ("/etc/sgml/a.cat", "-- of /etc/sgml/a.cat --\nCATALOG /usr/share/sgml/a/catalog\n"),
                (
                    "/var/lib/sgml-base/supercatalog",
                    "--\n## This file is created by update-catalog with update-super.\n## Please see update-catalog(8) for how to modify this file.\n--\nCATALOG /etc/sgml/a.cat\n",
                ),
            ],
        ),
        (
            &[
                (
                    "/usr/share/python3/debian_defaults",
                    "[DEFAULT]\ndefault-version = python3.13\nsupported-versions = python3.13, python3.14\n",
                ),
                ("/usr/bin/python3.13", ""),
                ("/etc/dpkg/origins/default", "Vendor: Debian\nVendor-URL: https://www.debian.org/\n"),
            ],
            "py3versions -i; py3versions -sv; dpkg-vendor --derives-from debian && dpkg-vendor --is Debian && ! dpkg-vendor --derives-from ubuntu \
             && dpkg-vendor --query vendor-url",
            &[("stdout", "python3.13\n3.13 3.14\nhttps://www.debian.org/\n")],
        ),
        (
            &[
                ("/etc/chrony/chrony.conf", "# main\nconfdir /etc/chrony/conf.d\n  keyfile   /etc/keys\n"),
                ("/etc/chrony/conf.d/a.conf", "user x\n! no\n"),
                ("/etc/chrony/conf.d/b", "ignored\n"),
                ("/etc/ssh/sshd_config", "Port 22\n"),
                ("/usr/lib/systemd/system/sshd-keygen.service", ""),
            ],
            "chronyd -p; /usr/sbin/sshd -G | grep -c hostkey; ssh-keygen -q -f /etc/ssh/ssh_host_rsa_key -N '' -t rsa",
            &[("stdout", "user x\nkeyfile /etc/keys\n3\n"), ("/etc/ssh/ssh_host_rsa_key", "nothing")],
        ),
        (
            &[
                ("/etc/lighttpd/conf-available/10-a.conf", "# -*- depends: b -*-\n"),
                ("/etc/lighttpd/conf-available/05-b.conf", ""),
                ("/etc/lighttpd/conf-enabled/keep", ""),
            ],
            "lighty-enable-mod a none || echo $?",
            &[
                (
                    "stdout",
                    "Enabling a: ok\nIgnoring unknown module: none\nEnabling b: ok\nRun \"service lighttpd force-reload\" to enable changes\n2\n",
                ),
                ("/etc/lighttpd/conf-enabled/10-a.conf", "-> ../conf-available/10-a.conf"),
                ("/etc/lighttpd/conf-enabled/05-b.conf", "-> ../conf-available/05-b.conf"),
            ],
        ),
        (
            &[
                ("/var/lib/emacsen-common/state/package/installed/emacsen-common", ""),
                ("/var/lib/emacsen-common/state/flavor/installed/emacs", ""),
                ("/usr/lib/emacsen-common/packages/install/thing", "#!/bin/sh\necho \"set up for $1\"\n"),
                ("/usr/lib/emacsen-common/packages/compat/thing", ""),
                ("/usr/lib/emacsen-common/emacs-package-install", "#!/usr/bin/perl\n"),
            ],
            "chmod +x /usr/lib/emacsen-common/* /usr/lib/emacsen-common/packages/install/*; /usr/lib/emacsen-common/emacs-package-install --postinst thing",
            &[
                ("stdout", "Install thing for emacs\nset up for emacs\n"),
                ("/var/lib/emacsen-common/state/package/installed/thing", ""),
            ],
        ),
    ]);
}

#[test]
fn users_get_subordinate_numbers_and_leave_groups() {
    check(&[(
        &[("/etc/group", "root:x:0:\nadm:x:4:_apt,x\ntape:x:26:\n"), ("/etc/subuid", "")],
        "usermod --add-subuids 1000000-1000000999 root; usermod --add-subuids 1000000-1000000999 root; usermod -G tape _apt; date -R -d @0; mktemp -p /tmp t.XXXX",
        &[
            ("/etc/subuid", "root:1000000:999001000\n"),
            ("/etc/group", "root:x:0:\nadm:x:4:x\ntape:x:26:_apt\n"),
            ("stdout", "Thu, 01 Jan 1970 00:00:00 +0000\n/tmp/t.0001\n"),
        ],
    )]);
}

/// Files of a system that systemd boots.
const BOOTS: [(&str, &str); 4] = [
    ("/usr/lib/systemd/systemd", ""),
    ("/etc/bind/named.conf", ""),
    ("/etc/ssl/certs/x", ""),
    ("/etc/ssl/private/x", ""),
];

#[test]
fn a_value_of_each_machines_own_is_made_at_its_first_boot_and_is_in_no_file_of_an_image() {
    let mut files =
        vec![("/etc/passwd", PASSWD), ("/etc/group", GROUP), ("/etc/iscsi/x", ""), ("/var/lib/r/x", "")];
    files.extend(BOOTS);
    let memory = Memory::new(&files);
    let script = "set -e\nname=$(iscsi-iname -p iqn.1993)\n[ -n \"$name\" ]\nprintf 'InitiatorName=%s\\n' \"$name\" > /etc/iscsi/name\nchmod 600 /etc/iscsi/name\n\
                  umask 077; openssl rand -base64 -out /var/lib/r/cookie 42\nchown _apt:adm /var/lib/r/cookie; chmod 400 /var/lib/r/cookie\n\
                  rndc-confgen -a; uid=$(ls -ln /etc/bind/rndc.key | awk '{print $3}'); [ \"$uid\" = 0 ]; chgrp adm /etc/bind/rndc.key\n\
                  make-ssl-cert generate-default-snakeoil; make-ssl-cert generate-default-snakeoil; [ -e /etc/ssl/private/ssl-cert-snakeoil.key ]";
    let (ran, mut shell) = run(&memory, script);
    assert_eq!(ran.unwrap().1, 0);
    crate::commands::own::finish(&mut shell.files, &shell.system).unwrap();
    for path in [
        "/etc/iscsi/name",
        "/var/lib/r/cookie",
        "/etc/bind/rndc.key",
        "/etc/ssl/certs/ssl-cert-snakeoil.pem",
        "/etc/ssl/private/ssl-cert-snakeoil.key",
    ] {
        assert_eq!(at(&shell, path), "nothing", "{path}");
    }
    let expected = "\
umask 077
if [ ! -e /etc/bind/rndc.key ]; then
rndc-confgen -a
fi
chown 0:4 /etc/bind/rndc.key
chmod 0600 /etc/bind/rndc.key
umask 077
if [ ! -e /etc/iscsi/name ]; then
cp /usr/lib/first-boot-values/1 /etc/iscsi/name.new
value=$(iscsi-iname -p iqn.1993)
sed -i \"s|own-value-0001-x|$value|g\" /etc/iscsi/name.new
mv /etc/iscsi/name.new /etc/iscsi/name
fi
chown 0:0 /etc/iscsi/name
chmod 0600 /etc/iscsi/name
umask 077
if [ ! -e /etc/ssl/certs/ssl-cert-snakeoil.pem ]; then
make-ssl-cert generate-default-snakeoil --force-overwrite
fi
chown 0:0 /etc/ssl/certs/ssl-cert-snakeoil.pem
chmod 0644 /etc/ssl/certs/ssl-cert-snakeoil.pem
";
    assert!(
        at(&shell, "/usr/lib/first-boot-values/first-boot-values/make")
            .contains("\tsh -eu \"$value\" || status=1\n")
    );
    let made: String = (1..=5)
        .map(|n| at(&shell, &format!("/usr/lib/first-boot-values/first-boot-values/00{n}.sh")))
        .collect();
    assert!(made.starts_with(expected), "{made}");
    assert!(
        made.contains(
            "openssl rand -base64 -out /var/lib/r/cookie 42\nfi\nchown 42:4 /var/lib/r/cookie\nchmod 0400"
        ),
        "{made}"
    );
    assert_eq!(at(&shell, "/usr/lib/first-boot-values/1"), "InitiatorName=own-value-0001-x\n");
    assert_eq!(
        at(&shell, "/etc/systemd/system/sysinit.target.wants/first-boot-values.service"),
        "-> /usr/lib/systemd/system/first-boot-values.service"
    );
    let unit = at(&shell, "/usr/lib/systemd/system/first-boot-values.service");
    assert!(unit.contains("\nConditionPathExists=|!/etc/bind/rndc.key\n"), "{unit}");
    assert!(
        shell
            .files
            .changes()
            .iter()
            .any(|change| change.to_string() == "remove /etc/iscsi/name  (thing postinst:2)")
    );
}

#[test]
fn a_value_of_a_machines_own_that_a_script_uses_otherwise_is_refused() {
    for script in [
        "iscsi-iname > /dev/null",
        "iscsi-iname | cut -c 1-8 > /etc/ssl/certs/short",
        "rndc-confgen -a; cp /etc/bind/rndc.key /etc/ssl/certs/copy",
        "rndc-confgen -a; echo more >> /etc/bind/rndc.key",
    ] {
        let memory = Memory::new(&BOOTS);
        let (ran, mut shell) = run(&memory, script);
        assert_eq!(ran.unwrap().1, 0, "{script}");
        let failure = crate::commands::own::finish(&mut shell.files, &shell.system).expect_err(script);
        assert!(matches!(failure.reason, Reason::Running(_)) && failure.origin.line == 1, "{failure}");
    }
    // and without systemd nobody would make it
    let memory = Memory::new(&[("/etc/bind/named.conf", "")]);
    let (ran, mut shell) = run(&memory, "rndc-confgen -a");
    assert_eq!(ran.unwrap().1, 0);
    assert!(crate::commands::own::finish(&mut shell.files, &shell.system).is_err());
}

#[test]
fn a_database_is_made_at_the_first_boot_by_its_own_program() {
    let files = [
        BOOTS[0],
        ("/etc/postgresql-common/createcluster.conf", "create_main_cluster = true\n"),
        ("/usr/bin/bash", "\u{7f}ELF"),
    ];
    let memory = Memory::new(&files);
    let script = "set -e\nLANG=C.UTF-8; export LANG\n[ -z \"$(pg_lsclusters -h)\" ]\n\
                  [ \"$(pg_conftool /etc/postgresql-common/createcluster.conf show -bs create_main_cluster)\" = on ]\n\
                  pg_createcluster -u postgres --no-status 17 main\nbash /usr/bin/mariadb-install-db --rpm --user=mysql\n\
                  java -version\necho +/etc/a.pem | java -jar /usr/share/ca-certificates-java/ca-certificates-java.jar -storepass x\n\
                  bash -c 'echo \"$0\"' one; printf 'abcdef' > /tmp/f; dd if=/tmp/f bs=2 skip=1 count=1 2>/dev/null; df --output=avail /tmp | tail -n 1";
    let (ran, mut shell) = run(&memory, script);
    assert_eq!(ran.unwrap(), ("one\ncd1073741824\n".to_owned(), 0));
    crate::commands::own::finish(&mut shell.files, &shell.system).unwrap();
    let made: String = (1..=3)
        .map(|n| at(&shell, &format!("/usr/lib/first-boot-values/first-boot-values/00{n}.sh")))
        .collect();
    assert_eq!(
        made,
        "umask 022\nif [ ! -e /etc/postgresql/17/main ]; then\nenv LANG=C.UTF-8 pg_createcluster -u postgres --no-status 17 main\n\
         /usr/share/postgresql-common/pg_updateaptconfig\nsystemctl --no-block start postgresql@17-main.service\nfi\n\
         umask 022\nif [ ! -e /var/lib/mysql/mysql ]; then\nTMPDIR= mariadb-install-db --rpm --user=mysql\nfi\n\
         umask 022\nif [ ! -e /etc/ssl/certs/java/cacerts ]; then\n\
         java -jar /usr/share/ca-certificates-java/ca-certificates-java.jar -storepass x <<'END'\n+/etc/a.pem\nEND\nfi\n"
    );
    assert!(
        at(&shell, "/usr/lib/systemd/system/first-boot-values.service")
            .contains("ConditionPathExists=|!/var/lib/mysql/mysql\n")
    );
}

#[test]
fn what_depends_on_the_machines_name_and_indexes_are_made_late_in_the_first_boot() {
    let memory =
        Memory::new(&[BOOTS[0], ("/etc/x", ""), ("/usr/sbin/update-dictcommon-aspell", "#!/usr/bin/perl\n")]);
    let script = "set -e\nname=$(hostname --fqdn)\n[ \"$name\" = \"$(hostname -f)\" ]\necho \"$name\" > /etc/mailname\nhostname > /dev/null\n\
                  update-dictcommon-aspell\nupdate-dictcommon-aspell";
    let (ran, mut shell) = run(&memory, script);
    assert_eq!(ran.unwrap().1, 0);
    crate::commands::own::finish(&mut shell.files, &shell.system).unwrap();
    assert_eq!(at(&shell, "/etc/mailname"), "nothing");
    let folder = "/usr/lib/first-boot-values/first-boot-indexes";
    assert!(at(&shell, &format!("{folder}/001.sh")).contains("value=$(hostname -f || hostname)\n"));
    assert!(at(&shell, &format!("{folder}/002.sh")).ends_with("\nupdate-dictcommon-aspell\n"));
    assert_eq!(at(&shell, &format!("{folder}/003.sh")), "nothing");
    assert_eq!(
        at(&shell, "/etc/systemd/system/multi-user.target.wants/first-boot-indexes.service"),
        "-> /usr/lib/systemd/system/first-boot-indexes.service"
    );
    assert_eq!(at(&shell, "/usr/lib/systemd/system/first-boot-values.service"), "nothing");
}

#[test]
fn gzip_packs_and_unpacks_and_cp_makes_trees_of_links() {
    check(&[(
        &[("/srv/el/a.el", "a"), ("/srv/el/b/c.el", "c")],
        "cd /tmp; printf text > log; gzip -9f log; [ ! -e log ] && zcat log.gz; gzip -dc < log.gz; gunzip log.gz; cp -rsf /srv/el/* .",
        &[
            ("stdout", "texttext"),
            ("/tmp/log", "text"),
            ("/tmp/log.gz", "nothing"),
            ("/tmp/a.el", "-> /srv/el/a.el"),
            ("/tmp/b/c.el", "-> /srv/el/b/c.el"),
        ],
    )]);
}

#[test]
fn a_loop_over_keys_is_followed_where_no_order_of_them_can_be_seen() {
    const LINES: &str = "b=1\nz\n";
    check(&[(
        &[("/tmp/in", LINES)],
        "awk 'BEGIN { split(\"a b c\", d) } { w = 0; for (i in d) { r = \"^\" d[i] \"=\"; if ($0 ~ r && ! w) { print \"set \" d[i]; w = 1; break } } if (! w) print }' /tmp/in",
        &[("stdout", "set b\nz\n")],
    )]);
    // the same where the last pattern is looked at afterwards
    let memory = Memory::new(&[("/tmp/in", LINES)]);
    let script = "awk 'BEGIN { split(\"a b\", d) } { for (i in d) { r = d[i] } print r }' /tmp/in";
    let failure = run(&memory, script).0.unwrap_err();
    assert!(failure.reason.to_string().contains("the order of `for (… in …)`"), "{failure}");
}

#[test]
fn a_function_may_be_written_as_bash_has_it() {
    check(&[(
        &[],
        "function set_it() {\n  echo \"set $1\"\n}\nset_it a\nfunction none 2>/dev/null || echo no",
        &[("stdout", "set a\nno\n")],
    )]);
}

#[test]
fn getopt_takes_its_letters_from_where_they_stand() {
    check(&[(
        &[],
        "getopt -n x -l check,output: -- +o:d:vh --check -v a -h; getopt ab: -a -b 1 c; getopt -a -o t: -l three-way,debug:: -- -three-way -debug=1 -t x\n\
         getopt -o a: -a 1 b",
        &[(
            "stdout",
            " --check -v -- 'a' '-h'\n -a -b 1 -- c\n --three-way --debug '1' -t 'x' --\n -- '1' 'b'\n",
        )],
    )]);
}

#[test]
fn a_program_that_only_checks_a_configuration_changes_nothing_and_nothing_else_of_it_is_known() {
    check(&[(
        &[],
        "exim4 -C /tmp/x -bV > /dev/null && visudo -cf /etc/sudoers && named-checkconf && echo good",
        &[("stdout", "good\n")],
    )]);
    for script in ["exim4 -bd", "visudo", "smartctl -a /dev/sda"] {
        assert!(run(&Memory::new(&[]), script).0.is_err(), "{script}");
    }
}
