//! What someone who can write to the store has put there, and bakes with the real program.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use tests::outputs::whole;
use tests::shared::{BASE, SMALL, Shared};
use tree::digest::Sha256;

/// What pieces of a bake are kept as, one by one in each of these.
const KINDS: [&str; 6] = ["unpacked-2", "frame-2", "qcow2-2", "vmdk-2", "gce-2", "modules-2"];

/// All files below a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

/// A note as an attacker without the key would make it: changed bytes, with a digest of them where the tag was.
fn forged(note: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = note.get(32..).unwrap_or_default().to_vec();
    change(&mut bytes);
    [&Sha256::of(&bytes).0[..], &bytes].concat()
}

/// Puts a blob of the attacker's own into the store.
fn put_blob(store: &Path, bytes: &[u8]) -> Result<Sha256> {
    let digest = Sha256::of(bytes);
    let path = store.join(tests::shared::blob(&digest.into()));
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::write(path, bytes)?;
    Ok(digest)
}

#[test]
fn forged_entries_of_each_kind_change_no_byte_of_any_format_and_are_reported() -> Result<()> {
    let shared = Shared::get()?;
    let expected = shared.reference_of_all(BASE)?;
    let scratch = shared.scratch()?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("out"));
    shared.cold_store(BASE, &store)?;
    let formats = &tests::shared::all_formats();
    let bake = || -> Result<_> {
        let run = shared.bake(BASE, &store, &output)?.args(["--offline", "--quiet"]);
        let ended = run.option("--format", formats).done()?;
        ensure!(whole(&output, &BASE.name())? == expected, "wrong bytes\n{ended}");
        Ok(ended)
    };
    let ended = bake()?;
    ensure!(!ended.stderr.contains("warning"), "{ended}");
    // each third note of each kind: of a package a program gets its set-uid bit or a file another name, of a piece the
    // note leads to a whole blob of the attacker's own, of modules a line is theirs
    let mut count = 0;
    for kind in KINDS {
        let notes = files(&store.join("notes").join(kind))?;
        ensure!(!notes.is_empty(), "no note of {kind}");
        for (number, path) in notes.iter().enumerate().filter(|(number, _)| number % 3 == 0) {
            let note = fs::read(path)?;
            let bad = match kind {
                "unpacked-2" => forged(&note, |bytes| {
                    let find = |bytes: &[u8]| bytes.windows(9).position(|some| some == b"/usr/bin/");
                    match find(bytes) {
                        // the mode stands after the path
                        Some(at) if number % 2 == 0 => {
                            let end = bytes[at..].iter().take_while(|byte| byte.is_ascii_graphic()).count();
                            if let Some(mode) = bytes.get_mut(at + end + 1) {
                                *mode |= 0x08;
                            }
                        }
                        _ => bytes.extend_from_slice(b"more"),
                    }
                }),
                "modules-2" => forged(&note, |bytes| {
                    *bytes = String::from_utf8_lossy(bytes).replace("pci:", "usb:").into();
                }),
                _ => {
                    let evil =
                        put_blob(&store, &format!("PermitRootLogin yes {number}").repeat(1000).into_bytes())?;
                    forged(&note, |bytes| bytes[..32].copy_from_slice(&evil.0))
                }
            };
            fs::write(path, bad)?;
            count += 1;
        }
    }
    let ended = bake()?;
    let reported = ended.stderr.lines().filter(|line| line.starts_with("warning: `notes/")).count();
    ensure!(reported == count, "{count} forged, {reported} reported\n{ended}");
    let ended = bake()?;
    ensure!(!ended.stderr.contains("warning"), "they are not derived again\n{ended}");

    // notes that are right, each in place of another
    for kind in KINDS {
        let notes = files(&store.join("notes").join(kind))?;
        if let [first, second, ..] = &notes[..] {
            let (one, other) = (fs::read(first)?, fs::read(second)?);
            fs::write(first, other)?;
            fs::write(second, one)?;
        }
    }
    let ended = bake()?;
    let reported = ended.stderr.lines().filter(|line| line.starts_with("warning: `notes/")).count();
    // there is one kernel, so one note of its modules
    ensure!(reported == 2 * (KINDS.len() - 1), "{reported} reported\n{ended}");
    Ok(())
}

#[test]
fn a_bake_with_another_key_or_none_derives_anew_and_verify_finds_what_is_forged() -> Result<()> {
    let shared = Shared::get()?;
    let expected = shared.reference(SMALL)?;
    let scratch = shared.scratch()?;
    let (store, output, key) =
        (scratch.path().join("store"), scratch.path().join("out"), scratch.path().join("key"));
    shared.cold_store(SMALL, &store)?;
    let keys = |folder: &Path| -> Result<usize> { Ok(fs::read_dir(folder.join("notes/frame-2"))?.count()) };
    let bake = || shared.bake(SMALL, &store, &output);
    bake()?.done()?;
    let absent = bake()?.option("--store-key", &key).refused(6)?;
    ensure!(absent.stderr.contains("no such file"), "{absent}");
    fs::write(&key, format!("{}\n", "5a".repeat(32)))?;
    let open = bake()?.option("--store-key", &key).refused(6)?;
    ensure!(open.stderr.contains("others can read"), "{open}");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    // named in the environment, as in CI: nothing that was made with the user's own key is taken
    let ended = bake()?.env("VMBAKE_STORE_KEY", &key).done()?;
    ensure!(ended.stderr.contains(" pieces, 0 of them from the store"), "{ended}");
    ensure!(!ended.stderr.contains("warning") && keys(&store)? == 2, "{ended}");
    let ended = bake()?.env("VMBAKE_STORE_KEY", &key).done()?;
    ensure!(!ended.stderr.contains(" pieces, 0 of them from the store"), "{ended}");
    // no place for a key
    let ended = bake()?.env("XDG_STATE_HOME", "").env("HOME", "").done()?;
    ensure!(ended.stderr.contains("no place for the store's key is configured"), "{ended}");
    ensure!(ended.stderr.contains(" pieces, 0 of them from the store") && keys(&store)? == 2, "{ended}");
    ensure!(whole(&output, &SMALL.name())? == expected);

    let verify = || -> Result<serde_json::Value> {
        let run = shared.run("store").args(["verify", "--json"]).option("--store", &store);
        Ok(serde_json::from_str(&run.option("--store-key", &key).done()?.stdout)?)
    };
    let before = verify()?;
    ensure!(before["set_aside"] == serde_json::json!([]), "{before}");
    ensure!(before["notes"].as_u64() > Some(0) && before["notes"] == before["foreign"], "{before}");
    let ours = store::Key::new([0x5a; 32]);
    let note = files(&store.join("notes/unpacked-2").join(ours.id()))?.remove(0);
    fs::write(&note, forged(&fs::read(&note)?, |bytes| bytes.push(0)))?;
    let after = verify()?;
    let name = note.strip_prefix(&store)?.to_str().context("a name")?;
    ensure!(after["set_aside"] == serde_json::json!([name]), "{after}");
    Ok(())
}
