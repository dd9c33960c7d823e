//! The words of smtp(8) and tlsproxy(8), as in Postfix 3.7 to 3.12 (`tls_client.c`, `tls_misc.c`, `tlsrpt_wrapper.c`,
//! `smtp_tls_policy.c`).
//!
//! Certificates are strangers' text: a common name may hold anything, also words that look like the rest of the line.
//! So such a line is read from its end, where Postfix alone writes.

use std::net::IpAddr;

use tls_rpt::Text;
use tlsward_engine::ports::LoggedTrust;

use crate::session::fingerprint;
use crate::text;

/// A line that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Which certificate was shown (`smtp_tls_loglevel` ≥ 2).
    Certificate {
        /// By whom.
        peer: Peer,
        /// SHA-256 of it; `None` if Postfix uses another digest.
        fingerprint: Option<[u8; 32]>,
    },
    /// A TLS session came to be.
    Established {
        /// With whom.
        peer: Peer,
        /// How far the certificate is trusted.
        trust: LoggedTrust,
    },
    /// A datagram was sent.
    Report {
        /// Whether of a failure.
        failed: bool,
        /// The domain.
        domain: Text,
        /// The MX host.
        peer: Peer,
        /// The failure in Postfix's words.
        failure_type: Option<Text>,
    },
    /// An MX host was passed over.
    MxNotInPolicy {
        /// The host.
        mx_host: Text,
        /// The policy domain.
        domain: Text,
    },
}

/// `host[address]`, with or without `:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The host.
    pub host: Text,
    /// Its address.
    pub address: IpAddr,
}

impl Message {
    /// Reads what a program said; `None` for all that does not matter here.
    #[must_use]
    pub fn parse(said: &str) -> Option<Self> {
        if let Some(rest) = said.strip_prefix("TLSRPT: status=") {
            return report(rest);
        }
        if let Some(rest) = said.strip_prefix("warning: MX name '") {
            return not_in_policy(rest);
        }
        for (word, trust) in [
            ("Anonymous", LoggedTrust::Anonymous),
            ("Untrusted", LoggedTrust::Untrusted),
            ("Trusted", LoggedTrust::Trusted),
            ("Verified", LoggedTrust::Verified),
        ] {
            let rest =
                said.strip_prefix(word).and_then(|rest| rest.strip_prefix(" TLS connection established to "));
            if let Some(rest) = rest {
                let (peer, rest) = Peer::take(rest)?;
                return rest.starts_with(": ").then_some(Self::Established { peer, trust });
            }
        }
        certificate(said)
    }
}

/// The recipient's domain, where smtp(8) says of a mail that it was held back, or returned, because TLS was not what the
/// policy asks for (Postfix's own codes 4.7.4 and 4.7.5).
///
/// Texts of strangers stand in such a line, the recipient's address first of all. Whoever forges one has a domain's
/// record looked at, and nothing else.
#[must_use]
pub fn held_back(said: &str) -> Option<Text> {
    let (queue_id, rest) = said.split_once(": to=<")?;
    let is_id =
        (5..=32).contains(&queue_id.len()) && queue_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (address, rest) = rest.split_once(">, ")?;
    let (_, rest) = rest.split_once(", dsn=")?;
    let (code, rest) = rest.split_once(", status=")?;
    let is_tls = matches!(code, "4.7.4" | "4.7.5" | "5.7.4" | "5.7.5");
    let is_undone = rest.starts_with("deferred (") || rest.starts_with("bounced (");
    if is_id && is_tls && is_undone { text::name(address.rsplit_once('@')?.1) } else { None }
}

impl Peer {
    /// Takes `host[address]` or `host[address]:port` off the front.
    fn take(text: &str) -> Option<(Self, &str)> {
        let (host, rest) = text.split_once('[')?;
        let (address, rest) = rest.split_once(']')?;
        let peer = Self { host: text::name(host)?, address: address.parse().ok()? };
        let rest =
            rest.strip_prefix(':').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        Some((peer, rest))
    }
}

