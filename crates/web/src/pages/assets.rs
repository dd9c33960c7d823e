//! The style sheet, the one script and the icon, from memory. The names of the first two hold a digest of their content, so that
//! they may be kept for ever and yet never be an old one.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use super::failure::{Failure, PageFailure};

const CSS: &str = include_str!("../../assets/tlsward.css");
const ICON: &str = include_str!("../../assets/icon.svg");

const COPY: &str = include_str!("../../assets/copy.js");

static CSS_PATH: LazyLock<String> = LazyLock::new(|| path("tlsward", CSS, "css"));
static COPY_PATH: LazyLock<String> = LazyLock::new(|| path("copy", COPY, "js"));

fn path(name: &str, content: &str, kind: &str) -> String {
    let mut path = format!("/assets/{name}-");
    for byte in Sha256::digest(content.as_bytes()).iter().take(8) {
        let _ = write!(path, "{byte:02x}");
    }
    let _ = write!(path, ".{kind}");
    path
}

/// Where the style sheet is.
pub(super) fn css_path() -> &'static str {
    &CSS_PATH
}

/// Where the script is that copies texts.
pub(super) fn copy_path() -> &'static str {
    &COPY_PATH
}

pub(super) async fn serve(Path(name): Path<String>) -> Result<Response, PageFailure> {
    let kept =
        [(css_path(), "text/css; charset=utf-8", CSS), (copy_path(), "text/javascript; charset=utf-8", COPY)];
    for (path, kind, content) in kept {
        if path.strip_prefix("/assets/") == Some(name.as_str()) {
            let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
            return Ok((headers, content).into_response());
        }
    }
    if name == "icon.svg" {
        return Ok(icon().await);
    }
    Err(Failure::NoSuchPage.into())
}

pub(super) async fn icon() -> Response {
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=86400")], ICON).into_response()
}
