//! A question: the map's name, a space, the key.

use std::str;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The map's name, as it stands in `main.cf`.
    pub map: &'a str,
    /// The key; it may hold spaces, and may be empty.
    pub key: &'a str,
}

/// Why it is none. Answer with `PERM`; the connection can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is only one word.
    #[error("a request is a map's name, a space and a key")]
    NoSpace,
    /// Bytes that are no text.
    #[error("a request is UTF-8")]
    NotUtf8,
}

impl<'a> Request<'a> {
    /// Reads the payload of a netstring.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(payload: &'a [u8]) -> Result<Self, RequestError> {
        let text = str::from_utf8(payload).map_err(|_| RequestError::NotUtf8)?;
        let (map, key) = text.split_once(' ').ok_or(RequestError::NoSpace)?;
        Ok(Self { map, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_space_divides_and_the_rest_is_the_key() {
        for (payload, expected) in [
            ("tlsward example.org", Ok(("tlsward", "example.org"))),
            ("tlsward [relay.example]:587", Ok(("tlsward", "[relay.example]:587"))),
            ("tlsward bücher.example", Ok(("tlsward", "bücher.example"))),
            ("tlsward a b", Ok(("tlsward", "a b"))),
            ("tlsward ", Ok(("tlsward", ""))),
            (" key", Ok(("", "key"))),
            ("tlsward", Err(RequestError::NoSpace)),
            ("", Err(RequestError::NoSpace)),
        ] {
            let read = Request::parse(payload.as_bytes()).map(|request| (request.map, request.key));
            assert_eq!(read, expected, "{payload}");
        }
        assert_eq!(Request::parse(b"tlsward \xff"), Err(RequestError::NotUtf8));
    }
}
