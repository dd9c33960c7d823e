//! A report as one line of JSON with what we add: the form of `tlsward read --json`.

use std::io::Write;

use super::model::{FailureDetails, Head, Parsed, Place, PolicyResult};
use super::read::Sink;
use super::repair::Repair;
use super::write::{Object, write_failure, write_head_members, write_repairs, write_report_members};

/// What is added to a report under the key `tlsward`.
#[derive(Debug, Clone, Copy)]
pub struct Annotation<'a> {
    /// Where it came from: `FILE[!member]`.
    pub source: &'a str,
    /// How far its origin is known; a token.
    pub trust: &'a str,
}

/// Appends the report, the annotation and a newline.
pub fn write_line(out: &mut Vec<u8>, parsed: &Parsed, annotation: Annotation<'_>) {
    let mut object = Object::open(out);
    write_report_members(&mut object, &parsed.report);
    annotate(&mut object, annotation, &parsed.repairs);
    object.close();
    out.push(b'\n');
}

fn annotate(object: &mut Object<'_>, annotation: Annotation<'_>, repairs: &[Repair]) {
    let mut own = Object::open(object.key("tlsward"));
    own.text("source", Some(annotation.source));
    own.text("trust", Some(annotation.trust));
    write_repairs(own.key("repairs"), repairs);
    own.close();
}

/// Writes reports that are too large to be held, as their rows come: the second of two passes.
///
/// The first pass gave each report's head and repairs. Members stand in another order than in [`write_line`]:
/// rows first, since they may come before their policy.
pub struct LineWriter<'a, W> {
    out: W,
    buffer: Vec<u8>,
    heads: &'a [(Head, Vec<Repair>)],
    annotation: Annotation<'a>,
    report_begun: bool,
    policies: usize,
    rows: usize,
    outcome: std::io::Result<()>,
}

const FLUSH_AT: usize = 64 * 1024;

impl<'a, W: Write> LineWriter<'a, W> {
    /// A writer for the reports that `heads` tells of, in order.
    pub fn new(out: W, heads: &'a [(Head, Vec<Repair>)], annotation: Annotation<'a>) -> Self {
        Self {
            out,
            buffer: Vec::with_capacity(FLUSH_AT + 4096),
            heads,
            annotation,
            report_begun: false,
            policies: 0,
            rows: 0,
            outcome: Ok(()),
        }
    }

    /// Flushes, and tells whether everything was written.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.flush();
        self.outcome?;
        self.out.flush()
    }

    fn flush(&mut self) {
        if self.outcome.is_ok() {
            self.outcome = self.out.write_all(&self.buffer);
        }
        self.buffer.clear();
    }

    fn begin_policy(&mut self) {
        if !self.report_begun {
            self.report_begun = true;
            self.buffer.extend_from_slice(b"{\"policies\":[");
        }
        if self.policies > 0 {
            self.buffer.push(b',');
        }
    }
}

impl<W: Write> Sink for LineWriter<'_, W> {
    fn failure(&mut self, at: Place, row: FailureDetails) {
        if at.report >= self.heads.len() {
            return; // what follows the last report and broke off: the first pass took it back
        }
        if self.rows == 0 {
            self.begin_policy();
            self.buffer.extend_from_slice(b"{\"failure-details\":[");
        } else {
            self.buffer.push(b',');
        }
        self.rows += 1;
        write_failure(&mut self.buffer, &row);
        if self.buffer.len() >= FLUSH_AT {
            self.flush();
        }
    }

    fn policy(&mut self, at: Place, policy: PolicyResult) {
        if at.report >= self.heads.len() {
            return;
        }
        if self.rows > 0 {
            self.buffer.push(b']');
            let mut rest = Vec::new();
            let mut object = Object::open(&mut rest);
            object.policy_and_summary(&policy);
            object.extra(&policy.extra);
            object.close();
            if rest.len() > 2 {
                self.buffer.push(b',');
            }
            self.buffer.extend_from_slice(&rest[1..]);
        } else {
            self.begin_policy();
            super::write::write_policy(&mut self.buffer, &policy);
        }
        self.rows = 0;
        self.policies += 1;
        if self.buffer.len() >= FLUSH_AT {
            self.flush();
        }
    }

    // The first pass refuses large reports in which rows are taken back.
    fn forget_failures(&mut self, _at: Place) {}
    fn forget_policies(&mut self, _report: usize) {}
    fn amend(&mut self, _report: usize, _repair: Repair) {}

    fn report(&mut self, report: usize, _head: Head, _repairs: Vec<Repair>) {
        let Some((head, repairs)) = self.heads.get(report) else { return };
        let mut rest = Vec::new();
        let mut object = Object::open(&mut rest);
        write_head_members(&mut object, head);
        annotate(&mut object, self.annotation, repairs);
        object.close();
        if self.report_begun {
            self.buffer.extend_from_slice(b"],");
            self.buffer.extend_from_slice(&rest[1..]);
        } else if head.has_policies {
            self.buffer.extend_from_slice(b"{\"policies\":[],");
            self.buffer.extend_from_slice(&rest[1..]);
        } else {
            self.buffer.extend_from_slice(&rest);
        }
        self.buffer.push(b'\n');
        self.report_begun = false;
        self.policies = 0;
        self.flush();
    }

    fn retract(&mut self, _from_report: usize) {}

    fn has_room(&self) -> bool {
        true
    }
}
