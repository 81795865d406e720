//! What programs change of a system: units, accounts, alternatives, dpkg, debconf, PAM, and what packages' own programs do.

use super::check;
use crate::testing::{Memory, at, run};

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
