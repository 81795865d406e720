//! Directories with their modes and owners, and files of others that are mended.

use crate::found::Found;
use crate::names::Role;
use crate::plan::{Mend, Plan, PlannedDirectory, PlannedMend};
use crate::settings::Settings;

/// containerd's socket, which its group may use.
pub const SOCKET: &str = "/run/containerd/containerd.sock";

/// Mode, user, group, path; above before below.
type Row = (u32, &'static str, &'static str, &'static str);

const WORKER: [Row; 37] = [
    (0o750, "root", "podplane", "/opt"),
    (0o755, "root", "root", "/etc/containerd"),
    (0o755, "root", "root", "/etc/containerd/certs.d"),
    (0o750, "root", "podplane", "/opt/podplane"),
    (0o755, "root", "root", "/opt/podplane/bin"),
    (0o700, "root", "root", "/opt/podplane/etc"),
    (0o755, "root", "root", "/opt/podplane/lib"),
    (0o755, "root", "root", "/opt/podplane/share"),
    (0o755, "root", "root", "/opt/podplane/share/defaults"),
    (0o750, "root", "podplane", "/opt/crt"),
    (0o750, "root", "podplane", "/opt/pub"),
    (0o750, "root", "podplane", "/opt/env"),
    (0o710, "root", "podplane", "/opt/key"),
    (0o700, "root", "root", "/opt/bin"),
    (0o700, "root", "root", "/opt/versions"),
    (0o700, "root", "root", "/opt/cni"),
    (0o700, "nstance-agent", "nstance-agent", "/opt/nstance-agent"),
    (0o700, "nstance-agent", "nstance-agent", "/opt/nstance-agent/identity"),
    (0o700, "nstance-agent", "nstance-agent", "/opt/nstance-agent/keys"),
    (0o700, "nstance-agent", "nstance-agent", "/opt/nstance-agent/recv"),
    (0o700, "fluent-bit", "fluent-bit", "/opt/fluent-bit"),
    (0o755, "root", "root", "/opt/fluent-bit/etc"),
    (0o700, "fluent-bit", "fluent-bit", "/var/lib/fluent-bit"),
    (0o700, "kube2iam", "kube2iam", "/opt/kube2iam"),
    (0o700, "kubelet", "kubelet", "/opt/kubelet"),
    (0o700, "zot", "zot", "/opt/zot"),
    (0o700, "zot", "zot", "/opt/zot/etc"),
    (0o700, "zot", "zot", "/opt/zot/storage"),
    (0o750, "root", "kube2iam", "/opt/key/kube2iam"),
    (0o750, "root", "kubelet", "/opt/key/kubelet"),
    (0o750, "root", "containerd", "/opt/key/containerd"),
    (0o750, "root", "zot", "/opt/key/registry"),
    (0o750, "kubelet", "kubelet", "/var/lib/kubelet"),
    (0o750, "kubelet", "kubelet", "/var/log/containers"),
    (0o750, "kubelet", "kubelet", "/var/log/pods"),
    (0o755, "root", "root", "/opt/kubelet/etc"),
    (0o755, "root", "root", "/opt/kubelet/etc/kubelet.conf.d"),
];

const CONTROL_PLANE: [Row; 10] = [
    (0o700, "netsy", "netsy", "/opt/data"),
    (0o700, "netsy", "netsy", "/opt/netsy"),
    (0o750, "root", "netsy", "/opt/netsy/etc"),
    (0o700, "kube-apiserver", "kube-apiserver", "/opt/kube-apiserver"),
    (0o700, "kube-scheduler", "kube-scheduler", "/opt/kube-scheduler"),
    (0o700, "kube-controller-manager", "kube-controller-manager", "/opt/kube-controller-manager"),
    (0o750, "root", "netsy", "/opt/key/netsy"),
    (0o750, "root", "kube-apiserver", "/opt/key/kube-apiserver"),
    (0o750, "root", "kube-scheduler", "/opt/key/kube-scheduler"),
    (0o750, "root", "kube-controller-manager", "/opt/key/kube-controller-manager"),
];

/// Plans them.
pub(super) fn render(settings: &Settings, found: &Found, plan: &mut Plan) {
    let more = if settings.role == Role::ControlPlane { &CONTROL_PLANE[..] } else { &[] };
    for (mode, owner, group, path) in WORKER.iter().chain(more).copied() {
        plan.directories.push(PlannedDirectory { path: path.to_owned(), mode, owner, group });
    }
    for path in &found.programs {
        plan.mends.push(PlannedMend {
            path: path.clone(),
            owner: None,
            group: None,
            mode: Mend::With(0o111),
        });
    }
    if found.socket {
        let group = Some("containerd");
        plan.mends.push(PlannedMend {
            path: SOCKET.to_owned(),
            owner: None,
            group,
            mode: Mend::Exactly(0o660),
        });
    }
}
