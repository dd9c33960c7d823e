//! The style sheet and the icon, from memory. The style sheet's name holds a digest of its content, so that it may be kept for
//! ever and yet never be an old one.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use super::failure::{Failure, PageFailure};

const CSS: &str = include_str!("../../assets/tlsward.css");
const ICON: &str = include_str!("../../assets/icon.svg");

static CSS_PATH: LazyLock<String> = LazyLock::new(|| {
    let mut path = String::from("/assets/tlsward-");
    for byte in Sha256::digest(CSS.as_bytes()).iter().take(8) {
        let _ = write!(path, "{byte:02x}");
    }
    path.push_str(".css");
    path
});

/// Where the style sheet is.
pub(super) fn css_path() -> &'static str {
    &CSS_PATH
}

pub(super) async fn serve(Path(name): Path<String>) -> Result<Response, PageFailure> {
    if css_path().strip_prefix("/assets/") == Some(name.as_str()) {
        let headers = [
            (CONTENT_TYPE, "text/css; charset=utf-8"),
            (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        ];
        return Ok((headers, CSS).into_response());
    }
    if name == "icon.svg" {
        return Ok(icon().await);
    }
    Err(Failure::NoSuchPage.into())
}

pub(super) async fn icon() -> Response {
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=86400")], ICON).into_response()
}
