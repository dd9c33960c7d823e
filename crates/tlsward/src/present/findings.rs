//! The reference of findings, printed from the table of codes: `docs/findings.md` is this text.

use std::fmt::Write as _;

use tlsward_engine::check::{Code, Pitfall, Verdict};
use tlsward_lab::faults::{self, Fault};

const HEAD: &str = "\
# Findings of `tlsward check`

<!-- Printed by `tlsward findings-reference`. Edit crates/engine/src/check/code/ instead. -->

Each finding has a code that never changes. Its level is that of the table unless the case makes it another, which the
explanation then says. What a finding says in one case, with names and the record or file to publish, is in `text` and
`fix` of `check --json`.

The verdict is about mail from a sender that enforces MTA-STS and holds no older policy:
";

/// The whole page.
pub(crate) fn markdown() -> String {
    let mut page = String::from(HEAD);
    page.push_str("\n| verdict | meaning |\n|---|---|\n");
    for verdict in Verdict::ALL {
        let _ = writeln!(page, "| `{}` | {} |", verdict.as_wire(), verdict.meaning());
    }
    page.push_str("\n## All codes\n\n| code | level | | clause |\n|---|---|---|---|\n");
    for code in Code::ALL {
        let about = code.about();
        let token = about.token;
        let _ = writeln!(
            page,
            "| [`{token}`](#{token}) | {} | {} | {} |",
            about.level.as_wire(),
            about.title,
            about.rfc
        );
    }
    for code in Code::ALL {
        let about = code.about();
        let _ = writeln!(
            page,
            "\n## {}\n\n**{}** ({}, {})",
            about.token,
            about.title,
            about.level.as_wire(),
            about.rfc
        );
        if let Some(pitfall) = about.pitfall {
            let _ = writeln!(page, "\nOne of the four pitfalls: {}.", pitfall_words(pitfall));
        }
        let _ = writeln!(page, "\n{}\n\n*What to do:* {}", about.explanation, about.remedy);
        let _ = writeln!(page, "\n{}", raised_by(about.token, &faults::all()));
    }
    page
}

/// Which faults of the lab's catalogue end in this finding.
fn raised_by(token: &str, faults: &[Fault]) -> String {
    let names: Vec<String> = faults
        .iter()
        .filter(|fault| fault.findings.contains(&token))
        .map(|fault| format!("`{}`", fault.name))
        .collect();
    if names.is_empty() {
        "*In the lab:* raised by no fault of the catalogue; tests of the engine raise it.".to_owned()
    } else {
        format!("*In the lab:* {}", names.join(", "))
    }
}

fn pitfall_words(pitfall: Pitfall) -> &'static str {
    match pitfall {
        Pitfall::EnforcedTooEarly => "enforced before testing has shown that nothing breaks",
        Pitfall::ForgottenMx => "an MX host that the policy forgot",
        Pitfall::UnreadReports => "reports that nobody reads",
        Pitfall::ShortMaxAge => "a max_age so short that every sender fetches the policy again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_docs_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/findings.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == markdown(),
            "docs/findings.md is stale: cargo run -- findings-reference > docs/findings.md"
        );
    }
}
