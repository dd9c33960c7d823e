//! The byte order mark, and UTF-16 behind it decoded to UTF-8 as a stream.

use std::io::Read;

use super::repair::{Repair, RepairKind};

/// A byte order mark at the start of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// The mark with which `start` begins.
pub(crate) fn byte_order_mark(start: &[u8]) -> Option<Mark> {
    match start {
        [0xef, 0xbb, 0xbf, ..] => Some(Mark::Utf8),
        [0xff, 0xfe, ..] => Some(Mark::Utf16Le),
        [0xfe, 0xff, ..] => Some(Mark::Utf16Be),
        _ => None,
    }
}

impl Mark {
    pub(crate) fn len(self) -> usize {
        if self.is_utf16() { 2 } else { 3 }
    }

    pub(crate) fn is_utf16(self) -> bool {
        self != Self::Utf8
    }

    pub(crate) fn repair(self) -> Repair {
        let (kind, text) = match self {
            Self::Utf8 => (RepairKind::ByteOrderMark, "a UTF-8 byte order mark was skipped"),
            Self::Utf16Le => (RepairKind::Utf16, "decoded from UTF-16 (little endian)"),
            Self::Utf16Be => (RepairKind::Utf16, "decoded from UTF-16 (big endian)"),
        };
        Repair { path: String::new(), kind, text: text.to_owned() }
    }
}

/// Reads UTF-16 and yields UTF-8. Half a surrogate pair becomes U+FFFD, an odd last byte is U+FFFD too.
pub(crate) struct Decoded<R> {
    input: R,
    mark: Mark,
    raw: Vec<u8>,
    out: Vec<u8>,
    given: usize,
    high: Option<u16>,
    ended: bool,
}

const CHUNK: usize = 8 * 1024;

impl<R: Read> Decoded<R> {
    pub(crate) fn new(input: R, mark: Mark) -> Self {
        Self { input, mark, raw: Vec::new(), out: Vec::new(), given: 0, high: None, ended: false }
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let kept = self.raw.len();
        self.raw.resize(kept + CHUNK, 0);
        let count = self.input.read(&mut self.raw[kept..]);
        self.raw.truncate(kept + *count.as_ref().unwrap_or(&0));
        self.out.clear();
        self.given = 0;
        if count? == 0 {
            self.ended = true;
            if self.high.take().is_some() || !self.raw.is_empty() {
                self.push(char::REPLACEMENT_CHARACTER);
            }
            self.raw.clear();
            return Ok(());
        }
        let raw = std::mem::take(&mut self.raw);
        let pairs = raw.chunks_exact(2);
        self.raw.extend_from_slice(pairs.remainder());
        for pair in pairs {
            let pair = [pair[0], pair[1]];
            let unit =
                if self.mark == Mark::Utf16Be { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
            self.unit(unit);
        }
        Ok(())
    }

    fn unit(&mut self, unit: u16) {
        if let Some(high) = self.high.take() {
            if let 0xdc00..=0xdfff = unit {
                let scalar = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
                self.push(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
                return;
            }
            self.push(char::REPLACEMENT_CHARACTER);
        }
        match unit {
            0xd800..=0xdbff => self.high = Some(unit),
            _ => self.push(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn push(&mut self, character: char) {
        self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.given == self.out.len() && !self.ended {
            self.fill()?;
        }
        let ready = &self.out[self.given..];
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_is_decoded_across_reads_of_one_byte_and_odd_ends() {
        struct OneByOne<'a>(&'a [u8]);
        impl Read for OneByOne<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                buffer[0] = *first;
                self.0 = rest;
                Ok(1)
            }
        }
        let text = "a\u{1f600}é";
        for mark in [Mark::Utf16Le, Mark::Utf16Be] {
            let mut bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(|unit| if mark == Mark::Utf16Be { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            bytes.push(0x41);
            let mut out = String::new();
            Decoded::new(OneByOne(&bytes), mark).read_to_string(&mut out).unwrap();
            assert_eq!(out, "a\u{1f600}é\u{fffd}");
        }
    }
}
