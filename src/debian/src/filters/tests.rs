use super::{Failure, Input, Output, find};
use std::collections::BTreeMap;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n_chrony:x:103:106:Chrony,,,:/var/lib/chrony:/usr/sbin/nologin\n";
const CONFIG: &str = "# settings\nLANG=\"C.UTF-8\"\nPort 22\n  Key = value\n\nPort 80\n";

fn run_within(words: &[&str], stdin: &str, mut steps: u64) -> Result<Output, Failure> {
    let args: Vec<Vec<u8>> = words[1..].iter().map(|word| word.as_bytes().to_vec()).collect();
    let files = BTreeMap::from([("passwd", PASSWD), ("config", CONFIG), ("empty", "")]);
    let mut read = |name: &[u8]| {
        let name = std::str::from_utf8(name).unwrap_or_default();
        files
            .get(name)
            .map(|data| data.as_bytes().to_vec())
            .ok_or_else(|| "No such file or directory".to_owned())
    };
    let env = [(b"HOME".to_vec(), b"/root".to_vec())];
    let mut input =
        Input { args: &args, stdin: stdin.as_bytes(), read: &mut read, env: &env, steps: &mut steps };
    find(words[0]).expect("a filter")(&mut input)
}

fn run(words: &[&str], stdin: &str) -> Output {
    run_within(words, stdin, 1_000_000).unwrap_or_else(|failure| panic!("{words:?}: {failure}"))
}

/// Each case: the words, standard input, what is printed, the status.
fn hold(cases: &[(&[&str], &str, &str, u8)]) {
    for (words, stdin, expected, status) in cases {
        let output = run(words, stdin);
        assert_eq!(String::from_utf8_lossy(&output.stdout), *expected, "{words:?}");
        assert_eq!(output.status, *status, "{words:?}");
    }
}

#[test]
fn simple_filters_do_what_scripts_ask_of_them() {
    hold(&[
        (
            &["cut", "-d:", "-f1,6", "passwd"],
            "",
            "root:/root\ndaemon:/usr/sbin\n_chrony:/var/lib/chrony\n",
            0,
        ),
        (&["cut", "-c2-3"], "abcd\nx\n", "bc\n\n", 0),
        (&["cut", "-d=", "-f2-"], "a=b=c\nplain\n", "b=c\nplain\n", 0),
        (&["cut", "-sd=", "-f2"], "a=b=c\nplain\n", "b\n", 0),
        (&["tr", "a-z", "A-Z"], "abc-1\n", "ABC-1\n", 0),
        (&["tr", "[:upper:]", "[:lower:]"], "AbC\n", "abc\n", 0),
        (&["tr", "-d", "\\n\""], "\"a\"\n", "a", 0),
        (&["tr", "-s", " \\t", "\\n"], "a  b\tc\n", "a\nb\nc\n", 0),
        (&["tr", "-cd", "0-9"], "a1b22\n", "122", 0),
        (&["head", "-n1", "passwd"], "", "root:x:0:0:root:/root:/bin/bash\n", 0),
        (&["head", "-2"], "a\nb\nc\n", "a\nb\n", 0),
        (&["tail", "-n", "+2"], "a\nb\nc\n", "b\nc\n", 0),
        (&["tail", "-1"], "a\nb\nc", "c", 0),
        (&["sort", "-t:", "-k3,3nr"], "a:x:2\nb:x:10\nc:x:1\n", "b:x:10\na:x:2\nc:x:1\n", 0),
        (&["sort", "-u"], "b\na\nb\n", "a\nb\n", 0),
        (&["sort", "-V"], "6.1.10\n6.1.9\n6.1.9~rc1\n", "6.1.9~rc1\n6.1.9\n6.1.10\n", 0),
        (&["uniq", "-c"], "a\na\nb\n", "      2 a\n      1 b\n", 0),
        (&["wc", "-l"], "a\nb\n", "2\n", 0),
        (&["wc", "-l", "config"], "", "6 config\n", 0),
        (&["basename", "/usr/lib/a.so", ".so"], "", "a\n", 0),
        (&["dirname", "/usr/lib//a.so"], "", "/usr/lib\n", 0),
        (&["seq", "2", "2", "6"], "", "2\n4\n6\n", 0),
        (&["seq", "-w", "9", "11"], "", "09\n10\n11\n", 0),
        (&["cmp", "-s", "passwd", "config"], "", "", 1),
        (&["cmp", "passwd", "passwd"], "", "", 0),
        (&["md5sum"], "a\n", "60b725f10c9c85c70d97880dfe8191b3  -\n", 0),
        (&["cksum"], "a\n", "2418082923 2\n", 0),
        (&["base64"], "a\n", "YQo=\n", 0),
        (&["tac"], "a\nb\n", "b\na\n", 0),
        (&["paste", "-sd,"], "a\nb\n", "a,b\n", 0),
        (&["printf", "%s=%03d\\n", "a", "7", "b", "10"], "", "a=007\nb=010\n", 0),
        (&["printenv", "HOME"], "", "/root\n", 0),
        (&["printenv", "MISSING"], "", "", 1),
    ]);
}

