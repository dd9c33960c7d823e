//! The map as a page: one table for each group of requirements.

use std::fmt::Write as _;

use super::Proofs;
use super::list::{Lists, Requirement, Standing};

/// What each letter of an identifier stands for.
const GROUPS: [(&str, &str); 12] = [
    ("D", "The policy domain and its policy host"),
    ("S", "A sender finds and fetches a policy"),
    ("C", "A sender keeps a policy"),
    ("E", "A sender applies a policy"),
    ("F", "What a sender reports"),
    ("G", "The TLSRPT record"),
    ("H", "What a report holds"),
    ("I", "A report by mail"),
    ("J", "A report by HTTPS"),
    ("R", "Taking reports in"),
    ("K", "Related RFCs, the parts that matter"),
    ("L", "Where the RFCs leave it open: what was decided"),
];

/// The page's text.
pub(crate) fn render(lists: &Lists, proofs: &Proofs) -> String {
    let mut page = String::from(
        "# Requirement map\n\n\
         Written by `cargo xtask requirements`; change `requirements.tsv`, `requirements-open.tsv` or the \
         tests instead.\nA test names what it proves in its doc comment (see CONTRIBUTING.md).\n\n",
    );
    let _ = writeln!(page, "{}.", summary(lists, proofs));
    for (letter, title) in GROUPS {
        let group: Vec<&Requirement> = lists
            .requirements
            .iter()
            .filter(|requirement| requirement.id.trim_end_matches(|c: char| c.is_ascii_digit()) == letter)
            .collect();
        if group.is_empty() {
            continue;
        }
        let _ = write!(page, "\n## {letter}: {title}\n\n| | requirement | proved by |\n|---|---|---|\n");
        for requirement in group {
            let _ = writeln!(
                page,
                "| **{}** {} | {} ({}) | {} |",
                requirement.id,
                requirement.level,
                cell(&requirement.text),
                requirement.source,
                proof(lists, proofs, &requirement.id)
            );
        }
    }
    page
}

/// How many requirements stand where, in one line.
pub(crate) fn summary(lists: &Lists, proofs: &Proofs) -> String {
    let standing = |wanted: Standing| lists.open.values().filter(|open| open.standing == wanted).count();
    let proved = lists
        .requirements
        .iter()
        .filter(|requirement| {
            proofs.contains_key(&requirement.id) && !lists.open.contains_key(&requirement.id)
        })
        .count();
    format!(
        "{} requirements: {proved} proved, {} in part, {} not yet, {} not applicable",
        lists.requirements.len(),
        standing(Standing::Partly),
        standing(Standing::NotYet),
        standing(Standing::NotApplicable)
    )
}

fn proof(lists: &Lists, proofs: &Proofs, id: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(open) = lists.open.get(id) {
        let standing = match open.standing {
            Standing::NotYet => "not yet",
            Standing::NotApplicable => "not applicable",
            Standing::Partly => "in part",
        };
        parts.push(format!("*{standing}*: {}", cell(&open.reason)));
    }
    parts.extend(proofs.get(id).into_iter().flatten().map(|test| format!("`{test}`")));
    if parts.is_empty() { "**nothing**".to_owned() } else { parts.join("<br>") }
}

/// Text inside a table: a bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::list;
    use super::*;

    #[test]
    fn a_row_shows_tests_reason_or_that_there_is_nothing() {
        let lists = list::read(
            "S1\tmust\tRFC 8461 §3.1\tOne | two.\nS2\tmay\tRFC 8461 §3\tB.\nS3\tmust\tRFC 8461 §3\tC.\nL1\truling\tRFC 8461 §3\tD.\n",
            "S2\tnot-yet\tcomes with enforce\nL1\tpartly\tno SNI yet\n",
        )
        .expect("the lists are well-formed");
        let mut proofs = Proofs::new();
        proofs.insert("S1".to_owned(), BTreeSet::from(["a::t".to_owned(), "b::u".to_owned()]));
        proofs.insert("L1".to_owned(), BTreeSet::from(["a::t".to_owned()]));
        let page = render(&lists, &proofs);
        for row in [
            "| **S1** must | One \\| two. (RFC 8461 §3.1) | `a::t`<br>`b::u` |",
            "| **S2** may | B. (RFC 8461 §3) | *not yet*: comes with enforce |",
            "| **S3** must | C. (RFC 8461 §3) | **nothing** |",
            "| **L1** ruling | D. (RFC 8461 §3) | *in part*: no SNI yet<br>`a::t` |",
            "4 requirements: 1 proved, 1 in part, 1 not yet, 0 not applicable.",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
    }
}
