//! The TLSRPT record at `_smtp._tls.<policy domain>`: where a domain wants its reports (RFC 8460 §3).
//!
//! What goes in: the bytes of one TXT record (its strings joined without separator) or of all that DNS returned.
//! What comes out: two verdicts. *Strict* is the RFC's grammar: what a checker tells the owner. *Usable* is strict
//! plus the closed list of [`Deviation`]s: what a sender of reports acts on. [`write()`] makes a record to publish.
//! What can fail: see [`RecordError`] and [`NotImplemented`]; every one is the domain owner's to mend, and for a
//! sender all of them mean the same: no reports are wanted.

mod choice;
mod rua;
mod uri;
mod write;

pub use choice::{NotImplemented, choose, discover, strict_word};
pub use rua::{Rua, Unusable};
pub use uri::UriError;
pub use write::{WriteError, write};

use crate::text::Text;

/// The label in front of the policy domain under which the record stands (RFC 8460 §3).
pub const LABEL: &str = "_smtp._tls";
/// What a record begins with (RFC 8460 §3, case-sensitive).
pub const VERSION: &str = "v=TLSRPTv1";
/// The longest record that is read: as much as a DNS message can carry.
pub const MAX_RECORD_BYTES: usize = 65_535;

/// A record that names at least one place to which a report can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    ruas: Vec<Rua>,
    extensions: Vec<(Text, Text)>,
}

impl Record {
    /// All that the record's `rua` fields list, in its order: the union of repeated fields (ruling L11).
    #[must_use]
    pub fn ruas(&self) -> &[Rua] {
        &self.ruas
    }

    /// Those to which a report can be sent; at least one.
    pub fn usable_ruas(&self) -> impl Iterator<Item = &Rua> {
        self.ruas.iter().filter(|rua| rua.is_usable())
    }

    /// Fields of names that RFC 8460 does not know, which a reader ignores (RFC 8460 §3).
    #[must_use]
    pub fn extensions(&self) -> &[(Text, Text)] {
        &self.extensions
    }
}

/// Both verdicts on one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The grammar of RFC 8460 §3, to the letter.
    pub strict: Result<Record, RecordError>,
    /// The grammar plus the slack that [`Deviation`] lists.
    pub usable: Result<Parsed, RecordError>,
}

/// A usable record with what had to be overlooked; nothing where the record is also strictly valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The record.
    pub record: Record,
    /// What had to be overlooked, each kind once, in the order of [`Deviation`].
    pub deviations: Vec<Deviation>,
}

/// What the usable reading overlooks. The list is closed: each leaves no doubt about what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deviation {
    /// A UTF-8 byte order mark in front of the record.
    ByteOrderMark,
    /// White space or a line end before the version.
    LeadingSpace,
    /// White space or a line end after the last field.
    TrailingSpace,
    /// Nothing between two `;`.
    EmptyField,
    /// Nothing between two `,` of a `rua`, or after the last one.
    EmptyRua,
}

impl Deviation {
    /// What is wrong, as a phrase for a finding.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "a byte order mark stands before the record",
            Self::LeadingSpace => "white space stands before the record",
            Self::TrailingSpace => "white space stands after the last field",
            Self::EmptyField => "an empty field stands between two semicolons",
            Self::EmptyRua => "a comma of the rua list has no address beside it",
        }
    }
}

