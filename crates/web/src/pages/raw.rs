//! Raw inputs, to be kept and not to be looked at in the browser: a stranger wrote every byte.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use tlsward_engine::facts::Road;
use tlsward_engine::ports::{Clock, Evidence, RawOf};

use super::App;
use super::failure::{Failure, PageFailure};

pub(super) async fn of_report<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Path(id): Path<String>,
) -> Result<Response, PageFailure> {
    let id = id.parse().map_err(|_| Failure::NotFound("report"))?;
    download(&app, RawOf::Report(id), &format!("report-{id}")).await
}

pub(super) async fn of_set_aside<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Path(id): Path<String>,
) -> Result<Response, PageFailure> {
    let id = id.parse().map_err(|_| Failure::NotFound("input"))?;
    download(&app, RawOf::SetAside(id), &format!("set-aside-{id}")).await
}

/// The file name is ours alone: a number that we gave, and an ending that says by which road it came.
async fn download<S: Evidence, C: Clock>(
    app: &App<S, C>,
    of: RawOf,
    name: &str,
) -> Result<Response, PageFailure> {
    let raw = app.evidence.raw(of).await?.ok_or(Failure::NotFound("input"))?;
    let ending = match raw.road {
        Road::Https if raw.bytes.starts_with(&[0x1f, 0x8b]) => "json.gz",
        Road::Https if raw.bytes.starts_with(b"PK") => "zip",
        Road::Https => "bin",
        Road::Smtp | Road::Pipe => "eml.bin",
    };
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{ending}\"")),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    Ok((headers, Body::from(raw.bytes)).into_response())
}
