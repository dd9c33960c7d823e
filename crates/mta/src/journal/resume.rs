//! Where records go on behind a damaged place.
//!
//! A frame's checksum covers the place at which it stands, so that no bytes of a payload pass for one by chance (one
//! chance in four billion for each place that looks like a head). Bounded in memory, and in what is added up: bytes that
//! were laid out so that each of them looks like a head are given up on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::frame::{self, Frame, HEAD_BYTES, MAX_PAYLOAD_BYTES};

/// Places that are looked at between two reads.
const STEP: usize = 256 * 1024;
/// Bytes that checksums are made of, at most.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The first place behind `from`, and before `limit`, at which a whole frame of the segment stands.
pub(super) fn next_frame(file: &File, segment: u64, from: u64, limit: u64) -> io::Result<Option<u64>> {
    let mut begin = from.saturating_add(1);
    if begin >= limit {
        return Ok(None);
    }
    let mut window = vec![0; STEP + HEAD_BYTES + MAX_PAYLOAD_BYTES];
    let mut spent = 0;
    while begin < limit {
        let length = fill(file, &mut window, begin, limit)?;
        let places = length.min(STEP);
        for at in 0..places {
            let bytes = &window[at..length];
            let Some(cost) = frame::cost(bytes) else { continue };
            let offset = begin + u64::try_from(at).unwrap_or(0);
            if let Frame::Whole(..) = frame::take(bytes, segment, offset) {
                return Ok(Some(offset));
            }
            spent += cost.min(bytes.len());
            if spent > MOST_BYTES {
                return Ok(None);
            }
        }
        if places == 0 {
            return Ok(None);
        }
        begin += u64::try_from(places).unwrap_or(0);
    }
    Ok(None)
}

/// Reads from `begin` on, not beyond `limit`; how many bytes there were.
fn fill(file: &File, window: &mut [u8], begin: u64, limit: u64) -> io::Result<usize> {
    let most = usize::try_from(limit - begin).unwrap_or(usize::MAX).min(window.len());
    let mut length = 0;
    while length < most {
        let at = begin + u64::try_from(length).unwrap_or(0);
        match file.read_at(&mut window[length..most], at) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
