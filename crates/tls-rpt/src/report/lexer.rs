//! JSON (RFC 8259) as tokens, straight from the bytes, never more than one string in memory.
//!
//! A lexer of our own because no library reads JSON from a stream with a bound on one string, a bound on
//! nesting, and the place of an error in the sender's own bytes; grammar and results are held against serde_json
//! in tests and by fuzzing. It is exact where tolerance would mean guessing: trailing commas, `NaN`, single quotes and
//! raw control characters are refused. Only text that is not UTF-8 is mended (U+FFFD), and said to be.

use super::json::JsonError;
use super::read::ReadError;
use super::source::Source;

/// Arrays and objects inside each other, at most (design: limits).
pub(crate) const MAX_DEPTH: usize = 64;
/// A number token in bytes, at most.
const MAX_NUMBER: usize = 1024;

/// What was wrong with a string, apart from its syntax.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flaws {
    /// Bytes that are not UTF-8, or half a surrogate pair, became U+FFFD.
    pub(crate) not_utf8: bool,
    /// The string was longer than allowed and was cut.
    pub(crate) cut: bool,
}

/// What to do with a string that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooLong {
    Refuse,
    Cut,
}

pub(crate) struct Lexer<S> {
    source: S,
    scratch: Vec<u8>,
    depth: usize,
    pub(crate) max_string: usize,
}

type Result<T> = std::result::Result<T, ReadError>;

impl<S: Source> Lexer<S> {
    pub(crate) fn new(source: S, max_string: usize) -> Self {
        Self { source, scratch: Vec::new(), depth: 0, max_string }
    }

