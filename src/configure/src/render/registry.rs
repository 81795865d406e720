//! The registry cache: zot's environment and configuration, and containerd's way to it.

use super::env::EnvFile;
use crate::found::{CERTS, Found};
use crate::json::quote;
use crate::keys::Output;
use crate::names::Provider;
use crate::plan::{Plan, PlannedDirectory};
use crate::settings::Settings;
use std::fmt::Write as _;

/// How a `hosts.toml` of ours starts: only such ones are removed when the host name changes.
pub const MARK: &str = "# written by configure\n";
const ENV: &str = "/opt/env/zot.env";
const CONFIG: &str = "/opt/zot/etc/zot.yml";

/// Plans it, or its removal.
pub(super) fn render(settings: &Settings, found: &Found, plan: &mut Plan) {
    let kept = settings.registry.as_ref().map(|registry| registry.hostname.as_str());
    for stale in found.registries.iter().filter(|name| Some(name.as_str()) != kept) {
        plan.remove(&format!("{CERTS}/{stale}/hosts.toml"), Some(Output::RegistryHosts));
        plan.remove(&format!("{CERTS}/{stale}"), None);
    }
    let Some(hostname) = kept else {
        plan.remove(ENV, Some(Output::ZotEnv));
        plan.remove(CONFIG, Some(Output::ZotConfig));
        return;
    };
    let endpoint = endpoint(settings, "REGISTRY_ENDPOINT");
    let region = settings.get_or("REGISTRY_REGION", settings.get("PROVIDER_REGION"));
    let (key, secret) = (settings.get("REGISTRY_ACCESS_KEY_ID"), settings.get("REGISTRY_SECRET_ACCESS_KEY"));
    let role = settings.aws_role("REGISTRY_ASSUME_ROLE", "registry");
    let mut env = EnvFile::default();
    env.extend([
        ("CLUSTER_ID", settings.get("CLUSTER_ID")),
        ("INSTANCE_ID", settings.get("INSTANCE_ID")),
        ("PROVIDER_KIND", settings.provider.name()),
        ("REGISTRY_ENABLED", "true"),
        ("REGISTRY_HOSTNAME", hostname),
        ("REGISTRY_BUCKET", settings.get("REGISTRY_BUCKET")),
        ("REGISTRY_ENDPOINT", &endpoint),
        ("REGISTRY_REGION", region),
        ("REGISTRY_ASSUME_ROLE", &role),
        ("REGISTRY_ACCESS_KEY_ID", key),
        ("REGISTRY_SECRET_ACCESS_KEY", secret),
        ("AWS_S3_USE_PATH_STYLE", settings.get("AWS_S3_USE_PATH_STYLE")),
    ]);
    if role.is_empty() {
        super::fluent_bit::static_keys(&mut env, key, secret);
    } else {
        let session = format!("{}-zot", settings.get("INSTANCE_ID"));
        env.extend([
            ("AWS_SDK_LOAD_CONFIG", "1"),
            ("AWS_ROLE_ARN", &role),
            ("AWS_ROLE_SESSION_NAME", &session),
        ]);
    }
    env.plan(plan, "zot", "zot", Output::ZotEnv);
    let config = config(settings, region, &endpoint);
    plan.file(CONFIG, 0o640, ("root", "zot"), config.into_bytes(), Some(Output::ZotConfig));
    let directory = format!("{CERTS}/{hostname}");
    plan.file(
        &format!("{directory}/hosts.toml"),
        0o644,
        ("root", "root"),
        hosts(settings).into_bytes(),
        Some(Output::RegistryHosts),
    );
    plan.directories.push(PlannedDirectory { path: directory, mode: 0o755, owner: "root", group: "root" });
}

/// The endpoint of the setting `key` with its scheme in small letters; the region's own on aws when it is not given.
pub(super) fn endpoint(settings: &Settings, key: &str) -> String {
    let region = settings.get_or(&key.replace("ENDPOINT", "REGION"), settings.get("PROVIDER_REGION"));
    match (settings.get(key), settings.provider) {
        ("", Provider::Aws) => format!("s3.{region}.amazonaws.com"),
        (given, _) => match given.split_once("://") {
            Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
            None => given.to_owned(),
        },
    }
}

/// zot listens on the loopback of the family that the node prefers.
fn address(settings: &Settings) -> &'static str {
    if settings.get("INSTANCE_IPV6").is_empty() { "127.0.0.1" } else { "[::1]" }
}

/// zot's configuration; every value from outside is a quoted scalar.
fn config(settings: &Settings, region: &str, endpoint: &str) -> String {
    let mut driver = String::new();
    if settings.provider == Provider::Google {
        driver.push_str("    name: gcs\n");
    } else {
        let secure = !endpoint.starts_with("http://");
        let _ = write!(
            driver,
            "    name: s3\n    region: {}\n    secure: {secure}\n    skipverify: false\n",
            quote(region)
        );
        if !settings.get("AWS_S3_USE_PATH_STYLE").is_empty() {
            let _ = writeln!(driver, "    forcepathstyle: {}", settings.get("AWS_S3_USE_PATH_STYLE"));
        }
        if !endpoint.is_empty() {
            let _ = writeln!(driver, "    regionendpoint: {}", quote(endpoint));
        }
    }
    format!(
        r#"# written by configure
distSpecVersion: "1.1.0"
storage:
  rootDirectory: /opt/zot/storage
  dedupe: false
  storageDriver:
{driver}    bucket: {bucket}
http:
  address: "{address}"
  port: "5000"
  tls:
    cert: /opt/crt/registry.server.crt
    key: /opt/key/registry/registry.server.key
    cacert: /opt/crt/ca.crt
  auth:
    mtls:
      identityAttributes:
        - CommonName
  accessControl:
    repositories:
      "**":
        policies:
          - users:
              - containerd.client
            actions:
              - read
log:
  level: info
"#,
        bucket = quote(settings.get("REGISTRY_BUCKET")),
        address = address(settings),
    )
}

fn hosts(settings: &Settings) -> String {
    format!(
        r#"{MARK}[host."https://{}:5000"]
capabilities = ["pull", "resolve"]
ca = "/opt/crt/ca.crt"
client = [["/opt/crt/containerd.client.crt", "/opt/key/containerd/containerd.client.key"]]
"#,
        address(settings)
    )
}
