//! Appending, syncing, recovering, retiring.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::frame::{self, Frame, Record};
use super::segment::{self, HEADER_BYTES};
use super::{Position, Reader};

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process writes to it. Two would tear each other's records.
    #[error("the journal {0} is in use by another process")]
    InUse(PathBuf),
    /// The disk.
    #[error("cannot use the journal {path}: {error}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// How it is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// A segment is closed when it is this large. Only closed segments are retired.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 16 * 1024 * 1024 }
    }
}

/// What was found at the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Bytes of a torn record that were cut off the end: its append had not returned.
    pub cut_bytes: u64,
    /// The newest segment is damaged. It is left as it is, and a new one begun; a [`Reader`] tells where.
    pub is_damaged: bool,
}

/// The write side. One for each folder, held by a lock on the file `lock` in it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    options: Options,
    current: Arc<Mutex<Arc<File>>>,
    end: Position,
    frames: Vec<u8>,
    /// The current segment could not be mended after a failed append: the next one begins a new segment.
    is_spoilt: bool,
    _lock: File,
}

/// Syncs what was appended, on any thread.
#[derive(Debug, Clone)]
pub struct SyncHandle(Arc<Mutex<Arc<File>>>);

impl SyncHandle {
    /// Everything whose append had returned before is on the medium when this returns.
    ///
    /// # Errors
    /// The disk's. After one it is not known what is on the medium: append again from memory, or stop.
    pub fn sync(&self) -> io::Result<()> {
        // Not under the lock: appends go on meanwhile. Segments before the current one are synced when they are closed.
        let file = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        file.sync_data()
    }
}

/// Removes what is counted, on any thread, also while the disk takes no more appends.
#[derive(Debug, Clone)]
pub struct RetireHandle(PathBuf);

impl RetireHandle {
    /// See [`Journal::retire`]; `position` is one that a [`Reader`] of this journal reached.
    ///
    /// # Errors
    /// The disk's.
    pub fn retire(&self, position: Position) -> io::Result<usize> {
        let mut removed = 0;
        // The reader is never ahead of the segment that is written, so that one stays.
        for number in segment::list(&self.0)?.into_iter().filter(|number| *number < position.segment) {
            fs::remove_file(segment::path(&self.0, number))?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Bytes of all segments.
    ///
    /// # Errors
    /// The disk's.
    pub fn bytes(&self) -> io::Result<u64> {
        let sizes = segment::list(&self.0)?.into_iter().map(|number| {
            let size = fs::metadata(segment::path(&self.0, number));
            size.map(|about| about.len())
        });
        sizes.sum()
    }
}

impl Journal {
    /// Opens the journal in `folder`, which is made if it is not there; cuts a torn record off its end.
    ///
    /// `counted` is the place up to which records were counted: new records always stand behind it, also when the
    /// machine went down after the counts were synced and before the journal was.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(
        folder: &Path,
        options: Options,
        counted: Position,
    ) -> Result<(Self, Recovery), JournalError> {
        let failed = |path: &Path, error| JournalError::Io { path: path.to_owned(), error };
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(|error| failed(&lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(&lock_path, error)),
        }
        let last = segment::list(folder).map_err(|error| failed(folder, error))?.pop();
        let mut recovery = Recovery::default();
        let mut resume = || -> io::Result<(File, Position)> {
            let number = last.unwrap_or(0);
            if number > 0
                && let Some((file, end)) = resume_segment(folder, number, &mut recovery)?
                && end >= counted
            {
                return Ok((file, end));
            }
            start_segment(folder, number.max(counted.segment) + 1)
        };
        let (file, end) = resume().map_err(|error| failed(folder, error))?;
        let journal = Self {
            folder: folder.to_owned(),
            options,
            current: Arc::new(Mutex::new(Arc::new(file))),
            end,
            frames: Vec::new(),
            is_spoilt: false,
            _lock: lock,
        };
        Ok((journal, recovery))
    }

    /// The place behind the last record.
    #[must_use]
    pub fn end(&self) -> Position {
        self.end
    }

    /// Syncs from another thread.
    #[must_use]
    pub fn sync_handle(&self) -> SyncHandle {
        SyncHandle(Arc::clone(&self.current))
    }

    /// Appends records in one write. When it returns, a kill of this process loses none of them. A group is never
    /// divided between segments.
    ///
    /// # Errors
    /// The disk's; nothing of the group is in the journal then.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = Record<'a>>) -> io::Result<Position> {
        if self.is_spoilt || self.end.offset >= self.options.segment_bytes.max(HEADER_BYTES + 1) {
            self.next_segment()?;
        }
        self.frames.clear();
        for record in records {
            let offset = self.end.offset + u64::try_from(self.frames.len()).unwrap_or(0);
            frame::put(record, self.end.segment, offset, &mut self.frames);
        }
        let file = self.file();
        if let Err(error) = (&*file).write_all(&self.frames) {
            // Half a group must not stand in front of the next one.
            let mended = file
                .set_len(self.end.offset)
                .and_then(|()| (&*file).seek(SeekFrom::Start(self.end.offset)).map(drop));
            self.is_spoilt = mended.is_err();
            return Err(error);
        }
        self.end.offset += u64::try_from(self.frames.len()).unwrap_or(0);
        // One burst must not hold its memory for ever.
        self.frames.shrink_to(1024 * 1024);
        Ok(self.end)
    }

