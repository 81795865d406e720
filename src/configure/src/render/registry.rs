//! The registry cache, zot or Podplane's own: its environment and configuration, and containerd's way to it.
//!
//! Both listen on the loopback. zot asks for containerd's certificate; the other has no TLS, and so is asked by `http:`. Both
//! run as the user `zot`, whose directories each node has.

use super::env::EnvFile;
use crate::cloud::Buckets;
use crate::found::{CERTS, Found};
use crate::install::Cache;
use crate::json::quote;
use crate::keys::Output;
use crate::plan::{Plan, PlannedDirectory};
use crate::settings::Settings;
use std::fmt::Write as _;

/// How a `hosts.toml` of ours starts: only such ones are removed when the host name changes.
pub const MARK: &str = "# written by configure\n";
const ENV: &str = "/opt/env/zot.env";
const CONFIG: &str = "/opt/zot/etc/zot.yml";
const OWN_ENV: &str = "/opt/env/registry.env";
/// What the AWS SDKs read, and the profile in it.
const AWS: &str = "/opt/zot/etc/aws.conf";
const PROFILE: &str = "registry";

/// Plans it, or its removal.
pub(super) fn render(settings: &Settings, found: &Found, plan: &mut Plan) {
    let kept = settings.registry.as_ref().map(|registry| registry.hostname.as_str());
    for stale in found.registries.iter().filter(|name| Some(name.as_str()) != kept) {
        plan.remove(&format!("{CERTS}/{stale}/hosts.toml"), Some(Output::RegistryHosts));
        plan.remove(&format!("{CERTS}/{stale}"), None);
    }
    match settings.cache {
        Cache::Zot => zot(settings, kept, plan),
        Cache::Podplane => own(settings, kept, plan),
    }
    let Some(hostname) = kept else { return };
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

/// zot's files, or their removal.
fn zot(settings: &Settings, hostname: Option<&str>, plan: &mut Plan) {
    let Some(hostname) = hostname else {
        plan.remove(ENV, Some(Output::ZotEnv));
        plan.remove(CONFIG, Some(Output::ZotConfig));
        return;
    };
    let endpoint = endpoint(settings, "REGISTRY_ENDPOINT");
    let region = region(settings);
    let (key, secret) = keys(settings);
    let role = settings.aws_role("REGISTRY_ASSUME_ROLE", "registry");
    let mut env = EnvFile::default();
    env.extend([
        ("CLUSTER_ID", settings.get("CLUSTER_ID")),
        ("INSTANCE_ID", settings.get("INSTANCE_ID")),
        ("PROVIDER_KIND", settings.provider.as_str()),
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
}

/// The files of Podplane's own registry, or their removal. It takes a role by a profile, in a file of the AWS SDKs' form.
fn own(settings: &Settings, hostname: Option<&str>, plan: &mut Plan) {
    let profile = hostname.and_then(|_| profile(settings));
    match &profile {
        Some(text) => {
            let bytes = text.clone().into_bytes();
            plan.file(AWS, 0o640, ("root", "zot"), bytes, Some(Output::RegistryAws));
        }
        None => plan.remove(AWS, Some(Output::RegistryAws)),
    }
    if hostname.is_none() {
        plan.remove(OWN_ENV, Some(Output::RegistryEnv));
        return;
    }
    let listen = format!("{}:5000", address(settings));
    let mut env = EnvFile::default();
    env.extend([("REGISTRY_LISTEN", listen.as_str()), ("REGISTRY_BUCKET", settings.get("REGISTRY_BUCKET"))]);
    let buckets = settings.cloud().buckets;
    env.put("REGISTRY_PROVIDER", buckets.driver());
    if is_s3(buckets) {
        env.put("AWS_REGION", region(settings));
        // an endpoint that is not given is the region's own, which the SDK knows
        let endpoint = match settings.get("REGISTRY_ENDPOINT") {
            "" => String::new(),
            given if given.contains("://") => endpoint(settings, "REGISTRY_ENDPOINT"),
            given => format!("https://{given}"),
        };
        let given = [
            ("REGISTRY_S3_ENDPOINT", endpoint.as_str()),
            ("REGISTRY_S3_PATH_STYLE", settings.get("AWS_S3_USE_PATH_STYLE")),
        ];
        env.extend(given.into_iter().filter(|(_, value)| !value.is_empty()));
        if profile.is_some() {
            env.extend([("AWS_CONFIG_FILE", AWS), ("AWS_PROFILE", PROFILE)]);
        } else {
            let (key, secret) = keys(settings);
            super::fluent_bit::static_keys(&mut env, key, secret);
        }
    }
    env.plan(plan, "registry", "zot", Output::RegistryEnv);
}

/// The profile of the role that reads the bucket; none where there is no role. Its own credentials are the keys that were
/// given, else the machine's.
fn profile(settings: &Settings) -> Option<String> {
    let role = settings.aws_role("REGISTRY_ASSUME_ROLE", "registry");
    if role.is_empty() || !is_s3(settings.cloud().buckets) {
        return None;
    }
    let (session, region) = (settings.get("INSTANCE_ID"), region(settings));
    let head = format!(
        "{MARK}[profile {PROFILE}]\nrole_arn = {role}\nrole_session_name = {session}-registry\nregion = {region}\n"
    );
    Some(match keys(settings) {
        ("", _) | (_, "") => format!("{head}credential_source = Ec2InstanceMetadata\n"),
        (key, secret) => format!(
            "{head}source_profile = keys\n[profile keys]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        ),
    })
}

fn keys(settings: &Settings) -> (&str, &str) {
    (settings.get("REGISTRY_ACCESS_KEY_ID"), settings.get("REGISTRY_SECRET_ACCESS_KEY"))
}

fn region(settings: &Settings) -> &str {
    settings.get_or("REGISTRY_REGION", settings.get("PROVIDER_REGION"))
}

/// The endpoint of the setting `key` with its scheme in small letters; the region's own on aws when it is not given.
pub(super) fn endpoint(settings: &Settings, key: &str) -> String {
    let region = settings.get_or(&key.replace("ENDPOINT", "REGION"), settings.get("PROVIDER_REGION"));
    match (settings.get(key), settings.cloud().buckets) {
        ("", Buckets::Aws) => format!("s3.{region}.amazonaws.com"),
        (given, _) => match given.split_once("://") {
            Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
            None => given.to_owned(),
        },
    }
}

/// Whether they are read by way of S3.
fn is_s3(buckets: Buckets) -> bool {
    match buckets {
        Buckets::S3 | Buckets::Aws => true,
        Buckets::Gcs => false,
    }
}

/// Both listen on the loopback of the family that the node prefers.
fn address(settings: &Settings) -> &'static str {
    if settings.get("INSTANCE_IPV6").is_empty() { "127.0.0.1" } else { "[::1]" }
}

/// zot's configuration; every value from outside is a quoted scalar.
fn config(settings: &Settings, region: &str, endpoint: &str) -> String {
    let mut driver = String::new();
    let buckets = settings.cloud().buckets;
    let _ = writeln!(driver, "    name: {}", buckets.driver());
    if is_s3(buckets) {
        let secure = !endpoint.starts_with("http://");
        let _ =
            write!(driver, "    region: {}\n    secure: {secure}\n    skipverify: false\n", quote(region));
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
    let address = address(settings);
    match settings.cache {
        Cache::Zot => format!(
            r#"{MARK}[host."https://{address}:5000"]
capabilities = ["pull", "resolve"]
ca = "/opt/crt/ca.crt"
client = [["/opt/crt/containerd.client.crt", "/opt/key/containerd/containerd.client.key"]]
"#
        ),
        Cache::Podplane => {
            format!("{MARK}[host.\"http://{address}:5000\"]\ncapabilities = [\"pull\", \"resolve\"]\n")
        }
    }
}
