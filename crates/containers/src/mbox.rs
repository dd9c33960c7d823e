//! Mailboxes in the mbox format (RFC 4155 names it; the quoting is that of "mboxrd"), cut into mails.
//!
//! A mail begins with a line `From …` that carries a time of day, as all writers put one there; a line of text that
//! begins with "From " by chance has none. Lines `>From`, `>>From` … lose one `>`. [`MboxReader`] streams files of any
//! size and holds one mail; the slice form hands out borrowed mails and copies only those with a quoted line.

use std::borrow::Cow;
use std::io::{self, BufRead};

use memchr::{memchr, memmem};

/// Cuts a stream into mails.
#[derive(Debug)]
pub struct MboxReader<R> {
    inner: R,
    limit: usize,
    /// The mail at hand, without its `From ` line.
    mail: Vec<u8>,
    too_long: bool,
    /// The beginning of a line that the inner buffer cut, and whether even that is not all of it.
    line: Vec<u8>,
    line_cut: bool,
    number: u64,
    state: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    End,
}

/// One mail of a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub enum MboxItem<'a> {
    /// A mail, unquoted.
    Mail {
        /// Counted from 1.
        number: u64,
        /// Header and body.
        bytes: &'a [u8],
    },
    /// A mail longer than the limit; it was skipped.
    TooLong {
        /// Counted from 1.
        number: u64,
    },
}

impl<R: BufRead> MboxReader<R> {
    /// `limit`: bytes of one mail, see [`Limits::mail_bytes`](crate::Limits::mail_bytes).
    pub fn new(inner: R, limit: usize) -> Self {
        let (mail, line) = (Vec::new(), Vec::new());
        let (too_long, line_cut) = (false, false);
        MboxReader { inner, limit, mail, too_long, line, line_cut, number: 0, state: Place::Before }
    }

    /// The next mail; `None` at the end. What stands before the first `From ` line counts as a mail too, unless it is
    /// blank.
    ///
    /// # Errors
    /// Those of the stream beneath.
    pub fn next_mail(&mut self) -> io::Result<Option<MboxItem<'_>>> {
        self.mail.clear();
        self.too_long = false;
        if self.state == Place::End {
            return Ok(None);
        }
        loop {
            let chunk = match self.inner.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let at_end = chunk.is_empty();
            let (taken, whole) = match memchr(b'\n', chunk) {
                Some(end) => (end + 1, true),
                None => (chunk.len(), at_end),
            };
            // A line that lies in one buffer is looked at where it lies; only the rest is pieced together.
            let boundary = if self.line.is_empty() && whole {
                let line = &chunk[..taken];
                let boundary = is_from_line(line);
                if !boundary {
                    append(&mut self.mail, &mut self.too_long, self.limit, unquoted(line));
                }
                boundary
            } else {
                // Of a line longer than any mail, the beginning tells what it is.
                let room = self.limit.max(FROM_LINE).saturating_sub(self.line.len());
                self.line.extend_from_slice(&chunk[..taken.min(room)]);
                self.line_cut |= taken > room;
                let boundary = whole && is_from_line(&self.line);
                if whole {
                    if !boundary {
                        self.too_long |= self.line_cut;
                        append(&mut self.mail, &mut self.too_long, self.limit, unquoted(&self.line));
                    }
                    self.line.clear();
                    self.line_cut = false;
                }
                boundary
            };
            self.inner.consume(taken);
            if !boundary && !at_end {
                continue;
            }
            let begun = self.state == Place::Inside || self.too_long || !self.mail.trim_ascii().is_empty();
            self.state = if at_end { Place::End } else { Place::Inside };
            if begun {
                self.number += 1;
                let number = self.number;
                return Ok(Some(if self.too_long {
                    MboxItem::TooLong { number }
                } else {
                    MboxItem::Mail { number, bytes: without_blank_end(&self.mail) }
                }));
            }
            self.mail.clear();
            if at_end {
                return Ok(None);
            }
        }
    }
}

fn append(mail: &mut Vec<u8>, too_long: &mut bool, limit: usize, line: &[u8]) {
    if *too_long || mail.len() + line.len() > limit {
        *too_long = true;
        mail.clear();
    } else {
        mail.extend_from_slice(line);
    }
}

/// The mails of a mailbox in memory.
#[derive(Debug)]
pub(crate) struct Mails<'a> {
    rest: Option<&'a [u8]>,
}

pub(crate) fn mails(bytes: &[u8]) -> Mails<'_> {
    // The first line is believed to be a `From ` line even without a time.
    let rest = match memchr(b'\n', bytes) {
        Some(end) if bytes.starts_with(b"From ") || bytes.starts_with(b">From ") => &bytes[end + 1..],
        _ => bytes,
    };
    Mails { rest: Some(rest) }
}

impl<'a> Iterator for Mails<'a> {
    type Item = &'a [u8];