    /// The next byte that is not white space, not consumed; `None` at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            let rest = self.source.rest();
            let mut skip = 0;
            for &byte in rest {
                if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                    self.source.advance(skip);
                    return Ok(Some(byte));
                }
                skip += 1;
            }
            self.source.advance(skip);
            if !self.source.more().map_err(ReadError::Io)? {
                return Ok(None);
            }
        }
    }

    /// As [`Lexer::peek`] where the end of the input is an error.
    #[inline]
    pub(crate) fn peek_value(&mut self) -> Result<u8> {
        match self.peek()? {
            Some(byte) => Ok(byte),
            None => Err(self.error("the JSON ends too early")),
        }
    }

    /// Consumes the byte that was just peeked.
    #[inline]
    pub(crate) fn bump(&mut self) {
        self.source.advance(1);
    }

    /// Raw bytes at hand, for the byte order mark and for naming trailing bytes. At least `want`, if there are.
    pub(crate) fn ahead(&mut self, want: usize) -> Result<&[u8]> {
        while self.source.rest().len() < want {
            if !self.source.more().map_err(ReadError::Io)? {
                break;
            }
        }
        Ok(self.source.rest())
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.source.advance(count);
    }

    #[cold]
    pub(crate) fn error(&self, what: &'static str) -> ReadError {
        let (line, column) = self.source.place();
        ReadError::Json(JsonError { what, line, column })
    }

    #[cold]
    pub(crate) fn limit(&self, what: &'static str) -> ReadError {
        let (line, column) = self.source.place();
        ReadError::Limit { what, line, column }
    }

    /// Enters an object or array whose opening byte was just peeked. False if it is empty (and left again).
    #[inline]
    pub(crate) fn open(&mut self, close: u8) -> Result<bool> {
        if self.depth == MAX_DEPTH {
            return Err(self.limit("nesting deeper than 64"));
        }
        self.bump();
        if self.peek_value()? == close {
            self.bump();
            return Ok(false);
        }
        self.depth += 1;
        Ok(true)
    }

    /// After an element: true if another follows, false if the object or array was closed.
    #[inline]
    pub(crate) fn next(&mut self, close: u8) -> Result<bool> {
        let byte = self.peek_value()?;
        if byte == b',' {
            self.bump();
            if self.peek_value()? == close {
                return Err(self.error("a trailing comma"));
            }
            return Ok(true);
        }
        if byte == close {
            self.bump();
            self.depth -= 1;
            return Ok(false);
        }
        Err(self.error(if close == b'}' {
            "expected a comma or the end of the object"
        } else {
            "expected a comma or the end of the array"
        }))
    }

    /// Consumes white space and a byte that must come.
    #[inline]
    fn expect(&mut self, byte: u8, what: &'static str) -> Result<()> {
        if self.peek_value()? != byte {
            return Err(self.error(what));
        }
        self.bump();
        Ok(())
    }

    /// A member's key and the colon after it.
    #[inline]
    pub(crate) fn key<T>(&mut self, take: impl FnOnce(&str) -> T) -> Result<T> {
        if self.peek_value()? != b'"' {
            return Err(self.error("expected a key in double quotes"));
        }
        let key = self.string(TooLong::Refuse, |text, _| take(text))?;
        self.expect(b':', "expected a colon after the key")?;
        Ok(key)
    }

    /// A string whose opening quote was just peeked.
    #[inline]
    pub(crate) fn string<T>(&mut self, too_long: TooLong, take: impl FnOnce(&str, Flaws) -> T) -> Result<T> {
        self.bump();
        let rest = self.source.rest();
        let plain = plain_run(rest);
        if plain < rest.len() && rest[plain] == b'"' && plain <= self.max_string {
            let taken = match self.source.known_text(plain) {
                Some(text) => take(text, Flaws::default()),
                None => lossy(&rest[..plain], take),
            };
            self.source.advance(plain + 1);
            return Ok(taken);
        }
        let mut flaws = self.long_string(too_long)?;
        Ok(match str::from_utf8(&self.scratch) {
            Ok(text) => take(text, flaws),
            Err(_) => {
                flaws.not_utf8 = true;
                take(&String::from_utf8_lossy(&self.scratch), flaws)
            }
        })
    }

    /// A string with escapes, or over the edge of the window, into the scratch.
    #[cold]
    fn long_string(&mut self, too_long: TooLong) -> Result<Flaws> {
        self.scratch.clear();
        let mut flaws = Flaws::default();
        loop {
            let rest = self.source.rest();
            let plain = plain_run(rest);
            let room = self.max_string.saturating_sub(self.scratch.len());
            self.scratch.extend_from_slice(&rest[..plain.min(room)]);
            if plain > room {
                if too_long == TooLong::Refuse {
                    return Err(self.limit("a string longer than 64 KiB"));
                }
                flaws.cut = true;
            }
            let stop = rest.get(plain).copied();
            self.source.advance(plain);
            match stop {
                None => {
                    if !self.source.more().map_err(ReadError::Io)? {
                        return Err(self.error("the JSON ends within a string"));
                    }
                }
                Some(b'"') => {
                    self.bump();
                    break;
                }
                Some(b'\\') => self.escape(&mut flaws)?,
                Some(_) => return Err(self.error("a raw control character in a string")),
            }
        }
        if flaws.cut {
            // Not in the middle of a character.
            let whole = (self.scratch.len().saturating_sub(3)..=self.scratch.len())
                .rev()
                .find(|&end| str::from_utf8(&self.scratch[end.saturating_sub(4)..end]).is_ok())
                .unwrap_or(self.scratch.len());
            if str::from_utf8(&self.scratch).is_err() {
                self.scratch.truncate(whole);
            }
        }
        Ok(flaws)
    }

    fn escape(&mut self, flaws: &mut Flaws) -> Result<()> {
        let Some(&letter) = self.ahead(2)?.get(1) else {
            return Err(self.error("the JSON ends within a string"));
        };
        let plain = match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode_escape(flaws),
            _ => return Err(self.error("an unknown escape in a string")),
        };
        self.skip(2);
        self.push(plain_char(plain), flaws);
        Ok(())
    }

    fn unicode_escape(&mut self, flaws: &mut Flaws) -> Result<()> {
        let Some(first) = hex4(self.ahead(6)?) else {
            return Err(self.error("a broken \\u escape in a string"));
        };
        self.skip(6);
        let found = match first {
            0xd800..=0xdbff => match hex4(self.ahead(6)?) {
                Some(second @ 0xdc00..=0xdfff) => {
                    self.skip(6);
                    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
                }
                // RFC 7493 §2.1 forbids half a pair; RFC 8259 §8.2 lets it stand. The other half is read on its own.
                _ => None,
            },
            other => char::from_u32(other),
        };
        flaws.not_utf8 |= found.is_none();
        self.push(found.unwrap_or(char::REPLACEMENT_CHARACTER), flaws);
        Ok(())
    }

    fn push(&mut self, character: char, flaws: &mut Flaws) {
        if self.scratch.len() + character.len_utf8() > self.max_string {
            flaws.cut = true;
        } else {
            self.scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// A plain count that stands whole in the window: digits without leading zero, 16 at most.
    #[inline]
    pub(crate) fn plain_integer(&mut self) -> Option<u64> {
        let rest = self.source.rest();
        let mut value = 0u64;
        for (length, &byte) in rest.iter().take(17).enumerate() {
            if !byte.is_ascii_digit() {
                let ends = matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                let zero_led = length > 1 && rest[0] == b'0';
                if !ends || length == 0 || zero_led {
                    return None;
                }
                self.source.advance(length);
                return Some(value);
            }
            value = value * 10 + u64::from(byte - b'0');
        }
        None
    }

    /// A number whose first byte was just peeked, in its own spelling.
    pub(crate) fn number<T>(&mut self, take: impl FnOnce(&str) -> T) -> Result<T> {
        self.scratch.clear();
        loop {
            let rest = self.source.rest();
            let run = rest
                .iter()
                .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                .count();
            if self.scratch.len() + run > MAX_NUMBER {
                return Err(self.limit("a number of more than 1024 digits"));
            }
            self.scratch.extend_from_slice(&rest[..run]);
            let ended = run < rest.len();
            self.source.advance(run);
            if ended || !self.source.more().map_err(ReadError::Io)? {
                break;
            }
        }
        if !is_number(&self.scratch) {
            return Err(self.error("not a JSON number"));
        }
        Ok(take(str::from_utf8(&self.scratch).unwrap_or_default()))
    }

    /// `true`, `false` or `null`, whose first byte was just peeked.
    pub(crate) fn literal(&mut self, word: &'static str) -> Result<()> {
        let found = self.ahead(word.len() + 1)?;
        let follows_word = found.get(word.len()).is_some_and(u8::is_ascii_alphanumeric);
        if !found.starts_with(word.as_bytes()) || follows_word {
            return Err(self.error("not a JSON value"));
        }
        self.skip(word.len());
        Ok(())
    }
}

/// Text that may not be UTF-8.
fn lossy<T>(bytes: &[u8], take: impl FnOnce(&str, Flaws) -> T) -> T {
    match str::from_utf8(bytes) {
        Ok(text) => take(text, Flaws::default()),
        Err(_) => take(&String::from_utf8_lossy(bytes), Flaws { not_utf8: true, ..Flaws::default() }),
    }
}

fn plain_char(byte: u8) -> char {
    char::from(byte)
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..6).filter(|escape| escape.starts_with(b"\\u"))?;
    digits[2..].iter().try_fold(0, |value, byte| Some(value * 16 + char::from(*byte).to_digit(16)?))
}

