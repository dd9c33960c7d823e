//! The directory of a zip archive (PKWARE APPNOTE 4.3), read lazily over the slice: no list of entries is built, so a
//! directory of a million entries costs no memory.
//!
//! Tolerant of bytes before the archive, of wrong sizes (a deflate stream knows its own end), and of a directory that
//! was cut off: then the entries' own headers are followed. Nothing here decompresses.

use std::borrow::Cow;

use memchr::memmem;

use crate::gzip::{Entry, Expected};
use crate::item::Refusal;

/// An entry that is not a folder.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) name: Cow<'a, str>,
    /// How to read it, or why not.
    pub(crate) data: Result<(Entry, &'a [u8]), Refusal>,
}

/// Walks the entries in the order of the directory.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the directory ends; entries' data ends where it begins.
    end: usize,
    data_end: usize,
    /// Bytes before the archive, which its offsets do not count.
    prefix: usize,
    /// Walking local headers, for want of a directory.
    pub(crate) without_directory: bool,
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const ENCRYPTED: u16 = 1;
const SIZES_FOLLOW: u16 = 1 << 3;

pub(crate) fn has_directory(bytes: &[u8]) -> bool {
    directory(bytes).is_some()
}

/// Opens an archive; never fails outright, a broken one yields refusals or nothing.
pub(crate) fn entries(bytes: &[u8]) -> Entries<'_> {
    directory(bytes).unwrap_or(Entries {
        bytes,
        at: memmem::find(bytes, LOCAL).unwrap_or(bytes.len()),
        end: bytes.len(),
        data_end: bytes.len(),
        prefix: 0,
        without_directory: true,
    })
}

/// Finds the end record, which may be followed by a comment of up to 64 KiB.
fn directory(bytes: &[u8]) -> Option<Entries<'_>> {
    let from = bytes.len().saturating_sub(22 + 0xffff);
    let mut window = &bytes[from..];
    while let Some(found) = memmem::rfind(window, END) {
        if let Some(entries) = directory_at(bytes, from + found) {
            return Some(entries);
        }
        window = &window[..found];
    }
    None
}

fn directory_at(bytes: &[u8], end: usize) -> Option<Entries<'_>> {
    let mut size = u64::from(u32_at(bytes, end + 12)?);
    let mut offset = u64::from(u32_at(bytes, end + 16)?);
    let mut directory_end = end;
    if let Some(locator) = end.checked_sub(20)
        && bytes[locator..].starts_with(LOCATOR64)
    {
        // The record lies before its locator; its stated offset does not count bytes before the archive.
        let stated = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
        let record = [Some(stated), locator.checked_sub(56)]
            .into_iter()
            .flatten()
            .find(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(END64)));
        if let Some(record) = record {
            size = u64_at(bytes, record + 40)?;
            offset = u64_at(bytes, record + 48)?;
            directory_end = record;
        }
    }
    let at = directory_end.checked_sub(usize::try_from(size).ok()?)?;
    let prefix = at.checked_sub(usize::try_from(offset).ok()?)?;
    if size > 0 && !bytes[at..].starts_with(CENTRAL) {
        return None;
    }
    Some(Entries { bytes, at, end: directory_end, data_end: at, prefix, without_directory: false })
}

impl<'a> Iterator for Entries<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        loop {
            let found = if self.without_directory { self.next_local()? } else { self.next_central()? };
            // Folders, and what macOS puts beside each file.
            let last = found.name.rsplit('/').next().unwrap_or_default();
            if !last.is_empty() && !found.name.starts_with("__MACOSX/") {
                return Some(found);
            }
        }
    }
}

