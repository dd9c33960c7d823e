//! Reading a policy body, line by line: the ABNF of RFC 8461 §3.2 and the slack beside it.
//!
//! One pass, no backtracking; each kind of deviation is noted once, so that a hostile body costs no more
//! memory than its own size.

use std::collections::BTreeSet;

use super::{Deviation, Error, Extension, MAX_BODY_BYTES, MaxAge, Mode, ParsedPolicy, Policy, VERSION};
use crate::mx::{MxPattern, PatternError};
use crate::parsed::Parsed;
use crate::record::{field_name, is_wsp};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the body of a policy as served.
#[must_use]
pub fn parse(body: &[u8]) -> ParsedPolicy {
    if body.len() > MAX_BODY_BYTES {
        // RFC 8461 §3.3: a limit may be set. Cutting would drop patterns and refuse mail.
        return Parsed::new(Err(Error::TooLarge), Vec::new());
    }
    let mut reader = Reader::default();
    let usable = reader.read(body);
    Parsed::new(usable, reader.deviations)
}

/// The lines of a body, whether it is a policy or not, for reports about policies that cannot be used: RFC
/// 8460 §4.4 wants them as served, faults included. Blank lines are left out, what is not UTF-8 is
/// replaced, and a body above the limit has no lines.
#[must_use]
pub fn served_lines(body: &[u8]) -> Vec<String> {
    if body.len() > MAX_BODY_BYTES {
        return Vec::new();
    }
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let texts = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    texts.filter(|text| !text.is_empty()).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// What has been read so far. Only the first of each field counts, a malformed one too.
#[derive(Default)]
struct Reader<'a> {
    deviations: Vec<Deviation>,
    seen: BTreeSet<&'a str>,
    mode: Option<Mode>,
    max_age: Option<MaxAge>,
    mx: Vec<MxPattern>,
    extensions: Vec<Extension>,
    served: String,
}

impl<'a> Reader<'a> {
    fn read(&mut self, body: &'a [u8]) -> Result<Policy, Error> {
        let text = match body.strip_prefix(BYTE_ORDER_MARK) {
            Some(text) => {
                self.note(Deviation::ByteOrderMark);
                text
            }
            None => body,
        };
        let mut pieces = text.split(|byte| *byte == b'\n').enumerate().peekable();
        while let Some((index, piece)) = pieces.next() {
            let line = index + 1;
            let is_ended_by_lf = pieces.peek().is_some();
            if piece.is_empty() && !is_ended_by_lf {
                // What follows the last line end is no line.
                break;
            }
            // RFC 8461 §3.2: lines end in LF or CRLF, in any mixture (erratum 6253).
            let piece = match piece.strip_suffix(b"\r") {
                Some(inner) if is_ended_by_lf => inner,
                _ => piece,
            };
            let field = self.without_space_at_end(piece, line);
            if field.is_empty() {
                self.note(Deviation::BlankLine { line });
                continue;
            }
            self.field(field, line)?;
        }
        if !self.seen.contains("version") {
            return Err(Error::MissingVersion);
        }
        let mode = self.mode.ok_or(Error::MissingMode)?;
        let max_age = self.max_age.ok_or(Error::MissingMaxAge)?;
        // RFC 8461 §3.2: at least one pattern, except when the mode is none.
        if self.mx.is_empty() && mode != Mode::None {
            return Err(Error::MissingMx);
        }
        let mut policy = Policy {
            mode,
            max_age,
            mx: std::mem::take(&mut self.mx),
            extensions: std::mem::take(&mut self.extensions),
            served: std::mem::take(&mut self.served),
        };
        // It may be cached for long, among very many.
        policy.mx.shrink_to_fit();
        policy.extensions.shrink_to_fit();
        policy.served.shrink_to_fit();
        Ok(policy)
    }

