//! The first program that the kernel starts: it finds the root file system, mounts it, and becomes the real init.
//!
//! ```text
//! /proc/cmdline ─► Settings ──────────────────────────────────┐
//! modules/table ─► Table ─┐                                   │
//! /sys/bus/*/devices ─────┴─► modules for the devices here    │
//! /sys/class/block, GPT, superblocks ─► Disks ─── Root::find ─┴─► mount ─► switch ─► /sbin/init
//! ```
//! What decides is pure and tested: [`cmdline`], [`settings`], [`table`], [`gpt`], [`superblock`], [`root`], [`options`].
//! What acts is short: [`modules`], [`disks`], [`switch`], [`console`], [`prompt`], and [`boot`], which puts them in order.
//!
//! Disks are read with limits and without trust: who attaches one decides what is on it. Nothing here may panic, as the
//! kernel's first program ending is the end of the machine; a failure is a text on the console, then what `panic=` says.
//! Not supported, on purpose: udev, a shell, network, encryption, RAID and LVM: images have none of them below their root.

pub mod boot;
pub mod cmdline;
pub mod console;
pub mod crc32;
pub mod disks;
pub mod gpt;
pub mod modules;
pub mod options;
pub mod prompt;
pub mod root;
pub mod settings;
pub mod superblock;
pub mod switch;
pub mod table;
