//! The other half of the demonstration: mail that goes out. Sessions of two weeks with half a dozen other domains, what
//! became of the reports about them, and the policies that their mail is held to. Pure, as the rest.

use tls_rpt::tally::{AppliedPolicy, Failure, PolicyTally, Tally};
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{
    AlertLine, AnswerLine, DaneLine, FetchFailureLine, GroupDelta, HeldLine, OutgoingState, PolicyLine,
    ReportKey,
};
use tlsward_engine::report::{Attempt, Progress, due_at};

use super::calendar::DAY;
use super::draw::Draw;

/// Days that sessions go back.
const DAYS: i64 = 14;

/// What there is to see of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Enforced, and all is well.
    Enforced,
    /// Enforced; one host's certificate ran out some days ago, and its mail goes to the other one.
    Expired,
    /// In testing, so that nobody knows of a session whether it met the policy.
    Testing,
    /// DANE, and no MTA-STS.
    Dane,
    /// Enforced, and its policy's host has been down for days.
    Down,
    /// Nothing published but the wish for reports, which go to an address that refuses them.
    Refusing,
}

struct Other {
    domain: &'static str,
    kind: Kind,
    /// Sessions a day, about.
    sessions: u64,
}

/// By name.
const OTHERS: [Other; 6] = [
    Other { domain: "accounts.example.net", kind: Kind::Down, sessions: 90 },
    Other { domain: "customer.example.org", kind: Kind::Testing, sessions: 140 },
    Other { domain: "partner.example.com", kind: Kind::Enforced, sessions: 820 },
    Other { domain: "supplier.example.net", kind: Kind::Expired, sessions: 260 },
    Other { domain: "town.example.org", kind: Kind::Dane, sessions: 35 },
    Other { domain: "wholesale.example.com", kind: Kind::Refusing, sessions: 18 },
];

/// Days ago since when the certificate of [`Kind::Expired`] is out of date.
const EXPIRED_SINCE: i64 = 4;
/// Days ago since when the policy host of [`Kind::Down`] is.
const DOWN_SINCE: i64 = 3;

impl Other {
    fn address(&self) -> String {
        match self.kind {
            Kind::Dane => format!("https://tlsrpt.{}/v1/report", self.domain),
            _ => format!("mailto:tls-reports@{}", self.domain),
        }
    }

    fn record(&self) -> Text {
        Text::from(format!("v=TLSRPTv1; rua={}", self.address()))
    }

    fn lines(&self) -> Option<[String; 4]> {
        let mode = match self.kind {
            Kind::Enforced | Kind::Expired | Kind::Down => "enforce",
            Kind::Testing => "testing",
            Kind::Dane | Kind::Refusing => return None,
        };
        Some([
            "version: STSv1".to_owned(),
            format!("mode: {mode}"),
            format!("mx: *.{}", self.domain),
            "max_age: 1209600".to_owned(),
        ])
    }

    fn policy(&self) -> AppliedPolicy {
        let (policy_type, domain, strings, mx_patterns) = match (self.lines(), self.kind) {
            (Some(lines), _) => {
                let patterns = vec![Text::from(format!("*.{}", self.domain))];
                (PolicyType::Sts, self.domain.to_owned(), lines.map(Text::from).to_vec(), patterns)
            }
            (None, Kind::Dane) => {
                let record = format!("3 1 1 {}", Draw::new(7, &[self.sessions]).hex(32).to_uppercase());
                (PolicyType::Tlsa, format!("mx1.{}", self.domain), vec![Text::from(record)], Vec::new())
            }
            (None, _) => (PolicyType::NoPolicyFound, self.domain.to_owned(), Vec::new(), Vec::new()),
        };
        AppliedPolicy { policy_type, domain: domain.into(), strings, mx_patterns }
    }

    /// The counts of a day `ago` days back, and the sessions that nobody can judge.
    fn counts(&self, ago: i64, draw: &mut Draw) -> (Tally, u64) {
        let sessions = draw.about(self.sessions);
        let mut tally = Tally::default();
        if self.kind == Kind::Testing {
            return (tally, sessions);
        }
        let mut counts = PolicyTally { successful: sessions, ..PolicyTally::default() };
        if self.kind == Kind::Expired && ago <= EXPIRED_SINCE {
            counts.failed = draw.about(self.sessions / 8);
            let failure = Failure {
                result: ResultType::CertificateExpired,
                receiving_mx: Some(Text::from(format!("mx2.{}", self.domain))),
                receiving_helo: Some(Text::from(format!("mx2.{}", self.domain))),
                receiving_ip: Some([192, 0, 2, 80].into()),
                sending_ip: Some([198, 51, 100, 25].into()),
                reason: None,
                additional: None,
            };
            counts.failures.insert(failure, counts.failed);
        }
        tally.add(self.policy(), counts);
        (tally, 0)
    }
}

