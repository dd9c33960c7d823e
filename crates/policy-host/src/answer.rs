//! Answers to requests: the policy, or why there is none.
//!
//! A policy is answered with 200 and nothing else that a sender could stumble over (RFC 8461 §3.3): no redirect, no
//! compression, no conditional or partial answers. Its media type is `text/plain` with no parameter: senders that
//! compare the whole field, its beginning or its parsed type all accept that one (§3.2), and a policy is ASCII, so
//! that a charset would say nothing. No field tells what program answers.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::Full;

/// Where a policy is (RFC 8461 §3.3).
pub(crate) const POLICY_PATH: &str = "/.well-known/mta-sts.txt";
/// Where answers to http-01 challenges are (RFC 8555 §8.3).
pub(crate) const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";

/// An answer; all of its body is there.
pub(crate) type Answer = Response<Full<Bytes>>;

/// The policy. RFC 8461 §8.2: whoever serves it through a proxy that caches wants the cache short, so a minute.
pub(crate) fn policy(method: &Method, body: Bytes) -> Answer {
    let mut answer = found(method, body, "text/plain");
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    answer
}

/// The answer to a challenge.
pub(crate) fn challenge(method: &Method, body: Bytes) -> Answer {
    found(method, body, "application/octet-stream")
}

/// 200, the body left out of an answer to HEAD.
fn found(method: &Method, body: Bytes, media_type: &'static str) -> Answer {
    let length = body.len();
    let body = if method == Method::HEAD { Bytes::new() } else { body };
    let mut answer = Response::new(Full::new(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

/// A refusal, told in a line; the line is left out of an answer to HEAD.
pub(crate) fn refusal(method: &Method, status: StatusCode, why: &'static str) -> Answer {
    let mut answer = found(method, Bytes::from_static(why.as_bytes()), "text/plain");
    *answer.status_mut() = status;
    answer
}

/// RFC 9112 §3.2.
pub(crate) fn no_host(method: &Method) -> Answer {
    refusal(method, StatusCode::BAD_REQUEST, "The request names no host, or several.\r\n")
}

pub(crate) fn not_found(method: &Method) -> Answer {
    refusal(method, StatusCode::NOT_FOUND, "There is nothing here.\r\n")
}

/// 405 for what is there but cannot be done to it (RFC 9110 §15.5.6).
pub(crate) fn not_allowed(method: &Method) -> Answer {
    let mut answer = refusal(method, StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered.\r\n");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

pub(crate) fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// The host that a request is for; `Ok(None)` if it says none and need not. `Err`: it contradicts itself or the
/// protocol, and 400 is the answer (RFC 9112 §3.2, RFC 9113 §8.3.1).
pub(crate) fn host<T>(request: &Request<T>) -> Result<Option<String>, ()> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(());
    }
    let field = field.map(|value| authority(value.as_bytes()).ok_or(())).transpose()?;
    let target = request.uri().authority();
    if target.is_some_and(|target| target.as_str().contains('@')) {
        return Err(());
    }
    match (target, field) {
        // RFC 9112 §3.2.2: with an absolute target, Host is passed over. RFC 9113 §8.3.1: in HTTP/2 both must agree.
        (Some(target), Some(field))
            if request.version() == Version::HTTP_2 && !target.host().eq_ignore_ascii_case(field.host()) =>
        {
            Err(())
        }
        (Some(target), _) => Ok(Some(target.host().to_owned())),
        (None, Some(field)) => Ok(Some(field.host().to_owned())),
        (None, None) if request.version() < Version::HTTP_11 => Ok(None),
        (None, None) => Err(()),
    }
}

/// The host in the last element of a forwarding field: the one that the nearest proxy wrote.
pub(crate) fn forwarded_host(headers: &HeaderMap) -> Option<String> {
    let last = last_element(headers, "x-forwarded-host")?;
    authority(last).map(|authority| authority.host().to_owned())
}

/// True if the nearest proxy says that it was asked by HTTPS.
pub(crate) fn was_https(headers: &HeaderMap) -> bool {
    last_element(headers, "x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"))
}

fn last_element<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let field = headers.get_all(name).iter().next_back()?;
    field.as_bytes().rsplit(|byte| *byte == b',').next().map(<[u8]>::trim_ascii)
}

fn authority(value: &[u8]) -> Option<Authority> {
    let text = std::str::from_utf8(value).ok()?;
    if text.contains('@') {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: Version, target: &str, hosts: &[&str]) -> Request<()> {
        let mut builder = Request::builder().version(version).uri(target);
        for host in hosts {
            builder = builder.header(HOST, *host);
        }
        builder.body(()).unwrap()
    }

    #[test]
    fn a_request_is_for_one_host_or_is_refused() {
        let (h1, h2) = (Version::HTTP_11, Version::HTTP_2);
        type Row = (Version, &'static str, &'static [&'static str], Result<Option<&'static str>, ()>);
        let rows: [Row; 13] = [
            (h1, "/", &["a.example"], Ok(Some("a.example"))),
            (h1, "/", &["a.example:8443"], Ok(Some("a.example"))),
            (h1, "/", &[], Err(())),
            (h1, "/", &["a.example", "a.example"], Err(())),
            (h1, "/", &["a.example, b.example"], Err(())),
            (h1, "/", &["user@a.example"], Err(())),
            (h1, "/", &[""], Err(())),
            (h1, "https://b.example/", &["a.example"], Ok(Some("b.example"))),
            (h1, "https://x@b.example/", &["a.example"], Err(())),
            (Version::HTTP_10, "/", &[], Ok(None)),
            (h2, "https://a.example/", &[], Ok(Some("a.example"))),
            (h2, "https://a.example/", &["A.example"], Ok(Some("a.example"))),
            (h2, "https://a.example/", &["b.example"], Err(())),
        ];
        for (version, target, hosts, expected) in rows {
            let found = host(&request(version, target, hosts));
            assert_eq!(found, expected.map(|host| host.map(str::to_owned)), "{version:?} {target} {hosts:?}");
        }
    }

    #[test]
    fn of_what_proxies_wrote_the_last_counts() {
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-host", value.parse().unwrap());
                headers.append("x-forwarded-proto", value.parse().unwrap());
            }
            headers
        };
        assert_eq!(forwarded_host(&headers(&["a.example, b.example:443"])).as_deref(), Some("b.example"));
        assert_eq!(forwarded_host(&headers(&["a.example", "b.example"])).as_deref(), Some("b.example"));
        assert_eq!(forwarded_host(&headers(&["a.example,"])), None);
        assert_eq!(forwarded_host(&headers(&[])), None);
        assert!(was_https(&headers(&["http, HTTPS"])));
        assert!(!was_https(&headers(&["https, http"])));
        assert!(!was_https(&headers(&["https", "http"])));
        assert!(!was_https(&headers(&["httpsx"])));
        assert!(!was_https(&headers(&[])));
    }

    /// Proves: D6, D18
    #[test]
    fn a_policy_is_plain_text_as_it_was_handed_over_and_may_be_cached_for_a_minute() {
        let body = Bytes::from_static(b"version: STSv1\r\n");
        let answer = policy(&Method::GET, body.clone());
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain");
        assert_eq!(answer.headers()[CACHE_CONTROL], "max-age=60");
        assert_eq!(answer.headers()[CONTENT_LENGTH], "16");
        mta_sts::content_type::check(Some(answer.headers()[CONTENT_TYPE].as_bytes())).unwrap();
        let head = policy(&Method::HEAD, body);
        assert_eq!(head.headers()[CONTENT_LENGTH], "16");
    }
}
