//! Failures of a report that are one thing to a person: the same result at the same mail server.

use std::collections::BTreeSet;
use std::io;

use tls_rpt::explain::{self, Context, Deduction, Filled, RowFacts};
use tls_rpt::report::{FailureDetails, Policy};
use tls_rpt::{PolicyType, ResultType, Text};

use super::digest::cut;
use super::figures::counted;
use super::page::{Page, Tone};
use super::visible::{shown, visible};

/// What makes failures the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) domain: Option<Text>,
    pub(crate) result: ResultType,
    pub(crate) mx: Option<Text>,
    pub(crate) policy_type: Option<PolicyType>,
}

/// Failures that are the same.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Failed sessions, as the rows count them.
    pub(crate) sessions: u64,
    /// Rows.
    pub(crate) rows: u64,
    /// What follows from the report alone.
    pub(crate) deduction: Option<Deduction>,
    senders: Samples,
    addresses: Samples,
    reasons: Samples,
}

/// The first few different texts.
#[derive(Debug, Default)]
struct Samples(Vec<Text>);

const MOST_SAMPLES: usize = 3;
const LONGEST_SAMPLE: usize = 240;

impl Samples {
    fn add(&mut self, text: Option<&str>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        if self.0.len() < MOST_SAMPLES {
            let text = cut(text, LONGEST_SAMPLE);
            if !self.0.contains(&text) {
                self.0.push(text);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|text| self.add(Some(text)));
    }

    fn first(&self) -> Option<&str> {
        self.0.first().map(Text::as_str)
    }

    fn list(&self) -> String {
        self.0.iter().map(|text| shown(text)).collect::<Vec<_>>().join(", ")
    }
}

impl Group {
    pub(crate) fn add(&mut self, row: &FailureDetails) {
        self.rows += 1;
        self.sessions = self.sessions.saturating_add(row.failed_session_count.unwrap_or(0));
        self.senders.add(row.sending_mta_ip.as_deref());
        self.addresses.add(row.receiving_ip.as_deref());
        self.reasons.add(row.failure_reason_code.as_deref());
        self.reasons.add(row.additional_information.as_deref());
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sessions = self.sessions.saturating_add(other.sessions);
        self.senders.merge(&other.senders);
        self.addresses.merge(&other.addresses);
        self.reasons.merge(&other.reasons);
    }
}

impl Key {
    /// What the report alone proves of this failure under its policy.
    pub(crate) fn deduce(&self, policy: Option<&Policy>) -> Option<Deduction> {
        let policy = policy?;
        explain::deduce(&RowFacts {
            result: &self.result,
            policy_type: policy.policy_type.as_ref()?,
            mx: self.mx.as_deref(),
            mx_patterns: policy.mx_host.as_deref().unwrap_or_default(),
            policy_lines: policy.policy_string.as_deref().unwrap_or_default(),
        })
    }

    /// The result type's word, or what stands for one that is missing.
    pub(crate) fn word(&self) -> std::borrow::Cow<'_, str> {
        match self.result.as_wire() {
            "" => "failure without a result type".into(),
            word => shown(word),
        }
    }
}

/// The result types that were explained in full already.
#[derive(Debug, Default)]
pub(crate) struct Explained(BTreeSet<ResultType>);

/// Tells of a group: what failed, what it means, what to do.
pub(crate) fn write(
    page: &mut Page<'_>,
    key: &Key,
    group: &Group,
    name_domain: bool,
    explained: &mut Explained,
) -> io::Result<()> {
    let mut heading = match group.sessions {
        0 => "Failed: ".to_owned(),
        sessions => format!("{} failed: ", counted(sessions, "session", "sessions")),
    };
    heading.push_str(&key.word());
    if let Some(mx) = key.mx.as_deref() {
        heading.push_str(&format!(" at {}", shown(mx)));
    }
    if name_domain && let Some(domain) = key.domain.as_deref() {
        heading.push_str(&format!(", for {}", shown(domain)));
    }
    page.text(2, Tone::Bad, &heading)?;
    seen(page, group)?;
    let context = Context {
        domain: key.domain.as_deref(),
        mx: key.mx.as_deref(),
        mx_ip: group.addresses.first(),
        sender_ip: group.senders.first(),
    };
    let explanation = explain::explain(&key.result);
    let filled = explanation.fill(&context);
    let first = explained.0.insert(kind_of(&key.result));
    if !first {
        page.text(4, Tone::Plain, &format!("{}: explained above.", filled.title))?;
    } else {
        page.text(4, Tone::Plain, &format!("{}. {}", filled.title, filled.meaning))?;
    }
    for hint in group.reasons.0.iter().filter_map(|reason| explain::hint(&key.result, reason)).take(1) {
        page.text(4, Tone::Plain, &format!("What the sender adds means: {}", hint.text))?;
    }
    if let Some(deduction) = group.deduction {
        page.text(4, Tone::Plain, deduction.describe())?;
    }
    if first {
        if let Some(policy_type) = &key.policy_type {
            page.text(4, Tone::Plain, explain::enforcement(&key.result, policy_type).describe())?;
        }
        causes(page, &filled)?;
    }
    Ok(())
}

/// Unknown words share one explanation.
fn kind_of(result: &ResultType) -> ResultType {
    if result.is_registered() { result.clone() } else { ResultType::Unknown(Text::const_new("")) }
}

/// What the rows say themselves.
fn seen(page: &mut Page<'_>, group: &Group) -> io::Result<()> {
    let mut parts = Vec::new();
    if !group.senders.0.is_empty() {
        parts.push(format!("sent from {}", group.senders.list()));
    }
    if !group.addresses.0.is_empty() {
        parts.push(format!("to {}", group.addresses.list()));
    }
    if !parts.is_empty() {
        page.text(4, Tone::Aside, &parts.join(" "))?;
    }
    for reason in &group.reasons.0 {
        page.text(4, Tone::Aside, &format!("the sender's words: {}", shown(reason)))?;
    }
    Ok(())
}

fn causes(page: &mut Page<'_>, filled: &Filled) -> io::Result<()> {
    page.gap()?;
    page.text(4, Tone::Plain, "Possible causes, the likeliest first:")?;
    for (index, cause) in filled.causes.iter().enumerate() {
        let mark = format!("{}. ", index + 1);
        let inner = 4 + mark.len();
        page.item(4, &mark, Tone::Plain, &visible(&cause.what))?;
        page.item(inner, "Check: ", Tone::Plain, &visible(&cause.verify))?;
        for command in &cause.commands {
            page.verbatim(inner + 2, Tone::Command, &visible(command))?;
        }
        page.item(inner, "Fix: ", Tone::Plain, &visible(&cause.fix))?;
    }
    Ok(())
}
