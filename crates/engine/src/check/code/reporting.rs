//! Codes about TLSRPT (RFC 8460): whether the domain's owner would hear of trouble.

use super::Level::{Error, Info, Warning};
use super::{About, Pitfall};

pub(super) const MISSING: About = About::new(
    "tlsrpt-missing",
    Info,
    "RFC 8460 §3",
    "Nobody is told when encrypted delivery fails",
    "Without a TLSRPT record, senders do not report how encrypted delivery goes. It is the harmless first step, before \
     any policy.",
    "Publish a TLSRPT record.",
);
pub(super) const ENFORCED_WITHOUT: About = About::new(
    "enforced-without-reports",
    Warning,
    "RFC 8460 §3",
    "The policy is enforced, and nobody is told when mail is refused",
    "Senders that refuse to deliver would report it, but the domain does not say where. A policy is best enforced after \
     weeks of reports that show no failure.",
    "Publish a TLSRPT record; consider mode testing until reports show no failure.",
)
.pitfall(Pitfall::EnforcedTooEarly);
pub(super) const TESTING_WITHOUT: About = About::new(
    "testing-without-reports",
    Warning,
    "RFC 8460 §3",
    "The policy tests, and nobody gets the results",
    "Mode testing does nothing but report, and the domain does not say where reports go.",
    "Publish a TLSRPT record.",
)
.pitfall(Pitfall::UnreadReports);
pub(super) const AT_WRONG_NAME: About = About::new(
    "tlsrpt-at-wrong-name",
    Error,
    "RFC 8460 §3",
    "The TLSRPT record stands at the wrong name",
    "A TLSRPT record exists, but not at `_smtp._tls`, where senders look. No reports come.",
    "Move the record to `_smtp._tls` directly under the domain.",
)
.pitfall(Pitfall::UnreadReports);
pub(super) const MULTIPLE: About = About::new(
    "tlsrpt-multiple",
    Error,
    "RFC 8460 §3",
    "There is more than one TLSRPT record",
    "With several records nobody can tell which counts, so senders must act as if there were none.",
    "Leave exactly one; it may list several addresses, separated by commas.",
)
.pitfall(Pitfall::UnreadReports);
pub(super) const MALFORMED: About = About::new(
    "tlsrpt-malformed",
    Error,
    "RFC 8460 §3",
    "The TLSRPT record is malformed",
    "Senders cannot read the record and send no reports.",
    "Replace the record.",
)
.pitfall(Pitfall::UnreadReports);
pub(super) const NOT_STRICT: About = About::new(
    "tlsrpt-not-strict",
    Error,
    "RFC 8460 §3",
    "The TLSRPT record does not follow the grammar",
    "What it means is clear, and most senders overlook the fault; strict ones send no reports.",
    "Replace the record.",
);
pub(super) const SPACED_VERSION: About = About::new(
    "tlsrpt-spaced-version",
    Warning,
    "RFC 8460 §3",
    "A space before the first semicolon of the TLSRPT record",
    "The grammar allows it, yet some senders look for the text `v=TLSRPTv1;` and overlook the record. Beside other TXT \
     records at the name it does not count for anybody, and this is an error.",
    "Remove the space.",
);
pub(super) const DANGLING_ALIAS: About = About::new(
    "tlsrpt-dangling-alias",
    Error,
    "RFC 8460 §3",
    "The TLSRPT record is an alias that leads to nothing",
    "The name is an alias (CNAME), and at its end there is no TLSRPT record. No reports come, and whoever can register \
     the target gets them.",
    "Correct the alias, or remove it and publish the record itself.",
)
.pitfall(Pitfall::UnreadReports);
pub(super) const NO_USABLE_RUA: About = About::new(
    "tlsrpt-no-usable-rua",
    Error,
    "RFC 8460 §3",
    "The TLSRPT record names no place to which a report can go",
    "Reports go to `mailto:` addresses and `https:` end points. The record has neither.",
    "Publish a record with a `mailto:` address.",
)
.pitfall(Pitfall::UnreadReports);
pub(super) const UNKNOWN_SCHEME: About = About::new(
    "tlsrpt-unknown-scheme",
    Warning,
    "RFC 8460 §3",
    "A place for reports is neither mailto: nor https:",
    "Senders skip it and use the others.",
    "Remove it, or write it as `mailto:` or `https:`.",
);
pub(super) const RUA_INVALID: About = About::new(
    "tlsrpt-rua-invalid",
    Warning,
    "RFC 8460 §3",
    "A place for reports is malformed",
    "Senders skip it and use the others. Commas, semicolons and exclamation marks in an address are written as %2C, %3B \
     and %21.",
    "Correct the address.",
);
pub(super) const RUA_TAKES_NO_MAIL: About = About::new(
    "tlsrpt-rua-takes-no-mail",
    Error,
    "RFC 8460 §5.3",
    "Reports go to a domain that takes no mail",
    "The domain of the report address has no mail server, or says that it takes no mail. Reports sent there are lost. \
     If other addresses work, this is a warning.",
    "Correct the address.",
)
.pitfall(Pitfall::UnreadReports);
pub(super) const RUA_UNREACHABLE: About = About::new(
    "tlsrpt-rua-unreachable",
    Error,
    "RFC 8460 §5.4",
    "The end point for reports does not answer",
    "No HTTPS answer came from the place to which reports are posted, so they are lost. If other addresses work, this is \
     a warning.",
    "Correct the address, or the server behind it.",
)
.pitfall(Pitfall::UnreadReports);
pub(super) const RUA_CERTIFICATE: About = About::new(
    "tlsrpt-rua-certificate",
    Warning,
    "RFC 8460 §3",
    "The end point for reports has no valid certificate",
    "Senders may overlook that, and many do not, so reports are lost.",
    "Get a certificate from a public authority for the host of the end point.",
)
.pitfall(Pitfall::UnreadReports);
pub(super) const MISSING_AT_MX: About = About::new(
    "tlsrpt-missing-at-mx",
    Info,
    "RFC 8460 §1.1",
    "Nobody is told when DANE fails at a mail server",
    "Reports on DANE may go to the owner of the mail server: to the TLSRPT record under its host name, and there is none.",
    "Publish a TLSRPT record under the mail server's name as well.",
);
