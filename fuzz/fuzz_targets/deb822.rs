//! `fuzzed::bake::deb822`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::bake::deb822(bytes));
