//! The forms in which a report travels: as a mail (RFC 8460 §5.3) and as an HTTPS POST (§5.4).
//!
//! What goes in: the report's JSON, and who, to whom and when. What comes out: bytes to sign and send. Reading takes the
//! subject and the file name apart again, strictly and with slack; both only describe the report, whose JSON has the last
//! word (§5.6). Boundary, message id and time are arguments, so that the same input gives the same bytes.
//! What can fail: [`FormError`]. No text of a stranger gets into a header unchecked.

mod encode;
mod envelope;
mod filename;
mod subject;

use std::io::Write as _;

pub use envelope::{Envelope, Mailbox};
pub use filename::{Filename, FoundFilename};
pub use subject::{FoundSubject, Subject};

/// The media type of the second part, and the end of the file name that goes with it (RFC 8460 §5.1, §6.4, §6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// JSON as it is.
    Json,
    /// JSON under gzip, which a report should have (RFC 8460 §5.2).
    Gzip,
}

impl Packing {
    /// The media type, without parameters.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/tlsrpt+json",
            Self::Gzip => "application/tlsrpt+gzip",
        }
    }

    /// The file name's extension, without its dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Gzip => "json.gz",
        }
    }
}

/// Why no mail or request was made. The caller's own values are at fault, never the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not a domain in A-labels: convert it, or send no report for it.
    #[error("'{0}' is not a domain name in A-labels")]
    Domain(String),
    /// Not `left@right` as RFC 5322 §3.6.4 has it: make another.
    #[error("'{0}' is not a message identifier")]
    MessageId(String),
    /// Not one plain mail address: correct the configuration.
    #[error("'{0}' is not a mail address")]
    Address(String),
    /// Neither letters nor digits, or too long: make another.
    #[error("'{0}' is not a unique id of letters and digits")]
    UniqueId(String),
    /// The range ends before it begins, or before 1970.
    #[error("the range from {begin} to {end} is not a time range after 1970")]
    Range {
        /// Unix seconds.
        begin: i64,
        /// Unix seconds.
        end: i64,
    },
    /// Subject and file name speak of different domains or submitters.
    #[error("subject and file name name different domains or submitters")]
    Mismatch,
    /// Not usable as a MIME boundary, or it occurs in the text: choose another.
    #[error("the MIME boundary is malformed or occurs in the text")]
    Boundary,
    /// Outside the years that a mail can name.
    #[error("the time {0} has no date in a mail")]
    Date(i64),
    /// A control character where a display name should be.
    #[error("the display name has a control character")]
    DisplayName,
}

/// What a reporter posts to an `https:` rua (RFC 8460 §5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// For the `Content-Type` header.
    pub content_type: &'static str,
    /// The request's body.
    pub body: Vec<u8>,
}

/// Packs a report for posting.
///
/// # Errors
/// None in practice: writing into memory does not fail, but the compressor's signature says it may.
pub fn post(json: &[u8], packing: Packing) -> std::io::Result<Post> {
    Ok(Post { content_type: packing.media_type(), body: pack(json, packing)? })
}

/// The report's bytes as its packing wants them. Same input, same bytes: no time and no host in the gzip header.
///
/// # Errors
/// None in practice, as with [`post`].
pub fn pack(json: &[u8], packing: Packing) -> std::io::Result<Vec<u8>> {
    match packing {
        Packing::Json => Ok(json.to_vec()),
        Packing::Gzip => {
            const UNKNOWN_SYSTEM: u8 = 255;
            let mut gzip = flate2::GzBuilder::new()
                .mtime(0)
                .operating_system(UNKNOWN_SYSTEM)
                .write(Vec::with_capacity(json.len() / 4 + 64), flate2::Compression::default());
            gzip.write_all(json)?;
            gzip.finish()
        }
    }
}

/// A domain as RFC 5321 §4.1.2 writes it: labels of letters, digits and inner hyphens; what fits into DNS.
fn is_domain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// RFC 5322 §3.2.3 `dot-atom-text`.
fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    })
}

/// RFC 5322 §3.6.4 `id-left "@" id-right` in its plain form; short enough for one header line.
fn is_message_id(text: &str) -> bool {
    text.len() <= 512
        && text.split_once('@').is_some_and(|(left, right)| is_dot_atom(left) && is_dot_atom(right))
}

#[cfg(test)]
mod tests;
