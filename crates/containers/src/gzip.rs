//! One layer of compression: gzip (RFC 1952), zlib (RFC 1950), or an entry of a zip, as a machine that is fed pieces.
//!
//! Headers and trailers are read here and not by the decompressor, because reports are met with trailers cut off or
//! wrong: once the deflate stream itself has ended, its contents are whole, and the rest is a [`Note`].

use flate2::{Crc, Decompress, FlushDecompress, Status};
use memchr::memchr;

use crate::item::{Failure, Note};

/// The kind of one layer, with what its container says about it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layer {
    Gzip,
    Zlib,
    Entry(Entry),
}

/// What a zip says of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) deflated: bool,
    /// Sizes and CRC of the directory, where there is one.
    pub(crate) expected: Option<Expected>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) crc: u32,
    pub(crate) size: u64,
    pub(crate) compressed: u64,
}

/// The running state of one layer.
pub(crate) struct Codec {
    layer: Layer,
    state: State,
    inflate: Decompress,
    crc: Crc,
    adler: u32,
    produced: u64,
    consumed: u64,
    members: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// In a gzip header. RFC 1952 §2.3.
    Header {
        at: Field,
        flags: u8,
    },
    /// In a zlib header, `have` bytes in.
    ZlibHeader {
        first: Option<u8>,
    },
    Body,
    Trailer {
        bytes: [u8; 8],
        have: usize,
    },
    /// Behind a gzip trailer: another member, padding, or the end.
    Behind {
        padded: bool,
    },
    Done,
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Fixed(u8),
    ExtraLength { low: Option<u8> },
    Extra(u16),
    Name,
    Comment,
    Check(u8),
}

const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// How far one step went.
pub(crate) struct Step {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
}

impl Codec {
    /// `inflate` may come from an earlier use.
    pub(crate) fn new(layer: Layer, mut inflate: Decompress) -> Self {
        inflate.reset(false);
        let state = match layer {
            Layer::Gzip => State::Header { at: Field::Fixed(0), flags: 0 },
            Layer::Zlib => State::ZlibHeader { first: None },
            Layer::Entry(_) => State::Body,
        };
        Codec { layer, state, inflate, crc: Crc::new(), adler: 1, produced: 0, consumed: 0, members: 0 }
    }

