//! One request and its answer over a TLS session.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::{HeaderName, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tlsward_engine::ports::{HttpAnswer, HttpsFailure};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::limits::HttpsLimits;
use crate::tls::late_failure;

/// The least that hyper takes for its buffer.
const LEAST_BUFFER_BYTES: usize = 8192;

/// Sends the request and reads the answer; its body only where `read_body` and the status is 200 (S10).
pub(crate) async fn ask<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    read_body: bool,
    limits: &HttpsLimits,
) -> Result<HttpAnswer, HttpsFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(limits.head_bytes)
        .max_headers(limits.fields)
        .max_buf_size(limits.head_bytes.max(LEAST_BUFFER_BYTES));
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| failure(&error, limits))?;
    let exchange = pin!(async move {
        let response = sender.send_request(request).await.map_err(|error| failure(&error, limits))?;
        read(response, read_body, limits).await
    });
    match select(exchange, pin!(connection)).await {
        Either::Left((outcome, _)) => outcome,
        // The connection is done, with or without an error: what it has read is still to be taken.
        Either::Right((_, exchange)) => exchange.await,
    }
}

async fn read(
    response: Response<Incoming>,
    read_body: bool,
    limits: &HttpsLimits,
) -> Result<HttpAnswer, HttpsFailure> {
    let (head, body) = response.into_parts();
    let field = |name: HeaderName| head.headers.get(name).map(|value| value.as_bytes().to_vec());
    let body =
        if read_body && head.status == StatusCode::OK { whole(body, limits).await? } else { Bytes::new() };
    Ok(HttpAnswer {
        status: head.status.as_u16(),
        content_type: field(header::CONTENT_TYPE),
        content_encoding: field(header::CONTENT_ENCODING),
        location: field(header::LOCATION),
        body,
    })
}

/// The body, if it is within its limit (S14: reject, never truncate).
async fn whole(mut body: Incoming, limits: &HttpsLimits) -> Result<Bytes, HttpsFailure> {
    let limit_bytes = limits.body_bytes;
    let too_large = HttpsFailure::TooLarge { limit_bytes };
    // What is declared too large is not waited for.
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit_bytes {
        return Err(too_large);
    }
    let mut whole = BytesMut::with_capacity(declared);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure(&error, limits))?;
        if let Ok(data) = frame.into_data() {
            if data.len() > limit_bytes - whole.len() {
                return Err(too_large);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

fn failure(error: &hyper::Error, limits: &HttpsLimits) -> HttpsFailure {
    if let Some(failure) = late_failure(error) {
        return HttpsFailure::Tls(failure);
    }
    if error.is_parse_too_large() {
        return HttpsFailure::Protocol(format!(
            "its head has more than {} bytes or {} fields",
            limits.head_bytes, limits.fields
        ));
    }
    let reason = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    HttpsFailure::Protocol(reason)
}
