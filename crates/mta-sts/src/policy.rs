//! MTA-STS policies: RFC 8461 §3.2.
//!
//! A policy says how strictly its MX patterns are to be applied and for how long it may be kept. [`parse`]
//! reads the body a policy host served; [`Policy::new`] makes one to serve. A [`Policy`] in hand always has
//! a mode, a lifetime within the maximum, and a pattern unless its mode is none: nobody checks that again.

mod body;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::mx::{MxPattern, PatternError};
use crate::parsed::{Deviates, Parsed};
use crate::record;

pub use body::{parse, served_lines};

/// Largest policy body: 64 KiB, the size RFC 8461 §3.3 suggests. A larger one is refused, never cut.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What a sender does with an MX that fails the policy: RFC 8461 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// It does not deliver there.
    Enforce,
    /// It delivers, and reports the failure.
    Testing,
    /// It behaves as without a policy. Kept like the others, so it replaces an earlier enforce.
    None,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Testing, Self::None];

    /// The value of the `mode` field.
    #[must_use]
    pub const fn as_wire(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }

    /// Reads the value of a `mode` field; case counts. `None` for any other text.
    #[must_use]
    pub fn from_wire(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_wire() == text)
    }
}

/// How long a policy may be kept after it was fetched, in seconds: 0 to 31557600, a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaxAge(u32);

/// The lifetime is above the maximum. A sender clamps it, an owner lowers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("max_age is above 31557600 seconds")]
pub struct MaxAgeError;

impl MaxAge {
    /// RFC 8461 §3.2: the largest value.
    pub const MAX: Self = Self(31_557_600);

    /// A lifetime of `seconds`.
    ///
    /// # Errors
    /// [`MaxAgeError`] above [`MaxAge::MAX`].
    pub const fn from_secs(seconds: u64) -> Result<Self, MaxAgeError> {
        if seconds > Self::MAX.0 as u64 { Err(MaxAgeError) } else { Ok(Self(seconds as u32)) }
    }

    /// The lifetime in seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }
}

/// A field that RFC 8461 does not know. Ignored, but kept: it is part of what was served.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extension {
    name: String,
    value: String,
}

/// Why a name and value make no extension field. The caller corrects them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionError {
    /// Not 1 to 32 letters, digits, `_`, `-`, `.`, beginning with a letter or digit.
    #[error("extension field has a malformed name")]
    Name,
    /// The name of a field that RFC 8461 defines.
    #[error("extension field has the name of a known field")]
    Known,
    /// Empty, with control characters, or with a space at either end.
    #[error("extension field has a malformed value")]
    Value,
}

impl Extension {
    /// A field for a policy of one's own.
    ///
    /// # Errors
    /// [`ExtensionError`] when it would not read back as the same field.
    pub fn new(name: &str, value: &str) -> Result<Self, ExtensionError> {
        if record::field_name(name.as_bytes()).is_none() {
            return Err(ExtensionError::Name);
        }
        if matches!(name, "version" | "mode" | "max_age" | "mx") {
            return Err(ExtensionError::Known);
        }
        if body::field_value(value.as_bytes()) != Some(value)
            || value.starts_with(' ')
            || value.ends_with(' ')
        {
            return Err(ExtensionError::Value);
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// The field's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field's value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// A usable policy. Two are equal when they say the same in the same lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    mode: Mode,
    max_age: MaxAge,
    mx: Vec<MxPattern>,
    extensions: Vec<Extension>,
    /// The lines as served, each without what ends it, joined by LF: one allocation for a cached policy.
    served: String,
}

/// Why no policy can be made of these parts. The caller corrects them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// RFC 8461 §3.2: without a pattern only mode none is possible.
    #[error("policy needs an mx pattern unless its mode is none")]
    NoMx,
    /// Two extension fields have one name: all but the first would be ignored.
    #[error("policy has two extension fields of one name")]
    DuplicateExtension,
    /// The body would be larger than senders accept.
    #[error("policy body is larger than 64 kib")]
    TooLarge,
}

impl Policy {
    /// A policy to serve.
    ///
    /// # Errors
    /// [`BuildError`] when no valid body says this.
    pub fn new(
        mode: Mode,
        max_age: MaxAge,
        mx: Vec<MxPattern>,
        extensions: Vec<Extension>,
    ) -> Result<Self, BuildError> {
        if mx.is_empty() && mode != Mode::None {
            return Err(BuildError::NoMx);
        }
        let mut names = BTreeSet::new();
        if !extensions.iter().all(|extension| names.insert(extension.name())) {
            return Err(BuildError::DuplicateExtension);
        }
        let mut policy = Self { mode, max_age, mx, extensions, served: String::new() };
        let body = policy.to_body()?;
        policy.served = body.lines().collect::<Vec<_>>().join("\n");
        Ok(policy)
    }

    /// What to do with an MX that fails.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How long it may be kept after a fetch.
    #[must_use]
    pub fn max_age(&self) -> MaxAge {
        self.max_age
    }

