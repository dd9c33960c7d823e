//! The record of a key: what to publish, and whether it is published.

use super::key::{Algorithm, DkimKey};

/// A character string of a TXT record at most.
const STRING_BYTES: usize = 255;

/// The name under which a key's record stands.
#[must_use]
pub fn record_name(key: &DkimKey, domain: &str) -> String {
    format!("{}._domainkey.{domain}", key.selector())
}

/// The record's text. RFC 8460 §3 wants the service type `tlsrpt`; `email` stands beside it for receivers that check
/// reports as any other mail.
#[must_use]
pub fn record_text(key: &DkimKey) -> String {
    let kind = match key.algorithm() {
        Algorithm::Rsa2048 => "rsa",
        Algorithm::Ed25519 => "ed25519",
    };
    format!("v=DKIM1; k={kind}; s=email:tlsrpt; p={}", key.public_key())
}

/// The record as a line of a zone file.
#[must_use]
pub fn zone_line(key: &DkimKey, domain: &str) -> String {
    let text = record_text(key);
    let mut strings = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // ASCII: every place is between two characters.
        let (string, behind) = rest.split_at(rest.len().min(STRING_BYTES));
        strings.push_str(&format!(" \"{string}\""));
        rest = behind;
    }
    format!("{}. 3600 IN TXT ({strings} )", record_name(key, domain))
}

/// What keeps receivers from verifying our signatures. The owner mends the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// There is no such record.
    #[error("no record of this key is published")]
    Missing,
    /// There are several, of which a receiver may take any.
    #[error("several records stand under the key's name")]
    Several,
    /// It has another public key.
    #[error("the published record has another public key")]
    OtherKey,
    /// It has none: the key is withdrawn.
    #[error("the published record withdraws the key")]
    Withdrawn,
    /// It is not for reports.
    #[error("the published record's s= names neither tlsrpt nor *")]
    Service,
}

/// Whether the texts under [`record_name`] let receivers verify what the key signs.
///
/// # Errors
/// [`NotPublished`].
pub fn is_published<T: AsRef<[u8]>>(key: &DkimKey, texts: &[T]) -> Result<(), NotPublished> {
    let text = match texts {
        [] => return Err(NotPublished::Missing),
        [text] => String::from_utf8_lossy(text.as_ref()).into_owned(),
        _ => return Err(NotPublished::Several),
    };
    let tag = |name: &str| {
        text.split(';').find_map(|field| {
            let (tag, value) = field.split_once('=')?;
            (tag.trim() == name).then(|| value.split_whitespace().collect::<String>())
        })
    };
    match tag("p") {
        None => return Err(NotPublished::Missing),
        Some(published) if published.is_empty() => return Err(NotPublished::Withdrawn),
        Some(published) if published != key.public_key() => return Err(NotPublished::OtherKey),
        Some(_) => {}
    }
    // RFC 6376 §3.6.1: the default is `*`.
    match tag("s") {
        Some(services) if !services.split(':').any(|service| service == "*" || service == "tlsrpt") => {
            Err(NotPublished::Service)
        }
        _ => Ok(()),
    }
}
