//! The fuzzers' corpora, run once over each target by the stable compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tests::workspace;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 31] = [
    ("apt_sources", fuzzed::bake::apt_sources),
    ("ar", fuzzed::bake::ar),
    ("bolt", fuzzed::containers::bolt),
    ("configure_certificates", configure::fuzz::certificates),
    ("configure_delivery", configure::fuzz::delivery),
    ("configure_envfile", configure::fuzz::envfile),
    ("configure_install", configure::fuzz::install),
    ("configure_json", configure::fuzz::json),
    ("configure_judge", configure::fuzz::judge),
    ("configure_policy", configure::fuzz::policy),
    ("configure_user_data", configure::fuzz::user_data),
    ("deb822", fuzzed::bake::deb822),
    ("decompress", fuzzed::bake::decompress),
    ("elf", fuzzed::bake::elf),
    ("first_boot_http", first_boot::fuzz::http),
    ("first_boot_label", first_boot::fuzz::label),
    ("first_boot_network", first_boot::fuzz::network),
    ("first_boot_seed", first_boot::fuzz::seed),
    ("first_boot_user_data", first_boot::fuzz::user_data),
    ("first_boot_yaml", first_boot::fuzz::yaml),
    ("image", fuzzed::containers::image),
    ("index", fuzzed::bake::index),
    ("inrelease", fuzzed::bake::inrelease),
    ("kernel_module", fuzzed::bake::kernel_module),
    ("layer", fuzzed::containers::layer),
    ("lock", fuzzed::bake::lock),
    ("manifest", fuzzed::bake::manifest),
    ("package", fuzzed::bake::package),
    ("recipe", fuzzed::bake::recipe),
    ("script", fuzzed::debian::script),
    ("tar", fuzzed::bake::tar),
];

/// The committed inputs by target.
fn corpora() -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut corpora: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for folder in fs::read_dir(workspace::root().join("fuzz/corpus")).unwrap() {
        let folder = folder.unwrap();
        let inputs = corpora.entry(folder.file_name().into_string().unwrap()).or_default();
        for file in fs::read_dir(folder.path()).unwrap() {
            inputs.push(fs::read(file.unwrap().path()).unwrap());
        }
    }
    corpora
}

#[test]
fn each_target_has_a_fuzzer_and_a_corpus_and_no_other_has() {
    let named: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let corpora = corpora();
    assert_eq!(corpora.keys().cloned().collect::<BTreeSet<_>>(), named);
    assert!(corpora.values().all(|inputs| !inputs.is_empty()));
    let fuzzers = fs::read_dir(workspace::root().join("fuzz/fuzz_targets")).unwrap();
    let stem = |file: fs::DirEntry| file.path().file_stem().unwrap().to_str().unwrap().to_owned();
    assert_eq!(fuzzers.map(|file| stem(file.unwrap())).collect::<BTreeSet<_>>(), named);
}

#[test]
fn no_target_fails_on_its_corpus_nor_on_what_is_near_it() {
    let corpora = corpora();
    for (name, target) in TARGETS {
        for input in &corpora[name] {
            target(input);
            // cut, and with a bit changed, at some places: what a fuzzer tries first
            for step in 0..64 {
                let at = input.len() * step / 64;
                target(&input[..at]);
                let mut changed = input.clone();
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= 1 << (step % 8);
                }
                target(&changed);
            }
        }
    }
}
