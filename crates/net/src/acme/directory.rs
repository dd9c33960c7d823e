//! What a directory says (RFC 8555 §7.1.1), and the two things that are read from an authority without an account: that,
//! and renewal information (RFC 9773).

use http::{HeaderMap, header};
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;
use std::time::Duration;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::certificates::{
    AuthorityFailure, DirectoryFacts, Problem, RenewalWindow, RetryAfter,
};

use super::http::{Answer, shown};

/// Texts that are kept, in characters.
const MOST_CHARS: usize = 1_000;
/// Parts of a problem that are kept.
const MOST_PARTS: usize = 20;
/// CAA identities that are kept.
const MOST_IDENTITIES: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    pub(super) renewal_info: Option<String>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    terms_of_service: Option<String>,
    #[serde(default)]
    caa_identities: Vec<String>,
    #[serde(default)]
    external_account_required: bool,
}

impl Directory {
    pub(super) fn parse(body: &[u8]) -> Result<Self, AuthorityFailure> {
        serde_json::from_slice(body)
            .map_err(|error| AuthorityFailure::Unusable(format!("it is no ACME directory: {error}")))
    }

    pub(super) fn facts(&self) -> DirectoryFacts {
        let Meta { terms_of_service, caa_identities, external_account_required } = &self.meta;
        DirectoryFacts {
            caa_identities: caa_identities.iter().take(MOST_IDENTITIES).map(|text| cut(text)).collect(),
            terms_of_service: terms_of_service.as_deref().map(cut),
            needs_external_account: *external_account_required,
            has_renewal_info: self.renewal_info.is_some(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RenewalInfo {
    suggested_window: Window,
    #[serde(rename = "explanationURL")]
    explanation_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Window {
    start: String,
    end: String,
}

/// The window in an answer of status 200.
pub(super) fn renewal(answer: &Answer, now: UnixTime) -> Result<RenewalWindow, AuthorityFailure> {
    let unusable = |text: String| AuthorityFailure::Unusable(format!("renewal information: {text}"));
    let info: RenewalInfo =
        serde_json::from_slice(&answer.body).map_err(|error| unusable(error.to_string()))?;
    let time = |text: &str| {
        let time = text.parse::<jiff::Timestamp>();
        time.map(jiff::Timestamp::as_second).map_err(|_| unusable(format!("{} is no time", shown(text))))
    };
    let (start, end) = (time(&info.suggested_window.start)?, time(&info.suggested_window.end)?);
    // RFC 9773 §4.3.2: the server must say; six hours is what it recommends.
    let wait = retry_after(&answer.headers).unwrap_or(RetryAfter::In(Duration::from_secs(6 * 3_600)));
    Ok(RenewalWindow {
        start,
        end,
        explanation: info.explanation_url.as_deref().map(cut),
        ask_again_at: wait.from(now),
    })
}

/// RFC 9110 §10.2.3: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(RetryAfter::In(Duration::from_secs(seconds)));
    }
    let time = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(RetryAfter::At(time.as_second()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    r#type: Option<String>,
    detail: Option<String>,
    subproblems: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part {
    r#type: Option<String>,
    detail: Option<String>,
}

/// What an answer with a status of 400 and above means.
pub(super) fn failure(answer: &Answer) -> AuthorityFailure {
    let status = answer.status.as_u16();
    let retry_after = retry_after(&answer.headers);
    match serde_json::from_slice::<Document>(&answer.body) {
        Ok(document) if document.r#type.is_some() || document.detail.is_some() => {
            let parts = document.subproblems.iter().take(MOST_PARTS);
            let problem = Problem {
                kind: kind(document.r#type.as_deref()),
                detail: cut(document.detail.as_deref().unwrap_or_default()),
                status,
                parts: parts
                    .map(|part| {
                        (kind(part.r#type.as_deref()), cut(part.detail.as_deref().unwrap_or_default()))
                    })
                    .collect(),
            };
            AuthorityFailure::Problem { problem, retry_after }
        }
        _ => AuthorityFailure::Status { status, retry_after },
    }
}

/// As the library has read it.
pub(super) fn problem(problem: &instant_acme::Problem) -> Problem {
    let parts = problem.subproblems.iter().take(MOST_PARTS);
    Problem {
        kind: kind(problem.r#type.as_deref()),
        detail: cut(problem.detail.as_deref().unwrap_or_default()),
        status: problem.status.unwrap_or(0),
        parts: parts
            .map(|part| (kind(part.r#type.as_deref()), cut(part.detail.as_deref().unwrap_or_default())))
            .collect(),
    }
}

fn kind(of: Option<&str>) -> String {
    let text = of.unwrap_or_default();
    cut(text.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(text))
}

fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::StatusCode;

    fn answer(status: u16, retry_after: Option<&str>, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[test]
    fn a_directory_says_who_it_is() {
        let text = r#"{"newNonce":"https://ca.test/n","renewalInfo":"https://ca.test/ari","meta":{
            "caaIdentities":["ca.test"],"termsOfService":"https://ca.test/terms","externalAccountRequired":true}}"#;
        let facts = Directory::parse(text.as_bytes()).unwrap().facts();
        assert_eq!(facts.caa_identities, ["ca.test"]);
        assert_eq!(facts.terms_of_service.as_deref(), Some("https://ca.test/terms"));
        assert!(facts.needs_external_account && facts.has_renewal_info);
        assert_eq!(Directory::parse(b"{}").unwrap().facts(), DirectoryFacts::default());
        assert!(matches!(Directory::parse(b"<html>"), Err(AuthorityFailure::Unusable(_))));
    }

    #[test]
    fn later_is_seconds_or_a_date() {
        let later = |text| retry_after(&answer(429, Some(text), "").headers);
        assert_eq!(later("120"), Some(RetryAfter::In(Duration::from_secs(120))));
        assert_eq!(later("Fri, 31 Dec 1999 23:59:59 GMT"), Some(RetryAfter::At(946_684_799)));
        assert_eq!(later("soon"), None);
        assert_eq!(later("-5"), None);
    }

    /// Proves: K7
    #[test]
    fn renewal_information_is_read_and_nonsense_refused() {
        let text = r#"{"suggestedWindow":{"start":"2025-01-02T04:00:00Z","end":"2025-01-03T04:00:00Z"},
            "explanationURL":"https://ca.test/why"}"#;
        let window = renewal(&answer(200, Some("21600"), text), 1_000).unwrap();
        assert_eq!((window.start, window.end, window.ask_again_at), (1_735_790_400, 1_735_876_800, 22_600));
        assert_eq!(window.explanation.as_deref(), Some("https://ca.test/why"));
        for nonsense in ["", "{}", r#"{"suggestedWindow":{"start":"yesterday","end":""}}"#] {
            assert!(matches!(renewal(&answer(200, None, nonsense), 0), Err(AuthorityFailure::Unusable(_))));
        }
    }

    #[test]
    fn a_refusal_is_kept_as_it_was_said_and_a_proxys_page_by_its_status() {
        let text = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too\u0000 many","status":429,
            "subproblems":[{"type":"urn:ietf:params:acme:error:caa","detail":"no"}]}"#;
        let AuthorityFailure::Problem { problem, retry_after } = failure(&answer(429, Some("60"), text))
        else {
            panic!()
        };
        assert_eq!((problem.kind.as_str(), problem.detail.as_str()), ("rateLimited", "too  many"));
        assert_eq!(problem.parts, [("caa".to_owned(), "no".to_owned())]);
        assert_eq!(retry_after, Some(RetryAfter::In(Duration::from_secs(60))));
        let page = failure(&answer(503, None, "<html>upstream"));
        assert_eq!(page, AuthorityFailure::Status { status: 503, retry_after: None });
    }
}