#[test]
fn expr_evaluates_and_its_status_tells_zero() {
    hold(&[
        (&["expr", "2", "+", "3", "*", "4"], "", "14\n", 0),
        (&["expr", "3", "-", "3"], "", "0\n", 1),
        (&["expr", "a/b.c", ":", ".*/\\(.*\\)"], "", "b.c\n", 0),
        (&["expr", "abc", ":", "[0-9]*$"], "", "0\n", 1),
        (&["expr", "10", ">", "9"], "", "1\n", 0),
        (&["expr", "", "|", "x"], "", "x\n", 0),
        (&["expr", "substr", "abcdef", "2", "3"], "", "bcd\n", 0),
        (&["expr", "x", "+", "1"], "", "", 2),
        (&["expr", "(", "1"], "", "", 2),
    ]);
}

#[test]
fn grep_selects_counts_and_tells() {
    hold(&[
        (&["grep", "^Port", "config"], "", "Port 22\nPort 80\n", 0),
        (&["grep", "-q", "nothing", "config"], "", "", 1),
        (&["grep", "-c", "Port", "config"], "", "2\n", 0),
        (&["grep", "-v", "-e", "^#", "-e", "^$"], "#\n\na\n", "a\n", 0),
        (&["grep", "-Eo", "[0-9]+", "config"], "", "8\n22\n80\n", 0),
        (&["grep", "-w", "bash", "passwd"], "", "root:x:0:0:root:/root:/bin/bash\n", 0),
        (&["grep", "-x", "a"], "a\nab\n", "a\n", 0),
        (&["grep", "-F", "a.b"], "axb\na.b\n", "a.b\n", 0),
        (&["grep", "-l", "root", "passwd", "config"], "", "passwd\n", 0),
        (&["grep", "-n", "-A1", "22", "config"], "", "3:Port 22\n4-  Key = value\n", 0),
        (&["grep", "-s", "x", "missing"], "", "", 2),
        (&["grep", "-i", "port", "config"], "", "Port 22\nPort 80\n", 0),
        (
            &["egrep", "^(root|daemon):", "passwd"],
            "",
            "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n",
            0,
        ),
    ]);
}

