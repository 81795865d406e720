//! What is Debian's: the interpreter of maintainer scripts, and the order of versions.
//!
//! Nothing here opens a file, starts a program, reads the clock or the environment: clippy.toml keeps it so.

/// The version of what the interpreter does. A change that gives a script another effect raises it, so that results that are
/// kept are not taken for those of now.
pub const VERSION: u32 = 6;

pub mod commands;
pub mod debconf;
pub mod failure;
pub mod files;
pub mod filters;
pub mod order;
pub mod run;
pub mod sh;
pub mod system;
pub mod version;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
