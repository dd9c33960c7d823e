//! Domains and hosts in normal form: lower-case A-labels without trailing dot (design: `read --json`).

use crate::text::Text;

/// Bytes that stand unchanged in a normal name.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let bytes = b"abcdefghijklmnopqrstuvwxyz0123456789.-_*";
    let mut at = 0;
    while at < bytes.len() {
        plain[bytes[at] as usize] = true;
        at += 1;
    }
    plain
};

/// The normal form of a domain, host or mx pattern; `None` if nothing is left of it.
///
/// The second value says whether the text was changed. A name that cannot be put into A-labels stays as it is,
/// but for case and the dot: a report is not refused for it.
pub(crate) fn normal(name: &str) -> Option<(Text, bool)> {
    let is_plain = name.bytes().all(|byte| PLAIN[usize::from(byte)]);
    if is_plain && !name.is_empty() && !name.ends_with('.') {
        return Some((Text::new(name), false));
    }
    let trimmed = name.trim();
    let bare = trimmed.strip_suffix('.').unwrap_or(trimmed);
    if bare.is_empty() {
        return None;
    }
    let normal = if bare.is_ascii() { ascii_lower(bare) } else { a_labels(bare) };
    let changed = normal != name;
    Some((normal, changed))
}

fn ascii_lower(name: &str) -> Text {
    let mut lower = Text::new(name);
    lower.make_ascii_lowercase();
    lower
}

fn a_labels(name: &str) -> Text {
    let (prefix, rest) = name.strip_prefix("*.").map_or(("", name), |rest| ("*.", rest));
    match idna::domain_to_ascii(rest) {
        Ok(ascii) if !ascii.is_empty() => {
            let mut whole = Text::new(prefix);
            whole.push_str(ascii.strip_suffix('.').unwrap_or(&ascii));
            whole
        }
        _ => ascii_lower(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: H6
    #[test]
    fn domains_and_hosts_become_lower_case_a_labels_without_trailing_dot() {
        let table = [
            ("recv.example", Some(("recv.example", false))),
            ("RECV.Example.", Some(("recv.example", true))),
            ("bücher.example", Some(("xn--bcher-kva.example", true))),
            ("*.BÜCHER.example", Some(("*.xn--bcher-kva.example", true))),
            ("*.example.com", Some(("*.example.com", false))),
            ("domain_name", Some(("domain_name", false))),
            (" mx.example ", Some(("mx.example", true))),
            ("bad domain!", Some(("bad domain!", false))),
            ("\u{202e}x.example", Some(("\u{202e}x.example", false))),
            (".", None),
            ("", None),
            ("  ", None),
        ];
        for (name, expected) in table {
            let found = normal(name);
            assert_eq!(found.as_ref().map(|(text, changed)| (text.as_str(), *changed)), expected, "{name:?}");
        }
    }
}
