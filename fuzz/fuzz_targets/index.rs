//! `fuzzed::bake::index`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::bake::index(bytes));
