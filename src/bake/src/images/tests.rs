//! Images of a project: directories with a layout, archives, and what is not right about them.

use super::*;
use crate::fetch::Silent;
use containers::oci::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use std::path::Path;

const MODE: u32 = 0o644;

/// A tar of these files; a text that begins with `-> ` is a symbolic link.
fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(MODE);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        match bytes.strip_prefix(b"-> ") {
            Some(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, path, std::str::from_utf8(target).unwrap()).unwrap();
            }
            None => {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, path, *bytes).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

fn config_of(layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", Sha256::of(layer))).collect();
    let ids = ids.join(",");
    format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{ids}]}}}}"#)
        .into_bytes()
}

fn part(media_type: &str, bytes: &[u8]) -> Descriptor {
    descriptor(media_type, Sha256::of(bytes), bytes.len() as u64)
}

fn planned(digest: Sha256, from: &str) -> PlannedImage {
    PlannedImage {
        format: 1,
        image: "a.example/x:1".parse().unwrap(),
        digest,
        manifest: None,
        from: Some(from.to_owned()),
        kind: None,
    }
}

/// What `image` of the project is, brought into `store`.
fn brought(store: &Store, project: &Path, image: &PlannedImage) -> Result<Resolved> {
    let path = image.from.as_ref().unwrap();
    archive::import(store, image, Arch::Amd64, project, path)?;
    known(store, image, Arch::Amd64).map(|known| known.unwrap())
}

#[test]
fn an_archive_without_a_manifest_gets_the_same_one_each_time_and_its_layers_are_those_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (low, high) = (tar_of(&[("a", b"a")]), tar_of(&[("b", b"b")]));
    let config = config_of(&[&low, &high, &low]);
    let list = br#"[{"Config": "c.json", "RepoTags": null, "Layers": ["1/layer.tar", "2/layer.tar", "3/layer.tar"]}]"#;
    // older engines link a layer that they have written already
    let files: [(&str, &[u8]); 5] = [
        ("1/layer.tar", &low),
        ("2/layer.tar", &high),
        ("3/layer.tar", b"-> ../1/layer.tar"),
        ("c.json", &config),
        ("manifest.json", list),
    ];
    std::fs::write(folder.path().join("x.tar"), tar_of(&files)).unwrap();
    let image = planned(Sha256::of(&config), "x.tar");
    let made: Vec<_> = ["one", "two"]
        .map(|store| {
            let store = Store::open(&folder.path().join(store)).unwrap();
            let resolved = brought(&store, folder.path(), &image).unwrap();
            let unpacked = unpack(&store, vec![resolved.clone()], Arch::Amd64, NonZeroUsize::MIN).unwrap();
            let paths = unpacked[0].layers.iter().map(|layer| layer.files[0].path.to_string());
            assert_eq!(paths.collect::<Vec<_>>(), ["/a", "/b", "/a"]);
            // the manifest is made, and is not fetched
            assert_eq!(resolved.requirements().len(), 4);
            resolved.made.unwrap()
        })
        .into();
    assert_eq!(made[0], made[1]);
    let layers = [&low, &high, &low].map(|layer| part(OCI_LAYER, layer));
    assert_eq!(made[0], oci::manifest_of(&part(OCI_CONFIG, &config), &layers));
}

#[test]
fn an_archive_whose_parts_are_others_or_missing_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let layer = tar_of(&[("a", b"a")]);
    let config = config_of(&[&layer]);
    let manifest = oci::manifest_of(&part(OCI_CONFIG, &config), &[part(OCI_LAYER, &layer)]);
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", Sha256::of(bytes).hex());
    let (of_manifest, of_config, of_layer) = (blob(&manifest), blob(&config), blob(&layer));
    let image = planned(Sha256::of(&manifest), "x.tar");
    let all: [(&str, &[u8]); 3] = [(&of_manifest, &manifest), (&of_config, &config), (&of_layer, &layer)];
    let write = |files: &[(&str, &[u8])]| std::fs::write(folder.path().join("x.tar"), tar_of(files)).unwrap();
    for at in 0..all.len() {
        let mut files = all;
        files[at].1 = b"other";
        write(&files);
        let refusal = brought(&store, folder.path(), &image).unwrap_err();
        assert!(matches!(refusal.class, Class::Verification), "{at}: {refusal}");
        write(&[&all[..at], &all[at + 1..]].concat());
        let refusal = brought(&store, folder.path(), &image).unwrap_err();
        assert!(matches!(refusal.class, Class::Archive), "{at}: {refusal}");
    }
    write(&all);
    let resolved = brought(&store, folder.path(), &image).unwrap();
    assert_eq!((resolved.manifest.media_type.as_str(), resolved.layers.len()), (OCI_MANIFEST, 1));
    // a link out of the project is not followed; with a store that does not have the image yet, as this one would not look at the archive
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::rename(folder.path().join("x.tar"), elsewhere.path().join("x.tar")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("x.tar"), folder.path().join("x.tar")).unwrap();
    let store = Store::open(&folder.path().join("other")).unwrap();
    let refusal = brought(&store, folder.path(), &image).unwrap_err();
    assert!(refusal.to_string().contains("x.tar"), "{refusal}");
}

#[test]
fn what_the_store_lacks_of_an_image_is_said_and_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let image = planned(Sha256([7; 32]), "layout");
    assert_eq!(known(&store, &image, Arch::Amd64).unwrap(), None);
    let document = |digest: Sha256| {
        let part = requirement(&image, &descriptor("", digest, 0), true);
        let options = Options { project: folder.path().to_owned(), ..Options::default() };
        document(&store, &part, 10, &options, &Silent).map(Some)
    };
    let refusal = document(image.digest).unwrap_err();
    assert!(refusal.to_string().contains("not there"), "{refusal}");
}
