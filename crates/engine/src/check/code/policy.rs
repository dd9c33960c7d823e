//! Codes about the policy host, its answer and the policy.

use super::Level::{Error, Info, Warning};
use super::{About, Pitfall};

pub(super) const HOST_MISSING: About = About::new(
    "policy-host-missing",
    Error,
    "RFC 8461 §3.2",
    "The policy host has no address",
    "The record says that there is a policy, but the host `mta-sts` under the domain, which must serve it, does not \
     exist in DNS.",
    "Publish A and AAAA records (or a CNAME) for the policy host and serve the policy there.",
);
pub(super) const HOST_DANGLING_ALIAS: About = About::new(
    "policy-host-dangling-alias",
    Error,
    "RFC 8461 §8.2",
    "The policy host is an alias that leads to nothing",
    "The policy host is an alias (CNAME), and its target has no address. Whoever can register the target could serve a \
     policy for the domain.",
    "Correct the alias, or remove it and serve the policy yourself.",
);
pub(super) const HOST_PRIVATE_ADDRESS: About = About::new(
    "policy-host-private-address",
    Error,
    "RFC 8461 §3.3",
    "The policy host has an address that is not public",
    "Senders on the internet cannot reach private, loopback or link-local addresses.",
    "Publish public addresses only.",
);
pub(super) const HOST_UNREACHABLE: About = About::new(
    "policy-host-unreachable",
    Error,
    "RFC 8461 §3.3",
    "The policy host cannot be reached",
    "No connection to the policy host on port 443. Without the policy, senders that do not hold an older one deliver \
     as if there were none. If other addresses of the host answer, this is a warning.",
    "Let the web server listen on every address that DNS names, and open the firewall for it.",
);
pub(super) const HOST_SLOW: About = About::new(
    "policy-host-slow",
    Error,
    "RFC 8461 §3.3",
    "The policy host answers too slowly",
    "Senders wait a minute at most for the whole policy, many of them less, and then do without.",
    "Serve the policy as a static file.",
);
pub(super) const HOST_TLS_FAILED: About = About::new(
    "policy-host-tls-failed",
    Error,
    "RFC 8461 §3.3",
    "No TLS session with the policy host",
    "The policy must come by HTTPS, and the handshake fails for another reason than the certificate: often the server \
     does not know the name `mta-sts` under the domain.",
    "Configure the web server for the policy host's name, with TLS 1.2 or later.",
);
pub(super) const HTTP_BROKEN: About = About::new(
    "policy-http-broken",
    Error,
    "RFC 8461 §3.3",
    "The policy host does not answer in HTTP",
    "TLS works, and what comes then is no HTTP answer or ends early.",
    "Look at the web server's log for this request.",
);
pub(super) const HTTP_STATUS: About = About::new(
    "policy-http-status",
    Error,
    "RFC 8461 §3.3",
    "The policy host answers with another status than 200",
    "Only status 200 gives a policy. With any other, senders that hold no older policy deliver as if there were none.",
    "Serve the policy at exactly `/.well-known/mta-sts.txt`.",
);
pub(super) const REDIRECT: About = About::new(
    "policy-redirect",
    Error,
    "RFC 8461 §3.3",
    "The policy host redirects",
    "Senders must not follow redirects, so they get no policy.",
    "Serve the policy at this place itself, without redirect.",
);
pub(super) const HTML: About = About::new(
    "policy-html",
    Error,
    "RFC 8461 §3.2",
    "A web page stands where the policy should be",
    "The web server answers the policy's address with a page: often a placeholder or a catch-all of a web application.",
    "Serve the policy file at this address.",
);
pub(super) const MEDIA_TYPE: About = About::new(
    "policy-media-type",
    Warning,
    "RFC 8461 §3.2",
    "The policy is not declared as text/plain",
    "Senders should check the media type, and several refuse the policy for it. If the policy has other faults too, all \
     do, and this is an error.",
    "Serve the file with `Content-Type: text/plain`.",
);
pub(super) const COMPRESSED: About = About::new(
    "policy-compressed",
    Error,
    "RFC 8461 §3.3",
    "The policy is sent compressed",
    "The web server compresses the answer although the request did not ask for it. Senders that do not undo this cannot \
     read the policy.",
    "Serve the file without `Content-Encoding` unless the request asks for it.",
);
pub(super) const TOO_LARGE: About = About::new(
    "policy-too-large",
    Error,
    "RFC 8461 §3.3",
    "The policy is larger than 64 KiB",
    "Senders stop reading at 64 KiB and refuse the policy as a whole.",
    "Serve a shorter policy: one line for each mail server suffices.",
);
pub(super) const ADDRESSES_DIFFER: About = About::new(
    "policy-addresses-differ",
    Error,
    "RFC 8461 §3.3",
    "The addresses of the policy host serve different policies",
    "Which policy a sender gets depends on the address that it happens to use.",
    "Bring all web servers of the policy host to the same file.",
);
pub(super) const MALFORMED: About = About::new(
    "policy-malformed",
    Error,
    "RFC 8461 §3.2",
    "The policy is malformed",
    "A line of the policy is no `name: value`, and one such line makes the whole policy invalid.",
    "Correct the line.",
);
pub(super) const FIELD_MISSING: About = About::new(
    "policy-field-missing",
    Error,
    "RFC 8461 §3.2",
    "The policy lacks a field",
    "A policy needs version, mode and max_age, and an mx line for each mail server unless its mode is none. Names of \
     fields are written in small letters.",
    "Add the field.",
);
pub(super) const VERSION_INVALID: About = About::new(
    "policy-version-invalid",
    Error,
    "RFC 8461 §3.2",
    "The policy has another version than STSv1",
    "There is one version so far, `STSv1`, and capital letters count.",
    "Write `version: STSv1`.",
);
pub(super) const MODE_INVALID: About = About::new(
    "policy-mode-invalid",
    Error,
    "RFC 8461 §3.2",
    "The policy has an unknown mode",
    "The mode is `enforce`, `testing` or `none`, in small letters. Any other makes the policy invalid.",
    "Write one of the three.",
);
pub(super) const MAX_AGE_INVALID: About = About::new(
    "policy-max-age-invalid",
    Error,
    "RFC 8461 §3.2",
    "max_age is not a number of seconds",
    "It must be 1 to 10 digits: no unit, no sign, no fraction.",
    "Write seconds, such as `max_age: 2419200` for four weeks.",
);
pub(super) const MX_INVALID: About = About::new(
    "policy-mx-invalid",
    Error,
    "RFC 8461 §3.2",
    "An mx line of the policy is malformed",
    "A pattern is a host name, or `*.` and a domain. One malformed line makes the whole policy invalid.",
    "Correct the line: one host name in each.",
);
pub(super) const MX_NOT_A_LABEL: About = About::new(
    "policy-mx-not-a-label",
    Error,
    "RFC 8461 §3.2",
    "An mx line is not written in ASCII",
    "Names with other letters must stand in the policy in their ASCII form, which begins with `xn--`. Otherwise the \
     whole policy is invalid.",
    "Write the name in its ASCII form.",
);
pub(super) const BYTE_ORDER_MARK: About = About::new(
    "policy-byte-order-mark",
    Error,
    "RFC 8461 §3.2",
    "The policy begins with a byte order mark",
    "An editor put invisible bytes before the first line. Senders that follow the grammar find no version and refuse \
     the policy.",
    "Save the file as UTF-8 without a byte order mark.",
);
pub(super) const BLANK_LINE: About = About::new(
    "policy-blank-line",
    Error,
    "RFC 8461 §3.2",
    "The policy has a blank line",
    "The grammar has no blank lines, also not at the end; several senders refuse the policy.",
    "Remove the line.",
);
pub(super) const STRAY_CARRIAGE_RETURN: About = About::new(
    "policy-stray-carriage-return",
    Error,
    "RFC 8461 §3.2",
    "A line of the policy ends in more than one carriage return",
    "Lines end in LF or CRLF. The file was probably converted twice; strict senders refuse it.",
    "Save the file with plain line ends.",
);
pub(super) const MX_DOT_AT_END: About = About::new(
    "policy-mx-dot-at-end",
    Error,
    "RFC 8461 §3.2",
    "An mx line ends in a dot",
    "Zone files write names so, policies do not; strict senders refuse the whole policy.",
    "Remove the dot.",
);
pub(super) const DUPLICATE_FIELD: About = About::new(
    "policy-duplicate-field",
    Warning,
    "RFC 8461 §3.2",
    "A field stands twice in the policy",
    "The first counts for senders that follow the RFC; some take the last, or refuse the policy.",
    "Leave each field but mx once.",
);
pub(super) const MAX_AGE_OVER_MAXIMUM: About = About::new(
    "policy-max-age-over-maximum",
    Error,
    "RFC 8461 §3.2",
    "max_age is above the maximum",
    "More than 31557600 seconds, a year, is not allowed. Some senders take the maximum instead, others refuse the \
     policy.",
    "Lower it to 31557600 or less.",
);
pub(super) const MAX_AGE_TOO_SHORT: About = About::new(
    "policy-max-age-too-short",
    Warning,
    "RFC 8461 §10.2",
    "max_age is under a day",
    "Senders forget the policy before they need it again. Whoever blocks the fetch for that long takes the protection \
     away, and a sender has to fetch anew for nearly every mail. Some refuse a value under an hour or of zero.",
    "Raise it: a day while testing, weeks when enforced.",
)
.pitfall(Pitfall::ShortMaxAge);
pub(super) const MAX_AGE_SHORT: About = About::new(
    "policy-max-age-short",
    Warning,
    "RFC 8461 §10.2",
    "max_age is under a week",
    "An enforced policy protects for as long as senders keep it. The RFC expects weeks or more: an attacker who blocks \
     the fetch for a few days waits that long.",
    "Raise it to four weeks or more once the mail servers are stable.",
)
.pitfall(Pitfall::ShortMaxAge);
pub(super) const MODE_TESTING: About = About::new(
    "policy-mode-testing",
    Info,
    "RFC 8461 §5",
    "The policy only tests",
    "Senders deliver even where the policy fails, and report it. Mail is not protected yet.",
    "When reports show no failures for two weeks, change the mode to enforce and the id with it.",
);
pub(super) const MODE_NONE: About = About::new(
    "policy-mode-none",
    Info,
    "RFC 8461 §8.3",
    "The policy says that there is none",
    "Mode none is the orderly way out of MTA-STS: senders forget the earlier policy. Mail is not protected.",
    "Leave it so until the longest max_age ever served has run out; then remove record and host.",
);
pub(super) const PATTERN_TOO_BROAD: About = About::new(
    "policy-pattern-too-broad",
    Error,
    "RFC 8461 §10.4",
    "A pattern lets strangers be the mail server",
    "Anybody can have a host under this wildcard, with a valid certificate, so whoever can forge the MX records passes \
     the policy.",
    "Name the mail servers, each on an mx line of its own.",
);
pub(super) const PATTERN_WILDCARD: About = About::new(
    "policy-pattern-wildcard",
    Info,
    "RFC 8461 §10.4",
    "A wildcard where names would do",
    "A wildcard lets every host directly under the domain be a mail server, if it has a certificate. Exact names are \
     safer, and as good as long as the MX records change seldom.",
    "Name the mail servers, unless the mail provider asks for the wildcard.",
);
pub(super) const PATTERN_UNUSED: About = About::new(
    "policy-pattern-unused",
    Warning,
    "RFC 8461 §4.1",
    "A pattern that no mail server matches",
    "The policy admits a host that is no mail server of the domain: a leftover, a slip of the pen, or one that is about \
     to come.",
    "Remove the line, unless an MX with this name is about to come.",
);
