//! Single values of a report, read as senders write them: texts, counts, times, names, lists of strings.

use super::fields::{Admission, Field, Known, Seen, lookup};
use super::json::{Allowance, Json};
use super::lexer::{Flaws, Lexer, TooLong};
use super::model::Extra;
use super::names;
use super::read::ReadError;
use super::repair::RepairKind;
use super::source::{Slice, Source};
use super::time::{self, Form, Timestamp};
use super::trail::{Trail, shown};
use super::write::write_json;
use crate::text::Text;

/// Bytes that the extra members of one object may take, and the strings of one list.
pub(crate) const EXTRA_BYTES: usize = 64 * 1024;
/// Extra members of one object; more are left out.
const EXTRA_MEMBERS: usize = 64;
/// I-JSON's largest integer (RFC 7493 §2.2): beyond it a count is absurd.
const MAX_COUNT: u64 = 1 << 53;

type Result<T> = std::result::Result<T, ReadError>;

/// A lexer and the trail of what it has met.
pub(crate) struct Values<S> {
    pub(crate) lexer: Lexer<S>,
    pub(crate) trail: Trail,
}

/// A member that has a place in the model.
pub(crate) struct Member<F> {
    pub(crate) field: F,
    pub(crate) again: bool,
}

impl<S: Source> Values<S> {
    /// Reads a key. Members without a place go into `extra`, and `None` comes back.
    #[inline]
    pub(crate) fn member<F: Field>(
        &mut self,
        seen: &mut Seen,
        extra: &mut Extras,
    ) -> Result<Option<Member<F>>> {
        match self.lexer.key(lookup::<F>)? {
            Known::Exact(field) => {
                let again = seen.admit(field, true) == Admission::Again;
                if again {
                    self.note_again(field.key());
                }
                Ok(Some(Member { field, again }))
            }
            Known::Misspelt(field, key) => self.misspelt(seen, extra, field, &key),
            Known::Unknown(key) => self.extra(extra, &key).map(|()| None),
        }
    }

    #[cold]
    fn misspelt<F: Field>(
        &mut self,
        seen: &mut Seen,
        extra: &mut Extras,
        field: F,
        key: &Text,
    ) -> Result<Option<Member<F>>> {
        let admission = seen.admit(field, false);
        if admission == Admission::Extra {
            return self.extra(extra, key).map(|()| None);
        }
        self.trail.note(key, RepairKind::KeyRenamed, format!("read as {}", field.key()));
        let again = admission == Admission::Again;
        if again {
            self.note_again(field.key());
        }
        Ok(Some(Member { field, again }))
    }

    #[cold]
    fn note_again(&mut self, key: &str) {
        self.trail.note(key, RepairKind::DuplicateKey, "more than once; the last was taken".to_owned());
    }

    #[cold]
    fn extra(&mut self, extra: &mut Extras, key: &Text) -> Result<()> {
        let Extras { members, allowance, count } = extra;
        (allowance.cut, allowance.not_utf8, allowance.repeated_key) = (false, false, false);
        let room = *count < EXTRA_MEMBERS && allowance.take(key.len());
        let mut none = Allowance::new(0);
        let value = self.lexer.value(if room { allowance } else { &mut none })?;
        if !room || allowance.cut || value.is_none() {
            self.trail.note(key, RepairKind::Cut, "an extra value beyond the limit was cut".to_owned());
        }
        if allowance.not_utf8 {
            self.trail.note(key, RepairKind::InvalidUtf8, "not UTF-8; replaced".to_owned());
        }
        if allowance.repeated_key {
            self.trail.note(
                key,
                RepairKind::DuplicateKey,
                "more than once within it; the last was taken".to_owned(),
            );
        }
        if let Some(value) = value.filter(|_| room) {
            if members.set(key.clone(), value) {
                self.note_again(key);
            } else {
                *count += 1;
            }
        }
        Ok(())
    }

