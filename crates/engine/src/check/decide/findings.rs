//! The findings while they are collected.

use std::net::IpAddr;

use super::certificate::Expiry;
use crate::check::code::{Code, Level};
use crate::check::report::Finding;
use crate::check::text::{list, tame};
use crate::ports::DnsFailure;

/// The findings so far.
#[derive(Debug)]
pub(super) struct Findings {
    list: Vec<Finding>,
    /// Whether failures of DNS for want of time are the check's own.
    timed_out: bool,
}

impl Findings {
    pub(super) fn new(timed_out: bool) -> Self {
        Self { list: Vec::new(), timed_out }
    }

    /// Notes a finding. `what` is what was seen in this case; what it means follows from the code. The remedy is the
    /// code's unless [`Finding::fix_by`] gives a better one.
    pub(super) fn add(&mut self, code: Code, subject: impl Into<String>, what: &str) -> &mut Finding {
        let about = code.about();
        let text = if what.is_empty() {
            about.explanation.to_owned()
        } else {
            format!("{what} {}", about.explanation)
        };
        let at = self.list.len();
        self.list.push(Finding {
            code,
            level: about.level,
            subject: subject.into(),
            text,
            fix: about.remedy.to_owned(),
            rfc: about.rfc,
        });
        // Just pushed.
        &mut self.list[at]
    }

    /// Notes that DNS did not answer, or answered with a forgery.
    pub(super) fn dns(&mut self, name: &str, kind: &str, failure: &DnsFailure) {
        let code = match failure {
            DnsFailure::Bogus(_) => Code::DnsBogus,
            // The finding on the time limit says it.
            DnsFailure::TimedOut if self.timed_out => return,
            _ => Code::DnsFailed,
        };
        let what = format!("The question for {kind} at {name}: {}.", tame(&failure.to_string()));
        self.add(code, name, &what);
    }

    /// All of it: errors first, of one level in the order of the codes.
    pub(super) fn into_sorted(self) -> Vec<Finding> {
        let mut list = self.list;
        list.sort_by(|a, b| (a.level, a.code, &a.subject).cmp(&(b.level, b.code, &b.subject)));
        list.dedup_by(|a, b| a.code == b.code && a.subject == b.subject && a.text == b.text);
        list
    }
}

impl Finding {
    /// Says what to do in this case.
    pub(super) fn fix_by(&mut self, fix: String) -> &mut Self {
        self.fix = fix;
        self
    }

    /// Makes it another level than the code's own.
    pub(super) fn at(&mut self, level: Level) -> &mut Self {
        self.level = level;
        self
    }
}

/// Faults of one host, the same fault at several addresses once.
#[derive(Debug, Default)]
pub(super) struct ByAddress {
    faults: Vec<Fault>,
}

/// One kind of fault.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: Code,
    /// What was seen at the first address.
    pub(super) what: String,
    pub(super) addresses: Vec<IpAddr>,
    /// Of a certificate that expires soon: when, and how much that matters.
    expiry: Option<(i64, Level)>,
}

impl ByAddress {
    pub(super) fn add(&mut self, code: Code, address: IpAddr, what: impl Into<String>) {
        match self.faults.iter_mut().find(|fault| fault.code == code) {
            Some(fault) if fault.addresses.contains(&address) => {}
            Some(fault) => fault.addresses.push(address),
            None => {
                self.faults.push(Fault { code, what: what.into(), addresses: vec![address], expiry: None });
            }
        }
    }

    /// A certificate that expires soon, at one address. Of several the soonest is told, at its level.
    pub(super) fn add_expiry(&mut self, address: IpAddr, expiry: &Expiry) {
        self.add(expiry.code, address, expiry.what.as_str());
        let known = self.faults.iter_mut().find(|fault| fault.code == expiry.code);
        if let Some(fault) = known.filter(|fault| fault.expiry.is_none_or(|(at, _)| expiry.at < at)) {
            fault.what.clone_from(&expiry.what);
            fault.expiry = Some((expiry.at, expiry.level));
        }
    }

    /// Notes each fault of `host`, which has `all` addresses.
    pub(super) fn note(
        &self,
        findings: &mut Findings,
        host: &str,
        all: usize,
        mut each: impl FnMut(&Fault, &mut Finding),
    ) {
        for fault in &self.faults {
            let place = match fault.addresses.len() {
                count if count == all && all > 1 => format!("{host}, at each of its addresses"),
                _ => format!("{host} at {}", list(&fault.addresses)),
            };
            let what = format!("{place}: {}.", fault.what);
            let finding = findings.add(fault.code, host, &what);
            if let Some((_, level)) = fault.expiry {
                finding.at(level);
            }
            each(fault, finding);
        }
    }
}
