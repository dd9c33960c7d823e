//! Values that RFC 8460 does not name, kept as they came (bounded), and where JSON stops being JSON.

use std::collections::BTreeMap;

use super::lexer::{Lexer, TooLong};
use super::read::ReadError;
use super::source::Source;
use crate::text::Text;

/// A JSON value outside the RFC's own members. Numbers keep their spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was spelt.
    Number(Text),
    /// A string.
    String(Text),
    /// An array.
    Array(Vec<Json>),
    /// An object; of a repeated key the last, in the place of the first.
    Object(Vec<(Text, Json)>),
}

/// Why the input is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line}, column {column}")]
pub struct JsonError {
    /// What was found or missing.
    pub what: &'static str,
    /// Counted from 1.
    pub line: u64,
    /// Counted from 1, in bytes.
    pub column: u64,
}

/// What values outside the RFC may still take, and what befell them.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// Bytes that may still be kept.
    pub(crate) bytes: usize,
    /// Something was cut or left out.
    pub(crate) cut: bool,
    /// Something was not UTF-8.
    pub(crate) not_utf8: bool,
    /// A key was repeated within a value.
    pub(crate) repeated_key: bool,
}

/// What a value costs beside its text, so that `[[[…` and `{"":{"":…` are bounded too.
const NODE_BYTES: usize = 64;

impl Allowance {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, cut: false, not_utf8: false, repeated_key: false }
    }

    /// Takes `bytes`; false if there are not so many left.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let enough = self.bytes >= bytes;
        self.bytes = if enough { self.bytes - bytes } else { 0 };
        self.cut |= !enough;
        enough
    }

    fn text(&mut self, text: &str) -> Text {
        let mut end = text.len().min(self.bytes);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.take(text.len());
        Text::new(&text[..end])
    }
}

impl<S: Source> Lexer<S> {
    /// Reads the value that comes, keeping of it what the allowance allows; `None` if nothing.
    ///
    /// Recursive, bounded by [`super::lexer::MAX_DEPTH`].
    pub(crate) fn value(&mut self, allowance: &mut Allowance) -> Result<Option<Json>, ReadError> {
        let first = self.peek_value()?;
        let kept = allowance.take(NODE_BYTES);
        let value = match first {
            b'"' => self.string(TooLong::Cut, |text, flaws| {
                allowance.cut |= flaws.cut;
                allowance.not_utf8 |= flaws.not_utf8;
                if kept { Json::String(allowance.text(text)) } else { Json::Null }
            })?,
            b'{' => Json::Object(self.members(allowance)?),
            b'[' => {
                let mut elements = Vec::new();
                let mut more = self.open(b']')?;
                while more {
                    elements.extend(self.value(allowance)?);
                    more = self.next(b']')?;
                }
                Json::Array(elements)
            }
            b't' => self.literal("true").map(|()| Json::Bool(true))?,
            b'f' => self.literal("false").map(|()| Json::Bool(false))?,
            b'n' => self.literal("null").map(|()| Json::Null)?,
            b'-' | b'0'..=b'9' => self.number(|text| Json::Number(allowance.text(text)))?,
            _ => return Err(self.error("not a JSON value")),
        };
        Ok(kept.then_some(value))
    }

    fn members(&mut self, allowance: &mut Allowance) -> Result<Vec<(Text, Json)>, ReadError> {
        let mut members: Vec<(Text, Json)> = Vec::new();
        let mut places: BTreeMap<Text, usize> = BTreeMap::new();
        let mut more = self.open(b'}')?;
        while more {
            let key = self.key(|key| allowance.text(key))?;
            if let Some(value) = self.value(allowance)? {
                match places.get(&key) {
                    Some(&place) => {
                        allowance.repeated_key = true;
                        members[place].1 = value;
                    }
                    None => {
                        places.insert(key.clone(), members.len());
                        members.push((key, value));
                    }
                }
            }
            more = self.next(b'}')?;
        }
        Ok(members)
    }
}
