//! Trust roots: the platform's, or where it has none those of Mozilla that come with the program, and those of the
//! configuration besides.

use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

/// Certificates in DER for the engine to judge with.
#[derive(Debug, Clone)]
pub struct Roots {
    /// All of them.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// Why the configured file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It cannot be read.
    #[error("cannot read the trust roots in {path}: {reason}; give a PEM file that this process may read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system or the PEM reader says.
        reason: String,
    },
    /// There is no certificate in it.
    #[error(
        "there is no certificate in {path}; it should hold blocks that begin with -----BEGIN CERTIFICATE-----"
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// One of its blocks holds something else than a certificate.
    #[error("certificate {number} in {path} is not DER of a certificate; take it out or write it again")]
    NotACertificate {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        number: usize,
    },
}

impl Roots {
    /// The platform's (or the built-in) roots, and those in `extra`.
    ///
    /// # Errors
    /// Where `extra` cannot be used. A platform without roots is none.
    pub fn load(extra: Option<&Path>) -> Result<Self, RootsError> {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::info!("a trust root of this machine cannot be read: {error}");
        }
        let mut certificates = found.certs;
        if certificates.is_empty() {
            tracing::info!("this machine has no trust roots; those that come with the program are used");
            certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
        }
        if let Some(path) = extra {
            certificates.extend(read(path)?);
        }
        Ok(Self { certificates })
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let unreadable =
        |error: pem::Error| RootsError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        if crate::tls::public_key(&certificate).is_none() {
            return Err(RootsError::NotACertificate {
                path: path.to_owned(),
                number: certificates.len() + 1,
            });
        }
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        return Err(RootsError::Empty { path: path.to_owned() });
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    fn certificate() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem()
    }

    #[test]
    fn configured_roots_stand_beside_the_platforms() {
        let alone = Roots::load(None).unwrap();
        assert!(!alone.certificates.is_empty());
        let extra = file(&format!("# two\n{}\n{}", certificate(), certificate()));
        let both = Roots::load(Some(extra.path())).unwrap();
        assert_eq!(both.certificates.len(), alone.certificates.len() + 2);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_a_remedy() {
        let missing = read(Path::new("/nowhere/roots.pem")).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/roots.pem") && missing.contains("PEM file"), "{missing}");
        let empty = file("nothing");
        let said = read(empty.path()).unwrap_err().to_string();
        assert!(
            said.starts_with("there is no certificate in") && said.contains("BEGIN CERTIFICATE"),
            "{said}"
        );
        let odd = file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let said = read(odd.path()).unwrap_err().to_string();
        assert!(said.starts_with("certificate 1 in"), "{said}");
    }
}
