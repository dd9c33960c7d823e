//! What every request passes before a page, and every answer on its way out.
//!
//! Host: a page of an attacker can make its own name point to 127.0.0.1 (DNS rebinding) and then read these pages as its
//! own. So a request must name a host that is ours. Headers: nothing runs, nothing is embedded, nothing is kept.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};
use tlsward_engine::ports::{Clock, Evidence};

use super::failure::{self, Failure};
use super::{App, NOTICE, Site};
use crate::metrics::Listener;

const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "interest-cohort=()"),
];

/// Lets a request through or answers it; dresses the answer.
pub(super) async fn guard<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    request: Request,
    next: Next,
) -> Response {
    NOTICE.scope(app.site.notice, answer(&app, request, next)).await
}

async fn answer<S: Evidence, C: Clock>(app: &App<S, C>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match admit(app, &request) {
        Err(failure) => failure::respond(&path, &failure),
        Ok(_turn) => match tokio::time::timeout(app.time, next.run(request)).await {
            Ok(response) if is_the_frameworks(&response) => failure::respond(
                &path,
                &Failure::BadQuestion("The address or its parameters cannot be read."),
            ),
            Ok(response) => response,
            Err(_) => failure::respond(&path, &Failure::TooSlow),
        },
    };
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(CONTENT_POLICY);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    app.metrics.answered(Listener::Pages, response.status().as_u16());
    response
}

/// True for a refusal that no page of ours made: parameters given twice, a path that is not UTF-8.
fn is_the_frameworks(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    response.status() == StatusCode::BAD_REQUEST
        && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

fn admit<'a, S, C>(
    app: &'a App<S, C>,
    request: &Request,
) -> Result<tokio::sync::SemaphorePermit<'a>, Failure> {
    if !is_ours(request.uri(), request.headers(), &app.site) {
        return Err(Failure::ForeignHost);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Failure::ReadOnly);
    }
    app.at_once.try_acquire().map_err(|_| Failure::Busy)
}

/// True if the request names a host under which the pages are meant to be seen.
fn is_ours(uri: &Uri, headers: &HeaderMap, site: &Site) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = match (uri.authority(), hosts.next(), hosts.next()) {
        // RFC 9112 §3.2: more than one Host is an error; of an absolute target the Host says the same or is ignored.
        (_, _, Some(_)) => return false,
        (Some(authority), _, None) => authority.as_str(),
        (None, Some(host), None) => host.to_str().unwrap_or(""),
        (None, None, None) => return false,
    };
    let (host, port) = split(named);
    let port = match port {
        None => None,
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) => Some(port),
            Err(_) => return false,
        },
    };
    let is_our_port =
        port == Some(site.listen.port()) || (port.is_none() && matches!(site.listen.port(), 80 | 443));
    let address = match site.listen {
        std::net::SocketAddr::V4(listen) => listen.ip().to_string(),
        std::net::SocketAddr::V6(listen) => format!("[{}]", listen.ip()),
    };
    let own = ["127.0.0.1", "localhost", "[::1]", address.as_str()];
    if is_our_port && own.iter().any(|own| own.eq_ignore_ascii_case(host)) {
        return true;
    }
    // A configured name without a port is a name behind a proxy, at whatever port that has.
    site.names.iter().any(|name| match split(name) {
        (name, None) => name.eq_ignore_ascii_case(host),
        (_, Some(_)) => name.eq_ignore_ascii_case(named),
    })
}

/// Host and port of `example.org:80` or `[::1]:80`.
fn split(named: &str) -> (&str, Option<&str>) {
    match named.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => (host, Some(port)),
        _ => (named, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered_to() {
        let site = Site {
            listen: "127.0.0.1:8460".parse().unwrap(),
            names: vec!["tls.example.org".to_owned(), "other.example.org:8443".to_owned()],
            post_url: None,
            mail_address: None,
            notice: None,
        };
        let rows: [(&[&str], bool); 20] = [
            (&["127.0.0.1:8460"], true),
            (&["localhost:8460"], true),
            (&["LOCALHOST:8460"], true),
            (&["[::1]:8460"], true),
            (&["tls.example.org"], true),
            (&["TLS.example.org:443"], true),
            (&["other.example.org:8443"], true),
            (&["other.example.org"], false),
            (&["127.0.0.1"], false),
            (&["127.0.0.1:80"], false),
            (&["127.0.0.1:8460x"], false),
            (&["127.0.0.2:8460"], false),
            (&["rebound.example:8460"], false),
            (&["tls.example.org.evil.example"], false),
            (&["tls.example.org:evil"], false),
            (&["localhost:8460", "evil.example"], false),
            (&["[::1]"], false),
            (&[":8460"], false),
            (&[""], false),
            (&[], false),
        ];
        for (hosts, expected) in rows {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
            }
            assert_eq!(is_ours(&Uri::from_static("/"), &headers, &site), expected, "{hosts:?}");
        }
        let absolute = Uri::from_static("http://evil.example/");
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:8460"));
        assert!(!is_ours(&absolute, &headers, &site));
    }
}
