//! Codes about mail exchangers.

use super::Level::{Error, Info, Warning};
use super::{About, Pitfall};

pub(super) const NOT_IN_POLICY: About = About::new(
    "mx-not-in-policy",
    Error,
    "RFC 8461 §4.1",
    "A mail server is not in the policy",
    "Every mail server of the domain has to match an mx line of its policy. Under an enforced policy senders do not \
     deliver to one that does not; while testing they report it.",
    "Add the host to the policy first, then change the id in the record.",
)
.pitfall(Pitfall::ForgottenMx);
pub(super) const IMPLICIT: About = About::new(
    "mx-implicit",
    Info,
    "RFC 5321 §5.1",
    "No MX record: the domain itself takes its mail",
    "Without an MX record senders deliver to the addresses of the domain. For MTA-STS the domain's own name is then the \
     mail server, which the policy and the certificate must name.",
    "Publish an MX record, which says plainly what is meant.",
);
pub(super) const NONE: About = About::new(
    "mx-none",
    Error,
    "RFC 5321 §5.1",
    "The domain has neither MX records nor addresses",
    "There is no server to which mail could go.",
    "Publish MX records, or a null MX if the domain takes no mail.",
);
pub(super) const NULL: About = About::new(
    "mx-null",
    Info,
    "RFC 7505 §3",
    "The domain takes no mail",
    "A null MX says that no mail is taken, so there is nothing to protect.",
    "Nothing to do.",
);
pub(super) const NULL_WITH_POLICY: About = About::new(
    "mx-null-with-policy",
    Warning,
    "RFC 7505 §3",
    "The domain takes no mail and yet publishes MTA-STS",
    "A null MX says that no mail is taken, so the policy protects nothing. One of the two is a mistake.",
    "Remove the null MX if the domain takes mail, else the MTA-STS record.",
);
pub(super) const NULL_AMONG_OTHERS: About = About::new(
    "mx-null-among-others",
    Error,
    "RFC 7505 §3",
    "A null MX stands beside other MX records",
    "The null MX says that no mail is taken, and the others say where it goes. Senders disagree on what that means.",
    "Remove the null MX.",
);
pub(super) const ADDRESS_LITERAL: About = About::new(
    "mx-address-literal",
    Error,
    "RFC 5321 §5.1",
    "An MX record holds an IP address",
    "An MX record must hold a host name. Many senders cannot deliver there, and there is no name that a policy or a \
     certificate could hold.",
    "Give the server a name with an address record, and publish the name.",
);
pub(super) const NAME_INVALID: About = About::new(
    "mx-name-invalid",
    Error,
    "RFC 5321 §5.1",
    "An MX record holds what is no host name",
    "No server can have this name, so no mail can go there.",
    "Correct the MX record.",
);
pub(super) const ALIAS: About = About::new(
    "mx-alias",
    Warning,
    "RFC 2181 §10.3",
    "An MX record names an alias",
    "The name in an MX record must not be a CNAME; some senders refuse it. Policy and certificate are judged by the name \
     in the MX record, not by the alias's target.",
    "Name the target itself in the MX record and in the policy, or replace the CNAME by address records.",
);
pub(super) const NO_ADDRESS: About = About::new(
    "mx-no-address",
    Error,
    "RFC 5321 §5.1",
    "A mail server has no address",
    "DNS has no A or AAAA record for this host, so no mail can go there.",
    "Publish its address, or remove its MX record.",
);
pub(super) const PRIVATE_ADDRESS: About = About::new(
    "mx-private-address",
    Error,
    "RFC 5321 §5.1",
    "A mail server has an address that is not public",
    "Senders on the internet cannot reach private, loopback or link-local addresses.",
    "Publish public addresses only.",
);
pub(super) const UNREACHABLE: About = About::new(
    "mx-unreachable",
    Warning,
    "RFC 8461 appendix B",
    "A mail server cannot be reached",
    "No connection on port 25 from here. That is no failure of MTA-STS: senders try the next address or server. It may \
     also be this machine's network that blocks port 25.",
    "Let the mail server listen on every address that DNS names, and open the firewall for it.",
);
pub(super) const REFUSES_CONNECTION: About = About::new(
    "mx-refuses-connection",
    Warning,
    "RFC 5321 §3.1",
    "A mail server turned the check away",
    "The server answered with a refusal before TLS could be tried, so nothing can be said of its TLS. It may refuse this \
     machine only.",
    "Look at the server's log for the reason; check from an address that it accepts.",
);
pub(super) const BROKEN: About = About::new(
    "mx-broken",
    Warning,
    "RFC 5321 §3.1",
    "The connection to a mail server broke",
    "The server was reached, and it fell silent, closed or spoke something else than SMTP before TLS could be tried.",
    "Look at the mail server and at what stands before it.",
);
pub(super) const NO_STARTTLS: About = About::new(
    "mx-no-starttls",
    Error,
    "RFC 8461 §4",
    "A mail server does not offer STARTTLS",
    "Mail to this server travels in the clear. Under an enforced policy senders do not deliver there. If the server does \
     offer it, something on the way strips it.",
    "Switch on TLS in the mail server, with a certificate for its name.",
);
pub(super) const STARTTLS_REFUSED: About = About::new(
    "mx-starttls-refused",
    Error,
    "RFC 8461 §4",
    "A mail server offers STARTTLS and refuses it",
    "The server announces TLS and then says that it is not available, often because its certificate or key cannot be \
     read. Under an enforced policy senders do not deliver there.",
    "Look at the mail server's log, and at its certificate and key files.",
);
pub(super) const TLS_FAILED: About = About::new(
    "mx-tls-failed",
    Error,
    "RFC 8461 §4.2",
    "The TLS handshake with a mail server fails",
    "STARTTLS begins and no session comes to be, with any sender. Under an enforced policy senders do not deliver there.",
    "Look at the mail server's TLS configuration: certificate and key belong together, TLS 1.2 and 1.3 are on.",
);
pub(super) const TLS_TOO_OLD: About = About::new(
    "mx-tls-too-old",
    Error,
    "RFC 8461 §7.2",
    "A mail server only speaks outdated TLS",
    "Senders that follow the policy use TLS 1.2 or later and do not deliver there.",
    "Switch on TLS 1.2 and 1.3.",
);
pub(super) const TLS_NOT_TESTABLE: About = About::new(
    "mx-tls-not-testable",
    Warning,
    "RFC 8461 §7.2",
    "A mail server's TLS is unusual and could not be tested",
    "The server speaks a TLS version that is good enough, but only with ciphers that this program does not have. Other \
     senders may succeed; whether its certificate is good is not known.",
    "Offer the ciphers of RFC 9325: ECDHE with AES-GCM or ChaCha20, and TLS 1.3.",
);
pub(super) const NEEDS_SNI: About = About::new(
    "mx-needs-sni",
    Warning,
    "RFC 8461 §7.1",
    "A mail server is only right when the sender names it",
    "Asked without a host name in the handshake (SNI), the server fails or shows another certificate. Senders that \
     follow the RFC send the name; others do not, and see a wrong certificate.",
    "Make the certificate for the MX host name the server's default.",
);
pub(super) const FAILS_WITH_SNI: About = About::new(
    "mx-fails-with-sni",
    Error,
    "RFC 8461 §7.1",
    "A mail server is only right when the sender does not name it",
    "Asked with its own host name in the handshake (SNI), as MTA-STS wants it, the server fails or shows a certificate \
     that is not good. Without the name it is right, so a test by hand may not show it.",
    "Correct the certificate that the server has for this name, or let it ignore the name.",
);