    /// True if an object comes; null and other types are consumed and noted.
    #[inline]
    pub(crate) fn is_object(&mut self, key: &'static str) -> Result<bool> {
        match self.lexer.peek_value()? {
            b'{' => Ok(true),
            _ => self.unfit(key).map(|()| false),
        }
    }

    /// Consumes a value that has no place here: null is left out, anything else is of a wrong type.
    #[cold]
    pub(crate) fn unfit(&mut self, key: &str) -> Result<()> {
        if self.lexer.peek_value()? == b'n' {
            self.lexer.literal("null")?;
            self.trail.note(key, RepairKind::NullDropped, "null; left out".to_owned());
            return Ok(());
        }
        self.drop_value(key, RepairKind::WrongType)
    }

    #[cold]
    fn drop_value(&mut self, key: &str, kind: RepairKind) -> Result<()> {
        let mut allowance = Allowance::new(4096);
        let value = self.lexer.value(&mut allowance)?.unwrap_or(Json::Null);
        let mut text = Vec::new();
        write_json(&mut text, &value);
        let text = String::from_utf8_lossy(&text);
        self.trail.note(key, kind, format!("left out: {}", shown(&text)));
        Ok(())
    }

    #[cold]
    fn note_flaws(&mut self, key: &str, flaws: Flaws) {
        if flaws.not_utf8 {
            self.trail.note(key, RepairKind::InvalidUtf8, "not UTF-8; replaced".to_owned());
        }
        if flaws.cut {
            self.trail.note(key, RepairKind::Cut, "longer than allowed; cut".to_owned());
        }
    }

    #[inline]
    fn string(&mut self, key: &str, too_long: TooLong) -> Result<Text> {
        let (text, flaws) = self.lexer.string(too_long, |text, flaws| (Text::new(text), flaws))?;
        if flaws != Flaws::default() {
            self.note_flaws(key, flaws);
        }
        Ok(text)
    }

    /// A text; a number is taken for the text it was meant to be.
    #[inline]
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<Text>> {
        match self.lexer.peek_value()? {
            b'"' => self.string(key, TooLong::Refuse).map(Some),
            _ => self.other_text(key),
        }
    }

    #[cold]
    fn other_text(&mut self, key: &str) -> Result<Option<Text>> {
        if matches!(self.lexer.peek_value()?, b'-' | b'0'..=b'9') {
            let text = self.lexer.number(|text| Text::new(text))?;
            self.trail.note(
                key,
                RepairKind::NumberToText,
                format!("a number; read as the text {}", shown(&text)),
            );
            return Ok(Some(text));
        }
        self.unfit(key).map(|()| None)
    }

    /// An address (IP or mail): as [`Values::text`], but empty is absent.
    #[inline]
    pub(crate) fn address(&mut self, key: &str) -> Result<Option<Text>> {
        Ok(match self.text(key)? {
            Some(text) if text.is_empty() => {
                self.trail.note(key, RepairKind::NullDropped, "empty; left out".to_owned());
                None
            }
            other => other,
        })
    }

