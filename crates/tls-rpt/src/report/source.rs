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
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    lines_before: u64,
    columns_before: u64,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; WINDOW].into_boxed_slice(),
            start: 0,
            end: 0,
            lines_before: 0,
            columns_before: 0,
        }
    }

    fn count(&self) -> (u64, u64) {
        let seen = &self.buffer[..self.start];
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
        &self.buffer[self.start..self.end]
    }

    #[inline]
    fn known_text(&self, _count: usize) -> Option<&str> {
        None
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.start += count;
    }

    fn more(&mut self) -> std::io::Result<bool> {
        if self.start > 0 {
            (self.lines_before, self.columns_before) = self.count();
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // The lexer consumes what it has seen before it asks for more, so a full window cannot be.
        if self.end == self.buffer.len() {
            return Err(ErrorKind::OutOfMemory.into());
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.end += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn place(&self) -> (u64, u64) {
        let (lines, columns) = self.count();
        (lines + 1, columns + 1)
    }
}
