use super::{line, read};

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
    for (text, wanted) in cases {
        assert_eq!(values(text), Some(vec![("A".to_owned(), wanted.to_owned())]), "{text:?}");
    }
}

#[test]
fn f01_what_a_shell_would_execute_is_refused() {
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
fn f03_bytes_and_keys_without_a_safe_spelling_are_refused_with_their_line() {
    for (bytes, wanted) in [
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
        assert_eq!(faults[0].line, wanted, "{bytes:?}");
    }
}

#[test]
fn f04_sizes_are_limited() {
    assert!(read(&vec![b'\n'; super::FILE_LIMIT + 1]).is_err());
    assert!(read("A=1\n".repeat(5000).as_bytes()).is_err());
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
    let faults = read(b"1A=2\nB=$x\nC=ok\nD=a b\n").err().expect("refused");
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 2, 4]);
}

#[test]
fn f02_what_is_written_is_read_back() {
    for value in ["", "a", "it's", "'", "\"\\$`", "'\"\\$`", " #~ ", "ü\n\t", "\\", "'\\"] {
        let text = line("K", value).expect("writable");
        assert_eq!(values(&text), Some(vec![("K".to_owned(), value.to_owned())]), "{text:?}");
    }
    for unsafe_one in ["a\rb", "a\0b", "\u{1b}", "\u{7f}", "\u{fdd0}", "\u{fdef}", "\u{ffff}", "\u{1fffe}"] {
        assert!(line("K", unsafe_one).is_none(), "{unsafe_one:?}");
    }
    assert!(line("K", "\u{fdcf}\u{fdf0}\u{fffd}\u{85}").is_some());
}
