//! Bytes to lex: a slice, or a window that slides over a reader. Knows line and column for error texts.

use std::io::{ErrorKind, Read};

/// Where the lexer takes its bytes from.
pub(crate) trait Source {
    /// The bytes at hand that are not consumed yet.
    fn rest(&self) -> &[u8];
    /// The first `count` bytes of [`Source::rest`], if they are known to be UTF-8.
    fn known_text(&self, count: usize) -> Option<&str>;
    /// Consumes `count` bytes of [`Source::rest`].
    fn advance(&mut self, count: usize);
    /// Gets more bytes behind those at hand; false at the end. What is at hand may move.
    fn more(&mut self) -> std::io::Result<bool>;
    /// Line and column of the next byte, both from 1, the column in bytes.
    fn place(&self) -> (u64, u64);
}

/// All bytes in memory.
pub(crate) struct Slice<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The same bytes, if all of them are UTF-8: one check for the whole is cheaper than one for each string.
    text: Option<&'a str>,
}

impl<'a> Slice<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, text: simdutf8::basic::from_utf8(bytes).ok() }
    }
}

impl Source for Slice<'_> {
    #[inline]
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    #[inline]
    fn known_text(&self, count: usize) -> Option<&str> {
        self.text?.get(self.at..self.at + count)
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.at += count;
    }

    #[inline]
    fn more(&mut self) -> std::io::Result<bool> {
        Ok(false)
    }

    fn place(&self) -> (u64, u64) {
        let seen = &self.bytes[..self.at];
        let lines = memchr::memchr_iter(b'\n', seen).count() as u64;
        let line_start = memchr::memrchr(b'\n', seen).map_or(0, |newline| newline + 1);
        (lines + 1, (seen.len() - line_start) as u64 + 1)
    }
}

const WINDOW: usize = 64 * 1024;

/// A window over a reader.
pub(crate) struct Window<R> {
    reader: R,
    chunk: Box<[u8]>,
    held: Held,
    start: usize,
    lines_before: u64,
    columns_before: u64,
}

/// What is in the window: as text where all of it is UTF-8, so that its strings need no check of their own.
enum Held {
    Text(String),
    Bytes(Vec<u8>),
}

impl Held {
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl From<Vec<u8>> for Held {
    fn from(bytes: Vec<u8>) -> Self {
        // A character cut by the window's edge makes it bytes too, until the next one.
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }
}

impl<R: Read> Window<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            chunk: vec![0; WINDOW].into_boxed_slice(),
            held: Held::Bytes(Vec::with_capacity(WINDOW)),
            start: 0,
            lines_before: 0,
            columns_before: 0,
        }
    }

    fn read_chunk(&mut self, room: usize) -> std::io::Result<usize> {
        loop {
            match self.reader.read(&mut self.chunk[..room]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    fn count(&self) -> (u64, u64) {
        let seen = &self.held.as_bytes()[..self.start];
        match memchr::memrchr(b'\n', seen) {
            Some(newline) => (
                self.lines_before + memchr::memchr_iter(b'\n', seen).count() as u64,
                (seen.len() - newline - 1) as u64,
            ),
            None => (self.lines_before, self.columns_before + seen.len() as u64),
        }
    }
}

impl<R: Read> Source for Window<R> {
    #[inline]
    fn rest(&self) -> &[u8] {
        &self.held.as_bytes()[self.start..]
    }

    #[inline]
    fn known_text(&self, count: usize) -> Option<&str> {
        match &self.held {
            Held::Text(text) => text.get(self.start..self.start + count),
            Held::Bytes(_) => None,
        }
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.start += count;
    }

    fn more(&mut self) -> std::io::Result<bool> {
        (self.lines_before, self.columns_before) = self.count();
        let mut bytes = std::mem::replace(&mut self.held, Held::Bytes(Vec::new())).into_bytes();
        bytes.drain(..self.start);
        self.start = 0;
        // The lexer consumes what it has seen before it asks for more, so a full window cannot be.
        let room = WINDOW.saturating_sub(bytes.len());
        let outcome = if room == 0 { Err(ErrorKind::OutOfMemory.into()) } else { self.read_chunk(room) };
        bytes.extend_from_slice(&self.chunk[..*outcome.as_ref().unwrap_or(&0)]);
        self.held = Held::from(bytes);
        outcome.map(|count| count > 0)
    }

    fn place(&self) -> (u64, u64) {
        let (lines, columns) = self.count();
        (lines + 1, columns + 1)
    }
}
