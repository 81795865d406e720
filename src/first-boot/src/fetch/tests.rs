use super::*;
use crate::http::tests::{answer, service};
use std::time::Duration;

#[test]
fn amazons_service_is_asked_by_version_2_alone() {
    let mut answers = vec![answer(200, "TOKEN"), answer(200, "i-0abc")];
    answers.extend((0..6).map(|_| answer(404, "")));
    answers.push(answer(200, "ip-10-0-0-5.ec2.internal ip-10-0-0-5.example.test"));
    answers.extend((0..6).map(|_| answer(404, "")));
    for body in [
        "eu-central-1a",
        "eu-central-1",
        "0=mine",
        "ssh-ed25519 AAAA mine",
        "#!/bin/sh\n",
        "{\"accountId\": \"1\"}",
    ] {
        answers.push(answer(200, body));
    }
    let (mut service, thread) = service(answers);
    let instance = aws(&mut service).unwrap();
    assert_eq!(
        (instance.id.as_str(), instance.zone.as_deref(), instance.region.as_deref()),
        ("i-0abc", Some("eu-central-1a"), Some("eu-central-1"))
    );
    assert_eq!(instance.hostname.as_deref(), Some("ip-10-0-0-5.ec2.internal"));
    assert_eq!(instance.public_keys, ["ssh-ed25519 AAAA mine"]);
    assert_eq!(instance.user_data, b"#!/bin/sh\n");
    let requests = thread.join().unwrap();
    assert!(requests[0].starts_with("PUT /latest/api/token ") && requests[0].contains("ttl-seconds: 21600"));
    assert!(requests[1..].iter().all(|request| request.contains("X-aws-ec2-metadata-token: TOKEN\r\n")));
}

#[test]
fn googles_service_says_all_at_once() {
    let all = json!({
        "instance": {"id": 1_234_567_890_123_456_789_u64, "hostname": "a.c.p.internal", "zone": "projects/1/zones/europe-west1-b",
            "attributes": {"user-data": "IyEvYmluL3NoCg==", "user-data-encoding": "base64",
                "ssh-keys": "debian:ssh-ed25519 AAAA1 a\nother:ssh-ed25519 AAAA2 b\ncloudinit:ssh-rsa AAAA3 google-ssh {\"userName\":\"x\",\"expireOn\":\"2018-06-11T10:23:45+0000\"}"}},
        "project": {"projectId": "p", "attributes": {"ssh-keys": "cloudinit:ssh-ed25519 AAAA4 c"}}});
    let (mut service, thread) = service(vec![answer(200, &all.to_string())]);
    let instance = google(&mut service).unwrap();
    assert_eq!(
        (instance.id.as_str(), instance.zone.as_deref(), instance.region.as_deref()),
        ("1234567890123456789", Some("europe-west1-b"), Some("europe-west1"))
    );
    assert_eq!(instance.public_keys, ["ssh-ed25519 AAAA1 a", "ssh-ed25519 AAAA4 c"]);
    assert_eq!(instance.user_data, b"#!/bin/sh\n");
    assert!(thread.join().unwrap()[0].contains("Metadata-Flavor: Google\r\n"));
}

#[test]
fn openstacks_service_and_seeds_over_http_are_read() {
    let (one, _thread) = service(vec![
        answer(404, ""),
        answer(200, "{\"uuid\": \"u\"}"),
        answer(200, "#!/bin/sh\n"),
        answer(404, ""),
        answer(404, ""),
    ]);
    let instance = openstack(&one).unwrap();
    assert_eq!((instance.id.as_str(), instance.user_data.len()), ("u", 10));
    let (one, thread) = service(vec![
        answer(200, "instance-id: s"),
        answer(200, "#cloud-config\n"),
        answer(404, ""),
        answer(404, ""),
    ]);
    let instance = from_seed(&one, "/a/", "http://x/a/", &Hints::default()).unwrap();
    assert_eq!(instance.id, "s");
    assert!(thread.join().unwrap()[0].starts_with("GET /a/meta-data "));
}

#[test]
fn metadata_that_lies_is_an_error() {
    for answers in [
        vec![answer(200, "")],
        vec![answer(200, "a\nb")],
        vec![answer(403, "")],
        vec![answer(200, "T"), answer(200, "../../etc")],
    ] {
        let (mut service, _thread) = service(answers);
        service.limits.total = Duration::from_millis(200);
        assert!(aws(&mut service).is_err());
    }
    for body in ["", "[]", "{\"instance\": {}}", "{\"instance\": {\"id\": \"..\"}}"] {
        let (mut service, _thread) = service(vec![answer(200, body)]);
        assert!(google(&mut service).is_err(), "{body}");
    }
    assert!(instance("Unknown").is_err());
    assert!(seed("https://a/", &Hints::default()).is_err());
}
