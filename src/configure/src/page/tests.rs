use super::text;
use crate::accounts::Accounts;
use crate::cloud::Provider;
use crate::found::{Found, KUBECONFIGS};
use crate::install::{Cache, Image};
use crate::keys::{Given, KEYS, Output};
use crate::layers::{Layer, Layers};
use crate::names::Role;
use crate::plan::Plan;
use crate::rules::Rule;
use crate::rules::ssh::tests::{ED25519, P256};
use crate::settings::{When, check};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[test]
fn the_page_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    if std::env::var_os("VMBAKE_ACCEPT").is_some() {
        std::fs::write(&path, text()).expect("the page");
    }
    let page = std::fs::read_to_string(&path).expect("docs/settings.md");
    assert!(page == text(), "docs/settings.md is not current: VMBAKE_ACCEPT=1 cargo test -p configure page");
}

/// A file of the image that a node starts from, made from the table as the page is.
fn holds(name: &str, expected: impl Fn(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../image-recipes/knd/rootfs/opt/podplane/share")
        .join(name);
    let text = std::fs::read_to_string(&path).expect(name);
    if std::env::var_os("VMBAKE_ACCEPT").is_some() {
        std::fs::write(&path, expected(&text)).expect(name);
    } else {
        assert!(
            text == expected(&text),
            "{name} is not current: VMBAKE_ACCEPT=1 cargo test -p configure page"
        );
    }
}

#[test]
fn the_defaults_of_an_image_are_those_of_the_table() {
    let live = KEYS.iter().filter(|key| key.is_live());
    let lines: String = live.map(|key| format!("{}='{}'\n", key.name, key.default)).collect();
    assert!(lines.lines().is_sorted(), "sorted, as the merged file is");
    holds("defaults/mutable.env", |_| lines.clone());
}

#[test]
fn the_policy_of_an_image_names_the_settings_of_each_class() {
    holds("policy.toml", |text| {
        let mut text = text.to_owned();
        for key in KEYS.iter().filter(|key| key.is_live()) {
            let Some(grant) = key.grant else { continue };
            let line = format!(".\n{} = ", grant.name());
            let (above, _) = text.split_once(&line).expect("a comment, and the line of its class");
            let comment = above.rsplit("\n\n").next().unwrap_or_default();
            if !comment.split(|c: char| c.is_whitespace() || ",.:".contains(c)).any(|word| word == key.name) {
                text = text.replacen(&line, &format!(",\n# {}{line}", key.name), 1);
            }
        }
        text
    });
}

#[test]
fn every_output_is_rendered_at_the_path_that_the_table_says() {
    let plan = plan(&full("aws")).expect("a plan");
    let mut seen = BTreeSet::new();
    for file in &plan.files {
        let Some(output) = file.output else { continue };
        seen.insert(output);
        if output != Output::Admin {
            assert_eq!(file.path, output.path());
        }
    }
    assert_eq!(seen, Output::ALL.into_iter().collect());
}

/// Each setting is given other values on several nodes; what is other in the plan then is what it reaches.
#[test]
fn a_setting_reaches_the_files_that_the_table_says_and_no_others() {
    let mut wrong = Vec::new();
    let before = |base: Layers| {
        let before = plan(&base).expect("a plan of every base");
        (base, before)
    };
    let bases: Vec<_> = bases().into_iter().map(before).collect();
    // the image's own kind: no file of settings may say another
    for key in KEYS.iter().filter(|key| key.name != "VMCONFIG_KIND") {
        let mut reached = BTreeSet::new();
        for (base, before) in &bases {
            for value in values(key.rule) {
                let mut layers = base.clone();
                match key.given {
                    Given::Detected => layers.detected.set(key.name, value),
                    _ => layers.user_data.set(key.name, value),
                }
                if let Ok(after) = plan(&layers) {
                    reached.extend(outputs_that_differ(before, &after));
                }
            }
        }
        let expected: BTreeSet<Output> = key.outputs.iter().copied().collect();
        if reached != expected {
            let (missing, more): (Vec<_>, Vec<_>) =
                (reached.difference(&expected).collect(), expected.difference(&reached).collect());
            wrong.push(format!("{}: not in the table {missing:?}, only in the table {more:?}", key.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn outputs_that_differ(before: &Plan, after: &Plan) -> BTreeSet<Output> {
    let all = |plan: &Plan| {
        let mut out: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for file in &plan.files {
            out.entry(file.output).or_default().push((file.path.clone(), Some(file.bytes.clone())));
        }
        for removal in &plan.removals {
            out.entry(removal.output).or_default().push((removal.path.clone(), None));
        }
        out
    };
    let (before, after) = (all(before), all(after));
    Output::ALL.into_iter().filter(|output| before.get(&Some(*output)) != after.get(&Some(*output))).collect()
}

/// Nodes of each kind of provider, with everything on, and with little.
fn bases() -> Vec<Layers> {
    let mut out: Vec<Layers> = Provider::ALL.iter().map(|provider| full(provider.as_str())).collect();
    for keys in [
        &["OIDC_CA_CERT", "NETSY_REGION", "REGISTRY_REGION", "TELEMETRY_S3_REGION"][..],
        &["OIDC_CA_CERT", "OIDC_CUSTOM_CA"],
        &[
            "REGISTRY_ENDPOINT",
            "TELEMETRY_S3_ENDPOINT",
            "REGISTRY_HOSTNAME",
            "REGISTRY_BUCKET",
            "REGISTRY_REGION",
        ],
        &["TELEMETRY_S3_BUCKET", "TELEMETRY_OTLP_ENDPOINT", "SSH_AUTHORIZED_KEYS"],
    ] {
        for provider in ["aws", "local"] {
            let mut layers = full(provider);
            keys.iter().for_each(|key| layers.user_data.set(key, ""));
            out.push(layers);
        }
    }
    // keys come in pairs
    for provider in ["local", "aws"] {
        let mut keys = full(provider);
        for part in ["NETSY", "REGISTRY", "TELEMETRY_S3"] {
            keys.user_data.set(&format!("{part}_ACCESS_KEY_ID"), "k");
            keys.user_data.set(&format!("{part}_SECRET_ACCESS_KEY"), "s");
        }
        out.push(keys);
    }
    out
}

/// Other values than [`full`]'s, of which each rule takes some.
pub(crate) fn values(rule: Rule) -> Vec<&'static str> {
    match rule {
        Rule::Bool => vec!["true", "false"],
        Rule::Certificates => vec!["", PEM, OTHER_PEM],
        Rule::Provider => Provider::ALL.iter().map(|provider| provider.as_str()).collect(),
        Rule::Ipv6 => vec!["", "2001:db8::7"],
        Rule::Ipv4 => vec!["10.9.9.9"],
        Rule::AwsAccount => vec!["210987654321"],
        Rule::CidrPair => vec!["10.1.0.0/16"],
        Rule::ServiceRanges => vec!["10.2.0.0/16"],
        Rule::UrlList => vec!["https://other:2378"],
        Rule::HostPort => vec!["other:9"],
        Rule::Url => vec!["", "https://other:4318/x"],
        Rule::Issuer => vec!["", "https://other:6443"],
        Rule::AddressList => vec!["10.96.0.10"],
        Rule::SigningAlgs => vec!["RS512"],
        Rule::Endpoint => vec!["", "https://other:9000"],
        Rule::SshKeys => vec!["", P256],
        Rule::NameList => vec!["kubelet"],
        Rule::Path => vec!["/opt/crt/other.pem"],
        Rule::Port => vec!["7444"],
        Rule::Number(_, 128) => vec!["60"],
        Rule::Number(low, _) => vec![if low == 0 { "9" } else { "20" }],
        _ => vec!["", "other"],
    }
}

// AAAA and AAAB between the two lines of a certificate
const PEM: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";
const OTHER_PEM: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";

/// A control plane with everything on.
fn full(provider: &str) -> Layers {
    let user = format!(
        "AWS_ACCOUNT_ID=123456789012\nCLUSTER_ID=c\nGOOGLE_PROJECT_ID=g\nINSTANCE_ID=i\nPROVIDER_REGION=r\n\
        PROVIDER_ZONE=z\nPROVIDER_INSTANCE_TYPE=t\nNSTANCE_SERVER_REGISTRATION_ADDR=a:1\nNSTANCE_SERVER_AGENT_ADDR=a:2\n\
        NETSY_BUCKET=b\nNETSY_REGION=n\nTELEMETRY_S3_BUCKET=t\nTELEMETRY_S3_REGION=s\nTELEMETRY_OTLP_ENDPOINT=https://o:1\n\
        REGISTRY_HOSTNAME=HOST\nREGISTRY_BUCKET=r\nREGISTRY_REGION=q\nKUBE_API_PORT=7443\nOIDC_ISSUER=https://i\n\
        SSH_AUTHORIZED_KEYS='{ED25519}'\nREGISTRY_ENDPOINT=https://e\nTELEMETRY_S3_ENDPOINT=https://e\n"
    );
    let facts = "INSTANCE_PROVIDER_ID=id\nINSTANCE_IPV4=10.0.0.1\nINSTANCE_IPV6=\nINSTANCE_NETDEV=e\n\
        INSTANCE_HOSTNAME=h\nINSTANCE_FQDN=h.d\n";
    let layer = |text: &str| Layer::new(crate::envfile::read(text.as_bytes()).expect("settings"));
    let mut layers = Layers { user_data: layer(&user), detected: layer(facts), mutable: Layer::default() };
    layers.user_data.set("PROVIDER_KIND", provider);
    for key in ["NSTANCE_CA_CERT", "OIDC_CA_CERT"] {
        layers.user_data.set(key, PEM);
    }
    layers
}

/// For the settings of one node: on a control plane, and `/etc/hosts` on a worker, where it depends on them.
fn plan(layers: &Layers) -> Result<Plan, String> {
    let worker = image("knd", Role::Worker);
    let settings = check(layers, &image("knc", Role::ControlPlane), When::Later);
    let settings = settings.map_err(|faults| format!("{faults:?}"))?;
    let render = |settings, api: &[_]| {
        crate::render::render(settings, &found(), Some(api)).map_err(|faults| format!("{faults:?}"))
    };
    let mut plan = render(&settings, &[])?;
    // and what is otherwise where the registry is Podplane's own
    let image = Image { cache: Cache::Podplane, ..image("knc", Role::ControlPlane) };
    let settings = check(layers, &image, When::Later).map_err(|faults| format!("{faults:?}"))?;
    let own = render(&settings, &[])?;
    let of_registry = |output| [Some(Output::RegistryEnv), Some(Output::RegistryAws)].contains(&output);
    plan.files.extend(own.files.into_iter().filter(|file| of_registry(file.output)));
    plan.removals.extend(own.removals.into_iter().filter(|removal| of_registry(removal.output)));
    let host = layers.value("KUBE_API_INTERNAL_LB_HOSTNAME");
    let api: Vec<_> = if host.is_empty() { vec![] } else { vec!["10.3.3.3".parse().expect("an address")] };
    let settings = check(layers, &worker, When::Later).map_err(|faults| format!("{faults:?}"))?;
    let hosts = render(&settings, &api)?.files.into_iter().find(|file| file.output == Some(Output::Hosts));
    if let Some(hosts) = hosts {
        plan.files.push(hosts);
    }
    Ok(plan)
}

fn image(kind: &str, role: Role) -> Image {
    Image { kind: kind.to_owned(), role, pause: "registry.k8s.io/pause:1".to_owned(), cache: Cache::Zot }
}

fn found() -> Found {
    let accounts = [
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
        "systemd-journal",
    ];
    let line =
        |(name, id): (&str, u32)| (format!("{name}:x:{id}:{id}::/:/bin/sh\n"), format!("{name}:x:{id}:\n"));
    let lines = accounts.into_iter().zip(900..).map(line);
    let (passwd, group): (String, String) = lines.unzip();
    let accounts = Accounts { passwd, group, ..Accounts::default() };
    let mut found = Found { accounts, oidc_file: true, ..Found::default() };
    found.identity.insert("nonce.jwt".to_owned());
    found.files.insert("/etc/containerd/config.toml", "version = 3\n".to_owned());
    for path in KUBECONFIGS {
        found.files.insert(path, "    server: https://localhost:6443\n".to_owned());
    }
    found
}
