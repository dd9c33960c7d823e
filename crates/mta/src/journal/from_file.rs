//! What was read from a file, and how far the file was read with it, in one payload: neither is ever in the journal
//! without the other, so a kill at any moment has no line of the file lost or twice.
//!
//! `path length (2) path device (8) inode (8) offset (8) bytes`, numbers little-endian.

use std::path::Path;

use super::frame::MAX_PAYLOAD_BYTES;
use crate::postfix_log::Cursor;

/// Bytes beside the path and what was read.
const HEAD_BYTES: usize = 26;

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromFile<'a> {
    /// The file, as the configuration names it.
    pub path: &'a str,
    /// The place behind what was read.
    pub cursor: Cursor,
    /// Lines, each with its end.
    pub lines: &'a [u8],
}

impl<'a> FromFile<'a> {
    /// So many bytes of lines fit beside a path.
    #[must_use]
    pub fn room(path: &str) -> usize {
        MAX_PAYLOAD_BYTES.saturating_sub(HEAD_BYTES + path.len())
    }

    /// The path as it is kept.
    #[must_use]
    pub fn path_of(path: &Path) -> String {
        let mut text = path.to_string_lossy().into_owned();
        // Linux has no longer ones.
        let end = text.floor_char_boundary(4096);
        text.truncate(end);
        text
    }

    /// Writes the payload in place of what `out` holds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        let length = u16::try_from(self.path.len()).unwrap_or(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.path.as_bytes()[..usize::from(length)]);
        for number in [self.cursor.device, self.cursor.inode, self.cursor.offset] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(self.lines);
    }

    /// Reads a payload; `None` if it is none of these.
    #[must_use]
    pub fn decode(payload: &'a [u8]) -> Option<Self> {
        let (length, rest) = payload.split_first_chunk::<2>()?;
        let (path, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (device, rest) = rest.split_first_chunk::<8>()?;
        let (inode, rest) = rest.split_first_chunk::<8>()?;
        let (offset, lines) = rest.split_first_chunk::<8>()?;
        let [device, inode, offset] = [device, inode, offset].map(|number| u64::from_le_bytes(*number));
        Some(Self { path: std::str::from_utf8(path).ok()?, cursor: Cursor { device, inode, offset }, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else_is() {
        let cursor = Cursor { device: 1, inode: u64::MAX, offset: 77 };
        let from = FromFile { path: "/var/log/sessions", cursor, lines: b"{}\n{}\n" };
        let mut payload = b"before".to_vec();
        from.encode(&mut payload);
        assert_eq!(FromFile::decode(&payload), Some(from));
        assert!(payload.len() == HEAD_BYTES + from.path.len() + from.lines.len());
        for cut in 0..HEAD_BYTES + from.path.len() {
            assert_eq!(FromFile::decode(&payload[..cut]), None, "{cut}");
        }
        payload[2] = 0xff;
        assert_eq!(FromFile::decode(&payload), None, "a path that is no text");
    }
}
