//! A log file that grows, is rotated (moved away and made anew) or cut short.
//!
//! Looked at now and then rather than watched: logrotate, copytruncate, containers' bind mounts and network file
//! systems then all work alike. Half a line waits for its end; a line beyond the bound is passed over, and so is one
//! whose beginning was not seen: what stands in its middle may be a stranger's words. What can fail: the file is not
//! there (yet): that is no lines.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tlsward_engine::ports::Timer;

use super::entry::MAX_LINE_BYTES;
use crate::Shutdown;

/// One read.
const CHUNK_BYTES: usize = 64 * 1024;

/// How far a file was read. To be kept over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The device.
    pub device: u64,
    /// The file on it.
    pub inode: u64,
    /// Bytes read, up to the end of a line.
    pub offset: u64,
}

/// Reads lines as they come.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    start: Start,
    longest_line: usize,
    passed_over: u64,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    Beginning,
    End,
    At(Cursor),
}

#[derive(Debug)]
struct Open {
    file: File,
    cursor: Cursor,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// That line is too long, or its beginning was not seen: it is passed over to its end.
    is_passed_over: bool,
}

impl Follower {
    /// Follows `path` from its end as it is at the first look, or from where `cursor` says if that is still the file.
    #[must_use]
    pub fn new(path: &Path, cursor: Option<Cursor>) -> Self {
        let start = cursor.map_or(Start::End, Start::At);
        Self { path: path.to_owned(), start, longest_line: MAX_LINE_BYTES, passed_over: 0, open: None }
    }

    /// Without a cursor, from the file's beginning.
    #[must_use]
    pub fn from_beginning(mut self) -> Self {
        if matches!(self.start, Start::End) {
            self.start = Start::Beginning;
        }
        self
    }

    /// With another bound on lines.
    #[must_use]
    pub fn longest_line(self, bytes: usize) -> Self {
        Self { longest_line: bytes, ..self }
    }

    /// Lines that were longer than the bound, or whose beginning was not seen.
    #[must_use]
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Where it is; `None` before the file was there.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        self.open.as_ref().map(|open| open.cursor)
    }

    /// Hands `each` all whole lines that came since the last look, without their ends.
    ///
    /// # Errors
    /// The disk's. A file that is not there is no error.
    pub fn look(&mut self, mut each: impl FnMut(&str)) -> io::Result<()> {
        self.look_at(|line, _| each(line))
    }

    /// As [`Follower::look`], with the place behind each line: what is kept with it is in step with the file.
    ///
    /// # Errors
    /// The disk's.
    pub fn look_at(&mut self, mut each: impl FnMut(&str, Cursor)) -> io::Result<()> {
        loop {
            if self.open.is_none() {
                match self.open_file() {
                    Ok(open) => self.open = Some(open),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        // Whatever comes now came after we began.
                        self.start = Start::Beginning;
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
            let Some(open) = &mut self.open else { return Ok(()) };
            let longest = self.longest_line;
            self.passed_over += open.read_on(longest, &mut each)?;
            let now = match std::fs::metadata(&self.path) {
                Ok(now) => now,
                // Moved away, and not made anew yet: the old one may still grow.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            if (now.dev(), now.ino()) == (open.cursor.device, open.cursor.inode) {
                return Ok(());
            }
            // Once more: it grew until the moment of the move. Half a line at its end never ends.
            self.passed_over += open.read_on(longest, &mut each)?;
            self.start = Start::Beginning;
            self.open = None;
        }
    }

    /// Looks again and again, `interval` apart, until told to stop.
    pub async fn run(
        mut self,
        timer: impl Timer,
        interval: Duration,
        mut shutdown: Shutdown,
        each: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        let mut each = each;
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                let result = self.look(&mut each);
                (self, each, result)
            });
            let result;
            match looked.await {
                Ok(back) => (self, each, result) = back,
                // A panic in `each`: it goes on where it belongs.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
            if let Err(error) = result {
                tracing::warn!(path = %self.path.display(), %error, "cannot read the mail log; trying again");
            }
            tokio::select! {
                () = crate::told_to_stop(&mut shutdown) => return self,
                () = timer.sleep(interval) => {}
            }
        }
    }

    fn open_file(&self) -> io::Result<Open> {
        let mut file = File::open(&self.path)?;
        let found = file.metadata()?;
        let at = |offset| Cursor { device: found.dev(), inode: found.ino(), offset };
        let cursor = match self.start {
            Start::Beginning => at(0),
            Start::End => at(found.len()),
            Start::At(kept) if kept == at(kept.offset) && kept.offset <= found.len() => kept,
            // Rotated while nobody looked: all of the new file came since.
            Start::At(_) => at(0),
        };
        file.seek(SeekFrom::Start(cursor.offset))?;
        let is_passed_over = !begins_line(&file, cursor.offset)?;
        Ok(Open { file, cursor, line: Vec::new(), is_passed_over })
    }
}

/// Whether a line begins there.
fn begins_line(file: &File, offset: u64) -> io::Result<bool> {
    let Some(before) = offset.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    Ok(file.read_at(&mut byte, before)? == 0 || byte == [b'\n'])
}

impl Open {
    /// Reads on; how many lines were passed over.
    fn read_on(&mut self, longest: usize, each: &mut impl FnMut(&str, Cursor)) -> io::Result<u64> {
        let read = self.cursor.offset + u64::try_from(self.line.len()).unwrap_or(0);
        let is_cut = match self.file.metadata()?.len() {
            length if length < read => true,
            // It may have grown beyond that place since it was cut: then, most likely, no line begins there any more.
            length if length > read && !self.is_passed_over => !begins_line(&self.file, self.cursor.offset)?,
            _ => false,
        };
        if is_cut {
            // Cut short (copytruncate).
            self.cursor.offset = 0;
            self.line.clear();
            self.is_passed_over = false;
            self.file.seek(SeekFrom::Start(0))?;
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut passed_over = 0;
        loop {
            let length = match self.file.read(&mut chunk) {
                Ok(0) => return Ok(passed_over),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            passed_over += self.take(&chunk[..length], longest, each);
        }
    }

    fn take(&mut self, mut bytes: &[u8], longest: usize, each: &mut impl FnMut(&str, Cursor)) -> u64 {
        let mut passed_over = 0;
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (piece, rest) = bytes.split_at(end + 1);
            bytes = rest;
            self.cursor.offset += u64::try_from(self.line.len() + piece.len()).unwrap_or(0);
            let piece = &piece[..end];
            if !std::mem::take(&mut self.is_passed_over) && self.line.len() + piece.len() <= longest {
                self.line.extend_from_slice(piece);
                each(String::from_utf8_lossy(&self.line).trim_end_matches('\r'), self.cursor);
            } else {
                passed_over += 1;
            }
            self.line.clear();
        }
        if self.is_passed_over || self.line.len() + bytes.len() > longest {
            self.cursor.offset += u64::try_from(self.line.len() + bytes.len()).unwrap_or(0);
            self.line.clear();
            self.is_passed_over = true;
        } else {
            self.line.extend_from_slice(bytes);
        }
        passed_over
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
