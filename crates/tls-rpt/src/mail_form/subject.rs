//! The subject of a report mail (RFC 8460 §5.3): built, read strictly, and read with slack.

use super::{FormError, is_domain, is_message_id};
use crate::text::Text;

/// So many bytes of a subject are looked at: the longest header line there may be, a few times over.
const MAX_SUBJECT_BYTES: usize = 4_096;

/// So many characters of a report id go into the subject.
const MAX_LEFT: usize = 128;

/// A subject that follows the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    domain: Text,
    submitter: Text,
    report_id: Text,
}

/// What a subject seems to say; each part as it stands, absent where it could not be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundSubject {
    /// After `Report Domain:`.
    pub domain: Option<Text>,
    /// After `Submitter:`.
    pub submitter: Option<Text>,
    /// After `Report-ID:`, without angle brackets.
    pub report_id: Option<Text>,
}

impl Subject {
    /// A subject of these parts: the policy domain, the contact's domain, and `left@right`.
    ///
    /// RFC 6376 wants two labels of a domain name; one is let pass, since top-level domains receive mail too.
    ///
    /// # Errors
    /// [`FormError::Domain`], [`FormError::MessageId`].
    pub fn new(domain: &str, submitter: &str, report_id: &str) -> Result<Self, FormError> {
        for name in [domain, submitter] {
            if !is_domain(name) {
                return Err(FormError::Domain(name.to_owned()));
            }
        }
        if !is_message_id(report_id) {
            return Err(FormError::MessageId(report_id.to_owned()));
        }
        Ok(Self { domain: domain.into(), submitter: submitter.into(), report_id: report_id.into() })
    }

    /// A `left@right` for the subject out of a report id and the submitter's domain: the id's characters that a message
    /// identifier cannot have become dots, runs of them one. Same id, same result; an id without any is `report`.
    #[must_use]
    pub fn report_id_for(report_id: &str, submitter: &str) -> String {
        let mut left = String::new();
        for letter in report_id.chars().take(MAX_LEFT) {
            let kept = letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '_' | '=');
            match (kept, left.ends_with('.') || left.is_empty()) {
                (true, _) => left.push(letter),
                (false, false) => left.push('.'),
                (false, true) => {}
            }
        }
        let left = match left.trim_end_matches('.') {
            "" => "report",
            left => left,
        };
        format!("{left}@{submitter}")
    }

    /// The domain that the report is about.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The domain that reports.
    #[must_use]
    pub fn submitter(&self) -> &str {
        &self.submitter
    }

    /// `left@right`, without angle brackets.
    #[must_use]
    pub fn report_id(&self) -> &str {
        &self.report_id
    }

    /// The subject on one line; a header writer may fold it at any of its spaces.
    #[must_use]
    pub fn build(&self) -> String {
        format!(
            "Report Domain: {} Submitter: {} Report-ID: <{}>",
            self.domain, self.submitter, self.report_id
        )
    }

    /// Reads a subject as the grammar has it, folded or not.
    ///
    /// `None` for every other; then [`recognise`](Self::recognise) may find parts.
    #[must_use]
    pub fn parse(subject: &str) -> Option<Self> {
        if subject.len() > MAX_SUBJECT_BYTES {
            return None;
        }
        let rest = folded(subject.strip_prefix("Report")?)?;
        let rest = folded(rest.strip_prefix("Domain:")?)?;
        let (domain, rest) = word(rest);
        let rest = folded(rest)?.strip_prefix("Submitter:")?;
        let (submitter, rest) = word(folded(rest)?);
        let rest = folded(rest)?.strip_prefix("Report-ID:")?;
        let (report_id, rest) = folded(rest)?.strip_prefix('<')?.split_once('>')?;
        if !is_trailing_comment(rest) {
            return None;
        }
        Self::new(domain, submitter, report_id).ok()
    }

    /// Finds what it can: labels in any case and order, parts missing, brackets missing or doubled.
    #[must_use]
    pub fn recognise(subject: &str) -> FoundSubject {
        let mut end = subject.len().min(MAX_SUBJECT_BYTES);
        while !subject.is_char_boundary(end) {
            end -= 1;
        }
        let mut found = FoundSubject::default();
        let mut awaited = None;
        let mut before = "";
        for token in subject[..end].split_ascii_whitespace() {
            let label = if token.eq_ignore_ascii_case("domain:") && before.eq_ignore_ascii_case("report") {
                Some(Part::Domain)
            } else if token.eq_ignore_ascii_case("submitter:") {
                Some(Part::Submitter)
            } else if token.eq_ignore_ascii_case("report-id:") {
                Some(Part::ReportId)
            } else {
                None
            };
            before = token;
            if label.is_some() {
                awaited = label;
                continue;
            }
            let place = match awaited.take() {
                Some(Part::Domain) => &mut found.domain,
                Some(Part::Submitter) => &mut found.submitter,
                Some(Part::ReportId) => &mut found.report_id,
                None => continue,
            };
            let value = token.trim_matches(['<', '>', ',', ';']);
            // The first of a repeated part counts.
            if place.is_none() && !value.is_empty() {
                *place = Some(Text::new(value));
            }
        }
        found
    }
}

/// The parts of a subject, by their labels.
#[derive(Clone, Copy)]
enum Part {
    Domain,
    Submitter,
    ReportId,
}

/// The rest after folding white space, of which there must be some.
fn folded(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches([' ', '\t', '\r', '\n']);
    (rest.len() < text.len()).then_some(rest)
}

/// The text up to the next white space, and the rest with it.
fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find([' ', '\t', '\r', '\n']).unwrap_or(text.len()))
}

/// `[CFWS]`: white space and comments in balanced brackets.
fn is_trailing_comment(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if depth > 0 => escaped = true,
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'!'..=b'~' if depth > 0 => {}
            _ => return false,
        }
    }
    depth == 0 && !escaped
}
