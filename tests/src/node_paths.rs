//! Every path that the boot-time program makes, changes or removes on a node, from its own plan: what a unit's sandbox has
//! to let it write.

use anyhow::{Result, anyhow};
use configure::bootstrap::{self, Inputs};
use configure::found::{Found, KUBECONFIGS};
use configure::install::{Cache, Image};
use configure::layers::{Layer, Layers};
use configure::names::{RECEIVED, Role, STAGING};
use configure::receive::table::{CA_PUB, CRT, KEY, PAIRS, PUB, SIGNING_KEY, SIGNING_PUB};
use configure::settings::{When, check};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::SystemTime;

/// User-data that turns everything on.
const EVERYTHING: &str = "CLUSTER_ID=c\nINSTANCE_ID=i\nPROVIDER_KIND=local\nNSTANCE_SERVER_REGISTRATION_ADDR=a:1\n\
    NSTANCE_SERVER_AGENT_ADDR=a:2\nNETSY_BUCKET=b\nREGISTRY_HOSTNAME=registry.test\nREGISTRY_BUCKET=r\n\
    TELEMETRY_ENABLED=true\nTELEMETRY_OTLP_ENDPOINT=https://o:1\nOIDC_ISSUER=https://i\n\
    SSH_AUTHORIZED_KEYS='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBY0Yb2zg2OKTAgbZGCjY6T+fdUJZw5YGXGB0NJhIT9I live@test'\n";
/// The same node with everything off again.
const NOTHING: &str = "CLUSTER_ID=c\nINSTANCE_ID=i\nPROVIDER_KIND=local\nNSTANCE_SERVER_REGISTRATION_ADDR=a:1\n\
    NSTANCE_SERVER_AGENT_ADDR=a:2\n";
const FACTS: &str = "INSTANCE_PROVIDER_ID=id\nINSTANCE_IPV4=10.0.0.1\nINSTANCE_IPV6=\nINSTANCE_NETDEV=e\n\
    INSTANCE_HOSTNAME=h\nINSTANCE_FQDN=h.d\nVMCONFIG_KIND=knc\n";

/// Those of a control plane: of its first configuration, of a delivery, and of what goes away when it is off.
pub fn all() -> Result<BTreeSet<String>> {
    let mut paths = BTreeSet::from([STAGING.to_owned(), RECEIVED.to_owned()]);
    let caches = [Cache::Zot, Cache::Podplane];
    for (user_data, cache) in
        [EVERYTHING, NOTHING].into_iter().flat_map(|one| caches.map(|cache| (one, cache)))
    {
        let layers =
            Layers { user_data: layer(user_data)?, detected: layer(FACTS)?, mutable: Layer::default() };
        let image = Image {
            kind: "knc".into(),
            role: Role::ControlPlane,
            pause: "registry.k8s.io/pause:1".into(),
            cache,
        };
        let settings = check(&layers, &image, When::FirstRun).map_err(|faults| anyhow!("{faults:?}"))?;
        let plan = configure::render::render(&settings, &found(), Some(&[]));
        let mut plan = plan.map_err(|faults| anyhow!("{faults:?}"))?;
        let inputs = Inputs { layers, when: When::FirstRun, asked: None };
        bootstrap::plan(&inputs, SystemTime::UNIX_EPOCH, &mut plan);
        paths.extend(plan.directories.into_iter().map(|directory| directory.path));
        paths.extend(plan.files.into_iter().map(|file| file.path));
        paths.extend(plan.removals.into_iter().map(|removal| removal.path));
        paths.extend(plan.mends.into_iter().map(|mend| mend.path));
    }
    for pair in &PAIRS {
        paths.insert(format!("{CRT}/{}.crt", pair.name));
        paths.extend(pair.key_on(Role::ControlPlane).map(|(path, _)| path));
    }
    paths.extend([CA_PUB, SIGNING_PUB].map(|name| format!("{PUB}/{name}")));
    paths.insert(format!("{KEY}/kube-apiserver/{SIGNING_KEY}"));
    Ok(paths)
}

fn layer(text: &str) -> Result<Layer> {
    let read = configure::envfile::read(text.as_bytes());
    Ok(Layer::new(read.map_err(|_| anyhow!("no settings: {text}"))?))
}

/// A node whose shared files and accounts all need a change.
fn found() -> Found {
    let mut found = Found { sudoers: false, socket: true, oidc_file: true, ..Found::default() };
    let users = [
        "root",
        "podplane",
        "nstance-agent",
        "fluent-bit",
        "kube2iam",
        "containerd",
        "kubelet",
        "zot",
        "netsy",
        "kube-apiserver",
        "kube-scheduler",
        "kube-controller-manager",
        "shadow",
        "sudo",
    ];
    for (name, id) in users.into_iter().zip(900..) {
        // a String takes every write
        let _ = writeln!(found.accounts.passwd, "{name}:x:{id}:{id}::/:/bin/sh");
        let _ = writeln!(found.accounts.group, "{name}:x:{id}:");
        let _ = writeln!(found.accounts.shadow, "{name}:*:1::::::");
        let _ = writeln!(found.accounts.gshadow, "{name}:*::");
    }
    found.identity.insert("nonce.jwt".into());
    found.skeleton.push((".profile".into(), Vec::new()));
    found.registries.push("old.test".into());
    found.programs.push("/opt/cni/bin/bridge".into());
    found.files.insert("/etc/containerd/config.toml", "version = 3\n".into());
    for path in KUBECONFIGS {
        found.files.insert(path, "server: https://localhost:1\n".into());
    }
    found
}
