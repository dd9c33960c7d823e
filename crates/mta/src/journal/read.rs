//! Reading what was appended, from a position on.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use super::frame::{self, Frame, HEAD_BYTES, MAX_PAYLOAD_BYTES, Record};
use super::segment::{self, HEADER_BYTES};
use super::{Position, resume};

/// One read from disk.
const CHUNK_BYTES: usize = 256 * 1024;

/// A part of a segment that could not be read. Its records are lost; those behind it are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Where.
    pub at: Position,
    /// How many bytes are lost.
    pub bytes: u64,
}

/// Reads records in the order in which they were appended. It may run while the journal is appended to; what is not
/// there yet comes at a later call.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    next: Position,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// Where the first byte that was not handed out stands.
    place: Position,
    file: File,
    /// Bytes read and not yet handed out, from `used` on.
    buffer: Vec<u8>,
    used: usize,
}

impl Reader {
    /// Reads what stands behind `from`.
    #[must_use]
    pub fn new(folder: PathBuf, from: Position) -> Self {
        Self { folder, next: from, open: None }
    }

    /// The place behind the last record that was handed out: keep it with what was counted.
    #[must_use]
    pub fn position(&self) -> Position {
        self.next
    }

    /// Hands `each` up to `limit` records in front of `until`, the end of what was appended; returns how many there
    /// were. `damaged` hears of what had to be skipped. (Behind `until` may stand half of a group whose append
    /// fails.)
    ///
    /// # Errors
    /// The disk's. What was handed out before stays handed out: [`Reader::position`] is right.
    pub fn read(
        &mut self,
        until: Position,
        limit: usize,
        mut each: impl FnMut(Record<'_>),
        mut damaged: impl FnMut(Damage),
    ) -> io::Result<usize> {
        let mut count = 0;
        while count < limit && self.next < until {
            let Some(open) = self.opened()? else { break };
            let place = open.place;
            let is_torn = match frame::take(&open.buffer[open.used..], place.segment, place.offset) {
                Frame::Whole(record, length) => {
                    each(record);
                    open.used += length;
                    open.place.offset = place.offset + u64::try_from(length).unwrap_or(0);
                    self.next = open.place;
                    count += 1;
                    continue;
                }
                Frame::Unfinished => true,
                Frame::Broken => false,
            };
            if is_torn && open.fill()? {
                continue;
            }
            // What was appended is whole, so in front of `until` this is damage. In an older segment too: it was finished
            // before the newer one was made, but perhaps after it was read.
            let newer = self.newer_than(place.segment)?;
            let Some(open) = &mut self.open else { break };
            if is_torn && newer.is_some() && open.fill()? {
                continue;
            }
            let is_last = until.segment == place.segment;
            let limit = if is_last { until.offset } else { open.length()? };
            let next = match (resume::next_frame(&open.file, place.segment, place.offset, limit)?, newer) {
                (Some(offset), _) => Position { offset, ..place },
                (None, _) if is_last => until,
                (None, Some(newer)) => Position { segment: newer, offset: HEADER_BYTES },
                // At the end of the newest segment this is what is being written, or will be.
                (None, None) => break,
            };
            let behind = if next.segment == place.segment { next.offset } else { limit };
            if behind > place.offset {
                damaged(Damage { at: place, bytes: behind - place.offset });
            }
            self.next = next;
            self.open = None;
        }
        Ok(count)
    }

    /// The segment that `next` is in, or the first behind it that exists.
    fn opened(&mut self) -> io::Result<Option<&mut Open>> {
        if self.open.is_none() {
            let segments = segment::list(&self.folder)?;
            let Some(found) = segments.into_iter().find(|number| *number >= self.next.segment) else {
                return Ok(None);
            };
            if found != self.next.segment {
                self.next = Position { segment: found, offset: HEADER_BYTES };
            }
            self.next.offset = self.next.offset.max(HEADER_BYTES);
            let mut file = File::open(segment::path(&self.folder, found))?;
            file.seek(SeekFrom::Start(self.next.offset))?;
            self.open = Some(Open { place: self.next, file, buffer: Vec::new(), used: 0 });
        }
        Ok(self.open.as_mut())
    }

    fn newer_than(&self, segment: u64) -> io::Result<Option<u64>> {
        Ok(segment::list(&self.folder)?.into_iter().find(|number| *number > segment))
    }
}

impl Open {
    /// Reads on; whether anything came.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.used);
        self.used = 0;
        if self.buffer.len() > HEAD_BYTES + MAX_PAYLOAD_BYTES {
            return Ok(false);
        }
        let limit = u64::try_from(CHUNK_BYTES).unwrap_or(0);
        Ok((&mut self.file).take(limit).read_to_end(&mut self.buffer)? > 0)
    }

    /// Bytes of the segment.
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}
