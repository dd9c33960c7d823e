//! The policy's patterns beside the MX hosts: forgotten hosts, idle patterns, patterns that admit strangers.

use mta_sts::mx::{MxPattern, matches_any};
use mta_sts::policy::{Mode, Policy};

use super::Case;
use crate::check::advice::Draft;
use crate::check::breadth;
use crate::check::code::Code;
use crate::check::gather::is_host;
use crate::check::text::{list, tame};

/// Judges them. `is_list_known`: the hosts are all that there are.
pub(super) fn judge(case: &mut Case<'_>, policy: &Policy, is_list_known: bool) {
    if policy.mode() == Mode::None {
        return;
    }
    let seen = case.seen;
    let hosts: Vec<&str> =
        seen.hosts.iter().map(|host| host.host.as_str()).filter(|host| is_host(host)).collect();
    let forgotten: Vec<&str> = hosts.iter().copied().filter(|host| !matches_any(policy.mx(), host)).collect();

    for host in &forgotten {
        let near = policy.mx().iter().find(|pattern| is_near_miss(pattern, host));
        let what = match near {
            Some(pattern) => format!(
                "No mx line covers {host}: `{}` covers exactly one label before the domain.",
                tame(&pattern.as_wire())
            ),
            None => format!("No mx line covers {host}."),
        };
        let fix = Draft::of(policy).with_mx(repaired(policy, &forgotten));
        let fix = fix.to_fix(&seen.domain, case.now);
        case.findings.add(Code::MxNotInPolicy, *host, &what).fix_by(fix);
    }
    for pattern in policy.mx() {
        let text = pattern.as_wire();
        let shown = tame(&text);
        let covered: Vec<&str> =
            hosts.iter().copied().filter(|host| matches_any(std::slice::from_ref(pattern), host)).collect();
        let is_wildcard = matches!(pattern, MxPattern::Wildcard(_));
        let below = text.strip_prefix("*.").unwrap_or(&text);
        let without = || policy.mx().iter().filter(|other| *other != pattern);
        if is_wildcard && breadth::is_shared(below) {
            let what =
                format!("The policy has `mx: {shown}`, and anybody can have a host under {}.", tame(below));
            let mx = without().map(|other| other.as_wire().into_owned());
            let mx = mx.chain(covered.iter().map(|host| (*host).to_owned())).collect();
            let fix = Draft::of(policy).with_mx(mx).to_fix(&seen.domain, case.now);
            case.findings.add(Code::PolicyPatternTooBroad, shown.as_ref(), &what).fix_by(fix);
            continue;
        }
        if is_list_known && covered.is_empty() {
            // A pattern that just misses a host was meant for it: the finding on the host says so.
            if !forgotten.iter().any(|host| is_near_miss(pattern, host)) {
                let what = format!("No MX record of {} names a host that `mx: {shown}` covers.", seen.domain);
                case.findings.add(Code::PolicyPatternUnused, shown.as_ref(), &what);
            }
            continue;
        }
        if is_wildcard && !covered.is_empty() {
            let what = format!("`mx: {shown}` is there for {}.", list(&covered));
            case.findings.add(Code::PolicyPatternWildcard, shown.as_ref(), &what);
        }
    }
}

/// Whether a wildcard would cover the host if a star stood for any number of labels.
fn is_near_miss(pattern: &MxPattern, host: &str) -> bool {
    if !matches!(pattern, MxPattern::Wildcard(_)) {
        return false;
    }
    let text = pattern.as_wire();
    let below = text.strip_prefix("*.").unwrap_or(&text);
    host == below
        || host.strip_suffix(below).is_some_and(|rest| rest.ends_with('.') && rest.matches('.').count() > 1)
}

/// The patterns with the forgotten hosts. None is taken away: what it is there for is the owner's to know.
fn repaired(policy: &Policy, forgotten: &[&str]) -> Vec<String> {
    let kept = policy.mx().iter().map(|pattern| pattern.as_wire().into_owned());
    kept.chain(forgotten.iter().map(|host| (*host).to_owned())).collect()
}