    /// The patterns, in the order served.
    #[must_use]
    pub fn mx(&self) -> &[MxPattern] {
        &self.mx
    }

    /// Fields that RFC 8461 does not know; of a repeated name the first.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The lines as they were served, for a report's `policy-string`: RFC 8460 §4.4 wants them with their
    /// faults. Blank lines are left out, as is white space at a line's end.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.served.split('\n')
    }

    /// Whether another policy treats every MX the same way: same mode, same patterns in the same order.
    #[must_use]
    pub fn same_rules(&self, other: &Self) -> bool {
        self.mode == other.mode && self.mx == other.mx
    }

    /// The body to serve: CRLF lines, which every reader takes (erratum 6253), and strictly valid.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`], only for a policy that was read near the limit and grows by its line ends.
    pub fn to_body(&self) -> Result<String, BuildError> {
        let mut body = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = write!(body, "{name}: {value}\r\n");
        };
        line("version", VERSION);
        line("mode", self.mode.as_wire());
        for pattern in &self.mx {
            line("mx", &pattern.as_wire());
        }
        line("max_age", &self.max_age.as_secs().to_string());
        for extension in &self.extensions {
            line(&extension.name, &extension.value);
        }
        if body.len() > MAX_BODY_BYTES { Err(BuildError::TooLarge) } else { Ok(body) }
    }
}

const VERSION: &str = "STSv1";

/// What a policy has that the RFC does not allow, or that other senders refuse. The list is closed. `line`
/// counts from 1 and names the first place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// The answer does not say that it is plain text. Only overlooked where all else is strictly valid.
    MediaType,
    /// A byte order mark before the first field.
    ByteOrderMark,
    /// A line without a field, also a doubled line end at the end of the body.
    BlankLine {
        /// Where.
        line: usize,
    },
    /// Carriage returns at a line's end besides the one of its CRLF. (Spaces and tabs there are legal.)
    SpaceAtLineEnd {
        /// Where.
        line: usize,
    },
    /// An mx pattern with a dot at its end, read as the pattern without it.
    DotAfterMx {
        /// Where.
        line: usize,
    },
    /// `max_age` above the maximum, read as the maximum.
    MaxAgeClamped {
        /// Where.
        line: usize,
    },
    /// A field other than mx stands there twice. Legal: the first counts. The owner removes the others.
    DuplicateField {
        /// Where the second one is.
        line: usize,
    },
}

impl Deviates for Deviation {
    fn is_invalid_strictly(&self) -> bool {
        match self {
            Self::MediaType
            | Self::ByteOrderMark
            | Self::BlankLine { .. }
            | Self::SpaceAtLineEnd { .. }
            | Self::DotAfterMx { .. }
            | Self::MaxAgeClamped { .. } => true,
            // RFC 8461 §3.2: if a field is repeated, all entries but the first are ignored.
            Self::DuplicateField { .. } => false,
        }
    }
}

/// Why a body is no usable policy. A sender goes on with what it has cached; the owner fixes the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than [`MAX_BODY_BYTES`].
    #[error("policy body is larger than 64 kib")]
    TooLarge,
    /// A carriage return inside a line: lines end in LF or CRLF.
    #[error("line {line} holds a carriage return that ends no line")]
    CarriageReturn {
        /// Where.
        line: usize,
    },
    /// No `name: value`.
    #[error("line {line} has no colon")]
    NoColon {
        /// Where.
        line: usize,
    },
    /// The name is not 1 to 32 letters, digits, `_`, `-`, `.`, beginning with a letter or digit.
    #[error("line {line} has a malformed field name")]
    FieldName {
        /// Where.
        line: usize,
    },
    /// The value is empty, holds control characters or is not UTF-8.
    #[error("line {line} has a malformed field value")]
    FieldValue {
        /// Where.
        line: usize,
    },
    /// The first `version` is not `STSv1`.
    #[error("line {line} has another version than STSv1")]
    Version {
        /// Where.
        line: usize,
    },
    /// The first `mode` is none of the three.
    #[error("line {line} has an unknown mode")]
    Mode {
        /// Where.
        line: usize,
    },
    /// The first `max_age` is not 1 to 10 digits.
    #[error("line {line} has a max_age that is not 1 to 10 digits")]
    MaxAge {
        /// Where.
        line: usize,
    },
    /// A pattern that no policy may hold. One such line spoils the whole policy.
    #[error("line {line}: {error}")]
    Mx {
        /// Where.
        line: usize,
        /// What is wrong with it.
        error: PatternError,
    },
    /// No `version` field.
    #[error("policy has no version")]
    MissingVersion,
    /// No `mode` field.
    #[error("policy has no mode")]
    MissingMode,
    /// No `max_age` field.
    #[error("policy has no max_age")]
    MissingMaxAge,
    /// No `mx` field, though the mode is not none.
    #[error("policy has no mx pattern")]
    MissingMx,
}

/// The outcome of [`parse`].
pub type ParsedPolicy = Parsed<Policy, Deviation, Error>;
