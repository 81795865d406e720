//! The commands of contributors, a module each.

pub(crate) mod bench;
pub(crate) mod cases;
pub(crate) mod dist;
pub(crate) mod docs;
pub(crate) mod fuzz;
pub(crate) mod lint;
pub(crate) mod program;
pub(crate) mod setup;
pub(crate) mod survey;
pub(crate) mod test;
