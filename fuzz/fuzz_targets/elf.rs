//! `bake::fuzz::elf`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bake::fuzz::elf(bytes));
