use super::{BODY, CONTROL, KEY, PRIVATE, SEVERAL, check};

/// Keys made for these tests; nobody has their private halves.
pub(crate) const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINBW2ws2K5iEtpQujZzelLm+5s/upGstzzlP3z7jext1";
pub(crate) const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAYjZZArOnLox9qEvdTr6eq4adG1ZoineHfAu/mrAUFWkk5axu74V4Fh8neN1QLdzlH7OUDmLEuO0vbp9n+q+Uk=";
const P384: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBHaxmVSyR5otOdQ+wOmGLhje7AoxY5BqvVQdByFsbVNNjqw5d1hzBC3hjY6cvDmKtKVUL/Gn2huC31Gxxpxu1R+l9hRmO27qFvwycGlipvBzeMKxD7zv6xsHzhEW9EFmMQ==";
const P521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAGebe+Ie/5jJB+oVCNHMk3Ojzeh2GzLrH1oL53+C73JgjlLA9b1siSLAusq6devSswmMdu53HKUvb2mNJ21n4znjAHEmtadWl23TC1jWHjBj1XcB5B637z0kBLc8l/5gbnm+0AT++1zNS43v64USnoTSWum3RRVlTS60S0KMjWpAPVAUw==";
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCch6imokoThAoul+nYsGSSlDTNIyDh48Hopuhnjqce81or96WZA6K2Jon49y5mynHmEovmjdqEo4GAeDZquLM5ttVG4o4E5NFiRN0+b5eQugvHepBa81p6rrl7WRjktvgg7Z7I2yGw3UFDR+DTT/5bOWZtXeAsd8+DU2bVNYSVNw==";
const SECURITY: &str = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fAAAABHNzaDo=";
const KEYS: [&str; 6] = [ED25519, P256, P384, P521, RSA, SECURITY];

#[test]
fn keys_of_every_type_are_taken_with_options_and_comments() {
    for key in KEYS {
        for line in [
            key.to_owned(),
            format!("{key} me@example.com, at CORP\\nick's desk"),
            format!("\t{key}  "),
            format!("{}\tü", key.replace(' ', " \t")),
            format!("no-pty,from=\"10.0.0.0/8,!10.1.0.1\",command=\"echo \\\"a b\\\"\" {key} c"),
            format!("# only a comment\n\n{key}\n   # {key}"),
        ] {
            assert_eq!(check(&line), Ok(()), "{line}");
        }
    }
}

#[test]
fn what_is_no_key_is_refused_by_line_and_rule() {
    let body = |key: &str| key.split(' ').nth(1).expect("a body").to_owned();
    let cut = &ED25519[..ED25519.len() - 4];
    for (value, line, rule) in [
        ("[\"ssh-ed25519 AAAA a\"]".to_owned(), 1, KEY),
        (format!("[\"{ED25519}\"]"), 1, KEY),
        ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), 1, PRIVATE),
        (format!("{ED25519}\n# -----BEGIN RSA PRIVATE KEY-----"), 2, PRIVATE),
        (format!("{ED25519} a@b\\n{P256} c"), 1, SEVERAL),
        (format!("{ED25519}\\n{P256} c"), 1, SEVERAL),
        (format!("{ED25519} a@b {RSA}"), 1, SEVERAL),
        (format!("{ED25519} a@b,{SECURITY}"), 1, SEVERAL),
        (format!("{ED25519}\n\n{cut}"), 3, BODY),
        (format!("{P256}AAAA"), 1, BODY),
        (format!("ssh-rsa {}", body(ED25519)), 1, BODY),
        (format!("ecdsa-sha2-nistp384 {}", body(P256)), 1, BODY),
        ("ssh-ed25519".to_owned(), 1, BODY),
        ("ssh-ed25519 AAAA me".to_owned(), 1, BODY),
        (body(ED25519), 1, KEY),
        ("ssh-dss AAAAB3NzaC1kc3M= old".to_owned(), 1, KEY),
        ("https://example.com/me.keys".to_owned(), 1, KEY),
        (format!("\u{feff}{ED25519}"), 1, KEY),
        (format!("\u{a0}{ED25519}"), 1, KEY),
        (ED25519.replace(' ', "\u{a0}"), 1, KEY),
        (format!("command=\"echo {ED25519}"), 1, KEY),
        (format!("no pty {ED25519}"), 1, KEY),
        (format!("{ED25519} \u{1b}[2J"), 1, CONTROL),
        (format!("{ED25519}\r"), 1, CONTROL),
    ] {
        let wrong = check(&value).expect_err(&value);
        assert_eq!((wrong.line, wrong.rule), (line, rule), "{value}");
        assert!(!wrong.rule.contains(&value) && !wrong.hint.is_empty());
    }
}

#[test]
fn numbers_of_rsa_have_a_size_that_sshd_takes() {
    let part = |bytes: &[u8]| [&u32::try_from(bytes.len()).expect("short").to_be_bytes()[..], bytes].concat();
    let key = |exponent: &[u8], modulus: &[u8]| [part(b"ssh-rsa"), part(exponent), part(modulus)].concat();
    let kind = super::Kind::Rsa;
    let modulus = |bytes: usize| [vec![0, 0x80], vec![1; bytes - 1]].concat();
    assert!(kind.is_key(&key(&[3], &modulus(128))).is_some());
    assert!(kind.is_key(&key(&[3], &modulus(2048))).is_some());
    assert!(kind.is_key(&key(&[3], &modulus(2049))).is_none());
    assert!(kind.is_key(&key(&[3], &[vec![0, 0x7f], vec![1; 127]].concat())).is_none());
    assert!(kind.is_key(&key(&[3], &[0x80; 256])).is_none(), "a negative number");
    assert!(kind.is_key(&key(&[0], &modulus(128))).is_none());
}
