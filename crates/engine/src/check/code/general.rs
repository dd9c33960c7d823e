//! Codes about DNS, the check itself and sub-domains.

use super::About;
use super::Level::{Error, Info, Warning};

pub(super) const DNS_FAILED: About = About::new(
    "dns-failed",
    Warning,
    "RFC 8461 §3.3",
    "DNS gave no answer",
    "The servers that hold this name did not answer, or said that they cannot. What they would say is not known, so it \
     is not guessed: senders that hold an older policy go on with it, others deliver as if there were none.",
    "Look at the name servers of the zone; then check again.",
);
pub(super) const DNS_BOGUS: About = About::new(
    "dns-bogus",
    Error,
    "RFC 4035 §5.5",
    "A DNSSEC signature does not validate",
    "The zone is signed and the signature of this answer is wrong or out of date, or somebody forged the answer. \
     Every resolver that validates treats the name as if it did not answer at all.",
    "Sign the zone anew, and see that the DS record at the parent belongs to a key in use.",
);
pub(super) const DNSSEC_UNUSABLE: About = About::new(
    "dnssec-unusable",
    Warning,
    "RFC 7672 §2.2",
    "The resolver of this machine cannot do DNSSEC",
    "Says nothing of the domain: the resolver that was asked strips DNSSEC or does not validate, so no answer can be \
     known to be authentic, and DANE was left out of the check.",
    "Let this machine use a validating resolver on loopback, such as Unbound, or set `dnssec = \"validate\"`.",
);
pub(super) const IPV6_NOT_TESTABLE: About = About::new(
    "ipv6-not-testable",
    Info,
    "RFC 5321 §5.2",
    "IPv6 could not be tested from here",
    "Says nothing of the domain: this machine has no way into IPv6, so nothing is known of the IPv6 addresses of these \
     servers.",
    "Check from a machine with IPv6, for senders that have it.",
);
pub(super) const LIMIT_REACHED: About = About::new(
    "limit-reached",
    Info,
    "",
    "Not everything was looked at",
    "The domain names more hosts, addresses or places for reports than a check looks at. What is beyond the limit was \
     left out, so the verdict does not speak of it.",
    "Nothing is wrong as such; most domains are easier to run with fewer.",
);
pub(super) const TIME_LIMIT_REACHED: About = About::new(
    "time-limit-reached",
    Warning,
    "",
    "The check ran out of time",
    "Servers of this domain answer so slowly that the check ended before everything was looked at. What was not looked \
     at counts as not known.",
    "Look at the servers that are slow; then check again, perhaps with a longer limit.",
);
pub(super) const SUBDOMAIN_WITHOUT_POLICY: About = About::new(
    "subdomain-without-policy",
    Warning,
    "RFC 8461 §3.4",
    "A sub-domain takes mail and has no policy",
    "A policy covers exactly one domain. This sub-domain has mail servers of its own, and mail to it travels \
     unprotected, whatever its parent publishes.",
    "Publish a record, a policy host and a policy for the sub-domain, or give it a null MX if it takes no mail.",
);
pub(super) const SUBDOMAIN_WILDCARD_MX: About = About::new(
    "subdomain-wildcard-mx",
    Warning,
    "RFC 8461 §3.4",
    "Every sub-domain takes mail, and none has a policy",
    "A wildcard MX record makes any name under the domain take mail. A policy covers exactly one domain, so mail to all \
     those names travels unprotected.",
    "Remove the wildcard MX record; give each sub-domain that needs mail its own MX records and policy.",
);
