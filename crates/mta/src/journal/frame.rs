//! A record on disk: `length (4) checksum (4) time (8) kind (1) payload`, numbers little-endian.
//!
//! `length` is that of the payload. The checksum (CRC-32) covers the segment's number, the offset in it, and everything
//! behind itself as well as the length: a frame that was torn, moved, or left over from a file that used the same
//! blocks before does not pass.

use flate2::Crc;
use tlsward_engine::facts::UnixTime;

/// Bytes before the payload.
pub const HEAD_BYTES: usize = 17;
/// Longest payload.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// What the payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A libtlsrpt datagram.
    Datagram,
    /// JSON lines, one or several.
    Line,
    /// JSON lines out of a file, with the place behind them ([`super::FromFile`]).
    FileLines,
    /// What Postfix's log says of a session ([`crate::postfix_log::record`]).
    Log,
}

impl RecordKind {
    fn to_byte(self) -> u8 {
        match self {
            Self::Datagram => 1,
            Self::Line => 2,
            Self::FileLines => 3,
            Self::Log => 4,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Datagram),
            2 => Some(Self::Line),
            3 => Some(Self::FileLines),
            4 => Some(Self::Log),
            _ => None,
        }
    }
}

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it came in: it is counted on that day (UTC).
    pub at: UnixTime,
    /// What it is.
    pub kind: RecordKind,
    /// Its bytes, as they came.
    pub payload: &'a [u8],
}

/// Appends a frame that will stand at `offset` of `segment`. A longer payload than [`MAX_PAYLOAD_BYTES`] is cut.
pub(super) fn put(record: Record<'_>, segment: u64, offset: u64, out: &mut Vec<u8>) {
    let payload = &record.payload[..record.payload.len().min(MAX_PAYLOAD_BYTES)];
    // Not above 256 KiB.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let start = out.len();
    out.extend_from_slice(&length);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&record.at.to_le_bytes());
    out.push(record.kind.to_byte());
    out.extend_from_slice(payload);
    let sum = checksum(segment, offset, length, &out[start + 8..]).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&sum);
}

/// What stands at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A frame of so many bytes.
    Whole(Record<'a>, usize),
    /// The beginning of one, perhaps.
    Unfinished,
    /// None.
    Broken,
}

/// Looks at the front of `bytes`, which stand at `offset` of `segment`.
pub(super) fn take(bytes: &[u8], segment: u64, offset: u64) -> Frame<'_> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else { return Frame::Unfinished };
    let (Some(&length), Some(&sum), Some(&at)) =
        (head.first_chunk(), head[4..].first_chunk(), head[8..].first_chunk())
    else {
        return Frame::Broken;
    };
    let Ok(payload_bytes) = usize::try_from(u32::from_le_bytes(length)) else { return Frame::Broken };
    if payload_bytes > MAX_PAYLOAD_BYTES {
        return Frame::Broken;
    }
    let Some(kind) = RecordKind::from_byte(head[16]) else { return Frame::Broken };
    let Some(payload) = rest.get(..payload_bytes) else { return Frame::Unfinished };
    let whole = HEAD_BYTES + payload_bytes;
    if checksum(segment, offset, length, &bytes[8..whole]) != u32::from_le_bytes(sum) {
        return Frame::Broken;
    }
    Frame::Whole(Record { at: i64::from_le_bytes(at), kind, payload }, whole)
}

/// What looking for a frame at the front of `bytes` would take, in bytes; `None`: none is there, as its head tells.
pub(super) fn cost(bytes: &[u8]) -> Option<usize> {
    let (head, _) = bytes.split_at_checked(HEAD_BYTES)?;
    let length = usize::try_from(u32::from_le_bytes(*head.first_chunk()?)).ok()?;
    (length <= MAX_PAYLOAD_BYTES && RecordKind::from_byte(head[16]).is_some()).then_some(HEAD_BYTES + length)
}

fn checksum(segment: u64, offset: u64, length: [u8; 4], behind: &[u8]) -> u32 {
    let mut place = [0; 20];
    place[..8].copy_from_slice(&segment.to_le_bytes());
    place[8..16].copy_from_slice(&offset.to_le_bytes());
    place[16..].copy_from_slice(&length);
    let mut crc = Crc::new();
    crc.update(&place);
    crc.update(behind);
    crc.sum()
}