#[test]
fn sed_edits() {
    hold(&[
        (&["sed", "s/a/b/g"], "aXa\n", "bXb\n", 0),
        (&["sed", "-n", "s/^Port[[:space:]]*//p", "config"], "", "22\n80\n", 0),
        (
            &["sed", "-e", "/^#/d", "-e", "/^$/d", "config"],
            "",
            "LANG=\"C.UTF-8\"\nPort 22\n  Key = value\nPort 80\n",
            0,
        ),
        (&["sed", "-E", "s/(a+)(b*)/\\2\\1/"], "aab\n", "baa\n", 0),
        (&["sed", "2q"], "a\nb\nc\n", "a\nb\n", 0),
        (&["sed", "-n", "/b/,/d/{=;p}"], "a\nb\nc\nd\ne\n", "2\nb\n3\nc\n4\nd\n", 0),
        (&["sed", ":a;N;$!ba;s/\\n/,/g"], "a\nb\nc\n", "a,b,c\n", 0),
        (&["sed", "$!N;P;D"], "a\nb\n", "a\nb\n", 0),
        (&["sed", "1i\\\nfirst\n$a last"], "x\n", "first\nx\nlast\n", 0),
        (&["sed", "y/abc/xyz/;s/.*/\\U&/"], "abc\n", "XYZ\n", 0),
        (&["sed", "s|/usr/[^/]*|&!|"], "/usr/lib/x\n", "/usr/lib!/x\n", 0),
        (&["sed", "s/x*/-/g"], "abc\n", "-a-b-c-\n", 0),
        (&["sed", "0,/a/s//b/"], "a\na\n", "b\na\n", 0),
        (&["sed", "$d"], "a\nb", "a\n", 0),
        // to know the last line, it opens what follows
        (&["sed", "-n", "$F;F", "-", "empty"], "a\n", "empty\nempty\n", 0),
        (&["sed", "-n", "F", "-", "empty"], "a\n", "-\n", 0),
        (&["sed", "$q", "-", "missing"], "a\n", "a\n", 2),
        (&["sed", "1q", "-", "missing"], "a\n", "a\n", 0),
        (&["sed", "unknown"], "a\n", "", 1),
    ]);
    let output = run(&["sed", "-i.old", "s/22/2222/", "config"], "");
    assert_eq!(output.stdout, b"");
    assert_eq!(output.writes[0], (b"config.old".to_vec(), CONFIG.as_bytes().to_vec()));
    assert_eq!(output.writes[1], (b"config".to_vec(), CONFIG.replace("22", "2222").into_bytes()));
}

#[test]
fn awk_runs_programs() {
    hold(&[
        (&["awk", "-F:", "$3 >= 100 { print $1 }", "passwd"], "", "_chrony\n", 0),
        (&["awk", "{ print $2 }"], "a b\nc d e\n", "b\nd\n", 0),
        (
            &[
                "awk",
                "BEGIN { FS = \":\"; OFS = \"-\" } { $2 = \"*\"; print $1, $2; n++ } END { print n }",
                "passwd",
            ],
            "",
            "root-*\ndaemon-*\n_chrony-*\n3\n",
            0,
        ),
        (&["awk", "{ sum += $1 } END { print sum / NR }"], "1\n2\n4\n", "2.33333\n", 0),
        (&["awk", "!seen[$0]++"], "a\nb\na\n", "a\nb\n", 0),
        (&["awk", "{ gsub(/[aeiou]/, \"<&>\"); print }"], "hello\n", "h<e>ll<o>\n", 0),
        (
            &["awk", "function f(n) { return n < 2 ? 1 : n * f(n - 1) } BEGIN { print f(10) }"],
            "",
            "3628800\n",
            0,
        ),
        (&["awk", "BEGIN { printf \"%05.1f|%-4s|%x\\n\", 3.14159, \"ab\", 255 }"], "", "003.1|ab  |ff\n", 0),
        (&["awk", "-v", "x=a\\tb", "BEGIN { print x; print length(x) }"], "", "a\tb\n3\n", 0),
        (
            &[
                "awk",
                "BEGIN { while ((getline line < \"config\") > 0) n++; print n; print ENVIRON[\"HOME\"] }",
            ],
            "",
            "6\n/root\n",
            0,
        ),
        (
            &[
                "awk",
                "BEGIN { n = split(\"a:b:c\", p, \":\"); for (i = n; i > 0; i--) printf \"%s\", p[i]; print \"\" }",
            ],
            "",
            "cba\n",
            0,
        ),
        (&["awk", "{ print | \"sort\" }"], "b\na\n", "a\nb\n", 0),
        (&["awk", "BEGIN { exit 3 } END { print \"end\" }"], "", "end\n", 3),
        (&["awk", "{ for (k in a) n += a[k]; a[NR] = $1 } END { print n }"], "1\n2\n3\n", "4\n", 0),
        (&["awk", "$1 == \"Port\" { print; exit }", "config"], "", "Port 22\n", 0),
        (&["awk", "BEGIN{RS=\"\"}{print NR\":\"$1}"], "a b\nc\n\n\nd\n", "1:a\n2:d\n", 0),
        (&["awk", "/b/,/c/"], "a\nb\nx\nc\nd\n", "b\nx\nc\n", 0),
        (
            &["awk", "BEGIN { print 1e6, 0.1 + 0.2, 2147483648, 1 == 1.0, \"a\" < \"b\", -3 % 2 }"],
            "",
            "1000000 0.3 2147483648 1 1 -1\n",
            0,
        ),
    ]);
    let output = run(&["awk", "{ print $1 > \"out\"; print \"oops\" > \"/dev/stderr\" }"], "a b\n");
    assert_eq!(output.writes, [(b"out".to_vec(), b"a\n".to_vec())]);
    assert_eq!(output.stderr, b"oops\n");
}

