//! Whose certificates are believed.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    crypto::ring,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject as _},
    },
};
use rustls_platform_verifier::Verifier;

/// Why a company's own authority is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file holds no certificate.
    #[error("there is no certificate in it: it must be PEM, beginning with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// The file is damaged.
    #[error("it is no PEM")]
    Pem(#[source] pem::Error),
    /// The certificates cannot be used.
    #[error("its certificates cannot be used")]
    Tls(#[from] rustls::Error),
}

/// Believes the machine's authorities, and those in `authority`: one or more certificates in PEM. Offers HTTP/2 before HTTP/1.1.
pub(crate) fn trust(authority: Option<&[u8]>) -> Result<ClientConfig, AuthorityError> {
    let mut own = Vec::new();
    if let Some(pem) = authority {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            own.push(certificate.map_err(AuthorityError::Pem)?);
        }
        if own.is_empty() {
            return Err(AuthorityError::NoCertificate);
        }
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(own, Arc::clone(&provider))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(matches!(trust(Some(b"")), Err(AuthorityError::NoCertificate)));
        assert!(matches!(trust(Some(b"not PEM at all")), Err(AuthorityError::NoCertificate)));
        let cut = b"-----BEGIN CERTIFICATE-----\nMIIB";
        assert!(matches!(trust(Some(cut)), Err(AuthorityError::Pem(_))));
        let other = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(trust(Some(other)), Err(AuthorityError::Tls(_))));
    }
}
