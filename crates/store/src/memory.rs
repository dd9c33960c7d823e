//! The store in memory, for tests and the lab.
//!
//! The same answers as SQLite gives, by the shortest way: everything in maps behind one lock, every question a walk
//! over them. Rows of a large report are read at once, on the caller's thread, and held. Nothing survives the value.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tls_rpt::report::{PolicyResult, Repair};
use tlsward_engine::facts::{RawInput, Receipt, SetAsideReason, UnixTime, Verdict};
use tlsward_engine::ports::{
    Audit, Checks, DayRange, DomainDetail, DomainLine, Evidence, FailureLine, Intake, Page, RawOf,
    ReportDetail, ReportLine, ReportQuery, SPELLS_KEPT, SetAsideLine, Spell, StoreError, Totals, Unread,
};
use tlsward_engine::receive::READER;

use crate::cursor::{self, List, Place, Start};
use crate::filing::{Filing, HeldRows, Paper, PaperRows};
use crate::overview::{Glance, Newest, Overview, Seen, clamp};
use crate::quotas::is_open;
use crate::session::{Session, day_of, domain_name, is_sane};
use crate::{MAX_PAGE, Quotas};

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    pub(crate) reports_out: Mutex<crate::outgoing::Held>,
    pub(crate) policies: Mutex<crate::policies::Held>,
    pub(crate) published: Mutex<crate::publications::Published>,
    pub(crate) certificates: Mutex<crate::certificates::Held>,
    quotas: Quotas,
}

#[derive(Debug, Default)]
struct State {
    raws: BTreeMap<i64, RawInput>,
    pending: BTreeSet<i64>,
    set_aside: BTreeMap<i64, Shelved>,
    /// Of what is pending or set aside.
    attempts: BTreeMap<i64, u32>,
    reports: BTreeMap<i64, Report>,
    digests: BTreeMap<[u8; 32], i64>,
    last_raw: i64,
    last_report: i64,
    dropped: u64,
    duplicates: u64,
    last_received_at: Option<UnixTime>,
    audits: BTreeMap<String, Vec<Spell>>,
}

#[derive(Debug)]
struct Shelved {
    reason: SetAsideReason,
    detail: String,
    reader: &'static str,
}

#[derive(Debug)]
struct Report {
    line: ReportLine,
    raw: i64,
    share: u64,
    digest: [u8; 32],
    organization: i64,
    day: i64,
    contact_info: Option<String>,
    member: String,
    repairs: Vec<Repair>,
    policy_count: u64,
    failure_count: u64,
    policies: Vec<PolicyResult>,
    sessions: Vec<Session>,
}

impl Report {
    fn seen(&self, session: &Session) -> Seen {
        Seen {
            report: self.line.id,
            organization: self.organization,
            day: self.day,
            successful: session.successful,
            failed: session.failed,
        }
    }

    fn session(&self, domain: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.domain == domain)
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(quotas: Quotas) -> Self {
        Self {
            state: Mutex::default(),
            reports_out: Mutex::default(),
            policies: Mutex::default(),
            published: Mutex::default(),
            certificates: Mutex::default(),
            quotas,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Quotas::default())
    }
}

/// Reads the rows that large reports still have in their input.
fn read_rows(filing: &mut Filing) -> Result<(), StoreError> {
    let Filing::Reports { papers, .. } = filing else { return Ok(()) };
    for paper in papers {
        let PaperRows::Streamed(source) = &paper.rows else { continue };
        let (mut policies, mut failures) = (BTreeMap::new(), BTreeMap::<u64, Vec<_>>::new());
        let mut came = (0, 0);
        source.read(&mut |piece| {
            came = (came.0 + piece.policies.len() as u64, came.1 + piece.failures.len() as u64);
            policies.extend(piece.policies);
            for (policy, _, row) in piece.failures {
                failures.entry(policy).or_default().push(row);
            }
            true
        });
        // As the SQLite store: sums beside no rows, or beside another report's, would be evidence of nothing.
        if came != (paper.policy_count, paper.failure_count) {
            let why = "a large report could not be read to its end".to_owned();
            return Err(StoreError::Unavailable(why));
        }
        let with_failures = |(index, mut policy): (u64, PolicyResult)| {
            policy.failure_details = failures.remove(&index).or(policy.failure_details);
            policy
        };
        let held = HeldRows::of(policies.into_iter().map(with_failures).collect());
        paper.rows = PaperRows::Held(held);
    }
    Ok(())
}