    pub(crate) fn into_inflate(self) -> Decompress {
        self.inflate
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The input ended by a failure below. Whether that is nothing to worry about: all contents were already out.
    pub(crate) fn survives_loss_of_input(&mut self, notes: &mut Vec<Note>) -> bool {
        match self.state {
            State::Trailer { .. } => note(notes, Note::TrailerCut),
            State::Behind { .. } | State::Done => {}
            _ => return false,
        }
        self.state = State::Done;
        true
    }

    /// Takes what it can from `input` (empty: the input has ended) and writes what it can to `out` (never empty).
    /// Always moves on: consumes, produces, or changes its state for the last time.
    pub(crate) fn step(
        &mut self,
        input: &[u8],
        out: &mut [u8],
        notes: &mut Vec<Note>,
    ) -> Result<Step, Failure> {
        let consumed = match self.state {
            State::Body => return self.body(input, out, notes),
            State::Done => 0,
            State::Header { .. } => self.header(input, notes)?,
            State::ZlibHeader { first } => self.zlib_header(first, input)?,
            State::Trailer { bytes, have } => self.trailer(bytes, have, input, notes),
            State::Behind { padded } => self.behind(padded, input, notes),
        };
        Ok(Step { consumed, produced: 0 })
    }

    fn header(&mut self, input: &[u8], notes: &mut Vec<Note>) -> Result<usize, Failure> {
        let mut rest = input;
        while let State::Header { at, flags } = self.state {
            let broken = if rest.is_empty() {
                if !input.is_empty() {
                    break;
                }
                Failure::Cut("gzip header")
            } else if let Some(next) = header_field(at, flags, &mut rest) {
                self.state = next;
                continue;
            } else {
                Failure::Corrupt("gzip header")
            };
            if self.members == 0 {
                return Err(broken);
            }
            // Behind a whole member, what only begins like another one is garbage.
            note(notes, Note::TrailingGarbage);
            self.state = State::Done;
        }
        if let State::Body = self.state {
            self.members += 1;
            if self.members == 2 {
                note(notes, Note::SeveralGzipMembers);
            }
        }
        Ok(input.len() - rest.len())
    }

    fn zlib_header(&mut self, first: Option<u8>, input: &[u8]) -> Result<usize, Failure> {
        match (first, input) {
            (_, []) => Err(Failure::Cut("zlib header")),
            (None, [byte, ..]) => {
                self.state = State::ZlibHeader { first: Some(*byte) };
                Ok(1)
            }
            // RFC 1950 §2.2: bit 5 of FLG asks for a dictionary that nobody gave us.
            (Some(_), [flg, ..]) if flg & 0x20 != 0 => Err(Failure::Corrupt("zlib header")),
            (Some(_), _) => {
                self.state = State::Body;
                Ok(1)
            }
        }
    }

    fn body(&mut self, input: &[u8], out: &mut [u8], notes: &mut Vec<Note>) -> Result<Step, Failure> {
        if let Layer::Entry(Entry { deflated: false, .. }) = self.layer {
            let count = input.len().min(out.len());
            out[..count].copy_from_slice(&input[..count]);
            self.count(&out[..count], count);
            if count == 0 {
                self.entry_end(notes);
            }
            return Ok(Step { consumed: count, produced: count });
        }
        let (in_before, out_before) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, out, FlushDecompress::Finish);
        let consumed = (self.inflate.total_in() - in_before) as usize;
        let produced = (self.inflate.total_out() - out_before) as usize;
        self.count(&out[..produced], consumed);
        match status {
            Ok(Status::StreamEnd) => match self.layer {
                Layer::Entry(_) => self.entry_end(notes),
                _ => self.state = State::Trailer { bytes: [0; 8], have: 0 },
            },
            Ok(Status::Ok | Status::BufError) if consumed == 0 && produced == 0 => {
                return Err(if input.is_empty() {
                    Failure::Cut("compressed data")
                } else {
                    Failure::Corrupt("compressed data")
                });
            }
            Ok(Status::Ok | Status::BufError) => {}
            // What came out before the damage is handed on first; the next step meets the damage again.
            Err(_) if produced > 0 => {}
            Err(_) => return Err(Failure::Corrupt("compressed data")),
        }
        Ok(Step { consumed, produced })
    }

    fn count(&mut self, produced: &[u8], consumed: usize) {
        match self.layer {
            Layer::Zlib => self.adler = adler32(self.adler, produced),
            _ => self.crc.update(produced),
        }
        self.produced += produced.len() as u64;
        self.consumed += consumed as u64;
    }

    fn trailer(&mut self, mut bytes: [u8; 8], mut have: usize, input: &[u8], notes: &mut Vec<Note>) -> usize {
        let zlib = matches!(self.layer, Layer::Zlib);
        let need = if zlib { 4 } else { 8 };
        let taken = input.len().min(need - have);
        bytes[have..have + taken].copy_from_slice(&input[..taken]);
        have += taken;
        self.state = State::Trailer { bytes, have };
        if have == need {
            let [a, b, c, d, e, f, g, h] = bytes;
            if zlib {
                if u32::from_be_bytes([a, b, c, d]) != self.adler {
                    note(notes, Note::ChecksumWrong);
                }
            } else {
                if u32::from_le_bytes([a, b, c, d]) != self.crc.sum() {
                    note(notes, Note::ChecksumWrong);
                }
                // RFC 1952 §2.3.1: ISIZE is modulo 2^32.
                if u32::from_le_bytes([e, f, g, h]) != self.produced as u32 {
                    note(notes, Note::LengthWrong);
                }
            }
            self.state = State::Behind { padded: false };
        } else if input.is_empty() {
            note(notes, Note::TrailerCut);
            self.state = State::Done;
        }
        taken
    }

    fn behind(&mut self, padded: bool, input: &[u8], notes: &mut Vec<Note>) -> usize {
        let zeros = input.iter().take_while(|byte| **byte == 0).count();
        if zeros > 0 {
            note(notes, Note::Padding);
            self.state = State::Behind { padded: true };
            return zeros;
        }
        match input {
            // RFC 1952 §2.2: members simply follow each other.
            [0x1f, ..] if !padded && matches!(self.layer, Layer::Gzip) => {
                self.inflate.reset(false);
                self.crc.reset();
                self.produced = 0;
                self.state = State::Header { at: Field::Fixed(0), flags: 0 };
            }
            [] => self.state = State::Done,
            _ => {
                note(notes, Note::TrailingGarbage);
                self.state = State::Done;
            }
        }
        0
    }

