//! TLS as `sslmode` says: with rustls, and the system's authorities unless others are given.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::{ConnectionConfig, TlsMode};
use crate::error::{Error, Result};

/// What connections are made with.
///
/// # Errors
/// [`Error::Config`] for a file of authorities that cannot be read, and when there are none at all.
pub(super) fn connector(config: &ConnectionConfig) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("TLS cannot be set up: {error}")))?;
    let trust = match config.tls {
        TlsMode::VerifyFull => Trust::Host,
        TlsMode::VerifyCa => Trust::Authority,
        TlsMode::Require if config.root_certificate.is_some() => Trust::Authority,
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => Trust::Anybody,
    };
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Anybody => Arc::new(Lenient { provider, inner: None }),
        Trust::Authority => Arc::new(Lenient { inner: Some(verifier(config, &provider)?), provider }),
        Trust::Host => verifier(config, &provider)?,
    };
    Ok(MakeRustlsConnect::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// Who is believed to be the server.
enum Trust {
    Anybody,
    /// Whoever has a certificate of a known authority.
    Authority,
    /// Who has one for the host.
    Host,
}

fn verifier(config: &ConnectionConfig, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let roots = Arc::new(roots(config)?);
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| Error::config_at("url", format!("certificates cannot be verified: {error}")))
}

fn roots(config: &ConnectionConfig) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &config.root_certificate else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let message =
                "this machine knows no certificate authorities; name a file of them with sslrootcert=/path.pem in the url";
            return Err(Error::config_at("url", message));
        }
        return Ok(roots);
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::config_at("url", format!("sslrootcert '{}' cannot be read: {error}; expected certificates as PEM", path.display()))
    };
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() {
        return Err(unreadable(&"it holds no certificate"));
    }
    Ok(roots)
}

/// Verifies less than the host: the authority only, or nothing but that the other side holds its key.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    inner: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
