//! Whatever a TLS report comes wrapped in, unwrapped: gzip, zlib, zip, MIME mail and mbox, inside each other in any
//! order, down to the JSON. What the JSON says is not this crate's concern.
//!
//! **How.** [`walk`] (or a [`Walker`], which keeps its buffers from one input to the next) visits the members of an
//! input one at a time. A [`Member`] is a recipe, not a copy: [`Member::open`] runs the decoders again from the start,
//! as often as the reader wants, in constant memory. Small members are decoded once and lie ready in
//! [`Member::as_slice`]. [`MboxReader`] cuts mailboxes of any size into mails.
//!
//! **What can fail.** Every byte is a stranger's. A container that cannot be opened is an [`Item::Refused`] with its
//! path and [`Refusal`], and the walk goes on with the next one. Harmless damage (a cut trailer, a wrong checksum, a
//! second layer of gzip …) is a [`Note`] beside the contents. A stream that breaks off in the middle gives what came
//! before the break, then a [`Failure`] inside the [`std::io::Error`]. Size, nesting, count and total work are bounded
//! by [`Limits`]; nothing here panics, does I/O, or reads a clock.

mod gzip;
mod headers;
mod item;
mod judge;
mod kind;
mod mail;
mod mbox;
mod reader;
mod transfer;
mod walk;
mod zip;

pub use headers::MailContext;
pub use item::{Failure, Item, Member, Note, Refusal, Refused, Summary};
pub use kind::{Kind, sniff};
pub use mbox::{MboxItem, MboxReader};
pub use reader::MemberReader;
pub use walk::{Walker, walk};

/// How much of a stranger's input is looked at. The defaults are those of the project's table of limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one member may decompress to, also in each layer on the way. Default 128 MiB.
    pub decompressed: u64,
    /// Bytes that all decoders together may put out during one walk, however often members are opened; each mail of
    /// a mailbox on the outside gets this allowance anew. Default 2 GiB.
    pub total: u64,
    /// Containers inside each other. Default 8.
    pub depth: usize,
    /// Members and containers opened in one walk; each mail of a mailbox on the outside counts anew. Default 10,000.
    pub members: usize,
    /// Parts of one mail, those of the mails inside it included. Default 1,000.
    pub mail_parts: usize,
    /// Multiparts inside each other in one mail. Default 32.
    pub mail_nesting: usize,
    /// Bytes of one header field that are interpreted; the rest of a longer one is ignored. Default 2 KiB.
    pub header_bytes: usize,
    /// Bytes of containers that cannot be streamed (a zip inside gzip, a mail in base64) held in memory at once.
    /// Default 16 MiB.
    pub buffered: usize,
    /// Bytes of one mail of a mailbox. Default 32 MiB.
    pub mail_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            decompressed: 128 << 20,
            total: 2 << 30,
            depth: 8,
            members: 10_000,
            mail_parts: 1_000,
            mail_nesting: 32,
            header_bytes: 2 << 10,
            buffered: 16 << 20,
            mail_bytes: 32 << 20,
        }
    }
}