    /// Removes segments that end before `position`: what is counted needs no journal.
    ///
    /// # Errors
    /// The disk's.
    pub fn retire(&mut self, position: Position) -> io::Result<usize> {
        self.retire_handle().retire(position.min(self.end))
    }

    /// Retires from another thread.
    #[must_use]
    pub fn retire_handle(&self) -> RetireHandle {
        RetireHandle(self.folder.clone())
    }

    /// Closes the current segment, synced, and begins the next.
    fn next_segment(&mut self) -> io::Result<()> {
        self.file().sync_data()?;
        let (file, end) = start_segment(&self.folder, self.end.segment + 1)?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(file);
        self.end = end;
        self.is_spoilt = false;
        Ok(())
    }

    fn file(&self) -> Arc<File> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes a segment. Its name is on the medium before any record in it can be.
fn start_segment(folder: &Path, number: u64) -> io::Result<(File, Position)> {
    let path = segment::path(folder, number);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    file.write_all(&segment::header(number))?;
    file.sync_data()?;
    File::open(folder)?.sync_all()?;
    Ok((file, Position { segment: number, offset: HEADER_BYTES }))
}

/// Opens the newest segment behind its last whole record. `None`: it is damaged, and nothing may be written to it.
fn resume_segment(
    folder: &Path,
    number: u64,
    recovery: &mut Recovery,
) -> io::Result<Option<(File, Position)>> {
    let path = segment::path(folder, number);
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut header = Vec::new();
    (&mut file).take(HEADER_BYTES).read_to_end(&mut header)?;
    let whole = segment::header(number);
    if header != whole {
        // The header is on the medium before the first record is written: if it was torn, there was none.
        recovery.cut_bytes = length;
        recovery.is_damaged = !whole.starts_with(&header);
        return if recovery.is_damaged { Ok(None) } else { start_segment(folder, number).map(Some) };
    }
    let mut reader = Reader::new(folder.to_owned(), Position { segment: number, offset: HEADER_BYTES });
    let everything = Position { segment: number + 1, offset: 0 };
    let mut is_damaged = false;
    while reader.read(everything, 1024, |_| {}, |_| is_damaged = true)? > 0 {}
    if is_damaged {
        recovery.is_damaged = true;
        return Ok(None);
    }
    let end = reader.position();
    file.seek(SeekFrom::Start(end.offset))?;
    let mut rest = Vec::new();
    let longest = u64::try_from(frame::HEAD_BYTES + frame::MAX_PAYLOAD_BYTES).unwrap_or(0);
    (&mut file).take(longest).read_to_end(&mut rest)?;
    if !matches!(frame::take(&rest, number, end.offset), Frame::Unfinished) {
        recovery.is_damaged = true;
        return Ok(None);
    }
    recovery.cut_bytes = length - end.offset;
    if recovery.cut_bytes > 0 {
        file.set_len(end.offset)?;
        file.sync_data()?;
    }
    file.seek(SeekFrom::Start(end.offset))?;
    Ok(Some((file, end)))
}