#[test]
fn what_is_not_supported_is_named() {
    for (words, stdin, expected) in [
        (&["grep", "-P", "a"][..], "", "grep -P"),
        (&["grep", "-r", "a", "d"], "", "grep -r"),
        (&["cut", "--nonsense"], "", "cut --nonsense"),
        (&["sed", "s/a/b/e"], "a\n", "the flag e of sed's command s"),
        (&["sort", "-g"], "", "sort -g"),
        (&["diff", "passwd", "config"], "", "diff of files that differ: passwd and config"),
        (&["awk", "BEGIN { system(\"date\") }"], "", "system of awk: date"),
        (&["awk", "BEGIN { \"date\" | getline x }"], "", "getline from a command in awk"),
        (&["awk", "BEGIN { print rand() }"], "", "rand of awk: its value is another each time"),
        (&["awk", "{ a[$1] } END { for (k in a) print k }"], "x\ny\n", "the order of `for (… in …)` in awk"),
        (&["awk", "BEGIN { print 1 / 0 }"], "", "division by zero in awk"),
        (&["comm", "passwd", "passwd"], "", "comm of lines that are not sorted"),
    ] {
        match run_within(words, stdin, 1_000_000) {
            Err(Failure::Unsupported(found)) => assert_eq!(found, expected, "{words:?}"),
            other => panic!("{words:?}: {other:?}"),
        }
    }
}

#[test]
fn nothing_runs_forever() {
    for (words, stdin) in [
        (&["sed", ":a;ba"][..], "x\n"),
        (&["sed", ":a;s/^/x/;ta"], "x\n"),
        (&["awk", "BEGIN { while (1) n++ }"], ""),
        (&["awk", "BEGIN { for (;;) s = s \"xxxxxxxx\" }"], ""),
        (&["awk", "BEGIN { for (;;) print \"x\" }"], ""),
        (&["awk", "function f() { return f() } BEGIN { f() }"], ""),
        (&["awk", "BEGIN { for (;;) a[n++] = n }"], ""),
        (&["seq", "1", "100000000000"], ""),
        (
            &["grep", "-E", "(a*)(a*)(a*)(a*)\\4\\3\\2\\1b"],
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
        ),
        (&["printf", "%99999999999s", "x"], ""),
        (&["awk", "BEGIN { printf \"%999999999d\", 1 }"], ""),
    ] {
        let ended = run_within(words, stdin, 300_000);
        assert!(matches!(ended, Err(Failure::Limit(_))), "{words:?}: {ended:?}");
    }
}

#[test]
fn programs_that_are_nested_deeply_do_not_overflow_the_stack() {
    let deep = |open: &str, close: &str| open.repeat(50_000) + "1" + &close.repeat(50_000);
    for program in [
        format!("BEGIN {{ print {} }}", deep("(", ")")),
        format!("BEGIN {{ print {} }}", deep("- ", "")),
        format!("BEGIN {{ print {} }}", deep("!", "")),
        format!("BEGIN {{ print {} }}", deep("$", "")),
        format!("BEGIN {{ print {} }}", deep("1 ", "")),
        format!("BEGIN {{ print {} }}", deep("2^", "")),
        format!("BEGIN {}", "{".repeat(50_000)),
        format!("BEGIN {{ {} print }}", "if (1) ".repeat(50_000)),
    ] {
        let ended = run_within(&["awk", &program], "", 1_000_000);
        assert!(matches!(ended, Err(Failure::Limit(_))), "{program:.30}: {ended:?}");
    }
    let open: Vec<&str> = std::iter::once("expr").chain(std::iter::repeat_n("(", 50_000)).collect();
    assert!(matches!(run_within(&open, "", 1_000_000), Err(Failure::Limit(_))));
}
