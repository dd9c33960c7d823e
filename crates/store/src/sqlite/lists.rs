//! Lists and single items: reports, failure rows, what was set aside, raw input, kept mail.
//!
//! Pages are bounded in items and in bytes; a page that ends early says so by its cursor.

use bytes::Bytes;
use rusqlite::{MAIN_DB, OptionalExtension, Row, params};
use tls_rpt::count::Bounds;
use tls_rpt::report::{FailureDetails, Policy, PolicyResult, Summary};
use tlsward_engine::facts::RawInput;
use tlsward_engine::ports::{
    FailureLine, Page, RawOf, ReportDetail, ReportLine, ReportQuery, SetAsideLine, Unread,
};

use super::columns::{self, bytes, natural, policy_type, result_type, text};
use super::failure::Failure;
use super::readers::View;
use super::rows::{ROW_BITS, first_row};
use crate::cursor::{self, List, Place, Start};
use crate::pack;
use crate::session::domain_name;
use crate::{MAX_PAGE, MAX_PAGE_BYTES, MAX_PENDING_BYTES};

const REPORT: &str = "id, organization_name, report_id, domain, domains, begin, end, successful, successful_more, \
    failed, failed_more, trust, received_at";

/// A page in the making.
struct Sheet<T> {
    items: Vec<T>,
    limit: usize,
    bytes: usize,
    last: Option<Place>,
}

impl<T> Sheet<T> {
    fn new(limit: usize) -> Self {
        Self { items: Vec::new(), limit: limit.clamp(1, MAX_PAGE), bytes: 0, last: None }
    }

    /// Whether one more item would be one too many.
    fn is_full(&self) -> bool {
        self.items.len() >= self.limit || self.bytes >= MAX_PAGE_BYTES
    }

    fn add(&mut self, item: T, bytes: usize, place: Place) {
        self.items.push(item);
        self.bytes += bytes;
        self.last = Some(place);
    }

    /// `more`: there is at least one item after the page.
    fn page(self, list: List, more: bool) -> Page<T> {
        let next_cursor = self.last.filter(|_| more).map(|place| cursor::write(list, place));
        Page { items: self.items, next_cursor }
    }
}

fn nothing<T>() -> Page<T> {
    Page { items: Vec::new(), next_cursor: None }
}

/// The id below which to begin.
fn below(start: Start) -> Option<i64> {
    match start {
        Start::Newest => Some(i64::MAX),
        Start::Below(place) => Some(place.id),
        Start::Nowhere => None,
    }
}

