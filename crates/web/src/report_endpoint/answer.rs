//! What the end point says: receipts, and refusals that name the remedy.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::Full;
use tlsward_engine::facts::Receipt;

use crate::problem;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Characters of a set-aside input's detail that its sender is told.
const DETAIL_CHARS: usize = 500;
/// Ids that one receipt lists; an input may hold very many reports.
const LISTED_IDS: usize = 1000;

/// Why a request was not taken in. Each says what its sender can do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    OtherPath,
    OtherMethod,
    /// Too many requests from one source.
    TooMany {
        /// Until the next will be taken.
        wait: Duration,
    },
    WrongType,
    WrongEncoding,
    NoLength,
    Empty,
    TooLarge,
    TooSlow,
    Cut,
    NoMemory,
    StoreUnavailable,
    StoreDamaged,
    /// Sessions are taken only from who has the token.
    NoToken,
    /// More sessions than one request may bring.
    TooManyLines,
    /// Sessions that are not sent as they are.
    Compressed,
    /// A line that tells of a session is wrong; none was taken.
    WrongLine {
        /// Its number, from 1.
        line: u64,
        /// Why.
        text: String,
    },
    /// Sessions cannot be written down now.
    JournalUnavailable,
    /// We failed in a way that should not happen.
    Broken,
}

impl Refusal {
    /// The word for programs; never changes.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::OtherPath => "not-here",
            Self::OtherMethod => "post-only",
            Self::TooMany { .. } => "too-many-requests",
            Self::WrongType => "media-type",
            Self::WrongEncoding => "content-encoding",
            Self::NoLength => "no-length",
            Self::Empty => "empty-body",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::Cut => "body-cut",
            Self::NoMemory => "busy",
            Self::StoreUnavailable => "store-unavailable",
            Self::StoreDamaged => "store-damaged",
            Self::NoToken => "token",
            Self::TooManyLines => "too-large",
            Self::Compressed => "content-encoding",
            Self::WrongLine { .. } => "line",
            Self::JournalUnavailable => "journal-unavailable",
            Self::Broken => "internal",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::OtherPath => StatusCode::NOT_FOUND,
            Self::OtherMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::WrongType | Self::WrongEncoding | Self::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::Empty | Self::Cut | Self::WrongLine { .. } => StatusCode::BAD_REQUEST,
            Self::TooLarge | Self::TooManyLines => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NoMemory | Self::StoreUnavailable | Self::StoreDamaged | Self::JournalUnavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::OtherPath => "Reports are taken at /v1/tlsrpt and nowhere else on this server.",
            Self::OtherMethod => "Send the report with POST (RFC 8460, section 5.4).",
            Self::TooMany { .. } => {
                "This source sent too many requests. Wait as long as Retry-After says, then go on more slowly."
            }
            Self::WrongType => {
                "Send the report as application/tlsrpt+gzip or application/tlsrpt+json (RFC 8460, section 5.4)."
            }
            Self::WrongEncoding => "Send the body as it is, or with Content-Encoding: gzip once.",
            Self::NoLength => "Send the report as the body, with Content-Length or in chunks.",
            Self::Empty => "The body is empty. Send the report as the body of the request.",
            Self::TooLarge => {
                "A body may be 32 MiB at most. Compress the report (application/tlsrpt+gzip), or send it in several parts."
            }
            Self::TooSlow => {
                "The body did not arrive in time. Send it again over a faster connection, or compressed."
            }
            Self::Cut => "The body broke off or was not framed correctly. Send the whole report again.",
            Self::NoMemory => "Too many reports are coming in at this moment. Send it again later.",
            Self::StoreUnavailable => {
                "The report cannot be stored at this moment and was not kept. Send it again later."
            }
            Self::StoreDamaged => {
                "The report cannot be stored until the operator of this server repairs it, and was not kept. Send it again later."
            }
            Self::NoToken => "Send the token of [report] token_file as Authorization: Bearer TOKEN.",
            Self::TooManyLines => "A body may be 192 KiB at most. Send the lines in several requests.",
            Self::Compressed => "Send the lines as they are, without Content-Encoding.",
            Self::WrongLine { .. } => "Correct the line and send all of them again: none was taken.",
            Self::JournalUnavailable => {
                "The sessions could not be written down in time. Send them again later."
            }
            Self::Broken => "The server failed to read the report, and it was not kept. Send it again later.",
        }
    }

    /// Seconds until it is worth trying again.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { wait } => {
                Some(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
            }
            Self::NoMemory | Self::JournalUnavailable => Some(10),
            Self::StoreUnavailable => Some(60),
            Self::StoreDamaged => Some(3600),
            _ => None,
        }
    }

    /// True if the body was not read, so that the connection cannot go on.
    fn leaves_body_unread(&self) -> bool {
        !matches!(
            self,
            Self::NoLength
                | Self::Empty
                | Self::StoreUnavailable
                | Self::StoreDamaged
                | Self::WrongLine { .. }
                | Self::JournalUnavailable
                | Self::Broken
        )
    }
}

/// The answer to a request that was not taken in.
pub(super) fn refusal(refusal: &Refusal) -> Response<Full<Bytes>> {
    let detail = match refusal {
        Refusal::WrongLine { line, text } => Cow::from(format!("Line {line}: {text}. {}", refusal.remedy())),
        _ => Cow::from(refusal.remedy()),
    };
    let mut response = problem::response(refusal.status(), refusal.code(), &detail);
    let headers = response.headers_mut();
    if *refusal == Refusal::OtherMethod {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    if *refusal == Refusal::NoToken {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.leaves_body_unread() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The answer to a request that was. `detail` says why it was set aside.
pub(super) fn receipt(receipt: &Receipt, detail: Option<&str>) -> Response<Full<Bytes>> {
    let (status, word, ids, reason) = match receipt {
        Receipt::Stored { ids } => (StatusCode::CREATED, "stored", ids.as_slice(), None),
        Receipt::Duplicate { ids } => (StatusCode::OK, "duplicate", ids.as_slice(), None),
        Receipt::SetAside { id, reason } => {
            (StatusCode::ACCEPTED, "set-aside", std::slice::from_ref(id), Some(reason.as_wire()))
        }
    };
    let mut body = String::with_capacity(96);
    body.push_str("{\"status\":\"");
    body.push_str(word);
    body.push_str("\",\"ids\":[");
    for (index, id) in ids.iter().take(LISTED_IDS).enumerate() {
        body.push_str(if index == 0 { "\"" } else { ",\"" });
        body.push_str(&id.to_string());
        body.push('"');
    }
    body.push(']');
    if let Some(reason) = reason {
        body.push_str(",\"reason\":\"");
        body.push_str(reason);
        body.push('"');
        let detail: String = detail.unwrap_or_default().chars().take(DETAIL_CHARS).collect();
        if !detail.is_empty() {
            body.push_str(",\"detail\":");
            body.push_str(&serde_json::Value::String(detail).to_string());
        }
    }
    body.push_str("}\n");
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
