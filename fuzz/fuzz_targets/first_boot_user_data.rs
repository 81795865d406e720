//! `first_boot::fuzz::user_data`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| first_boot::fuzz::user_data(bytes));
