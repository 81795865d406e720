//! `first_boot::fuzz::network`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| first_boot::fuzz::network(bytes));
