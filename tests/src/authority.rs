//! The authority of a test's cluster, and its certificates, with the names that Podplane's have.

use crate::workspace;
use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use std::sync::LazyLock;

/// The API server's name on every node.
pub const API_SERVER: &str = "kube-apiserver.podplane.internal";

/// The one of this process.
static AUTHORITY: LazyLock<Result<Authority>> = LazyLock::new(Authority::new);

/// An authority.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = name("cluster", None);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// The one of this process.
    pub fn get() -> Result<&'static Self> {
        AUTHORITY.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))
    }

    /// The certificate that a delivery calls `NAME.crt`, for the node `node`; `ca` is the authority's own. All others are of
    /// the key [`key`].
    pub fn certificate(&self, called: &str, node: &str) -> Result<String> {
        if called == "ca" {
            return Ok(self.certificate.clone());
        }
        let names = match called {
            "kube-apiserver.server" => vec![API_SERVER.to_owned(), "localhost".to_owned()],
            _ => vec![node.to_owned()],
        };
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = match called {
            "kubelet.client" => name(&format!("system:node:{node}"), Some("system:nodes")),
            _ => name(called, None),
        };
        Ok(params.signed_by(&KeyPair::from_pem(&key()?)?, &self.issuer)?.pem())
    }
}

/// The key of every certificate.
pub fn key() -> Result<String> {
    let path = workspace::root().join("tests/fixtures/certificates/p256.key");
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn name(common: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common);
    name
}
