use super::{Settings, When, check};
use crate::install::{Cache, Image};
use crate::layers::{Layer, Layers};
use crate::names::Role;
use crate::refusal::Fault;
use crate::rules::ssh::tests::ED25519;

fn layer(text: &str) -> Layer {
    Layer::new(crate::envfile::read(text.as_bytes()).expect("an environment file"))
}

const USER: &str = "PROVIDER_KIND=local\nCLUSTER_ID=c\nINSTANCE_ID=i\n\
    NSTANCE_SERVER_REGISTRATION_ADDR=127.0.0.1:1\nNSTANCE_SERVER_AGENT_ADDR='[::1]:2'\n";
const DETECTED: &str = "INSTANCE_PROVIDER_ID=id\nINSTANCE_IPV4=10.0.0.1\nINSTANCE_IPV6=\nINSTANCE_NETDEV=e\n\
    INSTANCE_HOSTNAME=h\nINSTANCE_FQDN=h.d\n";

fn layers(user: &str, mutable: &str) -> Layers {
    Layers { user_data: layer(&format!("{USER}{user}")), detected: layer(DETECTED), mutable: layer(mutable) }
}

fn checked(layers: &Layers, role: Role) -> Result<Settings, Vec<Fault>> {
    let kind = if role == Role::Worker { "knd" } else { "knc" };
    let image =
        Image { kind: kind.to_owned(), role, pause: "registry.k8s.io/pause:1".to_owned(), cache: Cache::Zot };
    check(layers, &image, When::Later)
}

fn good(layers: &Layers) -> Settings {
    checked(layers, Role::Worker).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn faults(layers: &Layers, role: Role) -> Vec<String> {
    checked(layers, role).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_not_given_has_its_default() {
    let settings = good(&layers("", ""));
    assert_eq!(settings.get("KUBE_API_PORT"), "6443");
    assert!(settings.telemetry.is_none() && settings.registry.is_none() && settings.ssh_keys.is_empty());
}

#[test]
fn the_live_value_wins_unless_it_is_empty() {
    let given = layers("KUBE_API_PORT=1\nKUBE_LOG_LEVEL=3\n", "KUBE_API_PORT=2\nKUBE_LOG_LEVEL=\n");
    let settings = good(&given);
    assert_eq!((settings.get("KUBE_API_PORT"), settings.get("KUBE_LOG_LEVEL")), ("2", "3"));
}

#[test]
fn every_fault_is_told_at_once_with_place_line_and_key_and_never_the_value() {
    let given = layers("AWS_ACCOUNT_ID='s3cr3t one'\n", "KUBE_API_PORT='s3cr3t'\nTELEMETRY_ENABLED=s3cr3t\n");
    let told = faults(&given, Role::ControlPlane);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|fault| !fault.contains("s3cr3t")), "{told:?}");
    for expected in [
        "/opt/podplane/etc/user-data.env:6: AWS_ACCOUNT_ID: expected twelve digits",
        "/opt/podplane/etc/mutable.env:1: KUBE_API_PORT: expected a port from 1 to 65535",
        "/opt/podplane/etc/mutable.env:2: TELEMETRY_ENABLED: expected `true` or `false`",
    ] {
        assert!(told.iter().any(|fault| fault == expected), "{expected}: {told:?}");
    }
}

#[test]
fn a_cut_detected_env_is_refused() {
    let mut given = layers("", "");
    given.detected = layer("INSTANCE_PROVIDER_ID=id\n");
    let told = faults(&given, Role::Worker);
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(
        told.iter().all(|fault| fault.starts_with("/opt/podplane/etc/detected.env: INSTANCE_")),
        "{told:?}"
    );
}

#[test]
fn a_node_has_an_address_of_either_family() {
    let mut given = layers("", "");
    let facts = DETECTED.replace("INSTANCE_IPV4=10.0.0.1", "INSTANCE_IPV4=");
    given.detected = layer(&facts.replace("INSTANCE_IPV6=", "INSTANCE_IPV6=2001:db8::5"));
    assert_eq!(good(&given).get("INSTANCE_IPV6"), "2001:db8::5");
    given.detected = layer(&facts);
    let told = faults(&given, Role::Worker);
    assert!(told.len() == 1 && told[0].contains("INSTANCE_IPV4: expected a value"), "{told:?}");
}

#[test]
fn names_that_programs_run_code_by_are_refused() {
    for name in ["LD_PRELOAD", "PATH", "BASH_ENV", "IFS"] {
        let told = faults(&layers(&format!("{name}=x\n"), ""), Role::Worker);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&format!("user-data.env:6: {name}: ")), "{told:?}");
    }
}

