//! The names that a node is made of: paths, what a node does, who runs it.

/// What an instance is told at first boot.
pub const USER_DATA: &str = "/opt/podplane/etc/user-data.env";
/// What the first run found out.
pub const DETECTED: &str = "/opt/podplane/etc/detected.env";
/// What may change later.
pub const MUTABLE: &str = "/opt/podplane/etc/mutable.env";
/// The image's seed of [`MUTABLE`], and the list of keys that a delivery may have.
pub const DEFAULTS: &str = "/opt/podplane/share/defaults/mutable.env";
/// Says that the first run is complete.
pub const DONE: &str = "/opt/podplane/bootstrap.done";
/// The manifest that the image was made from.
pub const INSTALLED: &str = "/opt/podplane/share/vmconfig-installed.json";
/// Which settings may not change live.
pub const POLICY: &str = "/opt/podplane/share/policy.toml";
/// What is remembered of deliveries; see [`crate::receive::record`].
pub const RECEIVED: &str = "/opt/podplane/etc/received";
/// Where a set of files waits to be put into place; root's alone.
pub const STAGING: &str = "/opt/podplane/etc/.staging";
/// What one run at a time holds; in a directory that nobody else may enter.
pub const LOCK: &str = "/opt/podplane/etc/.lock";
/// Where the unprivileged `configure detect` leaves what it found, for the first run.
pub const DETECT_FACTS: &str = "/run/podplane-detect/detected.env";
/// The agent's directory of who it is.
pub const IDENTITY: &str = "/opt/nstance-agent/identity";

/// What a node does in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Runs pods (`knd`).
    Worker,
    /// Runs pods and the control plane (`knc`).
    ControlPlane,
}
