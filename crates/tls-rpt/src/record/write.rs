//! Writing a TLSRPT record to publish: always strictly valid, checked by our own strict reader before it leaves.
//!
//! What goes in: where reports shall go, as plain addresses and URIs of a configuration. What comes out: the text of
//! the TXT record. What can fail: a destination that no sender could use; see [`WriteError`].

use super::{RecordError, VERSION, parse};

/// Why no record could be written. The owner corrects the destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// No destination was given: a record without one tells nobody anything.
    #[error("a TLSRPT record needs at least one destination for reports")]
    Empty,
    /// A destination is neither a mail address nor an `https:` URI.
    #[error("'{destination}' is neither a mail address nor an https: URI")]
    Destination {
        /// As it was given.
        destination: String,
    },
    /// The record that came out is not valid.
    #[error("the record would not be valid: {0}")]
    Record(RecordError),
}

/// Writes the record for these destinations, each a mail address, a `mailto:` URI or an `https:` URI.
///
/// `,`, `!` and `;` are percent-encoded (RFC 8460 §3), and of a bare address all that a URI cannot hold. The result is
/// one string; whoever writes a zone file splits it at 255 bytes.
///
/// # Errors
/// [`WriteError`]; nothing that is not strictly valid, with every destination usable, comes out.
pub fn write<D: AsRef<str>>(destinations: &[D]) -> Result<String, WriteError> {
    let mut record = String::from(VERSION);
    for (index, destination) in destinations.iter().enumerate() {
        record.push_str(if index == 0 { "; rua=" } else { "," });
        push_destination(&mut record, destination.as_ref().trim())?;
    }
    if destinations.is_empty() {
        return Err(WriteError::Empty);
    }
    let written = parse(record.as_bytes()).strict.map_err(WriteError::Record)?;
    match written.ruas().iter().zip(destinations).find(|(rua, _)| !rua.is_usable()) {
        Some((_, destination)) => Err(refused(destination.as_ref())),
        None => Ok(record),
    }
}

fn push_destination(record: &mut String, destination: &str) -> Result<(), WriteError> {
    let scheme = destination.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("mailto" | "https") => {
            if !destination.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(refused(destination));
            }
            for byte in destination.bytes() {
                push_byte(record, byte, !matches!(byte, b',' | b'!' | b';'));
            }
            Ok(())
        }
        _ if destination.contains('@') => {
            record.push_str("mailto:");
            for byte in destination.bytes() {
                // What RFC 6068 §2 leaves as it is in an address; `%` is encoded: a bare address has no encoding yet.
                push_byte(record, byte, byte.is_ascii_alphanumeric() || b"-._~$'*+=@".contains(&byte));
            }
            Ok(())
        }
        _ => Err(refused(destination)),
    }
}

fn push_byte(record: &mut String, byte: u8, plain: bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if plain {
        record.push(char::from(byte));
    } else {
        record.push('%');
        record.push(char::from(HEX[usize::from(byte >> 4)]));
        record.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

fn refused(destination: &str) -> WriteError {
    WriteError::Destination { destination: destination.to_owned() }
}
