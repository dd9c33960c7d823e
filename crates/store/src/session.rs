//! The sessions of each domain in one report: what every question about a domain is answered from.
//!
//! What goes in: the policy rows of a report, sorted by domain and policy type. What comes out: one [`Session`] a
//! domain. The rule that says which rows are the same sessions is [`tls_rpt::count`]'s and is not repeated here: it is
//! asked once for each policy type, and once for the types together. Works on an iterator, so that a report of a
//! million policies is counted without being held.

use std::iter::Peekable;

use tls_rpt::count::{Bounds, Row, count};
use tls_rpt::report::PolicyResult;
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::facts::UnixTime;

/// Bytes of a domain's name at most; no longer name can exist in the DNS (RFC 1035 §2.3.4), so a longer one is text
/// that somebody put there, and is filed under its first bytes.
const MAX_DOMAIN: usize = 255;
/// Policy types, and result types, told apart within one report and domain; the rest goes to the last of them.
const MAX_KINDS: usize = 16;
const DAY: i64 = 86_400;
/// 2015-01-01: no report is older than the drafts of RFC 8460.
const FIRST_SANE_DAY: i64 = 16_436;

/// Stands for a policy type that a row leaves out.
static NO_TYPE: PolicyType = PolicyType::Unknown(Text::const_new(""));

/// The mode of an MTA-STS policy that a report quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Enforce,
    Testing,
    None,
}

impl Mode {
    pub(crate) fn as_wire(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Testing => 1,
            Self::Enforce => 2,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        [Self::None, Self::Testing, Self::Enforce].into_iter().find(|mode| mode.code() == code)
    }

    /// The mode that the lines of a policy state. Of a repeated key the first counts (RFC 8461 §3.2).
    pub(crate) fn quoted(policy: &PolicyResult) -> Option<Self> {
        let policy = policy.policy.as_ref()?;
        if policy.policy_type != Some(PolicyType::Sts) {
            return None;
        }
        // Most senders write a line an element; some put the whole policy into one.
        let value =
            policy.policy_string.iter().flatten().flat_map(|text| text.split(['\n', '\r'])).find_map(
                |line| line.trim_ascii_start().strip_prefix("mode")?.trim_ascii_start().strip_prefix(':'),
            )?;
        [Self::Enforce, Self::Testing, Self::None]
            .into_iter()
            .find(|mode| mode.as_wire() == value.trim_ascii())
    }
}

/// The sessions of one domain in one report under one policy type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) policy_type: PolicyType,
    pub(crate) successful: Bounds,
    pub(crate) failed: Bounds,
}

/// The sessions of one domain in one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) domain: Text,
    pub(crate) successful: Bounds,
    pub(crate) failed: Bounds,
    pub(crate) mode: Option<Mode>,
    pub(crate) kinds: Vec<Kind>,
    /// Failed sessions by result type, as the failure rows say.
    pub(crate) results: Vec<(ResultType, u64)>,
    /// Between which of the report's failure rows those of this domain lie.
    pub(crate) failures: Option<Span>,
}

/// Some rows of a report, both ends included, counted through all its policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Span {
    pub(crate) fn join(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => {
                Some(Self { first: one.first.min(other.first), last: one.last.max(other.last) })
            }
            (one, other) => one.or(other),
        }
    }
}

/// What the failure rows of one policy come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// Sum of `failed-session-count`; none where no row has one.
    pub(crate) sum: Option<u64>,
    pub(crate) results: Vec<(ResultType, u64)>,
    pub(crate) span: Option<Span>,
}

impl Details {
    pub(crate) fn add(&mut self, index: u64, row: &tls_rpt::report::FailureDetails) {
        self.span = Span::join(self.span, Some(Span { first: index, last: index }));
        if let Some(sessions) = row.failed_session_count {
            self.sum = Some(self.sum.unwrap_or(0).saturating_add(sessions));
        }
        if let Some(result) = &row.result_type {
            add_result(&mut self.results, result, row.failed_session_count.unwrap_or(0));
        }
    }
}

