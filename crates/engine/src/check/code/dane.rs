//! Codes about DANE (RFC 7672), as far as it decides beside MTA-STS.

use super::About;
use super::Level::{Error, Info, Warning};

pub(super) const MISMATCH: About = About::new(
    "dane-mismatch",
    Error,
    "RFC 7672 §2.2, RFC 8461 §2",
    "No TLSA record matches the mail server's certificate",
    "Signed TLSA records say which certificate to expect, and the server shows another. Senders that use DANE do not \
     deliver there, also where MTA-STS passes: it never overrides DANE.",
    "Publish a TLSA record for the certificate in use, before the server changes to it.",
);
pub(super) const UNUSABLE: About = About::new(
    "dane-unusable",
    Warning,
    "RFC 7672 §2.2, §3.1.3",
    "None of the TLSA records can be used for mail",
    "Signed TLSA records are there, with parameters that mail servers cannot use, such as usage 0 or 1. Senders that use \
     DANE then only insist on encryption, to anybody.",
    "Publish a TLSA record `3 1 1`.",
);
pub(super) const UNSIGNED: About = About::new(
    "dane-unsigned",
    Warning,
    "RFC 7672 §2.2",
    "TLSA records in a zone that is not signed",
    "DANE rests on DNSSEC. Without signatures the records have no effect.",
    "Sign the zone of the mail server, or remove the TLSA records.",
);
pub(super) const MX_UNSIGNED: About = About::new(
    "dane-mx-unsigned",
    Info,
    "RFC 7672 §2.2.1",
    "The mail server has DANE, the domain is not signed",
    "The mail server's TLSA records are good, but the domain's own MX records are not signed, so most senders do not \
     use DANE for it. MTA-STS still protects.",
    "Sign the domain with DNSSEC.",
);
pub(super) const LOOKUP_FAILED: About = About::new(
    "dane-lookup-failed",
    Error,
    "RFC 7672 §2.2",
    "The TLSA records cannot be looked up",
    "The zone of the mail server is signed, and the question for TLSA records is answered by an error. Senders that use \
     DANE must assume that records are being hidden from them and do not deliver there.",
    "Let the name servers of the zone answer questions for TLSA records, with signed denials too.",
);
pub(super) const PARTIAL: About = About::new(
    "dane-partial",
    Info,
    "RFC 7672 §2.2.1",
    "Some mail servers have DANE, others have not",
    "Senders that use DANE alone can be led to a server without it. MTA-STS protects those.",
    "Publish TLSA records for every mail server.",
);
