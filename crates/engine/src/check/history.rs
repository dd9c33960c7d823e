//! What of a check is worth remembering, and what changed between two of them.
//!
//! A check an hour makes thousands of reports a year, nearly all alike. What is kept is a [`Snapshot`]: a new one only
//! where it differs from the one before, so a list of them is the domain's history.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::report::{Report, Verdict};

/// What one check saw, without what changes by itself (days until a certificate expires).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The verdict's token.
    pub verdict: String,
    /// Findings: code and subject.
    pub findings: BTreeSet<(String, String)>,
    /// The id that announces the policy.
    pub id: Option<String>,
    /// The policy's lines as served; `None` if none was in use.
    pub policy: Option<Vec<String>>,
    /// MX hosts, sorted.
    pub mx: BTreeSet<String>,
}

/// One thing that differs from the check before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The verdict: before, now.
    Verdict(String, String),
    /// A finding that was not there: code and subject.
    Appeared(String, String),
    /// A finding that is gone.
    Gone(String, String),
    /// Policy and id changed, as they should: together.
    PolicyAndId,
    /// The policy's text changed under the same id: a sender that holds the old one does not look again before it
    /// refreshes (RFC 8461 §3.3).
    PolicyWithoutId,
    /// The id changed and the policy did not: every sender fetches it again for nothing.
    IdWithoutPolicy,
    /// A policy came into use.
    PolicyCame,
    /// A policy is no longer in use.
    PolicyWent,
    /// An MX host came.
    MxCame(String),
    /// An MX host went.
    MxWent(String),
}

impl Snapshot {
    /// What is worth remembering of `report`.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        Self {
            verdict: report.verdict.as_wire().to_owned(),
            findings: report
                .findings
                .iter()
                .map(|finding| (finding.code.as_wire().to_owned(), finding.subject.clone()))
                .collect(),
            id: report.policy.as_ref().and_then(|policy| policy.id.clone()),
            policy: report.policy.as_ref().map(|policy| policy.lines.clone()),
            mx: report.mx.iter().map(|mx| mx.host.clone()).collect(),
        }
    }

    /// As text, to be kept.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and sets of them cannot fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From text that was kept; `None` if it is of another form.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// True if it could not be told what there is, so that what is missing in it says nothing.
    fn is_blind(&self) -> bool {
        self.verdict == Verdict::Unknown.as_wire()
    }

    /// What changed from `self` to `newer`, most telling first.
    #[must_use]
    pub fn changes(&self, newer: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.verdict != newer.verdict {
            changes.push(Change::Verdict(self.verdict.clone(), newer.verdict.clone()));
        }
        // What an outage hides has not gone, and has not come when it is over.
        let comparable = !self.is_blind() && !newer.is_blind();
        if comparable {
            let id_changed = self.id != newer.id;
            match (&self.policy, &newer.policy) {
                (None, Some(_)) => changes.push(Change::PolicyCame),
                (Some(_), None) => changes.push(Change::PolicyWent),
                (Some(old), Some(new)) if old != new && id_changed => changes.push(Change::PolicyAndId),
                (Some(old), Some(new)) if old != new => changes.push(Change::PolicyWithoutId),
                (Some(_), Some(_)) if id_changed => changes.push(Change::IdWithoutPolicy),
                _ => {}
            }
            changes.extend(newer.mx.difference(&self.mx).cloned().map(Change::MxCame));
            changes.extend(self.mx.difference(&newer.mx).cloned().map(Change::MxWent));
        }
        // The outage's own findings come with it and go with it.
        if !self.is_blind() {
            let appeared = newer.findings.difference(&self.findings).cloned();
            changes.extend(appeared.map(|(code, subject)| Change::Appeared(code, subject)));
        }
        if !newer.is_blind() {
            let gone = self.findings.difference(&newer.findings).cloned();
            changes.extend(gone.map(|(code, subject)| Change::Gone(code, subject)));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(verdict: &str, id: &str, policy: &[&str]) -> Snapshot {
        Snapshot {
            verdict: verdict.to_owned(),
            findings: BTreeSet::new(),
            id: Some(id.to_owned()),
            policy: Some(policy.iter().map(|line| (*line).to_owned()).collect()),
            mx: ["mx1.example.org".to_owned()].into(),
        }
    }

    /// Proves: D16
    #[test]
    fn an_id_that_changes_without_its_policy_and_the_reverse_are_told_apart() {
        let old = snapshot("delivers", "1", &["mode: testing"]);
        let rows = [
            (snapshot("delivers", "1", &["mode: testing"]), vec![]),
            (snapshot("delivers", "2", &["mode: testing"]), vec![Change::IdWithoutPolicy]),
            (snapshot("delivers", "1", &["mode: enforce"]), vec![Change::PolicyWithoutId]),
            (snapshot("delivers", "2", &["mode: enforce"]), vec![Change::PolicyAndId]),
        ];
        for (new, expected) in rows {
            assert_eq!(old.changes(&new), expected);
        }
    }

    #[test]
    fn an_outage_is_no_change_of_policy_or_mx() {
        let old = snapshot("delivers", "1", &["mode: enforce"]);
        let blind = Snapshot {
            verdict: "unknown".into(),
            id: None,
            policy: None,
            mx: BTreeSet::new(),
            ..old.clone()
        };
        assert_eq!(old.changes(&blind), [Change::Verdict("delivers".into(), "unknown".into())]);
    }

    #[test]
    fn findings_that_an_outage_hides_have_not_gone_and_do_not_come_back_as_new() {
        let finding = |code: &str| (code.to_owned(), "example.org".to_owned());
        let mut before = snapshot("refused", "1", &["mode: enforce"]);
        before.findings = [finding("mx-unreachable"), finding("tlsrpt-missing")].into();
        let blind = Snapshot {
            verdict: "unknown".into(),
            findings: [finding("dns-failed")].into(),
            ..before.clone()
        };
        let appeared = |code: &str| Change::Appeared(code.to_owned(), "example.org".to_owned());
        let gone = |code: &str| Change::Gone(code.to_owned(), "example.org".to_owned());
        let verdict = |old: &str, new: &str| Change::Verdict(old.to_owned(), new.to_owned());
        assert_eq!(before.changes(&blind), [verdict("refused", "unknown"), appeared("dns-failed")]);
        assert_eq!(blind.changes(&before), [verdict("unknown", "refused"), gone("dns-failed")]);
        let other = Snapshot { findings: [finding("dns-bogus")].into(), ..blind.clone() };
        assert_eq!(blind.changes(&other), []);
    }

    #[test]
    fn findings_and_hosts_come_and_go() {
        let old = snapshot("delivers", "1", &["mode: enforce"]);
        let mut new = old.clone();
        new.mx = ["mx2.example.org".to_owned()].into();
        new.findings.insert(("mx-not-in-policy".into(), "mx2.example.org".into()));
        let there = [
            Change::MxCame("mx2.example.org".into()),
            Change::MxWent("mx1.example.org".into()),
            Change::Appeared("mx-not-in-policy".into(), "mx2.example.org".into()),
        ];
        assert_eq!(old.changes(&new), there);
        assert_eq!(new.changes(&old)[2], Change::Gone("mx-not-in-policy".into(), "mx2.example.org".into()));
        assert_eq!(Snapshot::from_json(&new.to_json()), Some(new));
    }
}
