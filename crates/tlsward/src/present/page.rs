//! Lines of text for a person: wrapped to the terminal, coloured where that is wanted.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

/// What a piece of text is; its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Running text.
    Plain,
    /// The head of a report.
    Heading,
    /// Something failed.
    Bad,
    /// Nothing failed.
    Good,
    /// Beside the point.
    Aside,
    /// To be typed.
    Command,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Aside => Style::new().dimmed(),
            Self::Command => AnsiColor::Cyan.on_default(),
        }
    }
}

/// How pages look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Columns.
    pub(crate) width: usize,
    /// Whether colours are used.
    pub(crate) colour: bool,
}

/// Lines longer than this are hard to read, whatever the terminal has.
const WIDEST: usize = 100;
/// Narrower than this, wrapping helps nobody.
const NARROWEST: usize = 30;

impl Look {
    /// For a terminal of `columns`, or for something that is no terminal.
    pub(crate) fn new(columns: Option<usize>, colour: bool) -> Self {
        Self { width: columns.unwrap_or(WIDEST).clamp(NARROWEST, WIDEST), colour }
    }
}

/// A page that is being written.
pub(crate) struct Page<'w> {
    out: &'w mut dyn Write,
    look: Look,
}

impl<'w> Page<'w> {
    pub(crate) fn new(out: &'w mut dyn Write, look: Look) -> Self {
        Self { out, look }
    }

    /// An empty line.
    pub(crate) fn gap(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    /// A paragraph, wrapped, every line `indent` columns in. The text must be visible already.
    pub(crate) fn text(&mut self, indent: usize, tone: Tone, text: &str) -> io::Result<()> {
        self.item(indent, "", tone, text)
    }

    /// A paragraph whose first line begins with a mark, such as `1. `, and whose other lines stand under the text.
    pub(crate) fn item(&mut self, indent: usize, mark: &str, tone: Tone, text: &str) -> io::Result<()> {
        let inner = indent + unicode_width::UnicodeWidthStr::width(mark);
        let width = self.look.width.saturating_sub(inner).max(NARROWEST / 2);
        let mut lead = mark;
        // Host names and addresses hold hyphens: a line never ends within one.
        let options = textwrap::Options::new(width).word_splitter(textwrap::WordSplitter::NoHyphenation);
        for line in textwrap::wrap(text, options) {
            write!(self.out, "{:indent$}{lead:pad$}", "", pad = inner - indent)?;
            self.toned(tone, &line)?;
            self.gap()?;
            lead = "";
        }
        Ok(())
    }

    /// One line that must stay one, such as a command to paste.
    pub(crate) fn verbatim(&mut self, indent: usize, tone: Tone, text: &str) -> io::Result<()> {
        write!(self.out, "{:indent$}", "")?;
        self.toned(tone, text)?;
        self.gap()
    }

    fn toned(&mut self, tone: Tone, text: &str) -> io::Result<()> {
        if self.look.colour && tone != Tone::Plain {
            let style = tone.style();
            write!(self.out, "{style}{text}{style:#}")
        } else {
            self.out.write_all(text.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(look: Look, write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut Page::new(&mut out, look)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_fit_the_width_and_hang_under_their_mark() {
        let text = page(Look::new(Some(30), false), |page| {
            page.item(2, "1. ", Tone::Plain, "one two three four five six seven eight nine ten")
        });
        assert_eq!(text, "  1. one two three four five\n     six seven eight nine ten\n");
    }

    #[test]
    fn colour_is_used_only_where_it_is_wanted_and_ends_with_its_text() {
        let bad = |colour| page(Look::new(Some(80), colour), |page| page.text(0, Tone::Bad, "failed"));
        assert_eq!(bad(false), "failed\n");
        assert_eq!(bad(true), "\u{1b}[1m\u{1b}[31mfailed\u{1b}[0m\n");
    }

    #[test]
    fn a_command_is_never_wrapped() {
        let long = "x ".repeat(100);
        let text = page(Look::new(Some(40), false), |page| page.verbatim(4, Tone::Command, &long));
        assert_eq!(text, format!("    {long}\n"));
    }
}
