//! `fuzzed::bake::apt_sources`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::bake::apt_sources(bytes));
