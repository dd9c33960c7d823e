//! What a failure row's free text adds: codes of TLS libraries, of large senders, of HTTP.
//!
//! What goes in: `failure-reason-code` or `additional-information`, as it stands. What comes out: one sentence, or none. It
//! refines the explanation of the result type and never replaces it. The text is a stranger's: only its first
//! 2,048 bytes are looked at, and nothing of it is repeated.

use crate::result_type::ResultType;

/// So much of a text is looked at.
const MAX_TEXT_BYTES: usize = 2_048;

/// What a reason says, in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// One or two sentences.
    pub text: &'static str,
}

/// What counts as the same hint, and the hint. A needle is lower case with a space for `_` and `-`.
type Entry = (&'static [&'static str], &'static str);

/// The first entry with a needle in the text wins, so the more exact ones stand first.
const TABLE: &[Entry] = &[
    (
        &[
            "mx hosts mismatch",
            "mx host mismatch",
            "mx mismatch",
            "mx hosts of",
            "mx not in policy",
            "mx does not match",
        ],
        "The host in your MX record matches no mx: line of your MTA-STS policy. Add it to the policy, or correct the MX record.",
    ),
    (
        &["not yet valid", "certnotvalidyet"],
        "The certificate's first day is still ahead: the clock of one side is wrong, or it was installed too early.",
    ),
    (
        &["crl has expired", "unable to get crl"],
        "The authority's list of withdrawn certificates could not be used. Your certificate may well be good; it is the \
         authority's or the sender's matter.",
    ),
    (
        &["cert revoked", "certificate revoked", "certificate has been revoked"],
        "The authority has withdrawn the certificate. Have a new one issued, with a new key.",
    ),
    (
        &[
            "cert has expired",
            "certificate has expired",
            "certificate expired",
            "certexpired",
            "has expired or is not yet valid",
        ],
        "The certificate's last day has passed. If you renewed it, the mail server still has to be reloaded.",
    ),
    (
        &[
            "self signed cert in chain",
            "self signed certificate in certificate chain",
            "self signed certificate in chain",
        ],
        "The chain ends in a root of your own, which only you trust.",
    ),
    (
        &["depth zero self signed", "self signed cert", "caused by self signed"],
        "The certificate is self-signed. MTA-STS needs one from a public authority.",
    ),
    (
        &[
            "unable to get local issuer",
            "unable to get issuer",
            "unable to verify leaf",
            "unable to verify the first",
            "signed by unknown authority",
            "unknownissuer",
            "unknown ca",
            "partial chain",
            "partialchain",
        ],
        "The sender could not link the certificate to an authority that it trusts. Most often the intermediate certificate is \
         missing: configure the whole chain.",
    ),
    (
        &[
            "hostname mismatch",
            "host mismatch",
            "notvalidforname",
            "certificate is valid for",
            "subject does not match",
            "subject mismatch",
            "name mismatch",
            "cert name invalid",
        ],
        "The certificate does not hold the name in your MX record.",
    ),
    (
        &["proxy path length", "path length exceeded", "invalid ca", "pathlen"],
        "The chain has a certificate that is not allowed to sign the one below it. Install the chain that your authority gives out.",
    ),
    (
        &[
            "invalid purpose",
            "unsuitable certificate purpose",
            "incompatible key usage",
            "extended key usage",
        ],
        "The certificate is not issued for servers. Have one issued with the purpose \"server authentication\".",
    ),
    (
        &["key too small", "md too weak", "insecure algorithm", "signature algorithm"],
        "The certificate's key is too short or its signature too old. Have a new one issued: RSA of 2048 bits or more, or ECDSA, with SHA-256.",
    ),
    (
        &["unhandled critical", "permitted violation", "excluded violation", "name constraint"],
        "The certificate or its issuer carries a restriction that the sender does not accept. Have a new one issued by a public authority.",
    ),
    (
        &[
            "no shared cipher",
            "handshake failure",
            "protocol version",
            "unsupported protocol",
            "no protocols available",
            "version too low",
        ],
        "Sender and server found no TLS version or cipher in common. Offer TLS 1.2 and 1.3 with the defaults of a current library.",
    ),
    (
        &["wrong version number", "first record does not look like", "packet length too long"],
        "What answered did not speak TLS: after STARTTLS, or on the policy host's port 443, something else is listening.",
    ),
    (
        &["tls not available", "454 4.7.0"],
        "Your mail server offered STARTTLS and then said that it could not do it. Its log names the reason, often a certificate file that it cannot read.",
    ),
    (
        &["no such host", "nxdomain", "name or service not known", "nodata", "host not found"],
        "The host's name has no address in DNS.",
    ),
    (
        &["connection refused"],
        "The host is there, and nothing listens on the port, or a firewall turns connections away.",
    ),
    (
        &["no route to host", "network is unreachable", "host is unreachable"],
        "No way led to the host's address. Often an AAAA record promises IPv6 that does not work.",
    ),
    (
        &["context deadline exceeded", "timed out", "timeout", "deadline"],
        "The answer took too long. Look for an overloaded host, for dropped packets, and for an IPv6 address that leads nowhere.",
    ),
    (
        &["connection reset", "unexpected eof", "broken pipe", "closed by", "connection lost"],
        "The connection was cut in the middle, by the server, a load balancer or a filter. The server's log of that time says more.",
    ),
    (
        &["redirect"],
        "The policy host answered with a redirect, which senders do not follow. Serve the policy at its address itself.",
    ),
    (&["content type", "media type"], "The policy is served as something other than text/plain."),
    // Microsoft's delivery reports number the same failures: 4.7.32x while it retries, 5.7.32x when it gives up.
    (&["7.321"], "Microsoft's code for: the mail server offered no STARTTLS."),
    (&["7.322"], "Microsoft's code for: the mail server's certificate has run out."),
    (&["7.323"], "Microsoft's code for: the certificate does not match the TLSA records."),
    (&["7.324"], "Microsoft's code for: the signatures on the domain's DNS did not check out."),
    (&["7.325"], "Microsoft's code for: the certificate does not hold the mail server's name."),
    (
        &["remote certificate failed mta sts"],
        "The mail server's certificate did not pass: it must come from a public authority and hold the name in the MX record.",
    ),
];

