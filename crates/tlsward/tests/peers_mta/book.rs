//! The documentation's own blocks: what people copy is what the tests run.

const POSTFIX: &str = include_str!("../../../../docs/postfix.md");
const EXIM: &str = include_str!("../../../../docs/exim.md");

/// The block of docs/postfix.md that begins with this comment.
pub(crate) fn postfix(title: &str) -> &'static str {
    block(POSTFIX, title)
}

/// The block of docs/exim.md that begins with this comment.
pub(crate) fn exim(title: &str) -> &'static str {
    block(EXIM, title)
}

fn block(page: &'static str, title: &str) -> &'static str {
    let begin = format!("\n# {title}\n");
    let (_, rest) = page.split_once(begin.as_str()).unwrap_or_else(|| panic!("no block '{title}'"));
    rest.split_once("\n```").unwrap_or_else(|| panic!("the block '{title}' does not end")).0
}
