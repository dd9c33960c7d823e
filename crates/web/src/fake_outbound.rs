//! The outbound ports with made data: reports that go out, and a book of policies.

use tls_rpt::tally::{AppliedPolicy, Failure, PolicyTally, Tally};
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{
    Added, AlertLine, AnswerLine, DaneLine, DayRange, Delta, FetchFailureLine, HeldLine, JournalPlace,
    LeaseAsk, Outbox, Outgoing, OutgoingLine, OutgoingQuery, OutgoingState, OutgoingSum, PolicyBook,
    PolicyLine, ReportKey, RuaHealth, Settlement, StoreError,
};
use tlsward_engine::report::{Attempt, BounceSecret, Identity, Progress, Settings};

use super::{NOW, Shelf, TODAY};

fn not_here<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("not in this fake".to_owned()))
}

impl Outbox for Shelf {
    async fn add(&self, _delta: Delta) -> Result<Added, StoreError> {
        not_here()
    }

    async fn place(&self, _journal: &str) -> Result<JournalPlace, StoreError> {
        not_here()
    }

    async fn lease(&self, _ask: LeaseAsk) -> Result<Vec<Outgoing>, StoreError> {
        not_here()
    }

    async fn lease_token(
        &self,
        _token: &str,
        _node: &str,
        _now: UnixTime,
        _until: UnixTime,
    ) -> Result<Option<Outgoing>, StoreError> {
        not_here()
    }

    async fn settle(&self, _settlement: Settlement) -> Result<bool, StoreError> {
        not_here()
    }

    async fn reserve(&self, _destination: &str, _day: i64, _limit: u64) -> Result<bool, StoreError> {
        not_here()
    }

    async fn health(&self, uris: Vec<String>) -> Result<Vec<Option<RuaHealth>>, StoreError> {
        self.check()?;
        let held = |uri: &String| {
            uri.contains("second").then(|| RuaHealth {
                failed_days: 3,
                since: NOW - 3 * 86_400,
                last: NOW - 3600,
                reason: self.text.clone(),
                relayed: None,
            })
        };
        Ok(uris.iter().map(held).collect())
    }

    async fn outgoing(&self, query: OutgoingQuery) -> Result<Vec<OutgoingLine>, StoreError> {
        self.check()?;
        let order = |key: &ReportKey| (std::cmp::Reverse(key.day), key.domain.clone(), key.part);
        let lines = self.outgoing.iter().map(|report| &report.line);
        Ok(lines
            .filter(|line| query.domain.as_deref().is_none_or(|domain| line.key.domain == domain))
            .filter(|line| query.day.is_none_or(|day| line.key.day == day))
            .filter(|line| query.state.is_none_or(|state| line.state == state))
            .filter(|line| query.after.as_ref().is_none_or(|after| order(&line.key) > order(after)))
            .take(query.limit.min(1000))
            .cloned()
            .collect())
    }

    async fn outgoing_days(&self, days: DayRange) -> Result<Vec<OutgoingSum>, StoreError> {
        self.check()?;
        let mut sums: Vec<OutgoingSum> = Vec::new();
        for line in self.outgoing.iter().map(|report| &report.line) {
            if !(days.first..=days.last).contains(&line.key.day) {
                continue;
            }
            let place = sums.iter().position(|sum| (sum.day, sum.state) == (line.key.day, line.state));
            let place = place.unwrap_or_else(|| {
                sums.push(OutgoingSum::new(line.key.day, line.state));
                sums.len() - 1
            });
            sums[place].add(line.successful, line.failed, line.unjudged);
        }
        sums.sort_by_key(|sum| (std::cmp::Reverse(sum.day), sum.state));
        Ok(sums)
    }

    async fn outgoing_report(&self, key: &ReportKey) -> Result<Option<Outgoing>, StoreError> {
        self.check()?;
        Ok(self.outgoing.iter().find(|report| report.line.key == *key).cloned())
    }