impl View<'_> {
    /// The integer of a domain.
    pub(crate) fn domain_id(&self, name: &str) -> Result<Option<i64>, Failure> {
        let mut find = self.connection.prepare_cached("SELECT id FROM domain WHERE name = ?1")?;
        Ok(find.query_row([domain_name(name)], |row| row.get(0)).optional()?)
    }

    pub(crate) fn reports(&self, query: &ReportQuery) -> Result<Page<ReportLine>, Failure> {
        let Some(below) = below(cursor::read(List::Reports, query.cursor.as_deref())) else {
            return Ok(nothing());
        };
        let (sql, domain) = match &query.domain {
            None => {
                (format!("SELECT {REPORT} FROM report WHERE id < ?1 AND ?2 IS NULL ORDER BY id DESC"), None)
            }
            Some(name) => {
                let Some(domain) = self.domain_id(name)? else { return Ok(nothing()) };
                let from = "report JOIN (SELECT report AS of FROM session WHERE domain = ?2 AND report < ?1 \
                    ORDER BY report DESC) ON report.id = of";
                (format!("SELECT {REPORT} FROM {from} ORDER BY of DESC"), Some(domain))
            }
        };
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![below, domain])?;
        let mut page = Sheet::new(query.limit);
        while let Some(row) = rows.next()? {
            let line = report_line(row)?;
            if self.hidden.contains(&line.id) {
                continue;
            }
            if page.is_full() {
                return Ok(page.page(List::Reports, true));
            }
            let place = Place { id: line.id, row: 0 };
            let texts = [&line.organization_name, &line.report_id, &line.domain];
            let bytes = texts.into_iter().flatten().map(String::len).sum();
            page.add(line, bytes, place);
        }
        Ok(page.page(List::Reports, false))
    }

    pub(crate) fn report(&self, id: i64, rows: usize) -> Result<Option<ReportDetail>, Failure> {
        if self.hidden.contains(&id) {
            return Ok(None);
        }
        let mut find = self.connection.prepare_cached(&format!(
            "SELECT {REPORT}, contact_info, member, repairs, policy_count, failure_count, \
             (SELECT road FROM raw WHERE raw.id = report.raw) FROM report WHERE id = ?1"
        ))?;
        let mut found = find.query([id])?;
        let Some(row) = found.next()? else { return Ok(None) };
        let damaged = Failure::Damaged("the repairs of a report cannot be read");
        let repairs =
            bytes(row.get_ref(15)?)?.map_or(Some(Vec::new()), |bytes| pack::Reader(bytes).repairs());
        let limit = rows.min(MAX_PAGE);
        let mut size = 0;
        let mut policies = self.policies(id, limit, &mut size)?;
        self.add_failures(id, limit, &mut size, &mut policies)?;
        Ok(Some(ReportDetail {
            line: report_line(row)?,
            contact_info: row.get(13)?,
            member: row.get(14)?,
            repairs: repairs.ok_or(damaged)?,
            policy_count: natural(row.get(16)?)?,
            failure_count: natural(row.get(17)?)?,
            road: columns::road(row.get(18)?)?,
            policies,
        }))
    }

    fn policies(&self, report: i64, limit: usize, size: &mut usize) -> Result<Vec<PolicyResult>, Failure> {
        let mut some = self.connection.prepare_cached(
            "SELECT domain, type, strings, mx, successful, failed, has_details FROM policy \
             WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3",
        )?;
        let mut rows = some.query(params![first_row(report), first_row(report + 1), limit as i64])?;
        let mut policies = Vec::new();
        while *size < MAX_PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let policy = policy(row)?;
            let lines = policy.policy.iter().flat_map(|policy| [&policy.policy_string, &policy.mx_host]);
            *size += lines.flatten().flatten().map(|line| line.len() + 32).sum::<usize>() + 256;
            policies.push(policy);
        }
        Ok(policies)
    }

    /// The first failure rows of a report, each with its policy, where that is among the first too.
    fn add_failures(
        &self,
        report: i64,
        limit: usize,
        size: &mut usize,
        policies: &mut [PolicyResult],
    ) -> Result<(), Failure> {
        let mut some = self.connection.prepare_cached(&format!(
            "SELECT {FAILURE} FROM failure WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3"
        ))?;
        let mut rows = some.query(params![first_row(report), first_row(report + 1), limit as i64])?;
        while *size < MAX_PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let index: i64 = row.get(0)?;
            let failure = failure(row)?;
            *size += failure_bytes(&failure);
            if let Some(policy) = usize::try_from(index).ok().and_then(|index| policies.get_mut(index)) {
                policy.failure_details.get_or_insert_default().push(failure);
            }
        }
        Ok(())
    }

    pub(crate) fn failures(&self, query: &ReportQuery) -> Result<Page<FailureLine>, Failure> {
        let start = cursor::read(List::Failures, query.cursor.as_deref());
        let mut page = Sheet::new(query.limit);
        let domain = match &query.domain {
            None => None,
            Some(name) => match self.domain_id(name)? {
                Some(id) => Some((id, domain_name(name))),
                None => return Ok(nothing()),
            },
        };
        // Within a report the rows go up, from report to report the ids go down.
        let (mut report, mut row) = match start {
            Start::Newest => (i64::MAX >> ROW_BITS, -1),
            Start::Below(place) => (place.id, place.row),
            Start::Nowhere => return Ok(nothing()),
        };
        while let Some((next, first, last)) = self.failing_report(report, domain.map(|(id, _)| id))? {
            row = if next == report { row } else { -1 };
            report = next;
            if !self.hidden.contains(&report)
                && !self.failures_of(
                    report,
                    (row + 1).max(first),
                    last,
                    domain.map(|(_, name)| name),
                    &mut page,
                )?
            {
                return Ok(page.page(List::Failures, true));
            }
            if report == 0 {
                break;
            }
            report -= 1;
            row = -1;
        }
        Ok(page.page(List::Failures, false))
    }

    /// The newest report with failure rows, of this id at most, and between which of its rows they lie.
    fn failing_report(&self, most: i64, domain: Option<i64>) -> Result<Option<(i64, i64, i64)>, Failure> {
        let most_row = first_row(most.min((i64::MAX >> ROW_BITS) - 1)) + (1 << ROW_BITS) - 1;
        let found = match domain {
            None => self
                .connection
                .prepare_cached("SELECT id FROM failure WHERE id <= ?1 ORDER BY id DESC LIMIT 1")?
                .query_row([most_row], |row| Ok((row.get::<_, i64>(0)? >> ROW_BITS, 0, 1 << ROW_BITS))),
            Some(domain) => self
                .connection
                .prepare_cached(
                    "SELECT report, first_row, last_row FROM session \
                     WHERE domain = ?1 AND report <= ?2 AND first_row IS NOT NULL ORDER BY report DESC LIMIT 1",
                )?
                .query_row([domain, most], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))),
        };
        Ok(found.optional()?)
    }

    /// Adds the failure rows of one report; false if there are more than the page holds.
    fn failures_of(
        &self,
        report: i64,
        first: i64,
        last: i64,
        domain: Option<&str>,
        page: &mut Sheet<FailureLine>,
    ) -> Result<bool, Failure> {
        let mut head = self
            .connection
            .prepare_cached("SELECT organization_name, begin, trust FROM report WHERE id = ?1")?;
        let head = head.query_row([report], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, i64>(2)?))
        });
        let Some((organization_name, begin, trust)) = head.optional()? else { return Ok(true) };
        let trust = columns::trust(trust)?;
        let mut some = self.connection.prepare_cached(&format!(
            "SELECT {FAILURE}, policy.domain, policy.type FROM failure \
             LEFT JOIN policy ON policy.id = ?3 + failure.policy \
             WHERE failure.id >= ?1 AND failure.id <= ?2 ORDER BY failure.id"
        ))?;
        let base = first_row(report);
        let end = base + last.min((1 << ROW_BITS) - 1);
        let mut rows = some.query([base + first, end, base])?;
        while let Some(row) = rows.next()? {
            let of = text(row.get_ref(10)?)?;
            if domain.is_some() && of.as_deref().map(domain_name) != domain {
                continue;
            }
            if page.is_full() {
                return Ok(false);
            }
            let key: i64 = row.get(9)?;
            let failure = failure(row)?;
            let bytes = failure_bytes(&failure) + organization_name.as_ref().map_or(0, String::len);
            let line = FailureLine {
                report,
                organization_name: organization_name.clone(),
                domain: of.map(String::from),
                policy_type: policy_type(row.get_ref(11)?)?.map(|kind| kind.as_wire().to_owned()),
                begin,
                trust,
                row: failure,
            };
            page.add(line, bytes, Place { id: report, row: key - base });
        }
        Ok(true)
    }

    pub(crate) fn set_aside(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SetAsideLine>, Failure> {
        let Some(below) = below(cursor::read(List::SetAside, cursor)) else { return Ok(nothing()) };
        let mut some = self.connection.prepare_cached(
            "SELECT set_aside.id, reason, detail, road, label, received_at, length(bytes) FROM set_aside \
             JOIN raw ON raw.id = set_aside.id WHERE set_aside.id < ?1 ORDER BY set_aside.id DESC",
        )?;
        let mut rows = some.query([below])?;
        let mut page = Sheet::new(limit);
        while let Some(row) = rows.next()? {
            if page.is_full() {
                return Ok(page.page(List::SetAside, true));
            }
            let line = SetAsideLine {
                id: row.get(0)?,
                reason: columns::reason(row.get(1)?)?,
                detail: row.get(2)?,
                road: columns::road(row.get(3)?)?,
                label: row.get(4)?,
                received_at: row.get(5)?,
                bytes: natural(row.get(6)?)?,
            };
            let (bytes, place) = (line.detail.len() + line.label.len(), Place { id: line.id, row: 0 });
            page.add(line, bytes, place);
        }
        Ok(page.page(List::SetAside, false))
    }

    pub(crate) fn raw(&self, of: RawOf) -> Result<Option<RawInput>, Failure> {
        let (sql, id) = match of {
            RawOf::Report(id) if self.hidden.contains(&id) => return Ok(None),
            RawOf::Report(id) => ("SELECT raw FROM report WHERE id = ?1", id),
            RawOf::SetAside(id) => ("SELECT id FROM set_aside WHERE id = ?1", id),
        };
        let id = self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
        id.map_or(Ok(None), |id| self.raw_input(id))
    }

    fn raw_input(&self, id: i64) -> Result<Option<RawInput>, Failure> {
        let mut find =
            self.connection.prepare_cached("SELECT road, received_at, peer, label FROM raw WHERE id = ?1")?;
        let mut rows = find.query([id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let peer = match bytes(row.get_ref(2)?)? {
            None => None,
            Some(octets) => Some(
                <[u8; 4]>::try_from(octets)
                    .map(Into::into)
                    .or_else(|_| <[u8; 16]>::try_from(octets).map(Into::into))
                    .map_err(|_| Failure::Damaged("a peer is no address"))?,
            ),
        };
        // In pieces into its place: SQLite would hold a large one a second time.
        let blob = self.connection.blob_open(MAIN_DB, "raw", "bytes", id, true)?;
        let mut content = vec![0; blob.len()];
        blob.read_at_exact(&mut content, 0)?;
        Ok(Some(RawInput {
            road: columns::road(row.get(0)?)?,
            received_at: row.get(1)?,
            peer,
            label: row.get(3)?,
            bytes: Bytes::from(content),
        }))
    }

    pub(crate) fn pending(&self, after: i64, limit: usize) -> Result<Vec<Unread>, Failure> {
        let select = "SELECT id, attempts FROM pending WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.unread(select, params![after, limit.min(MAX_PAGE) as i64])
    }

    pub(crate) fn set_aside_by_others(
        &self,
        reader: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Unread>, Failure> {
        let select = "SELECT id, attempts FROM set_aside WHERE id > ?1 AND reader <> ?3 ORDER BY id LIMIT ?2";
        self.unread(select, params![after, limit.min(MAX_PAGE) as i64, reader])
    }

    fn unread(&self, select: &str, params: impl rusqlite::Params) -> Result<Vec<Unread>, Failure> {
        let found: Vec<(i64, u32)> = self
            .connection
            .prepare_cached(select)?
            .query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let (mut list, mut size) = (Vec::new(), 0);
        for (id, attempts) in found {
            if size >= MAX_PENDING_BYTES {
                break;
            }
            let raw = self.raw_input(id)?.ok_or(Failure::Damaged("kept input has lost its bytes"))?;
            size += raw.bytes.len();
            list.push(Unread { id, attempts, raw });
        }
        Ok(list)
    }
}

fn report_line(row: &Row<'_>) -> Result<ReportLine, Failure> {
    Ok(ReportLine {
        id: row.get(0)?,
        organization_name: row.get(1)?,
        report_id: row.get(2)?,
        domain: row.get(3)?,
        domains: natural(row.get(4)?)?,
        begin: row.get(5)?,
        end: row.get(6)?,
        successful: bounds(row, 7)?,
        failed: bounds(row, 9)?,
        trust: columns::trust(row.get(11)?)?,
        received_at: row.get(12)?,
    })
}

/// Bounds stand as the lower one and what the upper one is more.
pub(crate) fn bounds(row: &Row<'_>, column: usize) -> Result<Bounds, Failure> {
    let low = natural(row.get(column)?)?;
    Ok(Bounds { low, high: low.saturating_add(natural(row.get(column + 1)?)?) })
}

fn policy(row: &Row<'_>) -> Result<PolicyResult, Failure> {
    let list = |column: usize| match bytes(row.get_ref(column)?)? {
        None => Ok(None),
        Some(packed) => pack::Reader(packed)
            .texts()
            .map(Some)
            .ok_or(Failure::Damaged("the lines of a policy cannot be read")),
    };
    let count = |column: usize| row.get::<_, Option<i64>>(column)?.map(natural).transpose();
    let policy = Policy {
        policy_domain: text(row.get_ref(0)?)?,
        policy_type: policy_type(row.get_ref(1)?)?,
        policy_string: list(2)?,
        mx_host: list(3)?,
        ..Policy::default()
    };
    let summary = Summary { successful: count(4)?, failed: count(5)?, ..Summary::default() };
    Ok(PolicyResult {
        policy: Some(policy).filter(|policy| *policy != Policy::default()),
        summary: Some(summary).filter(|summary| *summary != Summary::default()),
        failure_details: row.get::<_, bool>(6)?.then(Vec::new),
        ..PolicyResult::default()
    })
}

/// The columns that [`failure`] reads.
pub(crate) const FAILURE: &str = "failure.policy, failure.result, failure.sending_ip, failure.mx, failure.helo, \
    failure.receiving_ip, failure.sessions, failure.information, failure.reason, failure.id";

pub(crate) fn failure(row: &Row<'_>) -> Result<FailureDetails, Failure> {
    let words = |column: usize| text(row.get_ref(column)?);
    Ok(FailureDetails {
        result_type: result_type(row.get_ref(1)?)?,
        sending_mta_ip: words(2)?,
        receiving_mx_hostname: words(3)?,
        receiving_mx_helo: words(4)?,
        receiving_ip: words(5)?,
        failed_session_count: row.get::<_, Option<i64>>(6)?.map(natural).transpose()?,
        additional_information: words(7)?,
        failure_reason_code: words(8)?,
        ..FailureDetails::default()
    })
}

fn failure_bytes(row: &FailureDetails) -> usize {
    let texts = [
        &row.sending_mta_ip,
        &row.receiving_mx_hostname,
        &row.receiving_mx_helo,
        &row.receiving_ip,
        &row.additional_information,
        &row.failure_reason_code,
    ];
    512 + texts.into_iter().flatten().map(tls_rpt::Text::len).sum::<usize>()
}
