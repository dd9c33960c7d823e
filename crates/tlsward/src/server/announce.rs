//! What the person who started the server is told: where it is, and what to do next.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use tlsward_mta::socketmap::Dialect;
use tlsward_web::report_endpoint::PATH;

use super::shown;
use crate::config::MailProtocol;
use crate::edge;

/// Where the server can be reached.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) web: Option<SocketAddr>,
    /// With TLS or without.
    pub(super) https: Option<(SocketAddr, bool)>,
    pub(super) smtp: Option<(SocketAddr, MailProtocol)>,
    /// Where the mail server asks for policies.
    pub(super) enforce: Vec<String>,
    /// Where policies of own domains are served, and answers for certificate authorities and name servers.
    pub(super) publish: Vec<String>,
    /// Where sessions are told of.
    pub(super) sessions: Option<PathBuf>,
    pub(super) database: PathBuf,
    pub(super) is_demo: bool,
}

impl Places {
    pub(super) fn post_url(&self) -> Option<String> {
        self.https.map(|(address, tls)| format!("{}://{address}{PATH}", if tls { "https" } else { "http" }))
    }

    pub(super) fn mail_address(&self) -> Option<String> {
        self.smtp.map(|(address, _)| address.to_string())
    }

    /// Where Postfix asks for policies, in its words.
    pub(super) fn socketmap(&self) -> Option<String> {
        self.enforce.first().and_then(|place| socketmap_place(place))
    }

    fn text(&self) -> String {
        let mut text = format!("tlsward {} is running.\n\n", env!("CARGO_PKG_VERSION"));
        let mut line = |what: &str, place: &str| {
            let _ = writeln!(text, "  {what:<17} {place}");
        };
        if let Some(web) = self.web {
            line("Pages", &format!("http://{web}/"));
        }
        if let Some(url) = self.post_url() {
            line("Reports by POST", &url);
        }
        if let Some((address, protocol)) = self.smtp {
            let protocol = match protocol {
                MailProtocol::Smtp => "SMTP",
                MailProtocol::Lmtp => "LMTP",
            };
            line("Reports by mail", &format!("{address} ({protocol})"));
        }
        for place in &self.enforce {
            line("Policies", &format!("{place} (socketmap)"));
        }
        for place in &self.publish {
            line("Own policies", place);
        }
        if let Some(socket) = &self.sessions {
            line("TLS sessions", &shown(socket));
        }
        line("Database", &shown(&self.database));
        text.push('\n');
        if self.is_demo {
            text.push_str(
                "This is a demonstration: all domains, reports and checks in it are made up. Nothing is sent or \
                 asked\nof the network, no real report is taken, and the database goes when it ends.\n",
            );
        }
        match (self.web, self.post_url()) {
            (Some(web), _) if self.is_demo => {
                let _ = writeln!(text, "Next: open http://{web}/ and look around.");
            }
            (Some(web), _) => {
                let _ = writeln!(
                    text,
                    "Next: open http://{web}/start for the record to publish, so that reports come in."
                );
            }
            (None, None) if !self.publish.is_empty() => {
                text.push_str(
                    "Next: tlsward domain add, in another terminal, for the domains to publish for.\n",
                );
            }
            (None, None) if !self.enforce.is_empty() => {}
            (None, _) => text.push_str("Next: publish a TLSRPT record, so that reports come in.\n"),
        }
        if let Some(place) = self.socketmap() {
            let map = Dialect::Classic.map_name();
            let _ = writeln!(text, "In Postfix's main.cf:\n  smtp_tls_policy_maps = socketmap:{place}:{map}");
        }
        if let Some(url) = self.post_url() {
            let _ = writeln!(
                text,
                "To try it with a report you have:\n  curl -H 'Content-Type: application/tlsrpt+gzip' \
                 --data-binary @report.json.gz {url}"
            );
        }
        text.push_str("Ctrl-C stops the server.\n");
        text
    }
}

/// A place as Postfix writes it.
fn socketmap_place(place: &str) -> Option<String> {
    match place.parse::<SocketAddr>() {
        Ok(address) => Some(format!("inet:{address}")),
        Err(_) => place.starts_with("unix:").then(|| place.to_owned()),
    }
}

/// Tells it, on standard output.
pub(super) fn print(places: &Places) {
    edge::say(&places.text());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_named_once_with_the_port_that_is_bound() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let places = Places {
            web: Some(at(1)),
            https: Some((at(2), true)),
            smtp: Some((at(3), MailProtocol::Lmtp)),
            enforce: vec!["127.0.0.1:4".to_owned(), "unix:/run/e".to_owned()],
            publish: Vec::new(),
            sessions: Some(PathBuf::from("run/s.sock")),
            database: PathBuf::from("d/tlsward.db"),
            is_demo: false,
        };
        let text = places.text();
        for part in [
            "http://127.0.0.1:1/\n",
            "https://127.0.0.1:2/v1/tlsrpt\n",
            "127.0.0.1:3 (LMTP)",
            "127.0.0.1:4 (socketmap)",
            "unix:/run/e (socketmap)",
            "= socketmap:inet:127.0.0.1:4:tlsward\n",
            "TLS sessions      run/s.sock\n",
            "d/tlsward.db",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(socketmap_place("unix:/run/e").unwrap(), "unix:/run/e");
        let none = Places {
            web: None,
            https: None,
            smtp: None,
            enforce: Vec::new(),
            publish: Vec::new(),
            sessions: None,
            database: PathBuf::new(),
            is_demo: false,
        };
        assert!(!none.text().contains("Pages") && !none.text().contains("curl"));
        assert!(!none.text().contains("made up"));
        assert!(Places { is_demo: true, ..none }.text().contains("made up"));
    }
}
