//! The stand-ins for kubelet and kube-apiserver refuse what the real ones refuse: a node's test that they pass says something.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tests::authority::{Authority, key};
use tests::run::Group;
use tests::standin::{Arch, Program};

/// The programs, and a node's files for them.
struct Node {
    folder: tempfile::TempDir,
    port: u16,
}

impl Node {
    fn new() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let node = Self { folder: tempfile::tempdir()?, port };
        let program = Program::build(Arch::host())?;
        for name in ["kubelet", "kube-apiserver"] {
            let path = node.folder.path().join(name);
            fs::write(&path, program.stamped(name, "1")?)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let authority = Authority::get()?;
        for name in
            ["ca", "kube-apiserver.server", "kube-apiserver.client", "kubelet.client", "kubelet.server"]
        {
            node.write(&format!("{name}.crt"), &authority.certificate(name, "node-1")?)?;
        }
        let fixtures = tests::workspace::root().join("tests/fixtures/certificates");
        node.write("own.key", &key()?)?;
        node.write("own.pub", &fs::read_to_string(fixtures.join("p256.pub"))?)?;
        for name in ["p384.key", "p384.pub", "p384.crt"] {
            node.write(name, &fs::read_to_string(fixtures.join(name))?)?;
        }
        let head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
        node.write(
            "kubelet.yaml",
            &format!("{head}    clientCAFile: DIR/ca.crt\ntlsCertFile: DIR/kubelet.server.crt\ntlsPrivateKeyFile: DIR/own.key\n"),
        )?;
        node.write("conf.d/10-settings.conf", &format!("{head}clusterDNS: [\"10.96.0.10\"]\n"))?;
        node.write(
            "kubeconfig",
            "    server: https://localhost:PORT\n    certificate-authority: DIR/ca.crt\n    client-certificate: DIR/kubelet.client.crt\n    client-key: DIR/own.key\n",
        )?;
        Ok(node)
    }

    fn here(&self, text: &str) -> String {
        text.replace("DIR", &self.folder.path().display().to_string()).replace("PORT", &self.port.to_string())
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        Ok(fs::write(path, self.here(text))?)
    }

    /// Starts a program as systemd does.
    fn start(&self, name: &str, flags: &[String]) -> Result<Group> {
        #[expect(clippy::disallowed_methods, reason = "it runs beside the test, which reads what it says")]
        let mut command = Command::new(self.folder.path().join(name));
        command.args(flags).env("INVOCATION_ID", "1").stdin(Stdio::null()).stdout(Stdio::piped());
        command.process_group(0);
        Ok(Group(command.stderr(Stdio::inherit()).spawn()?))
    }

    /// The first line that `name` says after how it was started.
    fn says(&self, name: &str, flags: &[String]) -> Result<String> {
        let mut running = self.start(name, flags)?;
        let lines = BufReader::new(running.0.stdout.take().context("its output")?).lines();
        lines.map_while(Result::ok).find(|line| !line.starts_with('{')).context("it says nothing")
    }

    /// Flags with some of them in others' places; an empty value takes a flag away.
    fn flags(&self, flags: &[&str], changes: &[(&str, &str)]) -> Vec<String> {
        let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        let changed = |flag: &&&str| !changes.iter().any(|(key, _)| name(flag) == format!("--{key}"));
        let mut out: Vec<String> = flags.iter().filter(changed).map(|flag| self.here(flag)).collect();
        let given = changes.iter().filter(|(_, value)| !value.is_empty());
        out.extend(given.map(|(key, value)| self.here(&format!("--{key}={value}"))));
        out
    }
}

const KUBELET: [&str; 6] = [
    "--config=DIR/kubelet.yaml",
    "--config-dir=DIR/conf.d",
    "--kubeconfig=DIR/kubeconfig",
    "--node-ip=127.0.0.1",
    "--hostname-override=node-1",
    "--node-labels=topology.kubernetes.io/zone=a",
];

const API_SERVER: [&str; 21] = [
    "--secure-port=PORT",
    "--service-cluster-ip-range=198.18.0.0/15,fdc6::/108",
    "--etcd-servers=https://127.0.0.1:2378",
    "--etcd-cafile=DIR/ca.crt",
    "--etcd-certfile=DIR/kube-apiserver.client.crt",
    "--etcd-keyfile=DIR/own.key",
    "--service-account-issuer=https://api.test",
    "--service-account-jwks-uri=https://api.test/openid/v1/jwks",
    "--service-account-key-file=DIR/own.pub",
    "--service-account-signing-key-file=DIR/own.key",
    "--client-ca-file=DIR/ca.crt",
    "--tls-cert-file=DIR/kube-apiserver.server.crt",
    "--tls-private-key-file=DIR/own.key",
    "--tls-min-version=VersionTLS13",
    "--tls-cipher-suites=TLS_AES_256_GCM_SHA384",
    "--kubelet-client-certificate=DIR/kube-apiserver.client.crt",
    "--kubelet-client-key=DIR/own.key",
    "--kubelet-certificate-authority=DIR/ca.crt",
    "--proxy-client-cert-file=DIR/kube-apiserver.client.crt",
    "--proxy-client-key-file=DIR/own.key",
    "--requestheader-client-ca-file=DIR/ca.crt",
];

