//! The rules of deliveries.

use super::{Rule, Seen};
use crate::cases::compare::Difference;
use std::collections::BTreeSet;

const RECV: &str = "/opt/nstance-agent/recv";
const TRIGGER: &str = "/opt/nstance-agent/recv/write-files.last";
/// Where the scripts kept the time of their last run, and this program keeps what it has seen.
const LAST: &str = "/opt/nstance-recv-watch.last";
const RECORD: &str = "/opt/podplane/etc/received";
const MUTABLE: &str = "/opt/podplane/etc/mutable.env";

/// The table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "decided-by-content",
        reason: "what is delivered and not in place goes there, however old its file says it is; what was seen is remembered in root's own directory",
        covers: |seen| match seen.difference {
            Difference::Path { path, .. } if path == LAST => {
                seen.before.entries.get(LAST) == seen.after.entries.get(LAST)
            }
            Difference::Extra { path, .. } if path == RECORD => seen
                .after
                .entries
                .get(RECORD)
                .is_some_and(|entry| (entry.mode.as_str(), entry.owner.as_str()) == ("0600", "root:root")),
            Difference::Extra { path, .. } => [0, 6].contains(&seen.ended.code) && is_delivered(seen, path),
            _ => false,
        },
    },
    Rule {
        name: "only-what-is-affected",
        reason: "a service restarts when a file that it reads has changed, is enabled and disabled when it is switched, and is left alone otherwise",
        covers: |seen| match seen.difference {
            Difference::Calls { got, .. } => {
                let asked: BTreeSet<&str> =
                    got.iter().filter_map(|call| call.last()).map(String::as_str).collect();
                let harmless = |call: &Vec<String>| {
                    let verb = call.get(1).map_or("", String::as_str);
                    call.len() == 3 && ["enable", "restart", "disable", "stop"].contains(&verb)
                };
                seen.case.category == "recv-watch" && got.iter().all(harmless) && asked == affected(seen)
            }
            _ => false,
        },
    },
    Rule {
        name: "no-unit-changes",
        reason: "a delivery writes no unit, so systemd is not asked to read them again, and nothing hangs on that",
        covers: |seen| {
            let reload = seen.case.setup.systemctl_fail.iter().any(|line| line.contains("daemon-reload"));
            reload && *seen.difference == Difference::Exit { code: 0 }
        },
    },
    Rule {
        name: "the-trigger-goes-first",
        reason: "it is removed before anything is read, also when the delivery is refused then; one that comes meanwhile starts the next run",
        covers: |seen| {
            let during =
                seen.step.during.iter().flat_map(|during| &during.files).any(|file| file.path == TRIGGER);
            match seen.difference {
                Difference::Extra { path, how: "removed" } => path == TRIGGER,
                Difference::Path { path, .. } | Difference::Rewritten { path } => path == TRIGGER && during,
                _ => false,
            }
        },
    },
    Rule {
        name: "newer-settings-block-nothing",
        reason: "an image is older than who sends to it: a key that it does not know is passed over and told, and all else comes in",
        covers: |seen| {
            const TOLD: &str = " is not a setting of this image, and is passed over";
            let keys =
                seen.ended.output.lines().filter_map(|line| line.strip_suffix(TOLD)?.rsplit(' ').next());
            let live = seen.after.entries.get(MUTABLE).map_or(&[][..], |entry| &entry.content);
            let live = String::from_utf8_lossy(live);
            let keys: Vec<&str> = keys.collect();
            !keys.is_empty()
                && keys.iter().all(|key| !live.lines().any(|line| line.starts_with(&format!("{key}="))))
                && seen.ended.code == 0
                && seen.expect.exit_code != 0
                && matches!(seen.difference, Difference::Exit { code: 0 } | Difference::Extra { .. })
        },
    },
    Rule {
        name: "keys-go-to-who-is-there",
        reason: "a worker takes the certificates of the control plane, and no keys of services that it does not have",
        covers: |seen| {
            let none = |path: &str| seen.after.entries.keys().all(|entry| !entry.starts_with(path));
            seen.case.kind == "knd"
                && seen.given("/opt/nstance-agent/keys/netsy.client.key")
                && none("/opt/key/netsy/")
                && *seen.difference == Difference::Exit { code: 0 }
        },
    },
];

/// Whether `path` is now what was delivered for it.
fn is_delivered(seen: &Seen<'_>, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let delivered = seen.before.entries.get(&format!("{RECV}/{name}"));
    let now = seen.after.entries.get(path);
    match (delivered, now) {
        (Some(_), Some(_)) if path == MUTABLE => true,
        (Some(delivered), Some(now)) => path.starts_with("/opt/crt/") && delivered.content == now.content,
        _ => false,
    }
}

/// Services that read what has changed, said here once more and by path.
fn affected(seen: &Seen<'_>) -> BTreeSet<&'static str> {
    const READERS: [(&str, &[&str]); 22] = [
        (
            "/opt/crt/ca.crt",
            &["zot", "netsy", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"],
        ),
        ("/opt/crt/front-proxy.", &["kube-apiserver"]),
        ("/opt/crt/kube-apiserver.", &["kube-apiserver"]),
        ("/opt/crt/kube-controller-manager.", &["kube-controller-manager"]),
        ("/opt/crt/kube-scheduler.", &["kube-scheduler"]),
        ("/opt/crt/kubelet.", &["kubelet"]),
        ("/opt/crt/netsy.", &["netsy"]),
        ("/opt/crt/registry.", &["zot"]),
        ("/opt/env/fluent-bit.env", &["fluent-bit"]),
        ("/opt/env/kube-apiserver.env", &["kube-apiserver"]),
        ("/opt/env/kube-controller-manager.env", &["kube-controller-manager"]),
        ("/opt/env/kubelet.env", &["kubelet"]),
        ("/opt/env/netsy.env", &["netsy"]),
        ("/opt/env/zot.env", &["zot"]),
        ("/opt/key/kube-apiserver/", &["kube-apiserver"]),
        ("/opt/key/kube-controller-manager/", &["kube-controller-manager"]),
        ("/opt/key/kube-scheduler/", &["kube-scheduler"]),
        ("/opt/key/kubelet/", &["kubelet"]),
        ("/opt/key/netsy/", &["netsy"]),
        ("/opt/key/registry/", &["zot"]),
        ("/opt/pub/service-accounts.pub", &["kube-apiserver"]),
        ("/etc/containerd/config.toml", &["containerd"]),
    ];
    let (before, after) = (&seen.before.entries, &seen.after.entries);
    let changed = before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path));
    let readers = changed.flat_map(|path| {
        READERS
            .iter()
            .filter(move |(start, _)| path.starts_with(start))
            .flat_map(|(_, units)| units.iter().copied())
    });
    let control_plane = ["netsy", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    let here = |unit: &&str| seen.case.kind == "knc" || !control_plane.contains(unit);
    // a feature that was off and is off is nobody's to restart
    let known = |unit: &&str| {
        let env = format!("/opt/env/{unit}.env");
        !["zot", "fluent-bit"].contains(unit) || before.contains_key(&env) || after.contains_key(&env)
    };
    readers.filter(here).filter(known).collect()
}
