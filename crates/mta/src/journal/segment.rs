//! Segment files: their names, and their header (`TLSWJRN1` and the segment's number).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes before the first frame.
pub(super) const HEADER_BYTES: u64 = 16;
const MAGIC: &[u8; 8] = b"TLSWJRN1";

pub(super) fn header(segment: u64) -> [u8; 16] {
    let mut header = [0; 16];
    header[..8].copy_from_slice(MAGIC);
    header[8..].copy_from_slice(&segment.to_le_bytes());
    header
}

pub(super) fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:016}.journal"))
}

/// The numbers of the segments that are there, ascending. Other files are left alone.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal"));
        if let Some(number) =
            number.filter(|number| number.len() == 16).and_then(|number| number.parse().ok())
        {
            segments.push(number);
        }
    }
    segments.sort_unstable();
    Ok(segments)
}
