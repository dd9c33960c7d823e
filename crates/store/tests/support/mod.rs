//! Inputs, verdicts and a way to wait, for the tests of both stores.
#![allow(dead_code, reason = "each test program uses a part")]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tls_rpt::count::Bounds;
use tls_rpt::report::{
    DateRange, FailureDetails, Policy, PolicyResult, Repair, RepairKind, Report, Summary, Timestamp,
};
use tls_rpt::{PolicyType, ResultType};
use tlsward_engine::facts::{
    Filed, RawInput, Receipt, Road, RowPiece, RowSource, Rows, SetAsideReason, Trust, UnixTime, Verdict,
};
use tlsward_engine::ports::{DayRange, ReportQuery};

/// 2026-10-01T00:00:00Z, and its day.
pub(crate) const BEGIN: UnixTime = 1_790_812_800;
pub(crate) const DAY: i64 = BEGIN / 86_400;
/// When reports of that day come in.
pub(crate) const RECEIVED: UnixTime = BEGIN + 90_000;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> RawInput {
    RawInput {
        road: Road::Https,
        received_at: RECEIVED,
        peer: Some([192, 0, 2, 9].into()),
        label: "application/tlsrpt+gzip".to_owned(),
        bytes: bytes.into().into(),
    }
}

pub(crate) fn raw_at(received_at: UnixTime, bytes: impl Into<Vec<u8>>) -> RawInput {
    RawInput { received_at, ..raw(bytes) }
}

pub(crate) fn policy(policy_type: PolicyType, domain: &str, successful: u64, failed: u64) -> PolicyResult {
    PolicyResult {
        policy: Some(Policy {
            policy_type: Some(policy_type),
            policy_domain: Some(domain.into()),
            ..Policy::default()
        }),
        summary: Some(Summary { successful: Some(successful), failed: Some(failed), ..Summary::default() }),
        ..PolicyResult::default()
    }
}

pub(crate) fn sts(domain: &str, mode: &str, successful: u64, rows: &[FailureDetails]) -> PolicyResult {
    let failed = rows.iter().filter_map(|row| row.failed_session_count).sum();
    let mut result = policy(PolicyType::Sts, domain, successful, failed);
    if let Some(policy) = &mut result.policy {
        let mx = format!("mx.{domain}");
        policy.policy_string = Some(vec![
            "version: STSv1".into(),
            format!("mode: {mode}").into(),
            format!("mx: {mx}").into(),
            "max_age: 604800".into(),
        ]);
        policy.mx_host = Some(vec![mx.into()]);
    }
    result.failure_details = (!rows.is_empty()).then(|| rows.to_vec());
    result
}

pub(crate) fn failure(result: ResultType, mx: &str, sessions: u64) -> FailureDetails {
    FailureDetails {
        result_type: Some(result),
        sending_mta_ip: Some("192.0.2.1".into()),
        receiving_mx_hostname: Some(mx.into()),
        receiving_ip: Some("2001:db8::25".into()),
        failed_session_count: Some(sessions),
        failure_reason_code: Some("X509_V_ERR".into()),
        ..FailureDetails::default()
    }
}

/// A report under construction. Equal `number`s make equal digests.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) number: u64,
    pub(crate) organization: Option<String>,
    pub(crate) begin: Option<UnixTime>,
    pub(crate) trust: Trust,
    pub(crate) member: String,
    pub(crate) policies: Vec<PolicyResult>,
}

pub(crate) fn draft(number: u64, policies: Vec<PolicyResult>) -> Draft {
    Draft {
        number,
        organization: Some("Example Org".to_owned()),
        begin: Some(BEGIN),
        trust: Trust::Https,
        member: "body".to_owned(),
        policies,
    }
}

pub(crate) fn simple(number: u64, domain: &str) -> Draft {
    draft(number, vec![sts(domain, "enforce", number, &[])])
}

