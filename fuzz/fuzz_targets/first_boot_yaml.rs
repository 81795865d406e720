//! `first_boot::fuzz::yaml`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| first_boot::fuzz::yaml(bytes));
