//! Codes about the record at `_mta-sts`.

use super::About;
use super::Level::{Error, Info, Warning};

pub(super) const NOT_PUBLISHED: About = About::new(
    "sts-not-published",
    Warning,
    "RFC 8461 §3",
    "The domain does not use MTA-STS",
    "Nothing tells senders that mail to this domain must be encrypted. Somebody on the way can strip the encryption or \
     pose as the mail server, and neither side notices.",
    "Start with TLSRPT alone, then a policy in mode testing, then enforce.",
);
pub(super) const MISSING: About = About::new(
    "sts-record-missing",
    Error,
    "RFC 8461 §3.1",
    "A policy is served, but no record announces it",
    "Senders look at the TXT record first and fetch the policy only if there is one. Without it the policy does not \
     exist for them.",
    "Publish the TXT record at `_mta-sts`.",
);
pub(super) const AT_WRONG_NAME: About = About::new(
    "sts-record-at-wrong-name",
    Error,
    "RFC 8461 §3.1",
    "The record stands at the wrong name",
    "An MTA-STS record exists, but not at `_mta-sts`, where senders look. They find nothing.",
    "Move the record to `_mta-sts`, with a hyphen, directly under the domain.",
);
pub(super) const MULTIPLE: About = About::new(
    "sts-record-multiple",
    Error,
    "RFC 8461 §3.1",
    "There is more than one MTA-STS record",
    "With several records nobody can tell which counts, so senders must act as if there were none.",
    "Leave exactly one.",
);
pub(super) const MALFORMED: About = About::new(
    "sts-record-malformed",
    Error,
    "RFC 8461 §3.1",
    "The MTA-STS record is malformed",
    "Senders cannot read the record and act as if there were none.",
    "Replace the record.",
);
pub(super) const ID_INVALID: About = About::new(
    "sts-record-id-invalid",
    Error,
    "RFC 8461 §3.1",
    "The id in the MTA-STS record is not valid",
    "The id tells senders when the policy has changed. It may have 1 to 32 letters and digits and nothing else; with \
     any other character the whole record does not count.",
    "Replace the record by one with a valid id.",
);
pub(super) const SPACED_VERSION: About = About::new(
    "sts-record-spaced-version",
    Warning,
    "RFC 8461 §3.1, erratum 6285",
    "A space before the first semicolon of the MTA-STS record",
    "The grammar allows it, yet some senders look for the text `v=STSv1;` and overlook the record. Beside other TXT \
     records at the name it does not count for anybody, and this is an error.",
    "Remove the space.",
);
pub(super) const SPACE_AT_END: About = About::new(
    "sts-record-space-at-end",
    Error,
    "RFC 8461 §3.1",
    "White space at the end of the MTA-STS record",
    "The grammar allows none there. Most senders overlook it; strict ones drop the record.",
    "Remove the white space.",
);
pub(super) const DUPLICATE_FIELD: About = About::new(
    "sts-record-duplicate-field",
    Warning,
    "RFC 8461 §3.2",
    "A field stands twice in the MTA-STS record",
    "The first counts for senders that follow the RFC; some take the last, or drop the record.",
    "Leave each field once.",
);
pub(super) const DELEGATED: About = About::new(
    "sts-record-delegated",
    Info,
    "RFC 8461 §8.2",
    "The MTA-STS record is delegated",
    "The record is an alias (CNAME) into another domain, whose owner decides when the policy changes. That is a common \
     and legal way to leave MTA-STS to a provider.",
    "Nothing to do, as long as that provider is meant.",
);
pub(super) const DANGLING_ALIAS: About = About::new(
    "sts-record-dangling-alias",
    Error,
    "RFC 8461 §8.2",
    "The MTA-STS record is an alias that leads to nothing",
    "The name is an alias (CNAME), and at its end there is no MTA-STS record. Senders act as if there were none, and \
     whoever can register the target speaks for the domain.",
    "Correct the alias, or remove it and publish the record itself.",
);
pub(super) const ID_NOT_CHANGED: About = About::new(
    "sts-id-not-changed",
    Error,
    "RFC 8461 §3.1",
    "The policy changed and the id did not",
    "Senders fetch a policy again when the id changes. With the old id they may keep the old policy until it expires.",
    "Publish the record with a new id.",
);
pub(super) const ID_CHANGED_ALONE: About = About::new(
    "sts-id-changed-alone",
    Info,
    "RFC 8461 §8.1",
    "The id changed and the policy did not",
    "Senders will fetch the same policy again. Harmless, unless a changed policy was meant to be there: it has to be \
     served before the id changes.",
    "Nothing to do if it was meant as a new announcement.",
);
