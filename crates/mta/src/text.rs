//! Texts of strangers, made fit to be kept, logged and counted: bounded, on one line, without control characters.

use tls_rpt::Text;

/// Printable ASCII, everything else as `?`, cut to `longest` bytes.
pub(crate) fn printable(text: &str, longest: usize) -> String {
    text.chars().take(longest).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

/// At most `longest` bytes, cut between characters; line ends and tabs become spaces, other control characters go,
/// and so do those that turn the direction of text.
pub(crate) fn bounded(text: &str, longest: usize) -> Text {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Text::from(text);
    }
    let fit = |c: char| match c {
        '\t' | '\r' | '\n' => Some(' '),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        c if c.is_control() => None,
        c => Some(c),
    };
    text.chars().filter_map(fit).collect()
}

/// A host or domain: lower-case A-labels where it can be a name, else nothing.
pub(crate) fn name(text: &str) -> Option<Text> {
    let name = mta_sts::name::DnsName::parse(text.trim()).ok()?;
    Some(Text::from(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_stays_on_one_line() {
        assert_eq!(bounded("  a\r\nb\u{7}c\u{202e}d ", 100), "a  bcd");
        assert_eq!(bounded("üüü", 3), "ü");
        assert_eq!(bounded("", 3), "");
        assert_eq!(printable("aü\n", 9), "a??");
        assert_eq!(name(" Mx.Bücher.Example. ").as_deref(), Some("mx.xn--bcher-kva.example"));
        assert_eq!(name("not a name"), None);
    }
}