fn report(rest: &str) -> Option<Message> {
    let (failed, rest) = match rest.strip_prefix("success, domain=") {
        Some(rest) => (false, rest),
        None => (true, rest.strip_prefix("failure, domain=")?),
    };
    let (domain, rest) = rest.split_once(", receiving_mx=")?;
    let (peer, rest) = Peer::take(rest)?;
    let failure_type = match rest.strip_prefix(", failure_type=") {
        Some(rest) if failed => Some(text::bounded(rest.split(',').next().unwrap_or_default(), 64)),
        // What Postfix does not write behind it is somebody else's.
        _ if !rest.trim_end().is_empty() => return None,
        _ => None,
    };
    Some(Message::Report { failed, domain: text::name(domain)?, peer, failure_type })
}

/// `HOST' does not match STS MX pattern for 'DOMAIN'`
fn not_in_policy(rest: &str) -> Option<Message> {
    let (mx_host, rest) = rest.split_once("' does not match STS MX pattern for '")?;
    let domain = rest.strip_suffix('\'')?;
    Some(Message::MxNotInPolicy { mx_host: text::name(mx_host)?, domain: text::name(domain)? })
}

/// `HOST[ADDRESS]:PORT: subject_CN=…, issuer=…, cert fingerprint=AB:…, pkey fingerprint=CD:…`
fn certificate(said: &str) -> Option<Message> {
    let (peer, rest) = Peer::take(said)?;
    let rest = rest.strip_prefix(": subject_CN=")?;
    let (_, prints) = rest.rsplit_once(", cert fingerprint=")?;
    let (print, key) = prints.split_once(", pkey fingerprint=").unwrap_or((prints, ""));
    if !is_digest(print) || !is_digest(key) {
        return None;
    }
    Some(Message::Certificate { peer, fingerprint: fingerprint(print) })
}