    /// A domain or host in normal form.
    #[inline]
    pub(crate) fn name(&mut self, key: &str) -> Result<Option<Text>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        Ok(self.normal_name(key, &text))
    }

    #[inline]
    fn normal_name(&mut self, key: &str, text: &str) -> Option<Text> {
        match names::normal(text) {
            Some((name, false)) => Some(name),
            Some((name, true)) => {
                self.trail.note(
                    key,
                    RepairKind::NameNormalised,
                    format!("{} became {}", shown(text), shown(&name)),
                );
                Some(name)
            }
            None => {
                self.trail.note(key, RepairKind::NullDropped, "empty; left out".to_owned());
                None
            }
        }
    }

    /// A token of a registry: `recognise` makes the value, `wire` tells its registered spelling.
    #[inline]
    pub(crate) fn token<T>(
        &mut self,
        key: &str,
        recognise: impl FnOnce(&str) -> T,
        wire: impl FnOnce(&T) -> &str,
    ) -> Result<Option<T>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let value = recognise(&text);
        let spelt = wire(&value);
        if spelt != text {
            self.trail.note(key, RepairKind::TokenNormalised, format!("{} became {spelt}", shown(&text)));
        }
        Ok(Some(value))
    }

    /// A count of sessions.
    #[inline]
    pub(crate) fn count(&mut self, key: &str) -> Result<Option<u64>> {
        self.lexer.peek_value()?;
        match self.lexer.plain_integer() {
            Some(count) if count <= MAX_COUNT => Ok(Some(count)),
            Some(count) => {
                self.trail.note(key, RepairKind::CountDropped, format!("left out: {count} is above 2^53"));
                Ok(None)
            }
            None => self.other_count(key),
        }
    }

    #[cold]
    fn other_count(&mut self, key: &str) -> Result<Option<u64>> {
        let text = match self.lexer.peek_value()? {
            b'"' => self.lexer.string(TooLong::Cut, |text, _| shown(text.trim()))?,
            b'-' | b'0'..=b'9' => {
                let text = self.lexer.number(shown)?;
                // A plain count after all, over the edge of the window.
                if let Ok(count) = text.parse::<u64>()
                    && count <= MAX_COUNT
                {
                    return Ok(Some(count));
                }
                text
            }
            b'n' => return self.unfit(key).map(|()| None),
            _ => return self.drop_value(key, RepairKind::CountDropped).map(|()| None),
        };
        match integral(&text) {
            Some(count) => {
                self.trail.note(key, RepairKind::CountConverted, format!("{text} became {count}"));
                Ok(Some(count))
            }
            None => {
                self.trail.note(key, RepairKind::CountDropped, format!("left out: {text} is no count"));
                Ok(None)
            }
        }
    }

    /// A point in time.
    pub(crate) fn time(&mut self, key: &str) -> Result<Option<Timestamp>> {
        let text = match self.lexer.peek_value()? {
            b'"' => self.lexer.string(TooLong::Cut, |text, _| Text::new(text))?,
            b'-' | b'0'..=b'9' => self.lexer.number(|text| Text::new(text))?,
            _ => return self.unfit(key).map(|()| None),
        };
        let found = time::read(&text).or_else(|| {
            Some((Timestamp::from_unix(i64::try_from(integral(&text)?).ok()?)?, Form::Converted))
        });
        match found {
            Some((time, Form::Normal)) => Ok(Some(time)),
            Some((time, Form::Converted)) => {
                self.trail.note(key, RepairKind::TimeConverted, format!("{} became {time}", shown(&text)));
                Ok(Some(time))
            }
            None => {
                self.trail.note(
                    key,
                    RepairKind::TimeDropped,
                    format!("left out: {} is no time", shown(&text)),
                );
                Ok(None)
            }
        }
    }

    /// A list of strings, each through `finish`.
    pub(crate) fn strings(&mut self, key: &'static str, names: bool) -> Result<Option<Vec<Text>>> {
        let mut list = List { items: Vec::new(), bytes: EXTRA_BYTES, cut: false };
        match self.lexer.peek_value()? {
            b'[' => {
                let mut more = self.lexer.open(b']')?;
                while more {
                    self.list_item(key, &mut list, names)?;
                    more = self.lexer.next(b']')?;
                }
            }
            b'"' => {
                let text = self.string(key, TooLong::Cut)?;
                match array_in(&text) {
                    Some(inner) => {
                        self.trail.note(
                            key,
                            RepairKind::ArrayInString,
                            "a string that holds an array".to_owned(),
                        );
                        self.push_all(key, &mut list, inner, names);
                    }
                    None => {
                        self.trail.note(
                            key,
                            RepairKind::WrappedInArray,
                            "a string became an array of one".to_owned(),
                        );
                        self.push(key, &mut list, text, names);
                    }
                }
            }
            _ => return self.unfit(key).map(|()| None),
        }
        if list.cut {
            self.trail.note(key, RepairKind::Cut, "more than 64 KiB of strings; cut".to_owned());
        }
        Ok(Some(list.items))
    }

    #[inline]
    fn list_item(&mut self, key: &'static str, list: &mut List, names: bool) -> Result<()> {
        if self.lexer.peek_value()? != b'"' {
            if let Some(text) = self.other_text(key)? {
                self.push(key, list, text, names);
            }
            return Ok(());
        }
        let text = self.string(key, TooLong::Cut)?;
        // Microsoft's tlsa rows: one element that is itself the array.
        if text.starts_with('[')
            && let Some(inner) = array_in(&text)
        {
            self.trail.note(key, RepairKind::ArrayInString, "a string that holds an array".to_owned());
            self.push_all(key, list, inner, names);
            return Ok(());
        }
        self.push(key, list, text, names);
        Ok(())
    }

    #[cold]
    fn push_all(&mut self, key: &str, list: &mut List, inner: Vec<Text>, names: bool) {
        for text in inner {
            self.push(key, list, text, names);
        }
    }

    #[inline]
    fn push(&mut self, key: &str, list: &mut List, text: Text, names: bool) {
        // Sixteen bytes for the element itself, so that a million empty strings are bounded too.
        let cost = text.len() + 16;
        if cost > list.bytes {
            list.bytes = 0;
            list.cut = true;
            return;
        }
        list.bytes -= cost;
        if list.items.capacity() == 0 {
            // A policy has five lines or so: one allocation.
            list.items.reserve_exact(8);
        }
        if !names {
            list.items.push(text);
        } else if let Some(name) = self.normal_name(key, &text) {
            list.items.push(name);
        }
    }
}

