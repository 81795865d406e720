//! `bake::fuzz::deb822`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bake::fuzz::deb822(bytes));
