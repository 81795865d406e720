//! `fuzzed::bake::decompress`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::bake::decompress(bytes));