#[test]
fn a_kubelet_joins_the_api_server_of_its_name_and_authority_and_no_other() -> Result<()> {
    let node = Node::new()?;
    let _server = node.start("kube-apiserver", &node.flags(&API_SERVER, &[]))?;
    let flags = node.flags(&KUBELET, &[]);
    let joined = format!("joined https://localhost:{}", node.port);
    // it may ask before the server is there
    let mut running = node.start("kubelet", &flags)?;
    let lines = BufReader::new(running.0.stdout.take().context("its output")?).lines().map_while(Result::ok);
    ensure!(lines.take(30).any(|line| line == joined), "it does not join");
    drop(running);
    let kubeconfig = fs::read_to_string(node.folder.path().join("kubeconfig"))?;
    let cases = [
        ("another name", kubeconfig.replace("localhost", "127.0.0.1"), "cannot join: 127.0.0.1"),
        ("another authority", kubeconfig.replace("/ca.crt", "/p384.crt"), "cannot join: localhost"),
        ("no https", kubeconfig.replace("https", "http"), "cannot start: "),
        ("another's key", kubeconfig.replace("own.key", "p384.key"), "cannot start: tls: private key"),
    ];
    for (name, text, expected) in cases {
        node.write("kubeconfig", &text)?;
        let said = node.says("kubelet", &flags)?;
        ensure!(said.starts_with(expected), "{name}: {said}");
    }
    Ok(())
}

#[test]
fn a_kubelet_does_not_start_with_what_the_real_one_refuses() -> Result<()> {
    let node = Node::new()?;
    for (flag, value, expected) in [
        ("cluster-dns-x", "1", "unknown flag: --cluster-dns-x"),
        ("node-ip", "198.51.100.1", "--node-ip: 198.51.100.1 is none of this node"),
        ("node-ip", "", "--node-ip is required"),
        ("node-labels", "node-role.kubernetes.io/master=x", "--node-labels: unknown 'kubernetes.io' label"),
        ("hostname-override", "node-2", "the node node-2 is CN=system:node:node-2,O=system:nodes, and not"),
        ("config", "DIR/kubeconfig", "DIR/kubeconfig: no KubeletConfiguration"),
    ] {
        let said = node.says("kubelet", &node.flags(&KUBELET, &[(flag, value)]))?;
        let expected = node.here(&format!("cannot start: {expected}"));
        ensure!(said.starts_with(&expected), "--{flag}={value}: {said}");
    }
    Ok(())
}

#[test]
fn an_api_server_does_not_start_with_what_the_real_one_refuses() -> Result<()> {
    let node = Node::new()?;
    let cases: [(&[(&str, &str)], &str); 14] = [
        (&[("kubelet-https", "true")], "unknown flag: --kubelet-https"),
        (&[("oidc-username-prefix", "-")], "--oidc-issuer-url is required"),
        (&[("oidc-issuer-url", "https://i")], "--oidc-client-id is required"),
        (
            &[("oidc-issuer-url", "http://i"), ("oidc-client-id", "c")],
            "--oidc-issuer-url: http://i is not https",
        ),
        (
            &[("oidc-issuer-url", "https://i"), ("oidc-client-id", "c"), ("oidc-signing-algs", "HS256")],
            "--oidc-signing-algs: unknown HS256",
        ),
        (&[("service-account-issuer", "")], "--service-account-issuer is required"),
        (&[("service-account-jwks-uri", "http://i")], "--service-account-jwks-uri: http://i is not https"),
        (&[("service-account-key-file", "DIR/p384.pub")], "nobody believes tokens"),
        (
            &[("service-cluster-ip-range", "10.0.0.0/8")],
            "--service-cluster-ip-range: 10.0.0.0/8 is not a range, or",
        ),
        (
            &[("service-cluster-ip-range", "10.0.0.0/16,10.1.0.0/16")],
            "--service-cluster-ip-range: at most one",
        ),
        (&[("etcd-servers", "http://127.0.0.1:2378")], "--etcd-servers: certificates are given"),
        (&[("tls-private-key-file", "DIR/p384.key")], "tls: private key"),
        (&[("client-ca-file", "DIR/own.pub")], "openssl x509"),
        (&[("audit-policy-file", "DIR/kubeconfig")], "DIR/kubeconfig: no Policy of audit.k8s.io/v1"),
    ];
    for (changes, expected) in cases {
        let said = node.says("kube-apiserver", &node.flags(&API_SERVER, changes))?;
        ensure!(said.starts_with(&node.here(&format!("cannot start: {expected}"))), "{changes:?}: {said}");
    }
    Ok(())
}

/// A node's services would end at a flag that their stand-ins do not know, and only a boot of minutes would show it.
#[test]
fn the_stand_ins_know_each_flag_of_the_units() -> Result<()> {
    let node = Node::new()?;
    for (kind, name, least) in [("knd", "kubelet", 5), ("knc", "kube-apiserver", 40)] {
        let unit = format!("image-recipes/{kind}/rootfs/etc/systemd/system/{name}.service");
        let unit = fs::read_to_string(tests::workspace::root().join(unit))?;
        let (_, rest) = unit.split_once("ExecStart=").context("no ExecStart=")?;
        let command = rest.split_once("\nRestart=").map_or(rest, |(command, _)| command);
        let flags: Vec<String> =
            command.split_whitespace().filter(|word| word.starts_with("--")).map(str::to_owned).collect();
        ensure!(flags.len() >= least, "{flags:?}");
        let said = node.says(name, &flags)?;
        ensure!(!said.contains("unknown"), "{name}: {said}");
    }
    Ok(())
}
