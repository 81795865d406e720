//! `bake::fuzz::decompress`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bake::fuzz::decompress(bytes));
