//! Content-Transfer-Encoding (RFC 2045 §6), decoded piece by piece from a slice: nothing is held but the piece.
//! Never fails: what cannot be decoded is skipped (base64) or kept as it stands (quoted-printable).

use memchr::memchr;

/// How the bytes of a part are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// 7bit, 8bit, binary, or anything unknown.
    Plain,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    pub(crate) fn from_field(value: &[u8]) -> Self {
        let end = value.iter().position(|byte| matches!(byte, b';' | b'(')).unwrap_or(value.len());
        let token = value[..end].trim_ascii();
        let token = token.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(token);
        if token.eq_ignore_ascii_case(b"base64") {
            Encoding::Base64
        } else if token.eq_ignore_ascii_case(b"quoted-printable") {
            Encoding::QuotedPrintable
        } else {
            Encoding::Plain
        }
    }
}

/// A decoder's place in its input.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    encoding: Encoding,
    /// base64: bits of an unfinished group, and how many characters they come from.
    bits: u32,
    have: u8,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(input: &'a [u8], encoding: Encoding) -> Self {
        Decoder { rest: input, encoding, bits: 0, have: 0 }
    }

    /// Decodes into `out` (at least 4 bytes long); 0 only at the end.
    pub(crate) fn decode(&mut self, out: &mut [u8]) -> usize {
        match self.encoding {
            Encoding::Plain => {
                let count = self.rest.len().min(out.len());
                out[..count].copy_from_slice(&self.rest[..count]);
                self.rest = &self.rest[count..];
                count
            }
            Encoding::Base64 => self.base64(out),
            Encoding::QuotedPrintable => self.quoted_printable(out),
        }
    }

    fn base64(&mut self, out: &mut [u8]) -> usize {
        let mut written = 0;
        while out.len() - written >= 4 {
            if self.have == 0 {
                while let ([a, b, c, d, ..], Some(slot)) = (self.rest, out.get_mut(written..written + 4)) {
                    let group = BASE64[0][usize::from(*a)]
                        | BASE64[1][usize::from(*b)]
                        | BASE64[2][usize::from(*c)]
                        | BASE64[3][usize::from(*d)];
                    if group & INVALID != 0 {
                        break;
                    }
                    slot.copy_from_slice(&(group << 8).to_be_bytes());
                    written += 3;
                    self.rest = &self.rest[4..];
                }
                if out.len() - written < 4 {
                    break;
                }
            }
            let Some((byte, rest)) = self.rest.split_first() else {
                written += self.flush(&mut out[written..]);
                break;
            };
            self.rest = rest;
            let value = BASE64[3][usize::from(*byte)];
            if value != INVALID {
                self.bits = self.bits << 6 | value;
                self.have += 1;
                if self.have == 4 {
                    out[written..written + 3].copy_from_slice(&self.bits.to_be_bytes()[1..]);
                    written += 3;
                    (self.bits, self.have) = (0, 0);
                }
            } else if *byte == b'=' {
                // Padding ends a group; some senders encode in pieces, so what follows is decoded too.
                written += self.flush(&mut out[written..]);
            }
        }
        written
    }

    /// An unfinished group: 2 characters are a byte, 3 are two.
    fn flush(&mut self, out: &mut [u8]) -> usize {
        let bits = self.bits << (6 * (4 - u32::from(self.have.min(4))));
        let bytes = bits.to_be_bytes();
        let count = usize::from(self.have.saturating_sub(1));
        out[..count].copy_from_slice(&bytes[1..=count]);
        (self.bits, self.have) = (0, 0);
        count
    }

    fn quoted_printable(&mut self, out: &mut [u8]) -> usize {
        let mut written = 0;
        while written < out.len() && !self.rest.is_empty() {
            let room = self.rest.len().min(out.len() - written);
            let run = memchr(b'=', &self.rest[..room]).unwrap_or(room);
            out[written..written + run].copy_from_slice(&self.rest[..run]);
            written += run;
            self.rest = &self.rest[run..];
            if run == room {
                continue;
            }
            // At a `=`, and there is room for a byte.
            if let [_, high, low, rest @ ..] = self.rest
                && let (Some(high), Some(low)) = (hex(*high), hex(*low))
            {
                out[written] = high << 4 | low;
                written += 1;
                self.rest = rest;
                continue;
            }
            let tail = &self.rest[1..];
            let blank = tail.iter().take(998).take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
            if let Some(b'\n') | None = tail.get(blank) {
                // RFC 2045 §6.7 (5): a soft line break, white space before its end or not.
                self.rest = tail.get(blank + 1..).unwrap_or_default();
            } else {
                out[written] = b'=';
                written += 1;
                self.rest = tail;
            }
        }
        written
    }
}

