//! The grammar of a report (RFC 8460 §4.4), walked once, rows given away as they come.

use std::io::ErrorKind;

use super::fields::{
    DateRangeField, ElementField, FailureField, Field, PolicyField, ReportField, Seen, SummaryField,
};
use super::json::{Allowance, Json};
use super::lexer::Lexer;
use super::model::{DateRange, Extra, FailureDetails, Head, Place, Policy, PolicyResult, Summary};
use super::read::{Limits, ReadError, Sink};
use super::repair::{Repair, RepairKind};
use super::source::{Slice, Source};
use super::trail::{Step, Trail, shown};
use super::values::{EXTRA_BYTES, Extras, Values};
use super::write::write_members;
use crate::result_type::{PolicyType, ResultType};

type Result<T> = std::result::Result<T, ReadError>;

pub(crate) struct Parser<'k, S, K> {
    values: Values<S>,
    sink: &'k mut K,
    tally: Tally,
    at: Place,
    mark: Option<Repair>,
}

/// What of the limits is used up.
#[derive(Debug, Clone, Copy)]
struct Tally {
    limits: Limits,
    policies: u64,
    failures: u64,
}

impl<'k, S: Source, K: Sink> Parser<'k, S, K> {
    pub(crate) fn new(lexer: Lexer<S>, limits: &Limits, sink: &'k mut K, mark: Option<Repair>) -> Self {
        Self {
            values: Values { lexer, trail: Trail::new(limits.repairs) },
            sink,
            tally: Tally { limits: *limits, policies: 0, failures: 0 },
            at: Place::default(),
            mark,
        }
    }

