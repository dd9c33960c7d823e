//! Which media types are taken for reports.
//!
//! RFC 8460 §5.4 has two. The others are what senders are seen to use; what a body really is, is found out
//! from its bytes, so the list only turns away what is certainly meant for something else.

use http::header::{CONTENT_TYPE, GetAll, HeaderMap, HeaderValue};

use super::answer::Refusal;

const TAKEN: [&str; 8] = [
    "application/tlsrpt+gzip",
    "application/tlsrpt+json",
    "application/json",
    "application/gzip",
    "application/x-gzip",
    "application/tlsrpt",
    "application/octet-stream",
    "application/zip",
];
/// Characters of a stranger's media type that are kept.
const LABEL_CHARS: usize = 200;

/// Checks type and encoding. A missing type is fine; parameters are ignored.
pub(super) fn check(
    types: GetAll<'_, HeaderValue>,
    encodings: GetAll<'_, HeaderValue>,
) -> Result<(), Refusal> {
    for value in types {
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !essence.is_empty() && !TAKEN.iter().any(|taken| essence.eq_ignore_ascii_case(taken.as_bytes())) {
            return Err(Refusal::WrongType);
        }
    }
    let mut gzips = 0;
    for value in encodings {
        for coding in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            // RFC 9110 §8.4.1.3: x-gzip is gzip.
            if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
                gzips += 1;
            } else if !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity") {
                return Err(Refusal::WrongEncoding);
            }
        }
    }
    if gzips > 1 { Err(Refusal::WrongEncoding) } else { Ok(()) }
}

/// The declared type, as it is kept beside the input; text of a stranger.
pub(super) fn label(headers: &HeaderMap) -> String {
    match headers.get(CONTENT_TYPE) {
        None => String::new(),
        Some(value) => match value.to_str() {
            Ok(text) if text.len() <= LABEL_CHARS => text.to_owned(),
            _ => String::from_utf8_lossy(value.as_bytes()).chars().take(LABEL_CHARS).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::CONTENT_ENCODING;

    /// Proves: J1, R3
    #[test]
    fn the_types_of_the_rfc_and_of_the_wild_are_taken_and_others_are_not() {
        let rows = [
            (None, None, true),
            (Some("application/tlsrpt+gzip"), None, true),
            (Some("application/tlsrpt+json; charset=utf-8"), None, true),
            (Some("Application/JSON"), Some("gzip"), true),
            (Some("application/zip"), Some("identity"), true),
            (Some("application/octet-stream ;x=y"), Some("X-GZIP"), true),
            (Some(""), Some(""), true),
            (Some("text/html"), None, false),
            (Some("multipart/form-data; boundary=x"), None, false),
            (Some("application/json+evil"), None, false),
            (Some("application/json"), Some("br"), false),
            (Some("application/json"), Some("gzip, gzip"), false),
            (Some("application/json"), Some("gzip, deflate"), false),
        ];
        for (kind, encoding, taken) in rows {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.append(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            if let Some(encoding) = encoding {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            let checked = check(headers.get_all(CONTENT_TYPE), headers.get_all(CONTENT_ENCODING));
            assert_eq!(checked.is_ok(), taken, "{kind:?} {encoding:?}");
        }
    }

    #[test]
    fn a_long_or_garbled_type_is_cut_not_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(&[0xff; 300]).unwrap());
        assert_eq!(label(&headers).chars().count(), LABEL_CHARS);
    }
}
