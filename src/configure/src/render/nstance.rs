//! nstance-agent: its environment, the authority it trusts, the owners of its identity.

use super::env::EnvFile;
use crate::found::Found;
use crate::keys::Output;
use crate::names::IDENTITY;
use crate::plan::{Mend, Plan, PlannedMend};
use crate::refusal::Fault;
use crate::settings::Settings;

const USER: &str = "nstance-agent";

/// Plans them.
pub(super) fn render(settings: &Settings, found: &Found, plan: &mut Plan, faults: &mut Vec<Fault>) {
    let mut env = EnvFile::default();
    for key in ["NSTANCE_SERVER_REGISTRATION_ADDR", "NSTANCE_SERVER_AGENT_ADDR"] {
        env.put(key, settings.get(key));
    }
    env.extend([
        ("NSTANCE_IDENTITY_DIR", IDENTITY),
        ("NSTANCE_KEYS_DIR", "/opt/nstance-agent/keys"),
        ("NSTANCE_RECV_DIR", "/opt/nstance-agent/recv"),
        ("NSTANCE_IDENTITY_MODE", "0600"),
        ("NSTANCE_KEYS_MODE", "0640"),
        ("NSTANCE_RECV_MODE", "0600"),
        ("NSTANCE_INSTANCE_KIND", &settings.kind),
        ("NSTANCE_INSTANCE_ID", settings.get("INSTANCE_ID")),
        ("NSTANCE_INSTANCE_HOSTNAME", settings.get("INSTANCE_HOSTNAME")),
        ("NSTANCE_INSTANCE_FQDN", settings.get("INSTANCE_FQDN")),
        ("NSTANCE_INSTANCE_IPV4", settings.get("INSTANCE_IPV4")),
        ("NSTANCE_INSTANCE_IPV6", settings.get("INSTANCE_IPV6")),
        // the same by the names of older and of newer agents
        ("NSTANCE_METRICS_INTERVAL", "60s"),
        ("NSTANCE_REPORT_INTERVAL", "60s"),
        ("NSTANCE_SPOT_POLL_INTERVAL", "2s"),
    ]);
    env.plan(plan, "nstance-agent", USER, Output::NstanceAgentEnv);
    if let Some(pem) = &settings.nstance_ca {
        plan.file(&format!("{IDENTITY}/ca.crt"), 0o600, (USER, USER), pem.clone(), Some(Output::NstanceCa));
    }
    let is_other =
        |name: &String| !["ca.crt", "config.hash"].contains(&name.as_str()) && !name.starts_with('.');
    if !found.identity.iter().any(is_other) {
        if found.settled {
            // the agent's own affair by now: the node runs on with what it was delivered
            plan.notes.push(format!("{IDENTITY} has no identity: nstance-agent cannot take deliveries"));
        } else {
            let rule =
                "expected the nonce `nonce.jwt` or the identity that the agent made of it, found neither";
            faults.push(
                Fault::new(IDENTITY, rule)
                    .hint("user-data writes the nonce: look at how the instance was started"),
            );
        }
    }
    if found.identity.contains("nonce.jwt") {
        let (owner, group) = (Some(USER), Some(USER));
        plan.mends.push(PlannedMend {
            path: format!("{IDENTITY}/nonce.jwt"),
            owner,
            group,
            mode: Mend::Exactly(0o600),
        });
    }
}