/// One policy row, reduced to what the counting needs.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) domain: Text,
    pub(crate) policy_type: Option<PolicyType>,
    pub(crate) successful: Option<u64>,
    pub(crate) failed: Option<u64>,
    pub(crate) mode: Option<Mode>,
    pub(crate) details: Details,
}

impl Line {
    /// `None` for a policy that names no domain: it belongs to no domain's page.
    pub(crate) fn of(policy: &PolicyResult, details: Details) -> Option<Self> {
        let domain = policy.policy.as_ref()?.policy_domain.as_deref().filter(|domain| !domain.is_empty())?;
        let summary = policy.summary.as_ref();
        Some(Self {
            domain: Text::new(domain_name(domain)),
            policy_type: policy.policy.as_ref().and_then(|policy| policy.policy_type.clone()),
            successful: summary.and_then(|summary| summary.successful),
            failed: summary.and_then(|summary| summary.failed),
            mode: Mode::quoted(policy),
            details,
        })
    }
}

/// The name under which a domain is filed: its own, but for one that is too long to be a name.
pub(crate) fn domain_name(domain: &str) -> &str {
    &domain[..domain.floor_char_boundary(MAX_DOMAIN)]
}

/// The sessions of a report that is held.
pub(crate) fn sessions(policies: &[PolicyResult]) -> Vec<Session> {
    let mut rows = 0;
    let mut lines: Vec<Line> = Vec::with_capacity(policies.len().min(1024));
    for policy in policies {
        let mut details = Details::default();
        for row in policy.failure_details.iter().flatten() {
            details.add(rows, row);
            rows += 1;
        }
        lines.extend(Line::of(policy, details));
    }
    if lines.len() > 1 {
        lines.sort_by(|one, other| (&one.domain, &one.policy_type).cmp(&(&other.domain, &other.policy_type)));
    }
    Sessions::new(lines.into_iter()).collect()
}

/// Turns policy rows, sorted by domain and policy type, into sessions.
pub(crate) struct Sessions<I: Iterator<Item = Line>> {
    lines: Peekable<I>,
}

impl<I: Iterator<Item = Line>> Sessions<I> {
    pub(crate) fn new(lines: I) -> Self {
        Self { lines: lines.peekable() }
    }
}

impl<I: Iterator<Item = Line>> Iterator for Sessions<I> {
    type Item = Session;

    fn next(&mut self) -> Option<Session> {
        let domain = self.lines.peek()?.domain.clone();
        let mut session = Session {
            domain,
            successful: Bounds::default(),
            failed: Bounds::default(),
            mode: None,
            kinds: Vec::new(),
            results: Vec::new(),
            failures: None,
        };
        while let Some(policy_type) = self
            .lines
            .peek()
            .filter(|line| line.domain == session.domain)
            .map(|line| line.policy_type.clone())
        {
            let kind = one_kind(&mut self.lines, policy_type, &mut session);
            add_kind(&mut session.kinds, kind);
        }
        (session.successful, session.failed) = match session.kinds.as_slice() {
            [only] => (only.successful, only.failed),
            kinds => together(&session.domain, kinds),
        };
        Some(session)
    }
}

/// Counts the rows of one domain and policy type; what else they say goes into `session`.
fn one_kind<I: Iterator<Item = Line>>(
    lines: &mut Peekable<I>,
    policy_type: Option<PolicyType>,
    session: &mut Session,
) -> Kind {
    let domain = session.domain.clone();
    let counted = count(std::iter::from_fn(|| {
        let line = lines.next_if(|line| line.domain == domain && line.policy_type == policy_type)?;
        session.mode = line.mode.or(session.mode);
        session.failures = Span::join(session.failures, line.details.span);
        for (result, sessions) in &line.details.results {
            add_result(&mut session.results, result, *sessions);
        }
        Some(Row {
            policy_type: policy_type.as_ref().unwrap_or(&NO_TYPE),
            domain: &domain,
            successful: line.successful,
            failed: line.failed,
            detailed: line.details.sum,
        })
    }));
    let totals = counted.first();
    Kind {
        successful: totals.map_or(Bounds::default(), |totals| totals.successful),
        failed: totals.map_or(Bounds::default(), |totals| totals.failed),
        policy_type: policy_type.unwrap_or_else(|| NO_TYPE.clone()),
    }
}

