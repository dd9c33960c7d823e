//! Codes about certificates: of mail exchangers and of the policy host.

use super::About;
use super::Level::{Error, Warning};

pub(super) const MX_EXPIRED: About = About::new(
    "mx-certificate-expired",
    Error,
    "RFC 8461 §4.2",
    "A mail server's certificate has expired",
    "It was valid once and is not any more. Under an enforced policy senders do not deliver there.",
    "Renew the certificate, and look at why it was not renewed by itself.",
);
pub(super) const MX_NOT_YET_VALID: About = About::new(
    "mx-certificate-not-yet-valid",
    Error,
    "RFC 8461 §4.2",
    "A mail server's certificate is not valid yet",
    "Its time begins in the future, or a clock is wrong. Under an enforced policy senders do not deliver there.",
    "Use a certificate that is valid now; look at the clock of the machine that made it.",
);
pub(super) const MX_EXPIRES_SOON: About = About::new(
    "mx-certificate-expires-soon",
    Warning,
    "RFC 8461 §4.2",
    "A mail server's certificate expires soon",
    "It expires within 14 days. Automatic renewal should have happened by now. Within 3 days this is an error.",
    "Renew the certificate, and look at why it was not renewed by itself.",
);
pub(super) const MX_NAME_MISMATCH: About = About::new(
    "mx-certificate-name-mismatch",
    Error,
    "RFC 8461 §4.2",
    "A mail server's certificate is for other names",
    "No subject alternative name in it is the host's name. The common name does not count. Under an enforced \
     policy senders do not deliver there.",
    "Get a certificate that names the host as DNS name.",
);
pub(super) const MX_SELF_SIGNED: About = About::new(
    "mx-certificate-self-signed",
    Error,
    "RFC 8461 §4.2",
    "A mail server's certificate is signed by itself",
    "No authority that senders trust has signed it. Under an enforced policy senders do not deliver there.",
    "Get a certificate from a public authority, such as Let's Encrypt.",
);
pub(super) const MX_CHAIN_INCOMPLETE: About = About::new(
    "mx-certificate-chain-incomplete",
    Error,
    "RFC 8461 §4.2",
    "A mail server's certificate comes without its intermediate",
    "The server sends its own certificate and not the one between it and the authority. Browsers often fetch \
     the missing one, mail servers do not. Under an enforced policy senders do not deliver there.",
    "Configure the server with the full chain.",
);
pub(super) const MX_NOT_TRUSTED: About = About::new(
    "mx-certificate-not-trusted",
    Error,
    "RFC 8461 §4.2",
    "A mail server's certificate is from an authority that is not trusted",
    "Its chain ends at no authority that senders commonly trust. Under an enforced policy senders do not \
     deliver there.",
    "Get a certificate from a public authority, such as Let's Encrypt.",
);
pub(super) const MX_INVALID: About = About::new(
    "mx-certificate-invalid",
    Error,
    "RFC 8461 §4.2",
    "A mail server's certificate cannot be used",
    "It cannot be read, or it is not one for servers, or a signature in its chain is wrong. Under an enforced \
     policy senders do not deliver there.",
    "Replace the certificate.",
);
pub(super) const POLICY_EXPIRED: About = About::new(
    "policy-certificate-expired",
    Error,
    "RFC 8461 §3.3",
    "The policy host's certificate has expired",
    "It was valid once and is not any more. Senders refuse the policy for it; those that hold no older one \
     deliver as if there were none.",
    "Renew the certificate, and look at why it was not renewed by itself.",
);
pub(super) const POLICY_NOT_YET_VALID: About = About::new(
    "policy-certificate-not-yet-valid",
    Error,
    "RFC 8461 §3.3",
    "The policy host's certificate is not valid yet",
    "Its time begins in the future, or a clock is wrong. Senders refuse the policy for it; those that hold no \
     older one deliver as if there were none.",
    "Use a certificate that is valid now; look at the clock of the machine that made it.",
);
pub(super) const POLICY_EXPIRES_SOON: About = About::new(
    "policy-certificate-expires-soon",
    Warning,
    "RFC 8461 §3.3",
    "The policy host's certificate expires soon",
    "It expires within 14 days. Automatic renewal should have happened by now. Within 3 days this is an error.",
    "Renew the certificate, and look at why it was not renewed by itself.",
);
pub(super) const POLICY_NAME_MISMATCH: About = About::new(
    "policy-certificate-name-mismatch",
    Error,
    "RFC 8461 §3.3",
    "The policy host's certificate is for other names",
    "No subject alternative name in it is the host's name. The common name does not count. Senders refuse the \
     policy for it; those that hold no older one deliver as if there were none.",
    "Get a certificate that names the host as DNS name.",
);
pub(super) const POLICY_SELF_SIGNED: About = About::new(
    "policy-certificate-self-signed",
    Error,
    "RFC 8461 §3.3",
    "The policy host's certificate is signed by itself",
    "No authority that senders trust has signed it. Senders refuse the policy for it; those that hold no \
     older one deliver as if there were none.",
    "Get a certificate from a public authority, such as Let's Encrypt.",
);
pub(super) const POLICY_CHAIN_INCOMPLETE: About = About::new(
    "policy-certificate-chain-incomplete",
    Error,
    "RFC 8461 §3.3",
    "The policy host's certificate comes without its intermediate",
    "The server sends its own certificate and not the one between it and the authority. Browsers often fetch \
     the missing one, mail servers do not. Senders refuse the policy for it; those that hold no older one \
     deliver as if there were none.",
    "Configure the server with the full chain.",
);
pub(super) const POLICY_NOT_TRUSTED: About = About::new(
    "policy-certificate-not-trusted",
    Error,
    "RFC 8461 §3.3",
    "The policy host's certificate is from an authority that is not trusted",
    "Its chain ends at no authority that senders commonly trust. Senders refuse the policy for it; those that \
     hold no older one deliver as if there were none.",
    "Get a certificate from a public authority, such as Let's Encrypt.",
);
pub(super) const POLICY_INVALID: About = About::new(
    "policy-certificate-invalid",
    Error,
    "RFC 8461 §3.3",
    "The policy host's certificate cannot be used",
    "It cannot be read, or it is not one for servers, or a signature in its chain is wrong. Senders refuse \
     the policy for it; those that hold no older one deliver as if there were none.",
    "Replace the certificate.",
);
