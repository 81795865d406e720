use super::*;
use tree::release::OS;

/// A manifest with `dependencies` and everything else right.
fn with(dependencies: &str) -> String {
    format!(
        r#"{{"vmconfig": {{"version": "dev", "kind": "knd", "os": {{"name": "{OS}", "arch": "amd64"}},
"dependencies": {{{dependencies}}}, "images": []}}}}"#
    )
}

/// One dependency with `replace` done to its text.
fn entry(name: &str, replace: (&str, &str)) -> String {
    let body = format!(
        r#"{{"version": "1.0", "url": "https://example.org/a/{name}.tgz", "type": "tar.gz", "digest": "sha256:{}", "size": 10}}"#,
        "ab".repeat(32)
    );
    format!(r#""{name}": {}"#, body.replace(replace.0, replace.1))
}

fn refusal(text: &str) -> String {
    let refusal = parse("knd.json", text.as_bytes()).unwrap_err();
    assert_eq!(refusal.class.exit_code(), 2);
    refusal.to_string()
}

#[test]
fn a_manifest_is_written_as_it_was_read() {
    let text = with(
        &[entry("runc", ("", "")), entry("zot", ("\"size\"", "\"providers\": [\"aws\"], \"size\""))]
            .join(","),
    );
    let manifest = parse("knd.json", text.as_bytes()).unwrap();
    assert_eq!(parse("again", print(&manifest).as_bytes()).unwrap(), manifest);
}

/// A manifest as `podplane deps download` writes it again: it says what is cached, and leaves empty what it lacks.
const WRITTEN_AGAIN: &str = r#"{"vmconfig": {"version": "1", "kind": "knd",
"os": {"name": "OS", "arch": "amd64",
  "image": {"version": "20260512-2476", "url": "https://example.org/a.qcow2", "type": "qcow2", "digest": "sha256:DIGEST", "size": 1, "cached": true},
  "boot": {"cmdline": "", "kernel": {"partition": 0, "path": "", "digest": ""}, "initrd": {"partition": 0, "path": "", "digest": ""}}},
"dependencies": {"runc": {"version": "1.0", "url": "https://example.org/a/runc", "type": "binary", "digest": "sha256:DIGEST", "size": 10, "cached": true}},
"images": [{"image": "registry.k8s.io/pause:3.10.2", "digest": "sha256:DIGEST", "size": 3, "cached": true}]}}"#;

fn written_again(replace: (&str, &str)) -> String {
    WRITTEN_AGAIN
        .replace("\"OS\"", &format!("\"{OS}\""))
        .replace("DIGEST", &"ab".repeat(32))
        .replace(replace.0, replace.1)
}

#[test]
fn a_manifest_is_read_as_it_is_published_and_as_the_cli_writes_it_again() {
    let manifest = parse("knd.json", written_again(("", "")).as_bytes()).unwrap();
    assert_eq!((manifest.components.len(), manifest.images.len(), &manifest.boot), (1, 1, &None));
    assert_eq!(manifest.stock.as_ref().unwrap().version, "20260512-2476");
    // what is cached on some machine says nothing of the files, and is not kept
    let text = print(&manifest);
    assert!(!text.contains("cached"), "{text}");
    assert_eq!(parse("again", text.as_bytes()).unwrap(), manifest);
    let without = written_again((", \"cached\": true", ""));
    assert_eq!(parse("knd.json", without.as_bytes()).unwrap(), manifest);
    for nothing in ["", ", \"images\": null"] {
        let text = with("").replace(", \"images\": []", nothing);
        assert!(parse("knd.json", text.as_bytes()).unwrap().images.is_empty());
    }
}

