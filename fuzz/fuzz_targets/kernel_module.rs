//! `bake::fuzz::kernel_module`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bake::fuzz::kernel_module(bytes));
