//! The steps of today's user-data script, on a machine that was started from the drop-in's image: what it downloads comes from
//! `serve`, and is next to nothing.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Child;
use tests::guest::{Guest, Setup};
use tests::run::Run;
use tests::shared::{Image, Shared};
use tests::standin::Arch;
use tree::release::OS;

const KND: Image = Image { kind: "knd", arch: Arch::Amd64 };

/// A server of the project's; it ends with the value.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(run: &Run) -> Result<Self> {
        let mut child = run.start_with_output()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let url = line.trim().rsplit_once(" at ").context("serving … at …")?.1.to_owned();
        Ok(Self { child, url })
    }

    fn port(&self) -> Result<u16> {
        Ok(self.url.rsplit(':').next().context("a port")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The script, of a worker: what it does and in which order is what the released one does.
fn script(mirror: &str, layout: &str, vmconfig: &Value, address: &str, ca: &str) -> Result<String> {
    let text = |key: &str| vmconfig[key].as_str().with_context(|| key.to_owned());
    let (version, url, digest) = (text("version")?, text("url")?, text("digest")?);
    let file = url.rsplit('/').next().context("a file")?;
    let hex = digest.strip_prefix("sha256:").context("a digest")?;
    Ok(format!(
        r#"set -euo pipefail
hostnamectl set-hostname knd-1
timeout 5 bash -c "echo > /dev/tcp/{host}/{port}"
mkdir -p /opt/podplane/artifacts
curl -sfL --parallel --parallel-max 10 --parallel-immediate \
  -o /opt/podplane/artifacts/vmconfig.tar.gz "{mirror}/{layout}vmconfig/{version}/{file}" >/dev/null
echo "{hex}  /opt/podplane/artifacts/vmconfig.tar.gz" | sha256sum -c --quiet
stat -c 'downloaded %s' /opt/podplane/artifacts/vmconfig.tar.gz
tar -xzf /opt/podplane/artifacts/vmconfig.tar.gz -C /
mkdir -p /opt/podplane/etc
cat > /opt/podplane/etc/user-data.env <<'USERDATA_ENV'
IMMUTABLE_SSH_AUTHORIZED_KEYS=''

INSTANCE_ID='knd-1'
CLUSTER_ID='test'

PROVIDER_KIND='local'
PROVIDER_REGION='here'
PROVIDER_ZONE='a'
PROVIDER_INSTANCE_TYPE='small'
AWS_ACCOUNT_ID=''
GOOGLE_PROJECT_ID=''

INSTANCE_PROVIDER_ID='i-1'
NSTANCE_CA_CERT=''
NSTANCE_SERVER_REGISTRATION_ADDR='{address}'
NSTANCE_SERVER_AGENT_ADDR='{address}'
USERDATA_ENV
chmod 0600 /opt/podplane/etc/user-data.env
mkdir -p /opt/nstance-agent/identity
cat > /opt/nstance-agent/identity/nonce.jwt <<'NSTANCE_NONCE_JWT'
eyJhbGciOiJub25lIn0.fake.nonce
NSTANCE_NONCE_JWT
cat > /opt/nstance-agent/identity/ca.crt <<'NSTANCE_CA_CERT'
{ca}
NSTANCE_CA_CERT
chmod 0600 /opt/nstance-agent/identity/nonce.jwt /opt/nstance-agent/identity/ca.crt
chmod +x /opt/podplane/bin/install.sh
/opt/podplane/bin/install.sh
chmod +x /opt/podplane/bin/configure.sh
/opt/podplane/bin/configure.sh
chmod +x /opt/podplane/bin/restart.sh
/opt/podplane/bin/restart.sh
echo the script is done
"#,
        host = address.rsplit_once(':').context("an address")?.0,
        port = address.rsplit_once(':').context("an address")?.1,
        ca = ca.trim(),
    ))
}

#[test]
fn the_user_data_script_of_today_ends_well_on_the_image_and_downloads_less_than_a_megabyte() -> Result<()> {
    let (shared, room) = (Shared::get()?, tempfile::tempdir()?);
    let image = shared.disk(KND, "qcow2")?;
    let dir = image.parent().context("a folder")?;
    let run = shared.run("serve").args([dir.as_os_str()]).option("--listen", "127.0.0.1:0");
    let server = Server::start(&run)?;
    let nstance = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("10.0.2.2:{}", nstance.local_addr()?.port());
    let mirror = format!("http://10.0.2.2:{}", server.port()?);
    let ca = std::fs::read_to_string(tests::workspace::root().join("tests/fixtures/certificates/p256.crt"))?;

    let setup = Setup { direct: true, network: true, ..Setup::default() };
    let mut guest = Guest::new(&image, room.path(), &setup)?;
    guest.start()?;
    guest.booted()?;
    // the manifest as the CLI asks for it says that what it names is here
    let manifest = guest.sh(&format!("curl -sf {mirror}/manifests/vmconfig_knd_{OS}_amd64.json"))?;
    let manifest: Value = serde_json::from_str(&manifest)?;
    let vmconfig = &manifest["vmconfig"]["dependencies"]["vmconfig"];
    ensure!(vmconfig["url"].as_str().is_some_and(|url| url.starts_with(&mirror)), "{vmconfig}");
    // what older mirrors' layout has is the same
    let older = script(&mirror, "", vmconfig, &address, &ca)?;
    let fetch = older.lines().skip_while(|line| !line.starts_with("curl")).take(3);
    let fetch = fetch.collect::<Vec<_>>().join("\n");
    guest.sh(&format!("set -e\nmkdir -p /opt/podplane/artifacts\n{fetch}\nrm /opt/podplane/artifacts/*"))?;

    let newer = script(&mirror, "vmconfig/artifacts/", vmconfig, &address, &ca)?;
    guest.write(&[("/root/user-data.sh", "0700", "root:root", newer.as_bytes())])?;
    let answer = guest.answer("bash /root/user-data.sh")?.done()?;
    ensure!(answer.ends_with("the script is done\n"), "{answer}");
    let downloaded = answer.lines().find_map(|line| line.strip_prefix("downloaded ")).context("a size")?;
    ensure!(downloaded.parse::<u64>()? < 1_000_000, "{downloaded} bytes");
    guest.until("systemctl is-active --quiet nstance-agent.service containerd.service")?;
    // the links are what they were, and what is above them belongs to whom it did
    let stat = "stat -c '%a %U:%G %N' /opt /opt/podplane /opt/podplane/bin /opt/podplane/bin/install.sh";
    let expected = "750 root:podplane '/opt'\n750 root:podplane '/opt/podplane'\n755 root:root '/opt/podplane/bin'\n\
                    777 root:root '/opt/podplane/bin/install.sh' -> 'configure'\n";
    let found = guest.sh(stat)?;
    ensure!(found == expected, "{found}");
    // what the script has downloaded is the script's: nobody reads it, and nothing is unpacked next to it
    let left = guest.sh("ls -A /opt/podplane/artifacts")?;
    ensure!(left == "vmconfig.tar.gz\n", "{left}");
    Ok(())
}