impl<'a> Entries<'a> {
    fn next_central(&mut self) -> Option<Found<'a>> {
        let record = self.bytes.get(self.at..self.end)?;
        if record.is_empty() {
            return None;
        }
        let fields = || {
            let lengths = [u16_at(record, 28)?, u16_at(record, 30)?, u16_at(record, 32)?].map(usize::from);
            let name = record.get(46..46 + lengths[0])?;
            let extra = record.get(46 + lengths[0]..46 + lengths[0] + lengths[1])?;
            record.starts_with(CENTRAL).then_some((name, extra, 46 + lengths.iter().sum::<usize>()))
        };
        let Some((name, extra, length)) = fields() else {
            self.at = self.end;
            let name = Cow::Borrowed("(directory)");
            return Some(Found { name, data: Err(Refusal::ZipDamaged("directory entry")) });
        };
        self.at += length;
        Some(Found { name: String::from_utf8_lossy(name), data: self.central_data(record, extra) })
    }

    fn central_data(&self, record: &[u8], extra: &[u8]) -> Result<(Entry, &'a [u8]), Refusal> {
        const DAMAGED: Refusal = Refusal::ZipDamaged("directory entry");
        let flags = u16_at(record, 8).ok_or(DAMAGED)?;
        let method = u16_at(record, 10).ok_or(DAMAGED)?;
        check(flags, method)?;
        let mut sizes = [24, 20, 42].map(|at| u32_at(record, at).map_or(0, u64::from));
        // The 64-bit extra field has only those values that do not fit, in this order.
        let mut wide = extra_field(extra, 1).unwrap_or_default();
        for size in &mut sizes {
            if *size == u64::from(u32::MAX)
                && let Some(value) = u64_at(wide, 0)
            {
                (*size, wide) = (value, &wide[8..]);
            }
        }
        let [size, compressed, offset] = sizes;
        let start = usize::try_from(offset)
            .ok()
            .and_then(|offset| offset.checked_add(self.prefix))
            .and_then(|at| data_start(self.bytes, at))
            .filter(|start| *start <= self.data_end)
            .ok_or(Refusal::ZipDamaged("entry header"))?;
        let data = &self.bytes[start..self.data_end];
        let deflated = method == DEFLATED;
        // The sizes may lie. A deflate stream ends by itself; a stored entry has nothing else to go by.
        let data = if deflated { data } else { &data[..data.len().min(as_len(compressed))] };
        let crc = u32_at(record, 16).ok_or(DAMAGED)?;
        Ok((Entry { deflated, expected: Some(Expected { crc, size, compressed }) }, data))
    }

    fn next_local(&mut self) -> Option<Found<'a>> {
        let record = self.bytes.get(self.at..)?;
        if !record.starts_with(LOCAL) {
            return None;
        }
        let flags = u16_at(record, 6)?;
        let method = u16_at(record, 8)?;
        let compressed = as_len(u64::from(u32_at(record, 18)?));
        let start = data_start(self.bytes, self.at)?;
        let name = record.get(30..30 + usize::from(u16_at(record, 26)?))?;
        let known = flags & SIZES_FOLLOW == 0;
        let data = self.bytes.get(start..)?;
        self.at = if known { start.saturating_add(compressed) } else { self.bytes.len() };
        let deflated = method == DEFLATED;
        let data = if deflated || !known { data } else { &data[..data.len().min(compressed)] };
        let data = check(flags, method).map(|()| (Entry { deflated, expected: None }, data));
        Some(Found { name: String::from_utf8_lossy(name), data })
    }
}

fn check(flags: u16, method: u16) -> Result<(), Refusal> {
    if flags & ENCRYPTED != 0 {
        return Err(Refusal::Encrypted);
    }
    match method {
        STORED | DEFLATED => Ok(()),
        other => Err(Refusal::ZipMethod(other)),
    }
}

fn data_start(bytes: &[u8], at: usize) -> Option<usize> {
    let header = bytes.get(at..)?;
    let variable = usize::from(u16_at(header, 26)?) + usize::from(u16_at(header, 28)?);
    (header.starts_with(LOCAL) && header.len() >= 30 + variable).then_some(at + 30 + variable)
}

fn extra_field(mut extra: &[u8], id: u16) -> Option<&[u8]> {
    loop {
        let (found, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let value = extra.get(4..4 + length)?;
        if found == id {
            return Some(value);
        }
        extra = &extra[4 + length..];
    }
}

fn as_len(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}
