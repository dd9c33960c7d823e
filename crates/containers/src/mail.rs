//! The structure of a mail (RFC 2045, 2046, 5322): one pass over the slice, every boundary of every level on a stack,
//! no recursion. Gives the leaves with their still encoded bodies; which of them are reports is decided in `walk`.
//!
//! Tolerant of bare LF, a missing last boundary, parts without a header or without an empty line after it, and of a
//! multipart that forgot to name its boundary.

use memchr::{memchr, memmem};

use crate::Limits;
use crate::headers::{PartHead, field_end, field_of, is_blank, start_of_mail};
use crate::item::Refusal;
use crate::transfer::Encoding;

/// A part with a body of its own.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    /// Counted from 1 over the whole mail, leaves only.
    pub(crate) number: usize,
    /// Index of the mail it belongs to.
    pub(crate) message: usize,
    pub(crate) head: PartHead,
    /// Still in its transfer encoding.
    pub(crate) body: &'a [u8],
    /// Set where nesting went too deep to look inside.
    pub(crate) too_deep: Option<Refusal>,
}

/// A mail: the outer one, or one attached to it.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) parent: Option<usize>,
    /// File name of the attached mail.
    pub(crate) name: Option<String>,
    depth: usize,
}

/// A mail taken apart.
#[derive(Debug)]
pub(crate) struct Structure<'a> {
    /// The outer mail first; never empty.
    pub(crate) messages: Vec<Message<'a>>,
    pub(crate) leaves: Vec<Leaf<'a>>,
    /// Whether parts were left out because there are too many.
    pub(crate) cut: bool,
}

struct Frame {
    boundary: Vec<u8>,
    message: usize,
}

struct Delimiter {
    /// Where its line begins and ends.
    start: usize,
    end: usize,
    /// Whose it is, on the stack.
    frame: usize,
    closing: bool,
}

struct Scan<'a> {
    bytes: &'a [u8],
    stack: Vec<Frame>,
    dashes: memmem::Finder<'static>,
}

/// Takes a mail apart. `depth`: containers round it, itself included.
pub(crate) fn structure<'a>(bytes: &'a [u8], limits: &Limits, depth: usize) -> Structure<'a> {
    let mut scan = Scan { bytes, stack: Vec::new(), dashes: memmem::Finder::new(b"\n--") };
    let mut out = Structure { messages: Vec::new(), leaves: Vec::new(), cut: false };
    out.messages.push(Message { head: &[], parent: None, name: None, depth });
    let (mut at, mut message, mut parts) = (start_of_mail(bytes), 0, 0);
    let mut begins_message = true;
    loop {
        parts += 1;
        if parts > limits.mail_parts {
            out.cut = true;
            return out;
        }
        let head_start = at;
        let mut head = PartHead::default();
        at = scan.head(at, &mut head, limits);
        if begins_message {
            out.messages[message].head = &bytes[head_start..at];
            begins_message = false;
        }
        let body_start = at + bytes.get(at..).map_or(0, blank_length);
        let mut too_deep = None;
        if head.media.starts_with("multipart/") {
            let boundary = head.boundary.take().map(String::into_bytes);
            if let Some(boundary) = boundary.or_else(|| guessed_boundary(&bytes[body_start..])) {
                if scan.stack.len() < limits.mail_nesting {
                    scan.stack.push(Frame { boundary, message });
                    match scan.skip_to_part(body_start) {
                        Some((next, owner)) => (at, message) = (next, owner),
                        None => return out,
                    }
                    continue;
                }
                too_deep = Some(Refusal::TooDeep(limits.mail_nesting));
            }
        } else if is_message(&head.media) && head.encoding == Encoding::Plain {
            let depth = out.messages[message].depth + 1;
            if depth <= limits.depth {
                let name = head.name.take();
                out.messages.push(Message { head: &[], parent: Some(message), name, depth });
                message = out.messages.len() - 1;
                begins_message = true;
                at = body_start + start_of_mail(&bytes[body_start..]);
                continue;
            }
            too_deep = Some(Refusal::TooDeep(limits.depth));
        }
        let delimiter = scan.next_delimiter(body_start);
        let body_end = delimiter.as_ref().map_or(bytes.len(), |found| scan.body_end(body_start, found.start));
        let number = out.leaves.len() + 1;
        out.leaves.push(Leaf { number, message, head, body: &bytes[body_start..body_end], too_deep });
        match delimiter.and_then(|found| scan.after(&found)) {
            Some((next, owner)) => (at, message) = (next, owner),
            None => return out,
        }
    }
}

/// RFC 2046 §5.2.1, RFC 6532 §3.7.
pub(crate) fn is_message(media: &str) -> bool {
    matches!(media, "message/rfc822" | "message/global")
}

