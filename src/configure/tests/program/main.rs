//! The program itself, run in a folder: killed and refused at every system call, with bad inputs, beside the shells.
//!
//! It is the static one that images get. As root the folder has the real users' numbers; as anybody else all users are
//! that one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

mod dependencies;
mod durable;
mod errors;
mod filtered;
mod inputs;
mod killed;
mod modes;
mod node;
mod received;
mod shells;
mod snapshot;
mod strace;
