//! netsy, the key-value store of the control plane: its environment and its cluster file, as soon as there is a bucket.

use super::env::EnvFile;
use crate::cloud::Buckets;
use crate::json::quote;
use crate::keys::Output;
use crate::names::Role;
use crate::plan::Plan;
use crate::settings::Settings;

const ENV: &str = "/opt/env/netsy.env";
const CLUSTER: &str = "/opt/netsy/etc/cluster.jsonc";

/// Plans them on a control plane, or their removal.
pub(super) fn render(settings: &Settings, plan: &mut Plan) {
    if settings.role != Role::ControlPlane {
        return;
    }
    if settings.get("NETSY_BUCKET").is_empty() {
        plan.remove(ENV, Some(Output::NetsyEnv));
        plan.remove(CLUSTER, Some(Output::NetsyCluster));
        return;
    }
    let (id, address) = (settings.get("INSTANCE_ID"), settings.get("INSTANCE_IPV4"));
    let region = settings.get_or("NETSY_REGION", settings.get("PROVIDER_REGION"));
    let mut env = EnvFile::default();
    env.extend([
        ("INSTANCE_ID", id),
        ("INSTANCE_HOSTNAME", settings.get("INSTANCE_HOSTNAME")),
        ("INSTANCE_IPV4", address),
        ("NETSY_CONFIG", "/opt/netsy/etc/cluster.jsonc"),
        ("NETSY_NODE_ID", id),
    ]);
    for (name, port) in [("CLIENT", 2378), ("PEER", 2381), ("ELECTION", 8443)] {
        env.put(&format!("NETSY_BIND_{name}"), &format!("0.0.0.0:{port}"));
        env.put(&format!("NETSY_ADVERTISE_{name}"), &format!("{address}:{port}"));
    }
    env.extend([
        ("NETSY_BIND_HEALTH", "0.0.0.0:8080"),
        ("NETSY_TLS_CA_CERT", "/opt/crt/ca.crt"),
        ("NETSY_TLS_SERVER_CERT", "/opt/crt/netsy.server.crt"),
        ("NETSY_TLS_SERVER_KEY", "/opt/key/netsy/netsy.server.key"),
        ("NETSY_TLS_CLIENT_CERT", "/opt/crt/netsy.client.crt"),
        ("NETSY_TLS_CLIENT_KEY", "/opt/key/netsy/netsy.client.key"),
        ("NETSY_DATA_DIR", "/opt/data"),
        ("NETSY_DEBUG", "false"),
        ("NETSY_REGION", region),
    ]);
    env.put("AWS_DEFAULT_REGION", region);
    match settings.cloud().buckets {
        Buckets::S3 => {
            // an empty one is a value to AWS's libraries, and not the absence of one
            for (name, key) in [
                ("AWS_ENDPOINT_URL", "NETSY_ENDPOINT"),
                ("AWS_ACCESS_KEY_ID", "NETSY_ACCESS_KEY_ID"),
                ("AWS_SECRET_ACCESS_KEY", "NETSY_SECRET_ACCESS_KEY"),
            ] {
                if !settings.get(key).is_empty() {
                    env.put(name, settings.get(key));
                }
            }
            env.put("AWS_S3_USE_PATH_STYLE", "true");
        }
        Buckets::Aws => {
            env.put("AWS_ROLE_ARN", &settings.aws_role("NETSY_ASSUME_ROLE", "netsy"));
            env.put("AWS_ROLE_SESSION_NAME", &format!("{id}-netsy"));
        }
        Buckets::Gcs => {}
    }
    env.plan(plan, "netsy", "netsy", Output::NetsyEnv);
    let cluster = cluster(settings);
    plan.file(CLUSTER, 0o640, ("root", "netsy"), cluster.into_bytes(), Some(Output::NetsyCluster));
}

fn cluster(settings: &Settings) -> String {
    let provider = settings.cloud().buckets.driver();
    format!(
        r#"// written by configure
{{
  "cluster_id": {cluster},
  "storage": {{
    "provider": "{provider}",
    "bucket_name": {bucket},
    "key_prefix": {prefix},
    "class": "STANDARD",
    "encryption": "provider-managed"
  }},
  "heartbeat_interval": "1s",
  "elector": {{ "degradation_count": 2, "deregistration_timeout": "3m", "primary_prior_timeout": "5s" }},
  "replication": {{
    "quorum": -1,
    "degradation_count": 2,
    "chunk_buffer": {{ "threshold_size_mb": 4, "threshold_age_minutes": 1 }}
  }},
  "snapshot": {{ "threshold_records": 10000, "threshold_size_mb": 10000, "threshold_age_minutes": 0 }},
  "compaction_interval": "5m"
}}
"#,
        cluster = quote(settings.get("CLUSTER_ID")),
        bucket = quote(settings.get("NETSY_BUCKET")),
        prefix = quote(settings.get("NETSY_KEY_PREFIX")),
    )
}