fn held(rows: PaperRows) -> HeldRows {
    match rows {
        PaperRows::Held(held) => held,
        PaperRows::Streamed(_) | PaperRows::Packed(_) | PaperRows::Loaded { .. } => HeldRows::default(),
    }
}

impl State {
    fn raw_id(&mut self) -> i64 {
        self.last_raw += 1;
        self.last_raw
    }

    fn raw_bytes<'a>(&self, ids: impl IntoIterator<Item = &'a i64>) -> u64 {
        ids.into_iter().filter_map(|id| self.raws.get(id)).map(|raw| raw.bytes.len() as u64).sum()
    }

    fn file(&mut self, id: i64, filing: Filing, quotas: &Quotas) -> Receipt {
        self.pending.remove(&id);
        self.set_aside.remove(&id);
        self.attempts.remove(&id);
        match filing {
            Filing::SetAside { reason, detail } => {
                self.set_aside.insert(id, Shelved { reason, detail, reader: READER });
                self.bound_set_aside(quotas);
                Receipt::SetAside { id, reason }
            }
            Filing::Reports { papers, .. } => {
                let (received_at, bytes) =
                    self.raws.get(&id).map_or((0, 0), |raw| (raw.received_at, raw.bytes.len() as u64));
                let share = bytes.div_ceil((papers.len() as u64).max(1));
                let (mut filed, mut repeated) = (Vec::new(), Vec::new());
                for paper in papers {
                    match self.digests.get(&paper.digest).and_then(|known| self.reports.get_mut(known)) {
                        Some(known) => {
                            self.duplicates += 1;
                            repeated.push(known.line.id);
                            if known.line.trust < paper.trust {
                                known.line.trust = paper.trust;
                                (known.raw, known.share) = (id, share);
                                (known.member, known.repairs) = (paper.member, paper.repairs);
                            }
                        }
                        None => filed.push(self.add(id, share, received_at, paper)),
                    }
                }
                self.forget_unused_raws();
                if !filed.is_empty() {
                    self.last_received_at = self.last_received_at.max(Some(received_at));
                }
                self.bound_open(quotas);
                if filed.is_empty() {
                    Receipt::Duplicate { ids: repeated }
                } else {
                    Receipt::Stored { ids: filed }
                }
            }
        }
    }

    fn unread(&self, ids: impl Iterator<Item = i64>) -> Vec<Unread> {
        let unread = |id: i64| {
            let attempts = self.attempts.get(&id).copied().unwrap_or(0);
            Some(Unread { id, attempts, raw: self.raws.get(&id)?.clone() })
        };
        ids.filter_map(unread).collect()
    }

    fn add(&mut self, raw: i64, share: u64, received_at: UnixTime, paper: Paper) -> i64 {
        self.last_report += 1;
        let id = self.last_report;
        let held = held(paper.rows);
        self.digests.insert(paper.digest, id);
        let line = ReportLine {
            id,
            organization_name: paper.organization_name.map(String::from),
            report_id: paper.report_id.map(String::from),
            domain: held.head.domain.map(String::from),
            domains: held.head.domains,
            begin: paper.begin,
            end: paper.end,
            successful: paper.successful,
            failed: paper.failed,
            trust: paper.trust,
            received_at,
        };
        let report = Report {
            line,
            raw,
            share,
            digest: paper.digest,
            organization: paper.organization,
            day: day_of(paper.begin, received_at),
            contact_info: paper.contact_info.map(String::from),
            member: paper.member,
            repairs: paper.repairs,
            policy_count: paper.policy_count,
            failure_count: paper.failure_count,
            policies: held.policies,
            sessions: held.sessions,
        };
        self.reports.insert(id, report);
        id
    }

    fn forget_unused_raws(&mut self) {
        let used: BTreeSet<i64> = self.reports.values().map(|report| report.raw).collect();
        let (pending, set_aside) = (&self.pending, &self.set_aside);
        self.raws.retain(|id, _| used.contains(id) || pending.contains(id) || set_aside.contains_key(id));
    }

    fn bound_set_aside(&mut self, quotas: &Quotas) {
        while self.set_aside.len() as u64 > quotas.set_aside_items
            || self.raw_bytes(self.set_aside.keys()) > quotas.set_aside_bytes
        {
            let Some((oldest, _)) = self.set_aside.pop_first() else { break };
            self.raws.remove(&oldest);
            self.attempts.remove(&oldest);
            self.dropped += 1;
        }
    }

    fn bound_open(&mut self, quotas: &Quotas) {
        loop {
            let open = || self.reports.values().filter(|report| is_open(report.line.trust));
            let rows = |report: &Report| report.policy_count + report.failure_count;
            if open().count() as u64 <= quotas.open_reports
                && open().map(|report| report.share).sum::<u64>() <= quotas.open_bytes
                && open().map(rows).sum::<u64>() <= quotas.open_rows
            {
                break;
            }
            let Some(oldest) = open().map(|report| report.line.id).next() else { break };
            if let Some(report) = self.reports.remove(&oldest) {
                self.digests.remove(&report.digest);
            }
            self.dropped += 1;
            self.forget_unused_raws();
        }
    }

    /// The answer for mail that has its verdict already.
    fn settled_before(&self, id: i64, filing: &Filing) -> Receipt {
        match filing {
            Filing::SetAside { reason, .. } => {
                let reason = self.set_aside.get(&id).map_or(*reason, |stored| stored.reason);
                Receipt::SetAside { id, reason }
            }
            Filing::Reports { papers, .. } => {
                let known = papers.iter().filter_map(|paper| self.digests.get(&paper.digest));
                let received_at = self.raws.get(&id).map(|raw| raw.received_at);
                let came_with =
                    |report: &Report| report.raw == id && Some(report.line.received_at) == received_at;
                let (own, others): (Vec<i64>, Vec<i64>) =
                    known.copied().partition(|known| self.reports.get(known).is_some_and(came_with));
                if own.is_empty() { Receipt::Duplicate { ids: others } } else { Receipt::Stored { ids: own } }
            }
        }
    }

    fn newest(&self, domain: &str) -> Option<Newest> {
        let mut newest: Option<Newest> = None;
        let mut mode_end = None;
        for (report, session) in self.of_domain(domain) {
            let line = &report.line;
            let sane = |time: &UnixTime| is_sane(*time, line.received_at);
            let (begin, end) = (line.begin.filter(sane), line.end.filter(sane));
            let newest = newest.get_or_insert(Newest {
                last_end: None,
                last_received_at: line.received_at,
                mode: None,
            });
            newest.last_end = newest.last_end.max(end);
            newest.last_received_at = newest.last_received_at.max(line.received_at);
            if session.mode.is_some() && end.or(begin).is_some() && end.or(begin) > mode_end {
                (newest.mode, mode_end) = (session.mode, end.or(begin));
            }
        }
        newest
    }

    /// Newest first.
    fn of_domain<'a>(&'a self, domain: &'a str) -> impl Iterator<Item = (&'a Report, &'a Session)> {
        self.reports.values().rev().filter_map(move |report| Some((report, report.session(domain)?)))
    }

    fn domain_names(&self) -> BTreeSet<&str> {
        self.reports.values().flat_map(|report| &report.sessions).map(|session| &*session.domain).collect()
    }
}