    fn entry_end(&mut self, notes: &mut Vec<Note>) {
        self.state = State::Done;
        let Layer::Entry(Entry { deflated, expected: Some(expected) }) = self.layer else { return };
        if expected.size != self.produced || (deflated && expected.compressed != self.consumed) {
            note(notes, Note::ZipSizeWrong);
        }
        if expected.crc != self.crc.sum() {
            note(notes, Note::ChecksumWrong);
        }
    }
}

/// Reads one piece of a gzip header; `None` when it is none. `rest` is not empty.
fn header_field(at: Field, flags: u8, rest: &mut &[u8]) -> Option<State> {
    let (byte, tail) = rest.split_first()?;
    let byte = *byte;
    let after = |done: u8, flags: u8| {
        // The optional fields come in this order.
        let field = if done < 1 && flags & FEXTRA != 0 {
            Field::ExtraLength { low: None }
        } else if done < 2 && flags & FNAME != 0 {
            Field::Name
        } else if done < 3 && flags & FCOMMENT != 0 {
            Field::Comment
        } else if done < 4 && flags & FHCRC != 0 {
            Field::Check(0)
        } else {
            return State::Body;
        };
        State::Header { at: field, flags }
    };
    let next = match at {
        Field::Fixed(position) => {
            let flags = if position == 3 { byte } else { flags };
            match position {
                0 if byte != 0x1f => return None,
                1 if byte != 0x8b => return None,
                2 if byte != 8 => return None,
                // RFC 1952 §2.3.1.2: a reserved bit may announce a field that we cannot skip.
                3 if byte & RESERVED != 0 => return None,
                9 => after(0, flags),
                _ => State::Header { at: Field::Fixed(position + 1), flags },
            }
        }
        Field::ExtraLength { low: None } => {
            State::Header { at: Field::ExtraLength { low: Some(byte) }, flags }
        }
        Field::ExtraLength { low: Some(low) } => match u16::from_le_bytes([low, byte]) {
            0 => after(1, flags),
            length => State::Header { at: Field::Extra(length), flags },
        },
        Field::Extra(length) => {
            let taken = rest.len().min(usize::from(length));
            *rest = &rest[taken..];
            return Some(match length - taken as u16 {
                0 => after(1, flags),
                left => State::Header { at: Field::Extra(left), flags },
            });
        }
        Field::Name | Field::Comment => {
            let end = memchr(0, rest);
            *rest = end.map_or(&[][..], |end| &rest[end + 1..]);
            return Some(match (end, at) {
                (None, _) => State::Header { at, flags },
                (Some(_), Field::Name) => after(2, flags),
                (Some(_), _) => after(3, flags),
            });
        }
        Field::Check(0) => State::Header { at: Field::Check(1), flags },
        Field::Check(_) => State::Body,
    };
    *rest = tail;
    Some(next)
}

/// Each note once.
pub(crate) fn note(notes: &mut Vec<Note>, note: Note) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

/// RFC 1950 §8.2. 5552 is the most bytes whose sums fit in 32 bits.
fn adler32(start: u32, bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (start & 0xffff, start >> 16);
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= 65_521;
        b %= 65_521;
    }
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adler_of_a_known_text() {
        assert_eq!(adler32(1, b"Wikipedia"), 0x11e6_0398);
        let long = vec![0xff; 100_000];
        let (head, tail) = long.split_at(12_345);
        assert_eq!(adler32(1, &long), adler32(adler32(1, head), tail));
    }

    #[test]
    fn a_header_with_every_field_is_passed_in_pieces_of_one_byte() {
        let header = b"\x1f\x8b\x08\x1f\0\0\0\0\0\xff\x03\0xyzname\0comment\0\x12\x34";
        let mut state = State::Header { at: Field::Fixed(0), flags: 0 };
        for byte in header {
            let State::Header { at, flags } = state else { panic!("ended early") };
            let mut rest = std::slice::from_ref(byte);
            state = header_field(at, flags, &mut rest).unwrap();
            assert!(rest.is_empty());
        }
        assert!(matches!(state, State::Body));
    }
}
