//! Where mail servers on other hosts tell of their TLS sessions: JSON lines by POST, with a token.
//!
//! Unlike a report, which anybody may send (R8), a session goes into what we tell the world: only who has the token is
//! heard. All lines of a request are taken or none is, and the answer says that they are on disk.
//!
//! | status | when |
//! |---|---|
//! | 200 | all lines are taken |
//! | 400 | a line is wrong: which one and why; none is taken. Also: empty or broken body |
//! | 401 | no token, or not the token |
//! | 405, 408, 411, 413, 415 | not POST, too slow, no length, too large, compressed |
//! | 429 | too many attempts without the token from one source |
//! | 503 | the disk cannot take them now: send them again |

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};

use super::answer::Refusal;

/// The path that takes sessions.
pub const SESSIONS_PATH: &str = "/v1/sessions";
/// A token shorter than this could be guessed.
pub const SHORTEST_TOKEN: usize = 24;

/// What became of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// They are on disk, so many.
    Kept(u64),
    /// One is wrong: its number, from 1, and why. None is taken.
    Wrong(u64, String),
    /// The disk cannot take them now.
    Later,
}

/// What becomes of the lines, in the end.
pub type Taking<'a> = Pin<Box<dyn Future<Output = Taken> + Send + 'a>>;

/// Takes lines, all or none.
pub trait TakeSessions: fmt::Debug + Send + Sync {
    /// Takes them. `lines` is at most [`Sessions::longest_body`] long.
    fn take(&self, lines: Bytes) -> Taking<'_>;
}

/// Who is heard, and by whom.
#[derive(Debug)]
pub struct Sessions {
    token: Token,
    /// Bytes of a request's body.
    pub longest_body: usize,
    /// Takes the lines.
    pub desk: Arc<dyn TakeSessions>,
}

/// A secret that a client has to know. Kept as its digest: comparing digests takes the same time wherever they differ,
/// and what the time would tell is of no use.
struct Token([u8; 32]);

/// The token is too short, or has characters that no header can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token has at least {SHORTEST_TOKEN} characters, letters, digits and punctuation without spaces")]
pub struct TokenError;

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    fn new(text: &str) -> Result<Self, TokenError> {
        let is_fit = text.len() >= SHORTEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_fit { Ok(Self(Sha256::digest(text).into())) } else { Err(TokenError) }
    }

    fn is(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.iter().zip(given).fold(0, |differs, (ours, theirs)| differs | (ours ^ theirs)) == 0
    }
}

impl Sessions {
    /// Hears whoever has `token`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn new(token: &str, longest_body: usize, desk: Arc<dyn TakeSessions>) -> Result<Self, TokenError> {
        Ok(Self { token: Token::new(token)?, longest_body, desk })
    }

    /// Whether a request brings the token (RFC 6750 §2.1).
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return false };
        let Some((scheme, token)) = value.as_bytes().split_at_checked(7) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && self.token.is(token.trim_ascii())
    }
}

/// Lines are read as they come.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) { Ok(()) } else { Err(Refusal::Compressed) }
}

/// The answer to lines that were taken.
pub(super) fn kept(lines: u64) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{{\"lines\":{lines}}}\n"))));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nobody;

    impl TakeSessions for Nobody {
        fn take(&self, _: Bytes) -> Taking<'_> {
            Box::pin(async { Taken::Later })
        }
    }

    #[test]
    fn only_the_token_is_admitted_and_a_short_one_is_no_token() {
        let token = "0123456789abcdef01234567";
        let sessions = Sessions::new(token, 1, Arc::new(Nobody)).unwrap();
        let admits = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            sessions.admits(&headers)
        };
        assert!(admits(&[&format!("Bearer {token}")]) && admits(&[&format!("bearer  {token}")]));
        for wrong in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &[token],
            &["Basic 0123456789abcdef01234567"],
            &["Bearer 0123456789abcdef0123456"],
            &["Bearer 0123456789abcdef012345678"],
            &["Bearer 0123456789abcdef01234567", "Bearer 0123456789abcdef01234567"],
        ] {
            assert!(!admits(wrong), "{wrong:?}");
        }
        for short in ["", "0123456789abcdef0123456", "0123456789abcdef 01234567", "0123456789abcdef0123456é"]
        {
            assert!(Sessions::new(short, 1, Arc::new(Nobody)).is_err(), "{short}");
        }
        assert!(!format!("{sessions:?}").contains("0123"));
    }
}
