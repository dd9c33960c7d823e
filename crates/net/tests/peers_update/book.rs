//! The documentation's own blocks: what people copy is what the tests run.

const PAGE: &str = include_str!("../../../../docs/dns.md");

/// The block of docs/dns.md that begins with this comment.
pub(crate) fn block(title: &str) -> &'static str {
    let begin = format!("\n# {title}\n");
    let (_, rest) = PAGE.split_once(begin.as_str()).unwrap_or_else(|| panic!("no block '{title}'"));
    rest.split_once("\n```").unwrap_or_else(|| panic!("the block '{title}' does not end")).0
}
