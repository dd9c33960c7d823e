//! Answers to challenges of certificate authorities: http-01 (RFC 8555 §8.3) and tls-alpn-01 (RFC 8737).
//!
//! Only what was presented is answered, under its own name. For tls-alpn-01 a name has one answer at a time: the one
//! presented last.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tlsward_engine::ports::publish::Challenge;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::tls::{self, Identity};

/// The protocol that an authority offers, alone, to validate tls-alpn-01 (RFC 8737 §6.2).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";
/// Tokens have at least 22 characters (128 bits, RFC 8555 §8.3); authorities use 43.
const LONGEST_TOKEN: usize = 128;

/// Key authorisations by name (lower case) and token.
type ByToken = BTreeMap<(Box<str>, Box<str>), Bytes>;
/// By name (lower case), with the digest that the certificate shows.
type ByName = BTreeMap<Box<str>, ([u8; 32], Arc<ServerConfig>)>;

/// What is answered now.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    http: RwLock<ByToken>,
    tls: RwLock<ByName>,
}

impl Answers {
    pub(crate) fn present(&self, challenge: &Challenge) {
        match challenge {
            Challenge::Http01 { name, token, key_authorization } => {
                if !is_token(token) {
                    tracing::error!(%name, "a challenge's token is not base64url of bearable length: it cannot be answered");
                    return;
                }
                let answer = Bytes::from(key_authorization.clone().into_bytes());
                let key = (name.to_ascii_lowercase().into(), token.as_str().into());
                self.http.write().unwrap_or_else(PoisonError::into_inner).insert(key, answer);
            }
            Challenge::TlsAlpn01 { name, digest } => match answering(name, digest) {
                Ok(config) => {
                    let name = name.to_ascii_lowercase().into();
                    let mut tls = self.tls.write().unwrap_or_else(PoisonError::into_inner);
                    tls.insert(name, (*digest, config));
                }
                Err(error) => {
                    tracing::error!(%name, %error, "no certificate for a tls-alpn-01 challenge can be made");
                }
            },
        }
    }

    pub(crate) fn withdraw(&self, challenge: &Challenge) {
        match challenge {
            Challenge::Http01 { name, token, .. } => {
                let key = (name.to_ascii_lowercase().into(), token.as_str().into());
                self.http.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
            Challenge::TlsAlpn01 { name, digest } => {
                let name = name.to_ascii_lowercase();
                let mut tls = self.tls.write().unwrap_or_else(PoisonError::into_inner);
                // A later challenge for the name stays.
                if tls.get(name.as_str()).is_some_and(|(own, _)| own == digest) {
                    tls.remove(name.as_str());
                }
            }
        }
    }

    /// The key authorisation for a token under a name (lower case).
    pub(crate) fn http(&self, name: &str, token: &str) -> Option<Bytes> {
        if !is_token(token) {
            return None;
        }
        let http = self.http.read().unwrap_or_else(PoisonError::into_inner);
        http.get(&(Box::from(name), Box::from(token))).cloned()
    }

    /// What to show an authority that asks for a name (lower case).
    pub(crate) fn tls(&self, name: &str) -> Option<Arc<ServerConfig>> {
        let tls = self.tls.read().unwrap_or_else(PoisonError::into_inner);
        tls.get(name).map(|(_, config)| Arc::clone(config))
    }
}

fn is_token(text: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// RFC 8737 §3: a self-signed certificate whose only name is the one to be validated, with the digest in a critical
/// extension, and `acme-tls/1` as the protocol.
fn answering(name: &str, digest: &[u8; 32]) -> Result<Arc<ServerConfig>, tls::Unusable> {
    let unusable = |error: rcgen::Error| tls::Unusable(error.to_string());
    let key = KeyPair::generate().map_err(unusable)?;
    let mut params = CertificateParams::new([name.to_ascii_lowercase()]).map_err(unusable)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).map_err(unusable)?;
    let identity = Identity {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    };
    let mut config = tls::Template::new()?.with_unread(identity)?;
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    // Whoever validates comes once.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http01(token: &str) -> Challenge {
        Challenge::Http01 {
            name: "MTA-STS.example.org".to_owned(),
            token: token.to_owned(),
            key_authorization: format!("{token}.thumb"),
        }
    }

    #[test]
    fn only_what_was_presented_is_answered_under_its_own_name_and_until_it_is_withdrawn() {
        let answers = Answers::default();
        answers.present(&http01("abc-_9"));
        assert_eq!(answers.http("mta-sts.example.org", "abc-_9").as_deref(), Some(&b"abc-_9.thumb"[..]));
        assert_eq!(answers.http("mta-sts.example.com", "abc-_9"), None);
        assert_eq!(answers.http("mta-sts.example.org", "abc"), None);
        answers.withdraw(&http01("abc-_9"));
        assert_eq!(answers.http("mta-sts.example.org", "abc-_9"), None);
    }

    #[test]
    fn tokens_that_are_none_are_neither_taken_nor_looked_up() {
        let answers = Answers::default();
        let long = "a".repeat(LONGEST_TOKEN + 1);
        for token in ["", "..", "a/b", "a b", "ä", "a%41", "a=", long.as_str()] {
            answers.present(&http01(token));
            assert_eq!(answers.http("mta-sts.example.org", token), None, "{token}");
        }
        assert!(answers.http.read().unwrap().is_empty());
    }

    #[test]
    fn a_withdrawn_challenge_does_not_take_a_later_one_with_it() {
        let answers = Answers::default();
        let challenge =
            |byte| Challenge::TlsAlpn01 { name: "mta-sts.example.org".to_owned(), digest: [byte; 32] };
        answers.present(&challenge(1));
        answers.present(&challenge(2));
        answers.withdraw(&challenge(1));
        assert!(answers.tls("mta-sts.example.org").is_some());
        answers.withdraw(&challenge(2));
        assert!(answers.tls("mta-sts.example.org").is_none());
    }
}
