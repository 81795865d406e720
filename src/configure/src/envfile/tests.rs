use super::{FILE_LIMIT, is_key, line, read};

fn values(text: &str) -> Option<Vec<(String, String)>> {
    Some(read(text.as_bytes()).ok()?.into_iter().map(|one| (one.key, one.value)).collect())
}

#[test]
fn what_shells_write_is_read_as_they_would() {
    let cases = [
        ("A='x y'", "x y"),
        ("A='it'\\''s'", "it's"),
        ("A='two\nlines\n'", "two\nlines\n"),
        ("A=\"dq \\\"z\\\" \\$x \\n\"", "dq \"z\" $x \\n"),
        ("A=plain # comment", "plain"),
        ("A=a#b", "a#b"),
        ("export A=b", "b"),
        ("  A=", ""),
        ("A=$'ansi\\tc\\n'", "ansi\tc\n"),
        ("A=a\\ b", "a b"),
        ("A='a'\"b\"c", "abc"),
        ("A=\"a\\\nb\"", "ab"),
    ];
    for (text, expected) in cases {
        assert_eq!(values(text), Some(vec![("A".to_owned(), expected.to_owned())]), "{text:?}");
    }
}

#[test]
fn what_a_shell_would_execute_is_refused() {
    for text in [
        "X=$(touch /pwned)",
        "X=`touch /pwned`",
        "X=a;b",
        "X=\"$(id)\"",
        "X=\"${NOPE}\"",
        "X=$HOME",
        "X=a|b",
        "X=a&",
        "X=~/a",
        "X=a b",
        "touch /pwned",
        "X+=a",
        "X[0]=a",
        "X=(a b)",
        "A=1 B=2",
    ] {
        assert!(values(text).is_none(), "{text:?}");
    }
}

#[test]
fn bytes_and_keys_without_a_safe_spelling_are_refused_with_their_line() {
    for (bytes, expected) in [
        (&b"A=1\nB=a\0b"[..], 2),
        (b"A=1\nB=2\r\n", 2),
        (b"A=\xff", 1),
        ("A=1\nB=\u{fdd0}".as_bytes(), 2),
        ("A=1\nB='\u{10ffff}'".as_bytes(), 2),
        (b"\xef\xbb\xbfA=1", 1),
        (b"A=1\n1A=2", 2),
        (b"A='unclosed\n\n", 1),
    ] {
        let faults = read(bytes).err().expect("refused");
        assert_eq!(faults[0].line, expected, "{bytes:?}");
    }
}

#[test]
fn sizes_are_limited() {
    assert!(read(&vec![b'\n'; super::FILE_LIMIT + 1]).is_err());
    assert!(read("A=1\n".repeat(5000).as_bytes()).is_err());
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
    let faults = read(b"1A=2\nB=$x\nC=ok\nD=a b\n").err().expect("refused");
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 2, 4]);
}

#[test]
fn what_is_written_is_read_back() {
    for value in ["", "a", "it's", "'", "\"\\$`", "'\"\\$`", " #~ ", "ü\n\t", "\\", "'\\"] {
        let text = line("K", value).expect("writable");
        assert_eq!(values(&text), Some(vec![("K".to_owned(), value.to_owned())]), "{text:?}");
    }
    for unsafe_one in ["a\rb", "a\0b", "\u{1b}", "\u{7f}", "\u{fdd0}", "\u{fdef}", "\u{ffff}", "\u{1fffe}"] {
        assert!(line("K", unsafe_one).is_none(), "{unsafe_one:?}");
    }
    assert!(line("K", "\u{fdcf}\u{fdf0}\u{fffd}\u{85}").is_some());
}

/// The first fault of bytes that must have one.
fn fault(bytes: &[u8]) -> super::Syntax {
    read(bytes).err().expect("refused").remove(0)
}

#[test]
fn what_is_just_within_the_limits_is_read() {
    assert_eq!(FILE_LIMIT, 65_536);
    let whole = format!("A=1\n#{}", "x".repeat(FILE_LIMIT - 5));
    assert_eq!((whole.len(), values(&whole).map(|all| all.len())), (FILE_LIMIT, Some(1)));
    assert!(fault(format!("{whole}x").as_bytes()).rule.contains("64 KiB"));
    let lines = |count: usize| format!("{}A=1", "\n".repeat(count - 1));
    assert_eq!(values(&lines(4096)).map(|all| all.len()), Some(1));
    let one_more = fault(lines(4097).as_bytes());
    assert!(one_more.line == 4097 && one_more.rule.contains("4096 lines"), "{one_more:?}");
    let key = |length: usize| format!("{}=1", "K".repeat(length));
    assert_eq!(values(&key(128)).map(|all| all.len()), Some(1));
    for length in [129, 130, 200] {
        let long = fault(key(length).as_bytes());
        assert!(long.key.is_none() && long.rule.contains("a key of letters"), "{long:?}");
    }
}

#[test]
fn a_key_is_a_name_that_a_shell_could_assign_to() {
    for good in ["A", "_", "a1", "A_B_2", &"K".repeat(128)] {
        assert!(is_key(good), "{good}");
    }
    for bad in ["", "1", "1A", "A-B", "A B", "A=", "\u{fc}", &"K".repeat(129)] {
        assert!(!is_key(bad), "{bad}");
    }
}

#[test]
fn export_is_a_word_before_a_key_and_a_key_of_its_own() {
    let one = |text: &str| values(text).map(|all| all.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
    assert_eq!(one("export=1"), Some(vec!["export".to_owned()]));
    assert_eq!(one("export \t A=1"), Some(vec!["A".to_owned()]));
    for (text, key) in [("A B=c", Some("A")), ("A", Some("A")), ("export 1A=2", None), ("A=b c", Some("A"))] {
        assert_eq!(fault(text.as_bytes()).key.as_deref(), key, "{text}");
    }
}

#[test]
fn a_tilde_counts_where_a_shell_would_expand_it() {
    for refused in ["X=~", "X=~/a", "X=a:~/b", "X=:~"] {
        assert!(values(refused).is_none(), "{refused}");
    }
    for (text, value) in [("X=a~", "a~"), ("X=a~:b", "a~:b"), ("X='~'", "~"), ("X=\\~", "~")] {
        assert_eq!(values(text), Some(vec![("X".to_owned(), value.to_owned())]), "{text}");
    }
}

#[test]
fn files_of_other_systems_are_refused_with_what_mends_them() {
    let hint = |bytes: &[u8]| fault(bytes).hint.unwrap_or_default();
    for utf16 in [&b"\xff\xfeA\0"[..], b"\xfe\xff\0A"] {
        assert!(hint(utf16).contains("UTF-16"), "{utf16:?}");
    }
    assert_eq!(hint(b"A=\xff"), "");
    assert!(hint(b"A=1\r\n").contains("dos2unix"));
    assert_eq!(hint(b"A=1\0"), "");
    assert!(hint(b"\xef\xbb\xbfA=1").contains("dos2unix"));
}

#[test]
fn lines_are_counted_also_within_values() {
    let read = read(b"\n# remark\nA='x\ny'\nB=\"\\\n\"\n\nC=1").expect("settings");
    let lines: Vec<(&str, u32)> = read.iter().map(|one| (one.key.as_str(), one.line)).collect();
    assert_eq!(lines, [("A", 3), ("B", 5), ("C", 8)]);
    // a quote that is never closed is the last that can be told
    let faults = super::read(b"1A=2\nB='x\nC=$y\n").err().expect("refused");
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 2]);
}
