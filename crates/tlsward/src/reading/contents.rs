//! The bytes of reports that are too large to be held, for reading them once more: in a container, or in a file.

use std::fs::File;
use std::io::{self, Read, Seek as _};

use containers::Member;
use tls_rpt::report::{Collected, Limits, ReadError, Sink, collect, scan, scan_slice};
use tlsward_engine::receive::HELD_BYTES;

use super::REPORT_BYTES;

/// Where the bytes are.
pub(crate) enum Contents<'a> {
    /// In a container.
    Member(&'a Member<'a>),
    /// Plain in a file, from its beginning.
    File(&'a File),
}

impl Contents<'_> {
    /// Reads them row by row.
    pub(crate) fn scan<K: Sink>(&self, sink: &mut K) -> Result<(), ReadError> {
        let limits = Limits::default();
        match self {
            Self::Member(member) => match member.as_slice() {
                Some(bytes) => scan_slice(bytes, &limits, sink)?,
                None => scan(member.open(), &limits, sink)?,
            },
            Self::File(file) => scan(whole(file)?, &limits, sink)?,
        };
        Ok(())
    }
}

/// Reads every report of a plain file, or head and counts of those that are too large to be held.
pub(super) fn collect_file(file: &File) -> Result<Collected, ReadError> {
    collect(whole(file)?, &Limits::default(), HELD_BYTES)
}

/// The file from its beginning, up to the limit of a report.
fn whole(file: &File) -> Result<Capped<'_>, ReadError> {
    let mut file = file;
    file.rewind().map_err(ReadError::Io)?;
    Ok(Capped { file, left: REPORT_BYTES })
}

struct Capped<'a> {
    file: &'a File,
    left: u64,
}

impl Read for Capped<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(out)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {REPORT_BYTES} bytes"))
        })?;
        Ok(count)
    }
}
