//! One `_mta-sts` TXT record: RFC 8461 §3.1.
//!
//! The record says that a policy exists and names its current instance by an id. Its strings arrive joined,
//! without anything between them. Which record of an RRset counts is decided in [`crate::rrset`].
//!
//! Usable goes beyond strict in one point: white space at the end of the record. A space before the first
//! semicolon (`v=STSv1 ;`) is grammatical and yet overlooked by senders that filter on the literal `v=STSv1;`
//! (erratum 6285), so it is noted as a warning.

use std::collections::BTreeSet;
use std::fmt;

use crate::parsed::{Deviates, Parsed};

/// A TXT record's data cannot be longer on the wire (RFC 1035 §3.2.1).
pub const MAX_RECORD_BYTES: usize = 65_535;
/// Most characters of an id (RFC 8461 §3.1).
pub const MAX_ID_BYTES: usize = 32;
/// Most characters of a field's name, in records and in policies.
pub(crate) const MAX_FIELD_NAME_BYTES: usize = 32;

/// The id of one instance of a policy: 1 to 32 letters and digits. Ids are equal or different, nothing more:
/// RFC 8461 §3.1 gives them no order, and case counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(Box<str>);

/// The text is no [`PolicyId`]. Who generates ids fixes the generator; who reads them drops the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("policy id is not 1 to 32 letters and digits")]
pub struct PolicyIdError;

impl PolicyId {
    /// Parses an id.
    ///
    /// # Errors
    /// [`PolicyIdError`] unless it is 1 to 32 ASCII letters and digits.
    pub fn parse(text: &str) -> Result<Self, PolicyIdError> {
        let fits = (1..=MAX_ID_BYTES).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Ok(Self(text.into()))
        } else {
            Err(PolicyIdError)
        }
    }

    /// The id as it stands in the record.
    #[must_use]
    pub fn as_wire(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyId({})", self.0)
    }
}

/// A usable record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    id: PolicyId,
    extensions: Vec<(String, String)>,
}

impl Record {
    /// A record that announces the policy instance `id`.
    #[must_use]
    pub fn new(id: PolicyId) -> Self {
        Self { id, extensions: Vec::new() }
    }

    /// The id of the policy that is announced.
    #[must_use]
    pub fn id(&self) -> &PolicyId {
        &self.id
    }

    /// Fields that RFC 8461 does not know, as name and value; of a repeated name the first.
    #[must_use]
    pub fn extensions(&self) -> &[(String, String)] {
        &self.extensions
    }

    /// The record's text for publishing: always strictly valid, and without the white space before a
    /// semicolon that some senders stumble over.
    #[must_use]
    pub fn to_wire(&self) -> String {
        let mut text = format!("{VERSION}; id={};", self.id.as_wire());
        for (name, value) in &self.extensions {
            text.push_str(&format!(" {name}={value};"));
        }
        text
    }
}

/// What a record has that its grammar does not, or that other senders refuse. The list is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// White space before the first semicolon, as in `v=STSv1 ;`. Legal, but such a record is dropped where
    /// there are several, and by some senders always: the owner removes the space.
    SpaceAfterVersion,
    /// White space behind the last field. Not legal; the meaning is the same without it.
    SpaceAtEnd,
    /// A field stands there twice. Legal: the first counts. The owner removes the others.
    DuplicateField,
}

impl Deviates for Deviation {
    fn is_invalid_strictly(&self) -> bool {
        match self {
            // RFC 8461 §3.1, ABNF: `*WSP ";" *WSP` between the version and the next field.
            Self::SpaceAfterVersion => false,
            Self::SpaceAtEnd => true,
            // RFC 8461 §3.2: all entries but the first are ignored, in TXT records as well.
            Self::DuplicateField => false,
        }
    }
}

/// Why a record cannot be used. A sender then acts as if there were none; the domain's owner fixes the
/// record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More bytes than a TXT record can carry.
    #[error("record is longer than a TXT record can be")]
    TooLong,
    /// It does not begin with exactly `v=STSv1`: another record, or another version.
    #[error("record does not begin with v=STSv1")]
    Version,
    /// A field is empty: two semicolons in a row.
    #[error("record has an empty field")]
    EmptyField,
    /// A field is not `name=value`.
    #[error("record has a field without an equals sign")]
    NoEqualsSign,
    /// A field's name is not 1 to 32 letters, digits, `_`, `-`, `.`, beginning with a letter or digit.
    #[error("record has a field with a malformed name")]
    FieldName,
    /// A field's value is empty or holds white space, `=` or what is not printable ASCII.
    #[error("record has a field with a malformed value")]
    FieldValue,
    /// The first `id` is not 1 to 32 letters and digits.
    #[error("record has a malformed id")]
    Id,
    /// There is no `id`.
    #[error("record has no id")]
    MissingId,
}