fn is_digest(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    const PRINT: &str =
        "1D:B3:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:FF";

    fn peer(host: &str, address: &str) -> Peer {
        Peer { host: host.into(), address: address.parse().unwrap() }
    }

    fn certificate_line(subject: &str) -> String {
        format!(
            "mx.testing.test[127.0.0.2]:25: subject_CN={subject}, issuer=Test CA, cert fingerprint={PRINT}, pkey fingerprint=AA:BB"
        )
    }

    #[test]
    fn the_words_of_postfix_are_read() {
        let mx = peer("mx.testing.test", "127.0.0.2");
        for (said, expected) in [
            (
                "TLSRPT: status=success, domain=testing.test, receiving_mx=mx.testing.test[127.0.0.2]".to_owned(),
                Message::Report { failed: false, domain: "testing.test".into(), peer: mx.clone(), failure_type: None },
            ),
            (
                "TLSRPT: status=failure, domain=testing.test, receiving_mx=mx.testing.test[2001:db8::1], \
                 failure_type=certificate_expired, failure_reason=a, b=c"
                    .to_owned(),
                Message::Report {
                    failed: true,
                    domain: "testing.test".into(),
                    peer: peer("mx.testing.test", "2001:db8::1"),
                    failure_type: Some("certificate_expired".into()),
                },
            ),
            (
                "warning: MX name 'mx.evil.test' does not match STS MX pattern for 'testing.test'".to_owned(),
                Message::MxNotInPolicy { mx_host: "mx.evil.test".into(), domain: "testing.test".into() },
            ),
            (
                "Trusted TLS connection established to mx.testing.test[127.0.0.2]:25: TLSv1.3 with cipher \
                 TLS_AES_256_GCM_SHA384 (256/256 bits)"
                    .to_owned(),
                Message::Established { peer: mx.clone(), trust: LoggedTrust::Trusted },
            ),
            (
                "Untrusted TLS connection established to MX.testing.test[2001:db8::1]:25: TLSv1.2 with cipher X"
                    .to_owned(),
                Message::Established { peer: peer("mx.testing.test", "2001:db8::1"), trust: LoggedTrust::Untrusted },
            ),
            (
                certificate_line("mx.testing.test"),
                Message::Certificate { peer: mx, fingerprint: fingerprint(PRINT) },
            ),
        ] {
            assert_eq!(Message::parse(&said), Some(expected), "{said}");
        }
    }

    /// A certificate's name is its owner's: it cannot put another fingerprint in the place of its own.
    #[test]
    fn a_name_in_a_certificate_cannot_forge_its_fingerprint() {
        let forged = PRINT.replace("1D", "EE");
        for subject in [
            format!("x, issuer=y, cert fingerprint={forged}, pkey fingerprint=00"),
            format!("x, cert fingerprint={forged}"),
            "TLSRPT: status=success, domain=a.b, receiving_mx=c.d[1.2.3.4]".to_owned(),
        ] {
            let Some(Message::Certificate { fingerprint: read, .. }) =
                Message::parse(&certificate_line(&subject))
            else {
                panic!("{subject}")
            };
            assert_eq!(read, fingerprint(PRINT));
        }
        // Postfix with another digest: a certificate, but none that could be recognised.
        let md5 = "mx.test[127.0.0.2]:25: subject_CN=x, issuer=y, cert fingerprint=AA:BB";
        assert!(matches!(Message::parse(md5), Some(Message::Certificate { fingerprint: None, .. })));
    }

    #[test]
    fn mail_that_tls_held_back_names_the_recipients_domain_and_other_mail_does_not() {
        let line = |to: &str, code: &str, end: &str| {
            format!(
                "4cV1kz0Yy9z9s: to=<{to}>, relay=mx.b.test[192.0.2.1]:25, delay=0.1, delays=0/0/0.1/0, dsn={code}, {end}"
            )
        };
        let deferred = "status=deferred (Server certificate not verified)";
        for (said, domain) in [
            (line("u@A.test", "4.7.5", deferred), Some("a.test")),
            (line("\"x>, dsn=4.7.5\"@a.test", "4.7.5", deferred), None),
            (
                line(
                    "u@a.test>, orig_to=<root",
                    "4.7.4",
                    "status=bounced (TLS is required, but was not offered)",
                ),
                Some("a.test"),
            ),
            (line("u@a.test", "4.4.1", "status=deferred (connect to mx.b.test: Connection refused)"), None),
            (line("u@a.test", "5.7.1", "status=bounced (host mx.b.test said: 550 5.7.1 spam)"), None),
            (line("u@a.test", "2.0.0", "status=sent (250 2.0.0 dsn=4.7.5, status=deferred (x))"), None),
            (line("root", "4.7.5", deferred), None),
            ("4cV1kz0Yy9z9s: to=<u@a.test>, dsn=4.7.5".to_owned(), None),
            ("warning: x: to=<u@a.test>, relay=none, dsn=4.7.5, status=deferred (x)".to_owned(), None),
        ] {
            assert_eq!(held_back(&said).as_deref(), domain, "{said}");
        }
    }

    #[test]
    fn other_words_are_passed_over() {
        for said in [
            "",
            "connect to mx.test[127.0.0.2]:25: Connection refused",
            "setting up TLS connection to mx.test[127.0.0.2]:25",
            "Trusted TLS connection established from mx.test[127.0.0.2]: TLSv1.3",
            "Trusted TLS connection reused to mx.test[127.0.0.2]:25: TLSv1.3",
            "TLSRPT: status=success, domain=not a name, receiving_mx=mx.test[127.0.0.2]",
            "TLSRPT: status=success, domain=a.test, receiving_mx=mx.test[x]",
            "TLSRPT: status=odd, domain=a.test",
            "TLSRPT: status=success, domain=a.test, receiving_mx=mx.test[127.0.0.2]>, rip=192.0.2.1",
            "TLSRPT: status=success, domain=a.test, receiving_mx=mx.test[127.0.0.2], failure_type=x",
            "Trusted TLS connection established to mx.test[127.0.0.2]:25 said somebody",
            "warning: MX name 'a.test' matches STS MX pattern for 'b.test'",
            "mx.test[127.0.0.2]:25: subject_CN=x, issuer=y",
            "mx.test[127.0.0.2]:25: subject_CN=x, issuer=y, cert fingerprint=zz",
        ] {
            assert_eq!(Message::parse(said), None, "{said}");
        }
    }

    proptest! {
        #[test]
        fn no_words_make_it_panic(said in "\\PC{0,80}", form in 0..4_usize) {
            let before = ["", "TLSRPT: status=success, domain=", "warning: MX name '", "mx.test[127.0.0.2]:25: subject_CN="][form];
            let _ = Message::parse(&format!("{before}{said}"));
        }
    }
}
