//! The encodings of a mail's lines: headers folded, text as quoted-printable, bytes as base64.
//!
//! Every header value passes [`header`], which lets no line end through. Nothing here fails.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// RFC 5322 §2.1.1: lines should not be longer than this, without their CRLF.
const SOFT_LINE: usize = 78;
/// RFC 2045 §6.7, §6.8: encoded lines must not be longer than this.
const ENCODED_LINE: usize = 76;

/// Appends a header, folded at its spaces. The value is ASCII that was checked; should a control character have come
/// this far, it becomes a `?` and not a header of its own.
pub(super) fn header(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push(':');
    let mut column = name.len() + 1;
    let words = value.split(' ').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        // A name longer than the line keeps its first word beside it: a first line of nothing is obsolete syntax.
        if index > 0 && column + 1 + word.len() > SOFT_LINE {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.extend(word.chars().map(|letter| if matches!(letter, '!'..='~') { letter } else { '?' }));
        column += 1 + word.len();
    }
    out.push_str("\r\n");
}

/// Appends bytes as base64 in lines of 76 characters (RFC 2045 §6.8).
pub(super) fn base64_lines(out: &mut String, bytes: &[u8]) {
    const BYTES_A_LINE: usize = ENCODED_LINE / 4 * 3;
    out.reserve(bytes.len() / BYTES_A_LINE * (ENCODED_LINE + 2) + ENCODED_LINE + 2);
    for line in bytes.chunks(BYTES_A_LINE) {
        STANDARD.encode_string(line, out);
        out.push_str("\r\n");
    }
}

/// Whether a text can go as it is: ASCII without controls, short lines, no white space at a line's end, and nothing that
/// mailboxes or relays change on the way (`From ` and a dot at a line's start).
pub(super) fn is_seven_bit(text: &str) -> bool {
    text.split('\n').all(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.len() <= SOFT_LINE
            && !line.ends_with(' ')
            && !needs_care(line)
            && line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    })
}

/// Appends a text with CRLF line ends, closed by one.
pub(super) fn plain_lines(out: &mut String, text: &str) {
    for line in text.lines() {
        out.push_str(line);
        out.push_str("\r\n");
    }
}

/// Appends a text as quoted-printable (RFC 2045 §6.7), with CRLF line ends.
pub(super) fn quoted_printable(out: &mut String, text: &str) {
    for line in text.lines() {
        let bytes = line.as_bytes();
        let mut column = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            let last = index + 1 == bytes.len();
            let guarded = index == 0 && needs_care(line);
            let bare = !guarded && ((byte.is_ascii_graphic() && byte != b'=') || (byte == b' ' && !last));
            let width = if bare { 1 } else { 3 };
            if column + width > ENCODED_LINE - 1 {
                out.push_str("=\r\n");
                column = 0;
            }
            if bare {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("={byte:02X}"));
            }
            column += width;
        }
        out.push_str("\r\n");
    }
}

/// A line start that mailboxes (`From `) or careless relays (a dot) change, which would break the signature.
fn needs_care(line: &str) -> bool {
    line.starts_with('.') || line.starts_with("From ")
}

/// A display name: as it is where it is plain words, quoted where it has marks, else as encoded words (RFC 2047).
pub(super) fn display_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" !#$%&'*+-/=?^_`{|}~".contains(&byte);
    // `=?` would be read as an encoded word; double and outer spaces would be lost where the header folds.
    let ascii = name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) && name.len() <= 200;
    if ascii && !name.contains("=?") && !name.contains("  ") && name.trim() == name {
        if name.bytes().all(plain) {
            return name.to_owned();
        }
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("\"{escaped}\"");
    }
    // RFC 2047 §2: an encoded word has at most 75 characters; §5: a character is not cut in two.
    let mut words: Vec<String> = Vec::new();
    let mut chunk = String::new();
    for letter in name.chars() {
        if chunk.len() + letter.len_utf8() > 45 {
            words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(&chunk)));
            chunk.clear();
        }
        chunk.push(letter);
    }
    words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(&chunk)));
    words.join(" ")
}
