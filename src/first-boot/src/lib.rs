//! What gives an instance its identity at boot, instead of cloud-init: metadata, user-data, network configuration.
//!
//! ```text
//! disks, firmware ─► detect ─┬─ NoCloud, ConfigDrive, VMware ──────┐
//!                            └─ fetch (unprivileged process) ──────┴─► Instance ─► UserData ─► modules ─► files, programs
//!                                                                        └─► network ─► /etc/systemd/network
//! ```
//!
//! - [`instance`]: what a source says, as one value; [`detect`], [`volume`], [`nocloud`], [`config_drive`], [`azure`],
//!   [`vmware`], [`fetch`] and [`http`] make it.
//! - [`user_data`]: user-data and vendor-data, parsed; [`yaml`], [`mime`] and [`encoding`] read it.
//! - [`modules`]: what is done about it. [`network`]: networkd's files.
//! - [`state`], [`instance_data`], [`status`] and [`query`]: what scripts and agents read, where cloud-init has it.
//!
//! What comes from outside is data: it is parsed with limits, and no shell sees it but for scripts that it brings. The process
//! that talks to the network writes nothing.

pub mod azure;
pub mod clock;
pub mod commands;
pub mod config_drive;
pub mod console;
pub mod detect;
pub mod encoding;
pub mod fetch;
pub mod fuzz;
pub mod http;
pub mod instance;
pub mod instance_data;
pub mod mime;
pub mod modules;
pub mod network;
pub mod nocloud;
pub mod programs;
pub mod query;
pub mod report;
pub mod root;
pub mod stages;
pub mod state;
pub mod status;
pub mod user_data;
pub mod vmware;
pub mod volume;
pub mod yaml;

/// The version that `--version` prints; what is before `+` is that of the cloud-init whose answers these are.
pub const VERSION: &str = concat!("25.1.4+first-boot-", env!("CARGO_PKG_VERSION"));
