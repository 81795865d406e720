//! `debian::fuzz::script`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| debian::fuzz::script(bytes));
