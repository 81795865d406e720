//! What the end-to-end tests stand on: stand-ins for upstream's components, a way to run the real program as any user
//! and in any surroundings, and inputs that are fetched once and shared.

pub mod apt_archive;
pub mod authority;
pub mod cases;
pub mod containerd;
pub mod cri;
pub mod disks;
mod edits;
pub mod effects;
pub mod first_boot;
pub mod guest;
pub mod identity;
pub mod image;
pub mod kernel;
pub mod keyed;
pub mod node_paths;
pub mod oci;
pub mod outputs;
pub mod own_kind;
pub mod qcow2;
pub mod recipes;
pub mod run;
pub mod rustup;
pub mod schema;
pub mod server;
pub mod servers;
pub mod shared;
pub mod standin;
pub mod today;
pub mod trace;
pub mod translated;
pub mod trixie;
pub mod unit_file;
pub mod workspace;
