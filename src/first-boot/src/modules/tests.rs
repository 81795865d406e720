use super::accounts::{groups, is_name, users};
use super::{files, scripts};
use crate::yaml;
use serde_json::{Map, Value, json};

fn config(text: &str) -> Map<String, Value> {
    yaml::parse(text).unwrap().as_object().cloned().unwrap_or_default()
}

#[test]
fn users_come_in_all_forms_that_cloud_init_takes() {
    for (text, expected) in [
        ("{}", vec![("debian", true)]),
        ("users: [default, a, {name: b}]", vec![("a", false), ("b", false), ("debian", true)]),
        ("user: me\nusers: [b]", vec![("b", false), ("me", true)]),
        ("users: [a, {}, [c, a]]", vec![("a", false), ("c", false), ("debian", true)]),
        ("users: [{name: debian, uid: 7}, default]", vec![("debian", true)]),
        ("user: me", vec![("me", true)]),
        ("user: {name: me}\nusers: [default]", vec![("me", true)]),
        ("users: [{name: b}]", vec![("b", false)]),
        ("users: []", vec![]),
        ("users: a, b", vec![("a", false), ("b", false)]),
        ("users: {a: {uid: 5}, b: false}", vec![("a", false)]),
    ] {
        let mut faults = Vec::new();
        let found = users(&config(text), &mut faults);
        let found: Vec<(&str, bool)> =
            found.iter().map(|user| (user.name.as_str(), user.is_default)).collect();
        assert_eq!((found, faults), (expected, vec![]), "{text}");
    }
}

#[test]
fn what_cannot_be_an_account_is_an_error() {
    for text in [
        "users: 5",
        "users: [5]",
        "users: [{name: \"a b\"}]",
        "users: [{name: \"a:b\"}]",
        "users: [{name: -a}]",
        "users: [{name: a, gecos: \"x:y\"}]",
        "users: [{name: a, hashed_passwd: \"x\\ny\"}]",
        "users: [{name: a, sudo: \"ALL\\nroot ALL\"}]",
        "users: [{name: a, groups: \"x y\"}]",
        "users: [{name: a, snapuser: x}]",
    ] {
        let mut faults = Vec::new();
        let _ = users(&config(text), &mut faults);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
    }
    assert!(is_name("a.b-c_d$") && !is_name("") && !is_name(&"a".repeat(33)));
    let mut faults = Vec::new();
    let found = groups(&config("groups: [a, {b: [c, d]}, {e: f}]"), &mut faults);
    assert_eq!(found.iter().map(|group| group.members.len()).collect::<Vec<_>>(), [0, 2, 1]);
    let _ = groups(&config("groups: ['a b']"), &mut faults);
    assert_eq!(faults.len(), 1);
}

#[test]
fn content_is_decoded_by_its_encoding() {
    for (content, encoding, expected) in [
        ("a", None, Some(&b"a"[..])),
        ("YQ==", Some("b64"), Some(b"a")),
        ("YQ==", Some("Base64"), Some(b"a")),
        ("H4sIAAAAAAAAA0sEAEO+t+gBAAAA", Some("gz+b64"), Some(b"a")),
        ("a", Some("rot13"), None),
        ("*", Some("b64"), None),
        ("YQ==", Some("gz+b64"), None),
    ] {
        let decoded = files::decoded(content.as_bytes(), encoding).ok();
        assert_eq!(decoded.as_deref(), expected, "{content} {encoding:?}");
    }
}

#[test]
fn commands_become_lines_of_a_script() {
    assert_eq!(
        scripts::shell(&[json!("a; b"), json!(["c", 1, "d'e"]), Value::Null]),
        Ok("#!/bin/sh\na; b\n'c' '1' 'd'\\''e'\n".to_owned())
    );
    assert!(scripts::shell(&[json!({"a": 1})]).is_err());
    assert!(scripts::shell(&[json!([["a"]])]).is_err());
}
