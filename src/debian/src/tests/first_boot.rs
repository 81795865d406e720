//! What is each machine's own, and what is made late: at the first boot, and in no file of an image.

use super::{GROUP, PASSWD};
use crate::failure::Reason;
use crate::testing::{Memory, at, run};

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