/// The outcome of [`parse`].
pub type ParsedRecord = Parsed<Record, Deviation, Error>;

pub(crate) const VERSION: &str = "v=STSv1";

/// Reads one TXT record, its strings joined.
#[must_use]
pub fn parse(txt: &[u8]) -> ParsedRecord {
    let mut deviations = Vec::new();
    let usable = read(txt, &mut deviations);
    Parsed::new(usable, deviations)
}

fn read(txt: &[u8], deviations: &mut Vec<Deviation>) -> Result<Record, Error> {
    if txt.len() > MAX_RECORD_BYTES {
        return Err(Error::TooLong);
    }
    // Case counts: RFC 8461 §3.1 writes the version as %s (RFC 7405).
    let rest = txt.strip_prefix(VERSION.as_bytes()).ok_or(Error::Version)?;
    let rest = without_space_at_end(rest, deviations);

    // What stands between the version and the first semicolon may only be white space; `v=STSv10` is not
    // ours.
    let first_semicolon = rest.iter().position(|byte| *byte == b';');
    let (gap, fields) = match first_semicolon {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None if rest.is_empty() => return Err(Error::MissingId),
        None => return Err(Error::Version),
    };
    if !gap.iter().all(|byte| is_wsp(*byte)) {
        return Err(Error::Version);
    }
    if !gap.is_empty() {
        note(deviations, Deviation::SpaceAfterVersion);
    }

    let mut id = None;
    let mut extensions = Vec::new();
    let mut seen = BTreeSet::new();
    let mut pieces = fields.split(|byte| *byte == b';').peekable();
    while let Some(piece) = pieces.next() {
        let field = trim_wsp(piece);
        if field.is_empty() {
            // The grammar ends in one optional delimiter, so only the last piece may be empty. With no field
            // before it the record is `v=STSv1;`, which lacks the id anyway.
            if pieces.peek().is_none() {
                break;
            }
            return Err(Error::EmptyField);
        }
        let (name, value) = split_field(field)?;
        let first = seen.insert(name) && name != "v";
        if !first {
            // RFC 8461 §3.2: a repeated field is ignored, whatever it says, as long as it is a field at all.
            note(deviations, Deviation::DuplicateField);
        } else if name == "id" {
            // The first one counts: if it is malformed the record is, also when a good one follows.
            id = Some(PolicyId::parse(value).map_err(|_| Error::Id)?);
        } else {
            extensions.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(Record { id: id.ok_or(Error::MissingId)?, extensions })
}

/// Removes white space at the record's very end and notes it, unless the grammar allows it there: behind a
/// semicolon.
fn without_space_at_end<'a>(text: &'a [u8], deviations: &mut Vec<Deviation>) -> &'a [u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(0, |at| at + 1);
    let (kept, space) = text.split_at(end);
    let legal = kept.ends_with(b";") && space.iter().all(|byte| is_wsp(*byte));
    if !space.is_empty() && !legal {
        note(deviations, Deviation::SpaceAtEnd);
    }
    kept
}

fn split_field(field: &[u8]) -> Result<(&str, &str), Error> {
    let equals = field.iter().position(|byte| *byte == b'=').ok_or(Error::NoEqualsSign)?;
    let (name, value) = (&field[..equals], &field[equals + 1..]);
    let name = field_name(name).ok_or(Error::FieldName)?;
    // RFC 8461 §3.1, ABNF: %x21-3A / %x3C / %x3E-7E, so no white space, `;` or `=`.
    let fits = |byte: &u8| byte.is_ascii_graphic() && *byte != b';' && *byte != b'=';
    if value.is_empty() || !value.iter().all(fits) {
        return Err(Error::FieldValue);
    }
    let value = std::str::from_utf8(value).map_err(|_| Error::FieldValue)?;
    Ok((name, value))
}

/// The name rule that records and policies share.
pub(crate) fn field_name(name: &[u8]) -> Option<&str> {
    let (first, others) = name.split_first()?;
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.len() > MAX_FIELD_NAME_BYTES || !first.is_ascii_alphanumeric() || !others.iter().all(fits) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

/// WSP of RFC 5234: space and horizontal tab, nothing else.
pub(crate) fn is_wsp(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

pub(crate) fn trim_wsp(text: &[u8]) -> &[u8] {
    let Some(start) = text.iter().position(|byte| !is_wsp(*byte)) else { return &[] };
    let end = text.iter().rposition(|byte| !is_wsp(*byte)).map_or(start, |at| at + 1);
    &text[start..end]
}

fn note(deviations: &mut Vec<Deviation>, deviation: Deviation) {
    if !deviations.contains(&deviation) {
        deviations.push(deviation);
    }
}
