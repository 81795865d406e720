//! The command line of vmbake: arguments as types, one file a command, and the only place that prints.
//!
//! A library, so that two programs have it: `vmbake`, which people install, and `cargo xtask` in a checkout, which adds
//! the commands of contributors.

pub mod builtin;
pub mod cli;
pub mod commands;
pub mod console;
mod edit;
mod local;
pub mod pipeline;
pub mod places;
mod privileges;
pub mod programs;
pub mod progress;
pub mod project;
pub mod relock;
pub mod remedy;
mod review;
mod selection;
mod store_key;
