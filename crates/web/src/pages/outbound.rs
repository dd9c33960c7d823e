//! What the outbound pages and their API share: where the outbound side is set up, and how a report is named in an address.

use std::sync::Arc;

use tls_rpt::Text;
use tlsward_engine::ports::ReportKey;
use tlsward_engine::report::Settings;

use crate::times;

/// The outbound side, as far as pages show it.
#[derive(Debug)]
pub struct Outbound<B> {
    /// Policies of other domains; `None`: none are looked up.
    pub policies: Option<Arc<B>>,
    /// Who reports; `None`: nothing is sent.
    pub reporting: Option<Arc<Settings>>,
    /// Where Postfix asks for policies, in its words, such as `inet:127.0.0.1:8462`.
    pub socketmap: Option<String>,
    /// Where Postfix tells of its sessions, such as `/run/tlsward/tlsrpt.sock`.
    pub session_socket: Option<String>,
}

impl<B> Default for Outbound<B> {
    /// Nothing is set up.
    fn default() -> Self {
        Self { policies: None, reporting: None, socketmap: None, session_socket: None }
    }
}

/// Lines for `main.cf`, ready to copy.
#[derive(Debug, Clone)]
pub(crate) struct MainCf {
    pub(crate) socketmap: String,
    pub(crate) session_socket: String,
}

impl MainCf {
    /// With the places of this server; where it has none yet, those of its defaults.
    pub(super) fn new<B>(outbound: &Outbound<B>) -> Self {
        let or = |known: &Option<String>, default: &str| known.clone().unwrap_or_else(|| default.to_owned());
        Self {
            socketmap: or(&outbound.socketmap, "inet:127.0.0.1:8462"),
            session_socket: or(&outbound.session_socket, "/run/tlsward/tlsrpt.sock"),
        }
    }
}

/// A report as one part of an address: `2026-11-23.1.example.com`.
pub(crate) fn id_of(key: &ReportKey) -> String {
    format!("{}.{}.{}", times::date(key.day), key.part, key.domain)
}

/// The report that [`id_of`] names so.
pub(crate) fn key_of(id: &str) -> Option<ReportKey> {
    let mut parts = id.splitn(3, '.');
    let day = times::day_from(parts.next()?)?;
    let part = parts.next()?.parse().ok()?;
    let key = ReportKey { day, domain: Text::new(parts.next()?), part };
    (id_of(&key) == id).then_some(key)
}

/// A list of policies goes on behind a domain, as it stands there: lower-case A-labels.
pub(crate) fn is_domain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(fits);
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_behind_a_domain_and_nothing_else() {
        let long = "a.".repeat(127) + "a";
        for (text, expected) in [
            ("a.example", true),
            ("_x.xn--bcher-kva.example", true),
            ("", false),
            (".", false),
            ("a..example", false),
            ("A.example", false),
            ("a.example.", false),
            ("../etc", false),
            ("a b", false),
            ("b\u{fc}cher.example", false),
            (long.as_str(), false),
        ] {
            assert_eq!(is_domain(text), expected, "{text}");
        }
    }

    #[test]
    fn a_report_is_found_by_the_id_that_it_is_shown_under_and_by_no_other() {
        let key = ReportKey { day: 20_780, domain: "a.b.example".into(), part: 2 };
        assert_eq!(id_of(&key), "2026-11-23.2.a.b.example");
        assert_eq!(key_of(&id_of(&key)), Some(key));
        let odd = ReportKey { day: 0, domain: "../x?<y>".into(), part: u32::MAX };
        assert_eq!(key_of(&id_of(&odd)), Some(odd));
        for bad in [
            "",
            "2026-11-23",
            "2026-11-23.2",
            "2026-11-23.02.a.example",
            "2026-11-23.+2.a.example",
            "x.1.a.example",
        ] {
            assert_eq!(key_of(bad), None, "{bad}");
        }
    }
}
