//! What Debian's programs leave behind, and what is refused, as cases.

mod first_boot;
mod system;

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