impl Draft {
    pub(crate) fn trusted(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    pub(crate) fn from(mut self, organization: &str) -> Self {
        self.organization = Some(organization.to_owned());
        self
    }

    pub(crate) fn beginning(mut self, begin: Option<UnixTime>) -> Self {
        self.begin = begin;
        self
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = [7; 32];
        // Spread over the key space, as a hash is.
        let spread = self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        digest[..8].copy_from_slice(&spread.to_be_bytes());
        digest[8..16].copy_from_slice(&self.number.to_be_bytes());
        digest
    }

    pub(crate) fn filed(self) -> Filed {
        let digest = self.digest();
        let sum = |count: fn(&Summary) -> Option<u64>| {
            Bounds::exactly(self.policies.iter().filter_map(|policy| count(policy.summary.as_ref()?)).sum())
        };
        let time = |time: Option<UnixTime>| time.and_then(Timestamp::from_unix);
        Filed {
            member: self.member,
            digest,
            trust: self.trust,
            repairs: vec![Repair {
                path: "/policies/0".into(),
                kind: RepairKind::NullDropped,
                text: "null \0 left out".into(),
            }],
            policy_count: self.policies.len() as u64,
            failure_count: self
                .policies
                .iter()
                .flat_map(|policy| policy.failure_details.iter().flatten())
                .count() as u64,
            successful: sum(|summary| summary.successful),
            failed: sum(|summary| summary.failed),
            rows: Rows::Held,
            report: Report {
                organization_name: self.organization.map(Into::into),
                date_range: self.begin.map(|begin| DateRange {
                    start: time(Some(begin)),
                    end: time(Some(begin + 86_399)),
                    ..DateRange::default()
                }),
                contact_info: Some("tlsrpt@example.org".into()),
                report_id: Some(format!("id-{}", self.number).into()),
                policies: Some(self.policies),
                ..Report::default()
            },
        }
    }

    /// The same report, to be read from its input in pieces of `piece` rows.
    pub(crate) fn streamed(self, piece: usize) -> Filed {
        let mut filed = self.filed();
        let policies = filed.report.policies.take().unwrap_or_default();
        filed.rows = Rows::Streamed(Box::new(Pieces { policies, piece }));
        filed
    }

    pub(crate) fn verdict(self) -> Verdict {
        filed(vec![self.filed()])
    }
}

pub(crate) fn filed(reports: Vec<Filed>) -> Verdict {
    Verdict::Filed { reports, complaints: Vec::new() }
}

/// Feeds policies and failure rows in pieces, failure rows before their policy ends.
pub(crate) struct Pieces {
    pub(crate) policies: Vec<PolicyResult>,
    pub(crate) piece: usize,
}

impl RowSource for Pieces {
    fn read(&self, take: &mut dyn FnMut(RowPiece) -> bool) {
        let mut piece = RowPiece::default();
        for (index, policy) in (0..).zip(&self.policies) {
            for (row, failure) in (0..).zip(policy.failure_details.iter().flatten()) {
                piece.failures.push((index, row, failure.clone()));
                if piece.failures.len() + piece.policies.len() >= self.piece
                    && !take(std::mem::take(&mut piece))
                {
                    return;
                }
            }
            piece.policies.push((index, PolicyResult { failure_details: None, ..policy.clone() }));
            if piece.failures.len() + piece.policies.len() >= self.piece && !take(std::mem::take(&mut piece))
            {
                return;
            }
        }
        take(piece);
    }
}

pub(crate) fn stored(receipt: Receipt) -> Vec<i64> {
    match receipt {
        Receipt::Stored { ids } => ids,
        other => panic!("not stored: {other:?}"),
    }
}

pub(crate) fn unreadable(detail: &str) -> Verdict {
    Verdict::SetAside { reason: SetAsideReason::Unreadable, detail: detail.to_owned() }
}

pub(crate) fn month() -> DayRange {
    DayRange { first: DAY - 29, last: DAY }
}

pub(crate) fn query(domain: Option<&str>, limit: usize, cursor: Option<String>) -> ReportQuery {
    ReportQuery { domain: domain.map(str::to_owned), limit, cursor }
}

/// Runs the body over each store, fresh, with these quotas.
#[macro_export]
macro_rules! on_both {
    ($quotas:expr, $store:ident => $body:block) => {{
        {
            let memory = tlsward_store::MemoryStore::new($quotas);
            let $store = &memory;
            support::wait(async { $body });
        }
        {
            let dir = tempfile::tempdir().expect("a folder");
            let sqlite = tlsward_store::SqliteStore::open(dir.path().join("t.db"), $quotas).expect("a store");
            {
                let $store = &sqlite;
                support::wait(async { $body });
            }
            sqlite.close().expect("closes");
        }
    }};
    ($store:ident => $body:block) => { on_both!(tlsward_store::Quotas::default(), $store => $body) };
}