/// Asks the rule how the sessions of several policy types lie to one another.
fn together(domain: &str, kinds: &[Kind]) -> (Bounds, Bounds) {
    let rows = kinds.iter().map(|kind| Row {
        policy_type: &kind.policy_type,
        domain,
        successful: Some(kind.successful.low),
        // A row whose summary and details differ is what bounds are, in the rule's own terms.
        failed: Some(kind.failed.low),
        detailed: Some(kind.failed.high),
    });
    count(rows).first().map_or((Bounds::default(), Bounds::default()), |all| (all.successful, all.failed))
}

fn add_kind(kinds: &mut Vec<Kind>, more: Kind) {
    let full = kinds.len() >= MAX_KINDS;
    let known = kinds.iter().position(|kind| kind.policy_type == more.policy_type);
    match known.or(full.then_some(MAX_KINDS - 1)).and_then(|at| kinds.get_mut(at)) {
        Some(kind) => {
            kind.successful = kind.successful.plus(more.successful);
            kind.failed = kind.failed.plus(more.failed);
        }
        None => kinds.push(more),
    }
}

fn add_result(results: &mut Vec<(ResultType, u64)>, result: &ResultType, sessions: u64) {
    let full = results.len() >= MAX_KINDS;
    if let Some((_, sum)) = results.iter_mut().find(|(known, _)| known == result) {
        *sum = sum.saturating_add(sessions);
    } else if !full {
        results.push((result.clone(), sessions));
    } else if let Some((_, sum)) = results.last_mut() {
        *sum = sum.saturating_add(sessions);
    }
}

/// The day a report counts on: the UTC day its range begins; without a beginning, the day before it came in.
pub(crate) fn day_of(begin: Option<UnixTime>, received_at: UnixTime) -> i64 {
    match begin {
        Some(begin) => begin.div_euclid(DAY),
        None => received_at.div_euclid(DAY) - 1,
    }
}