/// Why a record is not valid. The owner mends the record; a sender of reports sends none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Longer than a DNS message can carry: not from DNS. Refuse it.
    #[error("the record is longer than {MAX_RECORD_BYTES} bytes")]
    TooLong,
    /// Does not start with the version: a record of something else, or of a version that does not exist.
    #[error("the record does not begin with v=TLSRPTv1 and a semicolon")]
    Version,
    /// A byte order mark, which an editor put there and nobody sees: remove it.
    #[error("the record begins with an invisible byte order mark")]
    ByteOrderMark,
    /// Nothing but the version, or only fields that nobody knows: add a `rua`.
    #[error("the record has no rua field, so nobody is told where reports go")]
    MissingRua,
    /// Two `;` with nothing between them: remove one.
    #[error("the record has an empty field at byte {at}")]
    EmptyField {
        /// Where, counted from the record's start.
        at: usize,
    },
    /// White space in front of or behind the record: remove it.
    #[error("the record has white space at byte {at}, where the grammar allows none")]
    StraySpace {
        /// Where, counted from the record's start.
        at: usize,
    },
    /// A field that is no `name=value`: often a missing `;` before it.
    #[error("the field at byte {at} is not of the form name=value")]
    NotAField {
        /// Where, counted from the record's start.
        at: usize,
    },
    /// An unknown field whose name the grammar does not allow.
    #[error("the field name at byte {at} is not 1 to 32 letters, digits, '_', '-' or '.'")]
    FieldName {
        /// Where, counted from the record's start.
        at: usize,
    },
    /// An unknown field whose value the grammar does not allow.
    #[error("the value of the field at byte {at} is empty or has a space, '=' or a character outside ASCII")]
    FieldValue {
        /// Where, counted from the record's start.
        at: usize,
    },
    /// A `,` of a `rua` with nothing beside it: remove the comma or write the address.
    #[error("the rua list has an empty entry at byte {at}")]
    EmptyRua {
        /// Where, counted from the record's start.
        at: usize,
    },
    /// An entry of a `rua` that is no URI: write it as `mailto:` or `https:`.
    #[error("the rua entry at byte {at}: {error}")]
    Uri {
        /// Where, counted from the record's start.
        at: usize,
        /// What is wrong with it.
        error: UriError,
    },
    /// Well-formed, but no entry is one that reports can go to (`mailto:` address or `https:` URI).
    #[error("no rua entry is a mailto: address or an https: URI that can be used")]
    NoUsableRua {
        /// The entries, each with the reason.
        ruas: Vec<Rua>,
    },
}

impl Reading {
    /// The strict verdict as one word: `valid`, `no-usable-rua` or `invalid`.
    #[must_use]
    pub fn strict_word(&self) -> &'static str {
        match &self.strict {
            Ok(_) => "valid",
            Err(RecordError::NoUsableRua { .. }) => "no-usable-rua",
            Err(_) => "invalid",
        }
    }
}

/// Reads one record. Both verdicts, in time linear in its length.
#[must_use]
pub fn parse(record: &[u8]) -> Reading {
    if record.len() > MAX_RECORD_BYTES {
        return Reading { strict: Err(RecordError::TooLong), usable: Err(RecordError::TooLong) };
    }
    let mut walk = Walk::default();
    match walk.record(record) {
        Err(fatal) => {
            // The first thing wrong is the one that a checker names, even where a later one is worse.
            let first = walk.slack.into_iter().next().map_or_else(|| fatal.clone(), |(_, error)| error);
            Reading { strict: Err(first), usable: Err(fatal) }
        }
        Ok(value) => {
            let mut deviations: Vec<Deviation> = walk.slack.iter().map(|&(deviation, _)| deviation).collect();
            deviations.sort_unstable();
            deviations.dedup();
            let strict = match walk.slack.into_iter().next() {
                Some((_, error)) => Err(error),
                None => Ok(value.clone()),
            };
            Reading { strict, usable: Ok(Parsed { record: value, deviations }) }
        }
    }
}

/// One pass over a record: what the slack forgives is collected, each with the strict verdict's error.
#[derive(Default)]
struct Walk {
    slack: Vec<(Deviation, RecordError)>,
}

impl Walk {
    /// Notes slack; one of a kind is enough, so a record of nothing but `;` costs no memory.
    fn forgive(&mut self, deviation: Deviation, error: RecordError) {
        if !self.slack.iter().any(|&(seen, _)| seen == deviation) {
            self.slack.push((deviation, error));
        }
    }

