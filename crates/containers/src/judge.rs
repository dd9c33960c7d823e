//! Which parts of a mail, and which names, are to be taken for reports: by type, by name, by the first bytes. Types and
//! names are wrong often enough that none of the three is needed and any one will do. Decides only; opens nothing.

use crate::kind::{Kind, announced, has_suffix, is_surely_json, magic};
use crate::mail::{Leaf, is_message};
use crate::transfer::{Encoding, HEAD, head, looks_like_base64};

/// How much an input is expected to be a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Its place, type or name says so: if it is none, that is said.
    Report,
    /// Nothing says so: passed over unless its contents do.
    Nothing,
}

/// Whether a name announces something other than there is. Told of what is known, and worth telling of.
pub(crate) fn is_mislabelled(name: &str, kind: Kind) -> bool {
    match kind {
        Kind::Unknown | Kind::Mail | Kind::Mbox => false,
        // A zlib stream called `.gz` has a note of its own.
        Kind::Zlib if has_suffix(name, ".gz") => false,
        _ => announced(name).is_some_and(|named| named != kind),
    }
}

/// RFC 8460 §5.1 has `.json` and `.json.gz`; zip is met.
pub(crate) fn is_report_name(name: &str) -> bool {
    [".json", ".gz", ".zip", ".zlib"].into_iter().any(|suffix| has_suffix(name, suffix))
}

/// What a part of a mail is to us.
pub(crate) enum Verdict {
    Report {
        encoding: Encoding,
        claim: Claim,
    },
    /// JSON in a text part, taken if there is nothing better.
    Text {
        encoding: Encoding,
    },
    /// Passed over.
    Other,
}

/// What a part is: by its type, its name, or its first bytes (types and names are wrong often enough).
pub(crate) fn judge(leaf: &Leaf<'_>) -> Verdict {
    let media = leaf.head.media.as_str();
    let name = leaf.head.name.as_deref().unwrap_or_default();
    let (encoding, kind) = true_encoding(leaf);
    // RFC 8460 §5.3: application/tlsrpt+gzip or +json; the others are met in the wild.
    let typed = media.starts_with("application/tlsrpt")
        || matches!(
            media,
            "application/gzip"
                | "application/x-gzip"
                | "application/gzip-compressed"
                | "application/zip"
                | "application/x-zip-compressed"
                | "application/json"
                | "text/json"
        );
    if is_message(media) || typed || is_report_name(name) {
        return Verdict::Report { encoding, claim: Claim::Report };
    }
    if kind.is_binary() || has_suffix(name, ".eml") || has_suffix(name, ".mbox") {
        return Verdict::Report { encoding, claim: Claim::Nothing };
    }
    let text = media.is_empty() || media.starts_with("text/");
    match kind {
        Kind::Json if !text => Verdict::Report { encoding, claim: Claim::Nothing },
        Kind::Json => {
            let mut buffer = [0; HEAD];
            match is_surely_json(head(leaf.body, encoding, &mut buffer)) {
                true => Verdict::Text { encoding },
                false => Verdict::Other,
            }
        }
        _ => Verdict::Other,
    }
}

/// The transfer encoding that a part really has, and what its first bytes are in it.
fn true_encoding(leaf: &Leaf<'_>) -> (Encoding, Kind) {
    let declared = leaf.head.encoding;
    let kind_in = |encoding| magic(head(leaf.body, encoding, &mut [0; HEAD]));
    let kind = kind_in(declared);
    if kind != Kind::Unknown {
        return (declared, kind);
    }
    let other = match declared {
        Encoding::Base64 | Encoding::QuotedPrintable if kind_in(Encoding::Plain) != Kind::Unknown => {
            Encoding::Plain
        }
        Encoding::Plain | Encoding::QuotedPrintable if looks_like_base64(leaf.body) => Encoding::Base64,
        _ => return (declared, kind),
    };
    match kind_in(other) {
        Kind::Unknown => (declared, kind),
        better => (other, better),
    }
}
