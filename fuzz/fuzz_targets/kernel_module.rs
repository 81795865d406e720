//! `fuzzed::bake::kernel_module`: see there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::bake::kernel_module(bytes));
