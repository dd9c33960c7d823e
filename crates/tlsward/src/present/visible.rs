//! Strangers' text made safe for a terminal: what would move the cursor, change colours, retitle the window or
//! reorder what stands beside it is spelt out instead. Never fails; ordinary text comes back as it is.

use std::borrow::Cow;

/// Characters of a stranger's text that are shown; a report's string may have 64 KiB.
const LONGEST: usize = 200;

/// The text with every character spelt out that is not itself visible: `ESC` becomes `\u{1b}`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            hidden if is_hidden(hidden) => out.extend(hidden.escape_unicode()),
            plain => out.push(plain),
        }
    }
    Cow::Owned(out)
}

/// As [`visible`], and cut where it gets too long to be read.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        None => visible(text),
        Some((end, _)) => Cow::Owned(format!("{}…", visible(&text[..end]))),
    }
}

/// Controls (C0, DEL, C1), direction marks and overrides, joiners and blanks without width, line and paragraph
/// separators, tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: R6
    #[test]
    fn what_steers_a_terminal_is_spelt_out() {
        let rows = [
            ("plain Grüße 例え", "plain Grüße 例え"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\u{9b}2Jb", "a\\u{9b}2Jb"),
            ("bell\u{7}\r\nnext\tcell", "bell\\u{7}\\r\\nnext\\tcell"),
            ("moc\u{202e}elgoog", "moc\\u{202e}elgoog"),
            ("iso\u{2066}late\u{2069}", "iso\\u{2066}late\\u{2069}"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("nul\0", "nul\\u{0}"),
        ];
        for (text, expected) in rows {
            assert_eq!(visible(text), expected);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = "é".repeat(LONGEST + 5);
        assert_eq!(shown(&long).chars().count(), LONGEST + 1);
        assert_eq!(shown("short"), "short");
    }
}