    /// Removes white space at a line's end. Spaces and tabs are legal there; further carriage returns are
    /// noted.
    fn without_space_at_end(&mut self, piece: &'a [u8], line: usize) -> &'a [u8] {
        let end = piece.iter().rposition(|byte| !is_wsp(*byte) && *byte != b'\r').map_or(0, |at| at + 1);
        let (kept, space) = piece.split_at(end);
        if space.contains(&b'\r') {
            self.note(Deviation::SpaceAtLineEnd { line });
        }
        kept
    }

    fn field(&mut self, field: &'a [u8], line: usize) -> Result<(), Error> {
        if field.contains(&b'\r') {
            return Err(Error::CarriageReturn { line });
        }
        let colon = field.iter().position(|byte| *byte == b':').ok_or(Error::NoColon { line })?;
        let name = field_name(&field[..colon]).ok_or(Error::FieldName { line })?;
        // Every known value fits the rule of extension values, so a line that breaks it fits no rule at all,
        // not even that of a repeated field that is ignored.
        let value = field_value(&field[colon + 1..]).ok_or(Error::FieldValue { line })?;
        self.keep_line(field);

        if name == "mx" {
            let pattern = self.pattern(value, line)?;
            self.mx.push(pattern);
            return Ok(());
        }
        if !self.seen.insert(name) {
            // RFC 8461 §3.2: of every field but mx the first counts, whatever the later ones say.
            self.note(Deviation::DuplicateField { line });
            return Ok(());
        }
        match name {
            "version" if value == VERSION => {}
            "version" => return Err(Error::Version { line }),
            "mode" => self.mode = Some(Mode::from_wire(value).ok_or(Error::Mode { line })?),
            "max_age" => self.max_age = Some(self.lifetime(value, line)?),
            _ => self.extensions.push(Extension { name: name.to_owned(), value: value.to_owned() }),
        }
        Ok(())
    }

    fn pattern(&mut self, value: &str, line: usize) -> Result<MxPattern, Error> {
        let read = match MxPattern::parse(value) {
            Err(PatternError::DotAtEnd) => {
                // The dot only says that the name is complete, so the same hosts match without it.
                self.note(Deviation::DotAfterMx { line });
                MxPattern::parse(value.strip_suffix('.').unwrap_or(value))
            }
            read => read,
        };
        read.map_err(|error| Error::Mx { line, error })
    }

    fn lifetime(&mut self, value: &str, line: usize) -> Result<MaxAge, Error> {
        // RFC 8461 §3.2: 1*10(DIGIT); what is above the maximum is clamped (erratum 7282).
        let is_number = value.len() <= 10 && value.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = value.parse().ok().filter(|_| is_number).ok_or(Error::MaxAge { line })?;
        Ok(MaxAge::from_secs(seconds).unwrap_or_else(|_| {
            self.note(Deviation::MaxAgeClamped { line });
            MaxAge::MAX
        }))
    }

    fn keep_line(&mut self, field: &[u8]) {
        if !self.served.is_empty() {
            self.served.push('\n');
        }
        // Name and value have been found to be UTF-8, so nothing is replaced here.
        self.served.push_str(&String::from_utf8_lossy(field));
    }

    fn note(&mut self, deviation: Deviation) {
        let kind = std::mem::discriminant(&deviation);
        if self.deviations.iter().all(|noted| std::mem::discriminant(noted) != kind) {
            self.deviations.push(deviation);
        }
    }
}

/// The rule of extension values, behind the white space that may follow the colon: UTF-8 without control
/// characters, at least one of them. C1 controls (U+0080 to U+009F) are legal, RFC 8461 §3.2 excludes none
/// of UTF-8.
pub(super) fn field_value(text: &[u8]) -> Option<&str> {
    let start = text.iter().position(|byte| !is_wsp(*byte))?;
    let value = std::str::from_utf8(&text[start..]).ok()?;
    let fits = |byte: u8| byte >= 0x20 && byte != 0x7f;
    value.bytes().all(fits).then_some(value)
}