#[test]
fn a_setting_of_user_data_is_refused_live() {
    let told = faults(&layers("", "CLUSTER_ID=other\n"), Role::Worker);
    assert!(
        told[0].contains("mutable.env:1: CLUSTER_ID: expected a setting that may change live"),
        "{told:?}"
    );
}

/// What waits with these settings: keys.
fn waits(given: &str, role: Role) -> Vec<&'static str> {
    let checked = checked(&layers("", given), role);
    checked.unwrap_or_else(|faults| panic!("{faults:?}")).waits.iter().map(|wait| wait.key).collect()
}

#[test]
fn what_may_come_with_the_first_delivery_is_waited_for_and_no_fault() {
    let s3 = "TELEMETRY_S3_BUCKET=b\n";
    for (given, key) in [
        ("REGISTRY_BUCKET=b\n".to_owned(), "REGISTRY_HOSTNAME"),
        ("REGISTRY_HOSTNAME=h\n".to_owned(), "REGISTRY_BUCKET"),
        (format!("{s3}TELEMETRY_S3_ACCESS_KEY_ID=k\n"), "TELEMETRY_S3_SECRET_ACCESS_KEY"),
        (format!("{s3}TELEMETRY_S3_SECRET_ACCESS_KEY=k\n"), "TELEMETRY_S3_ACCESS_KEY_ID"),
    ] {
        assert_eq!(waits(&given, Role::Worker), [key]);
        let settings = good(&layers("", &given));
        assert!(settings.registry.is_none() && settings.telemetry.is_none(), "{given}");
        let off = format!("{given}REGISTRY_ENABLED=false\nTELEMETRY_ENABLED=false\n");
        assert_eq!(waits(&off, Role::Worker), [""; 0]);
    }
    assert_eq!(waits("", Role::ControlPlane), ["NETSY_BUCKET"]);
    assert_eq!(waits("NETSY_BUCKET=b\n", Role::ControlPlane), [""; 0]);
    assert_eq!(waits("", Role::Worker), [""; 0]);
}

#[test]
fn identity_alone_as_user_data_gives_it_configures_a_node() {
    let text = "IMMUTABLE_SSH_AUTHORIZED_KEYS=''\nPROVIDER_ZONE=z\nPROVIDER_INSTANCE_TYPE=t\nPROVIDER_REGION=r\nAWS_ACCOUNT_ID=\n\
                GOOGLE_PROJECT_ID=\nNSTANCE_CA_CERT=\n";
    for role in [Role::Worker, Role::ControlPlane] {
        assert_eq!(faults(&layers(text, ""), role), [""; 0]);
    }
}

#[test]
fn a_slip_of_the_pen_in_user_data_is_a_note() {
    let settings = good(&layers("NETSY_BUKCET=s3cr3t\nHTTPS_PROXY=s3cr3t\n", ""));
    let told = settings.notes();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("user-data.env:6: NETSY_BUKCET") && told[0].contains("`NETSY_BUCKET`"),
        "{told:?}"
    );
}

#[test]
fn ssh_keys_are_the_union_each_once() {
    let given = layers(
        &format!(
            "IMMUTABLE_SSH_AUTHORIZED_KEYS='{ED25519} a\n\n{ED25519} b'\nSSH_AUTHORIZED_KEY=' {ED25519} c '\n"
        ),
        &format!("SSH_AUTHORIZED_KEYS='{ED25519} b\n{ED25519} d'\n"),
    );
    let settings = good(&given);
    assert_eq!(settings.ssh_keys, ["a", "b", "c", "d"].map(|name| format!("{ED25519} {name}")));
    let none = good(&layers("IMMUTABLE_SSH_AUTHORIZED_KEYS='# none\n '\n", ""));
    assert!(none.ssh_keys.is_empty());
}

#[test]
fn roles_of_aws_are_derived_only_when_empty() {
    let aws = "PROVIDER_KIND=aws\nAWS_ACCOUNT_ID=123456789012\n";
    let user = layer(&format!("{USER}{aws}").replace("PROVIDER_KIND=local\n", ""));
    let given = Layers {
        user_data: user,
        detected: layer(DETECTED),
        mutable: layer("REGISTRY_ASSUME_ROLE=arn:mine\n"),
    };
    let settings = good(&given);
    assert_eq!(settings.aws_role("REGISTRY_ASSUME_ROLE", "registry"), "arn:mine");
    assert_eq!(
        settings.aws_role("NETSY_ASSUME_ROLE", "netsy"),
        "arn:aws:iam::123456789012:role/podplane-c-netsy"
    );
}
