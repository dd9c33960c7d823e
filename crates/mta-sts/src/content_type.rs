//! Is an HTTPS answer declared as plain text?
//!
//! Guards against hosts where strangers may put files at paths of their choice (RFC 8461 §3.2). Only the
//! media type counts: parameters, the charset too, change nothing. Can fail: missing, or another type.

/// What is wrong with the declared media type. A checker shows it; a sender goes on only when the body is
/// strictly valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeFault {
    /// No `Content-Type` field in the answer.
    #[error("media type is missing")]
    Missing,
    /// Declared as something else, or as nothing readable.
    #[error("media type is not text/plain")]
    NotTextPlain,
}

/// Checks the value of a `Content-Type` field; `None` means that the answer had no such field.
///
/// # Errors
/// [`MediaTypeFault`] when the answer does not say that it is plain text.
pub fn check(value: Option<&[u8]>) -> Result<(), MediaTypeFault> {
    let value = value.ok_or(MediaTypeFault::Missing)?;
    // RFC 8461 §3.2: parameters are ignored, so nothing behind the first semicolon is even read.
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    if essence.trim_ascii().eq_ignore_ascii_case(b"text/plain") {
        Ok(())
    } else {
        Err(MediaTypeFault::NotTextPlain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: S13, D6
    #[test]
    fn only_plain_text_counts_whatever_its_parameters() {
        for value in
            ["text/plain", "Text/Plain", "text/plain; charset=UTF-8", "text/plain ;x=y;z", "text/plain;"]
        {
            assert_eq!(check(Some(value.as_bytes())), Ok(()), "{value}");
        }
        for value in [
            "",
            ";",
            "text/html",
            "text/plainer",
            "text / plain",
            "text/plain, text/html",
            "text",
            "\u{fffd}",
        ] {
            assert_eq!(check(Some(value.as_bytes())), Err(MediaTypeFault::NotTextPlain), "{value}");
        }
        assert_eq!(check(None), Err(MediaTypeFault::Missing));
    }
}