impl Scan<'_> {
    /// Reads fields until an empty line, a boundary, or what cannot be a header; gives where that is.
    fn head(&self, mut at: usize, head: &mut PartHead, limits: &Limits) -> usize {
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let ends = is_blank(rest)
                || matches!(rest[0], b'{' | b'[')
                || (rest.starts_with(b"--") && self.delimiter_at(at).is_some());
            if ends {
                return at;
            }
            let end = field_end(rest);
            if let Some(field) = field_of(&rest[..end]) {
                head.take(&field, limits.header_bytes);
            }
            at += end;
        }
        self.bytes.len()
    }

    /// From a preamble or epilogue to the next part and the mail that it belongs to.
    fn skip_to_part(&mut self, from: usize) -> Option<(usize, usize)> {
        let found = self.next_delimiter(from)?;
        self.after(&found)
    }

    /// What follows a delimiter: the next part, past epilogues.
    fn after(&mut self, found: &Delimiter) -> Option<(usize, usize)> {
        self.stack.truncate(found.frame + 1);
        if !found.closing {
            return self.stack.last().map(|frame| (found.end, frame.message));
        }
        self.stack.pop();
        let mut from = found.end;
        loop {
            let next = self.next_delimiter(from)?;
            self.stack.truncate(next.frame + 1);
            if !next.closing {
                return self.stack.last().map(|frame| (next.end, frame.message));
            }
            self.stack.pop();
            from = next.end;
        }
    }

    /// The next line, from the beginning of a line on, that is a delimiter of any level.
    fn next_delimiter(&self, from: usize) -> Option<Delimiter> {
        if self.stack.is_empty() {
            return None;
        }
        if self.bytes.get(from..)?.starts_with(b"--")
            && let Some(found) = self.delimiter_at(from)
        {
            return Some(found);
        }
        let rest = &self.bytes[from..];
        self.dashes.find_iter(rest).find_map(|newline| self.delimiter_at(from + newline + 1))
    }

    /// RFC 2046 §5.1.1: the whole line must match, or one boundary that begins like another would end its parts.
    fn delimiter_at(&self, start: usize) -> Option<Delimiter> {
        let rest = &self.bytes[start..];
        let end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line = rest[2..end].trim_ascii_end();
        let (frame, closing) =
            self.stack.iter().enumerate().rev().find_map(|(frame, Frame { boundary, .. })| {
                let closing = match line.strip_prefix(boundary.as_slice())? {
                    [] => false,
                    b"--" => true,
                    _ => return None,
                };
                Some((frame, closing))
            })?;
        Some(Delimiter { start, end: start + end, frame, closing })
    }

    /// The line end before a delimiter belongs to the delimiter.
    fn body_end(&self, body_start: usize, delimiter: usize) -> usize {
        let body = &self.bytes[body_start..delimiter.max(body_start)];
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        body_start + body.strip_suffix(b"\r").unwrap_or(body).len()
    }
}

fn blank_length(rest: &[u8]) -> usize {
    match rest {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}

/// The boundary of a multipart that does not name it: that of the first line which looks like one.
fn guessed_boundary(body: &[u8]) -> Option<Vec<u8>> {
    let start = if body.starts_with(b"--") { 2 } else { memmem::find(body, b"\n--")? + 3 };
    let line = &body[start..];
    let line = &line[..memchr(b'\n', line)?];
    let boundary = line.trim_ascii_end();
    // RFC 2046 §5.1.1: one to seventy characters.
    (!boundary.is_empty() && boundary.len() <= 70).then(|| boundary.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(mail: &str) -> Vec<String> {
        let structure = structure(mail.as_bytes(), &Limits::default(), 1);
        structure.leaves.iter().map(|leaf| String::from_utf8_lossy(leaf.body).into_owned()).collect()
    }

    #[test]
    fn parts_are_cut_at_whole_boundary_lines_only() {
        let mail = "Content-Type: multipart/mixed; boundary=a\n\npreamble\n--ab\nno\n--a \n\none\n--ab\n--a--x\n\
            --a\nContent-Type: multipart/mixed; boundary=ab\n\n--ab\n\ntwo\n--ab--\nepilogue\n--ab\n\
            --a\n--a\n\n--a\n\nlast\n--a--\nepilogue\n--a\n\nghost\n";
        let crlf = mail.replace('\n', "\r\n");
        let expected = ["one\n--ab\n--a--x", "two", "", "", "last"];
        assert_eq!(bodies(mail), expected);
        let got: Vec<_> = bodies(&crlf).iter().map(|body| body.replace('\r', "")).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_boundary_of_the_outer_level_ends_what_the_inner_one_left_open() {
        let mail = "Content-Type: multipart/mixed; boundary=out\n\n--out\n\
            Content-Type: multipart/mixed; boundary=in\n\n--in\n\none\n--out\n\
            Content-Type: message/rfc822\n\nSubject: x\nContent-Type: multipart/mixed; boundary=deep\n\n--deep\n\ntwo\n\
            --out\n\nthree";
        assert_eq!(bodies(mail), ["one", "two", "three"]);
        let structure = structure(mail.as_bytes(), &Limits::default(), 1);
        assert_eq!(structure.messages.len(), 2);
        assert_eq!(structure.leaves.iter().map(|leaf| leaf.message).collect::<Vec<_>>(), [0, 1, 0]);
    }

    #[test]
    fn a_nameless_boundary_is_guessed_and_a_missing_empty_line_forgiven() {
        let mail = "Content-Type: multipart/report\n\nhello\n--q\nContent-Type: application/json\n{\"a\":1}\n--q--\n";
        assert_eq!(bodies(mail), ["{\"a\":1}"]);
    }

    #[test]
    fn nesting_and_number_stop_at_their_limits() {
        let mut deep = String::new();
        for level in 0..100_000 {
            deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"));
        }
        let limits = Limits::default();
        let found = structure(deep.as_bytes(), &limits, 1);
        assert_eq!(found.leaves.len(), 1);
        assert_eq!(found.leaves[0].too_deep, Some(Refusal::TooDeep(limits.mail_nesting)));

        let many = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(100_000));
        let found = structure(many.as_bytes(), &limits, 1);
        assert!(found.cut);
        assert_eq!(found.leaves.len(), limits.mail_parts - 1);

        let mails = "Content-Type: message/rfc822\n\n".repeat(100_000);
        let found = structure(mails.as_bytes(), &limits, 1);
        assert_eq!(found.messages.len(), limits.depth);
        assert_eq!(found.leaves[0].too_deep, Some(Refusal::TooDeep(limits.depth)));
    }
}
