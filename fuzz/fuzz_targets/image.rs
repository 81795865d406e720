//! `fuzzed::containers::image`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::containers::image(bytes));