    /// Mails still quoted, see [`unquote`].
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut from = 0;
        while let Some(found) = memmem::find(&rest[from..], b"From ") {
            let start = from + found;
            let line_end = memchr(b'\n', &rest[start..]).map_or(rest.len(), |end| start + end + 1);
            if (start == 0 || rest[start - 1] == b'\n') && is_from_line(&rest[start..line_end]) {
                self.rest = Some(&rest[line_end..]);
                return Some(without_blank_end(&rest[..start]));
            }
            from = start + 5;
        }
        self.rest = None;
        Some(without_blank_end(rest))
    }
}

impl Mails<'_> {
    /// Whether the mails given so far are all there are.
    pub(crate) fn is_finished(&self) -> bool {
        self.rest.is_none()
    }
}

/// Takes one `>` from each quoted line.
pub(crate) fn unquote(mail: &[u8]) -> Cow<'_, [u8]> {
    if memmem::find(mail, b"\n>From ").is_none() && memmem::find(mail, b"\n>>").is_none() {
        return Cow::Borrowed(mail);
    }
    let mut out = Vec::with_capacity(mail.len());
    mail.split_inclusive(|byte| *byte == b'\n').for_each(|line| out.extend_from_slice(unquoted(line)));
    Cow::Owned(out)
}

fn unquoted(line: &[u8]) -> &[u8] {
    if line.first() != Some(&b'>') {
        return line;
    }
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    if line[quotes..].starts_with(b"From ") { &line[1..] } else { line }
}

/// The time stands in the first bytes of a `From ` line, or it is none.
const FROM_LINE: usize = 400;

fn is_from_line(line: &[u8]) -> bool {
    let Some(rest) = line[..line.len().min(FROM_LINE)].strip_prefix(b"From ") else { return false };
    // "Sat Jan  3 01:02:03 2026": digits, a colon, two digits.
    rest.windows(5).any(|w| {
        let digit = |at: usize| w[at].is_ascii_digit();
        digit(1) && w[2] == b':' && digit(3) && digit(4) && (digit(0) || w[0] == b' ')
    })
}

/// The blank line before the next `From ` line belongs to the mailbox.
fn without_blank_end(mail: &[u8]) -> &[u8] {
    mail.strip_suffix(b"\r\n\r\n")
        .map(|short| &mail[..short.len() + 2])
        .or_else(|| mail.strip_suffix(b"\n\n").map(|short| &mail[..short.len() + 1]))
        .unwrap_or(mail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    const FROM: &str = "From a@example.com Sat Jan  3 01:02:03 2026\n";

    fn streamed(bytes: &[u8], buffer: usize, limit: usize) -> Vec<Option<Vec<u8>>> {
        let mut reader = MboxReader::new(BufReader::with_capacity(buffer, bytes), limit);
        let mut out = Vec::new();
        while let Some(item) = reader.next_mail().unwrap() {
            out.push(match item {
                MboxItem::Mail { bytes, .. } => Some(bytes.to_vec()),
                MboxItem::TooLong { .. } => None,
            });
        }
        out
    }

    #[test]
    fn stream_and_slice_cut_alike_at_every_buffer_size() {
        let plain = format!(
            "{FROM}Subject: 1\n\none\n>From quoted\n>>From twice\n>not\n\n{FROM}Subject: 2\n\nFrom here on\n\n{FROM}"
        );
        for text in [plain.clone(), plain.replace('\n', "\r\n")] {
            let cut: Vec<Vec<u8>> = mails(text.as_bytes()).map(|mail| unquote(mail).into_owned()).collect();
            assert_eq!(cut.len(), 3);
            let first = String::from_utf8(cut[0].clone()).unwrap().replace('\r', "");
            assert_eq!(first, "Subject: 1\n\none\nFrom quoted\n>From twice\n>not\n");
            let second = String::from_utf8(cut[1].clone()).unwrap().replace('\r', "");
            assert_eq!(second, "Subject: 2\n\nFrom here on\n");
            assert!(cut[2].is_empty());
            for buffer in [1, 2, 3, 7, 50, 10_000] {
                let got: Vec<Vec<u8>> =
                    streamed(text.as_bytes(), buffer, 1_000).into_iter().flatten().collect();
                assert_eq!(got, cut, "buffer of {buffer}");
            }
        }
    }

    #[test]
    fn an_overlong_mail_is_skipped_and_the_next_one_is_read() {
        let text = format!(
            "{FROM}A: 1\n\nshort\n\n{FROM}{}\nmore\n{FROM}{}\n\n{FROM}A: 3\n",
            "x".repeat(5_000),
            "line\n".repeat(500)
        );
        for buffer in [1, 64, 100_000] {
            let got = streamed(text.as_bytes(), buffer, 100);
            let expected = vec![Some(b"A: 1\n\nshort\n".to_vec()), None, None, Some(b"A: 3\n".to_vec())];
            assert_eq!(got, expected, "buffer of {buffer}");
        }
    }

    #[test]
    fn an_empty_or_blank_stream_holds_no_mail() {
        assert!(streamed(b"", 8, 100).is_empty());
        assert!(streamed(b"\n\r\n", 8, 100).is_empty());
    }
}
