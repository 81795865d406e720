//! `fuzzed::debian::script`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::debian::script(bytes));
