//! The end of a mail, and dots at line starts (RFC 5321 §4.5.2). Performs no I/O; holds no bytes.
//!
//! Only `<CRLF>.<CRLF>` ends a mail, where the first CRLF may be the one that ended the DATA line. Every other
//! spelling (`<LF>.<LF>`, `<CR>.<CR>`, `<LF>.<CRLF>`, `<CRLF>.<LF>`, `<CRLF>.<CR><CR><LF>`) is text of the mail and
//! kept: a receiver that takes one of them for the end lets a sender smuggle a second mail behind the first.
//! `smtp-proto`'s receiver takes the last of these for an end and misses the end of an empty mail, hence this one.

/// Where in a line we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the start of a line.
    Start,
    /// After a dot at the start of a line; it has not been handed on.
    Dot,
    /// After a dot at the start of a line and a CR; neither has been handed on.
    DotCr,
    /// Inside a line.
    Inside,
    /// Inside a line, after a CR.
    InsideCr,
}

/// Takes the bytes of one mail and finds its end.
#[derive(Debug)]
pub(super) struct Unstuffer {
    place: Place,
}

impl Unstuffer {
    /// Before the first byte of a mail.
    pub(super) fn new() -> Self {
        Self { place: Place::Start }
    }

    /// Hands the mail's own bytes to `take`, up to the mail's end if `input` holds it. Answers how many bytes of
    /// `input` belonged to the mail or its end, and whether the end was there.
    pub(super) fn feed(&mut self, input: &[u8], mut take: impl FnMut(&[u8])) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match (self.place, byte) {
                (Place::Start, b'.') => {
                    self.place = Place::Dot;
                    at += 1;
                }
                (Place::Dot, b'\r') => {
                    self.place = Place::DotCr;
                    at += 1;
                }
                (Place::DotCr, b'\n') => {
                    self.place = Place::Start;
                    return (at + 1, true);
                }
                (Place::DotCr, _) => {
                    // The line did not end there: the CR is text, the dot was stuffing.
                    take(b"\r");
                    self.place = Place::InsideCr;
                }
                (Place::Start | Place::Dot, _) => self.place = Place::Inside,
                (Place::Inside | Place::InsideCr, _) => at += self.run(&input[at..], &mut take),
            }
        }
        (at, false)
    }

    /// Hands on text inside lines until a line ends properly or `rest` does; `rest` is not empty.
    fn run(&mut self, rest: &[u8], take: &mut impl FnMut(&[u8])) -> usize {
        let cr_before = self.place == Place::InsideCr;
        let mut from = 0;
        while let Some(found) = memchr::memchr(b'\n', &rest[from..]) {
            let lf = from + found;
            let crlf = match lf.checked_sub(1) {
                Some(before) => rest[before] == b'\r',
                None => cr_before,
            };
            from = lf + 1;
            // A line that goes on with anything but a dot needs no closer look.
            if crlf && rest.get(from).is_none_or(|&next| next == b'.') {
                take(&rest[..from]);
                self.place = Place::Start;
                return from;
            }
        }
        take(rest);
        self.place = if rest.last() == Some(&b'\r') { Place::InsideCr } else { Place::Inside };
        rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule said the slow way: cut at the first `<CRLF>.<CRLF>`, then drop one dot after each CRLF.
    fn by_the_book(input: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut text = b"\r\n".to_vec();
        text.extend_from_slice(input);
        let end = text.windows(5).position(|window| window == b"\r\n.\r\n")?;
        let mut mail = Vec::new();
        let mut line_start = false;
        for (index, &byte) in text[..end + 2].iter().enumerate() {
            if !(line_start && byte == b'.') {
                mail.push(byte);
            }
            line_start = index > 0 && &text[index - 1..=index] == b"\r\n";
        }
        Some((mail.split_off(2), end + 5 - 2))
    }

    fn fed_in_pieces(input: &[u8], cut: usize) -> Option<(Vec<u8>, usize)> {
        let mut unstuffer = Unstuffer::new();
        let mut mail = Vec::new();
        let (first, second) = input.split_at(cut);
        let (used, ended) = unstuffer.feed(first, |bytes| mail.extend_from_slice(bytes));
        if ended {
            return Some((mail, used));
        }
        assert_eq!(used, first.len());
        let (used, ended) = unstuffer.feed(second, |bytes| mail.extend_from_slice(bytes));
        ended.then_some((mail, first.len() + used))
    }

    /// Every text of up to nine bytes over the four that matter, cut at every place.
    #[test]
    fn only_a_dot_alone_between_two_crlf_ends_a_mail() {
        let alphabet = [b'\r', b'\n', b'.', b'a'];
        for length in 0..=9_u32 {
            for number in 0..4_usize.pow(length) {
                let text: Vec<u8> =
                    (0..length).map(|place| alphabet[number / 4_usize.pow(place) % 4]).collect();
                let expected = by_the_book(&text);
                // Every cut for the shorter texts; for the longest the middle is enough.
                let cuts = if length < 8 { 0..=text.len() } else { 4..=4 };
                for cut in cuts {
                    assert_eq!(fed_in_pieces(&text, cut), expected, "{:?} cut at {cut}", text.escape_ascii());
                }
            }
        }
    }

    /// What ends a mail here ends no line elsewhere: each spelling with which one mail was smuggled behind another.
    #[test]
    fn a_smuggled_end_stays_inside_the_mail() {
        for fake in
            ["\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n", "\r\n\0.\r\n"]
        {
            let text = format!("a{fake}MAIL FROM:<b@c.example>\r\n.\r\n");
            let mut mail = Vec::new();
            let (used, ended) = Unstuffer::new().feed(text.as_bytes(), |bytes| mail.extend_from_slice(bytes));
            assert!(ended && used == text.len(), "{fake:?}");
            assert!(mail.ends_with(b"MAIL FROM:<b@c.example>\r\n"), "{fake:?}");
        }
    }
}
