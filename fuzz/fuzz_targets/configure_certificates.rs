//! `configure::fuzz::certificates`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| configure::fuzz::certificates(bytes));
