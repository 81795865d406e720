//! The commands, a module each.

pub mod add;
pub mod bake;
pub mod boot;
pub mod completions;
pub mod fetch;
pub mod init;
pub mod inspect;
pub mod lock;
pub mod pin;
pub mod plan;
pub mod seed;
pub mod serve;
pub mod store;
pub mod verify;
pub mod why;