#[test]
fn boot_counts_only_when_it_is_whole() {
    let file = |path: &str| {
        format!(r#"{{"partition": 1, "path": "{path}", "digest": "sha256:{}"}}"#, "cd".repeat(32))
    };
    let whole = format!(r#""boot": {{"cmdline": "ro", "kernel": {}, "initrd": {}}}"#, file("/k"), file("/i"));
    let boot = |boot: &str| {
        let text = with("").replace("\"arch\": \"amd64\"", &format!("\"arch\": \"amd64\", {boot}"));
        parse("knd.json", text.as_bytes()).map(|manifest| manifest.boot).map_err(|error| error.to_string())
    };
    assert_eq!(boot(&whole).unwrap().unwrap().initrd.path, "/i");
    for (from, to) in [("\"ro\"", "\"\""), ("\"partition\": 1", "\"partition\": 0"), ("/k", "")] {
        let text = whole.replacen(from, to, 1);
        assert_eq!(boot(&text), Ok(None), "{text}");
    }
    assert_eq!(boot(&whole.replace(&format!("sha256:{}", "cd".repeat(32)), "")), Ok(None));
    let wrong = boot(&whole.replacen("sha256:cd", "sha256:", 1)).unwrap_err();
    assert!(wrong.contains("os.boot: `/k`: digest must be"), "{wrong}");
}

#[test]
fn stock_image_and_container_images_are_checked() {
    for (from, to, said) in [
        ("\"type\": \"qcow2\"", "\"type\": \"deb\"", "os.image: expected type `qcow2`"),
        ("https://example.org/a.qcow2", "http://example.org/a.qcow2", "expected scheme `https`"),
        ("\"size\": 1,", "\"size\": 0,", "expected a size of 1 to"),
        ("\"size\": 3", "\"size\": 0", "image `registry.k8s.io/pause:3.10.2`: expected a size of 1 to"),
        ("registry.k8s.io/pause:3.10.2", "a b", "is not a valid container image name"),
        ("\"cached\": true", "\"cached\": 1", "expected a boolean"),
    ] {
        let message = refusal(&written_again((from, to)));
        assert!(message.contains(said) && message.contains("line "), "{message}");
    }
}

#[test]
fn an_unreleased_entry_is_declared_but_not_pinned() {
    let stub = r#""vmconfig": {"version": "dev", "url": "", "type": "tar.gz", "digest": "", "size": 0}"#;
    let manifest = parse("knd.json", with(stub).as_bytes()).unwrap();
    assert!(matches!(manifest.components.values().next().unwrap(), Entry::Unpinned { .. }));
}

#[test]
fn a_digest_without_algorithm_or_length_is_refused() {
    let good = format!("sha256:{}", "ab".repeat(32));
    for bad in ["", &good[7..], &good[..70], "md5:d41d8cd98f00b204e9800998ecf8427e", "sha1:00"] {
        let message = refusal(&with(&entry("runc", (&good, bad))));
        assert!(message.contains("`runc`: digest must be sha256:64 hex or sha512:128 hex"), "{message}");
        assert!(message.contains("line 2 column"), "{message}");
    }
}

#[test]
fn a_name_that_is_no_name_is_refused_and_shown_escaped() {
    for bad in ["../x", "a/b", "", "a\\u0000b", "a\\nb", "\\u001b[2J"] {
        let message = refusal(&with(&entry("runc", ("", "")).replacen("runc", bad, 1)));
        assert!(message.contains("is no name"), "{message}");
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}

#[test]
fn a_key_given_twice_or_unknown_is_refused() {
    let twice = [entry("runc", ("", "")), entry("runc", ("", ""))].join(",");
    assert!(refusal(&with(&twice)).contains("`runc`: duplicate key"));
    assert!(
        refusal(&with(&entry("runc", ("\"size\"", "\"size\": 1, \"size\""))))
            .contains("duplicate key `size`")
    );
    assert!(
        refusal(&with(&entry("runc", ("\"size\"", "\"colour\": 1, \"size\""))))
            .contains("unknown field `colour`")
    );
    assert!(refusal(&with(&entry("runc", ("tar.gz\",", "rpm\",")))).contains("unknown variant `rpm`"));
    assert!(refusal(&with(&entry("runc", (", \"size\": 10", "")))).contains("missing field `size`"));
}

#[test]
fn one_of_twenty_without_a_digest_refuses_all() {
    let good = format!("sha256:{}", "ab".repeat(32));
    let mut entries: Vec<String> = (0..19).map(|n| entry(&format!("part{n}"), ("", ""))).collect();
    entries.push(entry("last", (&good, "")));
    assert!(refusal(&with(&entries.join(","))).contains("`last`: digest must be"));
}

#[test]
fn only_urls_that_name_a_host_and_no_password_are_taken() {
    let cases = [
        (
            "https://example.org/a",
            "ftp://example.org/a",
            "unknown scheme `ftp`; expected one of `https`, `http`, `file`",
        ),
        (
            "https://example.org/a",
            "https://u:s3cret@example.org/a",
            "must not contain a user name or password",
        ),
        ("https://example.org/a", "https://169.254.169.254/a", "expected a host name"),
        ("https://example.org/a", "https://[::1]/a", "expected a host name"),
        ("runc.tgz", "", "expected a file name as its last part"),
        ("runc.tgz", "runc.tgz?x=1", "a query"),
    ];
    for (from, to, expected) in cases {
        let message = refusal(&with(&entry("runc", (from, to))));
        assert!(message.contains(expected), "{to}: {message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    assert!(refusal(&with(&entry("runc", ("1.0", &"1".repeat(MOST_BYTES))))).contains("expected at most"));
    let many: Vec<String> = (0..1025).map(|n| entry(&format!("p{n}"), ("", ""))).collect();
    assert!(refusal(&with(&many.join(","))).contains("more than 1024 dependencies"));
    assert!(refusal(&"[".repeat(10_000)).contains("line 1"));
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(!refusal(&with(&format!(r#""runc": {deep}"#))).is_empty());
}

#[test]
fn a_size_of_nothing_is_refused() {
    assert!(
        refusal(&with(&entry("runc", ("\"size\": 10", "\"size\": 0"))))
            .contains("`runc`: expected a size of 1 to")
    );
}
