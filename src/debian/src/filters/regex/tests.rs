use super::super::Failure;
use super::{Error, Flavour, Regex, Syntax};

fn find(pattern: &str, syntax: Syntax, text: &str) -> Option<Vec<Option<String>>> {
    let regex = Regex::new(pattern.as_bytes(), syntax).expect("a pattern");
    let mut steps = 1_000_000;
    let found = regex.find(text.as_bytes(), 0, &mut steps).expect("within the limit")?;
    let group = |group| found.get(group).map(|range| text[range].to_owned());
    Some((0..=regex.groups()).map(group).collect())
}

/// The parts that matched, `-` for a group that did not.
fn shown(pattern: &str, extended: bool, text: &str) -> String {
    match find(pattern, Syntax::of(Flavour::Sed, extended), text) {
        Some(groups) => {
            let group = |group: &Option<String>| group.clone().unwrap_or_else(|| "-".to_owned());
            groups.iter().map(group).collect::<Vec<_>>().join("|")
        }
        None => "none".to_owned(),
    }
}

#[test]
fn the_longest_match_counts_and_within_it_the_first_way() {
    for (pattern, text, expected) in [
        ("(a|ab)(c|bcd)(d*)", "abcd", "abcd|a|bcd|"),
        ("(ab|a)(bcd|c)(d*)", "abcd", "abcd|ab|c|d"),
        ("(a|ab|abc|abcd)*(d|e)?", "abcde", "abcde|abcd|e"),
        ("(aa|a)*", "aaa", "aaa|a"),
        ("(a*)+", "aa", "aa|aa"),
        ("((a)|b)*", "ab", "ab|b|a"),
        ("(x*)(ab|a)(b?c)", "abc", "abc||ab|c"),
        ("a|ab|abc", "xabcd", "abc"),
        ("b*", "abc", ""),
        ("(a|ab|aba)\\1", "ababa", "abab|ab"),
        ("(.*)\\1", "abab", "abab|ab"),
        ("a{2,3}", "aaaa", "aaa"),
        ("x{0}y", "xy", "y"),
        ("[[:digit:]]+\\.[0-9]*", "v 12.5", "12.5"),
        ("\\<b\\w*\\>", "ab bc", "bc"),
        ("^$", "", ""),
        ("a$", "ba", "a"),
        ("[]a]+", "x]a]", "]a]"),
        ("[^]a]+", "]xy", "xy"),
        ("a\\.b", "axb a.b", "a.b"),
        ("()", "a", "|"),
        ("no", "x", "none"),
    ] {
        assert_eq!(shown(pattern, true, text), expected, "{pattern} in {text}");
    }
}

#[test]
fn basic_expressions_have_their_operators_behind_backslashes() {
    for (pattern, text, expected) in [
        ("\\(a\\|b\\)*c", "abc", "abc|b"),
        ("a\\+b\\?", "aab", "aab"),
        ("*a", "*a", "*a"),
        ("^*a", "*a", "*a"),
        ("a^b$c", "a^b$c", "a^b$c"),
        ("a+?|{}()", "a+?|{}()", "a+?|{}()"),
        ("a\\{2\\}", "aaa", "aa"),
        ("\\(^a\\)", "a", "a|a"),
        ("a[\\n]b", "a\nb", "a\nb"),
        ("\\(.\\)\\(.\\)\\2\\1", "xabbay", "abba|a|b"),
    ] {
        assert_eq!(shown(pattern, false, text), expected, "{pattern} in {text}");
    }
}

#[test]
fn wrong_patterns_are_said_to_be_wrong() {
    for (pattern, extended, expected) in [
        ("\\(a", false, "Unmatched ( or \\("),
        ("(a", true, "Unmatched ( or \\("),
        ("a)", true, "Unmatched ) or \\)"),
        ("[a", true, "Unmatched [, [^, [:, [., or [="),
        ("[b-a]", true, "Invalid range end"),
        ("[[:no:]]", true, "Invalid character class name"),
        ("[:space:]", true, "character class syntax is [[:space:]], not [:space:]"),
        ("\\1", true, "Invalid back reference"),
        ("*a", true, "Invalid preceding regular expression"),
        ("a{2,1}", true, "Invalid content of \\{\\}"),
        ("a{1", true, "Unmatched { or \\{"),
        ("a\\", true, "Trailing backslash"),
        ("a\\{1,2\\}*", false, "Invalid preceding regular expression"),
    ] {
        match Regex::new(pattern.as_bytes(), Syntax::of(Flavour::Sed, extended)) {
            Err(Error::Invalid(words)) => assert_eq!(words, expected, "{pattern}"),
            other => panic!("{pattern}: {other:?}"),
        }
    }
}

#[test]
fn bytes_that_are_no_text_match() {
    let regex = Regex::new(b"a.\xff", Syntax::of(Flavour::Sed, false)).expect("a pattern");
    let found = regex.span(b"\x80a\xfe\xff", 0, &mut 1000).expect("within the limit");
    assert_eq!(found, Some(1..4));
}

#[test]
fn patterns_that_explode_end_with_the_steps() {
    let text = "a".repeat(40);
    // without back-references the work is in proportion: these come to an end
    for pattern in ["(a*)*b", "(a|aa)+$b", "(a|a)*b", "((a*)*)*b", "(a?){30}a{30}b"] {
        let regex = Regex::new(pattern.as_bytes(), Syntax::of(Flavour::Sed, true)).expect("a pattern");
        assert_eq!(regex.find(text.as_bytes(), 0, &mut 100_000), Ok(None), "{pattern}");
    }
    // with them, they end by the limit
    let regex = Regex::new(b"(a*)(a*)(a*)(a*)(a*)\\5\\4\\3\\2\\1b", Syntax::of(Flavour::Sed, true))
        .expect("a pattern");
    let mut steps = 10_000;
    assert!(matches!(regex.find(text.as_bytes(), 0, &mut steps), Err(Failure::Limit(_))));
    assert_eq!(steps, 0);
}

#[test]
fn patterns_that_are_too_large_are_not_taken() {
    for pattern in
        ["((a{1000}){1000}){1000}".to_owned(), "(".repeat(100_000), "a*".to_owned() + &"*".repeat(100_000)]
    {
        let taken = Regex::new(pattern.as_bytes(), Syntax::of(Flavour::Grep, true));
        assert!(matches!(taken, Err(Error::Failure(Failure::Limit(_)))), "{pattern:.20}");
    }
}
