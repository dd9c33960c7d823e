//! Cuts a stream of bytes into lines, none longer than a bound.

/// Holds what has come of a line.
#[derive(Debug)]
pub(super) struct Lines {
    longest: usize,
    line: Vec<u8>,
    /// The line is too long: it is passed over to its end.
    is_overlong: bool,
}

impl Lines {
    /// Lines of up to `longest` bytes; longer ones are passed over.
    pub(super) fn new(longest: usize) -> Self {
        Self { longest, line: Vec::new(), is_overlong: false }
    }

    /// Hands `each` the lines that end in `bytes`, without their ends.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut each: impl FnMut(&str)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if !self.is_overlong && self.line.len() + end <= self.longest {
                self.line.extend_from_slice(&bytes[..end]);
                each(&String::from_utf8_lossy(&self.line));
            }
            self.is_overlong = false;
            self.line.clear();
            bytes = &bytes[end + 1..];
        }
        if self.is_overlong || self.line.len() + bytes.len() > self.longest {
            self.is_overlong = true;
            self.line.clear();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_arrive_and_overlong_ones_not_at_all() {
        let text = "one\n\n12345678\n123456789\nhalf a line that is too long\n\u{fc}\nno end";
        for size in [1, 2, 3, 7, 100] {
            let (mut lines, mut seen) = (Lines::new(8), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                lines.take(piece, |line| seen.push(line.to_owned()));
            }
            assert_eq!(seen, ["one", "", "12345678", "\u{fc}"], "{size}");
        }
    }
}