/// The first bytes of a part, decoded; for a look at what they are.
pub(crate) fn head<'b>(input: &[u8], encoding: Encoding, out: &'b mut [u8; HEAD]) -> &'b [u8] {
    let mut decoder = Decoder::new(input, encoding);
    let mut written = 0;
    while out.len() - written >= 4 {
        match decoder.decode(&mut out[written..]) {
            0 => break,
            count => written += count,
        }
    }
    &out[..written]
}

/// How many bytes [`head`] decodes at most.
pub(crate) const HEAD: usize = 64;

/// Whether the beginning of a part consists of base64 and line ends, and of enough of it.
pub(crate) fn looks_like_base64(input: &[u8]) -> bool {
    let mut seen = 0;
    for byte in input.trim_ascii_start().iter().take(60) {
        match byte {
            b'\r' | b'\n' => {}
            b'=' if seen > 0 => {}
            _ if BASE64[3][usize::from(*byte)] != INVALID => seen += 1,
            _ => return false,
        }
    }
    seen >= 16
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

const INVALID: u32 = 1 << 31;

/// The value of a character at each place of a group of four, already shifted; the last table is the plain value.
static BASE64: [[u32; 256]; 4] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut tables = [[INVALID; 256]; 4];
    let mut place = 0;
    while place < 4 {
        let mut value = 0;
        while value < 64 {
            tables[place][alphabet[value] as usize] = (value as u32) << (18 - 6 * place);
            value += 1;
        }
        place += 1;
    }
    tables
};

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], encoding: Encoding, piece: usize) -> Vec<u8> {
        let mut decoder = Decoder::new(input, encoding);
        let (mut out, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match decoder.decode(&mut buffer) {
                0 => return out,
                count => out.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn base64_is_read_through_line_ends_junk_and_padding_in_the_middle() {
        for (input, expected) in [
            (&b"aGVsbG8gd29ybGQ="[..], &b"hello world"[..]),
            (b"aGVs\r\nbG8gd2\r\n9ybGQ=\r\n", b"hello world"),
            (b"a G!V\0s-bG8gd29ybGQ", b"hello world"),
            (b"aGVsbG8=IHdvcmxk", b"hello world"),
            (b"aGVsbG8gd29ybA==\r\n", b"hello worl"),
            (b"a", b""),
            (b"====", b""),
            (b"", b""),
        ] {
            for piece in [4, 5, 7, 64, 4096] {
                assert_eq!(
                    all(input, Encoding::Base64, piece),
                    expected,
                    "{} by {piece}",
                    input.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn quoted_printable_keeps_what_it_cannot_decode() {
        for (input, expected) in [
            (&b"a=3Db"[..], &b"a=b"[..]),
            (b"a=\r\nb", b"ab"),
            (b"a= \t\r\nb", b"ab"),
            (b"a=\nb", b"ab"),
            (b"a=zzb", b"a=zzb"),
            (b"a=", b"a"),
            (b"=7B=22a=22=7d", b"{\"a\"}"),
        ] {
            for piece in [4, 5, 64] {
                assert_eq!(
                    all(input, Encoding::QuotedPrintable, piece),
                    expected,
                    "{}",
                    input.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn an_encoding_is_read_with_comments_quotes_and_any_case() {
        for (value, encoding) in [
            (&b" BASE64 \r\n"[..], Encoding::Base64),
            (b"\"base64\"", Encoding::Base64),
            (b"base64 (as always)", Encoding::Base64),
            (b"Quoted-Printable;", Encoding::QuotedPrintable),
            (b"8bit", Encoding::Plain),
            (b"x-new", Encoding::Plain),
            (b"", Encoding::Plain),
        ] {
            assert_eq!(Encoding::from_field(value), encoding);
        }
    }
}
