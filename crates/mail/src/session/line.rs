//! Command lines, taken off the input one by one within a bound.

use bytes::BytesMut;

/// What stands at the front of the input.
pub(super) enum Line {
    /// No whole line yet.
    Unfinished,
    /// A line with its end.
    Whole(BytesMut),
    /// The end of a line that was too long; it is thrown away.
    Overlong,
    /// One that is so long that nobody waits for its end.
    Endless,
}

/// Takes a line off the input. A bare LF ends one too: between commands nothing can hide behind it.
pub(super) fn take_line(input: &mut BytesMut, longest: usize, overlong: &mut usize) -> Line {
    match memchr::memchr(b'\n', input) {
        Some(at) => {
            let line = input.split_to(at + 1);
            if std::mem::take(overlong) > 0 || line.len() > longest {
                Line::Overlong
            } else {
                Line::Whole(line)
            }
        }
        None if *overlong > 0 || input.len() >= longest => {
            *overlong += input.len();
            input.clear();
            if *overlong > 16 * longest { Line::Endless } else { Line::Unfinished }
        }
        None => Line::Unfinished,
    }
}