/// A page of what `items` yields, newest first, below `start`.
fn page<T>(list: List, start: Start, limit: usize, items: impl Iterator<Item = (Place, T)>) -> Page<T> {
    let is_below = |place: &Place| match start {
        Start::Newest => true,
        // Ids go down, the rows of one report go up.
        Start::Below(last) => place.id < last.id || (place.id == last.id && place.row > last.row),
        Start::Nowhere => false,
    };
    let mut rest = items.filter(|(place, _)| is_below(place)).peekable();
    let mut page = Page { items: Vec::new(), next_cursor: None };
    while page.items.len() < limit.clamp(1, MAX_PAGE)
        && let Some((place, item)) = rest.next()
    {
        page.items.push(item);
        page.next_cursor = rest.peek().map(|_| cursor::write(list, place));
    }
    page
}

impl Intake for MemoryStore {
    fn accept(
        &self,
        raw: RawInput,
        verdict: Verdict,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send {
        let mut filing = Filing::prepare(verdict);
        if let Err(error) = read_rows(&mut filing) {
            return ready(Err(error));
        }
        let mut state = self.state();
        let id = state.raw_id();
        state.raws.insert(id, raw);
        ready(Ok(state.file(id, filing, &self.quotas)))
    }

    fn keep(&self, raw: RawInput) -> impl Future<Output = Result<i64, StoreError>> + Send {
        let mut state = self.state();
        let pending = state.raw_bytes(&state.pending) + raw.bytes.len() as u64;
        if pending > self.quotas.pending_bytes {
            return ready(Err(StoreError::Unavailable("too much mail waits to be read".to_owned())));
        }
        let id = state.raw_id();
        state.raws.insert(id, raw);
        state.pending.insert(id);
        ready(Ok(id))
    }

    fn pending(
        &self,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Unread>, StoreError>> + Send {
        let state = self.state();
        let above = state.pending.range(after.saturating_add(1)..).take(limit.min(MAX_PAGE));
        ready(Ok(state.unread(above.copied())))
    }

    fn begin(&self, id: i64) -> impl Future<Output = Result<(), StoreError>> + Send {
        let mut state = self.state();
        if state.pending.contains(&id) || state.set_aside.contains_key(&id) {
            *state.attempts.entry(id).or_default() += 1;
        }
        ready(Ok(()))
    }

    fn set_aside_by_others(
        &self,
        reader: &str,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Unread>, StoreError>> + Send {
        let state = self.state();
        let above = state.set_aside.range(after.saturating_add(1)..);
        let others = above.filter(|(_, item)| item.reader != reader).take(limit.min(MAX_PAGE));
        ready(Ok(state.unread(others.map(|(id, _)| *id))))
    }

    fn reconsider(
        &self,
        id: i64,
        verdict: Verdict,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send {
        let mut filing = Filing::prepare(verdict);
        if let Err(error) = read_rows(&mut filing) {
            return ready(Err(error));
        }
        let mut state = self.state();
        ready(Ok(if state.set_aside.contains_key(&id) {
            state.file(id, filing, &self.quotas)
        } else {
            state.settled_before(id, &filing)
        }))
    }

    fn settle(&self, id: i64, verdict: Verdict) -> impl Future<Output = Result<Receipt, StoreError>> + Send {
        let mut filing = Filing::prepare(verdict);
        if let Err(error) = read_rows(&mut filing) {
            return ready(Err(error));
        }
        let mut state = self.state();
        ready(Ok(if state.pending.contains(&id) {
            state.file(id, filing, &self.quotas)
        } else {
            state.settled_before(id, &filing)
        }))
    }
}

impl Checks for MemoryStore {
    fn note(&self, audit: Audit) -> impl Future<Output = Result<(), StoreError>> + Send {
        let mut state = self.state();
        let spells = state.audits.entry(audit.domain.clone()).or_default();
        match spells.last_mut() {
            Some(newest) if audit.at <= newest.last.at => {}
            Some(newest) if newest.last.snapshot == audit.snapshot => newest.last = audit,
            _ => {
                spells.push(Spell { since: audit.at, last: audit });
                let surplus = spells.len().saturating_sub(SPELLS_KEPT);
                spells.drain(..surplus);
            }
        }
        ready(Ok(()))
    }

    fn latest(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Spell>, StoreError>> + Send {
        let after = after.unwrap_or_default();
        let state = self.state();
        let newest = state.audits.iter().filter(|(domain, _)| domain.as_str() > after);
        let newest = newest.filter_map(|(_, spells)| spells.last().cloned());
        ready(Ok(newest.take(limit.min(MAX_PAGE)).collect()))
    }

    fn spells(
        &self,
        domain: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Spell>, StoreError>> + Send {
        let state = self.state();
        let spells = state.audits.get(domain).map(Vec::as_slice).unwrap_or_default();
        ready(Ok(spells.iter().rev().take(limit.min(MAX_PAGE)).cloned().collect()))
    }
}

impl Evidence for MemoryStore {
    fn domains(
        &self,
        range: DayRange,
        after: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<DomainLine>, StoreError>> + Send {
        let range = clamp(range);
        let state = self.state();
        let after = after.as_deref().map(domain_name);
        let names = state.domain_names();
        let names = names.into_iter().filter(|name| after.is_none_or(|after| *name > after));
        let line = |name: &str| {
            let mut glance = Glance::new();
            for (report, session) in state.of_domain(name) {
                if (range.first..=range.last).contains(&report.day) {
                    glance.add(report.seen(session), &session.results);
                }
            }
            Some(glance.line(name.to_owned(), state.newest(name)?))
        };
        ready(Ok(names.take(limit.clamp(1, MAX_PAGE)).filter_map(line).collect()))
    }

    fn domain(
        &self,
        domain: &str,
        range: DayRange,
    ) -> impl Future<Output = Result<Option<DomainDetail>, StoreError>> + Send {
        let (range, domain) = (clamp(range), domain_name(domain));
        let state = self.state();
        let Some(newest) = state.newest(domain) else { return ready(Ok(None)) };
        let mut overview = Overview::new();
        for (report, session) in state.of_domain(domain) {
            if !(range.first..=range.last).contains(&report.day) {
                continue;
            }
            let seen = report.seen(session);
            overview.session(seen, &session.kinds, &session.results);
            let of_domain = |policy: &&PolicyResult| {
                let name = policy.policy.as_ref().and_then(|policy| policy.policy_domain.as_deref());
                name.map(domain_name) == Some(domain)
            };
            for row in report.policies.iter().filter(of_domain).flat_map(|policy| &policy.failure_details) {
                row.iter().for_each(|row| overview.failure(seen, row));
            }
        }
        let name = |report: i64| {
            let name = state.reports.get(&report).and_then(|report| report.line.organization_name.clone());
            Ok::<_, StoreError>(name.unwrap_or_default())
        };
        ready(overview.detail(domain.to_owned(), newest, name).map(Some))
    }

    fn reports(
        &self,
        query: ReportQuery,
    ) -> impl Future<Output = Result<Page<ReportLine>, StoreError>> + Send {
        let state = self.state();
        let wanted = query.domain.as_deref().map(domain_name);
        let reports = state.reports.values().rev();
        let of = reports.filter(|report| wanted.is_none_or(|domain| report.session(domain).is_some()));
        let items = of.map(|report| (Place { id: report.line.id, row: 0 }, report.line.clone()));
        let start = cursor::read(List::Reports, query.cursor.as_deref());
        ready(Ok(page(List::Reports, start, query.limit, items)))
    }

    fn report(
        &self,
        id: i64,
        rows: usize,
    ) -> impl Future<Output = Result<Option<ReportDetail>, StoreError>> + Send {
        let state = self.state();
        let limit = rows.min(MAX_PAGE);
        let detail = state.reports.get(&id).and_then(|report| {
            let mut left = limit;
            let mut policies: Vec<PolicyResult> = report.policies.iter().take(limit).cloned().collect();
            for rows in policies.iter_mut().filter_map(|policy| policy.failure_details.as_mut()) {
                rows.truncate(left);
                left -= rows.len();
            }
            Some(ReportDetail {
                line: report.line.clone(),
                contact_info: report.contact_info.clone(),
                member: report.member.clone(),
                road: state.raws.get(&report.raw)?.road,
                repairs: report.repairs.clone(),
                policy_count: report.policy_count,
                failure_count: report.failure_count,
                policies,
            })
        });
        ready(Ok(detail))
    }

    fn raw(&self, of: RawOf) -> impl Future<Output = Result<Option<RawInput>, StoreError>> + Send {
        let state = self.state();
        let id = match of {
            RawOf::Report(id) => state.reports.get(&id).map(|report| report.raw),
            RawOf::SetAside(id) => state.set_aside.contains_key(&id).then_some(id),
        };
        ready(Ok(id.and_then(|id| state.raws.get(&id)).cloned()))
    }

    fn failures(
        &self,
        query: ReportQuery,
    ) -> impl Future<Output = Result<Page<FailureLine>, StoreError>> + Send {
        let state = self.state();
        let wanted = query.domain.as_deref().map(domain_name);
        let items = state.reports.values().rev().flat_map(|report| failure_lines(report, wanted));
        let start = cursor::read(List::Failures, query.cursor.as_deref());
        ready(Ok(page(List::Failures, start, query.limit, items)))
    }

    fn set_aside(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<SetAsideLine>, StoreError>> + Send {
        let state = self.state();
        let items = state.set_aside.iter().rev().filter_map(|(id, Shelved { reason, detail, .. })| {
            let raw = state.raws.get(id)?;
            let line = SetAsideLine {
                id: *id,
                reason: *reason,
                detail: detail.clone(),
                road: raw.road,
                label: raw.label.clone(),
                received_at: raw.received_at,
                bytes: raw.bytes.len() as u64,
            };
            Some((Place { id: *id, row: 0 }, line))
        });
        let start = cursor::read(List::SetAside, cursor.as_deref());
        ready(Ok(page(List::SetAside, start, limit, items)))
    }

    fn totals(&self) -> impl Future<Output = Result<Totals, StoreError>> + Send {
        let state = self.state();
        ready(Ok(Totals {
            reports: state.reports.len() as u64,
            set_aside: state.set_aside.len() as u64,
            pending: state.pending.len() as u64,
            dropped: state.dropped,
            duplicates: state.duplicates,
            domains: state.domain_names().len() as u64,
            last_received_at: state.last_received_at,
        }))
    }
}

/// The failure rows of a report, in order, of one domain or of all.
fn failure_lines<'a>(
    report: &'a Report,
    wanted: Option<&'a str>,
) -> impl Iterator<Item = (Place, FailureLine)> + 'a {
    let of = |policy: &'a PolicyResult| policy.failure_details.iter().flatten().map(move |row| (policy, row));
    let all = (0..).zip(report.policies.iter().flat_map(of));
    all.filter_map(move |(index, (result, row))| {
        let policy = result.policy.as_ref();
        let domain = policy.and_then(|policy| policy.policy_domain.as_deref());
        if wanted.is_some() && domain.map(domain_name) != wanted {
            return None;
        }
        let line = FailureLine {
            report: report.line.id,
            organization_name: report.line.organization_name.clone(),
            domain: domain.map(str::to_owned),
            policy_type: policy.and_then(|policy| Some(policy.policy_type.as_ref()?.as_wire().to_owned())),
            begin: report.line.begin,
            trust: report.line.trust,
            row: row.clone(),
        };
        Some((Place { id: report.line.id, row: index }, line))
    })
}