/// What was counted until now, a group for each day and domain.
#[must_use]
pub fn sessions(seed: u64, now: UnixTime) -> Vec<GroupDelta> {
    let today = now.div_euclid(DAY);
    let mut groups = Vec::new();
    for ago in 0..DAYS {
        for (who, other) in OTHERS.iter().enumerate() {
            let day = today - ago;
            let (tally, unjudged) =
                other.counts(ago, &mut Draw::new(seed, &[who as u64, day.unsigned_abs(), 77]));
            groups.push(GroupDelta {
                day,
                domain: other.domain.into(),
                record: Some((day * DAY + 3_600, other.record())),
                tally,
                unjudged,
                due_at: due_at(seed, day, other.domain),
            });
        }
    }
    groups
}

/// What became of a report that was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// How it stands.
    pub state: OutgoingState,
    /// When that was, or when it is tried again.
    pub at: UnixTime,
    /// Why, or where it went.
    pub reason: String,
    /// What was tried.
    pub progress: Progress,
}

/// What became of the report of a day whose sending was due at `due`.
#[must_use]
pub fn fate(key: &ReportKey, due: UnixTime, now: UnixTime) -> Fate {
    let other = OTHERS.iter().find(|other| key.domain == other.domain);
    let (address, kind) = other.map_or((String::new(), Kind::Testing), |other| (other.address(), other.kind));
    let mut progress = Progress { first: Some(due), rounds: 1, attempts: 1, ..Progress::default() };
    match kind {
        Kind::Testing => Fate {
            state: OutgoingState::Skipped,
            at: due,
            reason: "no session of that day could be counted".to_owned(),
            progress: Progress::default(),
        },
        Kind::Refusing => {
            let error = "the relay refused the recipient: 550 5.1.1 no such mailbox here";
            let is_over = due + DAY <= now;
            let rounds = if is_over { 9 } else { 4 };
            progress.rounds = rounds;
            progress.attempts = rounds;
            for round in 0..rounds {
                let at = due + 300 * ((1_i64 << round.min(7)) - 1);
                progress.failures.push(Attempt { uri: address.clone(), at, error: error.to_owned() });
            }
            let (state, at) = if is_over {
                (OutgoingState::GivenUp, due + DAY)
            } else {
                (OutgoingState::Waiting, now + 3_000)
            };
            Fate { state, at, reason: format!("{address}: {error}"), progress }
        }
        _ => {
            progress.accepted = Some(address.clone());
            Fate { state: OutgoingState::Sent, at: due, reason: address, progress }
        }
    }
}

/// The policies that mail is held to, by domain.
#[must_use]
pub fn policies(now: UnixTime) -> Vec<PolicyLine> {
    OTHERS.iter().filter_map(|other| policy(other, now)).collect()
}

fn policy(other: &Other, now: UnixTime) -> Option<PolicyLine> {
    let answer = |level: &str, why| AnswerLine { level: level.to_owned(), why, good_until: now + 300 };
    if other.kind == Kind::Dane {
        let why = "The domain has no MTA-STS record. 1 of 1 MX hosts have usable TLSA records.".to_owned();
        return Some(PolicyLine {
            domain: other.domain.to_owned(),
            held: None,
            dane: Some(DaneLine { usable: 1, hosts: 1 }),
            failure: None,
            answer: Some(answer("dane", why)),
        });
    }
    let lines = other.lines()?;
    let is_down = other.kind == Kind::Down;
    let fetched_at = now - if is_down { DOWN_SINCE * DAY + 9_000 } else { 31_000 };
    let id = format!("2026{:04}", other.sessions);
    let (mode, level, why) = match other.kind {
        Kind::Testing => (
            "testing",
            "may",
            format!("The domain's MTA-STS policy {id} is in testing mode: mail is delivered as without it."),
        ),
        _ => (
            "enforce",
            "secure",
            format!("The domain's MTA-STS policy {id} is enforced. DANE does not apply."),
        ),
    };
    Some(PolicyLine {
        domain: other.domain.to_owned(),
        held: Some(HeldLine {
            mode,
            id,
            lines: lines.to_vec(),
            fetched_at,
            expires_at: fetched_at + 14 * DAY,
            refresh_at: now + if is_down { 1_800 } else { 52_000 },
            failures: if is_down { 9 } else { 0 },
        }),
        dane: None,
        failure: is_down.then(|| FetchFailureLine {
            at: now - 1_800,
            text: "policy host did not answer in time".to_owned(),
        }),
        answer: Some(answer(level, why)),
    })
}

/// What is to be looked at.
#[must_use]
pub fn alerts(now: UnixTime) -> Vec<AlertLine> {
    let of = |other: &Other| AlertLine {
        domain: other.domain.to_owned(),
        since: now - (DOWN_SINCE - 1) * DAY,
        text: format!(
            "The MTA-STS policy could not be fetched anew for {DOWN_SINCE} days: policy host did not answer in time. It \
             goes on to be applied until it runs out."
        ),
    };
    OTHERS.iter().filter(|other| other.kind == Kind::Down).map(of).collect()
}
