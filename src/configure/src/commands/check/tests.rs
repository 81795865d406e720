use super::{Files, Told, check};
use crate::rules::ssh::tests::{ED25519, P256};
use std::path::{Path, PathBuf};

const USER: &str = "PROVIDER_KIND=local\nCLUSTER_ID='c'\nINSTANCE_ID=i\n\
    NSTANCE_SERVER_REGISTRATION_ADDR=127.0.0.1:1\nNSTANCE_SERVER_AGENT_ADDR='[::1]:2'\n";

/// Files of one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("configure-check-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// What a control plane says of user-data: a line a fault and a line a hint, or the notes.
    fn says(&self, user: &str) -> Vec<String> {
        let files = Files { user_data: &self.write("user", user), mutable: None, policy: None };
        let told = check(&files, "knc", None).expect("files");
        let faults =
            told.faults.iter().flat_map(|fault| [fault.to_string(), fault.hint.clone().unwrap_or_default()]);
        let here = format!("{}/", self.0.display());
        faults.chain(told.notes).map(|line| line.replace(&here, "")).collect()
    }

    fn told(&self, user: &str, mutable: Option<&str>, policy: Option<&str>, kind: &str) -> Vec<String> {
        let user_data = self.write("user", user);
        let mutable = mutable.map(|text| self.write("live", text));
        let policy = policy.map(|text| self.write("policy", text));
        let files = Files { user_data: &user_data, mutable: mutable.as_deref(), policy: policy.as_deref() };
        let faults = check(&files, kind, None).expect("files").faults;
        let here = format!("{}/", self.0.display());
        faults.iter().map(|fault| fault.to_string().replace(&here, "")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn settings_that_a_node_would_take_have_no_fault() {
    let folder = Folder::new("good");
    assert_eq!(folder.told(USER, None, None, "knd"), [""; 0]);
    assert_eq!(folder.told(USER, Some("NETSY_BUCKET=b\n"), None, "knc"), [""; 0]);
    let files = Files { user_data: &folder.write("user", USER), mutable: None, policy: None };
    assert_eq!(check(&files, "gpu", Some("worker")), Ok(Told::default()));
}

#[test]
fn faults_of_all_files_are_told_at_once_under_the_names_that_were_given() {
    let folder = Folder::new("bad");
    let user = format!("{USER}INSTANCE_IPV6=fe80::1\n");
    let live = "KUBE_API_PORT=s3cr3t\nOIDC_ISSUER=https://a\nNOPE=1\nINSTANCE_ID=x\n";
    let told = folder.told(&user, Some(live), None, "knc");
    for expected in [
        "user:6: INSTANCE_IPV6: expected an IPv6 address that a node may have: not loopback, link-local, multicast, unspecified or IPv4's",
        "live:1: KUBE_API_PORT: expected a port from 1 to 65535",
        "live:3: NOPE: expected a known setting",
        "live:4: INSTANCE_ID: expected a setting that may change live",
    ] {
        assert!(told.iter().any(|fault| fault == expected), "{expected}: {told:?}");
    }
    assert_eq!(told.len(), 4, "each once: {told:?}");
}

#[test]
fn what_a_node_would_wait_for_for_ever_or_pass_over_is_an_error_of_whoever_wrote_it() {
    let folder = Folder::new("waits");
    assert_eq!(folder.told(USER, None, None, "knc"), [""; 0], "the bucket may come with a delivery");
    let told = folder.told(USER, Some("KUBE_CLUSTER_DNSS=10.0.0.1\nREGISTRY_BUCKET=b\n"), None, "knc");
    let expected = [
        "live:1: KUBE_CLUSTER_DNSS: expected a known setting",
        "live: NETSY_BUCKET: expected a value, as this is a control plane",
        "live: REGISTRY_HOSTNAME: expected a value, as REGISTRY_BUCKET is",
    ];
    assert_eq!(told, expected);
    let (user_data, live) =
        (folder.write("user", USER), folder.write("live", "KUBE_CLUSTER_DNSS=10.0.0.1\n"));
    let files = Files { user_data: &user_data, mutable: Some(&live), policy: None };
    let hint = check(&files, "knd", None).expect("files").faults.into_iter().find_map(|fault| fault.hint);
    assert!(hint.as_ref().is_some_and(|hint| hint.contains("`KUBE_CLUSTER_DNS`")), "{hint:?}");
}

#[test]
fn a_policy_is_asked_at_plan_time() {
    let folder = Folder::new("policy");
    let live = "OIDC_ISSUER=https://a\nKUBE_API_PORT=7443\n";
    let told = folder.told(USER, Some(live), Some("cluster-admin = \"user-data\"\n"), "knd");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told.iter().all(|fault| fault.starts_with("live:1: OIDC_ISSUER: expected no live change")),
        "{told:?}"
    );
    let told = folder.told(USER, Some(live), Some("cluster-admin = \"never\"\n"), "knd");
    assert!(told.iter().any(|fault| fault.starts_with("policy:1: expected")), "{told:?}");
}

#[test]
fn what_is_no_file_of_settings_is_refused() {
    let folder = Folder::new("none");
    assert_eq!(folder.told(&"A=1\n".repeat(30_000), None, None, "knd").len(), 1);
    let files = Files { user_data: Path::new("/nowhere/user"), mutable: None, policy: None };
    assert!(check(&files, "knd", None).is_err());
    assert!(check(&files, "gpu", None).is_err());
    assert!(check(&files, "knd", Some("neither")).is_err());
}

/// What a control plane takes; its last line is the sixteenth.
const GOOD: &str = "CLUSTER_ID='demo'\nINSTANCE_ID='knc-1'\nPROVIDER_KIND='proxmox'\nPROVIDER_REGION='eu-1'\n\
    PROVIDER_ZONE='eu-1a'\nPROVIDER_INSTANCE_TYPE='vm.small'\nINSTANCE_IPV4='10.0.2.15'\nINSTANCE_IPV6=''\n\
    NSTANCE_SERVER_REGISTRATION_ADDR='10.0.2.2:8992'\nNSTANCE_SERVER_AGENT_ADDR='10.0.2.2:8993'\n\
    KUBE_API_PUBLIC_HOSTNAME='api.example.test'\nNETSY_BUCKET='netsy'\nNETSY_ENDPOINT='https://s3.example.test'\n\
    NETSY_ACCESS_KEY_ID='AK'\nNETSY_SECRET_ACCESS_KEY='SK'\nOIDC_ISSUER='https://id.example.test'\n";

#[test]
fn a_setting_that_would_kill_a_service_is_refused_by_line_and_rule_and_never_by_value() {
    let folder = Folder::new("kills");
    assert_eq!(folder.says(GOOD), [""; 0]);
    let range = "KUBE_SERVICE_CLUSTER_IP_RANGE";
    for (key, value, rule) in [
        ("INSTANCE_ID", "'rpi_node_1'", "expected a node's name"),
        ("INSTANCE_ID", "'VM-Node-01'", "expected a node's name"),
        ("INSTANCE_ID", "'node.example'", "expected a name that netsy takes"),
        ("CLUSTER_ID", "'Prod_1'", "expected a name that netsy takes"),
        ("CLUSTER_ID", "'a--b'", "expected a name that netsy takes"),
        (
            "SSH_AUTHORIZED_KEYS",
            &format!("\"{ED25519} a@example\\n{P256} b@example\""),
            "expected one SSH public key",
        ),
        ("SSH_AUTHORIZED_KEYS", "'[\"ssh-ed25519 AAAA a\"]'", "expected a comment, or an SSH public key"),
        (
            "SSH_AUTHORIZED_KEYS",
            "'-----BEGIN OPENSSH PRIVATE KEY-----'",
            "expected an SSH public key, found a private key",
        ),
        ("IMMUTABLE_SSH_AUTHORIZED_KEYS", "'none'", "expected a comment, or an SSH public key"),
        (
            range,
            "'10.0.0.0/8'",
            "expected a CIDR, or an IPv4 and an IPv6 one separated by a comma, from /12 to",
        ),
        (range, "'10.0.0.0/16,fd00::/64'", "expected a CIDR, or an IPv4 and an IPv6 one"),
        (
            "KUBE_CLUSTER_CIDR",
            "'198.18.0.0/16'",
            "expected a range of its own, found one that overlaps KUBE_SERVICE",
        ),
        ("KUBE_NODE_CIDR_MASK_SIZE_IPV4", "'9'", "expected at least the 10 bits of the IPv4 range"),
        ("INSTANCE_IPV4", "'127.0.0.1'", "expected an IPv4 address that a node may have"),
        ("INSTANCE_IPV4", "'169.254.1.2'", "expected an IPv4 address that a node may have"),
        ("INSTANCE_IPV6", "'::1'", "expected an IPv6 address that a node may have"),
        ("INSTANCE_IPV6", "'ff02::1'", "expected an IPv6 address that a node may have"),
        ("INSTANCE_IPV6", "'::ffff:10.0.2.15'", "expected an IPv6 address that a node may have"),
        ("NETSY_SECRET_ACCESS_KEY", "'SK\u{a0}'", "found U+00A0 at column 3 of the value"),
        ("PROVIDER_REGION", "'eu\u{200b}-1'", "found U+200B at column 3 of the value"),
        ("NETSY_ACCESS_KEY_ID", "'\u{201c}AK\u{201d}'", "found U+201C at column 1 of the value"),
        ("NETSY_ASSUME_ROLE", "'arn\u{2013}x'", "found U+2013 at column 4 of the value"),
        ("KUBE_API_PORT", "'6443\u{a0}'", "found U+00A0 at column 5 of the value"),
    ] {
        let kept: Vec<&str> = GOOD.lines().filter(|line| !line.starts_with(&format!("{key}="))).collect();
        let said = folder.says(&format!("{}\n{key}={value}\n", kept.join("\n")));
        let line = kept.len() + 1;
        assert!(said[0].starts_with(&format!("user:{line}: {key}: ")), "{said:?}");
        assert!(said[0].contains(rule) && said.len() == 2, "{rule}: {said:?}");
        assert!(!said.concat().contains(value.trim_matches(['\'', '"'])), "{said:?}");
    }
}

#[test]
fn a_file_as_windows_writes_it_is_refused_with_the_way_out() {
    let folder = Folder::new("windows");
    for (text, rule, hints) in [
        (
            GOOD.replace('\n', "\r\n"),
            "user:1: expected no NUL and no carriage return",
            ["dos2unix", "sed -i 's/\\r$//'"],
        ),
        (format!("\u{feff}{GOOD}"), "user:1: expected no byte order mark", ["dos2unix", "sed -i"]),
    ] {
        let said = folder.says(&text);
        assert_eq!((said.len(), said[0].as_str()), (2, rule));
        assert!(hints.iter().all(|hint| said[1].contains(hint)), "{said:?}");
    }
    let (user_data, live) = (folder.write("user", GOOD), folder.write("live", "\u{feff}KUBE_API_PORT=1\n"));
    let files = Files { user_data: &user_data, mutable: Some(&live), policy: None };
    let told = check(&files, "knc", None).expect("files");
    assert!(
        told.faults.iter().any(|fault| fault.hint.as_ref().is_some_and(|hint| hint.contains("dos2unix")))
    );
}

#[test]
fn what_a_node_would_note_is_noted() {
    let folder = Folder::new("notes");
    let user =
        GOOD.replace("'eu-1a'", "'eu 1a'") + "TELEMETRY_S3_BUCKET=b\nTELEMETRY_LOG_SERVICES=kubelet,nope\n";
    let said = folder.says(&user);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("PROVIDER_ZONE is no value of a Kubernetes label"), "{said:?}");
    assert!(said[1].starts_with("TELEMETRY_LOG_SERVICES: `nope` is not a unit"), "{said:?}");
}

#[test]
fn a_node_that_finds_its_own_names_and_addresses_is_taken() {
    let folder = Folder::new("found");
    let user = GOOD.replace("INSTANCE_IPV4='10.0.2.15'\nINSTANCE_IPV6=''\n", "");
    assert_eq!(folder.says(&user), [""; 0]);
    assert_eq!(folder.says(&(user + "INSTANCE_IPV4=''\nINSTANCE_IPV6='2001:db8::5'\n")), [""; 0]);
}
