//! What the fuzzers in `fuzz/` call, one function a target; also run over the committed corpora by a plain test.
//!
//! Each takes any bytes. It ends in bounded time and memory, and it checks what holds for everything that the reader
//! accepts, so that a fuzzer finds more than panics.

pub mod bake;
pub mod containers;
pub mod debian;
