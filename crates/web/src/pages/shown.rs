//! Text of a stranger, made fit to be looked at.
//!
//! The templates escape markup; this makes visible what a reader could not see or would see wrongly: control characters,
//! invisible ones, and those that turn the direction of writing and so can make `exe.gpj` look like a picture. Long text is
//! cut, since a page is for reading; the raw form has it all.

use std::fmt::{self, Write};

/// Characters of a text in a list.
const LINE_CHARS: usize = 120;
/// Characters of a text on a page of its own.
const BLOCK_CHARS: usize = 4000;

/// A stranger's text that can be put into a template (and is escaped there).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown(String);

impl Shown {
    /// For a list or a table.
    pub(crate) fn line(text: &str) -> Self {
        Self::cut(text, LINE_CHARS)
    }

    /// For the page that is about it.
    pub(crate) fn block(text: &str) -> Self {
        Self::cut(text, BLOCK_CHARS)
    }

    /// For a list; a dash if there is none.
    pub(crate) fn maybe(text: Option<&str>) -> Self {
        match text {
            Some(text) if !text.trim().is_empty() => Self::line(text),
            _ => Self("–".to_owned()),
        }
    }

    /// Several lines, each by itself, for what is to be copied.
    pub(crate) fn lines<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut shown = String::new();
        for line in lines {
            if !shown.is_empty() {
                shown.push('\n');
            }
            shown.push_str(Self::cut(line, BLOCK_CHARS).as_str());
        }
        Self(shown)
    }

    fn cut(text: &str, most: usize) -> Self {
        let mut shown = String::with_capacity(text.len().min(most * 4));
        let mut chars = text.chars();
        for character in chars.by_ref().take(most) {
            show(&mut shown, character);
        }
        if chars.next().is_some() {
            shown.push('…');
        }
        Self(shown)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn show(out: &mut String, character: char) {
    let code = u32::from(character);
    match character {
        // The block of control pictures mirrors the controls.
        '\u{0}'..='\u{1f}' => out.push(char::from_u32(0x2400 + code).unwrap_or('\u{fffd}')),
        '\u{7f}' => out.push('\u{2421}'),
        _ if is_deceptive(character) => {
            let _ = write!(out, "⟨U+{code:04X}⟩");
        }
        _ => out.push(character),
    }
}

/// Characters that are not seen, or that change how others are.
fn is_deceptive(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: R6
    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        let rows = [
            ("plain – ä 日本", "plain – ä 日本"),
            ("a\0b\r\n\tc\u{7f}", "a␀b␍␊␉c␡"),
            ("\u{202e}gpj.exe", "⟨U+202E⟩gpj.exe"),
            ("a\u{200b}b\u{feff}\u{85}\u{e0041}", "a⟨U+200B⟩b⟨U+FEFF⟩⟨U+0085⟩⟨U+E0041⟩"),
            ("\u{2066}x\u{2069}", "⟨U+2066⟩x⟨U+2069⟩"),
        ];
        for (text, expected) in rows {
            assert_eq!(Shown::line(text).to_string(), expected);
        }
    }

    #[test]
    fn long_text_is_cut_and_absent_text_is_a_dash() {
        let long = Shown::line(&"é".repeat(121));
        assert!(long.to_string().ends_with('…'));
        assert_eq!(long.to_string().chars().count(), 121);
        assert!(!Shown::line(&"é".repeat(120)).to_string().ends_with('…'));
        assert_eq!(Shown::maybe(None).to_string(), "–");
        assert_eq!(Shown::maybe(Some("  ")).to_string(), "–");
    }
}