/// RFC 8259 §6.
fn is_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> usize {
        text.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', unsigned @ ..] => unsigned,
            unsigned => unsigned,
        };
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}

/// How many bytes come before a quote, a backslash or a control character.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 128;
    let mut at = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word =
            u64::from_le_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]);
        // The classic test for a zero byte, on each of the three conditions; bytes from 0x80 on never match.
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        let hit = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let hit = hit & HIGHS;
        if hit != 0 {
            // Borrows can mark only bytes above a true hit, so the lowest mark is true.
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    for &byte in words.remainder() {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            return at;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_of_plain_bytes_ends_at_the_first_special_byte_wherever_it_stands() {
        for length in 0..40 {
            for special in [b'"', b'\\', 0u8, 0x1f, b'\n'] {
                for filler in [b'a', 0x20, 0x7f, 0x80, 0xff, 0x21, 0x23, 0x5b, 0x5d] {
                    let mut bytes = vec![filler; length];
                    assert_eq!(plain_run(&bytes), length);
                    bytes.push(special);
                    bytes.extend_from_slice(&[filler, special, filler]);
                    assert_eq!(plain_run(&bytes), length, "{special} after {length} of {filler}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_those_of_rfc_8259() {
        for good in ["0", "-0", "1", "10", "1.5", "1e9", "1E+9", "-1.25e-3"] {
            assert!(is_number(good.as_bytes()), "{good}");
        }
        for bad in ["", "-", "01", "1.", ".5", "1e", "+1", "1e+", "--1", "1.2.3", "-01"] {
            assert!(!is_number(bad.as_bytes()), "{bad}");
        }
    }
}