    async fn retire(&self, _counts_before: i64, _traces_before: i64) -> Result<u64, StoreError> {
        not_here()
    }
}

/// Who reports in the fake.
pub(crate) fn settings() -> Settings {
    let identity = Identity::new("Sending <b>Co</b>", "tls@sender.example").expect("an identity");
    let mut settings = Settings::new(identity, 7, BounceSecret::new([7; 32]));
    settings.opt_outs.insert("opted-out.example".to_owned());
    settings
}

/// A report of a day and domain; `text` stands wherever a stranger's can.
pub(crate) fn report(
    day: i64,
    domain: &str,
    state: OutgoingState,
    counts: (u64, u64, u64),
    text: &str,
) -> Outgoing {
    let (successful, failed, unjudged) = counts;
    let policy = |policy_type: PolicyType, mode: &str| AppliedPolicy {
        policy_type,
        domain: domain.into(),
        strings: vec!["version: STSv1".into(), mode.into(), Text::new(text)],
        mx_patterns: vec![Text::new(text)],
    };
    let failure = |result: ResultType| Failure {
        result,
        receiving_mx: Some(Text::new(text)),
        receiving_helo: Some(Text::new(text)),
        receiving_ip: Some([192, 0, 2, 1].into()),
        sending_ip: Some([198, 51, 100, 7].into()),
        reason: Some(Text::new(text)),
        additional: Some(Text::new(text)),
    };
    let mut tally = Tally::default();
    if successful + failed > 0 {
        let mut counts = PolicyTally { successful, failed, ..PolicyTally::default() };
        if failed > 0 {
            let kinds = [
                (ResultType::CertificateExpired, failed),
                (ResultType::StsPolicyFetchError, 1),
                (ResultType::ValidationFailure, 1),
                (ResultType::Unknown(Text::new(text)), 1),
            ];
            counts.failures = kinds.into_iter().map(|(kind, times)| (failure(kind), times)).collect();
        }
        tally.add(policy(PolicyType::Sts, "mode: enforce"), counts);
    }
    let failures = ["mailto:first@a.example", "https://second.example/r"].map(|uri| Attempt {
        uri: uri.to_owned(),
        at: NOW - 7200,
        error: text.to_owned(),
    });
    let mut progress =
        Progress { rounds: 2, first: Some(NOW - 9000), failures: failures.into(), ..Progress::default() };
    if state == OutgoingState::Sent {
        progress.accepted = Some("mailto:first@a.example".to_owned());
    }
    let is_begun = state != OutgoingState::Waiting;
    Outgoing {
        line: OutgoingLine {
            key: ReportKey { day, domain: domain.into(), part: 1 },
            state,
            at: (day + 1) * 86_400 + 4000,
            reason: if is_begun { text.to_owned() } else { String::new() },
            successful,
            failed,
            unjudged,
        },
        record: Some(Text::from(
            "v=TLSRPTv1; rua=mailto:first@a.example,https://second.example/r,gopher://third.example/"
                .to_owned(),
        )),
        tally,
        progress: if is_begun { progress.to_text() } else { String::new() },
    }
}

/// Reports of four days, newest day first, then by domain.
pub(super) fn reports(text: &str) -> Vec<Outgoing> {
    use OutgoingState::{GivenUp, Sent, Skipped, Waiting};
    let mut reports = Vec::new();
    for ago in 0..4 {
        let day = TODAY - ago;
        let of = |state| if ago == 0 { Waiting } else { state };
        reports.push(report(day, "enforcing.example", of(Sent), (1204, 0, 0), text));
        reports.push(report(day, "failing.example", of(GivenUp), (40, 7, 0), text));
        reports.push(report(day, "opted-out.example", of(Skipped), (3, 0, 0), text));
        reports.push(report(day, "testing.example", of(Skipped), (0, 0, 12), text));
    }
    let mut unwanted = report(TODAY - 2, "without-record.example", Skipped, (4, 0, 0), text);
    unwanted.record = None;
    let mut retired = report(TODAY - 9, "retired.example", Sent, (4, 0, 0), text);
    retired.tally = Tally::default();
    let mut broken = report(TODAY - 2, "zz-broken-record.example", Skipped, (4, 0, 0), text);
    broken.record = Some(Text::new(text));
    reports.extend([unwanted, broken, retired]);
    reports.sort_by_key(|report| (std::cmp::Reverse(report.line.key.day), report.line.key.domain.clone()));
    reports
}