struct List {
    items: Vec<Text>,
    bytes: usize,
    cut: bool,
}

/// The extra members of an object, as they are gathered.
pub(crate) struct Extras {
    pub(crate) members: Extra,
    allowance: Allowance,
    count: usize,
}

impl Extras {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { members: Extra::default(), allowance: Allowance::new(EXTRA_BYTES), count: 0 }
    }
}

/// The strings of a JSON array that a string holds.
fn array_in(text: &str) -> Option<Vec<Text>> {
    let trimmed = text.trim();
    if !trimmed.starts_with('[') {
        return None;
    }
    let mut lexer = Lexer::new(Slice::new(trimmed.as_bytes()), EXTRA_BYTES);
    let mut allowance = Allowance::new(2 * EXTRA_BYTES);
    let Ok(Some(Json::Array(elements))) = lexer.value(&mut allowance) else { return None };
    if allowance.cut || lexer.peek().ok()?.is_some() {
        return None;
    }
    elements
        .into_iter()
        .map(|element| match element {
            Json::String(text) | Json::Number(text) => Some(text),
            _ => None,
        })
        .collect()
}

/// The integer that a number token or a numeric text stands for, if it is one between 0 and 2^53.
fn integral(text: &str) -> Option<u64> {
    if !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|count| *count <= MAX_COUNT);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain(whole) && plain(fraction) && !whole.is_empty() && text.contains('.') {
        return fraction.bytes().all(|digit| digit == b'0').then(|| integral(whole)).flatten();
    }
    // With an exponent, or a sign.
    let numeric = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
    let value: f64 = text.parse().ok().filter(|_| numeric)?;
    (value.fract() == 0.0 && (0.0..=MAX_COUNT as f64).contains(&value)).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integral_texts_and_floats_are_counts_and_nothing_else_is() {
        let table = [
            ("0", Some(0)),
            ("90", Some(90)),
            ("90.0", Some(90)),
            ("9e1", Some(90)),
            ("+5", Some(5)),
            ("-0", Some(0)),
            ("9007199254740992", Some(1 << 53)),
            ("9007199254740993", None),
            ("1.5", None),
            ("90.00000000000000000001", None),
            ("-1", None),
            ("1e400", None),
            ("inf", None),
            ("NaN", None),
            ("", None),
            ("1,000", None),
            ("0x10", None),
            (".", None),
        ];
        for (text, expected) in table {
            assert_eq!(integral(text), expected, "{text}");
        }
    }
}
