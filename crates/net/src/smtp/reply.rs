//! Replies of a server (RFC 5321 §4.2), line by line, bounded. Performs no I/O.

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// 200 to 599.
    pub(crate) code: u16,
    /// The texts behind the code, without line ends; at least one.
    pub(crate) lines: Vec<Vec<u8>>,
}

impl Reply {
    /// Whether the server will not (4yz, 5yz).
    pub(crate) fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// Whether a reply to EHLO has that keyword. RFC 5321 §4.1.1.1: it stands at the beginning of a line, whatever
    /// its case; the first line is the server's name. A parameter behind it, which STARTTLS has not, takes nothing away.
    pub(crate) fn offers(&self, keyword: &[u8]) -> bool {
        let first_word = |line: &[u8]| {
            let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
            line[..end].eq_ignore_ascii_case(keyword)
        };
        self.lines.iter().skip(1).any(|line| first_word(line))
    }

    /// Its first line as text for a person: without control characters and not longer than that.
    pub(crate) fn text(&self, at_most_chars: usize) -> String {
        let line = self.lines.first().map_or(&[][..], Vec::as_slice);
        // A character has at most four octets: more than that is never shown.
        let line = &line[..line.len().min(at_most_chars.saturating_mul(4))];
        let text = String::from_utf8_lossy(line);
        let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        shown.take(at_most_chars).collect::<String>().trim().to_owned()
    }
}

/// Why that is no reply. The text is for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSmtp {
    #[error("a line does not begin with a reply code")]
    NoCode,
    #[error("its lines have different codes, {0} and {1}")]
    TwoCodes(u16, u16),
    #[error("it has more than {0} lines")]
    TooManyLines(usize),
    #[error("a line has more than {0} bytes")]
    LongLine(usize),
}

/// Puts the lines of one reply together.
#[derive(Debug)]
pub(crate) struct Assembly {
    at_most_lines: usize,
    code: Option<u16>,
    lines: Vec<Vec<u8>>,
}

impl Assembly {
    pub(crate) fn new(at_most_lines: usize) -> Self {
        Self { at_most_lines, code: None, lines: Vec::new() }
    }

    /// Takes a line with or without its end; the reply, once this was its last.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, NotSmtp> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (code, last, text) = parse(line).ok_or(NotSmtp::NoCode)?;
        if let Some(earlier) = self.code.filter(|earlier| *earlier != code) {
            return Err(NotSmtp::TwoCodes(earlier, code));
        }
        if self.lines.len() == self.at_most_lines {
            return Err(NotSmtp::TooManyLines(self.at_most_lines));
        }
        self.code = Some(code);
        self.lines.push(text.to_vec());
        Ok(last.then(|| Reply { code, lines: std::mem::take(&mut self.lines) }))
    }
}

fn parse(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'] = digits else { return None };
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        None => Some((code, true, rest)),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(lines: &[&str]) -> Result<Option<Reply>, NotSmtp> {
        let mut assembly = Assembly::new(3);
        let mut last = Ok(None);
        for line in lines {
            last = assembly.line(line.as_bytes());
            if !matches!(last, Ok(None)) {
                break;
            }
        }
        last
    }

    #[test]
    fn a_reply_ends_with_the_line_that_has_no_hyphen() {
        assert_eq!(reply(&["250-a\r\n"]), Ok(None));
        let whole = reply(&["250-a\r\n", "250-b\n", "250 c"]).unwrap().unwrap();
        assert_eq!(whole, Reply { code: 250, lines: vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()] });
        assert_eq!(reply(&["220\r\n"]).unwrap().unwrap().lines, [b""]);
    }

    #[test]
    fn what_is_no_reply_is_refused_with_the_reason() {
        for line in
            ["", "25", "HTTP/1.1 400 Bad Request\r\n", "SSH-2.0-x", "2200 x", "220x", "100 x", "600 x"]
        {
            assert_eq!(reply(&[line]), Err(NotSmtp::NoCode), "{line}");
        }
        assert_eq!(reply(&["250-a", "220 b"]), Err(NotSmtp::TwoCodes(250, 220)));
        assert!(reply(&["250-a", "250-b", "250 c"]).is_ok());
        assert_eq!(reply(&["250-a", "250-b", "250-c", "250 d"]), Err(NotSmtp::TooManyLines(3)));
    }

    #[test]
    fn starttls_is_a_keyword_and_nothing_that_looks_like_it() {
        for line in ["250 STARTTLS", "250 starttls\r\n", "250 StartTLS  \r\n", "250 STARTTLS x"] {
            let reply = reply(&["250-mx.example.com", line]).unwrap().unwrap();
            assert!(reply.offers(b"STARTTLS"), "{line}");
        }
        for line in ["250 STARTTLSX", "250  STARTTLS", "250 XSTARTTLS", "250 X STARTTLS", "250 START TLS"] {
            let reply = reply(&["250-mx.example.com", line]).unwrap().unwrap();
            assert!(!reply.offers(b"STARTTLS"), "{line}");
        }
        assert!(!reply(&["250 STARTTLS"]).unwrap().unwrap().offers(b"STARTTLS"), "the first line is a name");
    }

    #[test]
    fn the_text_of_a_refusal_is_one_bounded_line_without_control_characters() {
        let reply = reply(&["554-go\u{1b}[31maway\u{7}", "554 now"]).unwrap().unwrap();
        assert_eq!(reply.text(200), "go [31maway");
        assert_eq!(reply.text(4), "go [");
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(lines in any::<Vec<Vec<u8>>>(), at_most in 0_usize..20) {
            let mut assembly = Assembly::new(3);
            for line in lines {
                if let Ok(Some(reply)) = assembly.line(&line) {
                    let _ = (reply.offers(b"STARTTLS"), reply.text(at_most));
                }
            }
        }
    }
}
