//! Where a request for an `https:` URI of a TLSRPT record goes: the check looks at the place to which reports are sent.
//! Nothing can fail: the record's reader has checked the URI.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::ports::HttpsTarget;

/// A place for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpsPlace<'r> {
    /// Its host, as [`tls_rpt::record::Rua::Https`] has it.
    pub(crate) host: &'r str,
    /// The host, where it is an address: DNS knows nothing of it.
    pub(crate) literal: Option<IpAddr>,
    port: Option<u16>,
    path: Cow<'r, str>,
}

impl<'r> HttpsPlace<'r> {
    /// Of the fields of [`tls_rpt::record::Rua::Https`].
    pub(crate) fn of(uri: &'r str, host: &'r str, port: u16) -> Self {
        // 443 is left to the installation's own port, as for every `https:` address.
        let port = (port != 443).then_some(port);
        Self { host, literal: host.parse().ok(), port, path: path_of(uri) }
    }

    /// A request to it at these addresses.
    pub(crate) fn target<'t>(&'t self, addresses: &'t [IpAddr]) -> HttpsTarget<'t> {
        HttpsTarget { host: self.host, port: self.port, path: &self.path, addresses }
    }
}

/// Path and query of an `https:` URI.
fn path_of(uri: &str) -> Cow<'_, str> {
    let rest = uri.split_once("//").map_or("", |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or_default();
    let path = rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/");
    // RFC 9112 §3.2.1: a path that is empty is asked for as a slash, with the query behind it.
    if path.starts_with('/') { Cow::Borrowed(path) } else { Cow::Owned(format!("/{path}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_what_stands_between_host_and_fragment() {
        for (uri, path) in [
            ("https://a.example", "/"),
            ("https://a.example/", "/"),
            ("https://a.example?token=abc", "/?token=abc"),
            ("https://a.example?x=/y#z", "/?x=/y"),
            ("https://a.example:8443/v1/x?y=1#z", "/v1/x?y=1"),
            ("https://[2001:db8::1]/x", "/x"),
            ("https://a.example#x/y", "/"),
        ] {
            assert_eq!(path_of(uri), path, "{uri}");
        }
    }

    #[test]
    fn an_address_is_no_name_to_ask_for() {
        let literal = |host| HttpsPlace::of("https://a.example/", host, 443).literal.is_some();
        assert_eq!(
            ["192.0.2.1", "2001:db8::1", "a.example", "1.example"].map(literal),
            [true, true, false, false]
        );
    }
}
