//! Strangers' text made fit to be shown: no control or direction characters, and short.

/// Characters of a name that are kept.
const MAX_CHARS: usize = 256;

/// `text`, cut to a readable length, with control, zero-width and direction characters written as `\u{…}`.
pub(crate) fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len().min(MAX_CHARS));
    for (position, character) in text.chars().enumerate() {
        if position == MAX_CHARS {
            tamed.push('…');
            break;
        }
        if misleads(character) {
            tamed.extend(character.escape_unicode());
        } else {
            tamed.push(character);
        }
    }
    tamed
}

/// The same for bytes that ought to be ASCII.
pub(crate) fn tame_bytes(bytes: &[u8]) -> String {
    // One more than is kept, so that the cut shows.
    let some = bytes.get(..=MAX_CHARS).unwrap_or(bytes);
    let text: String = some.iter().map(|byte| char::from(*byte)).collect();
    tame(&text)
}

fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_loses_its_tricks_and_is_cut() {
        assert_eq!(tame("a\u{202e}b\r\n\u{1b}[31m"), "a\\u{202e}b\\u{d}\\u{a}\\u{1b}[31m");
        assert_eq!(tame(&"é".repeat(300)).chars().count(), MAX_CHARS + 1);
        assert_eq!(tame_bytes(&[b'x'; 300]).chars().count(), MAX_CHARS + 1);
        assert_eq!(tame_bytes(b"mx.example.org"), "mx.example.org");
    }
}