/// Whether a report that came in at `received_at` can be about `time`. Others keep their day, but never become
/// "the newest".
pub(crate) fn is_sane(time: UnixTime, received_at: UnixTime) -> bool {
    time.div_euclid(DAY) >= FIRST_SANE_DAY && time <= received_at.saturating_add(2 * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tls_rpt::report::{FailureDetails, Policy, Summary};

    fn policy(
        policy_type: PolicyType,
        domain: &str,
        totals: (u64, u64),
        failures: &[(ResultType, u64)],
    ) -> PolicyResult {
        PolicyResult {
            policy: Some(Policy {
                policy_type: Some(policy_type),
                policy_domain: Some(domain.into()),
                ..Policy::default()
            }),
            summary: Some(Summary {
                successful: Some(totals.0),
                failed: Some(totals.1),
                ..Summary::default()
            }),
            failure_details: Some(
                failures
                    .iter()
                    .map(|(result, sessions)| FailureDetails {
                        result_type: Some(result.clone()),
                        failed_session_count: Some(*sessions),
                        ..FailureDetails::default()
                    })
                    .collect(),
            ),
            ..PolicyResult::default()
        }
    }

    /// Proves: H2
    #[test]
    fn a_domain_has_one_line_with_the_rule_s_totals_and_each_types_own() {
        let found = sessions(&[
            policy(PolicyType::Sts, "b.example", (7, 2), &[(ResultType::CertificateExpired, 2)]),
            policy(PolicyType::Sts, "a.example", (1, 0), &[]),
            policy(
                PolicyType::Tlsa,
                "b.example",
                (7, 2),
                &[(ResultType::TlsaInvalid, 1), (ResultType::TlsaInvalid, 1)],
            ),
        ]);
        let [a, b] = found.as_slice() else { panic!("two domains") };
        assert_eq!((a.domain.as_str(), a.successful, a.failures), ("a.example", Bounds::exactly(1), None));
        assert_eq!((b.successful, b.failed), (Bounds::exactly(7), Bounds::exactly(2)));
        assert_eq!(b.kinds.len(), 2);
        assert_eq!(b.failures, Some(Span { first: 0, last: 2 }));
        assert!(b.results.contains(&(ResultType::TlsaInvalid, 2)));
    }

    #[test]
    fn counting_in_two_steps_comes_to_what_counting_at_once_does() {
        let types =
            [PolicyType::Sts, PolicyType::Tlsa, PolicyType::NoPolicyFound, PolicyType::Unknown("x".into())];
        for case in 0..4096u64 {
            let digit = |place: u32| case / 4u64.pow(place) % 4;
            let policies: Vec<PolicyResult> = (0..3)
                .map(|row| {
                    let detail = [(ResultType::ValidationFailure, digit(row + 3))];
                    let failures = if digit(row) > 1 { &detail[..] } else { &[] };
                    policy(types[digit(row) as usize].clone(), "x", (digit(5 - row), digit(4)), failures)
                })
                .collect();
            let lines: Vec<Line> = policies
                .iter()
                .map(|policy| {
                    let mut details = Details::default();
                    policy.failure_details.iter().flatten().for_each(|row| details.add(0, row));
                    Line::of(policy, details).expect("a domain")
                })
                .collect();
            let at_once = count(lines.iter().map(|line| Row {
                policy_type: line.policy_type.as_ref().expect("a type"),
                domain: "x",
                successful: line.successful,
                failed: line.failed,
                detailed: line.details.sum,
            }));
            let steps = sessions(&policies);
            assert_eq!(
                (steps[0].successful, steps[0].failed),
                (at_once[0].successful, at_once[0].failed),
                "{case}"
            );
        }
    }

    #[test]
    fn a_quoted_policy_tells_its_mode() {
        let table: [(&[&str], Option<Mode>); 7] = [
            (&["version: STSv1", "mode: enforce", "mx: a", "max_age: 1"], Some(Mode::Enforce)),
            (&["version: STSv1\r\nmode:testing \r\nmx: a"], Some(Mode::Testing)),
            (&["mode: none", "mode: enforce"], Some(Mode::None)),
            (&["mode: Enforce"], None),
            (&["modes: enforce"], None),
            (&[], None),
            (&["mode"], None),
        ];
        for (lines, expected) in table {
            let mut row = policy(PolicyType::Sts, "x", (0, 0), &[]);
            if let Some(policy) = &mut row.policy {
                policy.policy_string = Some(lines.iter().copied().map(Text::new).collect());
            }
            assert_eq!(Mode::quoted(&row), expected, "{lines:?}");
        }
    }

    #[test]
    fn many_types_of_one_domain_stay_few_and_lose_no_session() {
        let policies: Vec<PolicyResult> = (0..500)
            .map(|n| {
                let word = Text::from(format!("t{n}"));
                let failure = (ResultType::Unknown(word.clone()), 1);
                policy(PolicyType::Unknown(word), "x", (1, 1), &[failure])
            })
            .collect();
        let found = sessions(&policies);
        assert_eq!(found.len(), 1);
        assert!(found[0].kinds.len() <= MAX_KINDS && found[0].results.len() <= MAX_KINDS);
        assert_eq!(found[0].successful, Bounds::exactly(500));
        assert_eq!(found[0].results.iter().map(|(_, sum)| sum).sum::<u64>(), 500);
    }

    #[test]
    fn a_report_counts_on_the_day_its_range_begins() {
        assert_eq!(day_of(Some(86_399), 0), 0);
        assert_eq!(day_of(Some(-1), 0), -1);
        assert_eq!(day_of(None, 10 * DAY + 5), 9);
    }

    #[test]
    fn a_name_too_long_for_the_dns_is_cut_at_a_character() {
        let long = "é".repeat(300);
        assert_eq!(domain_name(&long).len(), 254);
        assert_eq!(domain_name("example.com"), "example.com");
    }
}
