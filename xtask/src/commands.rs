//! The commands, a module each.

pub(crate) mod bake;
pub(crate) mod bench;
pub(crate) mod boot;
pub(crate) mod cases;
pub(crate) mod fetch;
pub(crate) mod fuzz;
pub(crate) mod inspect;
pub(crate) mod lint;
pub(crate) mod lock;
pub(crate) mod pin;
pub(crate) mod plan;
pub(crate) mod program;
pub(crate) mod seed;
pub(crate) mod serve;
pub(crate) mod setup;
pub(crate) mod store;
pub(crate) mod survey;
pub(crate) mod test;
pub(crate) mod verify;
pub(crate) mod why;
