//! What runs inside an image at boot, and at each live update.
//!
//! ```text
//! user-data.env ┐                                  found on disk ┐
//! detected.env  ├─parse─► Layers ─check─► Settings ──────────────┴─render (pure)─► Plan ─apply─► Applied ─► restarts
//! mutable.env   ┘            └─ all faults at once; then nothing is changed
//! ```
//!
//! - **Layers**: the three files, read as data; nothing in them is ever executed ([`envfile`], [`layers`]).
//! - **Settings**: typed; made only when nothing at all is wrong ([`settings`]). [`keys`] is the one table of what may be
//!   set where, by which rule, and which files it reaches.
//! - **Plan**: every file, directory and removal that follows, as a value ([`render`]); no disk is touched.
//! - **Applied**: the difference from the disk, put into place as one set ([`apply`]): after a crash the next run rolls it
//!   forward or throws it away whole, before any service starts.
//!
//! The root of the file system is an argument, so that all of it runs in a folder. No shell, no process but `systemctl`;
//! nothing here prints except [`console`], and that never panics. Not supported, on purpose: any dependency but for
//! system calls, cryptography and the list of clouds, an allocator of errors that carry values (a refusal names key, rule and place, never what was given), time zones.

pub mod accounts;
pub mod apply;
pub mod authority;
pub mod base64;
pub mod bootstrap;
pub mod calls;
pub mod certificate;
pub mod cloud;
pub mod commands;
pub mod console;
pub mod delivery;
pub mod detect;
pub mod digest;
pub mod envfile;
pub mod found;
pub mod fuzz;
pub mod install;
pub mod json;
pub mod keys;
pub mod layers;
pub mod names;
#[cfg(test)]
mod node;
pub mod page;
pub mod pem;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod receive;
pub mod refusal;
pub mod render;
pub mod root;
pub mod rules;
pub mod schema;
pub mod services;
pub mod settings;
pub mod signature;
pub mod status;
