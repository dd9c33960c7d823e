//! For machines that watch the server: is it up, is it ready, what does it count.

use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tlsward_engine::ports::{Clock, Evidence};

use super::App;
use super::failure::{Failure, PageFailure};

/// The media type of the OpenMetrics text form.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 once every listener is bound.
pub(super) async fn readyz<S: Evidence, C: Clock>(State(app): State<Arc<App<S, C>>>) -> Response {
    if app.ready.load(Acquire) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not every listener is bound yet\n").into_response()
    }
}

pub(super) async fn metrics<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
) -> Result<Response, PageFailure> {
    app.metrics.show(&app.evidence.totals().await?);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &app.registry).map_err(|_| Failure::Broken)?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
