//! DANE for SMTP, RFC 7672, and what a certificate chain is worth: everything that can be decided without
//! touching the world. The time is an argument.
//!
//! | module | question answered |
//! |---|---|
//! | [`applicability`] | does DANE apply to this MX host, which names to ask for TLSA, and what follows |
//! | [`tlsa`] | what does a TLSA record say, and which records of an RRset can be used |
//! | [`dane`] | does this chain match the TLSA records |
//! | [`pkix`] | does this chain satisfy MTA-STS: trusted root, time, name |
//! | [`certificate`] | what is in this certificate, for a person to read |
//!
//! Chains come as the server sent them, leaf first, each certificate in DER. All of it is hostile: certificates
//! and chains are bounded ([`MAX_CHAIN`], [`MAX_CERTIFICATE_BYTES`]), so is the work that one chain can cause,
//! and nothing here panics.
//!
//! ```
//! use smtp_dane::tlsa::Tlsa;
//! use smtp_dane::{dane, pkix};
//!
//! // Nothing was presented: neither DANE nor PKIX is content.
//! let chain: [&[u8]; 0] = [];
//! let record: Tlsa = "3 1 1 E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855".parse()?;
//! let verdict = dane::judge(&[record], &chain, &["mx.example.org"], 1_800_000_000);
//! assert_eq!(verdict.outcome(), dane::Outcome::Other);
//! let verdict = pkix::judge(&chain, &pkix::TrustRoots::default(), "mx.example.org", 1_800_000_000);
//! assert_eq!(verdict.outcome(), pkix::Outcome::Other);
//! # Ok::<(), smtp_dane::tlsa::NotTlsa>(())
//! ```

pub mod applicability;
pub mod certificate;
pub mod dane;
pub mod name;
mod outline;
pub mod pkix;
mod signature;
mod text;
pub mod tlsa;

/// Certificates of a chain that are looked at, the leaf included; of more, those that could be on a path. A server
/// needs three or four.
pub const MAX_CHAIN: usize = 10;

/// Bytes of one certificate.
pub const MAX_CERTIFICATE_BYTES: usize = 65_535;