    fn record(&mut self, whole: &[u8]) -> Result<Record, RecordError> {
        let mut at = 0;
        if whole.starts_with(b"\xEF\xBB\xBF") {
            self.forgive(Deviation::ByteOrderMark, RecordError::ByteOrderMark);
            at = 3;
        }
        let start = at + whole[at..].iter().take_while(|&&byte| is_edge_space(byte)).count();
        if start > at {
            self.forgive(Deviation::LeadingSpace, RecordError::StraySpace { at });
        }
        let trailing = whole[start..].iter().rev().take_while(|&&byte| is_edge_space(byte)).count();
        let end = whole.len() - trailing;
        let body = &whole[start..end];

        let fields = body.strip_prefix(VERSION.as_bytes()).ok_or(RecordError::Version)?;
        let gap = fields.iter().take_while(|&&byte| is_wsp(byte)).count();
        if gap == fields.len() {
            return Err(RecordError::MissingRua);
        }
        if fields[gap] != b';' {
            return Err(RecordError::Version);
        }
        let mut record = Record { ruas: Vec::new(), extensions: Vec::new() };
        let mut saw_rua = false;
        let mut field_at = start + VERSION.len() + gap + 1;
        let mut pieces = fields[gap + 1..].split(|&byte| byte == b';').peekable();
        let mut ends_in_delimiter = false;
        while let Some(piece) = pieces.next() {
            let lead = piece.iter().take_while(|&&byte| is_wsp(byte)).count();
            let field = trim_wsp(piece);
            if field.is_empty() {
                // RFC 8460 §3: one delimiter may stand at the end, none in a row.
                if pieces.peek().is_some() {
                    self.forgive(Deviation::EmptyField, RecordError::EmptyField { at: field_at });
                } else {
                    ends_in_delimiter = true;
                }
            } else if let Some(list) = field.strip_prefix(b"rua=") {
                saw_rua = true;
                self.rua_list(list, field_at + lead + 4, &mut record.ruas)?;
            } else {
                record.extensions.push(extension(field, field_at + lead)?);
            }
            field_at += piece.len() + 1;
        }
        // The delimiter at the end may carry white space (`*WSP ";" *WSP`), a field may not; a line end never.
        if trailing > 0 && !(ends_in_delimiter && whole[end..].iter().all(|&byte| is_wsp(byte))) {
            self.forgive(Deviation::TrailingSpace, RecordError::StraySpace { at: end });
        }
        if !saw_rua || record.ruas.is_empty() {
            return Err(match self.slack.iter().find(|(seen, _)| *seen == Deviation::EmptyRua) {
                Some((_, error)) => error.clone(),
                None => RecordError::MissingRua,
            });
        }
        if !record.ruas.iter().any(Rua::is_usable) {
            return Err(RecordError::NoUsableRua { ruas: record.ruas });
        }
        Ok(record)
    }

    /// `tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri)`, after the `rua=`.
    fn rua_list(&mut self, list: &[u8], at: usize, ruas: &mut Vec<Rua>) -> Result<(), RecordError> {
        let mut entry_at = at;
        for (index, piece) in list.split(|&byte| byte == b',').enumerate() {
            let lead = piece.iter().take_while(|&&byte| is_wsp(byte)).count();
            let entry = trim_wsp(piece);
            if entry.is_empty() {
                self.forgive(Deviation::EmptyRua, RecordError::EmptyRua { at: entry_at });
            } else if index == 0 && lead > 0 {
                // No white space after `rua=`: the grammar has it only round the commas.
                return Err(RecordError::StraySpace { at: entry_at });
            } else {
                let rua =
                    Rua::parse(entry).map_err(|error| RecordError::Uri { at: entry_at + lead, error })?;
                ruas.push(rua);
            }
            entry_at += piece.len() + 1;
        }
        Ok(())
    }
}

/// An unknown field: checked, because a malformed one makes the record invalid, and otherwise ignored.
fn extension(field: &[u8], at: usize) -> Result<(Text, Text), RecordError> {
    let equals = field.iter().position(|&byte| byte == b'=').ok_or(RecordError::NotAField { at })?;
    let (name, value) = (&field[..equals], &field[equals + 1..]);
    let name_ok = (1..=32).contains(&name.len())
        && name[0].is_ascii_alphanumeric()
        && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if !name_ok {
        return Err(RecordError::FieldName { at });
    }
    // RFC 8460 §3: printable ASCII without SP, ";" and "=".
    let value_ok = !value.is_empty() && value.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'=');
    if !value_ok {
        return Err(RecordError::FieldValue { at });
    }
    Ok((ascii(name), ascii(value)))
}

/// Bytes that were found to be ASCII, as text.
fn ascii(bytes: &[u8]) -> Text {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// The grammar's WSP.
fn is_wsp(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// White space that may cling to a record's ends when it was pasted from somewhere.
fn is_edge_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without the grammar's WSP at either end.
fn trim_wsp(bytes: &[u8]) -> &[u8] {
    let lead = bytes.iter().take_while(|&&byte| is_wsp(byte)).count();
    let rest = &bytes[lead..];
    &rest[..rest.len() - rest.iter().rev().take_while(|&&byte| is_wsp(byte)).count()]
}

#[cfg(test)]
mod tests;
