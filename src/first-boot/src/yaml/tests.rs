use super::parse;
use serde_json::json;

#[test]
fn scalars_mean_what_cloud_inits_reader_takes_them_for() {
    let text = "a: yes\nb: 'yes'\nc: 0644\nd: \"0644\"\ne: 0x1f\nf: 1:30\ng: ~\nh: 1.5\ni: 08\nj: 1_000\nk: -5\nl: off\nm: !!str 12\nn: 12e03\no: 2024-01-02";
    let expected = json!({"a": true, "b": "yes", "c": 420, "d": "0644", "e": 31, "f": 90, "g": null, "h": 1.5, "i": "08",
        "j": 1000, "k": -5, "l": false, "m": "12", "n": "12e03", "o": "2024-01-02"});
    assert_eq!(parse(text), Ok(expected));
}

#[test]
fn blocks_anchors_and_merge_keys_are_read() {
    let text = "base: &base {x: 1, y: 2}\nmine:\n  <<: *base\n  y: 3\nlist: [*base, b]\ntext: |\n  one\n  two\nfold: >-\n  one\n  two\n";
    let expected = json!({"base": {"x": 1, "y": 2}, "mine": {"x": 1, "y": 3}, "list": [{"x": 1, "y": 2}, "b"],
        "text": "one\ntwo\n", "fold": "one two"});
    assert_eq!(parse(text), Ok(expected));
}

#[test]
fn the_last_of_equal_keys_counts_and_windows_line_ends_are_line_ends() {
    assert_eq!(parse("a: 1\r\na: 2\r\n"), Ok(json!({"a": 2})));
    assert_eq!(parse("\u{feff}#cloud-config\r\nhostname: one\r\n"), Ok(json!({"hostname": "one"})));
}

#[test]
fn nothing_and_comments_are_null() {
    for text in ["", "# only this\n", "---\n"] {
        assert_eq!(parse(text), Ok(serde_json::Value::Null), "{text:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let value = parse("a: !!binary AP8=\nb: !!binary aGk=\nc: 5").unwrap();
    let bytes = |key: &str| super::bytes(&value[key]);
    assert_eq!(
        (bytes("a"), bytes("b"), bytes("c")),
        (Some(vec![0, 255]), Some(b"hi".to_vec()), Some(b"5".to_vec()))
    );
    assert_eq!(super::bytes(&json!({"x": 1})), None);
}

#[test]
fn bad_input_is_an_error_and_never_hangs() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let before = format!("*a{},", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let heavy = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a,".repeat(100_000));
    let anchors: String = (0..60).map(|at| format!("&n{at} [")).collect();
    let kept = format!("{anchors}{}{}", "x,".repeat(20_000), "]".repeat(60));
    let deep = "[".repeat(10_000);
    let cases = [
        "a: [1, 2",
        "a: 'x",
        "a: b: c",
        "a: *nobody",
        "? [a]\n: b",
        "a: !!python/object:os.system x",
        &bomb,
        &heavy,
        &kept,
        &deep,
    ];
    for text in cases {
        assert!(parse(text).is_err(), "{}", &text[..text.len().min(60)]);
    }
    assert!(parse(&"x".repeat(super::MOST_BYTES + 1)).is_err());
}
