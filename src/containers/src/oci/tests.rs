//! Documents that are read, and those that are not.

use super::*;

const D: &str = "sha256:0101010101010101010101010101010101010101010101010101010101010101";

fn described(media_type: &str) -> String {
    format!(r#"{{"mediaType": "{media_type}", "digest": "{D}", "size": 7, "annotations": {{"a": "b"}}}}"#)
}

fn manifest(layers: &str) -> String {
    format!(r#"{{"schemaVersion": 2, "config": {}, "layers": [{layers}]}}"#, described(OCI_CONFIG))
}

fn platform(os: &str, architecture: &str, variant: &str) -> String {
    format!(
        r#"{{"mediaType": "{OCI_MANIFEST}", "digest": "{D}", "size": 7, "platform": {{"os": "{os}", "architecture": "{architecture}", "variant": "{variant}"}}}}"#
    )
}

fn index(entries: &[String]) -> String {
    format!(r#"{{"schemaVersion": 2, "manifests": [{}]}}"#, entries.join(", "))
}

#[test]
fn a_manifest_of_either_form_is_read() {
    for (manifest_type, config, layer) in
        [(OCI_MANIFEST, OCI_CONFIG, LAYERS[1]), (DOCKER_MANIFEST, DOCKER_CONFIG, LAYERS[4])]
    {
        let text = format!(
            r#"{{"schemaVersion": 2, "mediaType": "{manifest_type}", "config": {}, "layers": [{}], "x": 1}}"#,
            described(config),
            described(layer)
        );
        let Document::Manifest(read) = document(text.as_bytes()).unwrap() else { panic!("{text}") };
        assert_eq!((read.media_type, read.layers.len()), (manifest_type, 1));
        assert_eq!(
            read.config,
            Descriptor { media_type: config.to_owned(), digest: Sha256([1; 32]), size: 7 }
        );
    }
}

#[test]
fn a_document_that_is_ambiguous_or_no_image_is_rejected() {
    let layer = described(LAYERS[1]);
    let both = manifest(&layer).replace("\"layers\"", "\"manifests\": [], \"layers\"");
    let foreign = layer.replace("\"size\"", "\"urls\": [\"https://a.example/\"], \"size\"");
    let cases = [
        ("{}".to_owned(), "schemaVersion"),
        (r#"{"schemaVersion": 1, "manifests": []}"#.to_owned(), "schemaVersion"),
        (r#"{"schemaVersion": 2}"#.to_owned(), "neither"),
        (both, "ambiguous"),
        (
            manifest(&layer)
                .replace("\"schemaVersion\"", &format!("\"mediaType\": \"{OCI_INDEX}\", \"schemaVersion\"")),
            "the media type of a manifest",
        ),
        (manifest(&layer).replace("\"layers\"", "\"layers\": [], \"layers\""), "duplicate field"),
        (manifest(""), "no layer"),
        (manifest(&vec![layer.clone(); 129].join(", ")), "at most 128 layers"),
        (manifest(&foreign), "urls"),
        (manifest(&described("application/x")), "the media type of a layer"),
        (manifest(&layer).replace(OCI_CONFIG, "application/x"), "the media type of a configuration"),
        (manifest(&layer).replace("\"size\": 7", "\"size\": 99999999999"), "at most"),
        (manifest(&layer).replace("sha256:01", "sha256:0"), "digest"),
        (manifest(&layer).replace(D, &format!("sha512:{}", "0".repeat(128))), "sha256"),
        ("[".repeat(100_000), "not a valid"),
    ];
    for (text, said) in cases {
        let error = document(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}: expected {said}");
    }
    let huge = vec![b' '; MOST_DOCUMENT + 1];
    assert!(matches!(document(&huge), Err(OciError::Limit { .. })));
}

#[test]
fn a_manifest_that_is_made_is_read_again() {
    let part = |media_type: &str, size| Descriptor {
        media_type: media_type.to_owned(),
        digest: Sha256([3; 32]),
        size,
    };
    let (config, layers) = (part(OCI_CONFIG, 5), vec![part(OCI_LAYER, 6), part(OCI_LAYER, 7)]);
    let made = manifest_of(&config, &layers);
    assert_eq!(
        document(&made),
        Ok(Document::Manifest(Manifest { media_type: OCI_MANIFEST, config, layers }))
    );
}

#[test]
fn an_index_has_one_image_for_a_machine() {
    let of = |entries: &[String], arch| {
        let Document::Index(index) = document(index(entries).as_bytes()).unwrap() else { panic!() };
        index.manifest(arch).map(|found| (found.size, index.position(&found.digest)))
    };
    let all = [
        platform("unknown", "unknown", ""),
        platform("windows", "amd64", ""),
        platform("linux", "arm", "v7"),
        platform("linux", "amd64", ""),
        platform("linux", "amd64", "v3"),
        platform("linux", "arm64", "v8"),
    ];
    for arch in Arch::ALL {
        assert_eq!(of(&all, arch), Ok((7, Some(0))), "{arch}");
    }
    assert!(matches!(of(&all[..3], Arch::Amd64), Err(OciError::Platform { .. })));
    let twice = [all[3].clone(), all[3].clone()];
    assert!(matches!(of(&twice, Arch::Amd64), Err(OciError::Ambiguous(_))));
}

#[test]
fn a_configuration_is_for_the_machine_and_has_an_id_for_each_layer() {
    let config = |os: &str, arch: &str, ids: usize| {
        let ids = vec![format!("\"{D}\""); ids].join(", ");
        format!(
            r#"{{"os": "{os}", "architecture": "{arch}", "rootfs": {{"type": "layers", "diff_ids": [{ids}]}}}}"#
        )
    };
    let good = config("linux", "arm64", 2);
    assert_eq!(diff_ids(good.as_bytes(), Arch::Arm64, Some(2)), Ok(vec![Sha256([1; 32]); 2]));
    for (text, arch, layers) in [
        (good.as_str(), Arch::Amd64, 2),
        (&good, Arch::Arm64, 3),
        (&config("windows", "arm64", 2), Arch::Arm64, 2),
        (&good.replace("\"layers\"", "\"other\""), Arch::Arm64, 2),
        ("{}", Arch::Arm64, 0),
    ] {
        assert!(diff_ids(text.as_bytes(), arch, Some(layers)).is_err(), "{text}");
    }
}

#[test]
fn a_chain_id_is_of_a_layer_and_all_below_it() {
    let (a, b, c) = (Sha256::of(b"a"), Sha256::of(b"b"), Sha256::of(b"c"));
    let ab = Sha256::of(format!("{a} {b}").as_bytes());
    let abc = Sha256::of(format!("{ab} {c}").as_bytes());
    assert_eq!(chain_ids(&[a, b, c]), [a, ab, abc]);
}
