//! fluent-bit, the shipper of logs: its environment and its pipeline.

use super::env::EnvFile;
use crate::keys::Output;
use crate::plan::Plan;
use crate::settings::{Settings, Telemetry};
use std::fmt::Write as _;

const ENV: &str = "/opt/env/fluent-bit.env";
const CONFIG: &str = "/opt/fluent-bit/etc/fluent-bit.yml";
/// Units whose logs can be sent, in the order of the pipeline.
const UNITS: [&str; 13] = [
    "first-boot-env",
    "cron",
    "ssh",
    "netsy",
    "nstance-agent",
    "nstance-recv-watch",
    "containerd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "zot",
    "registry",
];

/// Plans it, or its removal.
pub(super) fn render(settings: &Settings, plan: &mut Plan) {
    let Some(telemetry) = &settings.telemetry else {
        plan.remove(ENV, Some(Output::FluentBitEnv));
        plan.remove(CONFIG, Some(Output::FluentBitConfig));
        return;
    };
    for unknown in telemetry.services.iter().filter(|name| !UNITS.contains(&name.as_str())) {
        plan.notes.push(format!("TELEMETRY_LOG_SERVICES: `{unknown}` is not a unit whose logs are sent"));
    }
    environment(settings, telemetry, plan);
    plan.file(
        CONFIG,
        0o600,
        ("fluent-bit", "fluent-bit"),
        pipeline(telemetry).into_bytes(),
        Some(Output::FluentBitConfig),
    );
}

fn environment(settings: &Settings, telemetry: &Telemetry, plan: &mut Plan) {
    let endpoint = if telemetry.s3 {
        super::registry::endpoint(settings, "TELEMETRY_S3_ENDPOINT")
    } else {
        settings.get("TELEMETRY_S3_ENDPOINT").to_owned()
    };
    let role = if telemetry.s3 {
        settings.aws_role("TELEMETRY_S3_ASSUME_ROLE", "telemetry-upload")
    } else {
        settings.get("TELEMETRY_S3_ASSUME_ROLE").to_owned()
    };
    let (key, secret) =
        (settings.get("TELEMETRY_S3_ACCESS_KEY_ID"), settings.get("TELEMETRY_S3_SECRET_ACCESS_KEY"));
    let mut env = EnvFile::default();
    env.extend([
        ("CLUSTER_ID", settings.get("CLUSTER_ID")),
        ("INSTANCE_ID", settings.get("INSTANCE_ID")),
        ("TELEMETRY_ENABLED", "true"),
        ("TELEMETRY_LOG_SERVICES", settings.get("TELEMETRY_LOG_SERVICES")),
        ("TELEMETRY_LOG_CLOUDINIT", settings.get("TELEMETRY_LOG_CLOUDINIT")),
        ("TELEMETRY_S3_BUCKET", settings.get("TELEMETRY_S3_BUCKET")),
        ("TELEMETRY_S3_ENDPOINT", &endpoint),
        ("TELEMETRY_S3_REGION", settings.get_or("TELEMETRY_S3_REGION", settings.get("PROVIDER_REGION"))),
        ("TELEMETRY_S3_ASSUME_ROLE", &role),
        ("TELEMETRY_S3_ACCESS_KEY_ID", key),
        ("TELEMETRY_S3_SECRET_ACCESS_KEY", secret),
        ("TELEMETRY_OTLP_ENDPOINT", settings.get("TELEMETRY_OTLP_ENDPOINT")),
    ]);
    let otlp = telemetry.otlp.as_ref();
    let tls = otlp.is_some_and(|otlp| otlp.tls == Some(true));
    let port = otlp.map_or(String::new(), |otlp| otlp.port.unwrap_or(if tls { 443 } else { 80 }).to_string());
    let path = otlp.map_or("", |otlp| otlp.path.as_str());
    env.extend([
        ("TELEMETRY_OTLP_HOST", otlp.map_or("", |otlp| otlp.host.as_str())),
        ("TELEMETRY_OTLP_PORT", &port),
        ("TELEMETRY_OTLP_LOGS_URI", if path.is_empty() { "/v1/logs" } else { path }),
        ("TELEMETRY_OTLP_TLS", if tls { "true" } else { "false" }),
    ]);
    if telemetry.s3 && role.is_empty() {
        static_keys(&mut env, key, secret);
    }
    env.plan(plan, "fluent-bit", "fluent-bit", Output::FluentBitEnv);
}

/// The names that AWS's own libraries look for; left out when empty, or they would not look any further.
pub(super) fn static_keys(env: &mut EnvFile, key: &str, secret: &str) {
    if !key.is_empty() && !secret.is_empty() {
        env.extend([("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret)]);
    }
}

/// The pipeline. Values from outside stay in the environment: `${…}` is fluent-bit's own expansion, not YAML's.
fn pipeline(telemetry: &Telemetry) -> String {
    let mut inputs = String::new();
    let units: Vec<&str> =
        UNITS.into_iter().filter(|unit| telemetry.services.iter().any(|name| name == unit)).collect();
    if !units.is_empty() {
        inputs.push_str(
            "    - name: systemd\n      tag: systemd.*\n      read_from_tail: true\n      systemd_filter:\n",
        );
        for unit in units {
            let _ = writeln!(inputs, "        - _SYSTEMD_UNIT={unit}.service");
        }
    }
    if telemetry.cloudinit {
        inputs.push_str(CLOUDINIT);
    }
    let mut outputs = String::new();
    if telemetry.s3 {
        outputs.push_str(S3);
    }
    if telemetry.otlp.is_some() {
        outputs.push_str(OTLP);
    }
    let list = |name: &str, items: &str| {
        if items.is_empty() { format!("  {name}: []\n") } else { format!("  {name}:\n{items}") }
    };
    format!("{HEAD}{}{FILTERS}{}", list("inputs", &inputs), list("outputs", &outputs))
}

const HEAD: &str = "\
# written by configure
service:
  flush: 1
  daemon: false
  log_level: info
  http_server: false
  storage.path: /var/lib/fluent-bit
  storage.metrics: false
pipeline:
";
const CLOUDINIT: &str = "    - name: tail
      tag: cloudinit.*
      path: /var/log/cloud-init.log
      read_from_head: true
      refresh_interval: 30
";
const FILTERS: &str = "  filters:
    - name: modify
      match: systemd.*
      Rename:
        - _HOSTNAME host.name
        - MESSAGE body
        - SYSLOG_IDENTIFIER log.source
      Add:
        - log.format otlp
    - name: modify
      match: cloudinit.*
      Rename:
        - log body
      Add:
        - log.source cloud-init
        - log.format otlp
";
const S3: &str = "    - name: s3
      match: '*'
      upload_timeout: 1m
      total_file_size: 100M
      use_put_object: true
      store_dir: /tmp/fluent-bit/s3
      bucket: ${TELEMETRY_S3_BUCKET}
      endpoint: ${TELEMETRY_S3_ENDPOINT}
      region: ${TELEMETRY_S3_REGION}
      compression: gzip
      s3_key_format: /logs/%Y-%m-%d/%H/%H-%M-%S_$INDEX_$UUID.json.gz
      json_date_key: date
      json_date_format: iso8601
      role_arn: ${TELEMETRY_S3_ASSUME_ROLE}
";
const OTLP: &str = "    - name: opentelemetry
      match: '*'
      host: ${TELEMETRY_OTLP_HOST}
      port: ${TELEMETRY_OTLP_PORT}
      logs_uri: ${TELEMETRY_OTLP_LOGS_URI}
      tls: ${TELEMETRY_OTLP_TLS}
";
