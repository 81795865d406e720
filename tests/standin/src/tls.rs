//! TLS and certificates by the image's own `openssl`: this program has no library of its own for them.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

/// Who a client is, and whom it asks.
pub(crate) struct Client {
    pub(crate) host: String,
    pub(crate) port: String,
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What a server serves with.
pub(crate) struct Server {
    pub(crate) port: String,
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) suites: String,
}

impl Client {
    /// Asks the server, which has to prove its name, and has to take this client.
    pub(crate) fn ask(&self) -> Result<(), String> {
        let (address, host) = (format!("{}:{}", self.host, self.port), self.host.as_str());
        let mut child = openssl(&[
            "s_client",
            "-quiet",
            "-connect",
            &address,
            "-servername",
            host,
            "-verify_hostname",
            host,
            "-verify_return_error",
            "-CAfile",
            &self.authority,
            "-cert",
            &self.certificate,
            "-key",
            &self.key,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run openssl: {error}"))?;
        // whoever is refused may not read it any longer
        let asked = child.stdin.as_mut().map(|stdin| stdin.write_all(b"GET /livez HTTP/1.0\r\n\r\n"));
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        let status = answer.lines().next().unwrap_or_default();
        if matches!(asked, Some(Ok(()))) && status.starts_with("HTTP/1.") && status.contains(" 200 ") {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        Err(format!("{address} answered {status:?}: {said}"))
    }
}

impl Server {
    /// Serves clients that the authority vouches for, and nobody else.
    pub(crate) fn serve(&self) -> Result<Child, String> {
        openssl(&[
            "s_server",
            "-quiet",
            "-www",
            "-accept",
            &self.port,
            "-cert",
            &self.certificate,
            "-key",
            &self.key,
            "-CAfile",
            &self.authority,
            "-Verify",
            "1",
            "-verify_return_error",
            "-tls1_3",
            "-ciphersuites",
            &self.suites,
        ])
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run openssl: {error}"))
    }
}

/// Demands that a key is the certificate's.
pub(crate) fn pair(certificate: &str, key: &str) -> Result<(), String> {
    let (of_certificate, of_key) =
        (run(&["x509", "-noout", "-pubkey", "-in", certificate])?, run(&["pkey", "-pubout", "-in", key])?);
    if of_certificate == of_key {
        return Ok(());
    }
    Err(format!("tls: private key {key} does not match public key of {certificate}"))
}

/// Demands that what a key signs is checked with the public one.
pub(crate) fn signing(key: &str, public: &str) -> Result<(), String> {
    if run(&["pkey", "-pubout", "-in", key])? == run(&["pkey", "-pubin", "-pubout", "-in", public])? {
        return Ok(());
    }
    Err(format!("nobody believes tokens that are signed with {key}: {public} is another's"))
}

/// Demands certificates.
pub(crate) fn authority(file: &str) -> Result<(), String> {
    run(&["x509", "-noout", "-in", file]).map(drop)
}

/// Who a certificate is for, the common name first (RFC 2253).
pub(crate) fn subject(certificate: &str) -> Result<String, String> {
    let text = run(&["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", certificate])?;
    Ok(text.trim().trim_start_matches("subject=").to_owned())
}

fn run(words: &[&str]) -> Result<String, String> {
    let output = openssl(words).stdin(Stdio::null()).output().map_err(|error| format!("openssl: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "openssl {}: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr).replace('\n', " ")
    ))
}

#[expect(clippy::disallowed_methods, reason = "one program of the image; a stand-in has no dependency")]
fn openssl(words: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/openssl");
    command.args(words);
    command
}
