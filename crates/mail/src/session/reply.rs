//! What the server says: a code of RFC 5321 §4.2, an enhanced code of RFC 3463 where one belongs, and words.

use std::borrow::Cow;

use tlsward_engine::ports::StoreError;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Empty where RFC 2034 §4 wants none: greeting, EHLO and 354.
    enhanced: &'static str,
    /// Lines, with `\n` between them.
    text: Cow<'static, str>,
}

impl Reply {
    pub(super) fn new(code: u16, enhanced: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced, text: text.into() }
    }

    /// Whether it tells the client that it does not speak the protocol: these are counted.
    pub(super) fn is_blame(&self) -> bool {
        matches!(self.code, 500..=504 | 555)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            // RFC 5321 §4.2.1: a hyphen says that another line of the same answer follows.
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            out.extend_from_slice(format!("{}{mark}", self.code).as_bytes());
            if !self.enhanced.is_empty() {
                out.extend_from_slice(self.enhanced.as_bytes());
                out.push(b' ');
            }
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    pub(super) fn ok(text: &'static str) -> Self {
        Self::new(250, "2.0.0", text)
    }

    pub(super) fn out_of_order(text: &'static str) -> Self {
        Self::new(503, "5.5.1", text)
    }

    pub(super) fn kept(id: i64) -> Self {
        Self::new(250, "2.0.0", format!("kept as {id}"))
    }

    pub(super) fn not_kept(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::new(452, "4.3.1", "cannot keep it now, try again later"),
            // Never a permanent code: the report is fine, and the operator may mend the store.
            StoreError::Damaged(_) => {
                Self::new(451, "4.3.0", "the store needs its operator, try again later")
            }
        }
    }

    pub(super) fn too_big(limit: usize) -> Self {
        Self::new(552, "5.3.4", format!("a mail here has at most {limit} bytes"))
    }

    pub(super) fn no_room() -> Self {
        Self::new(452, "4.3.1", "too much mail in transfer, try again later")
    }

    /// The error of the command parser, as an answer.
    pub(super) fn of_parse_error(error: &smtp_proto::Error) -> Self {
        use smtp_proto::Error;
        match error {
            Error::UnknownCommand => Self::new(500, "5.5.1", "no such command"),
            Error::InvalidSenderAddress => Self::new(501, "5.1.7", "no such form of a sender address"),
            Error::InvalidRecipientAddress => Self::new(501, "5.1.3", "no such form of a recipient address"),
            Error::SyntaxError { syntax } => Self::new(501, "5.5.4", format!("say: {syntax}")),
            Error::InvalidParameter { param } => Self::new(501, "5.5.4", format!("bad value of {param}")),
            // RFC 5321 §4.1.1.11. Its name is not echoed: it is text of a stranger.
            Error::UnsupportedParameter { .. } => Self::unknown_parameter(),
            Error::NeedsMoreData { .. } | Error::ResponseTooLong | Error::InvalidResponse { .. } => {
                Self::new(500, "5.5.2", "cannot read this command")
            }
        }
    }

    pub(super) fn unknown_parameter() -> Self {
        Self::new(555, "5.5.4", "a parameter that is not offered here")
    }
}
