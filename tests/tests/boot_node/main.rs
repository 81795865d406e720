//! Nodes in machines, with stand-ins for upstream's programs that say how they were started.

mod knc;
mod knd;

use anyhow::{Context as _, Result, ensure};
use machine::Answer;
use serde_json::Value;
use std::collections::BTreeMap;
use tests::authority::{API_SERVER, Authority, key};
use tests::guest::Guest;
use tests::workspace;

const RECV: &str = "/opt/nstance-agent/recv";
const AGENT: &str = "nstance-agent:nstance-agent";
/// A token in shape.
const NONCE: &str = "eyJhbGciOiJub25lIn0.fake.nonce";

/// An SSH key that user-data gives for good, and one that comes with a delivery.
const FIXED_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIKBBh0T6szOh+YY7l1/07Yhm9bVOrNmC6CGurRR8nxj fixed@test";
const LIVE_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBY0Yb2zg2OKTAgbZGCjY6T+fdUJZw5YGXGB0NJhIT9I live@test";

/// User-data as Podplane v0.8.1 writes it: who the instance is, and nothing that a delivery brings. The servers are on this
/// machine's loopback, which QEMU's network has at 10.0.2.2.
fn identity(id: &str, port: u16) -> String {
    format!(
        "IMMUTABLE_SSH_AUTHORIZED_KEYS='{FIXED_KEY}'\nINSTANCE_ID='{id}'\nCLUSTER_ID='test'\nPROVIDER_KIND='local'\n\
         PROVIDER_REGION='here'\nPROVIDER_ZONE='a'\nPROVIDER_INSTANCE_TYPE='small'\nAWS_ACCOUNT_ID=''\nGOOGLE_PROJECT_ID=''\n\
         NSTANCE_SERVER_REGISTRATION_ADDR='10.0.2.2:{port}'\nNSTANCE_SERVER_AGENT_ADDR='10.0.2.2:{port}'\n"
    )
}

/// All settings that Podplane v0.8.1 delivers, in its form: sorted, unquoted, always all of them. Empty where not set.
fn settings() -> String {
    let set = [
        ("KUBE_API_ETCD_SERVERS", "https://127.0.0.1:2378"),
        ("KUBE_API_INTERNAL_LB_HOSTNAME", "10.0.2.2"),
        ("KUBE_API_PUBLIC_HOSTNAME", "api.test"),
        ("KUBE_CLUSTER_CIDR", "100.64.0.0/10,fd64::/48"),
        ("KUBE_CLUSTER_DNS", "198.19.255.254,fdc6::ffff"),
        ("KUBE_LOG_LEVEL", "2"),
        ("KUBE_NODE_CIDR_MASK_SIZE_IPV4", "24"),
        ("KUBE_NODE_CIDR_MASK_SIZE_IPV6", "64"),
        ("KUBE_SERVICE_ACCOUNT_ISSUER", "https://api.test:6443"),
        ("KUBE_SERVICE_CLUSTER_IP_RANGE", "198.18.0.0/15,fdc6::/108"),
        ("NETSY_BUCKET", "test-1-netsy"),
        ("OIDC_SIGNING_ALGS", "RS256"),
        ("REGISTRY_BUCKET", "test-1-registry"),
        ("REGISTRY_ENABLED", "true"),
        ("REGISTRY_HOSTNAME", "registry.test"),
        ("SSH_AUTHORIZED_KEYS", LIVE_KEY),
        ("TELEMETRY_ENABLED", "false"),
        ("TELEMETRY_LOG_CLOUDINIT", "true"),
    ];
    let empty = "AWS_S3_USE_PATH_STYLE NETSY_ACCESS_KEY_ID NETSY_ASSUME_ROLE NETSY_ENDPOINT NETSY_REGION NETSY_SECRET_ACCESS_KEY \
                 OIDC_CA_CERT OIDC_ISSUER REGISTRY_ACCESS_KEY_ID REGISTRY_ASSUME_ROLE REGISTRY_ENDPOINT REGISTRY_REGION \
                 REGISTRY_SECRET_ACCESS_KEY TELEMETRY_LOG_SERVICES TELEMETRY_OTLP_ENDPOINT TELEMETRY_S3_ACCESS_KEY_ID \
                 TELEMETRY_S3_ASSUME_ROLE TELEMETRY_S3_BUCKET TELEMETRY_S3_ENDPOINT TELEMETRY_S3_REGION TELEMETRY_S3_SECRET_ACCESS_KEY";
    let all: BTreeMap<&str, &str> = set.into_iter().chain(empty.split(' ').map(|key| (key, ""))).collect();
    assert_eq!(all.len(), 39, "as many as it sends");
    all.into_iter().map(|(key, value)| format!("{key}={value}\n")).collect()
}

