//! Errors told to programs: RFC 9457 problem documents.
//!
//! `type` stays `about:blank`, so that `title` is the status' own phrase (RFC 9457 §4.2.1); which case it is says the
//! extension member `code`, a word that never changes. `detail` is for a person and says the remedy.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

/// The media type of RFC 9457 §6.1.
pub(crate) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error for a program.
#[derive(Debug, Serialize)]
pub(crate) struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    code: &'static str,
    detail: &'a str,
}

/// A response whose body is the problem document.
pub(crate) fn response<B: From<Bytes>>(status: StatusCode, code: &'static str, detail: &str) -> Response<B> {
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        code,
        detail,
    };
    // Strings and a number always serialise.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(B::from(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    response
}
