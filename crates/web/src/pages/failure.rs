//! Why there is no page, told to a person or to a program.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use http::{StatusCode, Uri};
use tlsward_engine::ports::StoreError;

use super::{Frame, Place};
use crate::problem;

/// Why a request has no answer of its own.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// No page has this address.
    NoSuchPage,
    /// What was asked for is not there: what kind of thing.
    NotFound(&'static str),
    /// The question makes no sense: why.
    BadQuestion(&'static str),
    /// The request names a host that is not ours.
    ForeignHost,
    /// A method that might change something.
    ReadOnly,
    /// Too many requests are being worked on.
    Busy,
    /// It took too long.
    TooSlow,
    /// The store cannot answer now.
    StoreUnavailable,
    /// The store is damaged.
    StoreDamaged,
    /// We failed in a way that should not happen.
    Broken,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a page could not be made");
        match error {
            StoreError::Unavailable(_) => Self::StoreUnavailable,
            StoreError::Damaged(_) => Self::StoreDamaged,
        }
    }
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPage | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadQuestion(_) => StatusCode::BAD_REQUEST,
            Self::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Self::ReadOnly => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooSlow => StatusCode::GATEWAY_TIMEOUT,
            Self::StoreDamaged | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchPage | Self::NotFound(_) => "not-found",
            Self::BadQuestion(_) => "bad-question",
            Self::ForeignHost => "foreign-host",
            Self::ReadOnly => "read-only",
            Self::Busy => "busy",
            Self::TooSlow => "too-slow",
            Self::StoreUnavailable => "store-unavailable",
            Self::StoreDamaged => "store-damaged",
            Self::Broken => "internal",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::NoSuchPage | Self::NotFound(_) => "Not found",
            Self::BadQuestion(_) => "That cannot be answered",
            Self::ForeignHost => "Not under this name",
            Self::ReadOnly => "Only reading is possible",
            Self::Busy | Self::StoreUnavailable | Self::TooSlow => "Not at this moment",
            Self::StoreDamaged | Self::Broken => "Something is broken",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::NoSuchPage => "There is nothing at this address. The links above lead to everything there is.".to_owned(),
            Self::NotFound(what) => format!("There is no such {what}. It may have been removed since the link was made."),
            Self::BadQuestion(why) => (*why).to_owned(),
            Self::ForeignHost => {
                "This server answers only under its own names, so that no other web site can read these pages through your \
                 browser (DNS rebinding). Open it by the address that it was started with, such as http://127.0.0.1:8460/, or \
                 add the name you used to the configuration."
                    .to_owned()
            }
            Self::ReadOnly => "These pages only read. Use GET or HEAD.".to_owned(),
            Self::Busy => "Too many requests are being worked on. Try again in a moment.".to_owned(),
            Self::TooSlow => "The answer took too long. Try again, perhaps over fewer days.".to_owned(),
            Self::StoreUnavailable => "The store cannot be read now. Try again in a moment.".to_owned(),
            Self::StoreDamaged => "The store is damaged. The server's log says where; restore it from a backup.".to_owned(),
            Self::Broken => "The server failed to make this page. Its log says why.".to_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    frame: Frame,
    detail: String,
    status: u16,
}

/// The failure in the form that fits the path: a problem document under `/api`, else a page.
pub(crate) fn respond(path: &str, failure: &Failure) -> Response {
    let mut response = if path == "/api" || path.starts_with("/api/") {
        problem::response(failure.status(), failure.code(), &failure.detail())
    } else {
        let page = FailurePage {
            frame: Frame::new(failure.title(), Place::Nowhere),
            detail: failure.detail(),
            status: failure.status().as_u16(),
        };
        match page.render() {
            Ok(html) => (failure.status(), Html(html)).into_response(),
            Err(_) => failure.status().into_response(),
        }
    };
    match failure {
        Failure::ReadOnly => {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        Failure::Busy | Failure::StoreUnavailable | Failure::TooSlow => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    response
}

/// For addresses that nothing has.
pub(super) async fn no_such_page(uri: Uri) -> Response {
    respond(uri.path(), &Failure::NoSuchPage)
}

/// A failure of a page.
#[derive(Debug)]
pub(crate) struct PageFailure(Failure);

/// A failure of the API.
#[derive(Debug)]
pub(crate) struct ApiFailure(Failure);

impl<F: Into<Failure>> From<F> for PageFailure {
    fn from(failure: F) -> Self {
        Self(failure.into())
    }
}

impl<F: Into<Failure>> From<F> for ApiFailure {
    fn from(failure: F) -> Self {
        Self(failure.into())
    }
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        respond("/", &self.0)
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        respond("/api", &self.0)
    }
}
