//! Signatures (RFC 6376 §3.5, §5). The time is an argument, so the same mail and key give the same RSA signature.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{SignError, Signer};

use super::canonical;
use super::key::{Algorithm, DkimKey};

/// What is signed, where it is there. `TLS-Required` is not among them: a relay that honours it may take it out.
const SIGNED: [&str; 10] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "TLS-Report-Domain",
    "TLS-Report-Submitter",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
];
/// What is named once more than it is there, so that nobody can add another one (§8.15).
const SEALED: [&str; 5] = ["From", "Subject", "Date", "TLS-Report-Domain", "TLS-Report-Submitter"];
/// Characters of a line of the signature.
const LINE: usize = 72;

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    digest(&SHA256, bytes)
}

/// The keys of our domains.
#[derive(Debug, Default)]
pub struct DkimSigner {
    keys: BTreeMap<String, Vec<DkimKey>>,
}

impl DkimSigner {
    /// Adds a key. RSA signs first, whatever the order.
    pub fn add(&mut self, domain: &str, key: DkimKey) {
        let keys = self.keys.entry(domain.to_ascii_lowercase()).or_default();
        keys.push(key);
        keys.sort_by_key(DkimKey::algorithm);
    }

    /// The keys of a domain.
    #[must_use]
    pub fn keys(&self, domain: &str) -> &[DkimKey] {
        self.keys.get(domain).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Signer for DkimSigner {
    fn sign(&self, domain: &str, message: &[u8], at: UnixTime) -> Result<Vec<u8>, SignError> {
        let keys = self.keys(domain);
        if keys.is_empty() {
            return Err(SignError::NoKey(domain.to_owned()));
        }
        let (fields, body) = canonical::split(message);
        let body_hash = STANDARD.encode(sha256(&canonical::body(body)));
        let mut names = Vec::new();
        let mut headers = Vec::with_capacity(1_024);
        for name in SIGNED {
            // §5.4.2: of several fields of one name the last is signed first.
            let found = fields.iter().rev().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
            for field in found {
                names.push(name);
                field.canonical(&mut headers);
                headers.extend_from_slice(b"\r\n");
            }
        }
        if !names.contains(&"From") {
            return Err(SignError::Failed("it has no author".to_owned()));
        }
        names.extend(SEALED);
        let mut signatures = Vec::new();
        for key in keys {
            let unsigned = unsigned(key, domain, at, &names, &body_hash);
            let mut signed = headers.clone();
            canonical::header(&mut signed, b"DKIM-Signature", unsigned.as_bytes());
            let signature = key.sign(&signed).ok_or_else(|| {
                SignError::Failed(format!("the key {} of {domain} does not sign", key.selector()))
            })?;
            signatures.extend_from_slice(b"DKIM-Signature:");
            signatures.extend_from_slice(unsigned.as_bytes());
            let text = STANDARD.encode(signature);
            let mut rest = text.as_str();
            while !rest.is_empty() {
                let (line, behind) = rest.split_at(rest.len().min(LINE));
                signatures.extend_from_slice(b"\r\n\t");
                signatures.extend_from_slice(line.as_bytes());
                rest = behind;
            }
            signatures.extend_from_slice(b"\r\n");
        }
        Ok(signatures)
    }
}

/// The field's value up to `b=`.
fn unsigned(key: &DkimKey, domain: &str, at: UnixTime, names: &[&str], body_hash: &str) -> String {
    let algorithm = match key.algorithm() {
        Algorithm::Rsa2048 => "rsa-sha256",
        Algorithm::Ed25519 => "ed25519-sha256",
    };
    let mut value = format!(
        " v=1; a={algorithm}; c=relaxed/relaxed; d={domain};\r\n\ts={}; t={};\r\n\th=",
        key.selector(),
        at.max(0)
    );
    let mut column = 3;
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            value.push(':');
            if column + name.len() > LINE {
                value.push_str("\r\n\t");
                column = 1;
            }
        }
        value.push_str(name);
        column += name.len() + 1;
    }
    value.push_str(&format!(";\r\n\tbh={body_hash};\r\n\tb="));
    value
}
