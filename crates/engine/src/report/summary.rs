//! What a person reads in a report's mail: the first part, which RFC 8460 §5.3 leaves to the sender.

use std::fmt::Write as _;

use tls_rpt::tally::{PolicyTally, Tally};
use tls_rpt::{PolicyType, ResultType};

use super::settings::Identity;

/// Failure kinds that are listed.
const MAX_KINDS: usize = 10;

/// The text: plain, short lines.
pub(super) fn summary(
    identity: &Identity,
    domain: &str,
    date: &str,
    report_id: &str,
    tally: &Tally,
    unjudged: u64,
) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing into a String does not fail.
        let _ = text.write_fmt(words);
        text.push('\n');
    };
    line(format_args!("This is a TLS report (RFC 8460) of {},", identity.organization_name()));
    line(format_args!("about mail sent to {domain}"));
    line(format_args!("on {date} (UTC)."));
    line(format_args!(""));
    let (mut successful, mut failed) = (0_u64, 0_u64);
    for (_, counts) in tally.policies() {
        successful = successful.saturating_add(counts.successful);
        failed = failed.saturating_add(counts.failed);
    }
    line(format_args!("Sessions that met the policy: {successful}"));
    line(format_args!("Sessions that did not:        {failed}"));
    for (policy, counts) in tally.policies() {
        let kind = match &policy.policy_type {
            PolicyType::Sts => "MTA-STS",
            PolicyType::Tlsa => "DANE",
            PolicyType::NoPolicyFound => "No policy",
            PolicyType::Unknown(_) => "Other policy",
        };
        line(format_args!(""));
        line(format_args!("{kind} of {}", policy.domain));
        line(format_args!("  met: {}, not met: {}", counts.successful, counts.failed));
        for (result, times) in kinds(counts) {
            line(format_args!("  {times} x {}", result.as_wire()));
        }
    }
    if tally.uncounted() > 0 {
        line(format_args!(""));
        line(format_args!("{} more sessions saw other policies than those listed.", tally.uncounted()));
    }
    if unjudged > 0 {
        line(format_args!(""));
        line(format_args!("Of {unjudged} more sessions it is not known whether they met the policy:"));
        line(format_args!("they are in no count."));
    }
    line(format_args!(""));
    line(format_args!("The attached file has the details, for programs to read."));
    line(format_args!("Questions go to {}", identity.contact()));
    line(format_args!("Report id: {report_id}"));
    text
}

fn kinds(counts: &PolicyTally) -> Vec<(&ResultType, u64)> {
    let mut kinds: Vec<(&ResultType, u64)> = Vec::new();
    for (failure, times) in &counts.failures {
        match kinds.iter_mut().find(|(result, _)| **result == failure.result) {
            Some((_, sum)) => *sum = sum.saturating_add(*times),
            None => kinds.push((&failure.result, *times)),
        }
    }
    kinds.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    kinds.truncate(MAX_KINDS);
    kinds
}
