use super::{Files, check};
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

    fn told(&self, user: &str, mutable: Option<&str>, policy: Option<&str>, kind: &str) -> Vec<String> {
        let user_data = self.write("user", user);
        let mutable = mutable.map(|text| self.write("live", text));
        let policy = policy.map(|text| self.write("policy", text));
        let files = Files { user_data: &user_data, mutable: mutable.as_deref(), policy: policy.as_deref() };
        let faults = check(&files, kind, None).expect("files");
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
    assert_eq!(check(&files, "gpu", Some("worker")), Ok(Vec::new()));
}

#[test]
fn faults_of_all_files_are_told_at_once_under_the_names_that_were_given() {
    let folder = Folder::new("bad");
    let user = format!("{USER}INSTANCE_IPV6=fe80::1\n");
    let live = "KUBE_API_PORT=s3cr3t\nOIDC_ISSUER=https://a\nNOPE=1\nINSTANCE_ID=x\n";
    let told = folder.told(&user, Some(live), None, "knc");
    for wanted in [
        "user:6: INSTANCE_IPV6: wanted a global IPv6 address",
        "live:1: KUBE_API_PORT: wanted a port from 1 to 65535",
        "live:3: NOPE: wanted a known setting",
        "live:4: INSTANCE_ID: wanted a setting that may change live",
    ] {
        assert!(told.iter().any(|fault| fault == wanted), "{wanted}: {told:?}");
    }
    assert_eq!(told.len(), 4, "each once: {told:?}");
}

#[test]
fn what_a_node_would_wait_for_for_ever_or_pass_over_is_an_error_of_whoever_wrote_it() {
    let folder = Folder::new("waits");
    assert_eq!(folder.told(USER, None, None, "knc"), [""; 0], "the bucket may come with a delivery");
    let told = folder.told(USER, Some("KUBE_CLUSTER_DNSS=10.0.0.1\nREGISTRY_BUCKET=b\n"), None, "knc");
    let wanted = [
        "live:1: KUBE_CLUSTER_DNSS: wanted a known setting",
        "live: NETSY_BUCKET: wanted a value, as this is a control plane",
        "live: REGISTRY_HOSTNAME: wanted a value, as REGISTRY_BUCKET is",
    ];
    assert_eq!(told, wanted);
    let (user_data, live) =
        (folder.write("user", USER), folder.write("live", "KUBE_CLUSTER_DNSS=10.0.0.1\n"));
    let files = Files { user_data: &user_data, mutable: Some(&live), policy: None };
    let hint = check(&files, "knd", None).expect("files").into_iter().find_map(|fault| fault.hint);
    assert!(hint.as_ref().is_some_and(|hint| hint.contains("`KUBE_CLUSTER_DNS`")), "{hint:?}");
}

#[test]
fn l06_a_policy_is_asked_at_plan_time() {
    let folder = Folder::new("policy");
    let live = "OIDC_ISSUER=https://a\nKUBE_API_PORT=7443\n";
    let told = folder.told(USER, Some(live), Some("cluster-admin = \"user-data\"\n"), "knd");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told.iter().all(|fault| fault.starts_with("live:1: OIDC_ISSUER: wanted no live change")),
        "{told:?}"
    );
    let told = folder.told(USER, Some(live), Some("cluster-admin = \"never\"\n"), "knd");
    assert!(told.iter().any(|fault| fault.starts_with("policy:1: wanted")), "{told:?}");
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
