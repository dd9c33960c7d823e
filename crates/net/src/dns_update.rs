//! Ways to make DNS records: the adapters of the engine's port [`Records`](tlsward_engine::ports::publish::Records).
//!
//! - [`ByHand`]: nothing is done, a person does it.
//! - [`Rfc2136`]: dynamic updates signed with a shared key (RFC 2136, RFC 8945), to any primary server that takes them:
//!   BIND, Knot, PowerDNS.
//!
//! The zone of our own is in the crate of the policy host.
//!
//! Updates are built over hickory's messages here, and not through `dns-update`, though it has RFC 2136 too: it removes
//! the old records in one message and adds the new ones in another, so that a lost connection between the two leaves
//! a domain without its record; and it writes one set at a time.

mod by_hand;
mod key;
mod message;
mod rfc2136;
mod verdict;
mod zone_of;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

pub use by_hand::ByHand;
pub use key::{Algorithm, KeyError, KeyHints, TsigKey};
pub use rfc2136::{Config as Rfc2136Config, Rfc2136};

use crate::limits::dns_update as limits;

/// A file with a secret, as text.
fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(limits::FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limits::FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than such a file can be"));
    }
    Ok(text)
}
