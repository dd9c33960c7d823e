//! Repairs: what the reader had to mend. A closed list, because programs act on it.

use std::fmt;

/// One thing that was not as RFC 8460 has it, and was mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// JSON Pointer (RFC 6901) into the input as the sender wrote it; empty for the whole input.
    pub path: String,
    /// Which of the closed list.
    pub kind: RepairKind,
    /// What was there and what was made of it, for a person. Holds text of the sender: escape it.
    pub text: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident => $wire:literal,)*) => {
        /// The closed list of repairs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RepairKind { $($(#[$doc])* $variant,)* }

        impl RepairKind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [RepairKind] = &[$(RepairKind::$variant,)*];

            /// The token used in JSON.
            pub fn as_wire(self) -> &'static str {
                match self { $(RepairKind::$variant => $wire,)* }
            }

            /// The kind with this token.
            pub fn from_wire(token: &str) -> Option<Self> {
                match token { $($wire => Some(RepairKind::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// A UTF-8 byte order mark stood before the JSON.
    ByteOrderMark => "byte-order-mark",
    /// The input was UTF-16 and was decoded.
    Utf16 => "utf-16",
    /// Bytes that are not UTF-8, or half a surrogate pair, became U+FFFD.
    InvalidUtf8 => "invalid-utf-8",
    /// Bytes followed the report that are no report.
    TrailingBytes => "trailing-bytes",
    /// The report was one element of an array, or one of several values.
    SeveralValues => "several-values",
    /// The gzip trailer was missing or cut; the JSON was complete.
    GzipTrailerCut => "gzip-trailer-cut",
    /// The gzip trailer's checksum or length was wrong; the JSON was complete.
    GzipTrailerWrong => "gzip-trailer-wrong",
    /// The wrapping was not what its name or type said (twice compressed, zlib, padding).
    Container => "container",
    /// A known misspelling of a key was read under its right name.
    KeyRenamed => "key-renamed",
    /// A key stood more than once in an object; the last was taken.
    DuplicateKey => "duplicate-key",
    /// A value stood at the wrong level and was moved to where the RFC has it.
    Moved => "moved",
    /// A single value became an array of one.
    WrappedInArray => "wrapped-in-array",
    /// A string that held a JSON array became that array.
    ArrayInString => "array-in-string",
    /// A number became the text that it was meant to be.
    NumberToText => "number-to-text",
    /// A text or float became the integer that it was meant to be.
    CountConverted => "count-converted",
    /// A count that cannot be one (negative, fractional, absurd, no number) was dropped.
    CountDropped => "count-dropped",
    /// A time in another form became RFC 3339 in UTC.
    TimeConverted => "time-converted",
    /// A time that cannot be read was dropped.
    TimeDropped => "time-dropped",
    /// A domain or host was put into lower-case A-labels without trailing dot.
    NameNormalised => "name-normalised",
    /// A policy type or result type was put into its registered spelling.
    TokenNormalised => "token-normalised",
    /// A null, an empty address or an empty name was left out.
    NullDropped => "null-dropped",
    /// A value of a wrong type was left out.
    WrongType => "wrong-type",
    /// A policy string, pattern or extra value beyond its limit was cut or left out.
    Cut => "cut",
    /// More repairs were made than are listed.
    Unlisted => "unlisted",
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the input" } else { &self.path };
        write!(f, "{place}: {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_repair_kind_round_trips_through_its_wire_token() {
        for kind in RepairKind::ALL {
            assert_eq!(RepairKind::from_wire(kind.as_wire()), Some(*kind));
        }
    }
}