    /// The whole input: one value, several one after the other, or an array of reports.
    pub(crate) fn input(mut self) -> Result<usize> {
        let mut values = 0usize;
        loop {
            let found = self.at.report;
            let first = match self.values.lexer.peek() {
                Ok(first) => first,
                // The wrapping broke off behind a complete report.
                Err(ReadError::Io(error)) if found > 0 && error.kind() == ErrorKind::UnexpectedEof => {
                    self.amend(RepairKind::GzipTrailerCut, "cut off behind the report".to_owned());
                    None
                }
                Err(error) => return Err(error),
            };
            let Some(first) = first else { break };
            if found > 0 && !matches!(first, b'{' | b'[') {
                let bytes = self.values.lexer.ahead(16)?;
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(16)]).into_owned();
                self.amend(
                    RepairKind::TrailingBytes,
                    format!("followed by bytes that are no report: {text:?}"),
                );
                break;
            }
            match self.top_level(first) {
                Ok(()) => {}
                Err(error) if found > 0 => {
                    self.sink.retract(found);
                    self.at.report = found;
                    self.amend(RepairKind::TrailingBytes, format!("followed by what is no report: {error}"));
                    break;
                }
                Err(error) => return Err(error),
            }
            if values > 0 && self.at.report > found {
                self.amend(RepairKind::SeveralValues, "one of several values one after the other".to_owned());
            }
            values += 1;
        }
        match (self.at.report, values) {
            (0, 0) => Err(ReadError::NoReport("the input is empty")),
            (0, _) => Err(ReadError::NoReport("JSON, but no report: it has neither policies nor date-range")),
            (found, _) => Ok(found),
        }
    }

    fn top_level(&mut self, first: u8) -> Result<()> {
        match first {
            b'{' => self.report().map(drop),
            b'[' => self.array_of_reports(),
            _ => self.values.lexer.value(&mut Allowance::new(0)).map(drop),
        }
    }

    fn array_of_reports(&mut self) -> Result<()> {
        let began = self.at.report;
        let outcome = self.elements_of_array(began);
        if outcome.is_err() {
            // An array is one value: cut off, none of it was read.
            self.sink.retract(began);
            self.at.report = began;
        }
        outcome
    }

    fn elements_of_array(&mut self, began: usize) -> Result<()> {
        let mut more = self.values.lexer.open(b']')?;
        let mut index = 0;
        self.values.trail.enter(Step::Index(0));
        while more {
            self.values.trail.set_index(index);
            let is_report = match self.values.lexer.peek_value()? {
                b'{' => self.report()?,
                _ => {
                    self.values.lexer.value(&mut Allowance::new(0))?;
                    false
                }
            };
            if is_report {
                self.amend(RepairKind::SeveralValues, format!("element {index} of an array of reports"));
            } else if self.at.report > began {
                self.amend(
                    RepairKind::SeveralValues,
                    format!("element {index} is no report and was left out"),
                );
            }
            index += 1;
            more = self.values.lexer.next(b']')?;
        }
        self.values.trail.leave();
        Ok(())
    }

    /// Adds a repair to the report that was completed last.
    fn amend(&mut self, kind: RepairKind, text: String) {
        self.sink.amend(self.at.report - 1, Repair { path: String::new(), kind, text });
    }

    /// An object; true if it was a report.
    fn report(&mut self) -> Result<bool> {
        let depth = self.values.trail.depth();
        let outcome = self.report_members();
        self.values.trail.rewind(depth);
        let Some(head) = outcome? else {
            self.sink.retract(self.at.report);
            self.values.trail.take();
            return Ok(false);
        };
        let mut repairs = self.values.trail.take();
        if let Some(mark) = self.mark.take() {
            repairs.insert(0, mark);
        }
        self.sink.report(self.at.report, head, repairs);
        self.at = Place { report: self.at.report + 1, policy: 0, row: 0 };
        self.check_room()?;
        Ok(true)
    }

    fn report_members(&mut self) -> Result<Option<Head>> {
        let mut head = Head::default();
        let (mut seen, mut extra) = (Seen::default(), Extras::new());
        let mut more = self.values.lexer.open(b'}')?;
        while more {
            if let Some(member) = self.values.member::<ReportField>(&mut seen, &mut extra)? {
                let key = member.field.key();
                match member.field {
                    ReportField::OrganizationName => head.organization_name = self.values.text(key)?,
                    ReportField::ContactInfo => head.contact_info = self.values.address(key)?,
                    ReportField::ReportId => head.report_id = self.values.text(key)?,
                    ReportField::DateRange => head.date_range = self.date_range()?,
                    ReportField::Policies => {
                        if member.again {
                            self.forget_policies()?;
                        }
                        head.has_policies = self.objects(key, Self::element)?;
                    }
                }
            }
            more = self.values.lexer.next(b'}')?;
        }
        head.extra = extra.members;
        if !seen.has(ReportField::Policies) {
            self.draft_layout(&mut head)?;
        }
        // Design: an object without `policies` and without `date-range` is no report.
        let is_report = head.has_policies || head.date_range.is_some();
        Ok(is_report.then_some(head))
    }

    fn forget_policies(&mut self) -> Result<()> {
        self.sink.forget_policies(self.at.report);
        self.at = Place { report: self.at.report, policy: 0, row: 0 };
        self.check_room()
    }

    fn date_range(&mut self) -> Result<Option<DateRange>> {
        if !self.values.is_object(ReportField::DateRange.key())? {
            return Ok(None);
        }
        self.values.trail.enter(Step::Key(ReportField::DateRange.key()));
        let mut range = DateRange::default();
        let (mut seen, mut extra) = (Seen::default(), Extras::new());
        let mut more = self.values.lexer.open(b'}')?;
        while more {
            if let Some(member) = self.values.member::<DateRangeField>(&mut seen, &mut extra)? {
                let time = self.values.time(member.field.key())?;
                match member.field {
                    DateRangeField::Start => range.start = time,
                    DateRangeField::End => range.end = time,
                }
            }
            more = self.values.lexer.next(b'}')?;
        }
        range.extra = extra.members;
        self.values.trail.leave();
        Ok(Some(range))
    }

    /// A list of objects, each read by `read`. True if there was an array, or a single object that became one.
    fn objects(&mut self, key: &'static str, read: fn(&mut Self) -> Result<()>) -> Result<bool> {
        match self.values.lexer.peek_value()? {
            b'[' => {
                self.values.trail.enter(Step::Key(key));
                self.values.trail.enter(Step::Index(0));
                let mut more = self.values.lexer.open(b']')?;
                let mut index = 0;
                while more {
                    self.values.trail.set_index(index);
                    if self.values.is_object("")? {
                        read(self)?;
                    }
                    index += 1;
                    more = self.values.lexer.next(b']')?;
                }
                self.values.trail.leave();
                self.values.trail.leave();
            }
            b'{' => {
                self.note_wrapped(key);
                self.values.trail.enter(Step::Key(key));
                read(self)?;
                self.values.trail.leave();
            }
            _ => {
                self.values.unfit(key)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[cold]
    fn note_wrapped(&mut self, key: &str) {
        self.values.trail.note(
            key,
            RepairKind::WrappedInArray,
            "an object became an array of one".to_owned(),
        );
    }

    fn check_room(&self) -> Result<()> {
        if self.sink.has_room() {
            return Ok(());
        }
        Err(self.values.lexer.limit("a large report that repeats itself, or too much beside its rows"))
    }

    /// One element of `policies`; its opening brace was peeked.
    fn element(&mut self) -> Result<()> {
        if self.tally.policies == self.tally.limits.policies {
            return Err(self.values.lexer.limit("more than 1,000,000 policies"));
        }
        self.tally.policies += 1;
        let mut result = PolicyResult::default();
        let (mut seen, mut extra) = (Seen::default(), Extras::new());
        self.at.row = 0;
        let mut more = self.values.lexer.open(b'}')?;
        while more {
            if let Some(member) = self.values.member::<ElementField>(&mut seen, &mut extra)? {
                match member.field {
                    ElementField::Policy => result.policy = self.policy()?,
                    ElementField::Summary => result.summary = self.summary()?,
                    ElementField::FailureDetails => {
                        if member.again {
                            self.sink.forget_failures(self.at);
                            self.at.row = 0;
                            self.check_room()?;
                        }
                        result.failure_details =
                            self.objects(member.field.key(), Self::failure)?.then(Vec::new);
                    }
                }
            }
            more = self.values.lexer.next(b'}')?;
        }
        result.extra = extra.members;
        if !result.extra.is_empty() {
            self.flattened(&mut result)?;
        }
        self.sink.policy(self.at, result);
        self.at = Place { policy: self.at.policy + 1, row: 0, ..self.at };
        self.check_room()
    }

    fn policy(&mut self) -> Result<Option<Policy>> {
        if !self.values.is_object(ElementField::Policy.key())? {
            return Ok(None);
        }
        self.values.trail.enter(Step::Key(ElementField::Policy.key()));
        let policy = self.policy_members()?;
        self.values.trail.leave();
        Ok(Some(policy))
    }

    fn policy_members(&mut self) -> Result<Policy> {
        let mut policy = Policy::default();
        let (mut seen, mut extra) = (Seen::default(), Extras::new());
        let mut more = self.values.lexer.open(b'}')?;
        while more {
            if let Some(member) = self.values.member::<PolicyField>(&mut seen, &mut extra)? {
                let key = member.field.key();
                match member.field {
                    PolicyField::PolicyType => {
                        policy.policy_type =
                            self.values.token(key, PolicyType::recognise, PolicyType::as_wire)?;
                    }
                    PolicyField::PolicyString => policy.policy_string = self.values.strings(key, false)?,
                    PolicyField::PolicyDomain => policy.policy_domain = self.values.name(key)?,
                    PolicyField::MxHost => policy.mx_host = self.values.strings(key, true)?,
                }
            }
            more = self.values.lexer.next(b'}')?;
        }
        policy.extra = extra.members;
        Ok(policy)
    }

    fn summary(&mut self) -> Result<Option<Summary>> {
        if !self.values.is_object(ElementField::Summary.key())? {
            return Ok(None);
        }
        self.values.trail.enter(Step::Key(ElementField::Summary.key()));
        let summary = self.summary_members()?;
        self.values.trail.leave();
        Ok(Some(summary))
    }

    fn summary_members(&mut self) -> Result<Summary> {
        let mut summary = Summary::default();
        let (mut seen, mut extra) = (Seen::default(), Extras::new());
        let mut more = self.values.lexer.open(b'}')?;
        while more {
            if let Some(member) = self.values.member::<SummaryField>(&mut seen, &mut extra)? {
                let count = self.values.count(member.field.key())?;
                match member.field {
                    SummaryField::Successful => summary.successful = count,
                    SummaryField::Failed => summary.failed = count,
                }
            }
            more = self.values.lexer.next(b'}')?;
        }
        summary.extra = extra.members;
        Ok(summary)
    }

    fn failure(&mut self) -> Result<()> {
        if self.tally.failures == self.tally.limits.failures {
            return Err(self.values.lexer.limit("more than 1,000,000 failure rows"));
        }
        self.tally.failures += 1;
        let mut row = FailureDetails::default();
        let (mut seen, mut extra) = (Seen::default(), Extras::new());
        let mut more = self.values.lexer.open(b'}')?;
        while more {
            if let Some(member) = self.values.member::<FailureField>(&mut seen, &mut extra)? {
                let key = member.field.key();
                let values = &mut self.values;
                match member.field {
                    FailureField::ResultType => {
                        row.result_type = values.token(key, ResultType::recognise, ResultType::as_wire)?;
                    }
                    FailureField::SendingMtaIp => row.sending_mta_ip = values.address(key)?,
                    FailureField::ReceivingMxHostname => row.receiving_mx_hostname = values.name(key)?,
                    FailureField::ReceivingMxHelo => row.receiving_mx_helo = values.text(key)?,
                    FailureField::ReceivingIp => row.receiving_ip = values.address(key)?,
                    FailureField::FailedSessionCount => row.failed_session_count = values.count(key)?,
                    FailureField::AdditionalInformation => row.additional_information = values.text(key)?,
                    FailureField::FailureReasonCode => row.failure_reason_code = values.text(key)?,
                }
            }
            more = self.values.lexer.next(b'}')?;
        }
        row.extra = extra.members;
        self.sink.failure(self.at, row);
        self.at.row += 1;
        self.check_room()
    }

    /// The layout of the drafts before RFC 8460: `policy`, `summary` and `failure-details` in the report itself.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method path is not general over lifetimes"
    )]
    #[cold]
    fn draft_layout(&mut self, head: &mut Head) -> Result<()> {
        let drafted = |key: &str| ElementField::exact(key).is_some();
        if !head.extra.iter().any(|(key, value)| key == "policy" && matches!(value, Json::Object(_))) {
            return Ok(());
        }
        let moved = head.extra.take(drafted);
        self.values.trail.note(
            "policy",
            RepairKind::Moved,
            "the report's own policy, summary and failure-details became its one policy".to_owned(),
        );
        head.has_policies = true;
        self.again(&moved, |inner| inner.element())
    }

    /// Members of `policy` or `summary` that stand beside where these should be.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method path is not general over lifetimes"
    )]
    #[cold]
    fn flattened(&mut self, result: &mut PolicyResult) -> Result<()> {
        let of_policy = |key: &str| PolicyField::exact(key).or_else(|| PolicyField::misspelt(key)).is_some();
        if result.policy.is_none() && result.extra.iter().any(|(key, _)| of_policy(key)) {
            let moved = result.extra.take(of_policy);
            self.note_moved(&moved, "policy");
            result.policy = Some(self.again(&moved, |inner| inner.policy_members())?);
        }
        let of_summary =
            |key: &str| SummaryField::exact(key).or_else(|| SummaryField::misspelt(key)).is_some();
        if result.summary.is_none() && result.extra.iter().any(|(key, _)| of_summary(key)) {
            let moved = result.extra.take(of_summary);
            self.note_moved(&moved, "summary");
            result.summary = Some(self.again(&moved, |inner| inner.summary_members())?);
        }
        Ok(())
    }

    fn note_moved(&mut self, moved: &Extra, into: &str) {
        for (key, _) in moved.iter() {
            self.values.trail.note(key, RepairKind::Moved, format!("{} was moved into {into}", shown(key)));
        }
    }

    /// Reads members that were taken for extra ones once more, in their right place.
    fn again<T>(
        &mut self,
        members: &Extra,
        read: impl FnOnce(&mut Parser<'_, Slice<'_>, K>) -> Result<T>,
    ) -> Result<T> {
        let mut bytes = vec![b'{'];
        write_members(&mut bytes, members, true);
        bytes.push(b'}');
        let mut lexer = Lexer::new(Slice::new(&bytes), EXTRA_BYTES);
        lexer.peek_value()?;
        let trail = std::mem::replace(&mut self.values.trail, Trail::new(0));
        let mut inner = Parser {
            values: Values { lexer, trail },
            sink: &mut *self.sink,
            tally: self.tally,
            at: self.at,
            mark: None,
        };
        let outcome = read(&mut inner);
        let (trail, tally, at) = (inner.values.trail, inner.tally, inner.at);
        (self.values.trail, self.tally, self.at) = (trail, tally, at);
        outcome
    }
}
