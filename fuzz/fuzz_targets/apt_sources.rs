//! `bake::fuzz::apt_sources`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bake::fuzz::apt_sources(bytes));
