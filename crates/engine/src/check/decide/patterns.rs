//! The policy's patterns beside the MX hosts: forgotten hosts, idle patterns, patterns that admit strangers.

use mta_sts::mx::MxPattern;
use mta_sts::name::DnsName;
use mta_sts::policy::{Mode, Policy};

use super::Case;
use crate::check::advice::Draft;
use crate::check::breadth;
use crate::check::code::Code;
use crate::check::gather::is_host;
use crate::check::observations::Cut;
use crate::check::options::MAX_PATTERNS;
use crate::check::text::{list, tame};

/// Judges them. `is_list_known`: the hosts are all that there are.
pub(super) fn judge(case: &mut Case<'_>, policy: &Policy, is_list_known: bool) {
    if policy.mode() == Mode::None {
        return;
    }
    let seen = case.seen;
    let hosts: Vec<DnsName> = seen
        .hosts
        .iter()
        .filter(|host| is_host(&host.host))
        .filter_map(|host| DnsName::parse(&host.host).ok())
        .collect();
    let is_forgotten = |host: &&DnsName| !policy.mx().iter().any(|pattern| pattern.matches(host));
    let forgotten: Vec<&DnsName> = hosts.iter().filter(is_forgotten).collect();
    for host in &forgotten {
        note_forgotten(case, policy, host, &forgotten);
    }
    let found = policy.mx().len();
    if found > MAX_PATTERNS {
        super::was_cut(case, Cut::Patterns { found, kept: MAX_PATTERNS });
    }
    for pattern in policy.mx().iter().take(MAX_PATTERNS) {
        judge_one(case, policy, pattern, &hosts, &forgotten, is_list_known);
    }
}

fn note_forgotten(case: &mut Case<'_>, policy: &Policy, host: &DnsName, forgotten: &[&DnsName]) {
    let near = policy.mx().iter().find(|pattern| is_near_miss(pattern, host));
    let what = match near {
        Some(pattern) => format!(
            "No mx line covers {host}: `{}` covers exactly one label before the domain.",
            tame(&pattern.as_wire())
        ),
        None => format!("No mx line covers {host}."),
    };
    // No pattern is taken away: what it is there for is the owner's to know.
    let kept = policy.mx().iter().take(MAX_PATTERNS).map(|pattern| pattern.as_wire().into_owned());
    let mx = kept.chain(forgotten.iter().map(ToString::to_string)).collect();
    let fix = Draft::of(policy).with_mx(mx).to_fix(&case.seen.domain, case.now);
    case.findings.add(Code::MxNotInPolicy, host.as_str(), &what).fix_by(fix);
}

fn judge_one(
    case: &mut Case<'_>,
    policy: &Policy,
    pattern: &MxPattern,
    hosts: &[DnsName],
    forgotten: &[&DnsName],
    is_list_known: bool,
) {
    let domain = &case.seen.domain;
    let text = pattern.as_wire();
    let shown = tame(&text);
    let covered: Vec<&DnsName> = hosts.iter().filter(|host| pattern.matches(host)).collect();
    let is_wildcard = matches!(pattern, MxPattern::Wildcard(_));
    let below = text.strip_prefix("*.").unwrap_or(&text);
    if is_wildcard && breadth::is_shared(below) {
        let what =
            format!("The policy has `mx: {shown}`, and anybody can have a host under {}.", tame(below));
        let others = policy.mx().iter().filter(|other| *other != pattern).take(MAX_PATTERNS);
        let mx = others.map(|other| other.as_wire().into_owned());
        let mx = mx.chain(covered.iter().map(ToString::to_string)).collect();
        let fix = Draft::of(policy).with_mx(mx).to_fix(domain, case.now);
        case.findings.add(Code::PolicyPatternTooBroad, shown.as_ref(), &what).fix_by(fix);
    } else if covered.is_empty() {
        // A pattern that just misses a host was meant for it: the finding on the host says so.
        if is_list_known && !forgotten.iter().any(|host| is_near_miss(pattern, host)) {
            let what = format!("No MX record of {domain} names a host that `mx: {shown}` covers.");
            case.findings.add(Code::PolicyPatternUnused, shown.as_ref(), &what);
        }
    } else if is_wildcard {
        let what = format!("`mx: {shown}` is there for {}.", list(&covered));
        case.findings.add(Code::PolicyPatternWildcard, shown.as_ref(), &what);
    }
}

/// Whether a wildcard would cover the host if a star stood for any number of labels.
fn is_near_miss(pattern: &MxPattern, host: &DnsName) -> bool {
    if !matches!(pattern, MxPattern::Wildcard(_)) {
        return false;
    }
    let text = pattern.as_wire();
    let below = text.strip_prefix("*.").unwrap_or(&text);
    let host = host.as_str();
    host == below
        || host.strip_suffix(below).is_some_and(|rest| rest.ends_with('.') && rest.matches('.').count() > 1)
}
