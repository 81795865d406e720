//! Certificates for servers on the loopback, also such that no client may trust.

use anyhow::{Context as _, Result};
use std::sync::Arc;

/// A certificate for `host`, made by an authority; both as the test needs them.
#[derive(Debug)]
pub struct Identity {
    /// The authority's certificate, as PEM.
    pub authority: String,
    /// What a server with the certificate needs.
    pub config: Arc<rustls::ServerConfig>,
}

/// A certificate for `host`; where it is signed by itself, the authority has nothing to do with it.
pub fn identity(host: &str, expired: bool, by_itself: bool) -> Result<Identity> {
    let mut authority = rcgen::CertificateParams::new(vec![])?;
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "an authority");
    let authority_key = rcgen::KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let mut leaf = rcgen::CertificateParams::new(vec![host.to_owned()])?;
    if expired {
        (leaf.not_before, leaf.not_after) =
            (rcgen::date_time_ymd(2019, 1, 1), rcgen::date_time_ymd(2020, 1, 1));
    }
    let key = rcgen::KeyPair::generate()?;
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let leaf = if by_itself { leaf.self_signed(&key)? } else { leaf.signed_by(&key, &issuer)? };
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).ok();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private.context("a private key that rustls reads")?)?;
    Ok(Identity { authority: authority_pem, config: Arc::new(config) })
}
