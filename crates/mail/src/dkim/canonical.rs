//! Relaxed canonicalization (RFC 6376 §3.4): what a relay may change without breaking the signature.

/// A header field, found by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'m> {
    pub(super) name: &'m [u8],
    value: &'m [u8],
}

/// The fields of a message, and its body.
pub(super) fn split(message: &[u8]) -> (Vec<Field<'_>>, &[u8]) {
    let (mut fields, mut rest) = (Vec::new(), message);
    loop {
        if let Some(body) = rest.strip_prefix(b"\r\n") {
            return (fields, body);
        }
        let mut end = line_end(rest);
        while end < rest.len() && matches!(rest[end], b' ' | b'\t') {
            end += line_end(&rest[end..]);
        }
        if end == 0 {
            return (fields, b"");
        }
        let field = &rest[..end];
        if let Some(colon) = field.iter().position(|byte| *byte == b':') {
            fields.push(Field { name: field[..colon].trim_ascii_end(), value: &field[colon + 1..] });
        }
        rest = &rest[end..];
    }
}

fn line_end(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

/// Appends a field as §3.4.2 has it, without its line end.
pub(super) fn header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        out.extend_from_slice(first);
    }
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
}

impl Field<'_> {
    pub(super) fn canonical(&self, out: &mut Vec<u8>) {
        header(out, self.name, self.value);
    }
}

/// The body as §3.4.4 has it.
pub(super) fn body(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut empty_lines = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let start = out.len();
        // Empty lines at the end are left out; it is known only now that these were not.
        let pending = empty_lines;
        let mut is_blank = true;
        let mut gap = false;
        for &byte in line {
            if matches!(byte, b' ' | b'\t') {
                gap = true;
                continue;
            }
            if is_blank {
                (0..pending).for_each(|_| out.extend_from_slice(b"\r\n"));
                is_blank = false;
            }
            if gap {
                out.push(b' ');
                gap = false;
            }
            out.push(byte);
        }
        debug_assert!(is_blank == (out.len() == start), "a line is blank if nothing was written of it");
        if is_blank {
            empty_lines += 1;
        } else {
            empty_lines = 0;
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: I3
    #[test]
    fn the_example_of_the_rfc_comes_out_as_the_rfc_has_it() {
        // RFC 6376 §3.4.5.
        let message = b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n";
        let (fields, rest) = split(message);
        let mut headers = Vec::new();
        for field in fields {
            field.canonical(&mut headers);
            headers.extend_from_slice(b"\r\n");
        }
        assert_eq!(headers, b"a:X\r\nb:Y Z\r\n");
        assert_eq!(body(rest), b" C\r\nD E\r\n");
    }

    #[test]
    fn empty_lines_count_only_between_lines() {
        assert_eq!(body(b""), b"");
        assert_eq!(body(b"\r\n\r\n"), b"");
        assert_eq!(body(b"\r\n \r\na\r\n\r\nb"), b"\r\n\r\na\r\n\r\nb\r\n");
        assert_eq!(split(b"A: b"), (vec![Field { name: b"A", value: b" b" }], &b""[..]));
    }
}