/// A book of policies made up beforehand, by domain.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) lines: Vec<PolicyLine>,
    pub(crate) alerts: Vec<AlertLine>,
}

impl PolicyBook for Book {
    async fn policies(&self, after: Option<&str>, limit: usize) -> Result<Vec<PolicyLine>, StoreError> {
        let lines = self.lines.iter().filter(|line| after.is_none_or(|after| line.domain.as_str() > after));
        Ok(lines.take(limit).cloned().collect())
    }

    async fn policy(&self, domain: &str) -> Result<Option<PolicyLine>, StoreError> {
        Ok(self.lines.iter().find(|line| line.domain == domain).cloned())
    }

    async fn alerts(&self, domain: Option<&str>, limit: usize) -> Result<Vec<AlertLine>, StoreError> {
        let alerts = self.alerts.iter().filter(|alert| domain.is_none_or(|domain| alert.domain == domain));
        Ok(alerts.take(limit).cloned().collect())
    }
}

/// A domain of each kind; `text` stands wherever a stranger's can.
pub(crate) fn book(text: &str) -> Book {
    let held = |mode, failures| HeldLine {
        mode,
        id: text.chars().take(32).collect(),
        lines: vec!["version: STSv1".to_owned(), format!("mode: {mode}"), text.to_owned()],
        fetched_at: NOW - 90_000,
        expires_at: NOW + 6 * 86_400,
        refresh_at: if failures > 0 { NOW - 5 } else { NOW + 4000 },
        failures,
    };
    let answer = |level: &str, why: &str| AnswerLine {
        level: level.to_owned(),
        why: format!("{why} {text}"),
        good_until: NOW + 300,
    };
    let line = |domain: &str, held, failure, answer| PolicyLine {
        domain: domain.to_owned(),
        held,
        dane: None,
        failure,
        answer,
    };
    let dane = |domain: &str, held, usable, answer| PolicyLine {
        dane: Some(DaneLine { usable, hosts: 3 }),
        ..line(domain, held, None, answer)
    };
    let failure = FetchFailureLine { at: NOW - 600, text: format!("policy host cannot be reached {text}") };
    Book {
        lines: vec![
            dane(
                "both.example",
                Some(held("enforce", 0)),
                2,
                Some(answer("dane-only", "2 of 3 MX hosts have usable TLSA records.")),
            ),
            dane("dane-unusable.example", None, 0, None),
            dane("dane.example", None, 3, Some(answer("dane", "The domain has no MTA-STS record."))),
            line(
                "enforcing.example",
                Some(held("enforce", 0)),
                None,
                Some(answer("secure", "The domain's MTA-STS policy is enforced. DANE does not apply.")),
            ),
            line("failing.example", Some(held("enforce", 4)), Some(failure.clone()), None),
            line(
                "none.example",
                Some(held("none", 0)),
                None,
                Some(answer("not-found", "Its policy has mode none.")),
            ),
            line("testing.example", Some(held("testing", 0)), None, Some(answer("may", "Testing mode."))),
            line(
                "unfetched.example",
                None,
                Some(failure),
                Some(answer("deferred", "It could not be fetched.")),
            ),
        ],
        alerts: vec![AlertLine {
            domain: "failing.example".to_owned(),
            since: NOW - 86_400,
            text: format!("The policy could not be fetched anew for 4 times in a row. {text}"),
        }],
    }
}
