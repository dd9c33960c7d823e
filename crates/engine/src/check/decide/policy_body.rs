//! The policy itself: its grammar, its lifetime and its mode. Its patterns are judged with the mail servers.

use mta_sts::mx::PatternError;
use mta_sts::policy::{self, Deviation, Mode, Policy};
use mta_sts::response::FetchFailure;
use mta_sts::{Parsed, content_type};

use super::Case;
use crate::check::advice::{self, Draft};
use crate::check::code::{Code, Level};
use crate::check::gather::is_host;
use crate::check::text::tame_bytes;
use crate::ports::HttpAnswer;

const DAY: u32 = 86_400;
const WEEK: u32 = 7 * DAY;

/// Whether the answer is a web page and no policy with a wrong media type.
pub(super) fn is_page(answer: &HttpAnswer) -> bool {
    let body = answer.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&answer.body);
    body.trim_ascii_start().first() == Some(&b'<')
}

/// Everything that the grammar says about a body.
pub(super) fn note_faults(
    case: &mut Case<'_>,
    parsed: &Parsed<Policy, Deviation, FetchFailure>,
    answer: &HttpAnswer,
) {
    let url = case.seen.domain.policy_url();
    let is_usable = parsed.usable().is_ok();
    for deviation in parsed.deviations() {
        deviates(case, &url, *deviation, answer, is_usable);
    }
    let (code, what) = match parsed.usable() {
        Ok(_) => return,
        // Noted with the deviations.
        Err(FetchFailure::MediaType) => return,
        Err(FetchFailure::Malformed(error)) => (code_of(*error), with_line(*error, &answer.body)),
        Err(FetchFailure::TooLarge) => (Code::PolicyTooLarge, String::new()),
        Err(other) => (Code::PolicyMalformed, format!("{other}.")),
    };
    let hosts = case.seen.hosts.iter().map(|host| &host.host).filter(|host| is_host(host));
    let draft = Draft::default().with_mx(hosts.cloned().collect());
    let fix = draft.to_fix(&case.seen.domain, case.now);
    case.findings.add(code, url, &what).fix_by(fix);
}

fn deviates(case: &mut Case<'_>, url: &str, deviation: Deviation, answer: &HttpAnswer, is_usable: bool) {
    let (code, line) = match deviation {
        Deviation::MediaType => (Code::PolicyMediaType, None),
        Deviation::ByteOrderMark => (Code::PolicyByteOrderMark, None),
        Deviation::BlankLine { line } => (Code::PolicyBlankLine, Some(line)),
        Deviation::SpaceAtLineEnd { line } => (Code::PolicyStrayCarriageReturn, Some(line)),
        Deviation::DotAfterMx { line } => (Code::PolicyMxDotAtEnd, Some(line)),
        Deviation::MaxAgeClamped { line } => (Code::PolicyMaxAgeOverMaximum, Some(line)),
        Deviation::DuplicateField { line } => (Code::PolicyDuplicateField, Some(line)),
    };
    let what = match (deviation, line) {
        (Deviation::MediaType, _) => {
            let fault = content_type::check(answer.content_type.as_deref()).err();
            let fault = fault.map(|fault| fault.to_string()).unwrap_or_default();
            let found = answer.content_type.as_deref().map(tame_bytes).unwrap_or_default();
            format!("Content-Type `{found}`: {fault}.")
        }
        (_, Some(line)) => format!("Line {line}: `{}`.", line_of(&answer.body, line)),
        (_, None) => String::new(),
    };
    let finding = case.findings.add(code, url, &what);
    if code == Code::PolicyMediaType && !is_usable {
        finding.at(Level::Error);
    }
}

fn code_of(error: policy::Error) -> Code {
    match error {
        policy::Error::TooLarge => Code::PolicyTooLarge,
        policy::Error::Version { .. } => Code::PolicyVersionInvalid,
        policy::Error::Mode { .. } => Code::PolicyModeInvalid,
        policy::Error::MaxAge { .. } => Code::PolicyMaxAgeInvalid,
        policy::Error::Mx { error: PatternError::NotALabel, .. } => Code::PolicyMxNotALabel,
        policy::Error::Mx { .. } => Code::PolicyMxInvalid,
        policy::Error::MissingVersion
        | policy::Error::MissingMode
        | policy::Error::MissingMaxAge
        | policy::Error::MissingMx => Code::PolicyFieldMissing,
        policy::Error::CarriageReturn { .. }
        | policy::Error::NoColon { .. }
        | policy::Error::FieldName { .. }
        | policy::Error::FieldValue { .. } => Code::PolicyMalformed,
    }
}

/// The fault, and the line as it stands.
fn with_line(error: policy::Error, body: &[u8]) -> String {
    let line = match error {
        policy::Error::CarriageReturn { line }
        | policy::Error::NoColon { line }
        | policy::Error::FieldName { line }
        | policy::Error::FieldValue { line }
        | policy::Error::Version { line }
        | policy::Error::Mode { line }
        | policy::Error::MaxAge { line }
        | policy::Error::Mx { line, .. } => line,
        _ => return format!("{error}."),
    };
    format!("{error}: `{}`.", line_of(body, line))
}

fn line_of(body: &[u8], line: usize) -> String {
    let line = body.split(|byte| *byte == b'\n').nth(line.saturating_sub(1)).unwrap_or_default();
    tame_bytes(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Mode and lifetime of a policy that can be used.
pub(super) fn advise(case: &mut Case<'_>, policy: &Policy) {
    let url = case.seen.domain.policy_url();
    match policy.mode() {
        Mode::None => {
            // RFC 8461 §8.3: a short life is right here.
            case.findings.add(Code::PolicyModeNone, url, "");
            return;
        }
        Mode::Testing => {
            case.findings.add(Code::PolicyModeTesting, url.as_str(), "");
        }
        Mode::Enforce => {}
    }
    let seconds = policy.max_age().as_secs();
    let code = if seconds < DAY {
        Code::PolicyMaxAgeTooShort
    } else if seconds < WEEK && policy.mode() == Mode::Enforce {
        Code::PolicyMaxAgeShort
    } else {
        return;
    };
    let fix = Draft::of(policy).with_max_age(advice::good_max_age(policy.mode()));
    let fix = fix.to_fix(&case.seen.domain, case.now);
    let what = format!("max_age is {seconds} seconds.");
    case.findings.add(code, url, &what).fix_by(fix);
}
