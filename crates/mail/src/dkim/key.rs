//! Keys: made, written as PEM, read again.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// RFC 8301 §3.2: shorter keys are no longer signed with.
const MIN_MODULUS_BYTES: usize = 256;

/// What a key signs by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `rsa-sha256` with 2048 bits: what every receiver knows.
    Rsa2048,
    /// `ed25519-sha256` (RFC 8463): beside RSA, never alone.
    Ed25519,
}

/// Why there is no key. An operator corrects the file or the selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a DNS label, or several with dots between them.
    #[error("'{0}' is not a DKIM selector: use letters, digits, hyphens and dots")]
    Selector(String),
    /// The file has no private key in PEM.
    #[error("no private key in PEM is there: {0}")]
    NotPem(String),
    /// It has one of another kind.
    #[error("the key is neither RSA nor Ed25519: {0}")]
    Unknown(String),
    /// It has an RSA key that receivers refuse.
    #[error("the RSA key has {0} bits; receivers want 2048 or more")]
    TooShort(usize),
    /// The machine would not make one.
    #[error("no key could be made")]
    NotMade,
}

/// A private key with its selector.
pub struct DkimKey {
    selector: String,
    pair: Pair,
    random: SystemRandom,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl std::fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { selector, .. } = self;
        f.debug_struct("DkimKey")
            .field("selector", selector)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

impl DkimKey {
    /// A new key, and its PEM (PKCS #8), to be kept where only the server reads it.
    ///
    /// # Errors
    /// [`KeyError::Selector`], [`KeyError::NotMade`].
    pub fn generate(algorithm: Algorithm, selector: &str) -> Result<(Self, String), KeyError> {
        let not_made = |_| KeyError::NotMade;
        let (pair, der) = match algorithm {
            Algorithm::Rsa2048 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(not_made)?;
                let der: Pkcs8V1Der<'static> = pair.as_der().map_err(not_made)?;
                (Pair::Rsa(pair), der.as_ref().to_vec())
            }
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::generate().map_err(not_made)?;
                // The form without public key is what every other program reads.
                let der = pair.to_pkcs8v1().map_err(not_made)?;
                (Pair::Ed25519(pair), der.as_ref().to_vec())
            }
        };
        Ok((Self::new(selector, pair)?, pem(&der)))
    }

    /// The key of a PEM file: PKCS #8, or PKCS #1 for RSA.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(selector: &str, pem: &str) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| KeyError::NotPem(error.to_string()))?;
        let pair = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).map(Pair::Rsa),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                RsaKeyPair::from_pkcs8(der)
                    .map(Pair::Rsa)
                    .or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Pair::Ed25519))
            }
            _ => return Err(KeyError::Unknown("an elliptic-curve key".to_owned())),
        };
        Self::new(selector, pair.map_err(|error| KeyError::Unknown(error.to_string()))?)
    }

    fn new(selector: &str, pair: Pair) -> Result<Self, KeyError> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if selector.len() > 120 || !selector.split('.').all(label) {
            return Err(KeyError::Selector(selector.to_owned()));
        }
        if let Pair::Rsa(pair) = &pair
            && pair.public_modulus_len() < MIN_MODULUS_BYTES
        {
            return Err(KeyError::TooShort(pair.public_modulus_len() * 8));
        }
        Ok(Self { selector: selector.to_ascii_lowercase(), pair, random: SystemRandom::new() })
    }

    /// Which kind.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.pair {
            Pair::Rsa(_) => Algorithm::Rsa2048,
            Pair::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Under which name its record stands.
    #[must_use]
    pub fn selector(&self) -> &str {
        &self.selector
    }

    /// The public key as a record has it: RSA as X.509 has it (RFC 6376 §3.6.1), Ed25519 bare (RFC 8463 §4).
    pub(super) fn public_key(&self) -> String {
        match &self.pair {
            Pair::Rsa(pair) => {
                let der: Result<PublicKeyX509Der<'static>, _> = pair.public_key().as_der();
                der.map(|der| STANDARD.encode(der.as_ref())).unwrap_or_default()
            }
            Pair::Ed25519(pair) => STANDARD.encode(pair.public_key().as_ref()),
        }
    }

    /// Signs the canonical headers.
    pub(super) fn sign(&self, headers: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, headers, &mut signature).ok()?;
                Some(signature)
            }
            // RFC 8463 §3: the digest is what is signed.
            Pair::Ed25519(pair) => Some(pair.sign(super::sign::sha256(headers).as_ref()).as_ref().to_vec()),
        }
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = behind;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}
