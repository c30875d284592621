//! HTTPS by certificate files.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::settings::TlsFiles;

/// What accepts connections with the certificate in `files`.
///
/// # Errors
/// A file that cannot be read, or does not hold what it is to hold; a key that is not the certificate's.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor> {
    let shown = files.certificate.display();
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("setting serve.tls_certificate: cannot read a certificate in PEM form from {shown}"))?;
    anyhow::ensure!(!certificates.is_empty(), "setting serve.tls_certificate: there is no certificate in {shown}");
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("setting serve.tls_key: cannot read a private key in PEM form from {}", files.key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .with_context(|| format!("the key in {} is not that of the certificate in {shown}", files.key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
