//! Our own JSON with line breaks, for a person to read. Not a parser: what goes in is well-formed.

/// `json` on many lines, about `most` bytes of it; whether the rest was left out.
pub(super) fn indented(json: &str, most: usize) -> (String, bool) {
    let mut out = String::with_capacity(json.len().min(most) * 2);
    let mut letters = json.chars().peekable();
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    let break_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(letter) = letters.next() {
        if out.len() >= most {
            return (out, true);
        }
        if is_text {
            out.push(letter);
            is_text = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
            continue;
        }
        match letter {
            '{' | '[' => {
                out.push(letter);
                if letters.peek().is_some_and(|next| matches!(next, '}' | ']')) {
                    out.extend(letters.next());
                } else {
                    depth += 1;
                    break_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                break_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            white if white.is_ascii_whitespace() => {}
            other => {
                is_text = other == '"';
                out.push(other);
            }
        }
    }
    (out, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_json_and_texts_stay_as_they_are() {
        let json = r#"{"a":[1,{"b":"x, [\"y\\\"] : {"}],"c":{},"d":[],"e":-1.5,"f":null}"#;
        let (text, is_cut) = indented(json, 10_000);
        assert!(!is_cut);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
        assert!(text.contains("\n      \"b\": \"x, [\\\"y\\\\\\\"] : {\"\n"), "{text}");
        assert!(text.contains("\"c\": {},\n"));
        let (start, is_cut) = indented(json, 20);
        assert!(is_cut && text.starts_with(&start) && start.len() < 30);
    }
}