/// HTTP statuses as the answer to the fetch of a policy.
const STATUSES: &[(&[&str], &str)] = &[
    (
        &["301", "302", "303", "307", "308"],
        "The policy host answered with a redirect, which senders do not follow. Serve the policy at its address itself.",
    ),
    (
        &["401", "403", "429"],
        "The policy host turned the sender away. Exempt /.well-known/mta-sts.txt from filters and limits.",
    ),
    (&["404", "410"], "The policy host is there, and has no file at /.well-known/mta-sts.txt."),
    (&["500", "502", "503", "504"], "The policy host answered with an error of its own. Look in its log."),
];

/// What this text adds to what the result type says; none where it is not known.
#[must_use]
pub fn hint(result: &ResultType, text: &str) -> Option<Hint> {
    let folded: Vec<u8> = text
        .bytes()
        .take(MAX_TEXT_BYTES)
        .map(|byte| if matches!(byte, b'_' | b'-') { b' ' } else { byte.to_ascii_lowercase() })
        .collect();
    let known = TABLE.iter().find(|(needles, _)| {
        needles.iter().any(|needle| memchr::memmem::find(&folded, needle.as_bytes()).is_some())
    });
    if let Some((_, text)) = known {
        return Some(Hint { text });
    }
    if *result != ResultType::StsPolicyFetchError {
        return None;
    }
    let numbers = || folded.split(|byte| !byte.is_ascii_alphanumeric());
    let status = STATUSES
        .iter()
        .find(|(codes, _)| numbers().any(|word| codes.iter().any(|code| word == code.as_bytes())));
    status.map(|(_, text)| Hint { text })
}
