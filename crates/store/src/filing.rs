//! A verdict, with everything worked out that does not depend on what the store holds already.
//!
//! Done by whoever calls the store, on its own thread, so that the one thread that writes has less to do.

use sha2::{Digest, Sha256};
use tls_rpt::Text;
use tls_rpt::report::{PolicyResult, Repair};
use tlsward_engine::facts::{Filed, RowSource, Rows, SetAsideReason, Trust, UnixTime, Verdict};

use crate::session::{Session, sessions};
use crate::sqlite::PackedRows;
use tls_rpt::count::Bounds;

/// Policies, and failure rows, of one report at most: their index shares an integer with the report's id.
pub(crate) const MAX_ROWS: u64 = 1 << 20;
/// Bytes of a detail, or of all complaints of one input.
const MAX_DETAIL: usize = 64 * 1024;

/// A verdict, prepared.
pub(crate) enum Filing {
    Reports { papers: Vec<Paper>, complaints: Option<String> },
    SetAside { reason: SetAsideReason, detail: String },
}

/// One report, prepared.
pub(crate) struct Paper {
    pub(crate) member: String,
    pub(crate) digest: [u8; 32],
    pub(crate) trust: Trust,
    pub(crate) organization_name: Option<Text>,
    /// See [`organization_key`].
    pub(crate) organization: i64,
    pub(crate) report_id: Option<Text>,
    pub(crate) contact_info: Option<Text>,
    pub(crate) begin: Option<UnixTime>,
    pub(crate) end: Option<UnixTime>,
    pub(crate) repairs: Vec<Repair>,
    pub(crate) policy_count: u64,
    pub(crate) failure_count: u64,
    pub(crate) successful: Bounds,
    pub(crate) failed: Bounds,
    pub(crate) rows: PaperRows,
}

/// Where a paper's rows are.
pub(crate) enum PaperRows {
    /// Here, with what they come to.
    Held(HeldRows),
    /// Here, in the form in which SQLite will have them.
    Packed(PackedRows),
    /// Still in the input.
    Streamed(Box<dyn RowSource>),
    /// Already in the store, under this report.
    Loaded { report: i64, held: HeldHead },
}

/// The rows of a small report.
#[derive(Default)]
pub(crate) struct HeldRows {
    pub(crate) head: HeldHead,
    pub(crate) policies: Vec<PolicyResult>,
    pub(crate) sessions: Vec<Session>,
}

/// What a list says of a report's domains.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldHead {
    /// The first domain named.
    pub(crate) domain: Option<Text>,
    /// How many different ones.
    pub(crate) domains: u64,
}

impl Filing {
    pub(crate) fn prepare(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Filed { reports, complaints } if reports.is_empty() => Self::SetAside {
                reason: SetAsideReason::NoReport,
                detail: joined(&complaints).unwrap_or_default(),
            },
            Verdict::Filed { reports, complaints } => Self::Reports {
                papers: reports.into_iter().map(Paper::prepare).collect(),
                complaints: joined(&complaints),
            },
            Verdict::SetAside { reason, mut detail } => {
                detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
                Self::SetAside { reason, detail }
            }
        }
    }
}

impl Paper {
    fn prepare(filed: Filed) -> Self {
        let report = filed.report;
        let rows = match filed.rows {
            Rows::Streamed(source) => PaperRows::Streamed(source),
            Rows::Held => PaperRows::Held(HeldRows::of(report.policies.unwrap_or_default())),
        };
        let range = report.date_range.unwrap_or_default();
        Self {
            member: filed.member,
            digest: filed.digest,
            trust: filed.trust,
            organization: organization_key(report.organization_name.as_deref()),
            organization_name: report.organization_name,
            report_id: report.report_id,
            contact_info: report.contact_info,
            begin: range.start.map(tls_rpt::report::Timestamp::as_unix),
            end: range.end.map(tls_rpt::report::Timestamp::as_unix),
            repairs: filed.repairs,
            policy_count: filed.policy_count,
            failure_count: filed.failure_count,
            successful: filed.successful,
            failed: filed.failed,
            rows,
        }
    }

    /// Rows that it costs, policies and failures together.
    pub(crate) fn row_count(&self) -> u64 {
        self.policy_count.min(MAX_ROWS) + self.failure_count.min(MAX_ROWS)
    }
}

impl HeldRows {
    pub(crate) fn of(mut policies: Vec<PolicyResult>) -> Self {
        policies.truncate(MAX_ROWS as usize);
        let sessions = sessions(&policies);
        let domain = policies.iter().find_map(|policy| {
            policy.policy.as_ref()?.policy_domain.clone().filter(|domain| !domain.is_empty())
        });
        Self { head: HeldHead { domain, domains: sessions.len() as u64 }, policies, sessions }
    }
}

fn joined(complaints: &[String]) -> Option<String> {
    if complaints.is_empty() {
        return None;
    }
    let mut text = String::new();
    for complaint in complaints {
        if text.len() >= MAX_DETAIL {
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(complaint);
    }
    text.truncate(text.floor_char_boundary(MAX_DETAIL));
    Some(text)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Stands for an organisation where organisations are counted and grouped: 64 bits of SHA-256 over its name, so that a
/// stranger cannot make a name that passes for another's. Zero stands for no name.
pub(crate) fn organization_key(name: Option<&str>) -> i64 {
    let Some(name) = name else { return 0 };
    prefix(&sha256(name.as_bytes()))
}

/// The first 64 bits of a digest.
pub(crate) fn prefix(digest: &[u8; 32]) -> i64 {
    digest.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}