/// Demands that just these keys let someone in as admin.
fn let_in(guest: &mut Guest, keys: &[&str]) -> Result<()> {
    let file = "/home/admin/.ssh/authorized_keys";
    let got = guest
        .sh(&format!("cat {file} && stat -c '%a %U:%G' {file} && sudo -l -U admin | grep -c NOPASSWD"))?;
    let keys: String = keys.iter().map(|key| format!("{key}\n")).collect();
    ensure!(got == format!("{keys}600 admin:admin\n1\n"), "{got}");
    Ok(())
}

/// Demands that kubelet has joined the API server that it knows by its name, and knows its own addresses and labels, and the
/// cluster's name servers.
fn kubelet_joins(guest: &mut Guest, id: &str, port: u16, servers: &str) -> Result<()> {
    let address = format!("https://{API_SERVER}:{port}");
    let journal = "journalctl --no-pager --boot --output=cat --unit=kubelet";
    guest.until(&format!("{journal} | grep -qx 'joined {address}'")).with_context(|| {
        let log = format!("{journal} --lines=3; {journal} --unit=kube-apiserver --grep '^cannot' --lines=3");
        format!("{:?}", guest.answer(&log))
    })?;
    let started = said(guest, "kubelet", Some(10250))?;
    let args: Vec<&str> =
        started["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let labels = "--node-labels=node.kubernetes.io/instance-type=small,topology.kubernetes.io/region=here,topology.kubernetes.io/zone=a";
    for expected in [
        "--kubeconfig=/opt/kubelet/etc/kubeconfig",
        "--config-dir=/opt/kubelet/etc/kubelet.conf.d",
        &format!("--hostname-override={id}"),
        labels,
    ] {
        ensure!(args.contains(&expected), "{expected}: {args:?}");
    }
    ensure!(args.iter().any(|arg| arg.starts_with("--node-ip=10.0.2.")), "{args:?}");
    let server =
        guest.sh("grep -h server: /opt/kubelet/etc/kubeconfig /opt/kube2iam/etc/kubeconfig | sort -u")?;
    ensure!(server.trim() == format!("server: {address}"), "{server}");
    let dns = guest.sh("grep -h clusterDNS: /opt/kubelet/etc/kubelet.conf.d/*.conf")?;
    ensure!(dns.trim() == format!("clusterDNS: {servers}"), "{dns}");
    Ok(())
}

/// A service of a node that has all it needs, the port of the node on which it answers, and its user.
type Expected = (&'static str, Option<u16>, &'static str);

/// One of the committed certificates and keys.
fn fixture(name: &str) -> Result<String> {
    let path = workspace::root().join("tests/fixtures/certificates").join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Delivers settings as the agent of `node` does, the trigger last; with them certificates by name, each after the key that
/// the agent had made for it, and, where there are any, the cluster's own keys.
fn deliver(guest: &mut Guest, node: &str, settings: &str, certificates: &[&str]) -> Result<()> {
    let (authority, key, public) = (Authority::get()?, key()?, fixture("p256.pub")?);
    let issued = certificates.iter().map(|name| Ok((*name, authority.certificate(name, node)?)));
    let issued: Vec<(&str, String)> = issued.collect::<Result<_>>()?;
    let mut files: Vec<(String, &str, &str)> = Vec::new();
    for (name, certificate) in &issued {
        files.push((format!("/opt/nstance-agent/keys/{name}.key"), "0640", &key));
        files.push((format!("{RECV}/{name}.crt"), "0600", certificate));
    }
    if !certificates.is_empty() {
        files.push((format!("{RECV}/service-accounts.key"), "0600", &key));
        files.extend(
            ["ca.pub", "service-accounts.pub"]
                .map(|name| (format!("{RECV}/{name}"), "0600", public.as_str())),
        );
    }
    files.push((format!("{RECV}/mutable.env"), "0600", settings));
    files.push((format!("{RECV}/write-files.last"), "0600", "now"));
    let files: Vec<_> =
        files.iter().map(|(path, mode, text)| (path.as_str(), *mode, AGENT, text.as_bytes())).collect();
    guest.write(&files)
}

/// Waits for services.
fn all_up(guest: &mut Guest, services: &[Expected]) -> Result<()> {
    for (name, ..) in services {
        let state = guest.until(&format!("systemctl is-active --quiet {name}.service"));
        state.with_context(|| {
            let said = guest.answer(&format!("systemctl status --no-pager --lines=30 {name}.service"));
            format!("{name} is not up: {said:?}")
        })?;
    }
    Ok(())
}

/// Demands that each service runs as its user, can read all files that it was told of, and answers on its port.
fn all_well(guest: &mut Guest, services: &[Expected]) -> Result<()> {
    for &(name, port, user) in services {
        // Debian's own program, no stand-in
        if name == "containerd" {
            guest.sh("ctr version")?;
            continue;
        }
        let said = said(guest, name, port)?;
        ensure!(said["name"] == name && said["unreadable"] == serde_json::json!([]), "{said}");
        let uid: u32 = guest.sh(&format!("id -u {user}"))?.trim().parse()?;
        ensure!(said["uid"] == uid, "{name} runs as {}, expected {user}, {uid}", said["uid"]);
    }
    Ok(())
}

/// What a service says on its port, or, where it has none, has said in the journal.
fn said(guest: &mut Guest, name: &str, port: Option<u16>) -> Result<Value> {
    let ask = match port {
        Some(port) => {
            format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && head -n 1 <&3' 2>/dev/null")
        }
        None => format!("journalctl --no-pager --output=cat --unit={name} | grep '^{{' | tail -n 1 | grep ."),
    };
    // it has looked at its files before it takes its port
    let text = guest.until(&ask).with_context(|| {
        let journal = guest.answer(&format!("journalctl --no-pager --boot --lines=20 --unit={name}"));
        format!("{name}: {journal:?}")
    })?;
    serde_json::from_str(text.trim()).with_context(|| format!("{name} said `{text}`"))
}

/// Demands that containers can be confined: the kernel has AppArmor on, and containerd, within its unit, can load a profile
/// by the image's parser, as it does for the first container. It could not without the capability for that.
fn containers_can_be_confined(guest: &mut Guest) -> Result<()> {
    guest.sh("test $(cat /sys/module/apparmor/parameters/enabled) = Y && test -x /sbin/apparmor_parser")?;
    let profile = "#include <tunables/global>\nprofile PROBE flags=(attach_disconnected) {\n  #include <abstractions/base>\n  file,\n}\n";
    for (name, more, loaded) in
        [("probe-as-baked", "", true), ("probe-without", "CapabilityBoundingSet=~CAP_MAC_ADMIN\\n", false)]
    {
        let text = profile.replace("PROBE", name);
        guest.write(&[("/run/probe.profile", "0644", "root:root", text.as_bytes())])?;
        let answer = within(guest, "containerd", "/sbin/apparmor_parser -Kr /run/probe.profile", more)?;
        let listed = guest.answer(&format!("grep -q '^{name} ' /sys/kernel/security/apparmor/profiles"))?;
        ensure!((listed.code == 0) == loaded, "{name}: {answer:?}");
    }
    Ok(())
}

/// Runs a command once in the sandbox of `unit` with `more` lines.
fn within(guest: &mut Guest, unit: &str, command: &str, more: &str) -> Result<Answer> {
    let made = format!(
        "sed -e 's|^ExecStart=.*|ExecStart={command}\\n{more}RuntimeDirectory=probe\\nRuntimeDirectoryPreserve=yes|' \
         -e 's/^Type=.*/Type=oneshot/' -e '/^Restart/d' -e '/^Condition/d' -e '/^Requires/d' -e '/^RemainAfterExit/d' \
         /etc/systemd/system/{unit}.service >/run/systemd/system/probe.service && systemctl daemon-reload"
    );
    guest.sh(&made)?;
    let answer = guest
        .answer("systemctl start probe.service; code=$?; systemctl reset-failed probe.service; exit $code")?;
    guest.sh("rm /run/systemd/system/probe.service && systemctl daemon-reload")?;
    Ok(answer)
}
